"""The contexts of packet programs: which fields of struct __sk_buff and struct xdp_md each type may use, and how.

:see: net/core/filter.c:bpf_skb_is_valid_access, *_is_valid_access
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from beespace.decl import CtxField
from beespace.subsys.net.context import SKB, XDP, PacketLayout
from beespace.uapi.bpf import (
    BPF_XDP_DEVMAP,
    PTR_TO_FLOW_KEYS,
    PTR_TO_PACKET,
    PTR_TO_PACKET_END,
    PTR_TO_PACKET_META,
    PTR_TO_SOCK_COMMON_OR_NULL,
)

__all__ = [
    "CG_SKB",
    "FLOW_DISSECTOR",
    "LWT",
    "SK_BUFF_SIZE",
    "SK_FILTER",
    "SK_SKB",
    "TC_CLS_ACT",
    "XDP_MD",
    "XDP_MD_SIZE",
]

SK_BUFF_SIZE = 192
XDP_MD_SIZE = 24


def _u32(name: str, off: int, kernel_size: int = 4, *, narrow: bool = True) -> CtxField:
    # kernel_size: of the member of struct sk_buff (target_size of bpf_convert_ctx_access()), which decides what narrow
    # loads see
    return CtxField(name, off, 4, narrow=narrow, kernel_off=off, kernel_size=kernel_size)


def _u32_array(name: str, off: int, count: int) -> CtxField:
    return CtxField(name, off, 4 * count, narrow=False, elem=4, kernel_off=off, kernel_size=4)


def _pointer(layout: PacketLayout, name: str, off: int, size: int, reg_type: int) -> CtxField:
    kernel_off, kernel_size = layout.offsets[name]
    return CtxField(
        name, off, size, reg_type=reg_type, narrow=False, kernel_off=kernel_off, kernel_size=kernel_size
    )  # fmt: skip


_ROWS = (
    _u32("len", 0),
    _u32("pkt_type", 4, 1),
    _u32("mark", 8),
    replace(_u32("queue_mapping", 12, 2), store_limit=0xFFFF),  # NO_QUEUE_MAPPING
    _u32("protocol", 16, 2),
    _u32("vlan_present", 20),
    _u32("vlan_tci", 24, 2),
    _u32("vlan_proto", 28, 2),
    _u32("priority", 32),
    _u32("ingress_ifindex", 36),
    _u32("ifindex", 40),
    _u32("tc_index", 44, 2),
    CtxField("cb", 48, 20, elem=4, wide=True, kernel_off=48, kernel_size=4, write_sizes=(1, 2, 4, 8)),
    _u32("hash", 68),
    _u32("tc_classid", 72, 2),
    _pointer(SKB, "data", 76, 4, PTR_TO_PACKET),
    _pointer(SKB, "data_end", 80, 4, PTR_TO_PACKET_END),
    _u32("napi_id", 84),
    _u32("family", 88, 2),
    _u32("remote_ip4", 92, narrow=False),
    _u32("local_ip4", 96, narrow=False),
    _u32_array("remote_ip6", 100, 4),
    _u32_array("local_ip6", 116, 4),
    _u32("remote_port", 132, 2),
    _u32("local_port", 136, 2),
    _pointer(SKB, "data_meta", 140, 4, PTR_TO_PACKET_META),
    _pointer(SKB, "flow_keys", 144, 8, PTR_TO_FLOW_KEYS),
    CtxField("tstamp", 152, 8, narrow=False, kernel_off=152, kernel_size=8),
    _u32("wire_len", 160),
    _u32("gso_segs", 164, 2),
    _pointer(SKB, "sk", 168, 8, PTR_TO_SOCK_COMMON_OR_NULL),
    _u32("gso_size", 176, 2),
    CtxField("tstamp_type", 180, 1, narrow=False, kernel_off=180, kernel_size=1),
    CtxField("hwtstamp", 184, 8, narrow=False, kernel_off=184, kernel_size=8),
)
_SK_BUFF: Mapping[str, CtxField] = {row.name: row for row in _ROWS}

_PACKET = {"data", "data_end"}
_SOCKET = {"family", "remote_ip4", "local_ip4", "remote_ip6", "local_ip6", "remote_port", "local_port"}
# of one type only: flow_keys (flow dissector), the rest (traffic control)
_SPECIAL = {"flow_keys", "tstamp_type", "tc_classid", "data_meta", "wire_len"}


def _fields(hidden: Iterable[str], writable: Iterable[str], *more: CtxField) -> tuple[CtxField, ...]:
    # All fields but the hidden ones; *more* are rows of their own, tried after the others.
    out, rw = set(hidden), set(writable)
    visible = (row for row in _ROWS if row.name not in out)
    return (*(replace(row, access="rw") if row.name in rw else row for row in visible), *more)


def _priv(name: str, access: str = "r") -> CtxField:
    return replace(_SK_BUFF[name], access=access, priv=True)


SK_FILTER = _fields(_SPECIAL | _PACKET | _SOCKET | {"tstamp", "hwtstamp"}, {"cb"})
TC_CLS_ACT = _fields(
    _SOCKET | {"flow_keys"}, {"mark", "tc_index", "priority", "tc_classid", "cb", "tstamp", "queue_mapping"}
)
CG_SKB = _fields(
    _SPECIAL | _PACKET,
    {"mark", "priority", "cb"},
    _priv("data"),
    _priv("data_end"),
    _priv("tstamp", "w"),
)
LWT = _fields(_SPECIAL | _SOCKET | {"tstamp", "hwtstamp"}, {"mark", "priority", "cb"})
SK_SKB = _fields(_SPECIAL | {"mark", "tstamp", "hwtstamp"}, {"tc_index", "priority"})
FLOW_DISSECTOR = tuple(_SK_BUFF[name] for name in ("data", "data_end", "flow_keys"))

XDP_MD = (
    _pointer(XDP, "data", 0, 4, PTR_TO_PACKET),
    _pointer(XDP, "data_end", 4, 4, PTR_TO_PACKET_END),
    _pointer(XDP, "data_meta", 8, 4, PTR_TO_PACKET_META),
    _u32("ingress_ifindex", 12, narrow=False),
    _u32("rx_queue_index", 16, narrow=False),
    replace(_u32("egress_ifindex", 20, narrow=False), attach_types=frozenset({BPF_XDP_DEVMAP})),
)
