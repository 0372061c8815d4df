"""User space's side of ring buffers on mapped memory: what libbpf does, for many records at a time.

Positions and headers are what the other side wrote: nothing outside the mapping is touched, whatever they say.

:see: tools/lib/bpf/ringbuf.c
"""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.beespace.mem.inline import (
        copy,
        load32,
        load64,
        load_acquire32,
        load_acquire64,
        store32,
        store_release64,
        w64,
        xchg32,
    )
else:
    from beespace.mem.raw import (
        copy,
        load32,
        load64,
        load_acquire32,
        load_acquire64,
        store32,
        store_release64,
        w64,
        xchg32,
    )

__all__ = [
    "BAD_RING",
    "NO_ROOM",
    "TOO_BIG",
    "ring_commit",
    "ring_copy",
    "ring_peek",
    "ring_reserve",
    "ring_skip",
    "store_position",
]

_BUSY = cython.declare(cython.ulonglong, 0x80000000)
_DISCARD = cython.declare(cython.ulonglong, 0x40000000)
_LEN = cython.declare(cython.ulonglong, 0x3FFFFFFF)
_ROUND = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFF8)
BAD_RING = -1
NO_ROOM = 0
TOO_BIG = 1


def round_record(size: cython.ulonglong) -> cython.ulonglong:
    return (size + 15) & _ROUND


# Bytes of the record at *cons*, with its header; 0 when there is none to take; ~0 when the buffer makes no sense.
def record_at(
    data: cython.ulonglong, mask: cython.ulonglong, cons: cython.ulonglong, prod: cython.ulonglong
) -> cython.ulonglong:
    header: cython.ulonglong
    total: cython.ulonglong
    if cons == prod:
        return 0
    header = load_acquire32(data + (cons & mask))
    if header & _BUSY:
        return 0
    total = round_record(header & _LEN)
    if total > w64(prod - cons) or total > mask + 1:
        return 0xFFFFFFFFFFFFFFFF
    return total


def ring_skip(consumer: cython.ulonglong, producer: cython.ulonglong, mask: cython.ulonglong) -> cython.longlong:
    """Go over discarded records: 1 when a record is there now, 0 when none, BAD_RING.

    *consumer* and *producer* are addresses of the positions; the data is a page behind the latter.
    """
    data: cython.ulonglong = producer + 4096
    cons: cython.ulonglong = load64(consumer)
    prod: cython.ulonglong = load_acquire64(producer)
    total: cython.ulonglong
    if w64(prod - cons) > mask + 1:
        return -1
    while True:
        total = record_at(data, mask, cons, prod)
        if total == 0:
            return 0
        if total > mask + 1:
            return -1
        if not load32(data + (cons & mask)) & _DISCARD:
            return 1
        cons = w64(cons + total)
        store_release64(consumer, cons)


def ring_peek(
    consumer: cython.ulonglong, producer: cython.ulonglong, mask: cython.ulonglong, limit: cython.ulonglong,
    out: cython.ulonglong,
) -> cython.longlong:  # fmt: skip
    """Look at up to *limit* records: how many, BAD_RING. Nothing is consumed.

    :param out: address of two u64: bytes of their data (each rounded up to 8), the position behind them.
    """
    data: cython.ulonglong = producer + 4096
    cons: cython.ulonglong = load64(consumer)
    prod: cython.ulonglong = load_acquire64(producer)
    total: cython.ulonglong
    count: cython.ulonglong = 0
    size: cython.ulonglong = 0
    if w64(prod - cons) > mask + 1:
        return -1
    while count < limit:
        total = record_at(data, mask, cons, prod)
        if total == 0:
            break
        if total > mask + 1:
            return -1
        if not load32(data + (cons & mask)) & _DISCARD:
            count += 1
            size += total - 8
        cons = w64(cons + total)
    store_release64(out, size)
    store_release64(out + 8, cons)
    return count


def ring_copy(
    consumer: cython.ulonglong, producer: cython.ulonglong, mask: cython.ulonglong, end: cython.ulonglong,
    out: cython.ulonglong, room: cython.ulonglong, spans: cython.ulonglong, count: cython.ulonglong,
) -> cython.longlong:  # fmt: skip
    """Consume up to position *end*, copying what ring_peek() counted: records copied, BAD_RING.

    :param out: where the data goes, each record at a multiple of 8 bytes; *room* bytes.
    :param spans: address of two u64 for each of *count* records: offset in *out*, length.
    """
    data: cython.ulonglong = producer + 4096
    cons: cython.ulonglong = load64(consumer)
    off: cython.ulonglong = 0
    done: cython.ulonglong = 0
    header: cython.ulonglong
    size: cython.ulonglong
    while cons != end:
        header = load_acquire32(data + (cons & mask))
        size = header & _LEN
        if header & _BUSY or round_record(size) > mask + 1:
            return -1
        if not header & _DISCARD:
            # Between the two looks a hostile producer may have changed a length.
            if done == count or round_record(size) - 8 > room - off:
                return -1
            copy(out + off, data + ((cons + 8) & mask), size)
            store_release64(spans + 16 * done, off)
            store_release64(spans + 16 * done + 8, size)
            off += round_record(size) - 8
            done += 1
        cons = w64(cons + round_record(size))
    store_release64(consumer, cons)
    return done


def store_position(address: cython.ulonglong, position: cython.ulonglong) -> None:
    """Move a position: what is before it belongs to the other side."""
    store_release64(address, position)


# -- user space produces


def ring_reserve(
    consumer: cython.ulonglong, producer: cython.ulonglong, mask: cython.ulonglong, size: cython.ulonglong
) -> cython.ulonglong:
    """Address of room for a sample of *size* bytes; NO_ROOM, TOO_BIG. With the GIL: one thread at a time.

    :see: user_ring_buffer__reserve
    """
    total: cython.ulonglong = round_record(size)
    if size > _LEN or total > mask + 1:
        return 1
    cons: cython.ulonglong = load_acquire64(consumer)
    prod: cython.ulonglong = load64(producer)
    if w64(prod - cons) > mask + 1 or total > mask + 1 - w64(prod - cons):
        return 0
    header: cython.ulonglong = producer + 4096 + (prod & mask)
    store32(header, size | _BUSY)
    store32(header + 4, 0)
    store_release64(producer, w64(prod + total))
    return producer + 4096 + ((prod + 8) & mask)


def ring_commit(producer: cython.ulonglong, mask: cython.ulonglong, sample: cython.ulonglong, discard: bool) -> None:
    """Make a sample visible, to be skipped with *discard*. :see: user_ringbuf_commit"""
    data: cython.ulonglong = producer + 4096
    header: cython.ulonglong = data + (w64(sample - data - 8) & mask)
    length: cython.ulonglong = load32(header) & ~_BUSY
    xchg32(header, length | _DISCARD if discard else length)
