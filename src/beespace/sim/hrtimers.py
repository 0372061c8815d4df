"""High-resolution timers: started on a CPU, fired in its soft interrupt, cancelled from anywhere.

:see: kernel/time/hrtimer.c
"""

from __future__ import annotations

from beespace.sim.clock import CLOCK_MONOTONIC
from beespace.sim.contexts import ContextKind, Cpus
from beespace.sim.events import EventQueue, ScheduledEvent
from beespace.sim.points import Points

__all__ = ["KTIME_MAX", "Hrtimer", "Hrtimers"]

KTIME_MAX = (1 << 63) - 1


class Hrtimer(ScheduledEvent):
    """A timer; subclasses say what expired() does.

    :ivar running: expired() is being executed.
    """

    __slots__ = ("queue", "running")

    def __init__(self, queue: Hrtimers, base: int = CLOCK_MONOTONIC) -> None:
        super().__init__(base)
        self.queue = queue
        self.running = False

    def expired(self) -> None:
        """The callback, in the soft interrupt of ``cpu``."""
        raise NotImplementedError

    def fire(self) -> None:
        """__run_hrtimer()."""
        self.queue.run(self)


class Hrtimers:
    """The timers of all CPUs, in a kernel's event queue."""

    __slots__ = ("_cpus", "_events", "_points")

    def __init__(self, events: EventQueue, cpus: Cpus, points: Points) -> None:
        self._events = events
        self._cpus = cpus
        self._points = points

    def start(self, timer: Hrtimer, time_ns: int, *, absolute: bool) -> None:
        """hrtimer_start(): on this CPU; a timer that runs its callback stays on the CPU where it runs.

        :param time_ns: s64; negative, or a sum that overflows: KTIME_MAX, that is never (ktime_add_safe()).
        """
        self._points.point("hrtimer start")
        if time_ns < 0:
            time_ns = KTIME_MAX
        elif not absolute:
            time_ns = min(time_ns + self._events.clock.now_ns(timer.base), KTIME_MAX)
        self._events.enqueue(timer, time_ns, timer.cpu if timer.running else self._cpus.cpu)

    def try_to_cancel(self, timer: Hrtimer) -> int:
        """hrtimer_try_to_cancel(): 1 was queued, 0 was not, -1 its callback runs (and nothing was done)."""
        self._points.point("hrtimer try_to_cancel")
        if timer.running:
            return -1
        return int(self._events.cancel(timer))

    def cancel(self, timer: Hrtimer) -> int:
        """hrtimer_cancel(): wait for a running callback; 1 when the timer was queued, 0 when it was not."""
        while (result := self.try_to_cancel(timer)) < 0:
            self._points.wait(lambda: not timer.running, "hrtimer_cancel: wait for the callback")
        return result

    def run(self, timer: Hrtimer) -> None:
        """The callback of a timer that was taken from the queue."""
        timer.running = True
        try:
            with self._cpus.enter(ContextKind.SOFTIRQ, timer.cpu):
                timer.expired()
        finally:
            timer.running = False
            self._points.point("hrtimer ran")
