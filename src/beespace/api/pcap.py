"""Captures: pcap and pcapng in, pcapng with verdicts out.

Why not a library: see docs/decisions/0003-pcap-files.md.
"""

from __future__ import annotations

import mmap
import struct
import sys
from array import array
from collections.abc import Iterator
from typing import BinaryIO

from beespace.errors import PcapError
from beespace.kernel.batch import Packets
from beespace.kernel.packets import index_pcap
from beespace.mem.mapping import buffer_address
from beespace.values import frozen

__all__ = [
    "LINKTYPE_ETHERNET", "Capture", "CapturedPacket", "CapturedPackets", "PcapngWriter", "read_capture", "read_packets",
]  # fmt: skip

LINKTYPE_ETHERNET = 1
_PCAP_HEADER_BYTES = 24
_MAX_BLOCK_BYTES = 1 << 28  # a longer block or packet is a corrupted length

_PCAP_MAGIC = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}  # magic -> nanoseconds of a timestamp fraction

# pcapng block types and options (draft-ietf-opsawg-pcapng)
_SECTION_HEADER, _INTERFACE, _OBSOLETE_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_OPT_IF_TSRESOL, _OPT_IF_TSOFFSET, _OPT_EPB_VERDICT = 9, 14, 7
_VERDICT_EBPF_XDP, _VERDICT_EBPF_TC = 2, 1  # first byte of epb_verdict


@frozen
class CapturedPacket:
    """One packet.

    :ivar timestamp_ns: nanoseconds since the Epoch, 0 when the format has none (simple packet blocks).
    :ivar data: the captured bytes, from the link-layer header on.
    :ivar length: bytes on the wire; more than ``len(data)`` when the capture was cut by a snap length.
    """

    timestamp_ns: int
    data: bytes
    length: int
    linktype: int = LINKTYPE_ETHERNET


class Capture:
    """A capture file; each iteration reads it from the start.

    :ivar total_bytes: size of the file, and ``position`` the bytes read so far (for progress bars).
    """

    def __init__(self, path: str, total_bytes: int) -> None:
        self.path = path
        self.total_bytes = total_bytes
        self.position = 0

    def __iter__(self) -> Iterator[CapturedPacket]:
        with _open(self.path) as file:
            for packet in _packets(file, self.path):
                self.position = file.tell()
                yield packet


def read_capture(path: str) -> Capture:
    """A pcap or pcapng file of either byte order, with micro- or nanosecond timestamps.

    :raises PcapError: no such file; while iterating: no capture, truncated or corrupted, with the byte offset.
    """
    with _open(path) as file:
        return Capture(path, file.seek(0, 2))


def _open(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as err:
        raise PcapError(err.strerror or str(err), path=path) from err


@frozen
class CapturedPackets:
    """All packets of a capture, for run_many().

    :ivar packets: with the times at which virtual time meets them.
    :ivar wire_lengths: bytes on the wire.
    """

    packets: Packets
    wire_lengths: array[int]


def read_packets(path: str, start_ns: int = 0) -> CapturedPackets:
    """A capture at once: of a pcap file in this machine's byte order nothing is copied, it is mapped.

    :param start_ns: when the first packet comes, by CLOCK_MONOTONIC of the simulated kernel; the others as much later
        as they were.
    :raises PcapError: as read_capture().
    """
    with _open(path) as file:
        magic = file.read(4)
        fraction_ns = _PCAP_MAGIC.get(int.from_bytes(magic, sys.byteorder)) if len(magic) == 4 else None
        if fraction_ns is not None and file.seek(0, 2) >= _PCAP_HEADER_BYTES:
            return _mapped(file, path, fraction_ns, start_ns)
    found = list(read_capture(path))
    times = array("Q")
    for number, packet in enumerate(found):
        if number:
            start_ns += max(packet.timestamp_ns - found[number - 1].timestamp_ns, 0)
        times.append(start_ns)
    plain = Packets.of(packet.data for packet in found)
    packets = Packets(plain.view, plain.offsets, plain.lengths, times)
    return CapturedPackets(packets, array("I", (packet.length for packet in found)))


def _mapped(file: BinaryIO, path: str, fraction_ns: int, start_ns: int) -> CapturedPackets:
    pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    base, size = buffer_address(pages), len(pages)
    count, end = index_pcap(base, _PCAP_HEADER_BYTES, size, fraction_ns, 0, 0, 0, 0, 0)
    if end != size:
        for _ in read_capture(path):  # says what is wrong
            pass
        raise PcapError("truncated or corrupted", path=path, offset=end)
    offsets, times = (array("Q", bytes(8 * count)) for _ in range(2))
    lengths, wire = (array("I", bytes(4 * count)) for _ in range(2))
    at, sizes, on_wire, when = (each.buffer_info()[0] for each in (offsets, lengths, wire, times))
    index_pcap(base, _PCAP_HEADER_BYTES, size, fraction_ns, at, sizes, on_wire, when, start_ns)
    return CapturedPackets(Packets(pages, offsets, lengths, times), wire)


class _Source:
    # Reads exact amounts and knows where it is, for errors that name the offset.
    __slots__ = ("file", "offset", "path")

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.file, self.path, self.offset = file, path, 0

    def take(self, size: int, what: str) -> bytes:
        data = self.file.read(size)
        if len(data) < size:
            raise self.error(f"truncated: the file ends inside {what}", size, len(data))
        self.offset += size
        return data

    def error(self, message: str, expected: object = None, found: object = None) -> PcapError:
        return PcapError(message, path=self.path, offset=self.offset, expected=expected, found=found)


def _packets(file: BinaryIO, path: str) -> Iterator[CapturedPacket]:
    source = _Source(file, path)
    magic = file.read(4)
    file.seek(0)
    if len(magic) < 4:
        raise source.error(
            "not a capture: shorter than a magic number", "pcap or pcapng", magic.hex() or "an empty file"
        )
    for order in "<>":
        (value,) = struct.unpack(order + "I", magic)
        if value in _PCAP_MAGIC:
            return _pcap_packets(source, order, _PCAP_MAGIC[value])
        if value == _SECTION_HEADER:  # reads the same in both orders
            return _pcapng_packets(source)
    raise source.error("not a capture: unknown magic number", "pcap or pcapng", magic.hex())


def _pcap_packets(source: _Source, order: str, fraction_ns: int) -> Iterator[CapturedPacket]:
    header = struct.Struct(order + "IHHiIII")
    record = struct.Struct(order + "IIII")
    *_, network = header.unpack(source.take(header.size, "the file header"))
    linktype = network & 0xFFFF  # the upper bits carry the length of the frame check sequence
    while True:
        head = source.file.read(record.size)
        if not head:
            return
        if len(head) < record.size:
            raise source.error("truncated: the file ends inside a record header", record.size, len(head))
        sec, fraction, captured, length = record.unpack(head)
        if captured > _MAX_BLOCK_BYTES:
            raise source.error("corrupted record: impossible captured length", f"<= {_MAX_BLOCK_BYTES}", captured)
        source.offset += record.size
        data = source.take(captured, "a packet")
        yield CapturedPacket(sec * 10**9 + fraction * fraction_ns, data, length, linktype)


@frozen
class _Interface:
    linktype: int
    ticks_per_second: int
    offset_seconds: int

    def nanoseconds(self, ticks: int) -> int:
        return self.offset_seconds * 10**9 + ticks * 10**9 // self.ticks_per_second


def _options(body: bytes, start: int, order: str) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while start + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, start)
        if code == 0:
            break
        found[code] = body[start + 4 : start + 4 + size]
        start += 4 + (size + 3 & ~3)
    return found


def _interface(source: _Source, body: bytes, order: str) -> _Interface:
    if len(body) < 8:
        raise source.error("interface description block is too short", 8, len(body))
    linktype = struct.unpack_from(order + "H", body)[0]
    options = _options(body, 8, order)
    resolution = options.get(_OPT_IF_TSRESOL, b"\x06")
    exponent = resolution[0] & 0x7F if resolution else 6
    base = 2 if resolution and resolution[0] & 0x80 else 10
    raw_offset = options.get(_OPT_IF_TSOFFSET, b"")
    offset = struct.unpack(order + "q", raw_offset)[0] if len(raw_offset) == 8 else 0
    return _Interface(linktype, base**exponent, offset)


def _pcapng_packets(source: _Source) -> Iterator[CapturedPacket]:
    order = "<"
    interfaces: list[_Interface] = []
    while True:
        start = source.offset
        head = source.file.read(8)
        if not head:
            return
        if len(head) < 8:
            raise source.error("truncated: the file ends inside a block header", 8, len(head))
        source.offset += 8
        (kind,) = struct.unpack_from(order + "I", head)
        if kind == _SECTION_HEADER:
            magic = source.take(4, "a section header block")
            if magic not in (struct.pack("<I", _BYTE_ORDER_MAGIC), struct.pack(">I", _BYTE_ORDER_MAGIC)):
                raise source.error("section header block without byte-order magic", "1a2b3c4d", magic.hex())
            order = "<" if magic[0] == 0x4D else ">"
            interfaces = []
        (length,) = struct.unpack_from(order + "I", head, 4)
        if length % 4 or length < 12 or length > _MAX_BLOCK_BYTES:
            raise source.error("corrupted block length", "a multiple of 4, at least 12", length)
        rest = source.take(start + length - source.offset, f"a block of type {kind:#x}")
        body, (trailer,) = rest[:-4], struct.unpack(order + "I", rest[-4:])
        if trailer != length:
            raise source.error("block lengths at both ends differ", length, trailer)
        if kind == _INTERFACE:
            interfaces.append(_interface(source, body, order))
        elif kind in (_ENHANCED_PACKET, _OBSOLETE_PACKET, _SIMPLE_PACKET):
            yield _packet(source, kind, body, order, interfaces)


def _packet(source: _Source, kind: int, body: bytes, order: str, interfaces: list[_Interface]) -> CapturedPacket:
    fixed = 4 if kind == _SIMPLE_PACKET else 20
    if len(body) < fixed:
        raise source.error("packet block is too short", fixed, len(body))
    number = high = low = 0
    if kind == _ENHANCED_PACKET:
        number, high, low, captured, length = struct.unpack_from(order + "IIIII", body)
    elif kind == _OBSOLETE_PACKET:
        number, _drops, high, low, captured, length = struct.unpack_from(order + "HHIIII", body)
    else:
        (length,) = struct.unpack_from(order + "I", body)
        captured = min(length, len(body) - fixed)
    if number >= len(interfaces):
        raise source.error(f"packet of interface {number}, which no block describes", f"< {len(interfaces)}", number)
    if captured > len(body) - fixed:
        raise source.error("captured length exceeds the block", f"<= {len(body) - fixed}", captured)
    interface = interfaces[number]
    time_ns = 0 if kind == _SIMPLE_PACKET else interface.nanoseconds(high << 32 | low)
    return CapturedPacket(time_ns, body[fixed : fixed + captured], length, interface.linktype)


class PcapngWriter:
    """Writes packets with the verdict of a program (option 7, epb_verdict, of the enhanced packet block).

    :param file: opened for binary writing; stays the caller's.
    :param hook: "xdp" or "tc", which kind of eBPF verdict is written.
    """

    def __init__(self, file: BinaryIO, *, linktype: int = LINKTYPE_ETHERNET, hook: str = "xdp") -> None:
        self._file = file
        self._kind = _VERDICT_EBPF_XDP if hook == "xdp" else _VERDICT_EBPF_TC
        self._block(_SECTION_HEADER, struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1))
        options = struct.pack("<HHB3xHH", _OPT_IF_TSRESOL, 1, 9, 0, 0)
        self._block(_INTERFACE, struct.pack("<HHI", linktype, 0, 0) + options)

    def _block(self, kind: int, body: bytes) -> None:
        length = struct.pack("<I", 12 + len(body))
        self._file.write(struct.pack("<I", kind) + length + body + length)

    def write(self, packet: CapturedPacket, verdict: int) -> None:
        """Append *packet* with *verdict*, the program's return value (``u32``, written as 64 bits)."""
        data = packet.data + bytes(-len(packet.data) % 4)
        stamp = packet.timestamp_ns
        fixed = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(packet.data), packet.length)
        option = struct.pack("<HHBQ3xHH", _OPT_EPB_VERDICT, 9, self._kind, verdict & 0xFFFF_FFFF, 0, 0)
        self._block(_ENHANCED_PACKET, fixed + data + option)
