"""Helpers of net/core/filter.c: XDP.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_MAP_PTR,
    ARG_CONST_SIZE,
    ARG_CONST_SIZE_OR_ZERO,
    ARG_PTR_TO_BTF_ID,
    ARG_PTR_TO_CTX,
    ARG_PTR_TO_MEM,
    BPF_MAP_TYPE_CPUMAP,
    BPF_MAP_TYPE_DEVMAP,
    BPF_MAP_TYPE_DEVMAP_HASH,
    BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    BPF_MAP_TYPE_XSKMAP,
    MEM_ALIGNED,
    MEM_FIXED_SIZE,
    MEM_RDONLY,
    MEM_UNINIT,
    MEM_WRITE,
    RET_INTEGER,
    RET_PTR_TO_SOCK_COMMON_OR_NULL,
    RET_PTR_TO_SOCKET_OR_NULL,
    BPF_FUNC_check_mtu,
    BPF_FUNC_fib_lookup,
    BPF_FUNC_perf_event_output,
    BPF_FUNC_redirect,
    BPF_FUNC_redirect_map,
    BPF_FUNC_sk_lookup_tcp,
    BPF_FUNC_sk_lookup_udp,
    BPF_FUNC_skc_lookup_tcp,
    BPF_FUNC_xdp_get_buff_len,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "u64 bpf_xdp_get_buff_len(struct xdp_buff*xdp)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="5.18", ref="net/core/filter.c:bpf_xdp_get_buff_len",
    ),
    declare(
        "u64 bpf_xdp_get_buff_len_trace(struct xdp_buff*xdp)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID,
        func_id=BPF_FUNC_xdp_get_buff_len, arg_btf_ids=("xdp_buff",),
        since="5.18", ref="net/core/filter.c:bpf_xdp_get_buff_len",
    ),
    declare(
        "long bpf_xdp_adjust_head(struct xdp_buff *xdp, int offset)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        changes_pkt_data=True, since="4.10", ref="net/core/filter.c:bpf_xdp_adjust_head",
    ),
    declare(
        "long bpf_xdp_load_bytes(struct xdp_buff *xdp, u32 offset, void *buf, u32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        since="5.18", ref="net/core/filter.c:bpf_xdp_load_bytes",
    ),
    declare(
        "long bpf_xdp_store_bytes(struct xdp_buff *xdp, u32 offset, void *buf, u32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        since="5.18", ref="net/core/filter.c:bpf_xdp_store_bytes",
    ),
    declare(
        "long bpf_xdp_adjust_tail(struct xdp_buff *xdp, int offset)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        changes_pkt_data=True, since="4.18", ref="net/core/filter.c:bpf_xdp_adjust_tail",
    ),
    declare(
        "long bpf_xdp_adjust_meta(struct xdp_buff *xdp, int offset)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        changes_pkt_data=True, since="4.15", ref="net/core/filter.c:bpf_xdp_adjust_meta",
    ),
    declare(
        "long bpf_xdp_redirect(u32 ifindex, u64 flags)",
        RET_INTEGER, ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_redirect, since="4.4", ref="net/core/filter.c:bpf_xdp_redirect",
    ),
    declare(
        "long bpf_xdp_redirect_map(struct bpf_map *map, u64 key, u64 flags)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_redirect_map,
        only_map_types={BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH, BPF_MAP_TYPE_CPUMAP, BPF_MAP_TYPE_XSKMAP},
        since="4.14", ref="net/core/filter.c:bpf_xdp_redirect_map",
    ),
    declare(
        "long bpf_xdp_event_output(struct xdp_buff *xdp, struct bpf_map *map, u64 flags, void *meta, u64 meta_size)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        func_id=BPF_FUNC_perf_event_output, gpl_only=True, only_map_types={BPF_MAP_TYPE_PERF_EVENT_ARRAY},
        since="4.4", ref="net/core/filter.c:bpf_xdp_event_output",
    ),
    declare(
        "long bpf_xdp_output(struct xdp_buff *xdp, struct bpf_map *map, u64 flags, void *meta, u64 meta_size)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        arg_btf_ids=("xdp_buff", None, None, None, None), gpl_only=True,
        only_map_types={BPF_MAP_TYPE_PERF_EVENT_ARRAY}, since="5.7", ref="net/core/filter.c:bpf_xdp_event_output",
    ),
    declare(
        "long bpf_xdp_fib_lookup(struct xdp_buff *ctx, struct bpf_fib_lookup *params, int plen, u32 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_WRITE, ARG_CONST_SIZE, ARG_ANYTHING,
        func_id=BPF_FUNC_fib_lookup, gpl_only=True, since="4.18", ref="net/core/filter.c:bpf_xdp_fib_lookup",
    ),
    declare(
        "long bpf_xdp_check_mtu(struct xdp_buff *xdp, u32 ifindex, u32 *mtu_len, s32 len_diff, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_FIXED_SIZE | MEM_ALIGNED | MEM_WRITE,
        ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_check_mtu, arg_sizes=(0, 0, 4, 0, 0), gpl_only=True,
        since="5.12", ref="net/core/filter.c:bpf_xdp_check_mtu",
    ),
    declare(
        "struct bpf_sock *bpf_xdp_sk_lookup_udp(struct xdp_buff *ctx, struct bpf_sock_tuple *tuple, u32 len, "
        "u32 netns_id, u64 flags)",
        RET_PTR_TO_SOCKET_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        ARG_ANYTHING,
        func_id=BPF_FUNC_sk_lookup_udp, pkt_access=True, since="4.20", ref="net/core/filter.c:bpf_xdp_sk_lookup_udp",
    ),
    declare(
        "struct bpf_sock *bpf_xdp_skc_lookup_tcp(struct xdp_buff *ctx, struct bpf_sock_tuple *tuple, u32 len, "
        "u32 netns_id, u64 flags)",
        RET_PTR_TO_SOCK_COMMON_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO,
        ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_skc_lookup_tcp, pkt_access=True, since="5.2", ref="net/core/filter.c:bpf_xdp_skc_lookup_tcp",
    ),
    declare(
        "struct bpf_sock *bpf_xdp_sk_lookup_tcp(struct xdp_buff *ctx, struct bpf_sock_tuple *tuple, u32 len, "
        "u32 netns_id, u64 flags)",
        RET_PTR_TO_SOCKET_OR_NULL, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        ARG_ANYTHING,
        func_id=BPF_FUNC_sk_lookup_tcp, pkt_access=True, since="4.20", ref="net/core/filter.c:bpf_xdp_sk_lookup_tcp",
    ),
)
# fmt: on
