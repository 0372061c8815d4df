"""Kfuncs that begin and end sections: RCU readers, no preemption, no interrupts.

:see: kernel/bpf/helpers.c:bpf_rcu_read_lock, bpf_preempt_disable, bpf_local_irq_save
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.decl.func import implements
from beespace.mem import raw

if TYPE_CHECKING:
    from beespace.decl.run import RunContext

__all__ = [
    "bpf_local_irq_restore",
    "bpf_local_irq_save",
    "bpf_preempt_disable",
    "bpf_preempt_enable",
    "bpf_rcu_read_lock",
    "bpf_rcu_read_unlock",
]

_X86_EFLAGS_IF = 1 << 9  # interrupts are on


@implements("bpf_rcu_read_lock")
def bpf_rcu_read_lock(run: RunContext) -> int:
    """What the program finds now stays until bpf_rcu_read_unlock(); sections nest."""
    run.kernel.runs.read_lock(run)
    return 0


@implements("bpf_rcu_read_unlock")
def bpf_rcu_read_unlock(run: RunContext) -> int:
    """The end of the innermost section."""
    run.kernel.runs.read_unlock(run)
    return 0


@implements("bpf_preempt_disable")
def bpf_preempt_disable(run: RunContext) -> int:
    """Nothing else runs on this CPU until bpf_preempt_enable(); sections nest."""
    run.kernel.deferred.points.irq_save()
    return 0


@implements("bpf_preempt_enable")
def bpf_preempt_enable(run: RunContext) -> int:
    """The end of the innermost section."""
    run.kernel.deferred.points.irq_restore()
    return 0


@implements("bpf_local_irq_save")
def bpf_local_irq_save(run: RunContext, flags__irq_flag: int) -> int:
    """No interrupts on this CPU until bpf_local_irq_restore().

    :param flags__irq_flag: ``unsigned long *``, receives the flags register.
    """
    raw.store64(flags__irq_flag, _X86_EFLAGS_IF)
    run.kernel.deferred.points.irq_save()
    return 0


@implements("bpf_local_irq_restore")
def bpf_local_irq_restore(run: RunContext, flags__irq_flag: int) -> int:
    """Interrupts as they were."""
    run.kernel.deferred.points.irq_restore()
    return 0
