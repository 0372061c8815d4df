"""Dynptrs: pointers with bounds that are checked at run time. Helpers and kfuncs.

:see: kernel/bpf/helpers.c
"""

from __future__ import annotations

from collections.abc import Callable
from errno import E2BIG, EINVAL, ERANGE
from typing import TYPE_CHECKING

from beespace.decl.dynptr import (
    DYNPTR_BYTES,
    DYNPTR_LOCAL,
    DYNPTR_RINGBUF,
    Dynptr,
    DynptrOps,
    dynptr_check_size,
    dynptr_init,
    dynptr_set_null,
)
from beespace.decl.func import implements
from beespace.errors import GuestFault
from beespace.mem import raw

if TYPE_CHECKING:
    from beespace.decl.run import RunContext

__all__ = [
    "bpf_dynptr_adjust", "bpf_dynptr_clone", "bpf_dynptr_copy", "bpf_dynptr_data", "bpf_dynptr_from_mem",
    "bpf_dynptr_is_null", "bpf_dynptr_is_rdonly", "bpf_dynptr_memset", "bpf_dynptr_read", "bpf_dynptr_size",
    "bpf_dynptr_slice", "bpf_dynptr_slice_rdwr", "bpf_dynptr_write",
]  # fmt: skip

_MEMORY = (DYNPTR_LOCAL, DYNPTR_RINGBUF)
_CHUNK = 256  # bytes on the kernel's stack when neither side is one piece of memory


# How packets are reached. :raises GuestFault: an unverified program's bytes are no dynptr.
def _ops(run: RunContext, ptr: Dynptr) -> DynptrOps:
    found: DynptrOps | None = run.kernel.registry.dynptr_ops.get(ptr.kind)
    if found is None:
        raise GuestFault(f"a dynptr of type {ptr.kind}", address=ptr.address)
    return found


@implements("bpf_dynptr_from_mem")
def bpf_dynptr_from_mem(run: RunContext, data: int, size: int, flags: int, ptr: int) -> int:
    """0; -E2BIG from 2^24 bytes on, -EINVAL with flags: *ptr* is null then."""
    err = dynptr_check_size(size) or (-EINVAL if flags else 0)
    if err:
        dynptr_set_null(ptr)
    else:
        dynptr_init(ptr, data, DYNPTR_LOCAL, 0, size)
    return err


@implements("bpf_dynptr_read")
def bpf_dynptr_read(run: RunContext, dst: int, length: int, src: int, offset: int, flags: int) -> int:
    """Copy *length* bytes out: 0; -EINVAL for a null dynptr or flags, -E2BIG outside of it, -EFAULT of the packet."""
    ptr = Dynptr(src)
    if not ptr.data or flags:
        return -EINVAL
    err = ptr.check_off_len(offset, length)
    if err:
        return err
    if ptr.kind in _MEMORY:
        raw.copy(dst, ptr.data + ptr.offset + offset, length)
        return 0
    return _ops(run, ptr).load(run, ptr.data, ptr.offset + offset, dst, length)


@implements("bpf_dynptr_write")
def bpf_dynptr_write(run: RunContext, dst: int, offset: int, src: int, length: int, flags: int) -> int:
    """Copy *length* bytes in: 0; -EINVAL for a null or read-only dynptr, -E2BIG outside of it, -EFAULT of the packet.

    :param flags: of bpf_skb_store_bytes() for packets in an skb, else 0.
    """
    ptr = Dynptr(dst)
    if not ptr.data or ptr.rdonly:
        return -EINVAL
    err = ptr.check_off_len(offset, length)
    if err:
        return err
    if ptr.kind in _MEMORY:
        if flags:
            return -EINVAL
        raw.copy(ptr.data + ptr.offset + offset, src, length)
        return 0
    return _ops(run, ptr).store(run, ptr.data, ptr.offset + offset, src, length, flags)


@implements("bpf_dynptr_data")
def bpf_dynptr_data(run: RunContext, ptr: int, offset: int, length: int) -> int:
    """Address of *length* bytes, for loads and stores; 0 outside, for read-only ones and for packets."""
    at = Dynptr(ptr)
    if not at.data or at.check_off_len(offset, length) or at.rdonly or at.kind not in _MEMORY:
        return 0
    return at.data + at.offset + offset


@implements("bpf_dynptr_slice")
def bpf_dynptr_slice(run: RunContext, p: int, offset: int, buffer: int, size: int) -> int:
    """Address of *size* bytes, or of *buffer* with a copy when they are not in one piece; 0 outside."""
    ptr = Dynptr(p)
    if not ptr.data or ptr.check_off_len(offset, size):
        return 0
    if ptr.kind in _MEMORY:
        return ptr.data + ptr.offset + offset
    return _ops(run, ptr).slice(run, ptr.data, ptr.offset + offset, size, buffer)


@implements("bpf_dynptr_slice_rdwr")
def bpf_dynptr_slice_rdwr(run: RunContext, p: int, offset: int, buffer: int, size: int) -> int:
    """As bpf_dynptr_slice(), for stores: 0 for read-only ones. What is stored to a copy has to be written back."""
    ptr = Dynptr(p)
    return 0 if not ptr.data or ptr.rdonly else bpf_dynptr_slice(run, p, offset, buffer, size)


@implements("bpf_dynptr_adjust")
def bpf_dynptr_adjust(run: RunContext, p: int, start: int, end: int) -> int:
    """Make it bytes *start* to *end* of itself: 0; -EINVAL for null or ``start > end``, -ERANGE behind its size."""
    ptr = Dynptr(p)
    if not ptr.data or start > end:
        return -EINVAL
    if end > ptr.size:
        return -ERANGE
    ptr.offset += start
    ptr.size = end - start
    ptr.store()
    return 0


@implements("bpf_dynptr_is_null")
def bpf_dynptr_is_null(run: RunContext, p: int) -> int:
    """Whether it has no memory."""
    return int(not Dynptr(p).data)


@implements("bpf_dynptr_is_rdonly")
def bpf_dynptr_is_rdonly(run: RunContext, p: int) -> int:
    """Whether it refuses to be written; a null dynptr does not count."""
    ptr = Dynptr(p)
    return int(bool(ptr.data) and ptr.rdonly)


@implements("bpf_dynptr_size")
def bpf_dynptr_size(run: RunContext, p: int) -> int:
    """Bytes; -EINVAL (as u32) of a null dynptr."""
    ptr = Dynptr(p)
    return ptr.size if ptr.data else -EINVAL


@implements("bpf_dynptr_clone")
def bpf_dynptr_clone(run: RunContext, p: int, clone: int) -> int:
    """A second one for the same memory: 0; -EINVAL, and *clone* is null, for a null dynptr."""
    if not Dynptr(p).data:
        dynptr_set_null(clone)
        return -EINVAL
    raw.copy(clone, p, DYNPTR_BYTES)
    return 0


@implements("bpf_dynptr_copy")
def bpf_dynptr_copy(run: RunContext, dst: int, dst_off: int, src: int, src_off: int, size: int) -> int:
    """Copy between two that may overlap: 0, or what reading or writing gives; -E2BIG outside of either."""
    source = bpf_dynptr_slice(run, src, src_off, 0, size)
    target = bpf_dynptr_slice_rdwr(run, dst, dst_off, 0, size)
    if source and target:
        raw.copy(target, source, size)
        return 0
    if source:
        return bpf_dynptr_write(run, dst, dst_off, source, size, 0)
    if target:
        return bpf_dynptr_read(run, target, size, src, src_off, 0)
    if Dynptr(dst).check_off_len(dst_off, size) or Dynptr(src).check_off_len(src_off, size):
        return -E2BIG
    return _in_chunks(
        run,
        size,
        lambda buffer, off, step: (
            bpf_dynptr_read(run, buffer, step, src, src_off + off, 0)
            or bpf_dynptr_write(run, dst, dst_off + off, buffer, step, 0)
        ),
    )


@implements("bpf_dynptr_memset")
def bpf_dynptr_memset(run: RunContext, p: int, offset: int, size: int, val: int) -> int:
    """Set *size* bytes to u8 *val*: 0; -EINVAL for a read-only dynptr, -E2BIG outside, -EFAULT of the packet."""
    ptr = Dynptr(p)
    if ptr.rdonly:
        return -EINVAL
    err = ptr.check_off_len(offset, size)
    if err:
        return err
    target = bpf_dynptr_slice_rdwr(run, p, offset, 0, size)
    if target:
        raw.fill(target, val, size)
        return 0

    def step(buffer: int, off: int, length: int) -> int:
        raw.fill(buffer, val, length)
        return bpf_dynptr_write(run, p, offset + off, buffer, length, 0)

    return _in_chunks(run, size, step)


# Go through *size* bytes with a buffer of _CHUNK, as the kernel on its stack, until a step fails.
def _in_chunks(run: RunContext, size: int, step: Callable[[int, int, int], int]) -> int:
    buffer = run.mem.alloc(_CHUNK, name="dynptr chunk")
    try:
        for off in range(0, size, _CHUNK):
            err = step(buffer.base, off, min(_CHUNK, size - off))
            if err:
                return err
    finally:
        run.mem.free(buffer)
    return 0
