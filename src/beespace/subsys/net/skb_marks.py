"""Helpers that mark packets: ECN, time stamps.

:see: net/core/filter.c, include/net/inet_ecn.h
"""

from __future__ import annotations

from errno import EINVAL, EOPNOTSUPP

from beespace.decl import RunContext, implements
from beespace.decl.words import be16
from beespace.mem import raw
from beespace.subsys.net.context import SKB, PacketContext, packet_of
from beespace.subsys.net.skb import ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6, FIELD
from beespace.subsys.net.testrun import ETH_HLEN
from beespace.uapi import bpf as uapi

__all__: list[str] = []

_VLAN_HLEN, _VLAN_MAX_DEPTH = 4, 8
_INET_ECN_CE = 3
_IP_BYTES = {ETH_P_IP: 20, ETH_P_IPV6: 40}
_TSTAMP, _TSTAMP_TYPE = FIELD["tstamp"], FIELD["tstamp_type"]


def _vlan_get_protocol(packet: PacketContext) -> int:
    # in host order, 0 when a tag is cut off
    proto = be16(packet.get_u32(FIELD["protocol"]))
    depth = packet.get("mac_len")
    off = depth - _VLAN_HLEN if depth else ETH_HLEN
    off += packet.get("head") + packet.get("mac_header") - packet.data
    left = _VLAN_MAX_DEPTH
    while proto in (ETH_P_8021Q, ETH_P_8021AD):
        tag = packet.load(off, _VLAN_HLEN)
        left -= 1
        if tag is None or not left:
            return 0
        proto = int.from_bytes(tag[2:4], "big")
        off += _VLAN_HLEN
    return proto


@implements("bpf_skb_ecn_set_ce")
def bpf_skb_ecn_set_ce(run: RunContext, skb: int) -> int:
    packet = packet_of(run, skb, SKB)
    proto = _vlan_get_protocol(packet)
    size = _IP_BYTES.get(proto)
    header = packet.get("head") + packet.get("network_header")
    if size is None or packet.length < size or header + size > packet.data_end:
        return 0
    return _ip_ecn_set_ce(header) if proto == ETH_P_IP else _ip6_ecn_set_ce(header)


def _ip_ecn_set_ce(header: int) -> int:
    tos = raw.load8(header + 1)
    ecn = (tos + 1) & 3
    if not ecn & 2:
        return int(ecn == 0)  # 1: CE already, 0: not ECN capable
    # the checksum follows RFC 1624: ECT(1) adds 0xFFFD, ECT(0) 0xFFFE, in network order
    check = raw.load16(header + 10)
    check += be16(0xFFFB) + be16(ecn) & 0xFFFF
    raw.store16(header + 10, (check & 0xFFFF) + (check >> 16))
    raw.store8(header + 1, tos | _INET_ECN_CE)
    return 1


def _ip6_ecn_set_ce(header: int) -> int:
    # the field is bits 20 and 21 of the first word
    second = raw.load8(header + 1)
    if not second >> 4 & 3:
        return 0
    raw.store8(header + 1, second | _INET_ECN_CE << 4)
    return 1


@implements("bpf_skb_set_tstamp")
def bpf_skb_set_tstamp(run: RunContext, skb: int, tstamp: int, tstamp_type: int) -> int:
    packet = packet_of(run, skb, SKB)
    if packet.get_u32(FIELD["protocol"]) not in (be16(ETH_P_IP), be16(ETH_P_IPV6)):
        return -EOPNOTSUPP
    if tstamp_type > uapi.BPF_SKB_CLOCK_TAI or (tstamp_type != uapi.BPF_SKB_CLOCK_REALTIME and not tstamp):
        return -EINVAL
    raw.store64(packet.address + _TSTAMP, tstamp)
    raw.store8(packet.address + _TSTAMP_TYPE, tstamp_type)
    return 0
