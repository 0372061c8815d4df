"""The LRU lists of hash maps: which element makes room for a new one. Without the GIL when compiled.

New elements wait on a list of their CPU and join the inactive list in batches; elements that were looked up since
move to the active list; elements at the tail of the inactive list are dropped, a batch at a time. Everything follows
the kernel step by step, so that the same operations evict the same elements. See LruState for the layout.

:see: kernel/bpf/bpf_lru_list.c
"""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.beespace.maps.copy_core import copy_value
    from cython.cimports.beespace.maps.hash_core import (
        add_count,
        check_flags,
        hash_elem,
        hash_find,
        hash_key,
        hash_link,
        hash_of,
        hash_unlink,
        hash_value,
        percpu_fill,
        plan_of,
    )
    from cython.cimports.beespace.maps.state import HashState, LruState, hash_state, lru_state
    from cython.cimports.beespace.mem.inline import (
        copy,
        load8,
        load16,
        load32,
        spin_lock,
        spin_unlock,
        store8,
        store16,
        store32,
    )
else:
    from beespace.maps.copy_core import copy_value
    from beespace.maps.hash_core import (
        add_count,
        check_flags,
        hash_elem,
        hash_find,
        hash_key,
        hash_link,
        hash_of,
        hash_unlink,
        hash_value,
        percpu_fill,
        plan_of,
    )
    from beespace.maps.state import HashState, LruState, hash_state, lru_state
    from beespace.mem.raw import (
        copy,
        load8,
        load16,
        load32,
        spin_lock,
        spin_unlock,
        store8,
        store16,
        store32,
    )

__all__ = [
    "lru_delete",
    "lru_init",
    "lru_insert",
    "lru_lookup",
    "lru_percpu_update",
    "lru_pop_free",
    "lru_push_free",
    "lru_touch",
    "lru_update",
    "native_ops",
    "native_percpu_update",
]

_EINVAL = cython.declare(cython.longlong, 22)
_ENOENT = cython.declare(cython.longlong, 2)
_ENOMEM = cython.declare(cython.longlong, 12)
_BPF_EXIST = cython.declare(cython.ulonglong, 2)
_MINUS_ONE = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)

# Types of nodes; those below _LOCAL_FREE are also the positions of a list's heads.
_ACTIVE = cython.declare(cython.ulonglong, 0)
_INACTIVE = cython.declare(cython.ulonglong, 1)
_FREE = cython.declare(cython.ulonglong, 2)
_LOCAL_FREE = cython.declare(cython.ulonglong, 3)
_PENDING = cython.declare(cython.ulonglong, 4)
_HEADS = cython.declare(cython.ulonglong, 3)

_LOCAL_TARGET = 128
_PERCPU_TARGET = cython.declare(cython.ulonglong, 4)


# -- locks, when they are needed


def acquire(lru: cython.ulonglong, lock: cython.ulonglong) -> None:
    h: cython.pointer[HashState] = hash_state(lru)
    if h.smp:
        spin_lock(lock)


def release(lru: cython.ulonglong, lock: cython.ulonglong) -> None:
    h: cython.pointer[HashState] = hash_state(lru)
    if h.smp:
        spin_unlock(lock)


# -- doubly linked lists of numbered nodes


def node_at(lru: cython.ulonglong, index: cython.ulonglong) -> cython.ulonglong:
    s: cython.pointer[LruState] = lru_state(lru)
    return s.nodes + 12 * index


def next_of(lru: cython.ulonglong, index: cython.ulonglong) -> cython.ulonglong:
    return load32(node_at(lru, index))


def prev_of(lru: cython.ulonglong, index: cython.ulonglong) -> cython.ulonglong:
    return load32(node_at(lru, index) + 4)


def type_of(lru: cython.ulonglong, index: cython.ulonglong) -> cython.ulonglong:
    return load8(node_at(lru, index) + 10)


def is_ref(lru: cython.ulonglong, index: cython.ulonglong) -> cython.bint:
    return load8(node_at(lru, index) + 11) != 0


def set_type(lru: cython.ulonglong, index: cython.ulonglong, kind: cython.ulonglong) -> None:
    store8(node_at(lru, index) + 10, kind)


def set_ref(lru: cython.ulonglong, index: cython.ulonglong, ref: cython.ulonglong) -> None:
    store8(node_at(lru, index) + 11, ref)


def unlink_node(lru: cython.ulonglong, index: cython.ulonglong) -> None:
    before: cython.ulonglong = prev_of(lru, index)
    after: cython.ulonglong = next_of(lru, index)
    store32(node_at(lru, before), after)
    store32(node_at(lru, after) + 4, before)


def push_head(lru: cython.ulonglong, head: cython.ulonglong, index: cython.ulonglong) -> None:
    after: cython.ulonglong = next_of(lru, head)
    store32(node_at(lru, index), after)
    store32(node_at(lru, index) + 4, head)
    store32(node_at(lru, after) + 4, index)
    store32(node_at(lru, head), index)


# -- a list: counts, cursor and lock; its heads


def list_at(lru: cython.ulonglong, number: cython.ulonglong) -> cython.ulonglong:
    s: cython.pointer[LruState] = lru_state(lru)
    return s.lists + 16 * number


def head_of(lru: cython.ulonglong, number: cython.ulonglong, kind: cython.ulonglong) -> cython.ulonglong:
    s: cython.pointer[LruState] = lru_state(lru)
    return s.nr_nodes + 1 + _HEADS * number + kind


# Head of a CPU's free or pending list.
def local_head(lru: cython.ulonglong, cpu: cython.ulonglong, kind: cython.ulonglong) -> cython.ulonglong:
    s: cython.pointer[LruState] = lru_state(lru)
    return s.nr_nodes + 1 + _HEADS + 2 * cpu + (kind - _LOCAL_FREE)


def local_lock(lru: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    s: cython.pointer[LruState] = lru_state(lru)
    return s.locals + 8 * cpu + 4


# Elements on the active and inactive lists are counted.
def count_move(lru: cython.ulonglong, number: cython.ulonglong, kind: cython.ulonglong, by: cython.ulonglong) -> None:
    at: cython.ulonglong = list_at(lru, number) + 4 * kind
    if kind < _FREE:
        store32(at, load32(at) + by)


# The cursor of the inactive list must not stay on a node that leaves.
def save_cursor(lru: cython.ulonglong, number: cython.ulonglong, index: cython.ulonglong) -> None:
    at: cython.ulonglong = list_at(lru, number) + 8
    if load32(at) == index:
        store32(at, prev_of(lru, index))


# Move a node to the head of one of the list's parts.
def move_node(lru: cython.ulonglong, number: cython.ulonglong, index: cython.ulonglong, kind: cython.ulonglong) -> None:
    if type_of(lru, index) != kind:
        count_move(lru, number, type_of(lru, index), _MINUS_ONE)
        count_move(lru, number, kind, 1)
        set_type(lru, index, kind)
    set_ref(lru, index, 0)
    save_cursor(lru, number, index)
    unlink_node(lru, index)
    push_head(lru, head_of(lru, number, kind), index)


# Move a node to a free list: the list's own, or the one of a CPU.
def move_to_free(
    lru: cython.ulonglong,
    number: cython.ulonglong,
    index: cython.ulonglong,
    head: cython.ulonglong,
    kind: cython.ulonglong,
) -> None:
    save_cursor(lru, number, index)
    count_move(lru, number, type_of(lru, index), _MINUS_ONE)
    set_type(lru, index, kind)
    unlink_node(lru, index)
    push_head(lru, head, index)


# Take an element out of the hash table; False when it is not there (yet, or any more).
def drop_element(lru: cython.ulonglong, index: cython.ulonglong) -> cython.bint:
    s: cython.pointer[LruState] = lru_state(lru)
    h: cython.pointer[HashState] = hash_state(lru)
    bucket: cython.ulonglong = load32(hash_elem(lru, index) + 4) & h.mask
    found: cython.bint
    acquire(lru, h.buckets + 8 * bucket + 4)
    found = hash_unlink(lru, index, bucket)
    release(lru, h.buckets + 8 * bucket + 4)
    if found:
        add_count(lru, _MINUS_ONE)
        if s.track:
            store32(s.evicted + 4 * s.nr_evicted, index)
            s.nr_evicted += 1
    return found


# Tail of the active list: used elements go round again, the others become inactive.
def rotate_active(lru: cython.ulonglong, number: cython.ulonglong) -> None:
    s: cython.pointer[LruState] = lru_state(lru)
    head: cython.ulonglong = head_of(lru, number, _ACTIVE)
    first: cython.ulonglong = next_of(lru, head)
    here: cython.ulonglong = prev_of(lru, head)
    before: cython.ulonglong
    scanned: cython.ulonglong = 0
    while here != head:
        before = prev_of(lru, here)
        move_node(lru, number, here, _ACTIVE if is_ref(lru, here) else _INACTIVE)
        scanned += 1
        if scanned == s.nr_scans or here == first:
            break
        here = before


# From the cursor towards the head: used elements become active.
def rotate_inactive(lru: cython.ulonglong, number: cython.ulonglong) -> None:
    s: cython.pointer[LruState] = lru_state(lru)
    head: cython.ulonglong = head_of(lru, number, _INACTIVE)
    cursor: cython.ulonglong = list_at(lru, number) + 8
    if next_of(lru, head) == head:
        return
    last: cython.ulonglong = next_of(lru, load32(cursor))
    if last == head:
        last = next_of(lru, last)
    here: cython.ulonglong = load32(cursor)
    before: cython.ulonglong = head
    scanned: cython.ulonglong = 0
    while scanned < s.nr_scans:
        if here == head:
            here = prev_of(lru, here)
            continue
        before = prev_of(lru, here)
        if is_ref(lru, here):
            move_node(lru, number, here, _ACTIVE)
        if here == last:
            break
        here = before
        scanned += 1
    store32(cursor, before)


def rotate(lru: cython.ulonglong, number: cython.ulonglong) -> None:
    at: cython.ulonglong = list_at(lru, number)
    if load32(at + 4) < load32(at):
        rotate_active(lru, number)
    rotate_inactive(lru, number)


# Drop up to *target* elements from the tail of the inactive list; when all were used, one of them anyway.
def shrink(
    lru: cython.ulonglong,
    number: cython.ulonglong,
    target: cython.ulonglong,
    free_head: cython.ulonglong,
    kind: cython.ulonglong,
) -> None:
    s: cython.pointer[LruState] = lru_state(lru)
    head: cython.ulonglong = head_of(lru, number, _INACTIVE)
    here: cython.ulonglong = prev_of(lru, head)
    before: cython.ulonglong
    dropped: cython.ulonglong = 0
    scanned: cython.ulonglong = 0
    while here != head:
        before = prev_of(lru, here)
        if is_ref(lru, here):
            move_node(lru, number, here, _ACTIVE)
        elif drop_element(lru, here):
            move_to_free(lru, number, here, free_head, kind)
            dropped += 1
            if dropped == target:
                break
        scanned += 1
        if scanned == s.nr_scans:
            break
        here = before
    if dropped:
        return
    if next_of(lru, head) == head:
        head = head_of(lru, number, _ACTIVE)
    here = prev_of(lru, head)
    while here != head:
        before = prev_of(lru, here)
        if drop_element(lru, here):
            move_to_free(lru, number, here, free_head, kind)
            return
        here = before


# Elements that a CPU added join the common list.
def flush_pending(lru: cython.ulonglong, cpu: cython.ulonglong) -> None:
    head: cython.ulonglong = local_head(lru, cpu, _PENDING)
    here: cython.ulonglong = prev_of(lru, head)
    before: cython.ulonglong
    kind: cython.ulonglong
    while here != head:
        before = prev_of(lru, here)
        kind = _ACTIVE if is_ref(lru, here) else _INACTIVE
        count_move(lru, 0, kind, 1)
        set_type(lru, here, kind)
        set_ref(lru, here, 0)
        unlink_node(lru, here)
        push_head(lru, head_of(lru, 0, kind), here)
        here = before


# Fill a CPU's free list from the common one, dropping elements when that is empty.
def refill(lru: cython.ulonglong, cpu: cython.ulonglong) -> None:
    s: cython.pointer[LruState] = lru_state(lru)
    lock: cython.ulonglong = list_at(lru, 0) + 12
    target_head: cython.ulonglong = local_head(lru, cpu, _LOCAL_FREE)
    moved: cython.ulonglong = 0
    here: cython.ulonglong
    following: cython.ulonglong
    acquire(lru, lock)
    flush_pending(lru, cpu)
    rotate(lru, 0)
    here = next_of(lru, head_of(lru, 0, _FREE))
    while here != head_of(lru, 0, _FREE):
        following = next_of(lru, here)
        move_to_free(lru, 0, here, target_head, _LOCAL_FREE)
        moved += 1
        if moved == s.target_free:
            break
        here = following
    if moved < s.target_free:
        shrink(lru, 0, s.target_free - moved, target_head, _LOCAL_FREE)
    release(lru, lock)


def pop_local_free(lru: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    head: cython.ulonglong = local_head(lru, cpu, _LOCAL_FREE)
    index: cython.ulonglong = next_of(lru, head)
    if index == head:
        return 0
    unlink_node(lru, index)
    return index


# The oldest pending element of a CPU that was not used, or the oldest at all.
def pop_local_pending(lru: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    head: cython.ulonglong = local_head(lru, cpu, _PENDING)
    here: cython.ulonglong
    force: cython.int
    for force in range(2):
        here = prev_of(lru, head)
        while here != head:
            if (force or not is_ref(lru, here)) and drop_element(lru, here):
                unlink_node(lru, here)
                return here
            here = prev_of(lru, here)
    return 0


def add_pending(lru: cython.ulonglong, cpu: cython.ulonglong, index: cython.ulonglong, hash_: cython.ulonglong) -> None:
    store32(hash_elem(lru, index) + 4, hash_)
    store16(node_at(lru, index) + 8, cpu)
    set_type(lru, index, _PENDING)
    set_ref(lru, index, 0)
    push_head(lru, local_head(lru, cpu, _PENDING), index)


def pop_free_common(lru: cython.ulonglong, cpu: cython.ulonglong, hash_: cython.ulonglong) -> cython.ulonglong:
    s: cython.pointer[LruState] = lru_state(lru)
    index: cython.ulonglong
    steal: cython.ulonglong
    first: cython.ulonglong
    acquire(lru, local_lock(lru, cpu))
    index = pop_local_free(lru, cpu)
    if index == 0:
        refill(lru, cpu)
        index = pop_local_free(lru, cpu)
    if index != 0:
        add_pending(lru, cpu, index, hash_)
    release(lru, local_lock(lru, cpu))
    if index != 0:
        return index
    # Nothing here and nothing common: take one that another CPU has, free or pending.
    first = load32(s.locals + 8 * cpu)
    steal = first
    while True:
        acquire(lru, local_lock(lru, steal))
        index = pop_local_free(lru, steal)
        if index == 0:
            index = pop_local_pending(lru, steal)
        release(lru, local_lock(lru, steal))
        steal = steal + 1 if steal + 1 < s.cpus else 0
        if index != 0 or steal == first:
            break
    store32(s.locals + 8 * cpu, steal)
    if index != 0:
        acquire(lru, local_lock(lru, cpu))
        add_pending(lru, cpu, index, hash_)
        release(lru, local_lock(lru, cpu))
    return index


def pop_free_percpu(lru: cython.ulonglong, cpu: cython.ulonglong, hash_: cython.ulonglong) -> cython.ulonglong:
    lock: cython.ulonglong = list_at(lru, cpu) + 12
    head: cython.ulonglong = head_of(lru, cpu, _FREE)
    index: cython.ulonglong
    acquire(lru, lock)
    rotate(lru, cpu)
    if next_of(lru, head) == head:
        shrink(lru, cpu, _PERCPU_TARGET, head, _FREE)
    index = next_of(lru, head)
    if index == head:
        index = 0
    else:
        store32(hash_elem(lru, index) + 4, hash_)
        move_node(lru, cpu, index, _INACTIVE)
    release(lru, lock)
    return index


def lru_pop_free(lru: cython.ulonglong, cpu: cython.ulonglong, hash_: cython.ulonglong) -> cython.ulonglong:
    """An element for a key with this hash, made free when there is none; 0: all are being added by others."""
    s: cython.pointer[LruState] = lru_state(lru)
    if s.track:
        s.nr_evicted = 0
    index: cython.ulonglong
    if s.percpu:
        index = pop_free_percpu(lru, cpu, hash_)
    else:
        index = pop_free_common(lru, cpu, hash_)
    if index != 0:
        add_count(lru, 1)
    return index


def lru_push_free(lru: cython.ulonglong, index: cython.ulonglong) -> None:
    """Give an element back that is in no bucket."""
    s: cython.pointer[LruState] = lru_state(lru)
    cpu: cython.ulonglong = load16(node_at(lru, index) + 8)
    number: cython.ulonglong = cpu if s.percpu else 0
    add_count(lru, _MINUS_ONE)
    if not s.percpu and type_of(lru, index) == _PENDING:
        acquire(lru, local_lock(lru, cpu))
        if type_of(lru, index) == _PENDING:
            set_type(lru, index, _LOCAL_FREE)
            set_ref(lru, index, 0)
            unlink_node(lru, index)
            push_head(lru, local_head(lru, cpu, _LOCAL_FREE), index)
            release(lru, local_lock(lru, cpu))
            return
        release(lru, local_lock(lru, cpu))
    acquire(lru, list_at(lru, number) + 12)
    move_node(lru, number, index, _FREE)
    release(lru, list_at(lru, number) + 12)


def lru_init(lru: cython.ulonglong) -> None:
    """Put all elements on free lists; the LruState and its memory are zero but for sizes and addresses."""
    s: cython.pointer[LruState] = lru_state(lru)
    lists: cython.ulonglong = s.cpus if s.percpu else 1
    heads: cython.ulonglong = _HEADS * lists + (0 if s.percpu else 2 * s.cpus)
    share: cython.ulonglong = s.nr_nodes // s.cpus
    i: cython.ulonglong
    cpu: cython.ulonglong = 0
    for i in range(s.nr_nodes + 1, s.nr_nodes + 1 + heads):
        store32(node_at(lru, i), i)
        store32(node_at(lru, i) + 4, i)
    for i in range(lists):
        store32(list_at(lru, i) + 8, head_of(lru, i, _INACTIVE))
    for i in range(s.cpus):
        store32(s.locals + 8 * i, i)
    for i in range(1, s.nr_nodes + 1):
        set_type(lru, i, _FREE)
        store16(node_at(lru, i) + 8, cpu)
        push_head(lru, head_of(lru, cpu, _FREE), i)
        if s.percpu and i % share == 0 and cpu + 1 < s.cpus:
            cpu += 1


# -- operations of maps


def lru_touch(lru: cython.ulonglong, index: cython.ulonglong) -> None:
    """Mark an element as used."""
    if not is_ref(lru, index):
        set_ref(lru, index, 1)


def lru_lookup(lru: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    """A lookup by a program: the element counts as used. Address of the value, or 0."""
    index: cython.ulonglong = hash_find(lru, key, hash_of(lru, key))
    if index == 0:
        return 0
    lru_touch(lru, index)
    return hash_value(lru, index, cpu)


def lru_insert(
    lru: cython.ulonglong,
    new: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
) -> cython.longlong:
    """The second half of an update, after lru_pop_free() gave *new*.

    :return: the element that is not in the map any more, to be freed and given back (0: none), or -EEXIST, -ENOENT.
    """
    h: cython.pointer[HashState] = hash_state(lru)
    hash_: cython.ulonglong = load32(hash_elem(lru, new) + 4)
    lock: cython.ulonglong = h.buckets + 8 * (hash_ & h.mask) + 4
    old: cython.ulonglong
    err: cython.longlong
    copy(hash_key(lru, new), key, h.key_size)
    copy_value(plan_of(lru), hash_value(lru, new, 0), value)
    acquire(lru, lock)
    old = hash_find(lru, key, hash_)
    err = check_flags(old, flags)
    if err == 0:
        hash_link(lru, new, hash_)
        if old != 0:
            set_ref(lru, new, 1)
            hash_unlink(lru, old, hash_ & h.mask)
    release(lru, lock)
    if err == 0:
        return old
    return err


def lru_update(
    lru: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
) -> cython.longlong:
    """htab_lru_map_update_elem() of plain values: 0; -EINVAL, -EEXIST, -ENOENT, -ENOMEM."""
    new: cython.ulonglong
    out: cython.longlong
    if flags > _BPF_EXIST:
        return -_EINVAL
    new = lru_pop_free(lru, cpu, hash_of(lru, key))
    if new == 0:
        return -_ENOMEM
    out = lru_insert(lru, new, key, value, flags)
    if out < 0:
        lru_push_free(lru, new)
        return out
    if out != 0:
        lru_push_free(lru, out)
    return 0


def lru_percpu_update(
    lru: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
    whose: cython.ulonglong,
) -> cython.longlong:
    """__htab_lru_percpu_map_update_elem(): 0; -EINVAL, -EEXIST, -ENOENT, -ENOMEM.

    :param cpu: where the update happens, *whose*: which copy it changes (0xffffffff: all, see hash_percpu_update()).
    """
    h: cython.pointer[HashState] = hash_state(lru)
    new: cython.ulonglong = 0
    old: cython.ulonglong
    err: cython.longlong
    if flags > _BPF_EXIST:
        return -_EINVAL
    hash_: cython.ulonglong = hash_of(lru, key)
    if flags != _BPF_EXIST:
        new = lru_pop_free(lru, cpu, hash_)
        if new == 0:
            return -_ENOMEM
        copy(hash_key(lru, new), key, h.key_size)
    lock: cython.ulonglong = h.buckets + 8 * (hash_ & h.mask) + 4
    acquire(lru, lock)
    old = hash_find(lru, key, hash_)
    err = check_flags(old, flags)
    if err == 0:
        if old != 0:
            lru_touch(lru, old)
            percpu_fill(lru, old, value, whose, False)
        else:
            percpu_fill(lru, new, value, whose, True)
            hash_link(lru, new, hash_)
            new = 0
    release(lru, lock)
    if new != 0:
        lru_push_free(lru, new)
    return err


def lru_delete(lru: cython.ulonglong, key: cython.ulonglong, removed: cython.ulonglong) -> cython.longlong:
    """htab_lru_map_delete_elem(): 0 or -ENOENT. :param removed: as for hash_delete()."""
    h: cython.pointer[HashState] = hash_state(lru)
    hash_: cython.ulonglong = hash_of(lru, key)
    lock: cython.ulonglong = h.buckets + 8 * (hash_ & h.mask) + 4
    index: cython.ulonglong
    acquire(lru, lock)
    index = hash_find(lru, key, hash_)
    if index != 0:
        hash_unlink(lru, index, hash_ & h.mask)
    release(lru, lock)
    if index == 0:
        return -_ENOENT
    if removed != 0:
        store32(removed, index)
        store32(removed + 4, 0)
    else:
        lru_push_free(lru, index)
    return 0


def native_lru_lookup(lru: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.ulonglong:
    return lru_lookup(lru, key, cpu)


def native_lru_update(
    lru: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
) -> cython.longlong:
    return lru_update(lru, key, value, flags, cpu)


def native_lru_percpu_update(
    lru: cython.ulonglong,
    key: cython.ulonglong,
    value: cython.ulonglong,
    flags: cython.ulonglong,
    cpu: cython.ulonglong,
) -> cython.longlong:
    return lru_percpu_update(lru, key, value, flags, cpu, cpu)


def native_lru_delete(lru: cython.ulonglong, key: cython.ulonglong, cpu: cython.ulonglong) -> cython.longlong:
    return lru_delete(lru, key, 0)


def native_ops() -> tuple[int, int, int]:
    """Addresses of the C functions, as array_core.native_ops() describes."""
    if cython.compiled:
        return (
            cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_lru_lookup)),
            cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_lru_update)),
            cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_lru_delete)),
        )
    else:
        return (0, 0, 0)


def native_percpu_update() -> int:
    """Address of the C function that updates one CPU's copy."""
    if cython.compiled:
        return cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_lru_percpu_update))
    else:
        return 0
