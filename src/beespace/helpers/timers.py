"""bpf_timer_*(): what the kernel does with them is in kernel/timers.py.

:see: kernel/bpf/helpers.c:bpf_timer_init
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.decl.func import implements

if TYPE_CHECKING:
    from beespace.decl.run import RunContext
    from beespace.maps.base import BpfMap

__all__ = ["bpf_timer_cancel", "bpf_timer_init", "bpf_timer_set_callback", "bpf_timer_start"]


@implements("bpf_timer_init")
def bpf_timer_init(run: RunContext, timer: int, bpf_map: BpfMap, flags: int) -> int:
    """Make the timer of a map element.

    :param timer: ``struct bpf_timer *`` inside a value of *bpf_map*.
    :param flags: clock: CLOCK_MONOTONIC, CLOCK_REALTIME or CLOCK_BOOTTIME.
    :return: 0; -EINVAL another clock, -EBUSY there is one, -EPERM user space holds no reference on the map, -ENOMEM,
        -EOPNOTSUPP in NMI.
    """
    err: int = run.kernel.deferred.timers.timer_init(timer, bpf_map, flags)
    return err


@implements("bpf_timer_set_callback")
def bpf_timer_set_callback(run: RunContext, timer: int, callback_fn: int) -> int:
    """What will be called, also when the timer is armed already; holds the program that *callback_fn* belongs to.

    :return: 0; -EINVAL not initialised, -EPERM user space holds no reference on the map, -EOPNOTSUPP in NMI.
    """
    err: int = run.kernel.deferred.timers.timer_set_callback(timer, callback_fn)
    return err


@implements("bpf_timer_start")
def bpf_timer_start(run: RunContext, timer: int, nsecs: int, flags: int) -> int:
    """Arm the timer.

    :param nsecs: from now; with BPF_F_TIMER_ABS a moment of CLOCK_MONOTONIC (CLOCK_BOOTTIME for such timers).
    :param flags: BPF_F_TIMER_ABS, BPF_F_TIMER_CPU_PIN.
    :return: 0; -EINVAL not initialised, without callback or with other flags, -EOPNOTSUPP in NMI.
    """
    err: int = run.kernel.deferred.timers.timer_start(timer, nsecs, flags)
    return err


@implements("bpf_timer_cancel")
def bpf_timer_cancel(run: RunContext, timer: int) -> int:
    """Disarm the timer, wait for a running callback, forget callback and program.

    :return: 1 it was armed, 0 it was not; -EINVAL not initialised, -EDEADLK it would wait for itself, -EOPNOTSUPP in
        NMI.
    """
    err: int = run.kernel.deferred.timers.timer_cancel(timer)
    return err
