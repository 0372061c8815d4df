"""The operations of ring buffers on native memory, without the GIL when compiled. See RingState.

::

    shared by memfd                                  private
    | consumer page | producer page | data | data |  positions, true headers of records (lens), who waits

A decision reads each shared word once and keeps to what it read. Nothing that stands in shared memory is taken for a
position of ours: whoever scribbles there spoils its own view only.

:see: kernel/bpf/ringbuf.c
"""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.beespace.decl.runstate import RunWords
    from cython.cimports.beespace.maps.state import RingState, ring_state
    from cython.cimports.beespace.mem.cbuiltins import fd_read, fd_write
    from cython.cimports.beespace.mem.inline import (
        cmpxchg32,
        copy,
        fetch_add64,
        load32,
        load64,
        load_acquire32,
        load_acquire64,
        spin_lock,
        spin_unlock,
        store32,
        store64,
        store_release32,
        store_release64,
        w64,
        xchg32,
    )
    from cython.cimports.beespace.mem.space import AddressSpace
else:
    import os

    from beespace.maps.state import RingState, ring_state
    from beespace.mem.raw import (
        cmpxchg32,
        copy,
        fetch_add64,
        load32,
        load64,
        load_acquire32,
        load_acquire64,
        spin_lock,
        spin_unlock,
        store32,
        store64,
        store_release32,
        store_release64,
        w64,
        xchg32,
    )

__all__ = [
    "INVALID_SAMPLE", "STATE_BEFORE_DATA", "native_ops", "ring_available", "ring_commit", "ring_drain_begin",
    "ring_drain_end", "ring_drain_next", "ring_drain_release", "ring_output", "ring_query", "ring_reserve",
    "ring_state_of", "ring_wake",
]  # fmt: skip

_EAGAIN = cython.declare(cython.longlong, 11)
_EBUSY = cython.declare(cython.longlong, 16)
_EINVAL = cython.declare(cython.longlong, 22)
_E2BIG = cython.declare(cython.longlong, 7)
_BUSY = cython.declare(cython.ulonglong, 0x80000000)  # BPF_RINGBUF_BUSY_BIT
_DISCARD = cython.declare(cython.ulonglong, 0x40000000)  # BPF_RINGBUF_DISCARD_BIT
_LEN = cython.declare(cython.ulonglong, 0x3FFFFFFF)  # the rest: also RINGBUF_MAX_RECORD_SZ
_HDR = cython.declare(cython.ulonglong, 8)  # BPF_RINGBUF_HDR_SZ
_ROUND = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFF8)
_NO_WAKEUP = cython.declare(cython.ulonglong, 1)
_FORCE_WAKEUP = cython.declare(cython.ulonglong, 2)
_DYNPTR_MAX_SIZE = cython.declare(cython.ulonglong, 0xFFFFFF)
_DYNPTR_LOCAL = cython.declare(cython.ulonglong, 1 << 28)  # BPF_DYNPTR_TYPE_LOCAL, as bpf_dynptr_set_type() stores it
_MAX_SAMPLES = cython.declare(cython.ulonglong, 128 * 1024)  # BPF_MAX_USER_RINGBUF_SAMPLES
_PG_OFF = cython.declare(cython.ulonglong, 3)  # pages of struct bpf_ringbuf before the data
_PAGE_SHIFT = cython.declare(cython.ulonglong, 12)
_SLOT_SHIFT = cython.declare(cython.ulonglong, 28)
STATE_BEFORE_DATA = 3 * 4096  # bytes before the data where the address of the state is
_STATE_BEFORE_DATA = cython.declare(cython.ulonglong, 3 * 4096)
INVALID_SAMPLE = 1  # ring_commit() of what is no reserved record


def round_record(size: cython.ulonglong) -> cython.ulonglong:
    return (size + _HDR + 7) & _ROUND


def lock_of(state: cython.ulonglong) -> cython.ulonglong:
    if cython.compiled:
        r: cython.pointer[RingState] = ring_state(state)
        return cython.cast(cython.ulonglong, cython.address(r.lock))
    else:
        return state + RingState.lock.offset


def busy_of(state: cython.ulonglong) -> cython.ulonglong:
    if cython.compiled:
        r: cython.pointer[RingState] = ring_state(state)
        return cython.cast(cython.ulonglong, cython.address(r.busy))
    else:
        return state + RingState.busy.offset


def wakeups_of(state: cython.ulonglong) -> cython.ulonglong:
    if cython.compiled:
        r: cython.pointer[RingState] = ring_state(state)
        return cython.cast(cython.ulonglong, cython.address(r.wakeups))
    else:
        return state + RingState.wakeups.offset


# An eventfd becomes readable; one whose counter is full becomes writable. It is non-blocking, and what is ready already
# stays so.
def signal(fd: cython.int, writable: cython.bint) -> None:
    if cython.compiled:
        word: cython.ulonglong = 1
        if writable:
            fd_read(fd, cython.address(word), 8)
        else:
            fd_write(fd, cython.address(word), 8)
    else:
        try:
            if writable:
                os.read(fd, 8)
            else:
                os.write(fd, (1).to_bytes(8, "little"))
        except BlockingIOError:
            pass


def ring_wake(state: cython.ulonglong) -> None:
    """Everybody who waits looks again. :see: bpf_ringbuf_notify"""
    r: cython.pointer[RingState] = ring_state(state)
    index: cython.ulonglong
    fetch_add64(wakeups_of(state), 1)
    for index in range(load_acquire32(r.waiters)):
        fd: cython.int = cython.cast(cython.int, load32(r.waiters + 4 + 4 * index))
        signal(fd, r.user != 0)


def ring_reserve(state: cython.ulonglong, size: cython.ulonglong) -> cython.ulonglong:
    """Address of *size* bytes for a record, 0 when there is no room. :see: __bpf_ringbuf_reserve"""
    r: cython.pointer[RingState] = ring_state(state)
    if size > _LEN:
        return 0
    total: cython.ulonglong = round_record(size)
    if total > r.mask + 1:
        return 0
    cons: cython.ulonglong = load_acquire64(r.consumer)
    spin_lock(lock_of(state))
    prod: cython.ulonglong = r.producer_pos
    new: cython.ulonglong = w64(prod + total)
    pend: cython.ulonglong = r.pending_pos
    while pend != prod:
        header: cython.ulonglong = load_acquire32(r.lens + ((pend & r.mask) >> 1))
        if header & _BUSY:
            break
        pend = w64(pend + round_record(header & _LEN))
    r.pending_pos = pend
    # Neither what the consumer has not seen nor what is not committed may be overwritten. The consumer's position is
    # its own affair: a wrong one loses records or room, the second condition holds whatever it says.
    if w64(new - cons) > r.mask or w64(new - pend) > r.mask:
        spin_unlock(lock_of(state))
        return 0
    off: cython.ulonglong = prod & r.mask
    store32(r.lens + (off >> 1), size | _BUSY)
    store32(r.data + off, size | _BUSY)
    store32(r.data + off + 4, _PG_OFF + (off >> _PAGE_SHIFT))
    r.producer_pos = new
    store_release64(r.producer, new)
    spin_unlock(lock_of(state))
    return r.data + off + _HDR


def ring_commit(
    state: cython.ulonglong, sample: cython.ulonglong, flags: cython.ulonglong, discard: cython.bint
) -> cython.longlong:
    """Give a record to the consumer, to be skipped with *discard*: 0; INVALID_SAMPLE when *sample* is no open record.

    :see: bpf_ringbuf_commit
    """
    r: cython.pointer[RingState] = ring_state(state)
    off: cython.ulonglong = w64(sample - _HDR - r.data)
    if off > r.mask or off & 7:
        return 1
    entry: cython.ulonglong = r.lens + (off >> 1)
    header: cython.ulonglong = load_acquire32(entry)
    if not header & _BUSY:
        return 1
    header ^= _BUSY
    if discard:
        header |= _DISCARD
    xchg32(r.data + off, header)
    # Last: from here on the bytes may belong to the next record.
    store_release32(entry, header)
    cons: cython.ulonglong = load_acquire64(r.consumer) & r.mask
    if flags & _FORCE_WAKEUP or (cons == off and not flags & _NO_WAKEUP):
        ring_wake(state)
    return 0


def ring_output(
    state: cython.ulonglong, data: cython.ulonglong, size: cython.ulonglong, flags: cython.ulonglong
) -> cython.longlong:
    """A whole record: 0; -EINVAL, -EAGAIN. :see: bpf_ringbuf_output"""
    if flags & ~(_NO_WAKEUP | _FORCE_WAKEUP):
        return -_EINVAL
    sample: cython.ulonglong = ring_reserve(state, size)
    if sample == 0:
        return -_EAGAIN
    copy(sample, data, size)
    ring_commit(state, sample, flags, False)
    return 0


# What others may have written over does not count: each side's own position is the private one.
def producer_now(state: cython.ulonglong) -> cython.ulonglong:
    r: cython.pointer[RingState] = ring_state(state)
    return load_acquire64(r.producer) if r.user else r.producer_pos


def consumer_now(state: cython.ulonglong) -> cython.ulonglong:
    r: cython.pointer[RingState] = ring_state(state)
    return r.consumer_pos if r.user else load_acquire64(r.consumer)


def ring_available(state: cython.ulonglong) -> cython.ulonglong:
    """Bytes between the positions. :see: ringbuf_avail_data_sz"""
    cons: cython.ulonglong = consumer_now(state)
    return w64(producer_now(state) - cons)


def ring_query(state: cython.ulonglong, flags: cython.ulonglong) -> cython.ulonglong:
    """What *flags* (BPF_RB_AVAIL_DATA, _RING_SIZE, _CONS_POS, _PROD_POS) asks for, else 0. :see: bpf_ringbuf_query"""
    r: cython.pointer[RingState] = ring_state(state)
    if flags == 0:
        return ring_available(state)
    if flags == 1:
        return r.mask + 1
    if flags == 2:
        return consumer_now(state)
    if flags == 3:
        return producer_now(state)
    return 0


# -- user space produces, a program drains


def ring_drain_begin(state: cython.ulonglong, flags: cython.ulonglong) -> cython.longlong:
    """Start to drain: 0, then ring_drain_end() has to follow; -EINVAL, -EBUSY. :see: bpf_user_ringbuf_drain"""
    r: cython.pointer[RingState] = ring_state(state)
    if flags & ~(_NO_WAKEUP | _FORCE_WAKEUP):
        return -_EINVAL
    if cmpxchg32(busy_of(state), 0, 1) != 0:
        return -_EBUSY
    r.samples = 0
    r.discarded = 0
    r.result = 0
    return 0


# The consumer has gone on by *size* bytes.
def advance(state: cython.ulonglong, size: cython.ulonglong) -> None:
    r: cython.pointer[RingState] = ring_state(state)
    r.consumer_pos = w64(r.consumer_pos + size)
    store_release64(r.consumer, r.consumer_pos)


def ring_drain_next(state: cython.ulonglong) -> cython.ulonglong:
    """Address of a ``struct bpf_dynptr_kern`` for the next sample; 0 when the drain ends here.

    :see: __bpf_user_ringbuf_peek
    """
    r: cython.pointer[RingState] = ring_state(state)
    while r.samples < _MAX_SAMPLES:
        prod: cython.ulonglong = load_acquire64(r.producer)
        if prod & 7:
            r.result = -_EINVAL
            return 0
        cons: cython.ulonglong = r.consumer_pos
        if cons >= prod:
            return 0
        off: cython.ulonglong = cons & r.mask
        header: cython.ulonglong = load_acquire32(r.data + off)
        size: cython.ulonglong = header & _LEN
        total: cython.ulonglong = round_record(size)
        if total > prod - cons:
            r.result = -_EINVAL
            return 0
        if total > r.mask + 1 or size > _DYNPTR_MAX_SIZE:
            r.result = -_E2BIG
            return 0
        if header & _DISCARD:
            advance(state, total)
            r.discarded += 1
            r.samples += 1
            continue
        if header & _BUSY:
            return 0
        r.sample_len = total
        store64(r.dynptr, r.data + ((cons + _HDR) & r.mask))
        store32(r.dynptr + 8, size | _DYNPTR_LOCAL)
        store32(r.dynptr + 12, 0)
        return r.dynptr
    return 0


def ring_drain_release(state: cython.ulonglong) -> None:
    """The callback of the sample has returned. :see: __bpf_user_ringbuf_sample_release"""
    r: cython.pointer[RingState] = ring_state(state)
    advance(state, r.sample_len)
    r.samples += 1


def ring_drain_end(state: cython.ulonglong, flags: cython.ulonglong) -> cython.longlong:
    """Others may drain again: how many samples the callback was given, or what was wrong with the next one."""
    r: cython.pointer[RingState] = ring_state(state)
    samples: cython.ulonglong = r.samples
    result: cython.longlong = r.result
    if result == 0:
        result = cython.cast(cython.longlong, samples - r.discarded) if cython.compiled else samples - r.discarded
    store_release32(busy_of(state), 0)
    if flags & _FORCE_WAKEUP or (samples > 0 and not flags & _NO_WAKEUP):
        ring_wake(state)
    return result


# -- for compiled programs


def ring_state_of(base: cython.ulonglong) -> cython.ulonglong:
    """State of the ring buffer whose region (as exposed) begins at *base*."""
    return load64(base - _STATE_BEFORE_DATA)


def native_reserve(state: cython.ulonglong, size: cython.ulonglong, flags: cython.ulonglong) -> cython.ulonglong:
    if flags != 0:
        return 0
    return ring_reserve(state, size)


# The state of a record's ring buffer stands before the data; the slot table says where that begins.
def state_of_sample(words: cython.ulonglong, sample: cython.ulonglong) -> cython.ulonglong:
    if cython.compiled:
        mem: cython.ulonglong = cython.cast(cython.pointer[RunWords], words).mem  # type: ignore[misc]  # a C type
        slot: cython.ulonglong = (
            sample - cython.cast(AddressSpace, cython.cast(cython.p_void, mem)).base
        ) >> _SLOT_SHIFT
        base: cython.ulonglong = cython.cast(AddressSpace, cython.cast(cython.p_void, mem))._table[slot].base
        return load64(base - _STATE_BEFORE_DATA)
    else:
        raise NotImplementedError


def native_submit(words: cython.ulonglong, sample: cython.ulonglong, flags: cython.ulonglong) -> None:
    ring_commit(state_of_sample(words, sample), sample, flags, False)


def native_discard(words: cython.ulonglong, sample: cython.ulonglong, flags: cython.ulonglong) -> None:
    ring_commit(state_of_sample(words, sample), sample, flags, True)


def native_ops() -> dict[str, int]:
    """Name -> address of a C function that compiled programs call; empty uncompiled.

    The first argument is the state of the map, where the helper's is the map; of submit and discard the run's words.
    """
    if cython.compiled:
        return {
            "bpf_ringbuf_reserve": cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_reserve)),
            "bpf_ringbuf_output": cython.cast(cython.ulonglong, cython.cast(cython.p_void, ring_output)),
            "bpf_ringbuf_query": cython.cast(cython.ulonglong, cython.cast(cython.p_void, ring_query)),
            "bpf_ringbuf_submit": cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_submit)),
            "bpf_ringbuf_discard": cython.cast(cython.ulonglong, cython.cast(cython.p_void, native_discard)),
            "drain_begin": cython.cast(cython.ulonglong, cython.cast(cython.p_void, ring_drain_begin)),
            "drain_next": cython.cast(cython.ulonglong, cython.cast(cython.p_void, ring_drain_next)),
            "drain_release": cython.cast(cython.ulonglong, cython.cast(cython.p_void, ring_drain_release)),
            "drain_end": cython.cast(cython.ulonglong, cython.cast(cython.p_void, ring_drain_end)),
        }
    else:
        return {}
