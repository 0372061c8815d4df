"""Trace events: dataclasses sent to a sink that the caller passes in. Log, debugger, coverage and replay are sinks."""

from __future__ import annotations

from collections.abc import Callable

from beespace.values import frozen

__all__ = ["AsyncEvent", "CallEvent", "Event", "Sink"]


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


@frozen
class AsyncEvent(Event):
    """Something happened to a timer or a work item of a map element.

    :ivar time_ns: on CLOCK_MONOTONIC; ``cpu`` where.
    :ivar what: timer_init, timer_set_callback, timer_start, timer_cancel, timer_fire, timer_free; wq_* likewise.
    :ivar map: its name; ``key`` of the element.
    :ivar callback: name of the C function, "" for none.
    :ivar due_ns: on CLOCK_MONOTONIC, when a timer is armed.
    """

    time_ns: int
    cpu: int
    what: str
    map: str
    key: bytes
    callback: str = ""
    due_ns: int | None = None

    def __str__(self) -> str:
        due = f" due {self.due_ns / 1e9:.9f}" if self.due_ns is not None else ""
        name = f" {self.callback}()" if self.callback else ""
        return f"{self.time_ns / 1e9:16.9f} cpu{self.cpu} {self.what:18s} {self.map}[{self.key.hex()}]{name}{due}"


Sink = Callable[[Event], None]
