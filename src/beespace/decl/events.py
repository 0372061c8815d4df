"""Trace events: dataclasses sent to a sink that the caller passes in. Log, debugger, coverage and replay are sinks."""

from __future__ import annotations

from collections.abc import Callable

from beespace.values import frozen

__all__ = ["CallEvent", "Event", "Sink"]


@frozen
class Event:
    """Base of all events."""


@frozen
class CallEvent(Event):
    """A helper or kfunc was called: name, arguments as machine words, result."""

    insn_idx: int
    name: str
    args: tuple[int, ...]
    ret: int


Sink = Callable[[Event], None]
