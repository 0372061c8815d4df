"""The operations of hash maps on native memory, without the GIL when compiled.

Readers take no lock: an element that was moved to another chain meanwhile ends in that chain's marker, and the reader
starts again. Writers lock the bucket. See HashState for the layout.

:see: kernel/bpf/hashtab.c
"""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.beespace.maps.copy_core import copy_value, copy_value_locked, copy_value_long, zero_value
    from cython.cimports.beespace.maps.state import HASH_MULTIPLIER, NULLS, HashState, hash_state
    from cython.cimports.beespace.mem.inline import (
        compare,
        copy,
        fetch_add64,
        load8,
        load32,
        load64,
        load_acquire32,
        spin_lock,
        spin_unlock,
        store32,
        store_release32,
        w32,
        w64,
    )
else:
    import ctypes

    from beespace.maps.copy_core import copy_value, copy_value_locked, copy_value_long, zero_value
    from beespace.maps.state import HASH_MULTIPLIER, NULLS, HashState, hash_state
    from beespace.mem.raw import (
        compare,
        copy,
        fetch_add64,
        load8,
        load32,
        load64,
        load_acquire32,
        spin_lock,
        spin_unlock,
        store32,
        store_release32,
        w32,
        w64,
    )

__all__ = [
    "hash_alloc", "hash_bucket", "hash_chain", "hash_delete", "hash_elem", "hash_find", "hash_first_from",
    "hash_key", "hash_link", "hash_lookup", "hash_next", "hash_next_key", "hash_of", "hash_percpu_update",
    "hash_push_free", "hash_unlink", "hash_update", "hash_value", "jhash_seeded", "native_ops", "native_percpu_update",
]  # fmt: skip

_EINVAL = cython.declare(cython.longlong, 22)
_E2BIG = cython.declare(cython.longlong, 7)
_EEXIST = cython.declare(cython.longlong, 17)
_ENOENT = cython.declare(cython.longlong, 2)
_BPF_NOEXIST = cython.declare(cython.ulonglong, 1)
_BPF_EXIST = cython.declare(cython.ulonglong, 2)
_BPF_F_LOCK = cython.declare(cython.ulonglong, 4)
_JHASH_INITVAL = cython.declare(cython.ulonglong, 0xDEADBEEF)
_ALL_CPUS = cython.declare(cython.ulonglong, 0xFFFFFFFF)


# Address of the CopyPlan inside a HashState.
def plan_of(state: cython.ulonglong) -> cython.ulonglong:
    if cython.compiled:
        h: cython.pointer[HashState] = hash_state(state)
        return cython.cast(cython.ulonglong, cython.address(h.plan))
    else:
        return ctypes.addressof(hash_state(state).plan)


def rol32(x: cython.ulonglong, k: cython.int) -> cython.ulonglong:
    return w32(x << k | w32(x) >> 32 - k)


# Bob Jenkins' final mix (lookup3.c, public domain); the result is its c.
def jhash_final(a: cython.ulonglong, b: cython.ulonglong, c: cython.ulonglong) -> cython.ulonglong:
    c = w32((c ^ b) - rol32(b, 14))
    a = w32((a ^ c) - rol32(c, 11))
    b = w32((b ^ a) - rol32(a, 25))
    c = w32((c ^ b) - rol32(b, 16))
    a = w32((a ^ c) - rol32(c, 4))
    b = w32((b ^ a) - rol32(a, 14))
    return w32((c ^ b) - rol32(b, 24))


# lookup3.c's hashword() and hashlittle() as the kernel seeds them: what BPF_F_ZERO_SEED makes visible by the order of
# iteration. *start* is what a, b and c begin with.
def jhash(key: cython.ulonglong, size: cython.ulonglong, start: cython.ulonglong) -> cython.ulonglong:
    a: cython.ulonglong = start
    b: cython.ulonglong = start
    c: cython.ulonglong = start
    i: cython.ulonglong
    while size > 12:
        a = w32(a + load32(key))
        b = w32(b + load32(key + 4))
        c = w32(c + load32(key + 8))
        a = w32(a - c) ^ rol32(c, 4)
        c = w32(c + b)
        b = w32(b - a) ^ rol32(a, 6)
        a = w32(a + c)
        c = w32(c - b) ^ rol32(b, 8)
        b = w32(b + a)
        a = w32(a - c) ^ rol32(c, 16)
        c = w32(c + b)
        b = w32(b - a) ^ rol32(a, 19)
        a = w32(a + c)
        c = w32(c - b) ^ rol32(b, 4)
        b = w32(b + a)
        key += 12
        size -= 12
    if size == 0:
        return c
    for i in range(size):
        if i < 4:
            a = w32(a + (load8(key + i) << 8 * i))
        elif i < 8:
            b = w32(b + (load8(key + i) << 8 * (i - 4)))
        else:
            c = w32(c + (load8(key + i) << 8 * (i - 8)))
    return jhash_final(a, b, c)


def jhash_seeded(key: cython.ulonglong, size: cython.ulonglong, seed: cython.ulonglong) -> cython.ulonglong:
    """The kernel's jhash() and, for sizes that are multiples of 4, jhash2()."""
    return jhash(key, size, w32(_JHASH_INITVAL + size + seed))


# Multiply and fold, a word at a time.
def fast_hash(key: cython.ulonglong, size: cython.ulonglong, seed: cython.ulonglong) -> cython.ulonglong:
    h: cython.ulonglong = seed ^ size
    tail: cython.ulonglong
    i: cython.ulonglong
    while size >= 8:
        h = w64((h ^ load64(key)) * HASH_MULTIPLIER)
        h ^= h >> 32
        key += 8
        size -= 8
    if size == 4:
        h = w64((h ^ load32(key)) * HASH_MULTIPLIER)
        h ^= h >> 32
    elif size != 0:
        tail = 0
        for i in range(size):
            tail |= load8(key + i) << 8 * i
        h = w64((h ^ tail) * HASH_MULTIPLIER)
        h ^= h >> 32
    return w32(h)


def hash_of(state: cython.ulonglong, key: cython.ulonglong) -> cython.ulonglong:
    """htab_map_hash(): u32."""
    h: cython.pointer[HashState] = hash_state(state)
    if h.hash_kind == 0:
        return fast_hash(key, h.key_size, h.seed)
    return jhash(key, h.key_size, w32(_JHASH_INITVAL + h.key_size + h.seed))


def same_key(a: cython.ulonglong, b: cython.ulonglong, size: cython.ulonglong) -> cython.bint:
    if size == 4:
        return load32(a) == load32(b)
    if size == 8:
        return load64(a) == load64(b)
    return compare(a, b, size) == 0


def hash_elem(state: cython.ulonglong, index: cython.ulonglong) -> cython.ulonglong:
    """Address of element *index*, from 1."""
    h: cython.pointer[HashState] = hash_state(state)
    return h.elems + index * h.elem_size


def hash_key(state: cython.ulonglong, index: cython.ulonglong) -> cython.ulonglong:
    """Address of the key of element *index*."""
    h: cython.pointer[HashState] = hash_state(state)
    return h.elems + index * h.elem_size + h.key_off


def hash_value(state: cython.ulonglong, index: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    """Address of the value of element *index*: *cpu*'s where values are per-CPU."""
    h: cython.pointer[HashState] = hash_state(state)
    if h.percpu != 0:
        return h.percpu + cpu * h.percpu_stride + (index - 1) * h.value_stride
    return h.elems + index * h.elem_size + h.value_off


def hash_find(state: cython.ulonglong, key: cython.ulonglong, hash_: cython.ulonglong) -> cython.ulonglong:
    """The element with *key*, 0 when there is none. :see: lookup_nulls_elem_raw"""
    h: cython.pointer[HashState] = hash_state(state)
    bucket: cython.ulonglong = hash_ & h.mask
    at: cython.ulonglong
    index: cython.ulonglong
    while True:
        index = load_acquire32(h.buckets + 8 * bucket)
        while index != 0 and index < NULLS:
            at = h.elems + index * h.elem_size
            if load32(at + 4) == hash_ and same_key(at + h.key_off, key, h.key_size):
                return index
            index = load_acquire32(at)
        if index == 0 or index == bucket | NULLS:
            return 0


def hash_lookup(state: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    """Address of the value, 0 when there is none."""
    index: cython.ulonglong = hash_find(state, key, hash_of(state, key))
    if index == 0:
        return 0
    return hash_value(state, index, cpu)


def hash_alloc(state: cython.ulonglong) -> cython.ulonglong:
    """Take a free element, 0 when max_entries are in use."""
    h: cython.pointer[HashState] = hash_state(state)
    index: cython.ulonglong
    lock: cython.ulonglong = lock_of(state)
    if h.smp:
        spin_lock(lock)
    index = h.free_head
    if index != 0:
        h.free_head = load32(hash_elem(state, index) + 4)
    elif h.fresh <= h.max_entries:
        index = h.fresh
        h.fresh += 1
    if h.smp:
        spin_unlock(lock)
    if index != 0:
        add_count(state, 1)
    return index


def hash_push_free(state: cython.ulonglong, index: cython.ulonglong) -> None:
    """Give an element back. Its *next* stays: readers may still be on it."""
    h: cython.pointer[HashState] = hash_state(state)
    lock: cython.ulonglong = lock_of(state)
    if h.smp:
        spin_lock(lock)
    store32(hash_elem(state, index) + 4, h.free_head)
    h.free_head = index
    if h.smp:
        spin_unlock(lock)
    add_count(state, 0xFFFFFFFFFFFFFFFF)


def lock_of(state: cython.ulonglong) -> cython.ulonglong:
    if cython.compiled:
        h: cython.pointer[HashState] = hash_state(state)
        return cython.cast(cython.ulonglong, cython.address(h.free_lock))
    else:
        return state + HashState.free_lock.offset


def count_of(state: cython.ulonglong) -> cython.ulonglong:
    if cython.compiled:
        h: cython.pointer[HashState] = hash_state(state)
        return cython.cast(cython.ulonglong, cython.address(h.count))
    else:
        return state + HashState.count.offset


def add_count(state: cython.ulonglong, by: cython.ulonglong) -> None:
    h: cython.pointer[HashState] = hash_state(state)
    if h.smp:
        fetch_add64(count_of(state), by)
    else:
        h.count = w64(h.count + by)


def hash_link(state: cython.ulonglong, index: cython.ulonglong, hash_: cython.ulonglong) -> None:
    """Make *index* the head of its bucket, which the caller has locked."""
    h: cython.pointer[HashState] = hash_state(state)
    bucket: cython.ulonglong = hash_ & h.mask
    head: cython.ulonglong = load32(h.buckets + 8 * bucket)
    at: cython.ulonglong = hash_elem(state, index)
    store32(at + 4, hash_)
    store_release32(at, head if head != 0 else bucket | NULLS)
    store_release32(h.buckets + 8 * bucket, index)


def hash_unlink(state: cython.ulonglong, index: cython.ulonglong, bucket: cython.ulonglong) -> cython.bint:
    """Take *index* out of a bucket, which the caller has locked; whether it was there."""
    h: cython.pointer[HashState] = hash_state(state)
    at: cython.ulonglong = h.buckets + 8 * bucket
    here: cython.ulonglong = load32(at)
    while here != 0 and here < NULLS:
        if here == index:
            store_release32(at, load32(hash_elem(state, here)))
            return True
        at = hash_elem(state, here)
        here = load32(at)
    return False


def check_flags(found: cython.ulonglong, flags: cython.ulonglong) -> cython.longlong:
    if found != 0 and flags & ~_BPF_F_LOCK == _BPF_NOEXIST:
        return -_EEXIST
    if found == 0 and flags & ~_BPF_F_LOCK == _BPF_EXIST:
        return -_ENOENT
    return 0


def hash_update(
    state: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
    replaced: cython.ulonglong,
) -> cython.longlong:
    """htab_map_update_elem(): 0; -EINVAL, -EEXIST, -ENOENT, -E2BIG.

    :param replaced: address of a u64 that gets the element whose value is no longer in the map (0: none), or 0.
    """
    h: cython.pointer[HashState] = hash_state(state)
    err: cython.longlong
    old: cython.ulonglong
    new: cython.ulonglong
    if flags & ~_BPF_F_LOCK > _BPF_EXIST:
        return -_EINVAL
    if flags & _BPF_F_LOCK and h.plan.lock == 0:
        return -_EINVAL
    hash_: cython.ulonglong = hash_of(state, key)
    lock: cython.ulonglong = h.buckets + 8 * (hash_ & h.mask) + 4
    if h.smp:
        spin_lock(lock)
    old = hash_find(state, key, hash_)
    err = check_flags(old, flags)
    if err == 0 and old != 0 and flags & _BPF_F_LOCK:
        copy_value_locked(plan_of(state), hash_value(state, old, 0), value, False)
        if h.smp:
            spin_unlock(lock)
        return 0
    new = 0
    if err == 0:
        if old != 0:  # the CPU's spare element takes the place of the old one, which becomes the spare
            new = load32(h.extra + 4 * cpu)
            store32(h.extra + 4 * cpu, old)
        else:
            new = hash_alloc(state)
            if new == 0:
                err = -_E2BIG
    if err == 0:
        copy(hash_key(state, new), key, h.key_size)
        copy_value(plan_of(state), hash_value(state, new, 0), value)
        hash_link(state, new, hash_)
        if old != 0:
            hash_unlink(state, old, hash_ & h.mask)
    if h.smp:
        spin_unlock(lock)
    if err == 0 and replaced != 0:
        store32(replaced, old)
        store32(replaced + 4, 0)
    return err


# pcpu_copy_value() and pcpu_init_value()
def percpu_fill(
    state: cython.ulonglong,
    index: cython.ulonglong,
    value: cython.ulonglong,
    cpu: cython.ulonglong,
    new: cython.bint,
) -> None:
    h: cython.pointer[HashState] = hash_state(state)
    plan: cython.ulonglong = plan_of(state)
    i: cython.ulonglong
    for i in range(h.cpus):
        if cpu == _ALL_CPUS:
            copy_value_long(plan, hash_value(state, index, i), value + i * h.value_stride)
        elif cpu == i:
            copy_value(plan, hash_value(state, index, i), value)
        elif new:
            zero_value(plan, hash_value(state, index, i))


def hash_percpu_update(
    state: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
) -> cython.longlong:
    """__htab_percpu_map_update_elem(): 0; -EINVAL, -EEXIST, -ENOENT, -E2BIG.

    :param cpu: whose copy gets the value (a new element's other copies become zero); 0xffffffff: *value* holds one
        copy for each CPU, each rounded up to 8 bytes.
    """
    h: cython.pointer[HashState] = hash_state(state)
    err: cython.longlong
    index: cython.ulonglong
    if flags > _BPF_EXIST:
        return -_EINVAL
    hash_: cython.ulonglong = hash_of(state, key)
    lock: cython.ulonglong = h.buckets + 8 * (hash_ & h.mask) + 4
    if h.smp:
        spin_lock(lock)
    index = hash_find(state, key, hash_)
    err = check_flags(index, flags)
    if err == 0:
        old: cython.ulonglong = index
        if index == 0:
            index = hash_alloc(state)
        if index == 0:
            err = -_E2BIG
        else:
            percpu_fill(state, index, value, cpu, old == 0)
            if old == 0:
                copy(hash_key(state, index), key, h.key_size)
                hash_link(state, index, hash_)
    if h.smp:
        spin_unlock(lock)
    return err


def hash_delete(state: cython.ulonglong, key: cython.ulonglong, removed: cython.ulonglong) -> cython.longlong:
    """htab_map_delete_elem(): 0 or -ENOENT.

    :param removed: address of a u64 that gets the element, which the caller gives back by hash_push_free() once its
        special fields are free; 0: it is given back here.
    """
    h: cython.pointer[HashState] = hash_state(state)
    hash_: cython.ulonglong = hash_of(state, key)
    lock: cython.ulonglong = h.buckets + 8 * (hash_ & h.mask) + 4
    index: cython.ulonglong
    if h.smp:
        spin_lock(lock)
    index = hash_find(state, key, hash_)
    if index != 0:
        hash_unlink(state, index, hash_ & h.mask)
    if h.smp:
        spin_unlock(lock)
    if index == 0:
        return -_ENOENT
    if removed != 0:
        store32(removed, index)
        store32(removed + 4, 0)
    else:
        hash_push_free(state, index)
    return 0


def hash_first_from(state: cython.ulonglong, bucket: cython.ulonglong) -> cython.ulonglong:
    """The first element of the first bucket from *bucket* on that is not empty; 0 when all are."""
    h: cython.pointer[HashState] = hash_state(state)
    index: cython.ulonglong
    while bucket <= h.mask:
        index = load_acquire32(h.buckets + 8 * bucket)
        if index != 0 and index < NULLS:
            return index
        bucket += 1
    return 0


def hash_bucket(state: cython.ulonglong, index: cython.ulonglong) -> cython.ulonglong:
    """The bucket of element *index*."""
    h: cython.pointer[HashState] = hash_state(state)
    return load32(hash_elem(state, index) + 4) & h.mask


def hash_chain(state: cython.ulonglong, index: cython.ulonglong) -> cython.ulonglong:
    """The element after *index* in its bucket, 0 after the last."""
    following: cython.ulonglong = load_acquire32(hash_elem(state, index))
    return following if following < NULLS else 0


def hash_next(state: cython.ulonglong, index: cython.ulonglong) -> cython.ulonglong:
    """The element after *index* in the order of buckets, 0 after the last."""
    h: cython.pointer[HashState] = hash_state(state)
    at: cython.ulonglong = hash_elem(state, index)
    following: cython.ulonglong = load_acquire32(at)
    if following != 0 and following < NULLS:
        return following
    return hash_first_from(state, (load32(at + 4) & h.mask) + 1)


def hash_next_key(state: cython.ulonglong, key: cython.ulonglong, next_key: cython.ulonglong) -> cython.longlong:
    """Store the key after ``*key``, the first one when *key* is NULL or not there; -ENOENT after the last."""
    h: cython.pointer[HashState] = hash_state(state)
    index: cython.ulonglong = hash_find(state, key, hash_of(state, key)) if key else 0
    index = hash_next(state, index) if index else hash_first_from(state, 0)
    if index == 0:
        return -_ENOENT
    copy(next_key, hash_key(state, index), h.key_size)
    return 0


def native_hash_lookup(state: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    return hash_lookup(state, key, cpu)


def native_hash_update(
    state: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
) -> cython.longlong:
    return hash_update(state, key, value, flags, cpu, 0)


def native_hash_percpu_update(
    state: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
) -> cython.longlong:
    return hash_percpu_update(state, key, value, flags, cpu)


def native_hash_delete(state: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.longlong:
    return hash_delete(state, key, 0)


def native_ops() -> tuple[int, int, int]:
    """Addresses of the C functions, as array_core.native_ops() describes."""
    if cython.compiled:
        return (
            cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_hash_lookup)),
            cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_hash_update)),
            cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_hash_delete)),
        )
    else:
        return (0, 0, 0)


def native_percpu_update() -> int:
    """Address of the C function that updates one CPU's copy."""
    if cython.compiled:
        return cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_hash_percpu_update))
    else:
        return 0
