"""``struct bpf_dynptr_kern``: what programs hold as ``struct bpf_dynptr``.

::

    0   u64 data      address of the memory; of the sk_buff or xdp_buff of packet dynptrs; 0: a null dynptr
    8   u32 size      bits 0-23 bytes, 28-30 enum bpf_dynptr_type, 31 read-only
    12  u32 offset    added to every offset

:see: kernel/bpf/helpers.c:bpf_dynptr_init
"""

from __future__ import annotations

from collections.abc import Callable
from errno import E2BIG
from typing import TYPE_CHECKING

from beespace.mem import raw
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.decl.run import RunContext

__all__ = [
    "DYNPTR_BYTES", "DYNPTR_LOCAL", "DYNPTR_MAX_SIZE", "DYNPTR_RINGBUF", "DYNPTR_SKB", "DYNPTR_SKB_META",
    "DYNPTR_XDP", "Dynptr", "DynptrOps", "dynptr_check_size", "dynptr_init", "dynptr_set_null",
]  # fmt: skip

DYNPTR_BYTES = 16
DYNPTR_MAX_SIZE = (1 << 24) - 1
# enum bpf_dynptr_type
DYNPTR_LOCAL, DYNPTR_RINGBUF, DYNPTR_SKB, DYNPTR_XDP, DYNPTR_SKB_META = range(1, 6)
_TYPE_SHIFT = 28
_RDONLY = 1 << 31


class Dynptr:
    """A dynptr in guest memory, as it is when this object is made.

    :ivar address: of the struct; ``data``, ``size``, ``offset``, ``kind`` (DYNPTR_*), ``rdonly`` as above.
    """

    __slots__ = ("address", "data", "kind", "offset", "rdonly", "size")

    def __init__(self, address: int) -> None:
        self.address = address
        self.data = raw.load64(address)
        word = raw.load32(address + 8)
        self.size = word & DYNPTR_MAX_SIZE
        self.kind = word >> _TYPE_SHIFT & 7
        self.rdonly = bool(word & _RDONLY)
        self.offset = raw.load32(address + 12)

    def check_off_len(self, offset: int, length: int) -> int:
        """bpf_dynptr_check_off_len(): 0; -E2BIG when not all of the bytes are inside."""
        return -E2BIG if length > self.size or offset > self.size - length else 0

    def store(self, address: int | None = None) -> None:
        """Write it back, or to another place."""
        at = self.address if address is None else address
        dynptr_init(at, self.data, self.kind, self.offset, self.size, rdonly=self.rdonly)


@frozen
class DynptrOps:
    """How the bytes behind one type of dynptr are reached, where they are not simply memory at ``data``.

    Offsets count from the start of the packet. ``size`` bytes from there are inside the dynptr.

    :ivar kind: DYNPTR_*.
    :ivar load: ``(run, data, offset, to, size)``: 0 or -errno.
    :ivar store: ``(run, data, offset, source, size, flags)``: 0 or -errno.
    :ivar slice: ``(run, data, offset, size, buffer)``: address of the bytes, or of *buffer* with a copy; 0: neither.
    """

    kind: int
    load: Callable[[RunContext, int, int, int, int], int]
    store: Callable[[RunContext, int, int, int, int, int], int]
    slice: Callable[[RunContext, int, int, int, int], int]


def dynptr_check_size(size: int) -> int:
    """bpf_dynptr_check_size(): 0 or -E2BIG."""
    return -E2BIG if size > DYNPTR_MAX_SIZE else 0


def dynptr_init(address: int, data: int, kind: int, offset: int, size: int, *, rdonly: bool = False) -> None:
    """bpf_dynptr_init()."""
    raw.store64(address, data)
    raw.store32(address + 8, size | kind << _TYPE_SHIFT | (_RDONLY if rdonly else 0))
    raw.store32(address + 12, offset)


def dynptr_set_null(address: int) -> None:
    """bpf_dynptr_set_null()."""
    raw.fill(address, 0, DYNPTR_BYTES)
