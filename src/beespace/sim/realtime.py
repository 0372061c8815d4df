"""Real time: a thread that fires what is due, and a pool of threads that do the work, beside the caller's.

One lock is held by whoever executes anything of the kernel, so that the code is the one of simulated time; nobody holds
it while he waits. Firing takes Python's own lock, too: callbacks run when the interpreter gets to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from beespace.sim.clock import CLOCK_MONOTONIC
from beespace.sim.host import Host, HostThread

__all__ = ["RealClock", "RealTime"]

_WORKERS = 2


class RealClock:
    """The host's clocks."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def now_ns(self, clock: int = CLOCK_MONOTONIC) -> int:
        """Nanoseconds on CLOCK_*."""
        return self._host.now_ns(clock)


class RealTime:
    """The threads of a kernel whose clock is real. A context manager: inside, nothing else of the kernel is executed.

    :param next_ns: when the next event is due on CLOCK_MONOTONIC, None for never.
    :param fire: does the next thing that is due now; False when there is none.
    :param work_ready: whether a worker would have something to do; ``work`` does it.
    """

    def __init__(
        self,
        host: Host,
        next_ns: Callable[[], int | None],
        fire: Callable[[], bool],
        work_ready: Callable[[], bool],
        work: Callable[[], object],
    ) -> None:
        self._host = host
        self._next_ns = next_ns
        self._fire = fire
        self._work_ready = work_ready
        self._work = work
        self._lock = threading.RLock()
        self._timers = threading.Condition(self._lock)  # the timer thread waits here
        self._workers = threading.Condition(self._lock)
        self._planned: int | None = None  # when the timer thread wakes up
        self._depth = 0
        self._stopping = False
        self._threads: list[HostThread] = []
        self._error: BaseException | None = None

    def __enter__(self) -> RealTime:
        self._lock.acquire()
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth and not self._stopping:
            self._wake()
        error, self._error = self._error, None
        self._lock.release()
        if error is not None:
            raise error

    def stop(self) -> None:
        """End the threads."""
        with self._lock:
            self._stopping = True
            self._timers.notify_all()
            self._workers.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    # Somebody has executed something: are there new deadlines, new work?
    def _wake(self) -> None:
        if not self._threads:
            if self._next_ns() is None and not self._work_ready():
                return
            self._threads = [self._host.start_thread(self._run_timers, "beespace timers")]
            self._threads += [self._host.start_thread(self._run_work, f"beespace worker {n}") for n in range(_WORKERS)]
        due = self._next_ns()
        if due is not None and (self._planned is None or due < self._planned):
            self._timers.notify()
        if self._work_ready():
            self._workers.notify()

    def _run_timers(self) -> None:
        with self._timers:
            while not self._stopping:
                due = self._next_ns()
                wait_ns = None if due is None else due - self._host.now_ns()
                if wait_ns is not None and wait_ns <= 0:
                    self._guard(self._fire)
                    continue
                if self._work_ready():
                    self._workers.notify()
                self._planned = due
                self._timers.wait(None if wait_ns is None else wait_ns / 1e9)
                self._planned = None

    def _run_work(self) -> None:
        with self._workers:
            while not self._stopping:
                if self._work_ready():
                    self._guard(self._work)
                    due = self._next_ns()
                    if due is not None and (self._planned is None or due < self._planned):
                        self._timers.notify()
                else:
                    self._workers.wait()

    # An exception has no caller here: the next one who uses the kernel gets it.
    def _guard(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:
            self._error = self._error or error
