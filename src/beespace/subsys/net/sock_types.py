"""Program types on sockets: cgroup_sock, cgroup_sock_addr, sock_ops, sk_msg, sk_reuseport, sk_lookup, netfilter.

:see: net/core/filter.c, net/netfilter/nf_bpf_link.c
"""

from __future__ import annotations

from beespace.decl import Allow, ProgType, SectionDef
from beespace.helpers.protos.groups import BASE, CGROUP_COMMON, SK_BASE, Protos
from beespace.subsys.net import sock_fields
from beespace.uapi.bpf import (
    BPF_CGROUP_INET4_BIND,
    BPF_CGROUP_INET4_CONNECT,
    BPF_CGROUP_INET4_GETPEERNAME,
    BPF_CGROUP_INET4_GETSOCKNAME,
    BPF_CGROUP_INET4_POST_BIND,
    BPF_CGROUP_INET6_BIND,
    BPF_CGROUP_INET6_CONNECT,
    BPF_CGROUP_INET6_GETPEERNAME,
    BPF_CGROUP_INET6_GETSOCKNAME,
    BPF_CGROUP_INET6_POST_BIND,
    BPF_CGROUP_INET_SOCK_CREATE,
    BPF_CGROUP_INET_SOCK_RELEASE,
    BPF_CGROUP_SOCK_OPS,
    BPF_CGROUP_UDP4_RECVMSG,
    BPF_CGROUP_UDP4_SENDMSG,
    BPF_CGROUP_UDP6_RECVMSG,
    BPF_CGROUP_UDP6_SENDMSG,
    BPF_CGROUP_UNIX_CONNECT,
    BPF_CGROUP_UNIX_GETPEERNAME,
    BPF_CGROUP_UNIX_GETSOCKNAME,
    BPF_CGROUP_UNIX_RECVMSG,
    BPF_CGROUP_UNIX_SENDMSG,
    BPF_NETFILTER,
    BPF_PROG_TYPE_CGROUP_SOCK,
    BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
    BPF_PROG_TYPE_NETFILTER,
    BPF_PROG_TYPE_SK_LOOKUP,
    BPF_PROG_TYPE_SK_MSG,
    BPF_PROG_TYPE_SK_REUSEPORT,
    BPF_PROG_TYPE_SOCK_OPS,
    BPF_SK_LOOKUP,
    BPF_SK_MSG_VERDICT,
    BPF_SK_REUSEPORT_SELECT,
    BPF_SK_REUSEPORT_SELECT_OR_MIGRATE,
)

__all__ = ["PROG_TYPES", "SOCKETS"]

SOCKETS = sock_fields.SOCKETS
_ATTACHABLE = frozenset({"attachable"})
_ATTACHABLE_OPT = frozenset({"attachable", "exp_attach_opt"})


def _cgroup(sec: str, prog_type: int, attach_type: int, *flags: str) -> SectionDef:
    return SectionDef(f"cgroup/{sec}", prog_type, attach_type, frozenset(flags) | _ATTACHABLE)


def _sock_addr(sec: str, attach_type: int) -> SectionDef:
    return _cgroup(sec, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attach_type)


# fmt: off
_SOCK_ADDR_SECTIONS = (
    _sock_addr("bind4", BPF_CGROUP_INET4_BIND),
    _sock_addr("bind6", BPF_CGROUP_INET6_BIND),
    _sock_addr("connect4", BPF_CGROUP_INET4_CONNECT),
    _sock_addr("connect6", BPF_CGROUP_INET6_CONNECT),
    _sock_addr("connect_unix", BPF_CGROUP_UNIX_CONNECT),
    _sock_addr("sendmsg4", BPF_CGROUP_UDP4_SENDMSG),
    _sock_addr("sendmsg6", BPF_CGROUP_UDP6_SENDMSG),
    _sock_addr("sendmsg_unix", BPF_CGROUP_UNIX_SENDMSG),
    _sock_addr("recvmsg4", BPF_CGROUP_UDP4_RECVMSG),
    _sock_addr("recvmsg6", BPF_CGROUP_UDP6_RECVMSG),
    _sock_addr("recvmsg_unix", BPF_CGROUP_UNIX_RECVMSG),
    _sock_addr("getpeername4", BPF_CGROUP_INET4_GETPEERNAME),
    _sock_addr("getpeername6", BPF_CGROUP_INET6_GETPEERNAME),
    _sock_addr("getpeername_unix", BPF_CGROUP_UNIX_GETPEERNAME),
    _sock_addr("getsockname4", BPF_CGROUP_INET4_GETSOCKNAME),
    _sock_addr("getsockname6", BPF_CGROUP_INET6_GETSOCKNAME),
    _sock_addr("getsockname_unix", BPF_CGROUP_UNIX_GETSOCKNAME),
)
_SOCK_ADDR_ATTACH = tuple(section.attach_type for section in _SOCK_ADDR_SECTIONS)
_CONNECT = frozenset({BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT})
_ANSWERED = {  # the kernel has the answer already, the program may only change it
    BPF_CGROUP_UDP4_RECVMSG, BPF_CGROUP_UDP6_RECVMSG, BPF_CGROUP_UNIX_RECVMSG,
    BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME, BPF_CGROUP_UNIX_GETPEERNAME,
    BPF_CGROUP_INET4_GETSOCKNAME, BPF_CGROUP_INET6_GETSOCKNAME, BPF_CGROUP_UNIX_GETSOCKNAME,
}

# net/core/filter.c:sock_filter_func_proto
_CGROUP_SOCK: Protos = (
    *CGROUP_COMMON, "bpf_get_socket_cookie_sock", "bpf_get_netns_cookie_sock", "bpf_event_output_data",
    "bpf_sk_storage_get_cg_sock", "bpf_ktime_get_coarse_ns", *BASE,
)

# net/core/filter.c:sock_addr_func_proto
_SOCK_ADDR: Protos = (
    *CGROUP_COMMON, Allow("bpf_bind", attach_types=_CONNECT), "bpf_get_socket_cookie_sock_addr",
    "bpf_get_netns_cookie_sock_addr", "bpf_event_output_data", "bpf_sock_addr_sk_lookup_tcp",
    "bpf_sock_addr_sk_lookup_udp", "bpf_sk_release", "bpf_sock_addr_skc_lookup_tcp", "bpf_sk_storage_get",
    "bpf_sk_storage_delete", "bpf_sock_addr_setsockopt", "bpf_sock_addr_getsockopt", *SK_BASE,
)

# net/core/filter.c:sock_ops_func_proto
_SOCK_OPS: Protos = (
    *CGROUP_COMMON, "bpf_sock_ops_setsockopt", "bpf_sock_ops_getsockopt", "bpf_sock_ops_cb_flags_set",
    "bpf_sock_map_update", "bpf_sock_hash_update", "bpf_get_socket_cookie_sock_ops", "bpf_event_output_data",
    "bpf_sk_storage_get", "bpf_sk_storage_delete", "bpf_get_netns_cookie_sock_ops", "bpf_sock_ops_load_hdr_opt",
    "bpf_sock_ops_store_hdr_opt", "bpf_sock_ops_reserve_hdr_opt", "bpf_tcp_sock", *SK_BASE,
)

# net/core/filter.c:sk_msg_func_proto
_SK_MSG: Protos = (
    "bpf_msg_redirect_map", "bpf_msg_redirect_hash", "bpf_msg_apply_bytes", "bpf_msg_cork_bytes", "bpf_msg_pull_data",
    "bpf_msg_push_data", "bpf_msg_pop_data", "bpf_event_output_data", "bpf_sk_storage_get", "bpf_sk_storage_delete",
    "bpf_get_netns_cookie_sk_msg", *SK_BASE,
)

# net/core/filter.c:sk_reuseport_func_proto
_SK_REUSEPORT: Protos = (
    "sk_select_reuseport", "sk_reuseport_load_bytes", "sk_reuseport_load_bytes_relative", "bpf_get_socket_ptr_cookie",
    "bpf_ktime_get_coarse_ns", *BASE,
)

PROG_TYPES = (
    ProgType(
        BPF_PROG_TYPE_CGROUP_SOCK, "cgroup_sock", "bpf_sock", "sock", ctx_size=80, ctx_fields=sock_fields.CGROUP_SOCK,
        sections=(
            _cgroup("sock_create", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE),
            _cgroup("sock_release", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE),
            _cgroup("sock", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, "exp_attach_opt"),
            _cgroup("post_bind4", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_POST_BIND),
            _cgroup("post_bind6", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET6_POST_BIND),
        ),
        protos=_CGROUP_SOCK,
        attach_types=(
            BPF_CGROUP_INET_SOCK_CREATE, BPF_CGROUP_INET_SOCK_RELEASE,
            BPF_CGROUP_INET4_POST_BIND, BPF_CGROUP_INET6_POST_BIND,
        ),
        load_attach_types=frozenset({
            BPF_CGROUP_INET_SOCK_CREATE, BPF_CGROUP_INET_SOCK_RELEASE,
            BPF_CGROUP_INET4_POST_BIND, BPF_CGROUP_INET6_POST_BIND,
        }),
        default_attach_type=BPF_CGROUP_INET_SOCK_CREATE, ret_range=(0, 1), net_admin=True,
        since="4.10", ref="net/core/filter.c:cg_sock_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "cgroup_sock_addr", "bpf_sock_addr", "bpf_sock_addr_kern", ctx_size=72,
        ctx_fields=sock_fields.SOCK_ADDR, sections=_SOCK_ADDR_SECTIONS, protos=_SOCK_ADDR,
        attach_types=_SOCK_ADDR_ATTACH, load_attach_types=frozenset(_SOCK_ADDR_ATTACH), ret_range=(0, 1),
        ret_ranges={
            **dict.fromkeys(_ANSWERED, (1, 1)), BPF_CGROUP_INET4_BIND: (0, 3), BPF_CGROUP_INET6_BIND: (0, 3),
        },
        net_admin=True, since="4.17", ref="net/core/filter.c:cg_sock_addr_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_SOCK_OPS, "sock_ops", "bpf_sock_ops", "bpf_sock_ops_kern", ctx_size=224,
        ctx_fields=sock_fields.SOCK_OPS,
        sections=(SectionDef("sockops", BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, _ATTACHABLE_OPT),),
        protos=_SOCK_OPS, attach_types=(BPF_CGROUP_SOCK_OPS,), ret_range=(0, 1), net_admin=True,
        since="4.13", ref="net/core/filter.c:sock_ops_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_SK_MSG, "sk_msg", "sk_msg_md", "sk_msg", ctx_size=80, ctx_fields=sock_fields.SK_MSG,
        sections=(SectionDef("sk_msg", BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT, _ATTACHABLE_OPT),),
        protos=_SK_MSG, attach_types=(BPF_SK_MSG_VERDICT,), direct_pkt_access=True, may_write_pkt=True, net_admin=True,
        since="4.17", ref="net/core/filter.c:sk_msg_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_SK_REUSEPORT, "sk_reuseport", "sk_reuseport_md", "sk_reuseport_kern", ctx_size=56,
        ctx_fields=sock_fields.SK_REUSEPORT,
        sections=(
            SectionDef(
                "sk_reuseport/migrate", BPF_PROG_TYPE_SK_REUSEPORT, BPF_SK_REUSEPORT_SELECT_OR_MIGRATE, _ATTACHABLE,
            ),
            SectionDef("sk_reuseport", BPF_PROG_TYPE_SK_REUSEPORT, BPF_SK_REUSEPORT_SELECT, _ATTACHABLE),
        ),
        protos=_SK_REUSEPORT, attach_types=(BPF_SK_REUSEPORT_SELECT, BPF_SK_REUSEPORT_SELECT_OR_MIGRATE),
        load_attach_types=frozenset({BPF_SK_REUSEPORT_SELECT, BPF_SK_REUSEPORT_SELECT_OR_MIGRATE}),
        default_attach_type=BPF_SK_REUSEPORT_SELECT, direct_pkt_access=True,
        since="4.19", ref="net/core/filter.c:sk_reuseport_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_SK_LOOKUP, "sk_lookup", "bpf_sk_lookup", "bpf_sk_lookup_kern", ctx_size=72,
        ctx_fields=sock_fields.SK_LOOKUP,
        sections=(SectionDef("sk_lookup", BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, _ATTACHABLE),),
        protos=("bpf_event_output_data", "bpf_sk_lookup_assign", "bpf_sk_release", *SK_BASE),
        attach_types=(BPF_SK_LOOKUP,), load_attach_types=frozenset({BPF_SK_LOOKUP}), ret_range=(0, 1),
        since="5.9", ref="net/core/filter.c:sk_lookup_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_NETFILTER, "netfilter", "bpf_nf_ctx", "bpf_nf_ctx", ctx_size=16, ctx_fields=sock_fields.NETFILTER,
        sections=(SectionDef("netfilter", BPF_PROG_TYPE_NETFILTER, BPF_NETFILTER),),
        protos=BASE, attach_types=(BPF_NETFILTER,), load_attach_types=frozenset({BPF_NETFILTER}), ret_range=(0, 1),
        net_admin=True, since="6.4", ref="net/netfilter/nf_bpf_link.c:netfilter_prog_ops",
    ),
)
# fmt: on
