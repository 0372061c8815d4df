"""Helpers that ask where packets go: redirection, MTU, routes, tunnels. There is one interface, loopback, and no route.

:see: net/core/filter.c
"""

from __future__ import annotations

from errno import EAFNOSUPPORT, EBADMSG, EINVAL, ENODEV, ENOENT

from beespace.decl import RunContext, implements
from beespace.decl.words import s32
from beespace.errors import Unsupported
from beespace.subsys.net.context import SKB, XDP, PacketContext, packet_of
from beespace.subsys.net.skb import AF_INET, AF_INET6, FIELD, NO_HEADER
from beespace.subsys.net.testrun import ETH_HLEN, LOOPBACK_IFINDEX
from beespace.uapi import bpf as uapi

__all__: list[str] = []

_TC_ACT_SHOT, _TC_ACT_REDIRECT = 2, 7  # include/uapi/linux/pkt_cls.h
_LOOPBACK_MTU = 65536
_REDIR_NEIGH_BYTES = 20  # sizeof(struct bpf_redir_neigh)
_FIB_LOOKUP_BYTES, _FIB_FAMILY, _FIB_IFINDEX = 64, 0, 8  # struct bpf_fib_lookup
_FIB_IP6_SRC, _FIB_IP6_DST = 16, 32
_FIB_FLAGS = (
    uapi.BPF_FIB_LOOKUP_DIRECT
    | uapi.BPF_FIB_LOOKUP_OUTPUT
    | uapi.BPF_FIB_LOOKUP_SKIP_NEIGH
    | uapi.BPF_FIB_LOOKUP_TBID
    | uapi.BPF_FIB_LOOKUP_SRC
    | uapi.BPF_FIB_LOOKUP_MARK
)


@implements("bpf_redirect")
def bpf_redirect(run: RunContext, ifindex: int, flags: int) -> int:
    # where the packet would go is decided after the run; a test run drops it
    return _TC_ACT_SHOT if flags & ~uapi.BPF_F_INGRESS else _TC_ACT_REDIRECT


@implements("bpf_redirect_peer")
def bpf_redirect_peer(run: RunContext, ifindex: int, flags: int) -> int:
    return _TC_ACT_SHOT if flags else _TC_ACT_REDIRECT


@implements("bpf_redirect_neigh")
def bpf_redirect_neigh(run: RunContext, ifindex: int, params: int, size: int, flags: int) -> int:
    # *size* is compared as size_t
    return _TC_ACT_SHOT if flags or 0 < size < _REDIR_NEIGH_BYTES else _TC_ACT_REDIRECT


@implements("bpf_clone_redirect")
def bpf_clone_redirect(run: RunContext, skb: int, ifindex: int, flags: int) -> int:
    packet = packet_of(run, skb, SKB)
    if flags & ~uapi.BPF_F_INGRESS:
        return -EINVAL
    if packet.get_u32(FIELD["gso_size"]):
        return -EBADMSG
    if ifindex != LOOPBACK_IFINDEX:
        return -EINVAL
    raise Unsupported("bpf_clone_redirect() to loopback")


def _has_device(ifindex: int) -> bool:
    return ifindex in (0, LOOPBACK_IFINDEX)


def _exceeds_mtu(run: RunContext, mtu_len: int, length: int, len_diff: int) -> bool:
    # Compared in an int, and *mtu_len, when given, is of the network layer.
    given = int.from_bytes(run.mem.read(mtu_len, 4), "little")
    length = s32(given + ETH_HLEN) if given else length
    return s32(length + s32(len_diff)) > _LOOPBACK_MTU + ETH_HLEN


def _store_mtu(run: RunContext, mtu_len: int) -> None:
    run.mem.write(mtu_len, _LOOPBACK_MTU.to_bytes(4, "little"))


@implements("bpf_skb_check_mtu")
def bpf_skb_check_mtu(run: RunContext, skb: int, ifindex: int, mtu_len: int, len_diff: int, flags: int) -> int:
    packet = packet_of(run, skb, SKB)
    if flags & ~uapi.BPF_MTU_CHK_SEGS or (flags and (s32(len_diff) or any(run.mem.read(mtu_len, 4)))):
        return -EINVAL
    if not _has_device(ifindex):
        return -ENODEV
    ret = uapi.BPF_MTU_CHK_RET_SUCCESS
    if _exceeds_mtu(run, mtu_len, packet.length, len_diff):
        if not packet.get_u32(FIELD["gso_size"]):
            ret = uapi.BPF_MTU_CHK_RET_FRAG_NEEDED
        elif flags:
            return _check_segments(packet)
    _store_mtu(run, mtu_len)
    return ret


def _check_segments(packet: PacketContext) -> int:
    if packet.get("transport_header") == NO_HEADER:
        return -EINVAL
    raise Unsupported("bpf_skb_check_mtu() of segments")


@implements("bpf_xdp_check_mtu")
def bpf_xdp_check_mtu(run: RunContext, xdp: int, ifindex: int, mtu_len: int, len_diff: int, flags: int) -> int:
    packet = packet_of(run, xdp, XDP)
    if flags:
        return -EINVAL
    if not _has_device(ifindex):
        return -ENODEV
    exceeds = _exceeds_mtu(run, mtu_len, packet.length, len_diff)
    _store_mtu(run, mtu_len)
    return uapi.BPF_MTU_CHK_RET_FRAG_NEEDED if exceeds else uapi.BPF_MTU_CHK_RET_SUCCESS


@implements("bpf_skb_fib_lookup", "bpf_xdp_fib_lookup")
def bpf_fib_lookup(run: RunContext, ctx: int, params: int, size: int, flags: int) -> int:
    if s32(size) < _FIB_LOOKUP_BYTES or flags & ~_FIB_FLAGS:
        return -EINVAL
    wanted = run.mem.read(params, _FIB_LOOKUP_BYTES)
    family = wanted[_FIB_FAMILY]
    if family not in (AF_INET, AF_INET6):
        return -EAFNOSUPPORT
    if family == AF_INET6 and any(_is_strict(wanted[off : off + 16]) for off in (_FIB_IP6_SRC, _FIB_IP6_DST)):
        return uapi.BPF_FIB_LKUP_RET_NOT_FWDED
    if int.from_bytes(wanted[_FIB_IFINDEX : _FIB_IFINDEX + 4], "little") != LOOPBACK_IFINDEX:
        return -ENODEV
    return uapi.BPF_FIB_LKUP_RET_FWD_DISABLED  # net.ipv4.ip_forward is 0, and so is IPv6's


def _is_strict(address: bytes) -> bool:
    # rt6_need_strict(): multicast, link local and loopback
    return address[0] == 0xFF or (address[0] == 0xFE and address[1] & 0xC0 == 0x80) or address == bytes(15) + b"\1"


@implements("bpf_skb_get_tunnel_key")
def bpf_skb_get_tunnel_key(run: RunContext, skb: int, to: int, size: int, flags: int) -> int:
    run.mem.write(to, bytes(size))
    return -EINVAL  # no packet comes out of a tunnel


@implements("bpf_skb_get_tunnel_opt")
def bpf_skb_get_tunnel_opt(run: RunContext, skb: int, to: int, size: int) -> int:
    run.mem.write(to, bytes(size))
    return -ENOENT


@implements("bpf_skb_get_xfrm_state")
def bpf_skb_get_xfrm_state(run: RunContext, skb: int, index: int, to: int, size: int, flags: int) -> int:
    run.mem.write(to, bytes(size))
    return -EINVAL
