"""Native memory: regions, ownership, bounds."""

from beespace.mem import raw
from beespace.mem.mapping import Mapping, buffer_address
from beespace.mem.shared import SharedPages
from beespace.mem.space import GUARD_BYTES, PAGE_BYTES, SLOT_BYTES, AddressSpace, Region

__all__ = [
    "GUARD_BYTES", "PAGE_BYTES", "SLOT_BYTES", "AddressSpace", "Mapping", "Region", "SharedPages", "buffer_address",
    "raw",
]  # fmt: skip
