"""The contexts of socket programs, and what may be read through a pointer to a socket.

:see: net/core/filter.c:bpf_sock_is_valid_access and the *_is_valid_access of each type
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from beespace.decl import CtxField, PointerFields
from beespace.uapi import bpf as uapi
from beespace.uapi.bpf import (
    PTR_TO_BTF_ID,
    PTR_TO_PACKET,
    PTR_TO_PACKET_END,
    PTR_TO_SOCK_COMMON,
    PTR_TO_SOCK_COMMON_OR_NULL,
    PTR_TO_SOCKET,
    PTR_TO_SOCKET_OR_NULL,
    PTR_TO_TCP_SOCK,
    PTR_TO_XDP_SOCK,
    PTR_TRUSTED,
    SCALAR_VALUE,
)

__all__ = ["CGROUP_SOCK", "NETFILTER", "SK_LOOKUP", "SK_MSG", "SK_REUSEPORT", "SOCKETS", "SOCK_ADDR", "SOCK_OPS"]


def _u32(name: str, off: int, access: str = "r", *, narrow: bool = False) -> CtxField:
    return CtxField(name, off, 4, access, narrow=narrow)


def _u32s(off: int, names: str) -> tuple[CtxField, ...]:
    # Consecutive 32-bit fields that are only read whole.
    return tuple(_u32(name, off + 4 * i) for i, name in enumerate(names.split()))


def _u64(name: str, off: int, reg_type: int = SCALAR_VALUE) -> CtxField:
    return CtxField(name, off, 8, reg_type=reg_type, narrow=False)


def _ip6(name: str, off: int, access: str = "r", *, narrow: bool = False, wide: bool = False) -> CtxField:
    return CtxField(name, off, 16, access, elem=4, narrow=narrow, wide=wide)


def _at_start(name: str, off: int) -> CtxField:
    # Narrow loads, but only of the first bytes.
    return CtxField(name, off, 4, read_sizes=(1, 2, 4))


def _only(attach_types: Iterable[int], *fields: CtxField) -> tuple[CtxField, ...]:
    return tuple(replace(field, attach_types=frozenset(attach_types)) for field in fields)


# struct bpf_sock: what is left of it through a pointer to a common socket (no full socket is known to be behind it)
_SOCK_COMMON = (
    _u32("bound_dev_if", 0),
    _at_start("family", 4),
    _u32("src_ip4", 24, narrow=True),
    _ip6("src_ip6", 28, narrow=True),
    _at_start("src_port", 44),
    CtxField("dst_port", 48, 4, read_sizes=(4,)),  # a __be16 and padding, once a __u32
    CtxField("dst_port", 48, 2),
    _u32("dst_ip4", 52, narrow=True),
    _ip6("dst_ip6", 56, narrow=True),
    _at_start("state", 72),
    _at_start("rx_queue_mapping", 76),
)
_SOCK = (
    *_SOCK_COMMON,
    _at_start("type", 8),
    _at_start("protocol", 12),
    _u32("mark", 16),
    _u32("priority", 20),
)
_TCP_SOCK = (
    *_u32s(
        0,
        "snd_cwnd srtt_us rtt_min snd_ssthresh rcv_nxt snd_nxt snd_una mss_cache ecn_flags rate_delivered "
        "rate_interval_us packets_out retrans_out total_retrans segs_in data_segs_in segs_out data_segs_out "
        "lost_out sacked_out",
    ),
    _u64("bytes_received", 80),
    _u64("bytes_acked", 88),
    *_u32s(96, "dsack_dups delivered delivered_ce icsk_retransmits"),
)


def _at_run_time(*fields: CtxField) -> tuple[CtxField, ...]:
    # A socket at run time is a struct bpf_sock; kernel_size is of the member of struct sock.
    return tuple(replace(f, kernel_off=f.off, kernel_size=_SOCK_MEMBER_SIZE.get(f.name, 4)) for f in fields)


_SOCK_MEMBER_SIZE = {"family": 2, "type": 2, "protocol": 2, "src_port": 2, "dst_port": 2, "state": 1}

SOCKETS = (
    PointerFields(PTR_TO_SOCKET, "bpf_sock", _at_run_time(*_SOCK)),
    PointerFields(PTR_TO_SOCK_COMMON, "bpf_sock", _at_run_time(*_SOCK_COMMON)),
    PointerFields(
        PTR_TO_TCP_SOCK, "bpf_tcp_sock", tuple(replace(f, kernel_off=f.off, kernel_size=f.size) for f in _TCP_SOCK)
    ),
    PointerFields(PTR_TO_XDP_SOCK, "bpf_xdp_sock", (_u32("queue_id", 0),)),
)

_CREATE_RELEASE = (uapi.BPF_CGROUP_INET_SOCK_CREATE, uapi.BPF_CGROUP_INET_SOCK_RELEASE)
_POST_BIND = (uapi.BPF_CGROUP_INET4_POST_BIND, uapi.BPF_CGROUP_INET6_POST_BIND)
_BY_NAME = {field.name: field for field in _SOCK}
_CGROUP_SOCK_LIMITED = {"bound_dev_if", "mark", "priority", "src_ip4", "src_ip6", "src_port"}

# struct bpf_sock of cgroup_sock (__sock_filter_check_attach_type)
CGROUP_SOCK = (
    *(field for field in _SOCK if field.name not in _CGROUP_SOCK_LIMITED),
    *_only(
        _CREATE_RELEASE,
        *(replace(_BY_NAME[name], access="rw") for name in ("bound_dev_if", "mark", "priority")),
    ),
    *_only({uapi.BPF_CGROUP_INET4_POST_BIND}, _BY_NAME["src_ip4"]),
    *_only({uapi.BPF_CGROUP_INET6_POST_BIND}, _BY_NAME["src_ip6"]),
    *_only(_POST_BIND, _BY_NAME["src_port"]),
)

_SOCK_ADDR_IP4 = {
    uapi.BPF_CGROUP_INET4_BIND,
    uapi.BPF_CGROUP_INET4_CONNECT,
    uapi.BPF_CGROUP_INET4_GETPEERNAME,
    uapi.BPF_CGROUP_INET4_GETSOCKNAME,
    uapi.BPF_CGROUP_UDP4_SENDMSG,
    uapi.BPF_CGROUP_UDP4_RECVMSG,
}
_SOCK_ADDR_IP6 = {
    uapi.BPF_CGROUP_INET6_BIND,
    uapi.BPF_CGROUP_INET6_CONNECT,
    uapi.BPF_CGROUP_INET6_GETPEERNAME,
    uapi.BPF_CGROUP_INET6_GETSOCKNAME,
    uapi.BPF_CGROUP_UDP6_SENDMSG,
    uapi.BPF_CGROUP_UDP6_RECVMSG,
}

# struct bpf_sock_addr: the addresses of the attach type's own family
SOCK_ADDR = (
    _u32("user_family", 0),
    *_only(_SOCK_ADDR_IP4, _u32("user_ip4", 4, "rw", narrow=True)),
    *_only(_SOCK_ADDR_IP6, _ip6("user_ip6", 8, "rw", narrow=True, wide=True)),
    _u32("user_port", 24, "rw", narrow=True),
    _u32("family", 28),
    _u32("type", 32),
    _u32("protocol", 36),
    *_only({uapi.BPF_CGROUP_UDP4_SENDMSG}, _u32("msg_src_ip4", 40, "rw", narrow=True)),
    *_only({uapi.BPF_CGROUP_UDP6_SENDMSG}, _ip6("msg_src_ip6", 44, "rw", narrow=True, wide=True)),
    _u64("sk", 64, PTR_TO_SOCKET),
)

# struct bpf_sock_ops
SOCK_OPS = (
    _u32("op", 0),
    CtxField("args", 4, 16, elem=4, narrow=False),
    _u32("reply", 4, "w"),
    *_u32s(20, "family remote_ip4 local_ip4"),
    _ip6("remote_ip6", 32),
    _ip6("local_ip6", 48),
    *_u32s(
        64,
        "remote_port local_port is_fullsock snd_cwnd srtt_us bpf_sock_ops_cb_flags state rtt_min snd_ssthresh rcv_nxt "
        "snd_nxt snd_una mss_cache ecn_flags rate_delivered rate_interval_us packets_out retrans_out total_retrans "
        "segs_in data_segs_in segs_out data_segs_out lost_out sacked_out",
    ),
    _u32("sk_txhash", 164, "rw"),
    _u64("bytes_received", 168),
    _u64("bytes_acked", 176),
    _u64("sk", 184, PTR_TO_SOCKET_OR_NULL),
    _u64("skb_data", 192, PTR_TO_PACKET),
    _u64("skb_data_end", 200, PTR_TO_PACKET_END),
    _u32("skb_len", 208),
    _at_start("skb_tcp_flags", 212),
    _u64("skb_hwtstamp", 216),
)

# struct sk_msg_md
SK_MSG = (
    _u64("data", 0, PTR_TO_PACKET),
    _u64("data_end", 8, PTR_TO_PACKET_END),
    *_u32s(16, "family remote_ip4 local_ip4"),
    _ip6("remote_ip6", 28),
    _ip6("local_ip6", 44),
    *_u32s(60, "remote_port local_port size"),
    _u64("sk", 72, PTR_TO_SOCKET),
)

# struct sk_reuseport_md
SK_REUSEPORT = (
    _u64("data", 0, PTR_TO_PACKET),
    _u64("data_end", 8, PTR_TO_PACKET_END),
    _u32("len", 16, narrow=True),
    CtxField("eth_protocol", 20, 4, min_size=2),
    _u32("ip_protocol", 24, narrow=True),
    _u32("bind_inany", 28, narrow=True),
    _u32("hash", 32),
    _u64("sk", 40, PTR_TO_SOCKET),
    _u64("migrating_sk", 48, PTR_TO_SOCK_COMMON_OR_NULL),
)

# struct bpf_sk_lookup
SK_LOOKUP = (
    _u64("sk", 0, PTR_TO_SOCKET_OR_NULL),
    _u32("family", 8, narrow=True),
    _u32("protocol", 12, narrow=True),
    _u32("remote_ip4", 16, narrow=True),
    _ip6("remote_ip6", 20, narrow=True),
    CtxField("remote_port", 36, 4, read_sizes=(4,)),  # a __be16 and padding, once a __u32
    CtxField("remote_port", 36, 2),
    CtxField("remote_port_padding", 38, 2),
    _u32("local_ip4", 40, narrow=True),
    _ip6("local_ip6", 44, narrow=True),
    _u32("local_port", 60, narrow=True),
    _u32("ingress_ifindex", 64, narrow=True),
)

# struct bpf_nf_ctx
NETFILTER = (
    replace(_u64("state", 0, PTR_TO_BTF_ID | PTR_TRUSTED), btf_struct="nf_hook_state"),
    replace(_u64("skb", 8, PTR_TO_BTF_ID | PTR_TRUSTED), btf_struct="sk_buff"),
)
