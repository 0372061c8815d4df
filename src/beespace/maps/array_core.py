"""The operations of arrays on native memory, without the GIL when compiled.

:see: kernel/bpf/arraymap.c
"""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.beespace.maps.copy_core import copy_value, copy_value_locked
    from cython.cimports.beespace.maps.state import ArrayState, array_state
    from cython.cimports.beespace.mem.inline import load32, store32
else:
    import ctypes

    from beespace.maps.copy_core import copy_value, copy_value_locked
    from beespace.maps.state import ArrayState, array_state
    from beespace.mem.raw import load32, store32

__all__ = ["array_delete", "array_lookup", "array_next_key", "array_update", "native_ops"]

# Errors and flags as the operations return and take them; C constants for the compiled module.
_EINVAL = cython.declare(cython.longlong, 22)
_E2BIG = cython.declare(cython.longlong, 7)
_EEXIST = cython.declare(cython.longlong, 17)
_ENOENT = cython.declare(cython.longlong, 2)
_BPF_NOEXIST = cython.declare(cython.ulonglong, 1)
_BPF_EXIST = cython.declare(cython.ulonglong, 2)
_BPF_F_LOCK = cython.declare(cython.ulonglong, 4)


# Address of the CopyPlan inside an ArrayState.
def plan_of(state: cython.ulonglong) -> cython.ulonglong:
    if cython.compiled:
        a: cython.pointer[ArrayState] = array_state(state)
        return cython.cast(cython.ulonglong, cython.address(a.plan))
    else:
        return ctypes.addressof(array_state(state).plan)


def array_lookup(state: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    """Address of the value, 0 when the index is out of range; of *cpu*'s copy in a per-CPU array."""
    a: cython.pointer[ArrayState] = array_state(state)
    index: cython.ulonglong = load32(key)
    if index >= a.max_entries:
        return 0
    return a.values + cpu * a.percpu_stride + (index & a.index_mask) * a.elem_size


def array_update(
    state: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
) -> cython.longlong:
    """0; -EINVAL, -E2BIG, -EEXIST."""
    a: cython.pointer[ArrayState] = array_state(state)
    index: cython.ulonglong = load32(key)
    if (flags & ~_BPF_F_LOCK) > _BPF_EXIST:
        return -_EINVAL
    if index >= a.max_entries:
        return -_E2BIG
    if flags & _BPF_NOEXIST:
        return -_EEXIST
    if flags & _BPF_F_LOCK and a.plan.lock == 0:
        return -_EINVAL
    at: cython.ulonglong = a.values + cpu * a.percpu_stride + (index & a.index_mask) * a.elem_size
    if flags & _BPF_F_LOCK and a.percpu_stride == 0:
        copy_value_locked(plan_of(state), at, value, False)
    else:
        copy_value(plan_of(state), at, value)
    return 0


def array_delete(state: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.longlong:
    """-EINVAL: elements of arrays are always there."""
    return -_EINVAL


def array_next_key(state: cython.ulonglong, key: cython.ulonglong, next_key: cython.ulonglong) -> cython.longlong:
    """Store the index after ``*key`` (0 when *key* is NULL or out of range); -ENOENT after the last."""
    a: cython.pointer[ArrayState] = array_state(state)
    index: cython.ulonglong = load32(key) if key else 0xFFFFFFFF
    if index >= a.max_entries:
        store32(next_key, 0)
        return 0
    if index == a.max_entries - 1:
        return -_ENOENT
    store32(next_key, index + 1)
    return 0


def native_array_lookup(state: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    return array_lookup(state, key, cpu)


def native_array_update(
    state: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
) -> cython.longlong:
    return array_update(state, key, value, flags, cpu)


def native_array_delete(state: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.longlong:
    return array_delete(state, key, cpu)


def native_ops() -> tuple[int, int, int]:
    """Addresses of C functions lookup(state, key, cpu), update(state, key, value, flags, cpu) and
    delete(state, key, cpu), all words u64; zeroes uncompiled."""
    if cython.compiled:
        return (
            cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_array_lookup)),
            cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_array_update)),
            cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_array_delete)),
        )
    else:
        return (0, 0, 0)
