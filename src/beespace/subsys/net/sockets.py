"""Helpers on sockets. There is none but the dummy that carries the packet of a test run: lookups find nothing.

A socket at run time has the layout of ``struct bpf_sock`` (sock_fields.py).

:see: net/core/filter.c
"""

from __future__ import annotations

from errno import EINVAL, EOPNOTSUPP

from beespace.decl import RunContext, implements
from beespace.errors import Unsupported
from beespace.mem import raw
from beespace.subsys.net.context import SKB, packet_of

__all__ = ["SOCK_PROTOCOL", "SOCK_STATE", "TCP_CLOSE"]

# Offsets in struct bpf_sock.
SOCK_PROTOCOL, SOCK_STATE = 12, 72
TCP_CLOSE, _TCP_NEW_SYN_RECV, _TCP_TIME_WAIT, _TCP_LISTEN = 7, 12, 6, 10
_IPPROTO_TCP = 6
_COOKIE = 1  # of the first socket, and of the first network namespace: there is one of each


def _is_fullsock(sk: int) -> bool:
    return raw.load32(sk + SOCK_STATE) not in (_TCP_NEW_SYN_RECV, _TCP_TIME_WAIT)


@implements("bpf_sk_fullsock")
def bpf_sk_fullsock(run: RunContext, sk: int) -> int:
    return sk if _is_fullsock(sk) else 0


@implements("bpf_tcp_sock")
def bpf_tcp_sock(run: RunContext, sk: int) -> int:
    if _is_fullsock(sk) and raw.load32(sk + SOCK_PROTOCOL) == _IPPROTO_TCP:
        raise Unsupported("TCP sockets")  # would be a struct bpf_tcp_sock
    return 0


@implements("bpf_get_listener_sock")
def bpf_get_listener_sock(run: RunContext, sk: int) -> int:
    return sk if raw.load32(sk + SOCK_STATE) == _TCP_LISTEN else 0


@implements("bpf_sk_release")
def bpf_sk_release(run: RunContext, sk: int) -> int:
    return 0  # no socket here is counted


@implements(
    "bpf_sk_lookup_tcp",
    "bpf_sk_lookup_udp",
    "bpf_skc_lookup_tcp",
    "bpf_tc_sk_lookup_tcp",
    "bpf_tc_sk_lookup_udp",
    "bpf_tc_skc_lookup_tcp",
    "bpf_xdp_sk_lookup_tcp",
    "bpf_xdp_sk_lookup_udp",
    "bpf_xdp_skc_lookup_tcp",
)
def bpf_sk_lookup(run: RunContext, ctx: int, sock_tuple: int, size: int, netns_id: int, flags: int) -> int:
    return 0


@implements("bpf_sk_assign")
def bpf_sk_assign(run: RunContext, skb: int, sk: int, flags: int) -> int:
    return -EINVAL if not sk or flags else -EOPNOTSUPP  # a test run is not at ingress


@implements("bpf_get_socket_cookie")
def bpf_get_socket_cookie(run: RunContext, skb: int) -> int:
    return _COOKIE if packet_of(run, skb, SKB).get("sk") else 0


@implements("bpf_get_netns_cookie")
def bpf_get_netns_cookie(run: RunContext, skb: int) -> int:
    return _COOKIE


@implements("bpf_get_socket_uid")
def bpf_get_socket_uid(run: RunContext, skb: int) -> int:
    return 0  # the dummy belongs to root


@implements("bpf_get_cgroup_classid", "bpf_skb_cgroup_classid")
def bpf_get_cgroup_classid(run: RunContext, skb: int) -> int:
    return 0  # the root of net_cls


@implements("bpf_get_route_realm")
def bpf_get_route_realm(run: RunContext, skb: int) -> int:
    return 0  # no packet has a route
