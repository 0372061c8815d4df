"""What is going to happen: callbacks in the total order (deadline, CPU's rank, clock, sequence)."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

from beespace.errors import InternalError
from beespace.sim.clock import CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_TAI, Clock, VirtualClock

__all__ = ["EventQueue", "ScheduledEvent"]

# Clocks in the order in which one CPU looks at them, include/linux/hrtimer_defs.h:hrtimer_base_type.
_BASES = {CLOCK_MONOTONIC: 0, CLOCK_REALTIME: 1, CLOCK_BOOTTIME: 2, CLOCK_TAI: 3}
_SLACK = 1024  # cancelled entries that are worth no thought

_Entry = tuple[int, int, int, "ScheduledEvent"]  # deadline on the base, rank, sequence, event


class ScheduledEvent:
    """Something due at a moment of a clock.

    :ivar base: CLOCK_* that the deadline is on.
    :ivar cpu: where it happens, -1 for nowhere in particular.
    :ivar sequence: position among all that were ever scheduled: decides between equal deadlines; 0: not pending.
    """

    __slots__ = ("base", "cpu", "deadline_ns", "sequence")

    def __init__(self, base: int = CLOCK_MONOTONIC) -> None:
        self.base = base
        self.cpu = -1
        self.deadline_ns = 0
        self.sequence = 0

    @property
    def pending(self) -> bool:
        """Neither fired nor cancelled."""
        return self.sequence != 0

    def fire(self) -> None:
        """What happens."""
        raise NotImplementedError


class _Call(ScheduledEvent):
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        super().__init__()
        self.callback = callback

    def fire(self) -> None:
        self.callback()


class EventQueue:
    """Scheduled events of one kernel.

    Equal deadlines on one CPU and clock fire in the order in which they were scheduled. Between CPUs the kernel leaves
    the order open; here *ranks* decide, a permutation of the CPUs.

    :param ranks: by CPU; events of no CPU come first.
    """

    def __init__(self, clock: Clock | None = None, ranks: tuple[int, ...] = ()) -> None:
        self.clock: Clock = clock if clock is not None else VirtualClock()
        self._ranks = ranks
        self._heaps: dict[int, list[_Entry]] = {base: [] for base in _BASES}
        self._pending = 0
        self._sequence = 0

    def __len__(self) -> int:
        return self._pending

    def schedule(self, deadline_ns: int, callback: Callable[[], None]) -> ScheduledEvent:
        """Call *callback* at *deadline_ns* of CLOCK_MONOTONIC; a past deadline is due at once."""
        event = _Call(callback)
        self.enqueue(event, deadline_ns)
        return event

    def enqueue(self, event: ScheduledEvent, deadline_ns: int, cpu: int = -1) -> None:
        """Make *event* happen at *deadline_ns* of its clock; what was pending is replaced."""
        if event.sequence:
            self._pending -= 1
        self._pending += 1
        self._sequence = sequence = self._sequence + 1
        event.sequence = sequence
        event.deadline_ns = deadline_ns
        event.cpu = cpu
        heap = self._heaps.get(event.base)
        if heap is None:
            raise InternalError(f"no clock {event.base}")
        heapq.heappush(heap, (deadline_ns, self._ranks[cpu] if 0 <= cpu < len(self._ranks) else -1, sequence, event))

    def cancel(self, event: ScheduledEvent) -> bool:
        """Whether *event* was still pending; it will not fire."""
        if not event.sequence:
            return False
        event.sequence = 0
        self._pending -= 1
        heap = self._heaps[event.base]
        if len(heap) > 2 * self._pending + _SLACK:
            heap[:] = [entry for entry in heap if entry[3].sequence == entry[2]]
            heapq.heapify(heap)
        return True

    def due_ns(self, event: ScheduledEvent) -> int:
        """The moment of CLOCK_MONOTONIC at which a pending event is due, as the clocks are now."""
        return self._monotonic(event.base, event.deadline_ns)

    def next(self) -> ScheduledEvent | None:
        """The event that comes next, None when there is none."""
        best: tuple[int, int, int, int] | None = None
        found = None
        for base, heap in self._heaps.items():
            while heap and heap[0][3].sequence != heap[0][2]:
                heapq.heappop(heap)
            if heap:
                deadline, rank, sequence, event = heap[0]
                key = (self._monotonic(base, deadline), rank, _BASES[base], sequence)
                if best is None or key < best:
                    best, found = key, event
        return found

    def next_on(self, cpu: int) -> ScheduledEvent | None:
        """The next event of one CPU (-1: of those that belong to none). Takes time in proportion to their number."""
        mine = [event for event in self if event.cpu == cpu]
        return min(mine, key=lambda e: (self.due_ns(e), _BASES[e.base], e.sequence), default=None)

    def __iter__(self) -> Iterator[ScheduledEvent]:
        """All that is pending, in no particular order."""
        for heap in self._heaps.values():
            for entry in heap:
                if entry[3].sequence == entry[2]:
                    yield entry[3]

    def next_deadline_ns(self) -> int | None:
        """When the next event is due on CLOCK_MONOTONIC, None when there is none."""
        event = self.next()
        return self.due_ns(event) if event is not None else None

    def take(self, event: ScheduledEvent) -> None:
        """*event* fires now: it is pending no more."""
        self.cancel(event)

    def run_due(self, clock: VirtualClock, until_ns: int) -> int:
        """Fire everything due up to *until_ns*, moving the clock from deadline to deadline and then to the end.

        Events that callbacks schedule take part. :return: how many fired.
        """
        fired = 0
        while (event := self.next()) is not None and (deadline := self.due_ns(event)) <= until_ns:
            clock.advance_to(max(deadline, clock.now_ns()))
            self.take(event)
            event.fire()
            fired += 1
        clock.advance_to(max(until_ns, clock.now_ns()))
        return fired

    def _monotonic(self, base: int, deadline_ns: int) -> int:
        if base == CLOCK_MONOTONIC:
            return deadline_ns
        return deadline_ns - self.clock.now_ns(base) + self.clock.now_ns()
