"""bpf_wq_*() and bpf_task_work_*(): what the kernel does with them is in kernel/workqueues.py and kernel/taskwork.py.

:see: kernel/bpf/helpers.c:bpf_wq_init
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.decl.func import implements

if TYPE_CHECKING:
    from beespace.decl.run import RunContext
    from beespace.maps.base import BpfMap

__all__ = ["bpf_task_work_schedule", "bpf_wq_init", "bpf_wq_set_callback_impl", "bpf_wq_start"]


@implements("bpf_wq_init")
def bpf_wq_init(run: RunContext, wq: int, p__map: BpfMap, flags: int) -> int:
    """Make the work item of a map element: 0; -EINVAL flags, -EBUSY there is one, -EPERM, -ENOMEM, -EOPNOTSUPP."""
    err: int = run.kernel.deferred.works.wq_init(wq, p__map, flags)
    return err


@implements("bpf_wq_set_callback_impl")
def bpf_wq_set_callback_impl(run: RunContext, wq: int, callback_fn: int, flags: int, aux__ign: int) -> int:
    """What the work does: 0; -EINVAL flags or not initialised, -EPERM, -EOPNOTSUPP."""
    err: int = run.kernel.deferred.works.wq_set_callback(wq, callback_fn, flags)
    return err


@implements("bpf_wq_start")
def bpf_wq_start(run: RunContext, wq: int, flags: int) -> int:
    """Queue the work, once: 0; -EINVAL flags, not initialised or without callback, -EOPNOTSUPP."""
    err: int = run.kernel.deferred.works.wq_start(wq, flags)
    return err


@implements("bpf_task_work_schedule_signal_impl", "bpf_task_work_schedule_resume_impl")
def bpf_task_work_schedule(run: RunContext, task: int, tw: int, map__map: BpfMap, callback: int, aux__prog: int) -> int:
    """Call ``callback(map, key, value)`` in the context of the task, once: 0; -EBUSY it will be already, -ENOMEM.

    With one simulated task both forms do the same: it runs when time passes.
    """
    err: int = run.kernel.deferred.task_works.schedule(task, tw, map__map, callback)
    return err
