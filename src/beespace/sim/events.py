"""What is going to happen: callbacks in the total order (deadline, sequence)."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from beespace.sim.clock import VirtualClock

__all__ = ["EventQueue", "ScheduledEvent"]


class ScheduledEvent:
    """A callback due at a moment of CLOCK_MONOTONIC. Made by EventQueue.schedule().

    :ivar sequence: position among all that were ever scheduled: decides between equal deadlines.
    :ivar pending: neither fired nor cancelled.
    """

    __slots__ = ("callback", "deadline_ns", "pending", "sequence")

    def __init__(self, deadline_ns: int, sequence: int, callback: Callable[[], None]) -> None:
        self.deadline_ns = deadline_ns
        self.sequence = sequence
        self.callback = callback
        self.pending = True

    def __lt__(self, other: ScheduledEvent) -> bool:
        return (self.deadline_ns, self.sequence) < (other.deadline_ns, other.sequence)


class EventQueue:
    """Scheduled events of one kernel."""

    def __init__(self) -> None:
        self._heap: list[ScheduledEvent] = []
        self._sequence = 0

    def __len__(self) -> int:
        return sum(event.pending for event in self._heap)

    def schedule(self, deadline_ns: int, callback: Callable[[], None]) -> ScheduledEvent:
        """Call *callback* at *deadline_ns* of CLOCK_MONOTONIC; a past deadline is due at once."""
        self._sequence += 1
        event = ScheduledEvent(deadline_ns, self._sequence, callback)
        heapq.heappush(self._heap, event)
        return event

    def cancel(self, event: ScheduledEvent) -> bool:
        """Whether *event* was still pending; it will not fire."""
        was, event.pending = event.pending, False
        return was

    def next_deadline_ns(self) -> int | None:
        """When the next event is due, None when there is none."""
        while self._heap and not self._heap[0].pending:
            heapq.heappop(self._heap)
        return self._heap[0].deadline_ns if self._heap else None

    def run_due(self, clock: VirtualClock, until_ns: int) -> int:
        """Fire everything due up to *until_ns*, moving the clock from deadline to deadline and then to the end.

        Events that callbacks schedule take part. :return: how many fired.
        """
        fired = 0
        while (deadline := self.next_deadline_ns()) is not None and deadline <= until_ns:
            clock.advance_to(max(deadline, clock.now_ns()))
            event = heapq.heappop(self._heap)
            event.pending = False
            event.callback()
            fired += 1
        clock.advance_to(max(until_ns, clock.now_ns()))
        return fired
