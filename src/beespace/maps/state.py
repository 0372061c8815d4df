"""Native structs behind each map: what compiled map operations work on, and what the JIT may inline against.

Each starts STATE_OFF bytes after the map's descriptor. ``state.pxd`` declares the same structs for compiled modules.
"""

from __future__ import annotations

import ctypes

__all__ = [
    "HASH_FAST",
    "HASH_JHASH",
    "HASH_MULTIPLIER",
    "LRU_OFF",
    "MAX_PIECES",
    "NULLS",
    "STATE_BYTES",
    "STATE_OFF",
    "ArrayState",
    "CopyPlan",
    "HashState",
    "LruState",
    "RingState",
    "array_state",
    "copy_plan",
    "hash_state",
    "lru_state",
    "ring_state",
]

STATE_OFF = 512  # from the descriptor
STATE_BYTES = 512
LRU_OFF = 400  # from a HashState
MAX_PIECES = 16  # BTF_FIELDS_MAX special fields leave at most 12 pieces
NULLS = 0x80000000  # hash chains end with NULLS | bucket, empty buckets hold 0
HASH_FAST, HASH_JHASH = range(2)
HASH_MULTIPLIER = 0x2545F4914F6CDD1D

_u32, _u64 = ctypes.c_uint32, ctypes.c_uint64


class CopyPlan(ctypes.Structure):
    """How values are copied: all but the special fields.

    :ivar size: value_size.
    :ivar pieces: how many (off, length) pairs; 0: the whole value in one.
    :ivar lock: 1 + offset of the bpf_spin_lock, 0 without.
    :ivar zeroes: how many (zero_off, zero_length) pairs of special fields user space sees as zeroes.
    """

    _fields_ = (
        ("size", _u32),
        ("pieces", _u32),
        ("lock", _u32),
        ("zeroes", _u32),
        ("off", _u32 * MAX_PIECES),
        ("length", _u32 * MAX_PIECES),
        ("zero_off", _u32 * MAX_PIECES),
        ("zero_length", _u32 * MAX_PIECES),
    )


class ArrayState(ctypes.Structure):
    """``struct bpf_array``: value i of CPU c is at ``values + c * percpu_stride + (i & index_mask) * elem_size``."""

    _fields_ = (
        ("values", _u64),
        ("percpu_stride", _u64),
        ("elem_size", _u32),
        ("index_mask", _u32),
        ("max_entries", _u32),
        ("cpus", _u32),
        ("plan", CopyPlan),
    )


class HashState(ctypes.Structure):
    """``struct bpf_htab``: element *n* (from 1) is at ``elems + n * elem_size``.

    ::

        bucket    u32 head, u32 lock                     at buckets + 8 * (hash & mask)
        element   u32 next, u32 hash | LRU words | key | value
                  0                    8     key_off ^     ^ value_off

    *head* and *next* number an element; a chain ends with NULLS | bucket (a bucket that was never used: 0).

    :ivar percpu: address of value 1 of CPU 0 when values are per-CPU (then elements have none), else 0.
    :ivar extra: address of one u32 for each CPU: the element that replaces the next one it updates.
    :ivar free_head: first free element; free elements are linked through *hash*.
    :ivar fresh: elements from here on were never used.
    :ivar hash_kind: HASH_*.
    :ivar smp: take locks: programs run on several threads at a time (as the kernel patches its locks out on machines
        with one CPU).
    """

    _fields_ = (
        ("buckets", _u64),
        ("elems", _u64),
        ("percpu", _u64),
        ("percpu_stride", _u64),
        ("seed", _u64),
        ("extra", _u64),
        ("count", _u64),
        ("mask", _u32),
        ("elem_size", _u32),
        ("key_size", _u32),
        ("key_off", _u32),
        ("value_off", _u32),
        ("value_stride", _u32),
        ("max_entries", _u32),
        ("hash_kind", _u32),
        ("free_head", _u32),
        ("free_lock", _u32),
        ("fresh", _u32),
        ("cpus", _u32),
        ("smp", _u32),
        ("unused", _u32),
        ("plan", CopyPlan),
    )


class LruState(ctypes.Structure):
    """``struct bpf_lru`` of an LRU hash, LRU_OFF bytes after its HashState.

    ::

        node      u32 next, u32 prev, u16 cpu, u8 type, u8 ref       at nodes + 12 * index
        list      u32 active, u32 inactive (counts), u32 rotation, u32 lock    at lists + 16 * number
        local     u32 next_steal, u32 lock                           at locals + 8 * cpu

    A node has the number of its element. Numbers from ``nr_nodes + 1`` on are heads of lists: three for each list
    (active, inactive, free), then two for each CPU (free, pending) unless every CPU has a list of its own.

    :ivar percpu: BPF_F_NO_COMMON_LRU: a list for each CPU, no local ones.
    :ivar evicted: numbers of the elements that the last operation dropped, when ``track`` is set.
    """

    _fields_ = (
        ("nodes", _u64),
        ("lists", _u64),
        ("locals", _u64),
        ("evicted", _u64),
        ("nr_evicted", _u32),
        ("track", _u32),
        ("nr_nodes", _u32),
        ("cpus", _u32),
        ("percpu", _u32),
        ("target_free", _u32),
        ("nr_scans", _u32),
    )


class RingState(ctypes.Structure):
    """``struct bpf_ringbuf``: what the kernel knows of a ring buffer. All of it is private.

    What others can write (the shared pages) is read once for each decision and never trusted; the positions there are
    copies of those here.

    :ivar data: address of the data, mapped twice in a row.
    :ivar consumer: address of the shared consumer position, ``producer`` of the producer position.
    :ivar lens: address of one u32 for each 8 bytes of data: the true headers of records.
    :ivar pending_pos: the oldest record that is not committed, as far as anybody looked.
    :ivar waiters: address of ``u32 count, s32 eventfd[count]``: who is woken.
    :ivar wakeups: how often anybody would have been.
    :ivar dynptr: address of the ``struct bpf_dynptr_kern`` of the sample a callback has.
    :ivar busy: a program drains a user ring buffer; ``samples``, ``discarded``, ``result`` are what it found so far.
    """

    _fields_ = (
        ("data", _u64),
        ("consumer", _u64),
        ("producer", _u64),
        ("mask", _u64),
        ("producer_pos", _u64),
        ("pending_pos", _u64),
        ("consumer_pos", _u64),
        ("lens", _u64),
        ("waiters", _u64),
        ("wakeups", _u64),
        ("dynptr", _u64),
        ("samples", _u64),
        ("discarded", _u64),
        ("result", ctypes.c_int64),
        ("sample_len", _u64),
        ("lock", _u32),
        ("busy", _u32),
        ("user", _u32),
        ("unused", _u32),
    )


def lru_state(state: int) -> LruState:
    """The struct behind the HashState at an address."""
    return LruState.from_address(state + LRU_OFF)


def array_state(state: int) -> ArrayState:
    """The struct at an address."""
    return ArrayState.from_address(state)


def hash_state(state: int) -> HashState:
    """The struct at an address."""
    return HashState.from_address(state)


def copy_plan(plan: int) -> CopyPlan:
    """The struct at an address."""
    return CopyPlan.from_address(plan)


def ring_state(state: int) -> RingState:
    """The struct at an address."""
    return RingState.from_address(state)
