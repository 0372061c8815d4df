"""bpf_timer: high-resolution timers in map values.

A timer: *absent* --init--> *idle, no callback* --set_callback--> *idle* --start--> *queued* --expiry--> *running* -->
*idle*; start() while it runs queues it again, cancel() takes queue and callback away, freeing the element all of it.

:see: kernel/bpf/helpers.c:bpf_timer_init
"""

from __future__ import annotations

from errno import EDEADLK, EINVAL, EOPNOTSUPP
from typing import TYPE_CHECKING, Any

from beespace.kernel.asynccb import AsyncEnv, AsyncTable
from beespace.kernel.asyncinfo import emit
from beespace.sim import CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, Hrtimer, Hrtimers, WorkItem, Workqueue
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.maps.base import BpfMap

__all__ = ["BpfTimer", "Timers"]

_MAX_CLOCKS = 16
_CLOCKS = (CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME)
_S64_SIGN = 1 << 63


class BpfTimer(Hrtimer):
    """``struct bpf_hrtimer``.

    :ivar clockid: as given to init. As in the kernel, a timer on CLOCK_REALTIME is made relative and so runs on
        CLOCK_MONOTONIC, absolute times included (hrtimer_setup() does that to every such timer).
    :ivar cancelling: callbacks that are waiting for this timer.
    """

    __slots__ = ("callback_fn", "cancelling", "clockid", "freed", "handle", "map", "prog", "timers", "value")

    map: BpfMap
    value: int

    def __init__(self, timers: Timers, clockid: int) -> None:
        super().__init__(timers.hrtimers, CLOCK_BOOTTIME if clockid == CLOCK_BOOTTIME else CLOCK_MONOTONIC)
        self.timers = timers
        self.clockid = clockid
        self.handle = 0
        self.prog: Any = None
        self.callback_fn = 0
        self.cancelling = 0
        self.freed = False

    def expired(self) -> None:
        """bpf_timer_cb()."""
        self.timers.expired(self)


class Timers(AsyncTable):
    """The timers of a kernel. Operations return what the helpers return.

    :ivar running: by CPU: the timer whose callback is being executed there (hrtimer_running).
    """

    def __init__(self, env: AsyncEnv, hrtimers: Hrtimers, workqueue: Workqueue) -> None:
        super().__init__(env, "timer")
        self.hrtimers = hrtimers
        self._workqueue = workqueue
        self.running: dict[int, BpfTimer] = {}

    def timer_init(self, slot: int, bpf_map: BpfMap, flags: int) -> int:
        """bpf_timer_init()."""
        if flags >= _MAX_CLOCKS or flags not in _CLOCKS:
            return -EINVAL
        err = self.init(slot, bpf_map, uapi.BPF_TIMER, lambda: BpfTimer(self, flags))
        if not err and self.env.listen is not None:
            emit(self.env, "timer_init", self.read(slot))
        return err

    def timer_set_callback(self, slot: int, callback_fn: int) -> int:
        """bpf_timer_set_callback()."""
        err = self.set_callback(slot, callback_fn)
        if not err and self.env.listen is not None:
            emit(self.env, "timer_set_callback", self.read(slot))
        return err

    def timer_start(self, slot: int, nsecs: int, flags: int) -> int:
        """bpf_timer_start(). BPF_F_TIMER_CPU_PIN needs no more than to be known: timers stay where they are started."""
        if self.env.cpus.in_nmi:
            return -EOPNOTSUPP
        if flags & ~(uapi.BPF_F_TIMER_ABS | uapi.BPF_F_TIMER_CPU_PIN):
            return -EINVAL
        self.lock(slot)
        try:
            timer: BpfTimer | None = self.read(slot)
            if timer is None or self.use(timer).prog is None:
                return -EINVAL
            time_ns = (nsecs ^ _S64_SIGN) - _S64_SIGN
            self.hrtimers.start(timer, time_ns, absolute=bool(flags & uapi.BPF_F_TIMER_ABS))
            if self.env.listen is not None:
                emit(self.env, "timer_start", timer)
            return 0
        finally:
            self.unlock(slot)

    def timer_cancel(self, slot: int) -> int:
        """bpf_timer_cancel()."""
        env = self.env
        if env.cpus.in_nmi:
            return -EOPNOTSUPP
        reader = env.rcu.read_lock()  # the timer may be freed as soon as the lock is released
        counted = False
        timer: BpfTimer | None = None
        err = 0
        try:
            self.lock(slot)
            try:
                timer = self.read(slot)
                current = self.running.get(env.cpus.cpu)
                if timer is None:
                    return -EINVAL
                self.use(timer)
                if current is timer:
                    return -EDEADLK  # it would wait for itself
                if current is not None:
                    # Callbacks that wait are counted: who is waited for must not wait, or both would for ever.
                    env.points.point("timer inc cancelling")
                    timer.cancelling += 1
                    counted = True
                    env.points.point("timer load cancelling")
                    if current.cancelling:
                        return -EDEADLK
                self.drop_prog_refcnt(timer)
            finally:
                self.unlock(slot)
            err = self.hrtimers.cancel(self.use(timer))
            self.use(timer)
            if env.listen is not None:
                emit(env, "timer_cancel", timer)
            return err
        finally:
            if counted and timer is not None:
                env.points.point("timer dec cancelling")
                self.use(timer).cancelling -= 1
            env.rcu.read_unlock(reader)

    def cancel_and_free(self, slot: int) -> None:
        """bpf_timer_cancel_and_free(): the element goes, or the last user reference of the map went.

        From a callback it never waits, whosever timer it is: two callbacks might free each other's. A worker does.
        """
        timer: BpfTimer | None = self.take(slot)
        if timer is None:
            return
        if self.env.listen is not None:
            emit(self.env, "timer_free", timer)
        if self.env.cpus.cpu in self.running:
            self._workqueue.queue_work(WorkItem(lambda: self._delete_work(timer), "bpf_timer_delete_work"))
        else:
            self._delete_work(timer)

    def _delete_work(self, timer: BpfTimer) -> None:
        self.hrtimers.cancel(self.use(timer))
        self.kfree_rcu(timer)

    def expired(self, timer: BpfTimer) -> None:
        """bpf_timer_cb(): soft interrupts are readers, which keeps program and timer until it has ended."""
        env = self.env
        cpu = env.cpus.cpu
        reader = env.rcu.read_lock()
        try:
            self.running[cpu] = timer
            if env.listen is not None and timer.callback_fn:
                emit(env, "timer_fire", timer)
            self.invoke(timer, sleepable=False)
        finally:
            del self.running[cpu]
            env.rcu.read_unlock(reader)
