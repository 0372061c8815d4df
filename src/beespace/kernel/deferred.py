"""Time and deferred work of one kernel: who runs when nobody calls.

:see: docs/decisions/0100-time-and-deferred-work.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from beespace.errors import GuestFault, InternalError, Unsupported
from beespace.kernel.asyncinfo import TimerInfo, WorkInfo, callback_name
from beespace.kernel.taskwork import TaskWorks
from beespace.kernel.timers import BpfTimer, Timers
from beespace.kernel.workqueues import Works
from beespace.maps.env import NoFieldOps
from beespace.mem import raw
from beespace.sim import ContextKind, Cpus, EventQueue, Hrtimers, Points, Rcu, VirtualClock, Workqueue
from beespace.sim.realtime import RealTime
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.decl.events import Event
    from beespace.decl.map import BtfField
    from beespace.kernel.kernel import Kernel
    from beespace.kernel.prog import BpfProg
    from beespace.maps.base import BpfMap
    from beespace.sim import Choices, Clock, Host
    from beespace.sim.interleave import Interleaver, Policy

__all__ = ["Deferred"]


class Deferred:
    """Clock, CPUs, event queue, workers and grace periods, and the timers and work items of maps.

    Without a scheduler everything is executed to its end, in this order: what is due now, then work, then time moves on
    to the next deadline.

    :ivar points: where others may run meanwhile; an Interleaver makes use of it.
    :ivar real: the threads of a kernel in real time, None in simulated time.
    :ivar inject: names of allocations that fail ("bpf_timer_init": -ENOMEM), as the real kernel's allocator may.
    """

    def __init__(self, kernel: Kernel, clock: Clock, choices: Choices) -> None:
        self._kernel = kernel
        self.clock = clock
        cpus = kernel.features.cpus
        self.cpus = Cpus(cpus)
        self.points = Points()
        self.events = EventQueue(clock, _permutation(cpus, choices))
        self.workqueue = Workqueue(self.cpus, self.points)
        self.rcu = Rcu(self.points)
        self.rcu_tasks_trace = Rcu(self.points)
        self.timers = Timers(self, Hrtimers(self.events, self.cpus, self.points), self.workqueue)
        self.works = Works(self, self.workqueue)
        self.task_works = TaskWorks(self, self.workqueue)
        self.inject: set[str] = set()
        self.real: RealTime | None = None
        self.listen: Callable[[Event], None] | None = None
        self._other_fields = NoFieldOps()

    def start_real_time(self, host: Host) -> None:
        """From now on what is due happens by itself, in threads; the clock is the host's."""
        self.real = RealTime(
            host, self.events.next_deadline_ns, lambda: self.step(self.clock.now_ns(), work=False),
            self.workqueue.ready, self.workqueue.run_one,
        )  # fmt: skip

    # -- what timers and work items need (AsyncEnv)

    def prog_at(self, callback_fn: int) -> BpfProg:
        """The program that a text address belongs to."""
        return self._kernel.runs.prog_at(callback_fn)

    def prog_inc_not_zero(self, prog: BpfProg) -> bool:
        """Take a reference; False when the last one is gone already."""
        self.points.point("prog refcnt")
        if not prog.refcnt:
            return False
        prog.refcnt += 1
        return True

    def put_prog(self, prog: BpfProg) -> None:
        """bpf_prog_put()."""
        self._kernel.put_prog(prog)

    def call(self, callback_fn: int, bpf_map: BpfMap, value: int, *, sleepable: bool) -> None:
        """``callback_fn(map, key of value, value)`` on this CPU."""
        runs = self._kernel.runs
        prog = runs.prog_at(callback_fn)
        key = bpf_map.key_address(value)
        cell = None
        if not key:
            cell = runs.borrow("map_key", 8)
            key = cell.base
            raw.write_bytes(key, bpf_map.key_of(value))
        try:
            with runs.run(prog, self.cpus.cpu, sleepable=sleepable) as run:
                context: Any = run
                try:
                    prog.executable(self._kernel).invoke(context, callback_fn, bpf_map.descriptor, key, value)
                except GuestFault as error:
                    raise InternalError(f"callback of verified program {prog.name!r} faulted: {error}") from error
        finally:
            if cell is not None:
                runs.give_back(cell)

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        return self.clock.now_ns()

    def due_ns(self, timer: BpfTimer) -> int:
        """When a queued timer fires, on CLOCK_MONOTONIC."""
        return self.events.due_ns(timer)

    def fails(self, what: str) -> bool:
        """Fault injection."""
        return what in self.inject

    # -- special fields of map values (FieldOps)

    def free(self, owner: BpfMap, field: BtfField, address: int) -> None:
        """bpf_obj_free_fields() of one field."""
        if field.kind == uapi.BPF_TIMER:
            self.timers.cancel_and_free(address)
        elif field.kind == uapi.BPF_WORKQUEUE:
            self.works.cancel_and_free(address)
        elif field.kind == uapi.BPF_TASK_WORK:
            self.task_works.cancel_and_free(address)
        else:
            self._other_fields.free(owner, field, address)

    # -- grace periods

    def call_rcu(self, callback: Callable[[], None], *, tasks_trace: bool = True) -> None:
        """After a grace period; of sleepable programs, too, with *tasks_trace*."""
        if tasks_trace:
            self.rcu_tasks_trace.call(lambda: self.rcu.call(callback))
        else:
            self.rcu.call(callback)

    # -- time

    def step(self, until_ns: int, *, work: bool = True) -> bool:
        """Do the next thing that is due up to *until_ns*; False when there is none. :param work: or queued."""
        event = self.events.next()
        due = self.events.due_ns(event) if event is not None else until_ns + 1
        now = self.clock.now_ns()
        if work and due > now and self.workqueue.ready():
            self.workqueue.run_one()
            return True
        if event is None or due > until_ns:
            return False
        if due > now:
            self._virtual.advance_to(due)
        self.events.take(event)
        event.fire()
        return True

    def advance_to(self, until_ns: int) -> int:
        """Let time pass to a moment of CLOCK_MONOTONIC; how many things happened."""
        count = 0
        while self.step(until_ns):
            count += 1
        self._virtual.advance_to(max(until_ns, self.clock.now_ns()))
        return count

    def run_until_idle(self, until_ns: int, limit: int) -> int:
        """Do all that is pending, as far as *until_ns*; time stops at the last event.

        :raises InternalError: more than *limit* things happened: something arms itself again and again.
        """
        count = 0
        while self.step(until_ns):
            count += 1
            if count > limit:
                raise InternalError(f"not idle after {limit} events: a timer or work item starts itself again")
        return count

    @property
    def _virtual(self) -> VirtualClock:
        if not isinstance(self.clock, VirtualClock):
            raise Unsupported("moving a clock that is real")
        return self.clock

    # -- interleaving

    def interleaver(
        self,
        policy: Policy,
        *,
        trace: Callable[[str], None] | None = None,
        horizon_ns: int | None = None,
        workers: int = 2,
    ) -> Interleaver:
        """Strands for all that this kernel does by itself; the caller adds tasks and run()s it.

        A timer may fire at any moment (time jumps to its deadline), work may start at any moment after it was queued, a
        grace period may end as late as it likes.

        :param workers: work items that can run at the same time.
        :param horizon_ns: timers due later on CLOCK_MONOTONIC do not fire.
        """
        from beespace.sim.interleave import Interleaver

        found = Interleaver(self.cpus, self.points, policy, trace=trace, now=self.clock.now_ns)

        def due(cpu: int) -> bool:
            event = self.events.next_on(cpu)
            return event is not None and (horizon_ns is None or self.events.due_ns(event) <= horizon_ns)

        def fire(cpu: int) -> None:
            event = self.events.next_on(cpu)
            if event is not None:
                self._virtual.advance_to(max(self.events.due_ns(event), self.clock.now_ns()))
                self.events.take(event)
                event.fire()

        for cpu in range(-1, self.cpus.count):
            found.daemon(
                f"softirq/{cpu}" if cpu >= 0 else "events",
                lambda cpu=cpu: due(cpu),  # type: ignore[misc]
                lambda cpu=cpu: fire(cpu),  # type: ignore[misc]
                cpu=cpu,
                kind=ContextKind.SOFTIRQ if cpu >= 0 else ContextKind.TASK,
            )
        for number in range(workers):
            found.daemon(
                f"kworker/u{number}", self.workqueue.ready, self.workqueue.run_one, cpu=-4 - number,
                kind=ContextKind.WORKER,
            )  # fmt: skip
        for number, flavour in enumerate((self.rcu, self.rcu_tasks_trace)):
            found.daemon(
                ("rcu", "rcu_tasks_trace")[number], flavour.ready, flavour.run_ready, cpu=-2 - number,
                kind=ContextKind.WORKER,
            )  # fmt: skip
        return found

    @contextmanager
    def context(self, kind: ContextKind, cpu: int) -> Iterator[None]:
        """Programs that are run meanwhile run in this context."""
        with self.cpus.enter(kind, cpu):
            yield

    # -- what there is

    def timer_infos(self) -> list[TimerInfo]:
        """All initialised timers, by due time, those that are not armed last; then in the order of initialisation."""
        found = []
        for timer in self.timers.live.values():
            due = self.events.due_ns(timer) if timer.pending else None
            found.append(
                TimerInfo(
                    timer.map.name, timer.map.id, timer.map.key_of(timer.value),
                    callback_name(timer.prog, timer.callback_fn), timer.prog.name if timer.prog is not None else "",
                    due, timer.clockid, timer.cpu, timer.running,
                )
            )  # fmt: skip
        return sorted(found, key=lambda info: (info.due_ns is None, info.due_ns or 0))

    def work_infos(self) -> list[WorkInfo]:
        """All initialised work items, then task works, in the order of initialisation."""
        return [
            WorkInfo(
                work.map.name, work.map.id, work.map.key_of(work.value), callback_name(work.prog, work.callback_fn),
                work.prog.name if work.prog is not None else "", work.pending, work.running,
            )
            for table in (self.works, self.task_works)
            for work in table.live.values()
        ]  # fmt: skip


# What the kernel leaves open: which CPU's timer comes first when two are due at the same nanosecond.
def _permutation(count: int, choices: Choices) -> tuple[int, ...]:
    ranks = list(range(count))
    for at in range(count - 1, 0, -1):
        other = choices.below(at + 1)
        ranks[at], ranks[other] = ranks[other], ranks[at]
    return tuple(ranks)
