"""Captures: both formats, both byte orders, every way to be truncated."""

import io
import struct

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beespace.api.pcap import CapturedPacket, PcapngWriter, read_capture
from beespace.errors import PcapError

FRAME = bytes(range(60))


def pcap(order="<", magic=0xA1B2C3D4, packets=((3, 7, FRAME),)):
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    for sec, fraction, data in packets:
        out += struct.pack(order + "IIII", sec, fraction, len(data), len(data) + 4) + data
    return out


def block(order, kind, body):
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def pcapng(order="<", resolution=b"", number=0):
    out = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    options = struct.pack(order + "HH", 9, 1) + resolution + bytes(3) if resolution else b""
    out += block(order, 1, struct.pack(order + "HHI", 1, 0, 0) + options)
    ticks = 5_000_000_123
    body = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, 60, 99) + FRAME
    return out + block(order, 6, body) + block(order, 3, struct.pack(order + "I", 60) + FRAME)


def packets_of(tmp_path, data):
    path = tmp_path / "capture"
    path.write_bytes(data)
    return list(read_capture(str(path)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "fraction_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_pcap_of_either_order_and_resolution(tmp_path, order, magic, fraction_ns):
    (packet,) = packets_of(tmp_path, pcap(order, magic))
    assert packet == CapturedPacket(3 * 10**9 + 7 * fraction_ns, FRAME, 64)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("resolution", "expected_ns"),
    [(b"", 5_000_000_123_000), (b"\x09", 5_000_000_123), (b"\x9e", 5_000_000_123 * 10**9 // 2**30)],
    ids=["microseconds by default", "nanoseconds", "powers of two"],
)
def test_pcapng_timestamps_follow_the_interface(tmp_path, order, resolution, expected_ns):
    enhanced, simple = packets_of(tmp_path, pcapng(order, resolution))
    assert enhanced == CapturedPacket(expected_ns, FRAME, 99)
    assert simple == CapturedPacket(0, FRAME, 60)


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_every_truncation_is_an_error_with_an_offset_or_ends_between_packets(tmp_path, make):
    whole = make()
    count = len(packets_of(tmp_path, whole))
    errors = []
    for size in range(len(whole)):
        try:
            assert len(packets_of(tmp_path, whole[:size])) < count
        except PcapError as err:
            errors.append(err)
    assert len(errors) >= len(whole) - 3  # after the header(s) and between packets a file may end
    assert all(err.offset is not None and "capture" in str(err) for err in errors)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "shorter than a magic number"),
        (b"\x7fELF" + bytes(100), "unknown magic number"),
        (pcapng(number=4), "packet of interface 4, which no block describes"),
        (pcap()[:32] + b"\xff\xff\xff\x7f" + pcap()[36:], "impossible captured length"),
        (pcapng()[:-4] + bytes(4), "block lengths at both ends differ"),
    ],
)
def test_corrupted_files_say_what_is_wrong(tmp_path, data, message):
    with pytest.raises(PcapError, match=message):
        packets_of(tmp_path, data)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(PcapError, match=r"nowhere.*No such file"):
        read_capture(str(tmp_path / "nowhere"))


@given(st.binary(max_size=200), st.integers(0, 400))
def test_mutated_captures_never_fail_otherwise(tmp_path_factory, noise, where):
    path = tmp_path_factory.mktemp("pcap") / "capture"
    for whole in (pcap(), pcapng()):
        path.write_bytes(whole[:where] + noise + whole[where + len(noise) :])
        try:
            for packet in read_capture(str(path)):
                assert isinstance(packet.data, bytes)
        except PcapError:
            pass


def test_what_we_write_another_reader_reads(tmp_path):
    buffer = io.BytesIO()
    writer = PcapngWriter(buffer)
    packet = CapturedPacket(1_700_000_000_123_456_789, FRAME + b"x", 61)
    writer.write(packet, 2)
    buffer.seek(0)
    ((_, data),) = list(dpkt.pcapng.Reader(buffer))
    assert data == packet.data
    assert packets_of(tmp_path, buffer.getvalue()) == [packet]
    block_bytes = buffer.getvalue()[-(12 + 20 + 64 + 20) :]
    epb = dpkt.pcapng.EnhancedPacketBlockLE(block_bytes)
    assert next((opt.code, opt.data) for opt in epb.opts) == (7, b"\x02" + (2).to_bytes(8, "little"))
