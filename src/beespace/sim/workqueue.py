"""Work that runs later, in process context.

:see: kernel/workqueue.c
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from beespace.errors import InternalError
from beespace.sim.contexts import ContextKind, Cpus
from beespace.sim.points import Points

__all__ = ["WorkItem", "Workqueue"]


class WorkItem:
    """``struct work_struct``: queued at most once, executed by at most one worker at a time.

    :ivar pending: queued; it may run at the same time (and will run once more).
    :ivar disabled: it cannot be queued any more.
    """

    __slots__ = ("cpu", "disabled", "function", "name", "pending", "running")

    kind = ContextKind.WORKER

    def __init__(self, function: Callable[[], None], name: str) -> None:
        self.function = function
        self.name = name
        self.cpu = 0
        self.pending = False
        self.running = False
        self.disabled = False


class Workqueue:
    """What waits for a worker, first in first out."""

    def __init__(self, cpus: Cpus, points: Points) -> None:
        self._cpus = cpus
        self._points = points
        self._queue: deque[WorkItem] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def queue_work(self, item: WorkItem) -> bool:
        """Have *item* executed on this CPU; False when it is already queued, or disabled."""
        self._points.point("queue_work")
        if item.pending or item.disabled:
            return False
        item.pending = True
        item.cpu = self._cpus.cpu
        self._queue.append(item)
        return True

    def ready(self) -> bool:
        """Whether a worker would have something to do."""
        return any(not item.running for item in self._queue)

    def run_one(self) -> WorkItem | None:
        """Execute the first item that is not being executed, in a worker of its CPU; None when there is none."""
        item = next((item for item in self._queue if not item.running), None)
        if item is None:
            return None
        self._queue.remove(item)
        item.pending = False
        item.running = True
        try:
            with self._cpus.enter(item.kind, item.cpu):
                item.function()
        finally:
            item.running = False
            self._points.point("work ran")
        return item

    def cancel_pending(self, item: WorkItem) -> bool:
        """Take *item* off the queue; whether it was there. Does not wait."""
        was = item.pending
        if was:
            self._queue.remove(item)
            item.pending = False
        return was

    def cancel_work_sync(self, item: WorkItem, *, disable: bool = False) -> bool:
        """Take *item* off the queue and wait until it does not run; whether it was queued.

        :param disable: nobody can queue it again (disable_work_sync()).
        :raises InternalError: called where nobody may sleep.
        """
        if not self._cpus.current.kind.may_sleep:
            raise InternalError(f"sleeping function called from {self._cpus.current!r}")
        self._points.point("cancel_work_sync")
        item.disabled = item.disabled or disable
        was = self.cancel_pending(item)
        self._points.wait(lambda: not item.running, "cancel_work_sync: wait for the work")
        return was
