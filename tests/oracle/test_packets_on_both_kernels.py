"""BPF_PROG_TEST_RUN on packets: what Linux answers is what the simulation answers."""

import itertools
import random

import pytest

from beespace.kernel import Kernel
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from packets import PacketProgram, run_packets

pytestmark = pytest.mark.oracle

SOCKET_FILTER, CLS, XDP = uapi.BPF_PROG_TYPE_SOCKET_FILTER, uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_PROG_TYPE_XDP
TYPES = (
    SOCKET_FILTER, CLS, uapi.BPF_PROG_TYPE_SCHED_ACT, XDP, uapi.BPF_PROG_TYPE_CGROUP_SKB, uapi.BPF_PROG_TYPE_LWT_IN,
    uapi.BPF_PROG_TYPE_LWT_OUT, uapi.BPF_PROG_TYPE_LWT_XMIT,
)  # fmt: skip
CTX_BYTES = {SOCKET_FILTER: 192, CLS: 192, XDP: 24}
NAMES = {number: linux_registry().prog_types[number].name for number in TYPES}
REGISTRY = linux_registry()

IP, IP6, ARP, LLC = 0x0800, 0x86DD, 0x0806, 0x0005


@pytest.fixture(scope="module")
def simulated():
    with Kernel() as kernel:
        yield kernel


@pytest.fixture
def kernels(linux_kernel, simulated):
    """The real one and ours."""
    return linux_kernel, simulated


def frame(size, proto=IP, dest=bytes(6)):
    header = dest + b"\2" * 6 + proto.to_bytes(2, "big")
    return (header + bytes((7 * i + 1) & 255 for i in range(size)))[:size]


def check(kernels, prog, runs, **record):
    """Both kernels give the same on each (data, ctx)."""
    real, ours = (run_packets(kernel, prog, runs, **record) for kernel in kernels)
    for (data, ctx), want, have in zip(runs, real, ours, strict=True):
        assert str(have) == str(want), f"{prog.source}\nframe {data and data.hex()}\nctx {ctx and ctx.hex(' ', 4)}"


def word(size, off, value):
    ctx = bytearray(size)
    ctx[off : off + 4] = value.to_bytes(4, "little")
    return bytes(ctx)


# ------------------------------------------------------------------ frames and contexts

SIZES = (0, 1, 13, 14, 15, 16, 33, 34, 35, 53, 54, 55, 60, 3519, 3520, 3521, 3711, 3712, 3713, 4096, 9000, 73152, 73153)


@pytest.mark.parametrize("proto", [IP, IP6, ARP, LLC], ids=hex)
@pytest.mark.parametrize("prog_type", TYPES, ids=NAMES.get)
def test_frames_of_all_sizes(kernels, prog_type, proto):
    runs = [(frame(size, proto) if size else None, None) for size in SIZES]
    check(kernels, PacketProgram(prog_type, "r0 = 1; exit"), runs)


@pytest.mark.parametrize("prog_type", CTX_BYTES, ids=NAMES.get)
def test_which_contexts_are_taken(kernels, prog_type):
    size = CTX_BYTES[prog_type]
    lengths = [bytes(n) for n in (4, size - 1, size, size + 1, 4096, 4097)]
    ifindex = {40} if size == 192 else {12}  # Linux has more interfaces than one
    values = (1, 4, 14, 60, 64, 65, 224, 256, 0x10000, 0x10001, 0xFFFFFFFF)
    fields = [word(size, off, v) for off in range(0, size, 4) for v in values if off not in ifindex or v in (1, 14)]
    runs = [(frame(64), ctx) for ctx in (*lengths, bytes(size) + b"\1", *fields)]
    check(kernels, PacketProgram(prog_type, "r0 = 1; exit"), runs)


@pytest.mark.parametrize("record", [{"flags": 1}, {"flags": 8}, {"cpu": 1}, {"batch_size": 1}], ids=str)
@pytest.mark.parametrize("prog_type", CTX_BYTES, ids=NAMES.get)
def test_which_parameters_are_taken(kernels, prog_type, record):
    check(kernels, PacketProgram(prog_type, "r0 = 1; exit"), [(frame(64), None)], **record)


@pytest.mark.slow  # Linux waits for RCU when it prepares an XDP program for several runs
@pytest.mark.parametrize("prog_type", CTX_BYTES, ids=NAMES.get)
def test_several_runs_see_what_those_before_left(kernels, prog_type):
    source = "r6 = r1; r2 = -4; call bpf_xdp_adjust_tail; exit"
    if prog_type != XDP:
        source = "r6 = r1; r0 = *(u32 *)(r6 + 48); r0 += 1; *(u32 *)(r6 + 48) = r0; exit"
    check(kernels, PacketProgram(prog_type, source), [(frame(64), bytes(CTX_BYTES[prog_type]))], repeat=3)


def field_loads(fields):
    for field in fields:
        if field.reg_type != uapi.SCALAR_VALUE or field.attach_types or "r" not in field.access:
            continue
        for size in (1, 2, 4, 8):
            for off in range(field.off, field.off + field.size, size):
                if field.admits(off, size, False):
                    yield f"(u{8 * size} *)", off, ""
                    yield f"({'s' if size < 8 else 'u'}{8 * size} *)", off, "r0 >>= 32;"


def full_ctx():
    ctx = bytearray(192)
    for off in (8, 32, 36, 48, 52, 56, 60, 64, 152, 156, 184, 188):
        ctx[off : off + 4] = ((0x81828384 + off * 0x01010101) & 0xFFFFFFFF).to_bytes(4, "little")
    for off, value in ((40, 1), (160, 5000), (164, 1234), (176, 0x12345678)):
        ctx[off : off + 4] = value.to_bytes(4, "little")
    return bytes(ctx)


@pytest.mark.parametrize("prog_type", [SOCKET_FILTER, CLS, XDP, uapi.BPF_PROG_TYPE_CGROUP_SKB], ids=NAMES.get)
@pytest.mark.parametrize("part", range(3))
def test_every_field_in_every_width(kernels, prog_type, part):
    last = "r0 &= 1; exit" if prog_type == uapi.BPF_PROG_TYPE_CGROUP_SKB else "exit"
    packets = [frame(60, IP), frame(60, IP6, b"\xff" * 6), frame(60, ARP, b"\1" + bytes(5)), frame(60, LLC, b"\2" * 6)]
    contexts = [None] * 4 if prog_type == XDP else [None, bytes(192), full_ctx(), full_ctx()]
    for access, off, more in list(field_loads(REGISTRY.prog_types[prog_type].ctx_fields))[part::3]:
        prog = PacketProgram(prog_type, f"r6 = r1; r0 = *{access}(r6 + {off}); {more} {last}")
        check(kernels, prog, list(zip(packets, contexts, strict=True)))


def test_what_stores_leave(kernels):
    values = (1, 0x12345678, 0xFFFE, 0xFFFF, 0x10005, -1)
    for field in REGISTRY.prog_types[CLS].ctx_fields:
        if "w" not in field.access or field.name == "tstamp":
            continue
        for store, value in table(("r2 = {}; *(u32 *)(r6 + {}) = r2", "*(u32 *)(r6 + {1}) = {0}"), values):
            source = f"r6 = r1; {store.format(value, field.off)}; r0 = *(u32 *)(r6 + {field.off}); exit"
            check(kernels, PacketProgram(CLS, source), [(frame(60), bytes(192))])


def test_every_field_of_the_socket(kernels):
    fields = REGISTRY.pointer_fields[uapi.PTR_TO_SOCK_COMMON].fields
    for access, off, more in field_loads(fields):
        if (access, off) in (("(u16 *)", 76), ("(u32 *)", 76)) or more:
            continue  # Linux: -1 in all 64 bits for "no queue recorded", which its verifier does not expect either
        source = f"r6 = r1; r0 = 0; r9 = *(u64 *)(r6 + 168); if r9 == 0 goto out; r0 = *{access}(r9 + {off}); out: exit"
        check(kernels, PacketProgram(CLS, source), [(frame(60, proto), None) for proto in (IP, IP6, ARP)])


# ------------------------------------------------------------------ helpers

FILL = "r6 = r1; r7 = 0; r2 = 0x1122334455667788 ll;" + "".join(f"*(u64 *)(r10 - {8 * i}) = r2;" for i in range(1, 5))
MIX = "r7 *= 31; r7 += r0;"
STACK = "".join(f"r1 = *(u64 *)(r10 - {off}); r7 *= 31; r7 += r1;" for off in (8, 16))
FOLD = "r1 = r7; r1 >>= 32; r7 ^= r1;"
# what the context shows afterwards goes back in the fields that are copied out: mark, priority, cb, tstamp
SHOW_SKB = (
    "".join(
        f"r1 = *(u32 *)(r6 + {source}); *(u32 *)(r6 + {dest}) = r1;" for source, dest in ((0, 48), (16, 52), (4, 64))
    )
    + """
    r1 = *(u32 *)(r6 + 24); r2 = *(u32 *)(r6 + 20); r2 <<= 16; r1 |= r2; *(u32 *)(r6 + 56) = r1
    r1 = *(u32 *)(r6 + 28); *(u32 *)(r6 + 60) = r1
    r1 = *(u32 *)(r6 + 160); r2 = *(u32 *)(r6 + 176); r2 <<= 32; r1 += r2
    r2 = *(u32 *)(r6 + 76); r3 = *(u32 *)(r6 + 80); r3 -= r2; r1 ^= r3; *(u64 *)(r6 + 152) = r1
    *(u32 *)(r6 + 32) = r7; r0 = r8; exit
"""
)
SHOW_XDP = "r1 = *(u32 *)(r6 + 0); r2 = *(u32 *)(r6 + 4); r2 -= r1; r7 *= 31; r7 += r2; r0 = r7; exit"


def call(name, *args):
    source = ""
    for reg, arg in enumerate(args, 1):
        match arg:
            case "ctx":
                source += f"r{reg} = r6;"
            case str():
                source += f"r{reg} = r10; r{reg} += {arg};"
            case int() if -(2**31) <= arg < 2**31:
                source += f"r{reg} = {arg};"
            case _:
                source += f"r{reg} = {arg} ll;"
    return f"{source} call {name};"


def skb_program(calls):
    return PacketProgram(CLS, FILL + "".join(each + MIX for each in calls) + "r8 = r0;" + STACK + FOLD + SHOW_SKB)


def xdp_program(calls):
    return PacketProgram(
        XDP, FILL + "".join(each + MIX for each in calls) + STACK + FOLD + SHOW_XDP, prog_flags=uapi.BPF_F_XDP_HAS_FRAGS
    )


IP_UDP = bytes.fromhex("45000032000100004011b6b7c0a80001c0a8000204d2162e001e1234") + bytes(range(20))
IP6_UDP = bytes.fromhex("6000000000141140") + bytes(range(32)) + bytes.fromhex("04d2162e00140000") + bytes(range(12))
ETH = bytes(6) + b"\2" * 6
SKB_FRAMES = (
    ETH + b"\x08\x00" + IP_UDP,
    ETH + b"\x86\xdd" + IP6_UDP,
    ETH + b"\x08\x06" + bytes(range(1, 30)),
    ETH + b"\x81\x00\x00\x64\x08\x00" + IP_UDP,
    ETH + b"\x81\x00\x30\x64\x81\x00\x00\x65\x08\x00" + IP_UDP,
    ETH + b"\x88\xa8\x00\x11\x86\xdd" + IP6_UDP,
    ETH + b"\x81\x00",
    ETH + b"\x81\x00\x01\x02",
    ETH + b"\x05\x05",
    ETH + b"\x08\x00" + IP_UDP[:20],
    ETH + b"\x08\x00" + IP_UDP + bytes(3000),
)
GSO = bytearray(192)
GSO[164], GSO[176] = 3, 100  # gso_segs, gso_size
SKB_RUNS = [(data, bytes(192)) for data in SKB_FRAMES] + [(data, bytes(GSO)) for data in SKB_FRAMES[:2]]


def xdp_ctx(data, data_end):
    return data.to_bytes(4, "little") + data_end.to_bytes(4, "little") + bytes(16)


XDP_RUNS = [(frame(size), None) for size in (14, 34, 60, 1500, 3519, 3520, 3521, 3600, 7616, 7617, 9000)]
XDP_RUNS += [
    (frame(size), xdp_ctx(*ends))
    for size, *ends in (
        (60, 0, 60), (60, 8, 60), (60, 8, 40), (60, 32, 40), (60, 0, 0), (60, 0, 10), (60, 0, 20), (4000, 16, 100),
        (4000, 0, 4000), (9000, 64, 9000), (60, 216, 60), (400, 216, 300), (400, 212, 300), (400, 220, 300),
    )
]  # fmt: skip

OFFSETS = (0, 1, 13, 14, 15, 24, 34, 54, 58, 62, 63, 3062, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
LENGTHS = (0, 13, 14, 15, 62, 63, 64, 65, 100, 3712, 16064, 16065, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
DIFFERENCES = tuple(sign * n for n in (0, 1, 4, 8, 20, 28, 34, 40, 54, 0xFFF, 0x1000) for sign in (1, -1))
ETHER_TYPES = (0x0008, 0xDD86, 0x0081, 0xA888, 0)
ROOM_FLAGS = (
    0, *(1 << i for i in range(11)), 6, 24, 2 | 8, 2 | 16, 4 | 16, 2 | 24, 384, 256 | 32, 2 | 8 | 14 << 56,
    2 | 64 | 14 << 56, 2 | 64 | 13 << 56, 2 | 60 << 56,
)  # fmt: skip
FLAGS = (0, 1, 2, 3, 8, 1 << 32, 1 << 63)
LENGTH_CHANGES = (0, 1, -1, -100, 65474, 65488, 65489, 65550, 0x7FFFFFFF, -0x80000000)


def table(*dims):
    return list(itertools.product(*dims))


SKB_CALLS = {
    "bpf_skb_load_bytes": table(["ctx"], OFFSETS, ["-16"], (1, 16)),
    "bpf_skb_load_bytes_relative": table(["ctx"], OFFSETS, ["-16"], (1, 7), (0, 1, 2)),
    "bpf_skb_store_bytes": table(["ctx"], OFFSETS, ["-16"], (1, 16), (0, 3, 4)),
    "bpf_skb_pull_data": table(["ctx"], LENGTHS),
    "bpf_skb_change_tail": table(["ctx"], LENGTHS, (0, 1)),
    "bpf_skb_change_head": table(["ctx"], LENGTHS[:-4], (0, 1)),
    "bpf_skb_change_type": table(["ctx"], range(5)),
    "bpf_skb_change_proto": table(["ctx"], ETHER_TYPES, (0, 1)),
    "bpf_csum_update": table(["ctx"], (0, 1)),
    "bpf_csum_level": table(["ctx"], range(6)),
    "bpf_csum_diff": table(["-16"], (0, 4, 13, 16), ["-32"], (0, 2, 16), (0, 1, 0xFFFF, 0x12345678, 0xFFFFFFFF)),
    "bpf_l3_csum_replace": table(["ctx"], OFFSETS, [0x1234], [0x5678], (0, 2, 4, 3, 16))
    + table(["ctx"], (24, 62), [0], [0x98765432], (0, 2, 4)),
    "bpf_l4_csum_replace": table(["ctx"], OFFSETS, [0], [0x5678ABCD], (0, 2, 4, 0x10, 0x12, 0x32, 0x44, 0x84, 0x104)),
    "bpf_skb_adjust_room": table(["ctx"], DIFFERENCES, (0, 1, 2), [0])
    + table(["ctx"], (8, 14, 40, -8, -20), (0, 1), ROOM_FLAGS),
    "bpf_skb_vlan_push": table(["ctx"], ETHER_TYPES, (0, 1, 0x3064, 0xFFFF, 0x10000)),
    "bpf_skb_vlan_pop": [("ctx",)],
    "bpf_skb_ecn_set_ce": [("ctx",)],
    "bpf_skb_set_tstamp": table(["ctx"], (0, 1, 1 << 40), (0, 1, 2, 3)),
    "bpf_redirect": table((0, 1, 999), FLAGS),
    "bpf_redirect_peer": table((0, 1, 999), FLAGS),
    "bpf_redirect_neigh": table((1, 999), ["-32"], (0, 1, 19, 20, 24), FLAGS),
    "bpf_clone_redirect": table(["ctx"], (0, 999999), FLAGS),
    "bpf_check_mtu": table(["ctx"], (0, 1, 999999), ["-16"], LENGTH_CHANGES, (0, 1, 2)),
    "bpf_skb_get_tunnel_key": table(["ctx"], ["-16"], [16], (0, 1, 4)),
    "bpf_skb_get_tunnel_opt": [("ctx", "-16", 16)],
    "bpf_skb_get_xfrm_state": [("ctx", 0, "-16", 16, 0)],
    "bpf_get_socket_uid": [("ctx",)],
    "bpf_get_cgroup_classid": [("ctx",)],
    "bpf_skb_cgroup_classid": [("ctx",)],
    "bpf_get_route_realm": [("ctx",)],
}
XDP_OFFSETS = (0, 1, 4, 14, 46, 47, 60, 61, 100, 216, 217, 255, 256, 480, 481, 575, 3506, 4096, 8986, 8987)
XDP_DIFFERENCES = (-(2**31), *(sign * n for n in (*XDP_OFFSETS, 0x7FFFFFFF) for sign in (1, -1)))
XDP_LOADS = (0, 13, 45, 59, 60, 3512, 3519, 3520, 7608, 7616, 8992, 9000, 0xFFFF, 0x10000, 0xFFFFFFFF)
XDP_CALLS = {
    "bpf_xdp_get_buff_len": [("ctx",)],
    "bpf_xdp_adjust_head": table(["ctx"], XDP_DIFFERENCES),
    "bpf_xdp_adjust_tail": table(["ctx"], XDP_DIFFERENCES),
    "bpf_xdp_adjust_meta": table(["ctx"], XDP_DIFFERENCES),
    "bpf_xdp_load_bytes": table(["ctx"], XDP_LOADS, ["-16"], (1, 8, 16)),
    "bpf_xdp_store_bytes": table(["ctx"], XDP_LOADS, ["-16"], (1, 16)),
    "bpf_redirect": table((0, 1, 999), FLAGS),
    "bpf_check_mtu": table(["ctx"], (0, 1, 999999), ["-16"], LENGTH_CHANGES, (0, 1, 2)),
}


def some(rows):
    """A sample that is always the same."""
    return random.Random(0).sample(rows, min(len(rows), 7))


@pytest.mark.parametrize("name", SKB_CALLS)
def test_helpers_of_skbs(kernels, name):
    for args in some(SKB_CALLS[name]):
        check(kernels, skb_program([call(name, *args)]), SKB_RUNS)


@pytest.mark.parametrize("name", XDP_CALLS)
def test_helpers_of_xdp(kernels, name):
    for args in some(XDP_CALLS[name]):
        check(kernels, xdp_program([call(name, *args)]), XDP_RUNS)


@pytest.mark.slow
@pytest.mark.parametrize("name", SKB_CALLS)
def test_helpers_of_skbs_with_all_arguments(kernels, name):
    for args in SKB_CALLS[name]:
        check(kernels, skb_program([call(name, *args)]), SKB_RUNS)


@pytest.mark.slow
@pytest.mark.parametrize("name", XDP_CALLS)
def test_helpers_of_xdp_with_all_arguments(kernels, name):
    for args in XDP_CALLS[name]:
        check(kernels, xdp_program([call(name, *args)]), XDP_RUNS)


def test_vlan_tags_pushed_and_popped(kernels):
    for proto, pushes, pops in itertools.product((0x0081, 0xA888), range(4), range(1, 4)):
        calls = [call("bpf_skb_vlan_push", "ctx", proto, 0x3064 + i) for i in range(pushes)]
        check(kernels, skb_program(calls + [call("bpf_skb_vlan_pop", "ctx")] * pops), SKB_RUNS)


@pytest.mark.parametrize("seed", range(2))
def test_several_helpers_of_xdp_one_after_another(kernels, seed):
    draw = random.Random(seed)
    for _ in range(8):
        names = draw.choices(sorted(XDP_CALLS), k=4)
        check(kernels, xdp_program([call(name, *draw.choice(XDP_CALLS[name])) for name in names]), XDP_RUNS)


# The tail may not be cut: what a reallocated buffer has behind it is whatever was in memory.
CHAINED = ("bpf_skb_change_head", "bpf_skb_change_proto", "bpf_skb_adjust_room", "bpf_skb_vlan_push",
           "bpf_skb_vlan_pop", "bpf_skb_store_bytes", "bpf_skb_load_bytes_relative")  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_several_helpers_of_skbs_one_after_another(kernels, seed):
    draw = random.Random(seed)
    for _ in range(8):
        names = draw.choices(CHAINED, k=4)
        check(kernels, skb_program([call(name, *draw.choice(SKB_CALLS[name])) for name in names]), SKB_RUNS)


# ------------------------------------------------------------------ more than a call

TOS = 15


@pytest.mark.parametrize("tags", range(4))
def test_congestion_marks(kernels, tags):
    push = call("bpf_skb_vlan_push", "ctx", 0x0081, 5)
    runs = [
        (data[:TOS] + bytes([tos]) + data[TOS + 1 :], bytes(192))
        for data in SKB_FRAMES[:6]
        for tos in (0, 1, 2, 3, 0x10, 0x20, 0x30, 0xFD, 0xFE)
    ]
    check(kernels, skb_program([push] * tags + [call("bpf_skb_ecn_set_ce", "ctx")]), runs)


@pytest.mark.parametrize("given", [0, 1, 1500, 65536, 65537, 0x7FFFFFFF, 0xFFFFFFFF], ids=hex)
@pytest.mark.parametrize("program", [skb_program, xdp_program], ids=["skb", "xdp"])
def test_mtu_of_a_given_length(kernels, program, given):
    store = f"r1 = {given} ll; *(u32 *)(r10 - 16) = r1;"
    for change, flags in some(table(LENGTH_CHANGES, (0, 1))):
        prog = program([store + call("bpf_check_mtu", "ctx", 0, "-16", change, flags)])
        check(kernels, prog, SKB_RUNS if program is skb_program else XDP_RUNS)


@pytest.mark.parametrize("program", [skb_program, xdp_program], ids=["skb", "xdp"])
@pytest.mark.parametrize("family", [0, 1, 2, 10])
def test_routes_where_nothing_is_forwarded(kernels, program, family):
    zero = "r1 = 0;" + "".join(f"*(u64 *)(r10 - {off}) = r1;" for off in range(72, 137, 8))
    for ifindex, source, size, flags in some(table((0, 1, 999999), (0, 0xFF, 0x80FE, 0xC0FE), (63, 64), (0, 63, 64))):
        fill = f"r1 = {family}; *(u8 *)(r10 - 136) = r1; r1 = {ifindex}; *(u32 *)(r10 - 128) = r1;"
        fill += f"r1 = {source}; *(u16 *)(r10 - 120) = r1;"
        prog = program([zero + fill + call("bpf_fib_lookup", "ctx", "-136", size, flags)])
        check(kernels, prog, (SKB_RUNS if program is skb_program else XDP_RUNS)[2:4])


@pytest.mark.parametrize("name", ["bpf_sk_lookup_tcp", "bpf_sk_lookup_udp", "bpf_skc_lookup_tcp"])
@pytest.mark.parametrize("program", [skb_program, xdp_program], ids=["skb", "xdp"])
def test_sockets_that_are_not_there(kernels, program, name):
    zero = "r1 = 0;" + "".join(f"*(u64 *)(r10 - {off}) = r1;" for off in range(8, 72, 8))
    release = "if r0 == 0 goto none; r1 = r0; call bpf_sk_release; r0 = 55; none:"
    for size, netns in table((8, 12, 36), (0, -1)):
        prog = program([zero + call(name, "ctx", "-64", size, netns, 0) + release])
        check(kernels, prog, (SKB_RUNS if program is skb_program else XDP_RUNS)[2:4])


@pytest.mark.parametrize("name", ["bpf_sk_fullsock", "bpf_get_listener_sock", "bpf_tcp_sock"])
def test_views_of_the_socket(kernels, name):
    ask = f"r9 = *(u64 *)(r6 + 168); r0 = 77; if r9 == 0 goto none; r1 = r9; call {name};"
    ask += "if r0 == 0 goto none; r0 = *(u32 *)(r0 + 4); none:"
    check(kernels, skb_program([ask]), SKB_RUNS)


@pytest.mark.parametrize("flags", [0, 1])
def test_assigning_the_socket_outside_of_ingress(kernels, flags):
    ask = f"r9 = *(u64 *)(r6 + 168); r0 = 77; if r9 == 0 goto none; r1 = r6; r2 = r9; r3 = {flags};"
    check(kernels, skb_program([ask + "call bpf_sk_assign; none:"]), SKB_RUNS)


NET, LINK = -0x100000, -0x200000
LD_OFFSETS = (
    0, 13, 14, 47, 48, 58, 60, 61, 62, 63, 3061, 0x7FFFFFFF, -1, -0x1000, NET, NET + 9, NET + 46, NET + 48, NET - 1,
    LINK, LINK + 12, LINK + 58, LINK + 62, LINK - 1, -(2**31),
)  # fmt: skip


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("prog_type", [SOCKET_FILTER, CLS], ids=NAMES.get)
def test_loads_of_packets(kernels, prog_type, bits):
    runs = [(data, None) for data in SKB_FRAMES]
    for off in LD_OFFSETS:
        check(kernels, PacketProgram(prog_type, f"r6 = r1; r0 = *(u{bits} *)skb[{off}]; exit"), runs)
    for off, index in table((0, 14, -1, 0x7FFFFFFF), (0, 1, 0xFFFFFFFF, -0x100000)):
        source = f"r6 = r1; r7 = {index} ll; r0 = *(u{bits} *)skb[r7 + {off}]; exit"
        check(kernels, PacketProgram(prog_type, source), runs)
