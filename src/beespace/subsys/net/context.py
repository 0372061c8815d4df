"""Run-time contexts of network programs: the user-visible struct, extended (docs/decisions/0002).

::

    struct xdp_md, 24 bytes       struct __sk_buff, 192 bytes     scalars at their own offsets; pointers unused
    u64 data                      u64 data                        first byte the program sees
    u64 data_end                  u64 data_end
    u64 data_meta                 u64 data_meta
    u64 head                      u64 head                        first byte of the buffer
    u64 end                       u64 end                         one past the last byte that data may grow to
    u64 frags                     u64 sk, u64 flow_keys           XDP: fragments, one behind the other
    u32 frags_size                                                their bytes, 0 when the frame is linear
                                  u32 mac_header, network_header, transport_header (offsets from head), u32 csum_state
                                  u32 skb_head (offset from head: where the kernel's buffer would start), u32 mac_len
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from beespace.decl.run import RunContext
from beespace.errors import InternalError
from beespace.mem import raw

if TYPE_CHECKING:
    from beespace.mem import AddressSpace, Region

__all__ = ["SKB", "XDP", "PacketContext", "PacketLayout", "packet_of"]

_LOAD: dict[int, Callable[[int], int]] = {4: raw.load32, 8: raw.load64}
_STORE: dict[int, Callable[[int, int], None]] = {4: raw.store32, 8: raw.store64}


class PacketLayout:
    """Where the extension of one context struct keeps what.

    :param uapi_size: bytes of the user-visible struct; the extension follows.
    """

    def __init__(self, name: str, uapi_size: int, extra: tuple[tuple[str, int], ...] = ()) -> None:
        self.name = name
        self.uapi_size = uapi_size
        self.offsets: dict[str, tuple[int, int]] = {}
        off = uapi_size
        for field, size in (*((f, 8) for f in ("data", "data_end", "data_meta", "head", "end")), *extra):
            self.offsets[field] = (off, size)
            off += size
        self.size = off


XDP = PacketLayout("struct xdp_md", 24, (("frags", 8), ("frags_size", 4)))
SKB = PacketLayout(
    "struct __sk_buff",
    192,
    (
        ("sk", 8),
        ("flow_keys", 8),
        ("mac_header", 4),
        ("network_header", 4),
        ("transport_header", 4),
        ("csum_state", 4),
        ("skb_head", 4),
        ("mac_len", 4),
    ),
)


class PacketContext:
    """A context in guest memory and the packet buffer it points at.

    The bounds of the buffer's region follow the packet, so that the interpreter notices an access that the verifier
    should have refused: whoever moves a pointer calls expose() afterwards. The methods here are the kernel's side: they
    do not check bounds of their own.
    """

    __slots__ = ("address", "layout", "mem", "region")

    def __init__(self, mem: AddressSpace, layout: PacketLayout, address: int, region: Region) -> None:
        self.mem = mem
        self.layout = layout
        self.address = address
        self.region = region

    def get(self, field: str) -> int:
        """A field of the extension, as unsigned word."""
        off, size = self.layout.offsets[field]
        return _LOAD[size](self.address + off)

    def set(self, field: str, value: int) -> None:
        """Store a field of the extension."""
        off, size = self.layout.offsets[field]
        _STORE[size](self.address + off, value)

    def get_u32(self, off: int) -> int:
        """A 32-bit field of the user-visible struct, by its offset there."""
        return raw.load32(self.address + off)

    def set_u32(self, off: int, value: int) -> None:
        """Store a 32-bit field of the user-visible struct."""
        raw.store32(self.address + off, value & 0xFFFF_FFFF)

    @property
    def data(self) -> int:
        """Address of the first byte the program sees."""
        return self.get("data")

    @property
    def data_end(self) -> int:
        """One past the last byte of the packet."""
        return self.get("data_end")

    @property
    def length(self) -> int:
        """Bytes from data to data_end."""
        return self.data_end - self.data

    def place(self, head: int, end: int, data: int, data_end: int, data_meta: int) -> None:
        """Set all pointers at once."""
        for field, value in (
            ("head", head),
            ("end", end),
            ("data", data),
            ("data_end", data_end),
            ("data_meta", data_meta),
        ):
            self.set(field, value)
        self.expose()

    def expose(self) -> None:
        """Let the guest access what lies between data_meta and data_end, and nothing else."""
        start = min(self.get("data_meta"), self.data)
        self.mem.set_bounds(self.region, start, self.data_end - start)

    def packet(self) -> bytes:
        """The bytes from data to data_end."""
        return raw.read_bytes(self.data, self.length)

    def load(self, off: int, size: int) -> bytes | None:
        """*size* bytes at *off* from data, None when they are not inside the packet."""
        if off + size > self.length:
            return None
        return raw.read_bytes(self.data + off, size)

    def store(self, off: int, data: bytes) -> bool:
        """Overwrite packet bytes at *off*; False when they are not inside the packet."""
        if off + len(data) > self.length:
            return False
        raw.write_bytes(self.data + off, data)
        return True


def packet_of(run: RunContext, ctx: int, layout: PacketLayout) -> PacketContext:
    """The packet that the context at address *ctx* describes."""
    head = raw.load64(ctx + layout.offsets["head"][0])
    region = run.mem.owner(head)
    if region is None:
        raise InternalError(f"the buffer of a {layout.name} is not guest memory")
    return PacketContext(run.mem, layout, ctx, region)
