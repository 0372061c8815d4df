"""Helpers of net/core/{filter,sock_map,bpf_sk_storage}.c: sockets.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import Program, declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_MAP_PTR,
    ARG_CONST_SIZE,
    ARG_CONST_SIZE_OR_ZERO,
    ARG_PTR_TO_BTF_ID,
    ARG_PTR_TO_BTF_ID_OR_NULL,
    ARG_PTR_TO_BTF_ID_SOCK_COMMON,
    ARG_PTR_TO_CTX,
    ARG_PTR_TO_CTX_OR_NULL,
    ARG_PTR_TO_MAP_KEY,
    ARG_PTR_TO_MAP_VALUE_OR_NULL,
    ARG_PTR_TO_MEM,
    ARG_PTR_TO_SOCK_COMMON,
    ARG_PTR_TO_SOCKET_OR_NULL,
    BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
    BPF_MAP_TYPE_SK_STORAGE,
    BPF_MAP_TYPE_SOCKHASH,
    BPF_MAP_TYPE_SOCKMAP,
    BPF_TRACE_FENTRY,
    BPF_TRACE_FEXIT,
    BPF_TRACE_ITER,
    BPF_TRACE_RAW_TP,
    MEM_FIXED_SIZE,
    MEM_RDONLY,
    MEM_UNINIT,
    MEM_WRITE,
    OBJ_RELEASE,
    PTR_MAYBE_NULL,
    RET_INTEGER,
    RET_PTR_TO_BTF_ID_OR_NULL,
    RET_PTR_TO_MAP_VALUE_OR_NULL,
    RET_PTR_TO_SOCK_COMMON_OR_NULL,
    RET_PTR_TO_SOCKET_OR_NULL,
    RET_PTR_TO_TCP_SOCK_OR_NULL,
    BPF_FUNC_get_netns_cookie,
    BPF_FUNC_get_socket_cookie,
    BPF_FUNC_getsockopt,
    BPF_FUNC_load_hdr_opt,
    BPF_FUNC_reserve_hdr_opt,
    BPF_FUNC_setsockopt,
    BPF_FUNC_sk_assign,
    BPF_FUNC_sk_lookup_tcp,
    BPF_FUNC_sk_lookup_udp,
    BPF_FUNC_sk_select_reuseport,
    BPF_FUNC_sk_storage_delete,
    BPF_FUNC_sk_storage_get,
    BPF_FUNC_skb_load_bytes,
    BPF_FUNC_skb_load_bytes_relative,
    BPF_FUNC_skc_lookup_tcp,
    BPF_FUNC_store_hdr_opt,
)

__all__ = ["PROTOS"]


def _bpf_sk_storage_tracing_allowed(prog: Program) -> bool:
    # Not where bpf_sk_storage_*() itself is traced.
    if prog.attach_prog is not None:
        return False
    if prog.expected_attach_type in (BPF_TRACE_FENTRY, BPF_TRACE_FEXIT):
        return not prog.attach_name.startswith("bpf_sk_storage")
    return prog.expected_attach_type in (BPF_TRACE_ITER, BPF_TRACE_RAW_TP)


# fmt: off
PROTOS = (
    declare(
        "long bpf_sock_map_update(struct bpf_sock_ops_kern *sops, struct bpf_map *map, void *key, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY, ARG_ANYTHING,
        pkt_access=True, only_map_types={BPF_MAP_TYPE_SOCKMAP},
        since="4.14", ref="net/core/sock_map.c:bpf_sock_map_update",
    ),
    declare(
        "long bpf_sk_redirect_map(struct sk_buff *skb, struct bpf_map *map, u32 key, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_SOCKMAP}, since="4.14", ref="net/core/sock_map.c:bpf_sk_redirect_map",
    ),
    declare(
        "long bpf_msg_redirect_map(struct sk_msg *msg, struct bpf_map *map, u32 key, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_SOCKMAP}, since="4.17", ref="net/core/sock_map.c:bpf_msg_redirect_map",
    ),
    declare(
        "long bpf_sock_hash_update(struct bpf_sock_ops_kern *sops, struct bpf_map *map, void *key, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY, ARG_ANYTHING,
        pkt_access=True, only_map_types={BPF_MAP_TYPE_SOCKHASH},
        since="4.18", ref="net/core/sock_map.c:bpf_sock_hash_update",
    ),
    declare(
        "long bpf_sk_redirect_hash(struct sk_buff *skb, struct bpf_map *map, void *key, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_SOCKHASH}, since="4.18", ref="net/core/sock_map.c:bpf_sk_redirect_hash",
    ),
    declare(
        "long bpf_msg_redirect_hash(struct sk_msg *msg, struct bpf_map *map, void *key, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_SOCKHASH}, since="4.18", ref="net/core/sock_map.c:bpf_msg_redirect_hash",
    ),
    declare(
        "struct bpf_sock *bpf_sk_fullsock(struct sock *sk)",
        RET_PTR_TO_SOCKET_OR_NULL, ARG_PTR_TO_SOCK_COMMON,
        since="5.1", ref="net/core/filter.c:bpf_sk_fullsock",
    ),
    declare(
        "u64 bpf_sk_cgroup_id(struct sock *sk)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID_SOCK_COMMON,
        since="5.8", ref="net/core/filter.c:bpf_sk_cgroup_id",
    ),
    declare(
        "u64 bpf_sk_ancestor_cgroup_id(struct sock *sk, int ancestor_level)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID_SOCK_COMMON, ARG_ANYTHING,
        since="5.8", ref="net/core/filter.c:bpf_sk_ancestor_cgroup_id",
    ),
    declare(
        "u64 bpf_get_socket_cookie(struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="4.12", ref="net/core/filter.c:bpf_get_socket_cookie",
    ),
    declare(
        "u64 bpf_get_socket_cookie_sock_addr(struct bpf_sock_addr_kern *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_socket_cookie, since="4.12", ref="net/core/filter.c:bpf_get_socket_cookie_sock_addr",
    ),
    declare(
        "u64 bpf_get_socket_cookie_sock(struct sock *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_socket_cookie, since="4.12", ref="net/core/filter.c:bpf_get_socket_cookie_sock",
    ),
    declare(
        "u64 bpf_get_socket_ptr_cookie(struct sock *sk)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID_SOCK_COMMON | PTR_MAYBE_NULL,
        func_id=BPF_FUNC_get_socket_cookie, since="4.12", ref="net/core/filter.c:bpf_get_socket_ptr_cookie",
    ),
    declare(
        "u64 bpf_get_socket_cookie_sock_ops(struct bpf_sock_ops_kern *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_socket_cookie, since="4.12", ref="net/core/filter.c:bpf_get_socket_cookie_sock_ops",
    ),
    declare(
        "u64 bpf_get_netns_cookie_sock(struct sock *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX_OR_NULL,
        func_id=BPF_FUNC_get_netns_cookie, since="5.7", ref="net/core/filter.c:bpf_get_netns_cookie_sock",
    ),
    declare(
        "u64 bpf_get_netns_cookie_sock_addr(struct bpf_sock_addr_kern *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX_OR_NULL,
        func_id=BPF_FUNC_get_netns_cookie, since="5.7", ref="net/core/filter.c:bpf_get_netns_cookie_sock_addr",
    ),
    declare(
        "u64 bpf_get_netns_cookie_sock_ops(struct bpf_sock_ops_kern *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX_OR_NULL,
        func_id=BPF_FUNC_get_netns_cookie, since="5.7", ref="net/core/filter.c:bpf_get_netns_cookie_sock_ops",
    ),
    declare(
        "u64 bpf_get_netns_cookie_sk_msg(struct sk_msg *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX_OR_NULL,
        func_id=BPF_FUNC_get_netns_cookie, since="5.7", ref="net/core/filter.c:bpf_get_netns_cookie_sk_msg",
    ),
    declare(
        "u32 bpf_get_socket_uid(struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="4.12", ref="net/core/filter.c:bpf_get_socket_uid",
    ),
    declare(
        "long bpf_sk_setsockopt(struct sock *sk, int level, int optname, char *optval, int optlen)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID_SOCK_COMMON, ARG_ANYTHING, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE,
        func_id=BPF_FUNC_setsockopt, since="4.13", ref="net/core/filter.c:bpf_sk_setsockopt",
    ),
    declare(
        "long bpf_sk_getsockopt(struct sock *sk, int level, int optname, char *optval, int optlen)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID_SOCK_COMMON, ARG_ANYTHING, ARG_ANYTHING,
        ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        func_id=BPF_FUNC_getsockopt, since="4.15", ref="net/core/filter.c:bpf_sk_getsockopt",
    ),
    declare(
        "long bpf_unlocked_sk_setsockopt(struct sock *sk, int level, int optname, char *optval, int optlen)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID_SOCK_COMMON, ARG_ANYTHING, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE,
        func_id=BPF_FUNC_setsockopt, since="4.13", ref="net/core/filter.c:bpf_unlocked_sk_setsockopt",
    ),
    declare(
        "long bpf_unlocked_sk_getsockopt(struct sock *sk, int level, int optname, char *optval, int optlen)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID_SOCK_COMMON, ARG_ANYTHING, ARG_ANYTHING,
        ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        func_id=BPF_FUNC_getsockopt, since="4.15", ref="net/core/filter.c:bpf_unlocked_sk_getsockopt",
    ),
    declare(
        "long bpf_sock_addr_setsockopt(struct bpf_sock_addr_kern *ctx, int level, int optname, char *optval, "
        "int optlen)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        func_id=BPF_FUNC_setsockopt, since="4.13", ref="net/core/filter.c:bpf_sock_addr_setsockopt",
    ),
    declare(
        "long bpf_sock_addr_getsockopt(struct bpf_sock_addr_kern *ctx, int level, int optname, char *optval, "
        "int optlen)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE,
        ARG_CONST_SIZE,
        func_id=BPF_FUNC_getsockopt, since="4.15", ref="net/core/filter.c:bpf_sock_addr_getsockopt",
    ),
    declare(
        "long bpf_sock_ops_setsockopt(struct bpf_sock_ops_kern *bpf_sock, int level, int optname, char *optval, "
        "int optlen)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        func_id=BPF_FUNC_setsockopt, since="4.13", ref="net/core/filter.c:bpf_sock_ops_setsockopt",
    ),
    declare(
        "long bpf_sock_ops_getsockopt(struct bpf_sock_ops_kern *bpf_sock, int level, int optname, char *optval, "
        "int optlen)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE,
        ARG_CONST_SIZE,
        func_id=BPF_FUNC_getsockopt, since="4.15", ref="net/core/filter.c:bpf_sock_ops_getsockopt",
    ),
    declare(
        "long bpf_sock_ops_cb_flags_set(struct bpf_sock_ops_kern *bpf_sock, int argval)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        since="4.16", ref="net/core/filter.c:bpf_sock_ops_cb_flags_set",
    ),
    declare(
        "long bpf_bind(struct bpf_sock_addr_kern *ctx, struct sockaddr *addr, int addr_len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        since="4.17", ref="net/core/filter.c:bpf_bind",
    ),
    declare(
        "struct bpf_sock *bpf_skc_lookup_tcp(struct sk_buff *skb, struct bpf_sock_tuple *tuple, u32 len, "
        "u64 netns_id, u64 flags)",
        RET_PTR_TO_SOCK_COMMON_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO,
        ARG_ANYTHING, ARG_ANYTHING,
        pkt_access=True, since="5.2", ref="net/core/filter.c:bpf_skc_lookup_tcp",
    ),
    declare(
        "struct bpf_sock *bpf_sk_lookup_tcp(struct sk_buff *skb, struct bpf_sock_tuple *tuple, u32 len, "
        "u64 netns_id, u64 flags)",
        RET_PTR_TO_SOCKET_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        ARG_ANYTHING,
        pkt_access=True, since="4.20", ref="net/core/filter.c:bpf_sk_lookup_tcp",
    ),
    declare(
        "struct bpf_sock *bpf_sk_lookup_udp(struct sk_buff *skb, struct bpf_sock_tuple *tuple, u32 len, "
        "u64 netns_id, u64 flags)",
        RET_PTR_TO_SOCKET_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        ARG_ANYTHING,
        pkt_access=True, since="4.20", ref="net/core/filter.c:bpf_sk_lookup_udp",
    ),
    declare(
        "struct bpf_sock *bpf_tc_skc_lookup_tcp(struct sk_buff *skb, struct bpf_sock_tuple *tuple, u32 len, "
        "u64 netns_id, u64 flags)",
        RET_PTR_TO_SOCK_COMMON_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO,
        ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_skc_lookup_tcp, pkt_access=True, since="5.2", ref="net/core/filter.c:bpf_tc_skc_lookup_tcp",
    ),
    declare(
        "struct bpf_sock *bpf_tc_sk_lookup_tcp(struct sk_buff *skb, struct bpf_sock_tuple *tuple, u32 len, "
        "u64 netns_id, u64 flags)",
        RET_PTR_TO_SOCKET_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        ARG_ANYTHING,
        func_id=BPF_FUNC_sk_lookup_tcp, pkt_access=True, since="4.20", ref="net/core/filter.c:bpf_tc_sk_lookup_tcp",
    ),
    declare(
        "struct bpf_sock *bpf_tc_sk_lookup_udp(struct sk_buff *skb, struct bpf_sock_tuple *tuple, u32 len, "
        "u64 netns_id, u64 flags)",
        RET_PTR_TO_SOCKET_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        ARG_ANYTHING,
        func_id=BPF_FUNC_sk_lookup_udp, pkt_access=True, since="4.20", ref="net/core/filter.c:bpf_tc_sk_lookup_udp",
    ),
    declare(
        "long bpf_sk_release(struct sock *sk)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID_SOCK_COMMON | OBJ_RELEASE,
        since="4.20", ref="net/core/filter.c:bpf_sk_release",
    ),
    declare(
        "struct bpf_sock *bpf_sock_addr_skc_lookup_tcp(struct bpf_sock_addr_kern *ctx, "
        "struct bpf_sock_tuple *tuple, u32 len, u64 netns_id, u64 flags)",
        RET_PTR_TO_SOCK_COMMON_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO,
        ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_skc_lookup_tcp, since="5.2", ref="net/core/filter.c:bpf_sock_addr_skc_lookup_tcp",
    ),
    declare(
        "struct bpf_sock *bpf_sock_addr_sk_lookup_tcp(struct bpf_sock_addr_kern *ctx, "
        "struct bpf_sock_tuple *tuple, u32 len, u64 netns_id, u64 flags)",
        RET_PTR_TO_SOCKET_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        ARG_ANYTHING,
        func_id=BPF_FUNC_sk_lookup_tcp, since="4.20", ref="net/core/filter.c:bpf_sock_addr_sk_lookup_tcp",
    ),
    declare(
        "struct bpf_sock *bpf_sock_addr_sk_lookup_udp(struct bpf_sock_addr_kern *ctx, "
        "struct bpf_sock_tuple *tuple, u32 len, u64 netns_id, u64 flags)",
        RET_PTR_TO_SOCKET_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        ARG_ANYTHING,
        func_id=BPF_FUNC_sk_lookup_udp, since="4.20", ref="net/core/filter.c:bpf_sock_addr_sk_lookup_udp",
    ),
    declare(
        "struct bpf_tcp_sock *bpf_tcp_sock(struct sock *sk)",
        RET_PTR_TO_TCP_SOCK_OR_NULL, ARG_PTR_TO_SOCK_COMMON,
        since="5.1", ref="net/core/filter.c:bpf_tcp_sock",
    ),
    declare(
        "struct bpf_sock *bpf_get_listener_sock(struct sock *sk)",
        RET_PTR_TO_SOCKET_OR_NULL, ARG_PTR_TO_SOCK_COMMON,
        since="5.1", ref="net/core/filter.c:bpf_get_listener_sock",
    ),
    declare(
        "long bpf_tcp_check_syncookie(struct sock *sk, void *iph, u32 iph_len, struct tcphdr *th, u32 th_len)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID_SOCK_COMMON, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        gpl_only=True, pkt_access=True, since="5.2", ref="net/core/filter.c:bpf_tcp_check_syncookie",
    ),
    declare(
        "s64 bpf_tcp_gen_syncookie(struct sock *sk, void *iph, u32 iph_len, struct tcphdr *th, u32 th_len)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID_SOCK_COMMON, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        gpl_only=True, pkt_access=True, since="5.3", ref="net/core/filter.c:bpf_tcp_gen_syncookie",
    ),
    declare(
        "long bpf_sk_assign(struct sk_buff *skb, struct sock *sk, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_BTF_ID_SOCK_COMMON, ARG_ANYTHING,
        since="5.7", ref="net/core/filter.c:bpf_sk_assign",
    ),
    declare(
        "long bpf_sock_ops_load_hdr_opt(struct bpf_sock_ops_kern *bpf_sock, void *search_res, u32 len, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_WRITE, ARG_CONST_SIZE, ARG_ANYTHING,
        func_id=BPF_FUNC_load_hdr_opt, since="5.10", ref="net/core/filter.c:bpf_sock_ops_load_hdr_opt",
    ),
    declare(
        "long bpf_sock_ops_store_hdr_opt(struct bpf_sock_ops_kern *bpf_sock, const void *from, u32 len, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE, ARG_ANYTHING,
        func_id=BPF_FUNC_store_hdr_opt, changes_pkt_data=True,
        since="5.10", ref="net/core/filter.c:bpf_sock_ops_store_hdr_opt",
    ),
    declare(
        "long bpf_sock_ops_reserve_hdr_opt(struct bpf_sock_ops_kern *bpf_sock, u32 len, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_reserve_hdr_opt, since="5.10", ref="net/core/filter.c:bpf_sock_ops_reserve_hdr_opt",
    ),
    declare(
        "s64 bpf_tcp_raw_gen_syncookie_ipv4(struct iphdr *iph, struct tcphdr *th, u32 th_len)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY | MEM_FIXED_SIZE, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        arg_sizes=(20, 0, 0), gpl_only=True, pkt_access=True,
        since="6.0", ref="net/core/filter.c:bpf_tcp_raw_gen_syncookie_ipv4",
    ),
    declare(
        "s64 bpf_tcp_raw_gen_syncookie_ipv6(struct ipv6hdr *iph, struct tcphdr *th, u32 th_len)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY | MEM_FIXED_SIZE, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        arg_sizes=(40, 0, 0), gpl_only=True, pkt_access=True,
        since="6.0", ref="net/core/filter.c:bpf_tcp_raw_gen_syncookie_ipv6",
    ),
    declare(
        "long bpf_tcp_raw_check_syncookie_ipv4(struct iphdr *iph, struct tcphdr *th)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY | MEM_FIXED_SIZE, ARG_PTR_TO_MEM | MEM_RDONLY | MEM_FIXED_SIZE,
        arg_sizes=(20, 20), gpl_only=True, pkt_access=True,
        since="6.0", ref="net/core/filter.c:bpf_tcp_raw_check_syncookie_ipv4",
    ),
    declare(
        "long bpf_tcp_raw_check_syncookie_ipv6(struct ipv6hdr *iph, struct tcphdr *th)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY | MEM_FIXED_SIZE, ARG_PTR_TO_MEM | MEM_RDONLY | MEM_FIXED_SIZE,
        arg_sizes=(40, 20), gpl_only=True, pkt_access=True,
        since="6.0", ref="net/core/filter.c:bpf_tcp_raw_check_syncookie_ipv6",
    ),
    declare(
        "long sk_select_reuseport(struct sk_reuseport_kern *reuse_kern, struct bpf_map *map, void *key, u32 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY, ARG_ANYTHING,
        func_id=BPF_FUNC_sk_select_reuseport,
        only_map_types={BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, BPF_MAP_TYPE_SOCKMAP, BPF_MAP_TYPE_SOCKHASH},
        since="4.19", ref="net/core/filter.c:sk_select_reuseport",
    ),
    declare(
        "long sk_reuseport_load_bytes(const struct sk_reuseport_kern *reuse_kern, u32 offset, void *to, u32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        func_id=BPF_FUNC_skb_load_bytes, since="4.5", ref="net/core/filter.c:sk_reuseport_load_bytes",
    ),
    declare(
        "long sk_reuseport_load_bytes_relative(const struct sk_reuseport_kern *reuse_kern, u32 offset, void *to, "
        "u32 len, u32 start_header)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        ARG_ANYTHING,
        func_id=BPF_FUNC_skb_load_bytes_relative,
        since="4.18", ref="net/core/filter.c:sk_reuseport_load_bytes_relative",
    ),
    declare(
        "long bpf_sk_lookup_assign(struct bpf_sk_lookup_kern *ctx, struct sock *sk, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_SOCKET_OR_NULL, ARG_ANYTHING,
        func_id=BPF_FUNC_sk_assign, since="5.7", ref="net/core/filter.c:bpf_sk_lookup_assign",
    ),
    declare(
        "struct tcp6_sock *bpf_skc_to_tcp6_sock(struct sock *sk)",
        RET_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_BTF_ID_SOCK_COMMON,
        ret_btf_id="tcp6_sock", since="5.9", ref="net/core/filter.c:bpf_skc_to_tcp6_sock",
    ),
    declare(
        "struct tcp_sock *bpf_skc_to_tcp_sock(struct sock *sk)",
        RET_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_BTF_ID_SOCK_COMMON,
        ret_btf_id="tcp_sock", since="5.9", ref="net/core/filter.c:bpf_skc_to_tcp_sock",
    ),
    declare(
        "struct tcp_timewait_sock *bpf_skc_to_tcp_timewait_sock(struct sock *sk)",
        RET_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_BTF_ID_SOCK_COMMON,
        ret_btf_id="tcp_timewait_sock", since="5.9", ref="net/core/filter.c:bpf_skc_to_tcp_timewait_sock",
    ),
    declare(
        "struct tcp_request_sock *bpf_skc_to_tcp_request_sock(struct sock *sk)",
        RET_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_BTF_ID_SOCK_COMMON,
        ret_btf_id="tcp_request_sock", since="5.9", ref="net/core/filter.c:bpf_skc_to_tcp_request_sock",
    ),
    declare(
        "struct udp6_sock *bpf_skc_to_udp6_sock(struct sock *sk)",
        RET_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_BTF_ID_SOCK_COMMON,
        ret_btf_id="udp6_sock", since="5.9", ref="net/core/filter.c:bpf_skc_to_udp6_sock",
    ),
    declare(
        "struct unix_sock *bpf_skc_to_unix_sock(struct sock *sk)",
        RET_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_BTF_ID_SOCK_COMMON,
        ret_btf_id="unix_sock", since="5.16", ref="net/core/filter.c:bpf_skc_to_unix_sock",
    ),
    declare(
        "struct mptcp_sock *bpf_skc_to_mptcp_sock(struct sock *sk)",
        RET_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_SOCK_COMMON,
        ret_btf_id="mptcp_sock", since="5.19", ref="net/core/filter.c:bpf_skc_to_mptcp_sock",
    ),
    declare(
        "struct socket *bpf_sock_from_file(struct file *file)",
        RET_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_BTF_ID,
        arg_btf_ids=("file",), ret_btf_id="socket", since="5.11", ref="net/core/filter.c:bpf_sock_from_file",
    ),
    declare(
        "void *bpf_sk_storage_get(struct bpf_map *map, struct sock *sk, void *value, u64 flags)",
        RET_PTR_TO_MAP_VALUE_OR_NULL, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_SOCK_COMMON, ARG_PTR_TO_MAP_VALUE_OR_NULL,
        ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_SK_STORAGE}, since="5.2", ref="net/core/bpf_sk_storage.c:bpf_sk_storage_get",
    ),
    declare(
        "void *bpf_sk_storage_get_cg_sock(struct bpf_map *map, struct sock *sk, void *value, u64 flags)",
        RET_PTR_TO_MAP_VALUE_OR_NULL, ARG_CONST_MAP_PTR, ARG_PTR_TO_CTX, ARG_PTR_TO_MAP_VALUE_OR_NULL, ARG_ANYTHING,
        func_id=BPF_FUNC_sk_storage_get, only_map_types={BPF_MAP_TYPE_SK_STORAGE},
        since="5.2", ref="net/core/bpf_sk_storage.c:bpf_sk_storage_get",
    ),
    declare(
        "long bpf_sk_storage_delete(struct bpf_map *map, struct sock *sk)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_SOCK_COMMON,
        only_map_types={BPF_MAP_TYPE_SK_STORAGE}, since="5.2", ref="net/core/bpf_sk_storage.c:bpf_sk_storage_delete",
    ),
    declare(
        "void *bpf_sk_storage_get_tracing(struct bpf_map *map, struct sock *sk, void *value, u64 flags)",
        RET_PTR_TO_MAP_VALUE_OR_NULL, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_MAP_VALUE_OR_NULL,
        ARG_ANYTHING,
        func_id=BPF_FUNC_sk_storage_get, arg_btf_ids=(None, "sock_common", None, None),
        only_map_types={BPF_MAP_TYPE_SK_STORAGE}, allowed=_bpf_sk_storage_tracing_allowed,
        since="5.2", ref="net/core/bpf_sk_storage.c:bpf_sk_storage_get_tracing",
    ),
    declare(
        "long bpf_sk_storage_delete_tracing(struct bpf_map *map, struct sock *sk)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_OR_NULL,
        func_id=BPF_FUNC_sk_storage_delete, arg_btf_ids=(None, "sock_common"),
        only_map_types={BPF_MAP_TYPE_SK_STORAGE}, allowed=_bpf_sk_storage_tracing_allowed,
        since="5.2", ref="net/core/bpf_sk_storage.c:bpf_sk_storage_delete_tracing",
    ),
    declare(
        "long bpf_tcp_send_ack(struct tcp_sock *tp, u32 rcv_nxt)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_ANYTHING,
        arg_btf_ids=("tcp_sock", None), since="5.6", ref="net/ipv4/bpf_tcp_ca.c:bpf_tcp_send_ack",
    ),
    declare(
        "u64 bpf_get_netns_cookie(struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX_OR_NULL,
        since="6.15", ref="net/core/filter.c:bpf_get_netns_cookie",
    ),
)
# fmt: on
