"""Program.run_many() and captures at once: the same as run() for each packet."""

import struct
from array import array

import pytest

import beespace
from beespace.api.compile import compile_c
from beespace.api.pcap import read_capture, read_packets
from beespace.errors import InputError, PcapError, SyscallError
from beespace.kernel.batch import Packets, split

SOURCE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); }
    seen SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 64); __type(key, __u32); __type(value, __u64); }
    times SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 300); __type(key, __u32); __type(value, __u64); }
    sums SEC(".maps");
SEC("xdp") int count(struct xdp_md *ctx)
{
    __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 zero = 0, number;
    __u64 one = 1, *sum, now = bpf_ktime_get_ns();
    if (data + 14 > end)
        return -1;
    __u64 *mine = bpf_map_lookup_elem(&seen, &zero);
    if (mine)
        *mine += 1;
    number = data[0];
    bpf_map_update_elem(&times, &number, &now, 0);
    number = data[1];
    sum = bpf_map_lookup_elem(&sums, &number);
    if (sum)
        __sync_fetch_and_add(sum, 1);
    else if (bpf_map_update_elem(&sums, &number, &one, BPF_NOEXIST) && (sum = bpf_map_lookup_elem(&sums, &number)))
        __sync_fetch_and_add(sum, 1);
    data[13] = data[0] + 1;
    return data[0] == 7 ? -7 : ctx->ingress_ifindex + data[0];
}
SEC("xdp") int shrink(struct xdp_md *ctx) { return bpf_xdp_adjust_head(ctx, 4) ? XDP_ABORTED : XDP_PASS; }
char _license[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("run_many") / "count.bpf.c"
    path.write_text(SOURCE)
    return compile_c(str(path))


@pytest.fixture(params=["jit", "interp"])
def obj(request, image):
    with beespace.Kernel(cpus=2, engine=request.param, trace_leaks=True) as kernel:
        yield kernel.load(image)


def packets(count=40):
    return [bytes([i % 11, i % 5]) + bytes(12 + i) for i in range(count)]


def test_each_packet_as_by_run(obj):
    prog = obj.progs.count
    expected = [prog.run(packet) for packet in packets()]
    result = prog.run_many(packets(), data=True)
    assert list(result) == [each.retval for each in expected]
    assert -7 in result.retvals
    assert [bytes(each) for each in result.data] == [each.data for each in expected]
    assert bytes(result.data[-1]) == expected[-1].data
    assert obj.maps.seen[0][0] == 2 * len(packets())
    assert prog.run_many(packets()).data is None
    assert len(prog.run_many([])) == 0


def test_threads_are_cpus(obj):
    result = obj.progs.count.run_many(packets(41), threads=2, data=True)
    assert list(obj.maps.seen[0]) == [20, 21]
    assert list(result) == list(obj.progs.count.run_many(packets(41)))
    assert [each[13] for each in result.data] == [packet[0] + 1 for packet in packets(41)]
    with pytest.raises(InputError, match="threads"):
        obj.progs.count.run_many(packets(), threads=3)


def test_threads_share_maps(obj):
    many = Packets.of(packets(40) * 500)
    obj.progs.count.run_many(many, threads=2)
    assert sum(obj.maps.sums[number] for number in range(5)) == len(many)


def test_packets_that_take_the_long_way(obj):
    mixed = [bytes(14), bytes(5000), bytes(64)]
    assert list(obj.progs.count.run_many(mixed)) == [obj.progs.count.run(packet).retval for packet in mixed]
    with pytest.raises(SyscallError, match="EINVAL"):
        obj.progs.count.run_many([bytes(64), bytes(13)])


def test_helpers_that_move_the_packet(obj):
    result = obj.progs.shrink.run_many([bytes(range(64))] * 3, data=True)
    assert list(result) == [beespace.XDP_PASS] * 3
    assert [bytes(each) for each in result.data] == [bytes(range(4, 64))] * 3


def test_time_follows_the_packets(obj):
    times = array("Q", [20_000_000_000 + 10 * number for number in range(11)])
    plain = Packets.of(packets(11))
    obj.progs.count.run_many(Packets(plain.view, plain.offsets, plain.lengths, times))
    assert [obj.maps.times[number] for number in range(11)] == list(times)
    obj.progs.count.run(packets(1)[0])
    assert obj.maps.times[0] == times[-1]


def test_packets_of_a_buffer():
    buffer = bytearray(b"..abc.defg")
    found = Packets(buffer, array("Q", [2, 6]), array("I", [3, 4]))
    assert [bytes(each) for each in found] == [b"abc", b"defg"]
    assert found[1].obj is buffer
    with pytest.raises(InputError, match="behind its buffer"):
        Packets(buffer, array("Q", [8]), array("I", [3]))
    with pytest.raises(InputError, match="offsets and lengths"):
        Packets(buffer, array("I", [2]), array("I", [3]))
    assert split(7, 3) == [(0, 2), (2, 4), (4, 7)]


@pytest.mark.parametrize("order", "<>")
def test_captures_at_once(tmp_path, order):
    path = tmp_path / "some.pcap"
    records = [(5, 10, b"first"), (5, 4, b"second, earlier"), (6, 7, b"third")]
    data = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for seconds, us, packet in records:
        data += struct.pack(order + "IIII", seconds, us, len(packet), len(packet) + 1) + packet
    path.write_bytes(data)
    captured = read_packets(str(path), 100)
    assert [bytes(each) for each in captured.packets] == [packet for _, _, packet in records]
    assert list(captured.wire_lengths) == [len(packet) + 1 for _, _, packet in records]
    assert list(captured.packets.times_ns) == [100, 100, 100 + 1_000_003_000]
    assert [each.data for each in read_capture(str(path))] == [bytes(each) for each in captured.packets]
    path.write_bytes(data[:-1])
    with pytest.raises(PcapError, match="truncated"):
        read_packets(str(path))
