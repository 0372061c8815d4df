"""bpf_wq: work items in map values, whose callbacks may sleep.

:see: kernel/bpf/helpers.c:bpf_wq_init
"""

from __future__ import annotations

from errno import EINVAL, EOPNOTSUPP
from typing import TYPE_CHECKING, Any

from beespace.kernel.asynccb import AsyncEnv, AsyncTable
from beespace.kernel.asyncinfo import emit
from beespace.sim import WorkItem, Workqueue
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.maps.base import BpfMap

__all__ = ["BpfWork", "Works"]


class BpfWork(WorkItem):
    """``struct bpf_work``."""

    __slots__ = ("callback_fn", "freed", "handle", "map", "prog", "value")

    map: BpfMap
    value: int

    def __init__(self, works: Works) -> None:
        super().__init__(lambda: works.work(self), "bpf_wq_work")
        self.handle = 0
        self.prog: Any = None
        self.callback_fn = 0
        self.freed = False


class Works(AsyncTable):
    """The work items of a kernel. Operations return what the kfuncs return."""

    def __init__(self, env: AsyncEnv, workqueue: Workqueue) -> None:
        super().__init__(env, "wq")
        self._workqueue = workqueue

    def wq_init(self, slot: int, bpf_map: BpfMap, flags: int) -> int:
        """bpf_wq_init()."""
        if flags:
            return -EINVAL
        err = self.init(slot, bpf_map, uapi.BPF_WORKQUEUE, lambda: BpfWork(self))
        if not err and self.env.listen is not None:
            emit(self.env, "wq_init", self.read(slot))
        return err

    def wq_set_callback(self, slot: int, callback_fn: int, flags: int) -> int:
        """bpf_wq_set_callback_impl()."""
        if flags:
            return -EINVAL
        err = self.set_callback(slot, callback_fn)
        if not err and self.env.listen is not None:
            emit(self.env, "wq_set_callback", self.read(slot))
        return err

    def wq_start(self, slot: int, flags: int) -> int:
        """bpf_wq_start(): takes no lock, as programs are readers and works are freed after a grace period."""
        if self.env.cpus.in_nmi:
            return -EOPNOTSUPP
        if flags:
            return -EINVAL
        work: BpfWork | None = self.read(slot)
        if work is None or self.use(work).prog is None:
            return -EINVAL
        self._workqueue.queue_work(work)
        self.use(work)
        if self.env.listen is not None:
            emit(self.env, "wq_start", work)
        return 0

    def cancel_and_free(self, slot: int) -> None:
        """bpf_wq_cancel_and_free(): never waits, the caller may not be allowed to sleep."""
        work: BpfWork | None = self.take(slot)
        if work is None:
            return
        if self.env.listen is not None:
            emit(self.env, "wq_free", work)
        self._workqueue.queue_work(WorkItem(lambda: self._delete_work(work), "bpf_wq_delete_work"))

    # Disabled, not only cancelled: a program that found the work before it was taken from its element may start it
    # until it leaves, that is after this; 6.18 would run freed memory then.
    def _delete_work(self, work: BpfWork) -> None:
        self._workqueue.cancel_work_sync(self.use(work), disable=True)
        self.kfree_rcu(work)

    def work(self, work: BpfWork) -> None:
        """bpf_wq_work()."""
        if self.env.listen is not None and work.callback_fn:
            emit(self.env, "wq_run", work)
        self.invoke(work, sleepable=True)
