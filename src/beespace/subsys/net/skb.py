"""Socket buffers at run time: BPF_PROG_TEST_RUN of socket_filter, sched_cls and their kin.

:see: net/bpf/test_run.c:bpf_prog_test_run_skb
"""

from __future__ import annotations

from errno import EINVAL, ENODEV

from beespace.decl.testrun import TestRunEnv, TestRunRequest, TestRunResult
from beespace.decl.words import be16
from beespace.errors import SyscallError, Unsupported
from beespace.mem import raw
from beespace.subsys.net.context import SKB, PacketContext
from beespace.subsys.net.sockets import SOCK_STATE, TCP_CLOSE
from beespace.subsys.net.testrun import ETH_HLEN, LOOPBACK_IFINDEX, read_ctx
from beespace.uapi import bpf as uapi

__all__ = [
    "AF_INET",
    "AF_INET6",
    "ETH_P_8021AD",
    "ETH_P_8021Q",
    "ETH_P_IP",
    "ETH_P_IPV6",
    "FIELD",
    "NO_HEADER",
    "bpf_prog_test_run_skb",
    "eth_type",
    "set_len",
    "skb_cow",
]

# Offsets in struct __sk_buff (include/uapi/linux/bpf.h).
FIELD = {
    name: 4 * number
    for number, name in enumerate(
        "len pkt_type mark queue_mapping protocol vlan_present vlan_tci vlan_proto priority ingress_ifindex ifindex "
        "tc_index cb0 cb1 cb2 cb3 cb4 hash tc_classid data data_end napi_id family remote_ip4 local_ip4 "
        "remote_ip60 remote_ip61 remote_ip62 remote_ip63 local_ip60 local_ip61 local_ip62 local_ip63 "
        "remote_port local_port data_meta".split()
    )
} | {"tstamp": 152, "wire_len": 160, "gso_segs": 164, "gso_size": 176, "tstamp_type": 180, "hwtstamp": 184}

ETH_P_802_3, ETH_P_802_2 = 0x0001, 0x0004
ETH_P_IP, ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD = 0x0800, 0x86DD, 0x8100, 0x88A8
_ETH_P_802_3_MIN = 0x0600
AF_INET, AF_INET6 = 2, 10

NO_HEADER = 0xFFFF_FFFF  # transport_header before anybody set it

_PAGE = 4096
_NET_SKB_PAD = 64
_HEADROOM_OF_KERNEL = 64  # NET_SKB_PAD + NET_IP_ALIGN (0 on x86)
_TAILROOM_OF_KERNEL = 320  # SKB_DATA_ALIGN(sizeof(struct skb_shared_info))
# The kernel reallocates a buffer that grows; ours is made as large as one can become (BPF_SKB_MAX_LEN on both sides).
_BUFFER = 48 * 1024
_DATA_AT = 16 * 1024

_GSO_MAX_SEGS, _GSO_LEGACY_MAX_SIZE = 65535, 65536

_SOCK_RX_QUEUE_MAPPING = 76  # offset in struct bpf_sock

_L2_TYPES = {uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_PROG_TYPE_SCHED_ACT}

# Ranges of struct __sk_buff that a caller may set; all others must be zero (convert___skb_to_skb()).
_SETTABLE = ((8, 12), (32, 44), (48, 68), (152, 168), (176, 180), (184, 192))


def bpf_prog_test_run_skb(request: TestRunRequest, env: TestRunEnv) -> TestRunResult:
    """BPF_PROG_TEST_RUN on one linear socket buffer, received by loopback.

    :raises SyscallError: EINVAL for frames that are too short or too long and for context fields that must be zero;
        ENODEV for an interface other than loopback.
    """
    if request.flags & ~uapi.BPF_F_TEST_SKB_CHECKSUM_COMPLETE or request.cpu or request.batch_size:
        raise SyscallError(EINVAL, "BPF_PROG_TEST_RUN of an skb program: flags, cpu or batch_size")
    if request.flags:
        raise Unsupported("BPF_F_TEST_SKB_CHECKSUM_COMPLETE")
    data = request.data_in or b""
    if len(data) < ETH_HLEN:
        raise SyscallError(EINVAL, f"BPF_PROG_TEST_RUN: frame of {len(data)} bytes, an Ethernet header has 14")
    if len(data) > _PAGE - _HEADROOM_OF_KERNEL - _TAILROOM_OF_KERNEL:
        raise SyscallError(EINVAL, f"BPF_PROG_TEST_RUN: frame of {len(data)} bytes does not fit into a page")
    ctx = read_ctx(request, SKB.uapi_size)
    is_l2 = env.program.prog_type in _L2_TYPES

    packet = _build(env, data, ctx, is_l2)
    r0, duration = env.execute(packet.address, request.repeat)
    if not is_l2:  # user space always gets an Ethernet header back
        packet.set("data", packet.data - ETH_HLEN)
        raw.fill(packet.data, 0, ETH_HLEN)
    out = None if ctx is None else _ctx_out(packet, ctx)
    return TestRunResult(r0 & 0xFFFF_FFFF, packet.packet(), out, duration)


def _build(env: TestRunEnv, data: bytes, ctx: bytes | None, is_l2: bool) -> PacketContext:
    proto = eth_type(data[12:16])
    least = {ETH_P_IP: 20, ETH_P_IPV6: 40}.get(proto, 0)
    if len(data) - ETH_HLEN < least:
        raise SyscallError(EINVAL, f"BPF_PROG_TEST_RUN: frame of {len(data)} bytes ends inside its IP header")
    buffer = env.borrow("skb head", _BUFFER)
    address = env.borrow("__sk_buff", SKB.size).base
    packet = PacketContext(env.mem, SKB, address, buffer)
    mac = buffer.base + _DATA_AT
    raw.write_bytes(mac, data)
    start = mac if is_l2 else mac + ETH_HLEN
    packet.place(buffer.base, buffer.base + _BUFFER - _TAILROOM_OF_KERNEL, start, mac + len(data), start)
    packet.set("mac_header", _DATA_AT)
    packet.set("network_header", _DATA_AT + ETH_HLEN)
    packet.set("transport_header", NO_HEADER)
    packet.set("skb_head", _DATA_AT - _HEADROOM_OF_KERNEL)
    sock = _build_sock(env, data, proto)
    packet.set("sk", sock)
    _copy_addresses(packet, sock)
    set_len(packet)
    packet.set_u32(FIELD["pkt_type"], _packet_type(data))
    packet.set_u32(FIELD["protocol"], be16(proto))
    packet.set_u32(FIELD["ifindex"], LOOPBACK_IFINDEX)
    if ctx is not None:
        _take_ctx(packet, ctx)
    return packet


def set_len(packet: PacketContext) -> None:
    """Keep ``len`` and what the guest may access equal to what the packet has (bpf_compute_data_pointers())."""
    packet.set_u32(FIELD["len"], packet.length)
    packet.expose()
    mac = packet.get("head") + packet.get("mac_header")
    if mac < packet.data:  # socket filters start behind the Ethernet header; LD_ABS reaches it
        packet.mem.set_bounds(packet.region, mac, packet.data_end - mac)


def skb_cow(packet: PacketContext, headroom: int) -> None:
    """Make room for *headroom* bytes before data.

    Our buffer has it already. The kernel's is reallocated when its headroom does not suffice, which moves the headers
    in it, and a transport header that nobody set (0xffff) is taken along: it wraps around and is set from then on.

    :raises Unsupported: our buffer has no such room.
    """
    data = packet.data - packet.get("head")
    lacking = headroom - (data - packet.get("skb_head"))
    if headroom > data:
        raise Unsupported(f"packets that grow by more than {_DATA_AT} bytes at their head")
    if lacking > 0:
        start = packet.get("skb_head")
        packet.set("skb_head", start - lacking - (-lacking % _NET_SKB_PAD))
        if packet.get("transport_header") == NO_HEADER:
            packet.set("transport_header", start - 1)


def eth_type(data: bytes) -> int:
    """``skb->protocol`` in host order of what starts with an Ethernet header's h_proto (eth_type_trans())."""
    proto = int.from_bytes(data[:2], "big")
    if proto >= _ETH_P_802_3_MIN:
        return proto
    return ETH_P_802_3 if data[2:4] == b"\xff\xff" else ETH_P_802_2


def _packet_type(data: bytes) -> int:
    # loopback's own address is 00:00:00:00:00:00, and its broadcast address too: nothing is PACKET_BROADCAST
    host, multicast, otherhost = 0, 2, 3
    dest = data[:6]
    if dest == bytes(6):
        return host
    return multicast if dest[0] & 1 else otherhost


def _build_sock(env: TestRunEnv, data: bytes, proto: int) -> int:
    # The kernel attaches a dummy socket; what programs can read of it has the layout of struct bpf_sock.
    sock = env.borrow("sock", 80).base
    ip = data[ETH_HLEN:]
    words = {4: 0}
    if proto == ETH_P_IP:
        words[4] = AF_INET
        words[24] = int.from_bytes(ip[12:16], "little")  # src_ip4: sk_rcv_saddr
        words[52] = int.from_bytes(ip[16:20], "little")  # dst_ip4: sk_daddr
    elif proto == ETH_P_IPV6:
        words[4] = AF_INET6
        for i in range(4):
            words[28 + 4 * i] = int.from_bytes(ip[8 + 4 * i : 12 + 4 * i], "little")
            words[56 + 4 * i] = int.from_bytes(ip[24 + 4 * i : 28 + 4 * i], "little")
    words[SOCK_STATE] = TCP_CLOSE
    words[_SOCK_RX_QUEUE_MAPPING] = 0xFFFF_FFFF  # none recorded
    for off, word in words.items():
        raw.store32(sock + off, word)
    return sock


def _copy_addresses(packet: PacketContext, sock: int) -> None:
    # what programs on cgroups read of skb->sk through the context
    copied = {"family": 4, "local_ip4": 24, "remote_ip4": 52}
    copied |= {f"local_ip6{i}": 28 + 4 * i for i in range(4)} | {f"remote_ip6{i}": 56 + 4 * i for i in range(4)}
    for name, off in copied.items():
        packet.set_u32(FIELD[name], raw.load32(sock + off))


def _take_ctx(packet: PacketContext, ctx: bytes) -> None:
    checked = bytearray(ctx)
    for start, end in _SETTABLE:
        checked[start:end] = bytes(end - start)
    off = next((i for i, byte in enumerate(checked) if byte), None)
    if off is not None:
        raise SyscallError(EINVAL, f"BPF_PROG_TEST_RUN: byte {off} of struct __sk_buff must be zero")
    ifindex = _word(ctx, "ifindex")
    if ifindex > LOOPBACK_IFINDEX:
        raise SyscallError(ENODEV, f"BPF_PROG_TEST_RUN: no interface {ifindex} (loopback is 1)")
    wire_len, gso_segs = _word(ctx, "wire_len"), _word(ctx, "gso_segs")
    if wire_len and not packet.length <= wire_len <= _GSO_LEGACY_MAX_SIZE:
        raise SyscallError(EINVAL, f"BPF_PROG_TEST_RUN: wire_len {wire_len} for a packet of {packet.length} bytes")
    if gso_segs > _GSO_MAX_SEGS:
        raise SyscallError(EINVAL, f"BPF_PROG_TEST_RUN: gso_segs {gso_segs}, at most {_GSO_MAX_SEGS}")
    for name in ("mark", "priority", "ingress_ifindex", "cb0", "cb1", "cb2", "cb3", "cb4", "gso_segs"):
        packet.set_u32(FIELD[name], _word(ctx, name))
    packet.set_u32(FIELD["gso_size"], _word(ctx, "gso_size") & 0xFFFF)
    packet.set_u32(FIELD["wire_len"], wire_len or packet.length)
    for name in ("tstamp", "hwtstamp"):
        raw.write_bytes(packet.address + FIELD[name], ctx[FIELD[name] : FIELD[name] + 8])


def _word(ctx: bytes, name: str) -> int:
    return int.from_bytes(ctx[FIELD[name] : FIELD[name] + 4], "little")


def _ctx_out(packet: PacketContext, ctx: bytes) -> bytes:
    out = bytearray(ctx)
    seen = raw.read_bytes(packet.address, SKB.uapi_size)
    fields = (
        "mark",
        "priority",
        "ingress_ifindex",
        "ifindex",
        "cb0",
        "cb1",
        "cb2",
        "cb3",
        "cb4",
        "wire_len",
        "gso_segs",
    )
    for name in fields:
        out[FIELD[name] : FIELD[name] + 4] = seen[FIELD[name] : FIELD[name] + 4]
    for name in ("tstamp", "hwtstamp"):
        out[FIELD[name] : FIELD[name] + 8] = seen[FIELD[name] : FIELD[name] + 8]
    return bytes(out)
