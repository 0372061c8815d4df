"""Dynptrs of packets: in an skb, its metadata, an XDP frame.

:see: net/core/filter.c:bpf_dynptr_from_skb, bpf_dynptr_from_skb_meta, bpf_dynptr_from_xdp
"""

from __future__ import annotations

from errno import EFAULT, EINVAL

from beespace.decl import RunContext, implements
from beespace.decl.dynptr import (
    DYNPTR_SKB,
    DYNPTR_SKB_META,
    DYNPTR_XDP,
    DynptrOps,
    dynptr_init,
    dynptr_set_null,
)
from beespace.mem import raw
from beespace.subsys.net.context import SKB, XDP, PacketContext, packet_of
from beespace.subsys.net.skb_helpers import bpf_skb_load_bytes, bpf_skb_store_bytes
from beespace.subsys.net.xdp import bpf_xdp_get_buff_len, bpf_xdp_load_bytes, bpf_xdp_store_bytes
from beespace.uapi import bpf as uapi

__all__ = ["DYNPTR_OPS", "bpf_dynptr_from_skb", "bpf_dynptr_from_skb_meta", "bpf_dynptr_from_xdp"]

_MAX_XDP_OFFSET = 0xFFFF
_FRAG_BYTES = 4096  # bpf_prog_test_run_xdp() puts a page into each fragment
# may_access_direct_pkt_data(): program types that may store to packets; the others' dynptrs are read-only
_WRITERS = frozenset({
    uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_PROG_TYPE_SCHED_ACT, uapi.BPF_PROG_TYPE_XDP, uapi.BPF_PROG_TYPE_LWT_XMIT,
    uapi.BPF_PROG_TYPE_SK_SKB, uapi.BPF_PROG_TYPE_SK_MSG, uapi.BPF_PROG_TYPE_CGROUP_SOCKOPT,
})  # fmt: skip


@implements("bpf_dynptr_from_skb")
def bpf_dynptr_from_skb(run: RunContext, skb: int, flags: int, ptr: int) -> int:
    """The whole packet: 0; -EINVAL with flags. Read-only where the program type may not store to packets."""
    if flags:
        dynptr_set_null(ptr)
        return -EINVAL
    rdonly = run.program.prog_type not in _WRITERS
    dynptr_init(ptr, skb, DYNPTR_SKB, 0, packet_of(run, skb, SKB).length, rdonly=rdonly)
    return 0


@implements("bpf_dynptr_from_skb_meta")
def bpf_dynptr_from_skb_meta(run: RunContext, skb: int, flags: int, ptr: int) -> int:
    """The metadata in front of the packet: 0; -EINVAL with flags."""
    if flags:
        dynptr_set_null(ptr)
        return -EINVAL
    packet = packet_of(run, skb, SKB)
    dynptr_init(ptr, skb, DYNPTR_SKB_META, 0, max(packet.data - packet.get("data_meta"), 0))
    return 0


@implements("bpf_dynptr_from_xdp")
def bpf_dynptr_from_xdp(run: RunContext, xdp: int, flags: int, ptr: int) -> int:
    """The whole frame with its fragments: 0; -EINVAL with flags."""
    if flags:
        dynptr_set_null(ptr)
        return -EINVAL
    dynptr_init(ptr, xdp, DYNPTR_XDP, 0, bpf_xdp_get_buff_len(run, xdp))
    return 0


# skb_header_pointer(): packets in an skb are always linear here.
def _skb_slice(run: RunContext, skb: int, offset: int, size: int, buffer: int) -> int:
    packet = packet_of(run, skb, SKB)
    return packet.data + offset if offset + size <= packet.length else 0


# bpf_xdp_pointer(): address of bytes that lie in one piece, 0 when they do not.
def _xdp_pointer(packet: PacketContext, offset: int, size: int) -> int:
    if offset > _MAX_XDP_OFFSET or size > _MAX_XDP_OFFSET:
        return 0
    linear = packet.length
    if offset < linear:
        return packet.data + offset if offset + size <= linear else 0
    offset -= linear
    if offset + size > packet.get("frags_size") or offset % _FRAG_BYTES + size > _FRAG_BYTES:
        return 0
    return packet.get("frags") + offset


def _xdp_slice(run: RunContext, xdp: int, offset: int, size: int, buffer: int) -> int:
    at = _xdp_pointer(packet_of(run, xdp, XDP), offset, size)
    if at or not buffer:
        return at
    bpf_xdp_load_bytes(run, xdp, offset, buffer, size)
    return buffer


def _xdp_store(run: RunContext, xdp: int, offset: int, source: int, size: int, flags: int) -> int:
    return -EINVAL if flags else bpf_xdp_store_bytes(run, xdp, offset, source, size)


# bpf_skb_meta_pointer()
def _meta_slice(run: RunContext, skb: int, offset: int, size: int, buffer: int) -> int:
    packet = packet_of(run, skb, SKB)
    start = packet.get("data_meta") + offset
    return start if start + size <= packet.data else 0


def _meta_load(run: RunContext, skb: int, offset: int, to: int, size: int) -> int:
    at = _meta_slice(run, skb, offset, size, 0)
    if not at:
        return -EFAULT
    raw.copy(to, at, size)
    return 0


def _meta_store(run: RunContext, skb: int, offset: int, source: int, size: int, flags: int) -> int:
    at = 0 if flags else _meta_slice(run, skb, offset, size, 0)
    if not at:
        return -EINVAL if flags else -EFAULT
    raw.copy(at, source, size)
    return 0


DYNPTR_OPS = (
    DynptrOps(DYNPTR_SKB, bpf_skb_load_bytes, bpf_skb_store_bytes, _skb_slice),
    DynptrOps(DYNPTR_XDP, bpf_xdp_load_bytes, _xdp_store, _xdp_slice),
    DynptrOps(DYNPTR_SKB_META, _meta_load, _meta_store, _meta_slice),
)
