# mypy: disable-error-code="no-any-return"
# (what comes from cimported functions is Any)
"""Guest memory: one reserved range of addresses for each kernel, cut into slots, a region in each.

::

    base                 +256 MiB             +512 MiB
    | slot 0: the table  | guard | region | . | guard | region | ........
                         ^ 64 KiB^

A region starts in a slot of its own, so the region of an address is found by a shift, pages around it fault, and the
same sequence of allocations gives the same relative addresses. Freed slots are used again only when all others have
been, so a stale pointer faults.
"""

from __future__ import annotations

import errno
import sys
from collections import deque

import cython

from beespace.errors import GuestFault, InternalError, SyscallError
from beespace.mem.mapping import Mapping

if cython.compiled:
    from cython.cimports.beespace.mem import space as c
    from cython.cimports.beespace.mem.raw import load8, read_bytes, write_bytes
else:
    from beespace.mem.raw import load8, read_bytes, write_bytes
    from beespace.mem.slot import SLOT_ENTRY_BYTES, slot_table

__all__ = ["GUARD_BYTES", "PAGE_BYTES", "SLOT_BYTES", "AddressSpace", "Region"]

SLOT_SHIFT = cython.declare(cython.int, 28)
SLOT_BYTES = 1 << 28
GUARD_BYTES = 1 << 16
PAGE_BYTES = 4096
_SLOTS = 16384  # 4 TiB of addresses: 30 kernels fit into a process
_TRACE_FRAMES = 12
_U64 = 0xFFFFFFFFFFFFFFFF


@cython.final
@cython.cclass
class Region:
    """A piece of guest memory. Made by AddressSpace.alloc(); attributes are read-only.

    :ivar base: address of the first accessible byte; moves with AddressSpace.set_bounds().
    :ivar size: accessible bytes from there.
    :ivar stride: bytes from one element to the next, 0 when the region is one object.
    :ivar first: address of the first byte that set_bounds() may expose, ``extent`` the bytes from there.
    :ivar allocated_at: lines of the Python stack at alloc() when the space traces allocations, else ``None``.
    """

    def __init__(
        self,
        name: str,
        first: int,
        extent: int,
        slot: int,
        slots: int,
        writable: bool,
        stride: int,
        allocated_at: tuple[str, ...] | None,
    ) -> None:
        self.name = name
        self.base = self.first = first
        self.size = self.extent = extent
        self.slot = slot
        self.slots = slots
        self.writable = writable
        self.stride = stride
        self.live = True
        self.allocated_at = allocated_at

    @property
    def end(self) -> int:
        """Address of the first byte behind the region."""
        return self.base + self.size

    def __repr__(self) -> str:
        return f"<Region {self.name} {self.size} bytes>"


@cython.final
@cython.cclass
class AddressSpace:
    """The guest-visible memory of one kernel.

    :param slots: how many regions can exist at a time, roughly; costs addresses, not memory.
    :param trace: remember for each region where it was allocated (for leaks).
    :ivar base: address of the reserved range; relative() is the distance from here.
    """

    def __init__(self, slots: int = _SLOTS, *, trace: bool = False) -> None:
        self.mapping = Mapping(slots * SLOT_BYTES, SLOT_BYTES)
        self.base = self.mapping.address
        self.limit = self.base + self.mapping.size
        self.trace = trace
        self._slots = slots
        self._next = 1
        self._free: deque[tuple[int, int]] = deque()
        self._regions: dict[int, Region] = {}
        if cython.compiled:
            table_bytes = slots * cython.sizeof(c.Slot)
            self._table = cython.cast(cython.pointer[c.Slot], self.base)  # type: ignore[misc]  # a C type
        else:
            table_bytes = slots * SLOT_ENTRY_BYTES
            self._table = slot_table(self.base, slots)
        self.mapping.enable(self.base, -(-table_bytes // PAGE_BYTES) * PAGE_BYTES)

    def alloc(
        self,
        size: int,
        *,
        name: str,
        writable: bool = True,
        stride: int = 0,
        align: int = 8,
        low: int = 0,
        high: int = 0,
        write_low: int = 0,
        alive: int = 0,
    ) -> Region:
        """Reserve a region of *size* zeroed bytes.

        :param name: for messages; need not be unique.
        :param writable: whether the guest may store; the host always may.
        :param stride: bytes of an element; an access must stay inside one. 0: one object.
        :param align: of the first byte, a power of two up to the size of a page.
        :param low: guest-visible bytes of an element are ``low <= byte < high`` (high 0: up to the stride), of which
            those from *write_low* on may be written.
        :param alive: address of one byte for each element, 0 where the element may not be accessed; 0 for all alive.
        :raises SyscallError: ENOMEM when no slot is left.
        """
        if size <= 0:
            raise InternalError(f"region {name!r} of {size} bytes")
        need = -(-(size + 2 * GUARD_BYTES) // SLOT_BYTES)
        slot = self._take(need)
        start = self.base + slot * SLOT_BYTES + GUARD_BYTES
        pages = -(-size // PAGE_BYTES) * PAGE_BYTES
        self.mapping.enable(start, pages)
        # The end is next to a page that faults when the alignment allows it.
        first = start + (pages - size) // align * align
        at = None
        if self.trace:
            import traceback

            frames = traceback.walk_stack(sys._getframe())
            at = tuple(traceback.StackSummary.extract(frames, limit=_TRACE_FRAMES).format())
        region = Region(name, first, size, slot, need, writable, stride, at)
        for index in range(slot, slot + need):
            self._regions[index] = region
            self._table[index].base = first
            self._table[index].size = size
            self._table[index].alive = alive
            self._table[index].stride = stride
            self._table[index].low = low
            self._table[index].high = high or stride
            self._table[index].write_low = max(write_low, low)
            self._table[index].writable = writable
        return region

    def free(self, region: Region) -> None:
        """Take a region back: its pages fault from now on.

        :raises InternalError: it was freed before.
        """
        if not region.live or self._regions.get(region.slot) is not region:
            raise InternalError(f"{region!r} is freed twice")
        region.live = False
        self._bound(region, region.first, 0)
        start = self.base + region.slot * SLOT_BYTES + GUARD_BYTES
        self.mapping.disable(start, -(-(region.first + region.extent - start) // PAGE_BYTES) * PAGE_BYTES)
        for index in range(region.slot, region.slot + region.slots):
            del self._regions[index]
        self._free.append((region.slot, region.slots))

    def set_bounds(self, region: Region, base: int, size: int) -> None:
        """Expose ``size`` bytes from address *base* of what alloc() reserved (packets grow and shrink)."""
        if base < region.first or size < 0 or base + size > region.first + region.extent:
            raise InternalError(f"bounds of {region!r} leave its {region.extent} bytes")
        if not region.live:
            raise InternalError(f"bounds of {region!r}, which is freed")
        self._bound(region, base, size)

    def set_writable(self, region: Region, writable: bool) -> None:
        """Allow or refuse the guest's stores; the host may always store."""
        region.writable = writable
        for index in range(region.slot, region.slot + region.slots):
            self._table[index].writable = writable

    def check(self, addr: cython.ulonglong, size: cython.ulonglong, write: cython.bint) -> cython.bint:
        """Whether the guest may access *size* bytes at *addr*."""
        if addr < self.base or addr >= self.limit:
            return False
        slot: cython.Py_ssize_t = (addr - self.base) >> SLOT_SHIFT
        if addr < self._table[slot].base:
            return False
        off: cython.ulonglong = addr - self._table[slot].base
        if off > self._table[slot].size or self._table[slot].size - off < size:
            return False
        if write and not self._table[slot].writable:
            return False
        stride: cython.ulonglong = self._table[slot].stride
        if stride == 0:
            return True
        inside: cython.ulonglong = off % stride
        if inside < self._table[slot].low or inside + size > self._table[slot].high:
            return False
        if write and inside < self._table[slot].write_low:
            return False
        return self._table[slot].alive == 0 or load8(self._table[slot].alive + off // stride) != 0

    def plain_base(self, addr: cython.ulonglong) -> cython.ulonglong:
        """Start of the accessible bytes around *addr*, which check() admits; 0 in a region with elements."""
        slot: cython.Py_ssize_t = (addr - self.base) >> SLOT_SHIFT
        return 0 if self._table[slot].stride else self._table[slot].base

    def plain_size(self, addr: cython.ulonglong) -> cython.ulonglong:
        """How many there are."""
        return self._table[(addr - self.base) >> SLOT_SHIFT].size

    def is_writable(self, addr: cython.ulonglong) -> cython.bint:
        """Whether the region of *addr*, which check() admits, may be written."""
        return self._table[(addr - self.base) >> SLOT_SHIFT].writable != 0

    def find(self, addr: int) -> Region | None:
        """The region whose bytes (as exposed now) include *addr*."""
        region = self._regions.get((addr - self.base) >> SLOT_SHIFT)
        return region if region is not None and region.base <= addr < region.base + region.size else None

    def owner(self, addr: int) -> Region | None:
        """The region whose slot *addr* is in, whether or not the guest may access that byte now."""
        return self._regions.get((addr - self.base) >> SLOT_SHIFT)

    def read(self, addr: int, size: int) -> bytes:
        """What the guest may read at *addr*. :raises GuestFault: it may not."""
        if not 0 <= addr <= _U64 or not self.check(addr, size, False):
            raise GuestFault(self.explain(addr, size, False), address=addr)
        return read_bytes(addr, size)

    def write(self, addr: int, data: bytes) -> None:
        """Store *data* where the guest may. :raises GuestFault: it may not."""
        if not 0 <= addr <= _U64 or not self.check(addr, len(data), True):
            raise GuestFault(self.explain(addr, len(data), True), address=addr)
        write_bytes(addr, data)

    def explain(self, addr: int, size: int, write: bool) -> str:
        """Why check() refuses an access: what is there, and by how much it misses."""
        access = f"{'write' if write else 'read'} of {size} bytes"
        region = self._regions.get((addr - self.base) >> SLOT_SHIFT) if addr >= self.base else None
        if region is None:
            place = f"slot {self.relative(addr):#x}" if self.base <= addr < self.limit else f"{addr:#x}"
            return f"{access} at {place}: no memory of the guest"
        off = addr - region.base
        where = f"{access} at {region.name}{off:+d}"
        if off < 0 or off + size > region.size:
            return f"{where}: the region has {region.size} bytes"
        if write and not region.writable:
            return f"{where}: read-only"
        index, inside = divmod(off, region.stride)
        where = f"{access} at {region.name}[{index}]{inside:+d}"
        if inside < self._table[region.slot].low or inside + size > self._table[region.slot].high:
            return f"{where}: an element has bytes {self._table[region.slot].low} to {self._table[region.slot].high}"
        if write and inside < self._table[region.slot].write_low:
            return f"{where}: read-only below byte {self._table[region.slot].write_low}"
        return f"{where}: the element is not in use"

    def relative(self, addr: int) -> int:
        """Distance from the start of the range: equal in every run with the same seed."""
        return addr - self.base

    def absolute(self, off: int) -> int:
        """Inverse of relative()."""
        return self.base + off

    def view(self, addr: int, size: int, *, writable: bool = True) -> memoryview:
        """Host's view of memory of a region; stays valid (but not meaningful) when the space is closed."""
        return self.mapping.view(addr, size, writable=writable)

    def regions(self) -> tuple[Region, ...]:
        """What is allocated, by address."""
        return tuple(dict.fromkeys(self._regions[slot] for slot in sorted(self._regions)))

    def close(self) -> tuple[Region, ...]:
        """Give up the range (views keep it mapped). Freeing twice is harmless.

        :return: the regions that were never freed.
        """
        leaked = self.regions()
        region: Region
        for region in leaked:
            region.live = False
        self._regions.clear()
        self._free.clear()
        self._slots = 0
        self.limit = self.base
        self.mapping = None  # type: ignore[assignment]  # closed: nothing calls it any more
        return leaked

    # Slots in a row that are free; fresh ones first.
    def _take(self, need: int) -> int:
        if self._next + need <= self._slots:
            slot = self._next
            self._next += need
            return slot
        for index, (slot, count) in enumerate(self._free):
            if count >= need:
                del self._free[index]
                if count > need:
                    self._free.append((slot + need, count - need))
                return slot
        raise SyscallError(errno.ENOMEM, f"{need} slots of guest memory")

    def _bound(self, region: Region, base: int, size: int) -> None:
        region.base = base
        region.size = size
        for index in range(region.slot, region.slot + region.slots):
            self._table[index].base = base
            self._table[index].size = size
