"""What network programs may write in kernel structs: the mark of a connection, fields of a TCP socket.

:see: net/netfilter/nf_conntrack_bpf.c:nf_conntrack_btf_struct_access, net/ipv4/bpf_tcp_ca.c, net/sched/bpf_qdisc.c
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beespace.btf import Btf

__all__ = ["bpf_qdisc_btf_struct_access", "bpf_tcp_ca_btf_struct_access", "nf_conntrack_btf_struct_access"]

# (struct the offset is counted in, field, whole range or only from its start)
_TCP_SOCK = (
    ("sock", "sk_pacing_rate", False),
    ("sock", "sk_pacing_status", False),
    ("inet_connection_sock", "icsk_ca_priv", True),
    ("inet_connection_sock", "icsk_ack.pending", False),
    ("tcp_sock", "snd_cwnd", False),
    ("tcp_sock", "snd_cwnd_cnt", False),
    ("tcp_sock", "snd_cwnd_stamp", False),
    ("tcp_sock", "snd_ssthresh", False),
    ("tcp_sock", "ecn_flags", False),
    ("tcp_sock", "app_limited", False),
)
_QDISC_CB_PRIV_LEN = 20  # bytes of struct qdisc_skb_cb.data


def _bounds(btf: Btf, struct: str, path: str) -> tuple[int, int]:
    # First byte of the field and the first byte behind it.
    field = btf.field(struct, path)
    bits = field.bit_size or 8 * btf.size(field.type_id)
    return field.byte_off, field.byte_off + (field.bit_off % 8 + bits + 7) // 8


def nf_conntrack_btf_struct_access(btf: Btf, struct: str, off: int, size: int) -> str | None:
    """``struct nf_conn.mark`` (StructAccess)."""
    if struct not in ("nf_conn", "nf_conn___init"):
        return "only read is supported"
    start, end = _bounds(btf, "nf_conn", "mark")
    if off != start:
        return f"no write support to nf_conn at off {off}"
    if off + size > end:
        return f"write access at off {off} with size {size} beyond the member of nf_conn ended at {end}"
    return None


def bpf_tcp_ca_btf_struct_access(btf: Btf, struct: str, off: int, size: int) -> str | None:
    """The congestion control's fields of ``struct tcp_sock``, which starts with the smaller sockets (StructAccess)."""
    if struct != "tcp_sock":
        return "only read is supported"
    for owner, path, inside in _TCP_SOCK:
        start, end = _bounds(btf, owner, path)
        if off == start or (inside and start <= off < end):
            if off + size > end:
                return f"write access at off {off} with size {size} beyond the member of tcp_sock ended at {end}"
            return None
    return f"no write support to tcp_sock at off {off}"


def bpf_qdisc_btf_struct_access(btf: Btf, struct: str, off: int, size: int) -> str | None:
    """Counters of ``struct Qdisc``; time stamp and private area of ``struct sk_buff`` (StructAccess)."""
    ranges: tuple[tuple[int, int, bool], ...]
    if struct == "sk_buff":
        cb = _bounds(btf, "sk_buff", "cb")[0] + _bounds(btf, "qdisc_skb_cb", "data")[0]
        ranges = ((*_bounds(btf, "sk_buff", "tstamp"), False), (cb, cb + _QDISC_CB_PRIV_LEN, True))
    elif struct == "Qdisc":
        ranges = (
            (*_bounds(btf, "Qdisc", "limit"), False),
            (*_bounds(btf, "Qdisc", "q.qlen"), False),
            (*_bounds(btf, "Qdisc", "qstats"), True),
        )
    else:
        return "only read is supported"
    for start, end, inside in ranges:
        if off == start or (inside and start <= off < end):
            if off + size > end:
                return f"write access at off {off} with size {size} beyond the member of {struct} ended at {end}"
            return None
    return f"no write support to {struct} at off {off}"
