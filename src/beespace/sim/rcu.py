"""Grace periods: callbacks that wait until everybody who reads now has left.

:see: kernel/rcu/tree.c:call_rcu, kernel/rcu/tasks.h:call_rcu_tasks_trace
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from beespace.sim.points import Points

__all__ = ["Rcu"]


class Rcu:
    """One flavour of RCU.

    Without a scheduler callbacks run as soon as they may; with one, when it lets the strand that calls run_ready() go
    on: as late as the kernel might.
    """

    def __init__(self, points: Points) -> None:
        self._points = points
        self._readers: dict[int, None] = {}  # numbers of readers, the oldest first
        self._count = 0
        self._callbacks: deque[tuple[int, Callable[[], None]]] = deque()

    @property
    def active(self) -> int:
        """Readers inside."""
        return len(self._readers)

    def read_lock(self) -> int:
        """Enter; the number is for read_unlock()."""
        self._count = number = self._count + 1
        self._readers[number] = None
        return number

    def read_unlock(self, number: int) -> None:
        """Leave."""
        del self._readers[number]
        if self._callbacks and self._points.scheduler is None:
            self.run_ready()

    def call(self, callback: Callable[[], None]) -> None:
        """Call *callback* after a grace period."""
        self._callbacks.append((self._count, callback))
        if self._points.scheduler is None:
            self.run_ready()

    def ready(self) -> bool:
        """Whether the oldest callback's grace period is over."""
        return bool(self._callbacks) and next(iter(self._readers), self._count + 1) > self._callbacks[0][0]

    def run_ready(self) -> int:
        """Call what may be called; how many."""
        called = 0
        while self.ready():
            self._callbacks.popleft()[1]()
            called += 1
        return called
