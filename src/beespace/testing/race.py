"""A laboratory for races in timer and work code: the real code, real maps, callbacks in Python, every schedule.

>>> def scenario(lab):                                   # doctest: +SKIP
...     lab.arm(1, lab.prog("a").callback(lambda key: None))
...     lab.task(0, lambda: lab.cancel(1))
...     lab.task(1, lambda: lab.delete(1))
>>> explored(scenario, preemptions=2)                    # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from beespace.btf import BtfField, BtfRecord
from beespace.errors import InternalError, SyscallError
from beespace.kernel import Kernel
from beespace.kernel.asynccb import AsyncTable
from beespace.kernel.idr import File
from beespace.kernel.timers import Timers
from beespace.kernel.workqueues import Works
from beespace.maps.base import BpfMap, Buffer
from beespace.sim import CLOCK_MONOTONIC
from beespace.sim.interleave import Interleaver, Policy, Prefix, RandomPolicy, explore
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import MapCreateAttr

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FakeProg", "RaceLab", "Scenario", "explored", "sampled"]

TIMER_OFF, WQ_OFF, TW_OFF = 8, 24, 40
_VALUE_BYTES = 48
_TEXT = 0x1000_0000
_TEXT_BYTES = 0x1000


class FakeProg:
    """A program as far as timers know it: references, and callbacks at text addresses.

    :ivar freed: a grace period after the last reference: its code is gone.
    """

    def __init__(self, lab: RaceLab, name: str, text: int) -> None:
        self.name = name
        self.text = text
        self.refcnt = 1
        self.freed = False
        self._lab = lab
        self._callbacks: list[Callable[[int], object]] = []

    def callback(self, body: Callable[[int], object]) -> int:
        """Text address of a callback; *body* gets the key."""
        self._callbacks.append(body)
        return self.text + 8 * (len(self._callbacks) - 1)

    def run(self, callback_fn: int, key: int) -> None:
        """Execute a callback."""
        self.check()
        self._callbacks[(callback_fn - self.text) // 8](key)
        self.check()

    def check(self) -> None:
        """:raises InternalError: the code is gone."""
        if self.freed:
            raise InternalError(f"program {self.name} runs after it was freed")


class RaceLab:
    """One scenario on one kernel: a map whose values hold a timer and a work item, and tasks that use them.

    :ivar log: what callbacks and tasks noted.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        cpus: int = 2,
        map_type: int = uapi.BPF_MAP_TYPE_HASH,
        timers: type[Timers] = Timers,
        works: type[Works] = Works,
        trace: bool = False,
        horizon_ns: int | None = None,
        workers: int = 1,
    ) -> None:
        self.kernel = Kernel(cpus=cpus, btf_vmlinux=None)
        deferred = self.deferred = self.kernel.deferred
        # Another implementation, to show that a scenario finds what it is about.
        deferred.timers = timers(deferred, deferred.timers.hrtimers, deferred.workqueue)
        deferred.works = works(deferred, deferred.workqueue)
        replaced: Any = deferred
        replaced.call, replaced.prog_at, replaced.put_prog = self._call, self._prog_at, self._put_prog
        self.progs: list[FakeProg] = []
        self.log: list[Any] = []
        self.trace: list[str] = []
        self.map_freed = False
        self.map = self._make_map(map_type)
        self.map.refcnt += 1  # as programs that use it hold it
        self.fd: int | None = self.kernel.fds.install(File("map", self.map))
        self.interleaver: Interleaver = deferred.interleaver(
            policy, trace=self.trace.append if trace else None, horizon_ns=horizon_ns, workers=workers
        )

    # -- setting up

    def prog(self, name: str) -> FakeProg:
        """A program, with one reference (its fd)."""
        prog = FakeProg(self, name, _TEXT + len(self.progs) * _TEXT_BYTES)
        self.progs.append(prog)
        return prog

    def task(self, cpu: int, body: Callable[[], object], name: str = "") -> None:
        """A program run, or a user-space thread, on *cpu*."""
        self.interleaver.spawn(name or f"task/{cpu}", lambda: void(body()), cpu=cpu)

    def arm(self, key: int, callback_fn: int, nsecs: int = 1000) -> None:
        """An element with an armed timer."""
        self.update(key)
        self.must(self.init(key), self.set_callback(key, callback_fn), self.start(key, nsecs))

    def arm_work(self, key: int, callback_fn: int) -> None:
        """An element with a work item that has a callback."""
        self.update(key)
        self.must(self.wq_init(key), self.wq_set_callback(key, callback_fn))

    @staticmethod
    def must(*results: int | None) -> None:
        """All were 0."""
        if any(results):
            raise InternalError(f"setting up a scenario: {results}")

    # -- what programs do; each is one program run and a reader; None: no such element

    def init(self, key: int) -> int | None:
        """bpf_timer_init()."""
        return self._timer(key, lambda slot: self.timers.timer_init(slot, self.map, CLOCK_MONOTONIC))

    def set_callback(self, key: int, callback_fn: int) -> int | None:
        """bpf_timer_set_callback()."""
        return self._timer(key, lambda slot: self.timers.timer_set_callback(slot, callback_fn))

    def start(self, key: int, nsecs: int = 1000) -> int | None:
        """bpf_timer_start()."""
        return self._timer(key, lambda slot: self.timers.timer_start(slot, nsecs, 0))

    def cancel(self, key: int) -> int | None:
        """bpf_timer_cancel()."""
        return self._timer(key, lambda slot: self.timers.timer_cancel(slot))

    def wq_init(self, key: int) -> int | None:
        """bpf_wq_init()."""
        return self._work(key, lambda slot: self.works.wq_init(slot, self.map, 0))

    def wq_set_callback(self, key: int, callback_fn: int) -> int | None:
        """bpf_wq_set_callback()."""
        return self._work(key, lambda slot: self.works.wq_set_callback(slot, callback_fn, 0))

    def wq_start(self, key: int) -> int | None:
        """bpf_wq_start()."""
        return self._work(key, lambda slot: self.works.wq_start(slot, 0))

    def tw_schedule(self, key: int, callback_fn: int) -> int | None:
        """bpf_task_work_schedule_*()."""
        works = self.deferred.task_works
        return self._on_element(key, TW_OFF, lambda slot: works.schedule(1, slot, self.map, callback_fn), works)

    # -- what programs and user space do with the map

    def update(self, key: int) -> int:
        """A new value, also for an element that exists."""
        with self.reader():
            at, value = Buffer(key.to_bytes(4, "little")), Buffer(_VALUE_BYTES)
            return self.map.map_update_elem(at.address, value.address, uapi.BPF_ANY, self.deferred.cpus.cpu)

    def delete(self, key: int) -> int:
        """bpf_map_delete_elem()."""
        with self.reader():
            at = Buffer(key.to_bytes(4, "little"))
            return self.map.map_delete_elem(at.address, self.deferred.cpus.cpu)

    def close_map(self) -> None:
        """close(2) of the map's only fd."""
        if self.fd is not None:
            fd, self.fd = self.fd, None
            self.kernel.close(fd)

    def close_prog(self, prog: FakeProg) -> None:
        """close(2) of a program's only fd."""
        self._put_prog(prog)

    def point(self, what: str = "body") -> None:
        """Somebody else may run here."""
        self.deferred.points.point(what)

    @contextmanager
    def reader(self) -> Iterator[None]:
        """rcu_read_lock() .. rcu_read_unlock(), as around every program."""
        reader = self.deferred.rcu.read_lock()
        try:
            yield
        finally:
            self.deferred.rcu.read_unlock(reader)

    # -- the end

    def run(self) -> None:
        """Run all tasks, then whatever is left, then end everything, and see that nothing is left.

        :raises InternalError: something freed was used, somebody waits for ever, something leaked.
        """
        self.interleaver.run()
        self._drain()
        if not self.map.usercnt and (self.timers.live or self.works.live or self.deferred.task_works.live):
            raise InternalError("timers or work outlive the last user reference of their map")
        self.close_map()
        for prog in self.progs:
            self._put_prog(prog)
        self.kernel.put_map(self.map)
        self._drain()
        left = [*self.timers.live.values(), *self.works.live.values(), *self.deferred.task_works.live.values()]
        if left:
            raise InternalError(f"leaked: {left}")
        if len(self.deferred.events) or len(self.deferred.workqueue):
            raise InternalError("a timer is armed, or work queued, after the map is gone")
        refs = {prog.name: prog.refcnt for prog in self.progs if prog.refcnt or not prog.freed}
        if refs:
            raise InternalError(f"references of programs: {refs}")
        if not self.map_freed:
            raise InternalError("the map was not freed")
        self.kernel.close()

    # Grace periods and work that the interleaver's end left.
    def _drain(self) -> None:
        self.deferred.rcu_tasks_trace.run_ready()
        self.deferred.rcu.run_ready()
        while self.deferred.workqueue.ready():
            self.deferred.workqueue.run_one()

    @property
    def timers(self) -> Timers:
        """What is tried."""
        return self.deferred.timers

    @property
    def works(self) -> Works:
        """What is tried."""
        return self.deferred.works

    def _timer(self, key: int, call: Callable[[int], int]) -> int | None:
        return self._on_element(key, TIMER_OFF, call, self.timers)

    def _work(self, key: int, call: Callable[[int], int]) -> int | None:
        return self._on_element(key, WQ_OFF, call, self.works)

    # The element is found first, and used later.
    def _on_element(self, key: int, off: int, call: Callable[[int], int], table: AsyncTable) -> int | None:
        with self.reader():
            at = Buffer(key.to_bytes(4, "little"))
            value = self.map.map_lookup_elem(at.address, self.deferred.cpus.cpu)
            self.point("looked up")
            return call(value + off) if value else None

    def _make_map(self, map_type: int) -> BpfMap:
        attr = MapCreateAttr(map_type=map_type, key_size=4, value_size=_VALUE_BYTES, max_entries=4, map_name=b"race")
        bpf_map = self.kernel.map_storage(map_type)(attr, self.kernel.map_env)
        bpf_map.map_alloc()
        fields = (BtfField(uapi.BPF_TIMER, TIMER_OFF, 16), BtfField(uapi.BPF_WORKQUEUE, WQ_OFF, 16),
                  BtfField(uapi.BPF_TASK_WORK, TW_OFF, 8))  # fmt: skip
        bpf_map.set_record(BtfRecord(fields))
        bpf_map.name = "race"
        bpf_map.id = self.kernel.maps.alloc(bpf_map)
        bpf_map.publish()
        self.kernel.add_map(bpf_map)
        free = bpf_map.map_free

        def map_free() -> None:
            free()
            self.map_freed = True

        bpf_map.map_free = map_free  # type: ignore[method-assign]
        return bpf_map

    def _prog_at(self, callback_fn: int) -> FakeProg:
        return self.progs[(callback_fn - _TEXT) // _TEXT_BYTES]

    def _put_prog(self, prog: FakeProg | None) -> None:
        self.point("prog refcnt")
        if prog is None or not prog.refcnt:
            raise InternalError("reference of a program dropped twice")
        prog.refcnt -= 1
        if not prog.refcnt:

            def free() -> None:
                prog.freed = True

            self.deferred.call_rcu(free)

    def _call(self, callback_fn: int, bpf_map: BpfMap, value: int, *, sleepable: bool) -> None:
        if self.map_freed:
            raise InternalError("a callback runs for a map that was freed")
        rcu = self.deferred.rcu_tasks_trace if sleepable else self.deferred.rcu
        reader = rcu.read_lock()
        try:
            self._prog_at(callback_fn).run(callback_fn, int.from_bytes(bpf_map.key_of(value), "little"))
        finally:
            rcu.read_unlock(reader)


def void(result: object) -> None:
    """A task's result is not looked at."""


Scenario = Callable[[RaceLab], object]  # sets up; a callable that it returns checks at the end


def explored(scenario: Scenario, preemptions: int, *, limit: int | None = None, **lab: Any) -> int:
    """Play *scenario* under all schedules of up to so many preemptions; how many those were.

    :raises InternalError: of a failing schedule, with a note how to replay it.
    """

    def run(policy: Prefix) -> None:
        _play(scenario, policy, lab, lambda: f"schedule {policy.decisions}")

    return explore(run, preemptions, limit)


def sampled(scenario: Scenario, seeds: range, *, rate: int = 4, **lab: Any) -> None:
    """Play *scenario* under one random schedule for each seed."""
    for seed in seeds:
        _play(scenario, RandomPolicy(seed, rate), lab, lambda seed=seed: f"seed {seed}")  # type: ignore[misc]


def _play(scenario: Scenario, policy: Policy, options: dict[str, Any], how: Callable[[], str]) -> None:
    lab = RaceLab(policy, **options)
    try:
        check = scenario(lab)
        lab.run()
        if callable(check):
            check()
    except (InternalError, AssertionError, SyscallError) as error:
        error.add_note(f"{how()}; log {lab.log}")
        raise
