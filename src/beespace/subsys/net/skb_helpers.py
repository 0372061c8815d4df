"""Helpers of socket buffers: bytes, checksums, room, VLAN tags.

:see: net/core/filter.c, net/core/skbuff.c
"""

from __future__ import annotations

from errno import EACCES, EALREADY, EFAULT, EINVAL, ENOMEM

from beespace.decl import RunContext, implements
from beespace.decl.words import U32, be16, s32
from beespace.errors import ENOTSUPP
from beespace.mem import raw
from beespace.subsys.net.context import SKB, PacketContext, packet_of
from beespace.subsys.net.csum import csum_from32to16, csum_partial, csum_replace, csum_sub
from beespace.subsys.net.skb import (
    ETH_P_8021AD,
    ETH_P_8021Q,
    ETH_P_IP,
    ETH_P_IPV6,
    FIELD,
    NO_HEADER,
    eth_type,
    set_len,
    skb_cow,
)
from beespace.subsys.net.testrun import ETH_HLEN
from beespace.uapi import bpf as uapi

__all__: list[str] = []

_INT_MAX = 0x7FFF_FFFF
_SKB_MAX_LEN = 16384 - 320  # BPF_SKB_MAX_LEN: SKB_MAX_ORDER(0, 2)
_CSUM_MANGLED_0 = 0xFFFF
_PKT_TYPE_MAX = 3  # PACKET_OTHERHOST: the last type that skb_pkt_type_ok() admits

_4_TO_6 = (be16(ETH_P_IP), be16(ETH_P_IPV6))
_6_TO_4 = (be16(ETH_P_IPV6), be16(ETH_P_IP))
_HEADER_BYTES = {be16(ETH_P_IP): 20, be16(ETH_P_IPV6): 40}


def _skb(run: RunContext, ctx: int) -> PacketContext:
    return packet_of(run, ctx, SKB)


@implements("bpf_skb_load_bytes")
def bpf_skb_load_bytes(run: RunContext, skb: int, offset: int, to: int, size: int) -> int:
    data = None if offset > _INT_MAX else _skb(run, skb).load(offset, size)
    run.mem.write(to, bytes(size) if data is None else data)
    return -EFAULT if data is None else 0


@implements("bpf_skb_load_bytes_relative")
def bpf_skb_load_bytes_relative(run: RunContext, skb: int, offset: int, to: int, size: int, start_header: int) -> int:
    packet = _skb(run, skb)
    header = {uapi.BPF_HDR_START_MAC: "mac_header", uapi.BPF_HDR_START_NET: "network_header"}.get(start_header)
    data = None
    if header is not None and offset <= 0xFFFF:
        start = packet.get("head") + packet.get(header) + offset
        if start + size <= packet.data_end:
            data = raw.read_bytes(start, size)
    run.mem.write(to, bytes(size) if data is None else data)
    return -EFAULT if data is None else 0


@implements("bpf_skb_store_bytes")
def bpf_skb_store_bytes(run: RunContext, skb: int, offset: int, source: int, size: int, flags: int) -> int:
    if flags & ~(uapi.BPF_F_RECOMPUTE_CSUM | uapi.BPF_F_INVALIDATE_HASH):
        return -EINVAL
    packet = _skb(run, skb)
    if offset > _INT_MAX or not packet.store(offset, run.mem.read(source, size)):
        return -EFAULT
    if flags & uapi.BPF_F_INVALIDATE_HASH:
        packet.set_u32(FIELD["hash"], 0)
    return 0


@implements("bpf_skb_pull_data", "sk_skb_pull_data")
def bpf_skb_pull_data(run: RunContext, skb: int, size: int) -> int:
    return -ENOMEM if size > _skb(run, skb).length else 0  # always linear and writable here


def _read_sum16(packet: PacketContext, offset: int) -> int | None:
    data = packet.load(offset, 2)
    return None if data is None else int.from_bytes(data, "little")


def _replaced(check: int, old: int, new: int, size: int) -> int | None:
    # size: BPF_F_HDR_FIELD_MASK, 0 for "new is a difference computed by bpf_csum_diff()"
    mask = {0: 0xFFFF_FFFF, 2: 0xFFFF, 4: 0xFFFF_FFFF}.get(size)
    if mask is None or (size == 0 and old):
        return None
    return csum_replace(check, old & mask, new & mask)


@implements("bpf_l3_csum_replace")
def bpf_l3_csum_replace(run: RunContext, skb: int, offset: int, old: int, new: int, flags: int) -> int:
    if flags & ~uapi.BPF_F_HDR_FIELD_MASK:
        return -EINVAL
    packet = _skb(run, skb)
    check = None if offset > 0xFFFF or offset & 1 else _read_sum16(packet, offset)
    if check is None:
        return -EFAULT
    result = _replaced(check, old, new, flags)
    if result is None:
        return -EINVAL
    packet.store(offset, result.to_bytes(2, "little"))
    return 0


@implements("bpf_l4_csum_replace")
def bpf_l4_csum_replace(run: RunContext, skb: int, offset: int, old: int, new: int, flags: int) -> int:
    known = uapi.BPF_F_MARK_MANGLED_0 | uapi.BPF_F_MARK_ENFORCE | uapi.BPF_F_PSEUDO_HDR | uapi.BPF_F_IPV6
    if flags & ~(known | uapi.BPF_F_HDR_FIELD_MASK):
        return -EINVAL
    packet = _skb(run, skb)
    check = None if offset > 0xFFFF or offset & 1 else _read_sum16(packet, offset)
    if check is None:
        return -EFAULT
    mangled_0 = bool(flags & uapi.BPF_F_MARK_MANGLED_0)
    if mangled_0 and not flags & uapi.BPF_F_MARK_ENFORCE and check == 0:
        return 0
    result = _replaced(check, old, new, flags & uapi.BPF_F_HDR_FIELD_MASK)
    if result is None:
        return -EINVAL
    if mangled_0 and result == 0:
        result = _CSUM_MANGLED_0
    packet.store(offset, result.to_bytes(2, "little"))
    return 0


@implements("bpf_csum_diff")
def bpf_csum_diff(run: RunContext, old: int, old_size: int, new: int, new_size: int, seed: int) -> int:
    # since v6.13 any sizes are allowed, and the sum is folded to 16 bits on all architectures
    if not new_size:
        return csum_from32to16(~csum_partial(run.mem.read(old, old_size), ~seed & U32) & U32 if old_size else seed)
    added = csum_partial(run.mem.read(new, new_size), seed)
    return csum_from32to16(csum_sub(added, csum_partial(run.mem.read(old, old_size))) if old_size else added)


@implements("bpf_csum_update")
def bpf_csum_update(run: RunContext, skb: int, csum: int) -> int:
    return -ENOTSUPP  # only for CHECKSUM_COMPLETE, which a simulated device does not deliver


@implements("bpf_csum_level")
def bpf_csum_level(run: RunContext, skb: int, level: int) -> int:
    if level > uapi.BPF_CSUM_LEVEL_RESET:
        return -EINVAL
    # CHECKSUM_NONE: there is no level to ask for
    return -EACCES if level == uapi.BPF_CSUM_LEVEL_QUERY else 0


@implements("bpf_skb_change_type")
def bpf_skb_change_type(run: RunContext, skb: int, pkt_type: int) -> int:
    packet = _skb(run, skb)
    if packet.get_u32(FIELD["pkt_type"]) > _PKT_TYPE_MAX or pkt_type > _PKT_TYPE_MAX:
        return -EINVAL
    packet.set_u32(FIELD["pkt_type"], pkt_type)
    return 0


@implements("bpf_skb_change_tail")
def bpf_skb_change_tail(run: RunContext, skb: int, new_len: int, flags: int) -> int:
    packet = _skb(run, skb)
    if flags or new_len > _SKB_MAX_LEN or new_len < _min_len(packet):
        return -EINVAL
    if packet.get("csum_state") & _ENCAPSULATED:
        return -ENOTSUPP
    grown = new_len - packet.length
    if grown > 0:
        if packet.data_end + grown > packet.get("end"):
            return -ENOMEM
        raw.fill(packet.data_end, 0, grown)
    packet.set("data_end", packet.data + new_len)
    _sync(packet)
    packet.set_u32(FIELD["gso_size"], 0)
    packet.set_u32(FIELD["gso_segs"], 0)
    return 0


def _offset_of(packet: PacketContext, header: str) -> int:
    return packet.get("head") + packet.get(header) - packet.data


def _min_len(packet: PacketContext) -> int:
    least = max(0, _offset_of(packet, "network_header"))
    if packet.get("transport_header") != NO_HEADER and _offset_of(packet, "transport_header") > 0:
        least = _offset_of(packet, "transport_header")  # not the larger one
    return least


@implements("bpf_skb_change_head")
def bpf_skb_change_head(run: RunContext, skb: int, head_room: int, flags: int) -> int:
    packet = _skb(run, skb)
    too_long = packet.length + head_room > _SKB_MAX_LEN and not packet.get_u32(FIELD["gso_size"])
    if flags or too_long:
        return -EINVAL
    skb_cow(packet, head_room)
    packet.set("data", packet.data - head_room)
    raw.fill(packet.data, 0, head_room)
    packet.set("mac_header", packet.data - packet.get("head"))
    packet.set("mac_len", _mac_len(packet))
    _sync(packet)
    return 0


def _sync(packet: PacketContext) -> None:
    # bpf_compute_data_pointers(): meta data do not survive a moved head
    packet.set("data_meta", packet.data)
    set_len(packet)


def _push(packet: PacketContext, off: int, size: int) -> None:
    # bpf_skb_net_hdr_push(): opens *size* zero bytes at *off*, what stands before it moves to the front
    skb_cow(packet, size)
    front = raw.read_bytes(packet.data, off)
    packet.set("data", packet.data - size)
    raw.write_bytes(packet.data, front + bytes(size))
    _move_headers(packet, -size)


def _pop(packet: PacketContext, off: int, size: int) -> int:
    if off + size > packet.length:
        return -ENOMEM
    front = raw.read_bytes(packet.data, off)
    packet.set("data", packet.data + size)
    raw.write_bytes(packet.data, front)
    _move_headers(packet, size)
    return 0


def _move_headers(packet: PacketContext, distance: int) -> None:
    network, transport = packet.get("network_header"), packet.get("transport_header")
    packet.set("mac_header", packet.get("mac_header") + distance)
    packet.set("network_header", network + distance)
    if transport == network:
        packet.set("transport_header", network + distance)


def _mac_len(packet: PacketContext) -> int:
    return packet.get("network_header") - packet.get("mac_header")


def _set_protocol(packet: PacketContext, proto: int) -> None:
    packet.set_u32(FIELD["protocol"], be16(proto))


@implements("bpf_skb_change_proto")
def bpf_skb_change_proto(run: RunContext, skb: int, proto: int, flags: int) -> int:
    if flags:
        return -EINVAL
    packet = _skb(run, skb)
    change = (packet.get_u32(FIELD["protocol"]), proto)
    difference = 20  # an IPv6 header is that much longer than an IPv4 header
    if change == _4_TO_6:
        _push(packet, _mac_len(packet), difference)
        err = 0
    elif change == _6_TO_4:
        err = _pop(packet, _mac_len(packet), difference)
    else:
        err = -ENOTSUPP
    if err == 0:
        packet.set_u32(FIELD["protocol"], proto)
        packet.set_u32(FIELD["hash"], 0)
    _sync(packet)
    return err


_ENCAP_L3 = uapi.BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | uapi.BPF_F_ADJ_ROOM_ENCAP_L3_IPV6
_DECAP_L3 = uapi.BPF_F_ADJ_ROOM_DECAP_L3_IPV4 | uapi.BPF_F_ADJ_ROOM_DECAP_L3_IPV6
_ENCAP_L4 = uapi.BPF_F_ADJ_ROOM_ENCAP_L4_GRE | uapi.BPF_F_ADJ_ROOM_ENCAP_L4_UDP
_ENCAP_L2_SHIFT, _ENCAP_L2_MASK = 56, 0xFF << 56
_ROOM_FLAGS = (
    uapi.BPF_F_ADJ_ROOM_FIXED_GSO
    | _ENCAP_L3
    | _ENCAP_L4
    | uapi.BPF_F_ADJ_ROOM_ENCAP_L2_ETH
    | _ENCAP_L2_MASK
    | _DECAP_L3
    | uapi.BPF_F_ADJ_ROOM_NO_CSUM_RESET
)
_ENCAPSULATED = 1  # csum_state bit: skb->encapsulation


@implements("bpf_skb_adjust_room")
def bpf_skb_adjust_room(run: RunContext, skb: int, len_diff: int, mode: int, flags: int) -> int:
    packet = _skb(run, skb)
    difference = s32(len_diff)
    size, shrink = abs(difference), difference < 0
    base = _HEADER_BYTES.get(packet.get_u32(FIELD["protocol"]))
    if flags & ~_ROOM_FLAGS:
        return -EINVAL
    if size > 0xFFF:
        return -EFAULT
    if base is None or mode not in (uapi.BPF_ADJ_ROOM_NET, uapi.BPF_ADJ_ROOM_MAC):
        return -ENOTSUPP
    off = _mac_len(packet) + (base if mode == uapi.BPF_ADJ_ROOM_NET else 0)
    least = base
    if flags & _DECAP_L3:
        least = {uapi.BPF_F_ADJ_ROOM_DECAP_L3_IPV4: 20, uapi.BPF_F_ADJ_ROOM_DECAP_L3_IPV6: 40}.get(
            flags & _DECAP_L3, -1
        )
        if not shrink or least < 0:
            return -EINVAL
    current = packet.length - _offset_of(packet, "network_header")
    if shrink and (size >= current or current - size < least):
        return -ENOTSUPP
    if not shrink and packet.length + size > _SKB_MAX_LEN:
        return -ENOTSUPP
    err = _shrink(packet, off, size, flags) if shrink else _grow(packet, off, size, flags)
    _sync(packet)
    return err


def _shrink(packet: PacketContext, off: int, size: int, flags: int) -> int:
    if flags & ~(uapi.BPF_F_ADJ_ROOM_FIXED_GSO | _DECAP_L3 | uapi.BPF_F_ADJ_ROOM_NO_CSUM_RESET):
        return -EINVAL
    if packet.get_u32(FIELD["gso_size"]):
        return -ENOTSUPP
    err = _pop(packet, off, size)
    if err:
        return err
    if flags & uapi.BPF_F_ADJ_ROOM_DECAP_L3_IPV6:
        _set_protocol(packet, ETH_P_IPV6)
    elif flags & uapi.BPF_F_ADJ_ROOM_DECAP_L3_IPV4:
        _set_protocol(packet, ETH_P_IP)
    return 0


def _grow(packet: PacketContext, off: int, size: int, flags: int) -> int:
    encap = flags & _ENCAP_L3
    if packet.get_u32(FIELD["gso_size"]):
        return -ENOTSUPP  # gso_type is not TCP's
    skb_cow(packet, size)
    if encap:
        inner_mac_len = flags >> _ENCAP_L2_SHIFT
        both_l3, both_l4 = encap == _ENCAP_L3, flags & _ENCAP_L4 == _ENCAP_L4
        short_l2 = flags & uapi.BPF_F_ADJ_ROOM_ENCAP_L2_ETH and inner_mac_len < ETH_HLEN
        if both_l3 or both_l4 or short_l2:
            return -EINVAL
        if packet.get("csum_state") & _ENCAPSULATED:
            return -EALREADY
        if inner_mac_len > size:
            return -EINVAL
    mac_len = _mac_len(packet)
    _push(packet, off, size)
    if not encap:
        return 0
    packet.set("csum_state", packet.get("csum_state") | _ENCAPSULATED)
    network = packet.data - packet.get("head") + mac_len
    packet.set("network_header", network)
    if flags & _ENCAP_L4:
        packet.set("transport_header", network + (40 if flags & uapi.BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 else 20))
    _set_protocol(packet, ETH_P_IPV6 if flags & uapi.BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 else ETH_P_IP)
    return 0


@implements("bpf_skb_vlan_push")
def bpf_skb_vlan_push(run: RunContext, skb: int, vlan_proto: int, vlan_tci: int) -> int:
    packet = _skb(run, skb)
    if vlan_proto not in (be16(ETH_P_8021Q), be16(ETH_P_8021AD)):
        vlan_proto = be16(ETH_P_8021Q)
    if packet.get_u32(FIELD["vlan_present"]):  # the tag beside the packet moves into it
        _insert_tag(packet)
    packet.set_u32(FIELD["vlan_present"], 1)
    packet.set_u32(FIELD["vlan_proto"], vlan_proto)
    packet.set_u32(FIELD["vlan_tci"], vlan_tci & 0xFFFF)
    _sync(packet)
    return 0


def _insert_tag(packet: PacketContext) -> None:
    tci, proto = packet.get_u32(FIELD["vlan_tci"]), packet.get_u32(FIELD["vlan_proto"])
    skb_cow(packet, 4)
    addresses = raw.read_bytes(packet.data, 12)
    packet.set("data", packet.data - 4)
    tag = proto.to_bytes(2, "little") + tci.to_bytes(2, "big")
    raw.write_bytes(packet.data, addresses + tag)
    packet.set("mac_header", packet.get("mac_header") - 4)
    packet.set("network_header", packet.get("network_header") - 4)
    packet.set_u32(FIELD["protocol"], proto)


@implements("bpf_skb_vlan_pop")
def bpf_skb_vlan_pop(run: RunContext, skb: int) -> int:
    packet = _skb(run, skb)
    err = _vlan_pop(packet)
    _sync(packet)
    return err


def _vlan_pop(packet: PacketContext) -> int:
    tags = (be16(ETH_P_8021Q), be16(ETH_P_8021AD))
    if packet.get_u32(FIELD["vlan_present"]):
        for name in ("vlan_present", "vlan_proto", "vlan_tci"):
            packet.set_u32(FIELD[name], 0)
    else:
        if packet.get_u32(FIELD["protocol"]) not in tags:
            return 0
        err, _ = _remove_tag(packet)
        if err:
            return err
    # a second tag inside the packet becomes the one beside it
    proto = packet.get_u32(FIELD["protocol"])
    if proto not in tags:
        return 0
    err, tci = _remove_tag(packet)
    if err:
        return err
    packet.set_u32(FIELD["vlan_present"], 1)
    packet.set_u32(FIELD["vlan_proto"], proto)
    packet.set_u32(FIELD["vlan_tci"], tci)
    return 0


def _remove_tag(packet: PacketContext) -> tuple[int, int]:
    header = packet.load(0, 18)
    if header is None:
        return -ENOMEM, 0
    tci = int.from_bytes(header[14:16], "big")
    packet.set("data", packet.data + 4)
    raw.write_bytes(packet.data, header[:12])
    packet.set("mac_header", packet.get("mac_header") + 4)
    if _offset_of(packet, "network_header") < ETH_HLEN:
        packet.set("network_header", packet.data + ETH_HLEN - packet.get("head"))
    packet.set("mac_len", _mac_len(packet))
    _set_protocol(packet, eth_type(header[16:18] + raw.read_bytes(packet.data + ETH_HLEN, 2)))
    return 0, tci


@implements("bpf_get_hash_recalc")
def bpf_get_hash_recalc(run: RunContext, skb: int) -> int:
    packet = _skb(run, skb)
    if packet.get_u32(FIELD["hash"]) == 0:
        start = packet.get("head") + packet.get("network_header")
        tuple_bytes = raw.read_bytes(start, min(40, packet.data_end - start)) if start < packet.data_end else b""
        # The kernel's value depends on a boot-time secret: programs may only rely on its being stable and not 0.
        packet.set_u32(FIELD["hash"], csum_partial(tuple_bytes, len(tuple_bytes)) * 0x9E3779B1 & 0xFFFF_FFFF or 1)
    return packet.get_u32(FIELD["hash"])


@implements("bpf_set_hash")
def bpf_set_hash(run: RunContext, skb: int, value: int) -> int:
    _skb(run, skb).set_u32(FIELD["hash"], value)
    return 0


@implements("bpf_set_hash_invalid")
def bpf_set_hash_invalid(run: RunContext, skb: int) -> int:
    _skb(run, skb).set_u32(FIELD["hash"], 0)
    return 0
