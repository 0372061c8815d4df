"""bpf_task_work: a callback in the context of a task, once for each schedule.

::

    absent --schedule--> pending --> scheduled --task--> running --> standby --schedule--> pending ...
    any    --element goes--> freed (what runs finishes, what waits does not run)

The field (8 bytes) holds a handle; there is no lock, the state changes by compare-and-exchange.

:see: kernel/bpf/helpers.c:bpf_task_work_schedule
"""

from __future__ import annotations

from enum import Enum
from errno import EBADF, EBUSY, ENOMEM
from typing import TYPE_CHECKING, Any

from beespace.kernel.asynccb import AsyncEnv, AsyncTable
from beespace.kernel.asyncinfo import emit
from beespace.sim import ContextKind, WorkItem, Workqueue
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.maps.base import BpfMap

__all__ = ["BpfTaskWork", "TaskWorks", "TwState"]


class TwState(Enum):
    """enum bpf_task_work_state."""

    STANDBY = 0
    PENDING = 1
    SCHEDULED = 2
    RUNNING = 3
    FREED = 4


class BpfTaskWork(WorkItem):
    """``struct bpf_task_work_ctx``. References: of the map's field, and of each callback to come."""

    __slots__ = ("callback_fn", "freed", "handle", "map", "prog", "refs", "state", "task", "value")

    kind = ContextKind.TASK

    map: BpfMap
    value: int

    def __init__(self, works: TaskWorks) -> None:
        super().__init__(lambda: works.work(self), "bpf_task_work_callback")
        self.handle = 0
        self.prog: Any = None
        self.callback_fn = 0
        self.task = 0
        self.freed = False
        self.state = TwState.STANDBY
        self.refs = 1


class TaskWorks(AsyncTable):
    """The task works of a kernel. Only one task is simulated: work runs in its context when time passes."""

    def __init__(self, env: AsyncEnv, workqueue: Workqueue) -> None:
        super().__init__(env, "task_work")
        self._workqueue = workqueue

    def schedule(self, task: int, slot: int, bpf_map: BpfMap, callback_fn: int) -> int:
        """bpf_task_work_schedule(): 0; -EBADF, -ENOMEM, -EBUSY it is scheduled already or the map has no user."""
        env = self.env
        prog = env.prog_at(callback_fn)
        if not env.prog_inc_not_zero(prog):
            return -EBADF
        work = self._acquire(slot, bpf_map)
        if isinstance(work, int):
            env.put_prog(prog)
            return work
        work.task, work.callback_fn, work.prog = task, callback_fn, prog
        if self._exchange(work, TwState.PENDING, TwState.SCHEDULED) is TwState.PENDING:
            self._workqueue.queue_work(work)
            if env.listen is not None:
                emit(env, "task_work_schedule", work)
        else:  # freed meanwhile: the callback's reference goes
            self._put(work)
        return 0

    # bpf_task_work_acquire_ctx(): with a reference for the callback, in state PENDING; or -errno.
    def _acquire(self, slot: int, bpf_map: BpfMap) -> BpfTaskWork | int:
        env = self.env
        work: BpfTaskWork | None = self.read(slot)
        if work is None:
            if env.fails("bpf_task_work_schedule"):
                return -ENOMEM
            work = BpfTaskWork(self)
            self._handles = work.handle = self._handles + 1
            work.map = bpf_map
            work.value = slot - next(field.off for field in bpf_map.record if field.kind == uapi.BPF_TASK_WORK)
            self.live[work.handle] = work
            found = self.read(slot)  # cmpxchg: whoever was first
            if found is not None:
                self.kfree(work)
                work = found
            else:
                self.write_now(slot, work.handle)
        assert work is not None
        if not self.use(work).refs:
            return -EBUSY
        work.refs += 1
        if self._exchange(work, TwState.STANDBY, TwState.PENDING) is not TwState.STANDBY:
            self._put(work)
            return -EBUSY
        env.points.point("load map->usercnt")
        if not bpf_map.usercnt:
            self._put(work)
            self.cancel_and_free(slot)
            return -EBUSY
        return work

    def cancel_and_free(self, slot: int) -> None:
        """bpf_task_work_cancel_and_free(): never waits; a callback that runs finishes."""
        work: BpfTaskWork | None = self.read(slot)
        if work is None:
            return
        self.write_now(slot, 0)
        self.env.points.point("task_work xchg state")
        before, work.state = work.state, TwState.FREED
        if self.env.listen is not None:
            emit(self.env, "task_work_free", work)
        if before is TwState.SCHEDULED and self._workqueue.cancel_pending(work):
            self._put(work)  # of the callback that will not be
        self._put(work)

    def work(self, work: BpfTaskWork) -> None:
        """bpf_task_work_callback()."""
        env = self.env
        reader = env.rcu_tasks_trace.read_lock()
        try:
            if self._exchange(work, TwState.SCHEDULED, TwState.RUNNING) is TwState.SCHEDULED:
                if env.listen is not None:
                    emit(env, "task_work_run", work)
                env.call(work.callback_fn, work.map, work.value, sleepable=True)
                self._reset(work)
                self._exchange(work, TwState.RUNNING, TwState.STANDBY)
        finally:
            env.rcu_tasks_trace.read_unlock(reader)
        self._put(work)

    def write_now(self, slot: int, handle: int) -> None:
        """The second half of an atomic operation, whose first was read(): nobody runs in between."""
        self.store(slot, handle)

    def _exchange(self, work: BpfTaskWork, old: TwState, new: TwState) -> TwState:
        self.env.points.point("task_work cmpxchg state")
        before = self.use(work).state
        if before is old:
            work.state = new
        return before

    def _reset(self, work: BpfTaskWork) -> None:
        if work.prog is not None:
            prog, work.prog, work.callback_fn, work.task = work.prog, None, 0, 0
            self.env.put_prog(prog)

    def _put(self, work: BpfTaskWork) -> None:
        self.env.points.point("task_work refcnt")
        self.use(work).refs -= 1
        if not work.refs:
            self._reset(work)
            self.env.rcu_tasks_trace.call(lambda: self.kfree_rcu(work))
