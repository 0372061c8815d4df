"""Hash maps with keys of 4 and 8 bytes and plain values: the operations that compiled programs call.

The same as hash_core does, with the size of the key known to the C compiler and the element to replace found once.
Not for BPF_F_ZERO_SEED, per-CPU values or special fields.
"""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.beespace.maps.hash_core import hash_alloc, hash_delete, hash_update
    from cython.cimports.beespace.maps.state import HASH_MULTIPLIER, NULLS, HashState, hash_state
    from cython.cimports.beespace.mem.inline import (
        copy,
        load32,
        load64,
        load_acquire32,
        spin_lock,
        spin_unlock,
        store32,
        store64,
        store_release32,
        w32,
        w64,
    )
else:
    from beespace.maps.hash_core import hash_alloc, hash_delete, hash_update
    from beespace.maps.state import HASH_MULTIPLIER, NULLS, HashState, hash_state
    from beespace.mem.raw import (
        copy,
        load32,
        load64,
        load_acquire32,
        spin_lock,
        spin_unlock,
        store32,
        store64,
        store_release32,
        w32,
        w64,
    )

__all__ = ["fast_lookup", "fast_update", "native_fast_ops"]

_E2BIG = cython.declare(cython.longlong, 7)
_BPF_ANY = cython.declare(cython.ulonglong, 0)
_KEY_OFF = 8  # HashState.key_off of all hash maps


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _word(key: cython.ulonglong, size: cython.int) -> cython.ulonglong:
    return load32(key) if size == 4 else load64(key)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _hash(h: cython.pointer[HashState], word: cython.ulonglong, size: cython.int) -> cython.ulonglong:
    x: cython.ulonglong = w64((h.seed ^ size ^ word) * HASH_MULTIPLIER)
    return w32(x ^ x >> 32)


# Values are whole words, rounded up: element and source have at least value_size bytes, the rest is not touched.
@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _copy_value(dst: cython.ulonglong, src: cython.ulonglong, size: cython.ulonglong) -> cython.void:
    if size == 8:
        store64(dst, load64(src))
    elif size == 4:
        store32(dst, load32(src))
    elif size == 16:
        store64(dst, load64(src))
        store64(dst + 8, load64(src + 8))
    else:
        copy(dst, src, size)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _lookup(state: cython.ulonglong, key: cython.ulonglong, size: cython.int) -> cython.ulonglong:
    h: cython.pointer[HashState] = hash_state(state)
    word: cython.ulonglong = _word(key, size)
    bucket: cython.ulonglong = _hash(h, word, size) & h.mask
    at: cython.ulonglong
    index: cython.ulonglong
    while True:
        index = load_acquire32(h.buckets + 8 * bucket)
        while index != 0 and index < NULLS:
            at = h.elems + index * h.elem_size
            if _word(at + 8, size) == word:
                return at + 16
            index = load_acquire32(at)
        if index == 0 or index == bucket | NULLS:
            return 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _update(
    state: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
    size: cython.int,
) -> cython.longlong:
    h: cython.pointer[HashState] = hash_state(state)
    if flags != _BPF_ANY:
        return hash_update(state, key, value, flags, cpu, 0)
    word: cython.ulonglong = _word(key, size)
    hash_: cython.ulonglong = _hash(h, word, size)
    head_at: cython.ulonglong = h.buckets + 8 * (hash_ & h.mask)
    head: cython.ulonglong
    link: cython.ulonglong = head_at  # where the number of the element is stored
    old: cython.ulonglong
    new: cython.ulonglong
    at: cython.ulonglong = 0
    if h.smp:
        spin_lock(head_at + 4)
    head = load32(head_at)
    old = head
    while old != 0 and old < NULLS:
        at = h.elems + old * h.elem_size
        if _word(at + 8, size) == word:
            break
        link = at
        old = load32(at)
    else:
        old = 0
    if old != 0:  # the CPU's spare element takes its place and it becomes the spare
        new = load32(h.extra + 4 * cpu)
        store32(h.extra + 4 * cpu, old)
    else:
        new = hash_alloc(state)
        if new == 0:
            if h.smp:
                spin_unlock(head_at + 4)
            return -_E2BIG
    to: cython.ulonglong = h.elems + new * h.elem_size
    store32(to + 4, hash_)
    if size == 4:
        store32(to + 8, word)
    else:
        store64(to + 8, word)
    _copy_value(to + 16, value, h.plan.size)
    if old != 0 and link == head_at:
        store_release32(to, load32(at))
    else:
        store_release32(to, head if head != 0 else hash_ & h.mask | NULLS)
    store_release32(head_at, new)
    if old != 0 and link != head_at:
        store_release32(link, load32(at))
    if h.smp:
        spin_unlock(head_at + 4)
    return 0


def fast_lookup(state: cython.ulonglong, key: cython.ulonglong, size: cython.int) -> cython.ulonglong:
    """hash_lookup() for keys of *size* 4 or 8."""
    return _lookup(state, key, size)


def fast_update(
    state: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
    size: cython.int,
) -> cython.longlong:
    """hash_update() for keys of *size* 4 or 8."""
    return _update(state, key, value, flags, cpu, size)


def native_lookup4(state: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    return _lookup(state, key, 4)


def native_lookup8(state: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    return _lookup(state, key, 8)


def native_update4(
    state: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
) -> cython.longlong:
    return _update(state, key, value, flags, cpu, 4)


def native_update8(
    state: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
) -> cython.longlong:
    return _update(state, key, value, flags, cpu, 8)


def native_delete(state: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.longlong:
    return hash_delete(state, key, 0)


def native_fast_ops(key_size: int) -> tuple[int, int, int] | None:
    """Addresses of the C functions for this size of key, as array_core.native_ops() describes; None without."""
    if cython.compiled:
        if key_size == 4:
            return (
                cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_lookup4)),
                cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_update4)),
                cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_delete)),
            )
        if key_size == 8:
            return (
                cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_lookup8)),
                cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_update8)),
                cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_delete)),
            )
    return None
