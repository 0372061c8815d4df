"""Test runs of packet programs in the simulation (tests/oracle/test_packets_on_both_kernels.py asks Linux)."""

import errno

import pytest

from beespace.errors import Unsupported
from beespace.kernel import Kernel
from beespace.uapi import bpf as uapi
from packets import PacketProgram, run_packets

CLS, XDP, FILTER = uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_PROG_TYPE_XDP, uapi.BPF_PROG_TYPE_SOCKET_FILTER
ETH = bytes(6) + b"\2" * 6
IP = ETH + b"\x08\x00" + bytes.fromhex("45000032000100004011b6b7c0a80001c0a80002") + bytes(range(30))


@pytest.fixture(scope="module")
def kernel():
    with Kernel() as kernel:
        yield kernel


@pytest.fixture
def run(kernel):
    """(program type, source, packet, context) -> what came back"""

    def go(prog_type, source, data=IP, ctx=None, **record):
        (outcome,) = run_packets(kernel, PacketProgram(prog_type, source), [(data, ctx)], **record)
        return outcome

    return go


@pytest.mark.parametrize(
    ("prog_type", "size", "err"),
    [
        (CLS, 13, errno.EINVAL),
        (CLS, 33, errno.EINVAL),  # ends inside its IP header
        (CLS, 34, 0),
        (CLS, 3713, errno.EINVAL),  # more than a page without headroom and shared info
        (XDP, 13, errno.EINVAL),
        (XDP, 33, 0),
        (XDP, 73153, errno.ENOMEM),  # more fragments than fit
    ],
)
def test_sizes_of_frames(run, prog_type, size, err):
    assert run(prog_type, "r0 = 1; exit", (IP + bytes(80000))[:size]).errno == err


def test_a_socket_filter_sees_the_packet_from_its_network_header(run):
    assert run(FILTER, "r0 = *(u32 *)(r1 + 0); exit").retval == len(IP) - 14
    assert run(FILTER, "r6 = r1; r0 = *(u8 *)skb[0]; exit").retval == 0x45


def test_a_socket_filter_gives_back_an_empty_ethernet_header(run):
    assert run(FILTER, "r0 = 0; exit").data == bytes(14) + IP[14:]


def test_narrow_loads_of_a_field_that_the_kernel_keeps_in_a_byte_see_it_everywhere(run):
    multicast = b"\1" + IP[1:]
    loads = [run(FILTER, f"r0 = *(u8 *)(r1 + {off}); exit", multicast).retval for off in range(4, 8)]
    assert loads == [2, 2, 2, 2]  # PACKET_MULTICAST


def test_nothing_is_broadcast_to_loopback(run):
    assert run(FILTER, "r0 = *(u32 *)(r1 + 4); exit", b"\xff" * 6 + IP[6:]).retval == 2  # PACKET_MULTICAST


def test_marks_come_back_in_the_context(run):
    assert run(CLS, "r2 = 7; *(u32 *)(r1 + 8) = r2; r0 = 0; exit", ctx=bytes(192)).ctx[8:12] == b"\7\0\0\0"


def test_the_tail_of_an_xdp_frame_is_cut(run):
    assert run(XDP, "r2 = -20; call bpf_xdp_adjust_tail; exit").data == IP[:-20]


def test_meta_data_are_part_of_what_comes_back(run):
    outcome = run(
        XDP, "r2 = -8; call bpf_xdp_adjust_meta; exit", ctx=bytes(4) + len(IP).to_bytes(4, "little") + bytes(16)
    )
    assert (outcome.retval, outcome.data) == (0, bytes(8) + IP)
    assert outcome.ctx[:8] == (8).to_bytes(4, "little") + (len(IP) + 8).to_bytes(4, "little")


def test_vlan_tags_stay_beside_the_packet_until_there_are_two(run):
    push = "r1 = r6; r2 = 0x81; r3 = {tci}; call bpf_skb_vlan_push;"
    one, two = push.format(tci=5), push.format(tci=6)
    assert run(CLS, f"r6 = r1; {one} exit").data == IP
    assert run(CLS, f"r6 = r1; {one} {two} exit").data == IP[:12] + b"\x81\0\0\5" + IP[12:]


@pytest.mark.parametrize(
    ("prog_type", "source"),
    [
        (CLS, "r2 = 1; r3 = 0; call bpf_clone_redirect; exit"),
        (CLS, "call bpf_skb_cgroup_id; exit"),
    ],
)
def test_what_is_not_modelled_says_so(run, prog_type, source):
    with pytest.raises(Unsupported):
        run(prog_type, source)


def test_checksums_of_devices_are_not_modelled(run):
    with pytest.raises(Unsupported):
        run(CLS, "r0 = 0; exit", flags=uapi.BPF_F_TEST_SKB_CHECKSUM_COMPLETE)
