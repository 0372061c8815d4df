"""Copying map values around their special fields.

:see: include/linux/bpf.h:bpf_obj_memcpy
"""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.beespace.maps.state import CopyPlan, copy_plan
    from cython.cimports.beespace.mem.inline import copy, fill, spin_lock, spin_unlock
else:
    from beespace.maps.state import CopyPlan, copy_plan
    from beespace.mem.raw import copy, fill, spin_lock, spin_unlock

__all__ = ["copy_value", "copy_value_locked", "copy_value_long", "copy_value_out", "zero_value"]


def copy_value(plan: cython.ulonglong, dst: cython.ulonglong, src: cython.ulonglong) -> None:
    """copy_map_value(): special fields of *dst* stay as they are."""
    p: cython.pointer[CopyPlan] = copy_plan(plan)
    i: cython.uint
    if p.pieces == 0:
        copy(dst, src, p.size)
        return
    for i in range(p.pieces):
        copy(dst + p.off[i], src + p.off[i], p.length[i])


def copy_value_long(plan: cython.ulonglong, dst: cython.ulonglong, src: cython.ulonglong) -> None:
    """copy_map_value_long(): as copy_value(), with the bytes up to a multiple of 8 when there is no special field."""
    p: cython.pointer[CopyPlan] = copy_plan(plan)
    if p.pieces == 0:
        copy(dst, src, (p.size + 7) & ~7)
    else:
        copy_value(plan, dst, src)


def zero_value(plan: cython.ulonglong, dst: cython.ulonglong) -> None:
    """zero_map_value(): all but the special fields."""
    p: cython.pointer[CopyPlan] = copy_plan(plan)
    i: cython.uint
    if p.pieces == 0:
        fill(dst, 0, p.size)
        return
    for i in range(p.pieces):
        fill(dst + p.off[i], 0, p.length[i])


def copy_value_locked(
    plan: cython.ulonglong, dst: cython.ulonglong, src: cython.ulonglong, lock_src: cython.bint
) -> None:
    """copy_map_value_locked(): under the bpf_spin_lock of *dst*, or of *src*."""
    p: cython.pointer[CopyPlan] = copy_plan(plan)
    lock: cython.ulonglong = (src if lock_src else dst) + p.lock - 1
    spin_lock(lock)
    copy_value(plan, dst, src)
    spin_unlock(lock)


def copy_value_out(plan: cython.ulonglong, dst: cython.ulonglong, src: cython.ulonglong, locked: cython.bint) -> None:
    """What user space gets: a copy whose special fields are zeroes."""
    p: cython.pointer[CopyPlan] = copy_plan(plan)
    i: cython.uint
    if locked:
        copy_value_locked(plan, dst, src, True)
    else:
        copy_value(plan, dst, src)
    for i in range(p.zeroes):
        fill(dst + p.zero_off[i], 0, p.zero_length[i])
