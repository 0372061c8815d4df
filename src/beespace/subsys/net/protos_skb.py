"""Helpers of net/core/filter.c: packets in a struct sk_buff.

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
    ARG_PTR_TO_MEM_OR_NULL,
    BPF_MAP_TYPE_CGROUP_ARRAY,
    BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    MEM_ALIGNED,
    MEM_FIXED_SIZE,
    MEM_RDONLY,
    MEM_UNINIT,
    MEM_WRITE,
    RET_INTEGER,
    BPF_FUNC_check_mtu,
    BPF_FUNC_fib_lookup,
    BPF_FUNC_get_cgroup_classid,
    BPF_FUNC_perf_event_output,
    BPF_FUNC_skb_adjust_room,
    BPF_FUNC_skb_change_head,
    BPF_FUNC_skb_change_tail,
    BPF_FUNC_skb_load_bytes,
    BPF_FUNC_skb_pull_data,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "long bpf_skb_store_bytes(struct sk_buff *skb, u32 offset, const void *from, u32 len, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE, ARG_ANYTHING,
        changes_pkt_data=True, since="4.1", ref="net/core/filter.c:bpf_skb_store_bytes",
    ),
    declare(
        "long bpf_skb_load_bytes(const struct sk_buff *skb, u32 offset, void *to, u32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        since="4.5", ref="net/core/filter.c:bpf_skb_load_bytes",
    ),
    declare(
        "long bpf_flow_dissector_load_bytes(const struct bpf_flow_dissector *ctx, u32 offset, void *to, u32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        func_id=BPF_FUNC_skb_load_bytes, since="4.5", ref="net/core/filter.c:bpf_flow_dissector_load_bytes",
    ),
    declare(
        "long bpf_skb_load_bytes_relative(const struct sk_buff *skb, u32 offset, void *to, u32 len, "
        "u32 start_header)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        ARG_ANYTHING,
        since="4.18", ref="net/core/filter.c:bpf_skb_load_bytes_relative",
    ),
    declare(
        "long bpf_skb_pull_data(struct sk_buff *skb, u32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        changes_pkt_data=True, since="4.9", ref="net/core/filter.c:bpf_skb_pull_data",
    ),
    declare(
        "long sk_skb_pull_data(struct sk_buff *skb, u32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        func_id=BPF_FUNC_skb_pull_data, changes_pkt_data=True, since="4.9", ref="net/core/filter.c:sk_skb_pull_data",
    ),
    declare(
        "long bpf_l3_csum_replace(struct sk_buff *skb, u32 offset, u64 from, u64 to, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.1", ref="net/core/filter.c:bpf_l3_csum_replace",
    ),
    declare(
        "long bpf_l4_csum_replace(struct sk_buff *skb, u32 offset, u64 from, u64 to, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.1", ref="net/core/filter.c:bpf_l4_csum_replace",
    ),
    declare(
        "s64 bpf_csum_diff(__be32 *from, u32 from_size, __be32 *to, u32 to_size, __wsum seed)",
        RET_INTEGER, ARG_PTR_TO_MEM_OR_NULL | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_PTR_TO_MEM_OR_NULL | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        pkt_access=True, since="4.6", ref="net/core/filter.c:bpf_csum_diff",
    ),
    declare(
        "s64 bpf_csum_update(struct sk_buff *skb, __wsum csum)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        since="4.9", ref="net/core/filter.c:bpf_csum_update",
    ),
    declare(
        "long bpf_csum_level(struct sk_buff *skb, u64 level)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        since="5.8", ref="net/core/filter.c:bpf_csum_level",
    ),
    declare(
        "long bpf_clone_redirect(struct sk_buff *skb, u32 ifindex, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.2", ref="net/core/filter.c:bpf_clone_redirect",
    ),
    declare(
        "long bpf_redirect(u32 ifindex, u64 flags)",
        RET_INTEGER, ARG_ANYTHING, ARG_ANYTHING,
        since="4.4", ref="net/core/filter.c:bpf_redirect",
    ),
    declare(
        "long bpf_redirect_peer(u32 ifindex, u64 flags)",
        RET_INTEGER, ARG_ANYTHING, ARG_ANYTHING,
        since="5.10", ref="net/core/filter.c:bpf_redirect_peer",
    ),
    declare(
        "long bpf_redirect_neigh(u32 ifindex, struct bpf_redir_neigh *params, int plen, u64 flags)",
        RET_INTEGER, ARG_ANYTHING, ARG_PTR_TO_MEM_OR_NULL | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        since="5.10", ref="net/core/filter.c:bpf_redirect_neigh",
    ),
    declare(
        "u32 bpf_get_cgroup_classid_curr(void)",
        RET_INTEGER,
        func_id=BPF_FUNC_get_cgroup_classid, since="4.3", ref="net/core/filter.c:bpf_get_cgroup_classid_curr",
    ),
    declare(
        "u64 bpf_skb_cgroup_classid(const struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="5.10", ref="net/core/filter.c:bpf_skb_cgroup_classid",
    ),
    declare(
        "u32 bpf_get_cgroup_classid(const struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="4.3", ref="net/core/filter.c:bpf_get_cgroup_classid",
    ),
    declare(
        "u32 bpf_get_route_realm(const struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="4.4", ref="net/core/filter.c:bpf_get_route_realm",
    ),
    declare(
        "u32 bpf_get_hash_recalc(struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="4.8", ref="net/core/filter.c:bpf_get_hash_recalc",
    ),
    declare(
        "void bpf_set_hash_invalid(struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="4.9", ref="net/core/filter.c:bpf_set_hash_invalid",
    ),
    declare(
        "long bpf_set_hash(struct sk_buff *skb, u32 hash)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        since="4.13", ref="net/core/filter.c:bpf_set_hash",
    ),
    declare(
        "long bpf_skb_vlan_push(struct sk_buff *skb, __be16 vlan_proto, u16 vlan_tci)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.3", ref="net/core/filter.c:bpf_skb_vlan_push",
    ),
    declare(
        "long bpf_skb_vlan_pop(struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        changes_pkt_data=True, since="4.3", ref="net/core/filter.c:bpf_skb_vlan_pop",
    ),
    declare(
        "long bpf_skb_change_proto(struct sk_buff *skb, __be16 proto, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.8", ref="net/core/filter.c:bpf_skb_change_proto",
    ),
    declare(
        "long bpf_skb_change_type(struct sk_buff *skb, u32 pkt_type)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        since="4.8", ref="net/core/filter.c:bpf_skb_change_type",
    ),
    declare(
        "long sk_skb_adjust_room(struct sk_buff *skb, s32 len_diff, u32 mode, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_skb_adjust_room, changes_pkt_data=True,
        since="4.13", ref="net/core/filter.c:sk_skb_adjust_room",
    ),
    declare(
        "long bpf_skb_adjust_room(struct sk_buff *skb, s32 len_diff, u32 mode, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.13", ref="net/core/filter.c:bpf_skb_adjust_room",
    ),
    declare(
        "long bpf_skb_change_tail(struct sk_buff *skb, u32 new_len, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.9", ref="net/core/filter.c:bpf_skb_change_tail",
    ),
    declare(
        "long sk_skb_change_tail(struct sk_buff *skb, u32 new_len, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_skb_change_tail, changes_pkt_data=True,
        since="4.9", ref="net/core/filter.c:sk_skb_change_tail",
    ),
    declare(
        "long bpf_skb_change_head(struct sk_buff *skb, u32 head_room, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.10", ref="net/core/filter.c:bpf_skb_change_head",
    ),
    declare(
        "long sk_skb_change_head(struct sk_buff *skb, u32 head_room, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_skb_change_head, changes_pkt_data=True,
        since="4.10", ref="net/core/filter.c:sk_skb_change_head",
    ),
    declare(
        "long bpf_skb_event_output(struct sk_buff *skb, struct bpf_map *map, u64 flags, void *meta, u64 meta_size)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        func_id=BPF_FUNC_perf_event_output, gpl_only=True, only_map_types={BPF_MAP_TYPE_PERF_EVENT_ARRAY},
        since="4.4", ref="net/core/filter.c:bpf_skb_event_output",
    ),
    declare(
        "long bpf_skb_output(struct sk_buff *skb, struct bpf_map *map, u64 flags, void *meta, u64 meta_size)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        arg_btf_ids=("sk_buff", None, None, None, None), gpl_only=True,
        only_map_types={BPF_MAP_TYPE_PERF_EVENT_ARRAY}, since="5.5", ref="net/core/filter.c:bpf_skb_event_output",
    ),
    declare(
        "long bpf_skb_get_tunnel_key(struct sk_buff *skb, struct bpf_tunnel_key *to, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE, ARG_ANYTHING,
        since="4.3", ref="net/core/filter.c:bpf_skb_get_tunnel_key",
    ),
    declare(
        "long bpf_skb_get_tunnel_opt(struct sk_buff *skb, u8 *to, u32 size)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        since="4.6", ref="net/core/filter.c:bpf_skb_get_tunnel_opt",
    ),
    declare(
        "long bpf_skb_set_tunnel_key(struct sk_buff *skb, const struct bpf_tunnel_key *from, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE, ARG_ANYTHING,
        since="4.3", ref="net/core/filter.c:bpf_skb_set_tunnel_key",
    ),
    declare(
        "long bpf_skb_set_tunnel_opt(struct sk_buff *skb, const u8 *from, u32 size)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        since="4.6", ref="net/core/filter.c:bpf_skb_set_tunnel_opt",
    ),
    declare(
        "long bpf_skb_under_cgroup(struct sk_buff *skb, struct bpf_map *map, u32 idx)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_CGROUP_ARRAY}, since="4.8", ref="net/core/filter.c:bpf_skb_under_cgroup",
    ),
    declare(
        "u64 bpf_skb_cgroup_id(const struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="4.18", ref="net/core/filter.c:bpf_skb_cgroup_id",
    ),
    declare(
        "u64 bpf_skb_ancestor_cgroup_id(const struct sk_buff *skb, int ancestor_level)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        since="4.19", ref="net/core/filter.c:bpf_skb_ancestor_cgroup_id",
    ),
    declare(
        "long bpf_skb_get_xfrm_state(struct sk_buff *skb, u32 index, struct bpf_xfrm_state *to, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        ARG_ANYTHING,
        since="4.18", ref="net/core/filter.c:bpf_skb_get_xfrm_state",
    ),
    declare(
        "long bpf_skb_fib_lookup(struct sk_buff *skb, struct bpf_fib_lookup *params, int plen, u32 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_WRITE, ARG_CONST_SIZE, ARG_ANYTHING,
        func_id=BPF_FUNC_fib_lookup, gpl_only=True, since="4.18", ref="net/core/filter.c:bpf_skb_fib_lookup",
    ),
    declare(
        "long bpf_skb_check_mtu(struct sk_buff *skb, u32 ifindex, u32 *mtu_len, s32 len_diff, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_FIXED_SIZE | MEM_ALIGNED | MEM_WRITE,
        ARG_ANYTHING, ARG_ANYTHING,
        func_id=BPF_FUNC_check_mtu, arg_sizes=(0, 0, 4, 0, 0), gpl_only=True,
        since="5.12", ref="net/core/filter.c:bpf_skb_check_mtu",
    ),
    declare(
        "long bpf_skb_ecn_set_ce(struct sk_buff *skb)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="5.1", ref="net/core/filter.c:bpf_skb_ecn_set_ce",
    ),
    declare(
        "long bpf_skb_set_tstamp(struct sk_buff *skb, u64 tstamp, u32 tstamp_type)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        since="5.18", ref="net/core/filter.c:bpf_skb_set_tstamp",
    ),
)
# fmt: on
