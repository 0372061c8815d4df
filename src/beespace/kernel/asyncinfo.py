"""What is armed, and what happened: timers and work items as users see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beespace.decl.events import AsyncEvent
from beespace.sim import Hrtimer
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.kernel.asynccb import AsyncEnv

__all__ = ["TimerInfo", "WorkInfo", "callback_name", "emit"]


@frozen
class TimerInfo:
    """A timer of a map element.

    :ivar map: name of the map; ``key`` of the element.
    :ivar callback: name of the C function, "" when none is set; ``prog`` name of its program.
    :ivar due_ns: on CLOCK_MONOTONIC; None: not armed.
    :ivar clock: CLOCK_* given to bpf_timer_init().
    :ivar cpu: where it will fire.
    """

    map: str
    map_id: int
    key: bytes
    callback: str
    prog: str
    due_ns: int | None
    clock: int
    cpu: int
    running: bool


@frozen
class WorkInfo:
    """A work item of a map element; see TimerInfo.

    :ivar pending: queued.
    """

    map: str
    map_id: int
    key: bytes
    callback: str
    prog: str
    pending: bool
    running: bool


def callback_name(prog: Any, callback_fn: int) -> str:
    """Name of the function at a text address, "" for none."""
    if prog is None or not callback_fn:
        return ""
    index = (callback_fn - prog.xlated.text) // 8
    return next((sub.name for sub in prog.xlated.subprogs if sub.start == index), "") or f"callback@{index}"


def emit(env: AsyncEnv, what: str, cb: Any) -> None:
    """Tell who listens."""
    if env.listen is None or cb is None:
        return
    due = None
    if isinstance(cb, Hrtimer) and cb.pending:
        due = env.due_ns(cb)
    env.listen(
        AsyncEvent(
            env.now_ns(), env.cpus.cpu, what, cb.map.name, cb.map.key_of(cb.value),
            callback_name(cb.prog, cb.callback_fn), due,
        )
    )  # fmt: skip
