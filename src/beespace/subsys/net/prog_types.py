"""Program types that see a packet: socket_filter, xdp, sched_cls, sched_act, cgroup_skb, lwt_*, sk_skb, flow_dissector.

:see: net/core/filter.c
"""

from __future__ import annotations

from beespace.decl import ProgType, SectionDef
from beespace.helpers.protos.groups import CGROUP_COMMON, SK_BASE, Protos
from beespace.subsys.net import fields
from beespace.subsys.net.ld_abs import bpf_gen_ld_abs
from beespace.subsys.net.skb import bpf_prog_test_run_skb
from beespace.subsys.net.struct_access import nf_conntrack_btf_struct_access
from beespace.subsys.net.xdp import XDP_PACKETS, bpf_prog_test_run_xdp
from beespace.uapi.bpf import (
    BPF_CGROUP_INET_EGRESS,
    BPF_CGROUP_INET_INGRESS,
    BPF_FLOW_DISSECTOR,
    BPF_NETKIT_PEER,
    BPF_NETKIT_PRIMARY,
    BPF_PROG_TYPE_CGROUP_SKB,
    BPF_PROG_TYPE_FLOW_DISSECTOR,
    BPF_PROG_TYPE_LWT_IN,
    BPF_PROG_TYPE_LWT_OUT,
    BPF_PROG_TYPE_LWT_SEG6LOCAL,
    BPF_PROG_TYPE_LWT_XMIT,
    BPF_PROG_TYPE_SCHED_ACT,
    BPF_PROG_TYPE_SCHED_CLS,
    BPF_PROG_TYPE_SK_SKB,
    BPF_PROG_TYPE_SOCKET_FILTER,
    BPF_PROG_TYPE_XDP,
    BPF_SK_SKB_STREAM_PARSER,
    BPF_SK_SKB_STREAM_VERDICT,
    BPF_SK_SKB_VERDICT,
    BPF_TCX_EGRESS,
    BPF_TCX_INGRESS,
    BPF_XDP,
    BPF_XDP_CPUMAP,
    BPF_XDP_DEVMAP,
)

__all__ = ["PROG_TYPES"]

ATTACHABLE = frozenset({"attachable"})
ATTACHABLE_OPT = frozenset({"attachable", "exp_attach_opt"})
XDP_FRAGS = frozenset({"xdp_frags"})

# fmt: off
# net/core/filter.c:sk_filter_func_proto
_SK_FILTER: Protos = (
    "bpf_skb_load_bytes", "bpf_skb_load_bytes_relative", "bpf_get_socket_cookie", "bpf_get_netns_cookie",
    "bpf_get_socket_uid", "bpf_skb_event_output", *SK_BASE,
)

# net/core/filter.c:cg_skb_func_proto
_CG_SKB: Protos = (
    *CGROUP_COMMON, "bpf_sk_fullsock", "bpf_sk_storage_get", "bpf_sk_storage_delete", "bpf_skb_event_output",
    "bpf_skb_cgroup_id", "bpf_skb_ancestor_cgroup_id", "bpf_sk_cgroup_id", "bpf_sk_ancestor_cgroup_id",
    "bpf_sk_lookup_tcp", "bpf_sk_lookup_udp", "bpf_sk_release", "bpf_skc_lookup_tcp", "bpf_tcp_sock",
    "bpf_get_listener_sock", "bpf_skb_ecn_set_ce", *_SK_FILTER,
)

# net/core/filter.c:tc_cls_act_func_proto
_TC_CLS_ACT: Protos = (
    "bpf_skb_store_bytes", "bpf_skb_load_bytes", "bpf_skb_load_bytes_relative", "bpf_skb_pull_data", "bpf_csum_diff",
    "bpf_csum_update", "bpf_csum_level", "bpf_l3_csum_replace", "bpf_l4_csum_replace", "bpf_clone_redirect",
    "bpf_get_cgroup_classid", "bpf_skb_vlan_push", "bpf_skb_vlan_pop", "bpf_skb_change_proto", "bpf_skb_change_type",
    "bpf_skb_adjust_room", "bpf_skb_change_tail", "bpf_skb_change_head", "bpf_skb_get_tunnel_key",
    "bpf_skb_set_tunnel_key", "bpf_skb_get_tunnel_opt", "bpf_skb_set_tunnel_opt", "bpf_redirect",
    "bpf_redirect_neigh", "bpf_redirect_peer", "bpf_get_route_realm", "bpf_get_hash_recalc", "bpf_set_hash_invalid",
    "bpf_set_hash", "bpf_skb_event_output", "bpf_get_smp_processor_id", "bpf_skb_under_cgroup",
    "bpf_get_socket_cookie", "bpf_get_netns_cookie", "bpf_get_socket_uid", "bpf_skb_fib_lookup", "bpf_skb_check_mtu",
    "bpf_sk_fullsock", "bpf_sk_storage_get", "bpf_sk_storage_delete", "bpf_skb_get_xfrm_state",
    "bpf_skb_cgroup_classid", "bpf_skb_cgroup_id", "bpf_skb_ancestor_cgroup_id", "bpf_tc_sk_lookup_tcp",
    "bpf_tc_sk_lookup_udp", "bpf_sk_release", "bpf_tcp_sock", "bpf_get_listener_sock", "bpf_tc_skc_lookup_tcp",
    "bpf_tcp_check_syncookie", "bpf_skb_ecn_set_ce", "bpf_tcp_gen_syncookie", "bpf_sk_assign", "bpf_skb_set_tstamp",
    "bpf_tcp_raw_gen_syncookie_ipv4", "bpf_tcp_raw_gen_syncookie_ipv6", "bpf_tcp_raw_check_syncookie_ipv4",
    "bpf_tcp_raw_check_syncookie_ipv6", *SK_BASE,
)

# net/core/filter.c:xdp_func_proto
_XDP: Protos = (
    "bpf_xdp_event_output", "bpf_get_smp_processor_id", "bpf_csum_diff", "bpf_xdp_adjust_head", "bpf_xdp_adjust_meta",
    "bpf_xdp_redirect", "bpf_xdp_redirect_map", "bpf_xdp_adjust_tail", "bpf_xdp_get_buff_len", "bpf_xdp_load_bytes",
    "bpf_xdp_store_bytes", "bpf_xdp_fib_lookup", "bpf_xdp_check_mtu", "bpf_xdp_sk_lookup_udp",
    "bpf_xdp_sk_lookup_tcp", "bpf_sk_release", "bpf_xdp_skc_lookup_tcp", "bpf_tcp_check_syncookie",
    "bpf_tcp_gen_syncookie", "bpf_tcp_raw_gen_syncookie_ipv4", "bpf_tcp_raw_gen_syncookie_ipv6",
    "bpf_tcp_raw_check_syncookie_ipv4", "bpf_tcp_raw_check_syncookie_ipv6", *SK_BASE,
)

# net/core/filter.c:sk_skb_func_proto
_SK_SKB: Protos = (
    "bpf_skb_store_bytes", "bpf_skb_load_bytes", "sk_skb_pull_data", "sk_skb_change_tail", "sk_skb_change_head",
    "sk_skb_adjust_room", "bpf_get_socket_cookie", "bpf_get_socket_uid", "bpf_sk_redirect_map",
    "bpf_sk_redirect_hash", "bpf_skb_event_output", "bpf_sk_lookup_tcp", "bpf_sk_lookup_udp", "bpf_sk_release",
    "bpf_skc_lookup_tcp", *SK_BASE,
)

# net/core/filter.c:lwt_out_func_proto
_LWT_OUT: Protos = (
    "bpf_skb_load_bytes", "bpf_skb_pull_data", "bpf_csum_diff", "bpf_get_cgroup_classid", "bpf_get_route_realm",
    "bpf_get_hash_recalc", "bpf_skb_event_output", "bpf_get_smp_processor_id", "bpf_skb_under_cgroup", *SK_BASE,
)

# net/core/filter.c:lwt_xmit_func_proto
_LWT_XMIT: Protos = (
    "bpf_skb_get_tunnel_key", "bpf_skb_set_tunnel_key", "bpf_skb_get_tunnel_opt", "bpf_skb_set_tunnel_opt",
    "bpf_redirect", "bpf_clone_redirect", "bpf_skb_change_tail", "bpf_skb_change_head", "bpf_skb_store_bytes",
    "bpf_csum_update", "bpf_csum_level", "bpf_l3_csum_replace", "bpf_l4_csum_replace", "bpf_set_hash_invalid",
    "bpf_lwt_xmit_push_encap", *_LWT_OUT,
)

_TC_ATTACH = (BPF_TCX_INGRESS, BPF_TCX_EGRESS, BPF_NETKIT_PRIMARY, BPF_NETKIT_PEER)


def _tc(prog_type: int, name: str, sections: tuple[SectionDef, ...], attach_types: tuple[int, ...]) -> ProgType:
    return ProgType(
        prog_type, name, "__sk_buff", "sk_buff", ctx_size=fields.SK_BUFF_SIZE, ctx_fields=fields.TC_CLS_ACT,
        sections=sections, protos=_TC_CLS_ACT, attach_types=attach_types, may_write_pkt=True, direct_pkt_access=True,
        net_admin=True, since="4.1", ref="net/core/filter.c:tc_cls_act_prog_ops", test_run=bpf_prog_test_run_skb,
        btf_struct_access=nf_conntrack_btf_struct_access, gen_ld_abs=bpf_gen_ld_abs,
    )


def _lwt(prog_type: int, name: str, protos: Protos, *, since: str, write: bool = False, runs: bool = True) -> ProgType:
    return ProgType(
        prog_type, name, "__sk_buff", "sk_buff", ctx_size=fields.SK_BUFF_SIZE, ctx_fields=fields.LWT,
        sections=(SectionDef(name, prog_type),), protos=protos,
        may_write_pkt=write, direct_pkt_access=True, net_admin=True, since=since,
        ref=f"net/core/filter.c:{name}_prog_ops", test_run=bpf_prog_test_run_skb if runs else None,
    )


PROG_TYPES = (
    ProgType(
        BPF_PROG_TYPE_SOCKET_FILTER, "socket_filter", "__sk_buff", "sk_buff",
        ctx_size=fields.SK_BUFF_SIZE, ctx_fields=fields.SK_FILTER,
        sections=(SectionDef("socket", BPF_PROG_TYPE_SOCKET_FILTER),),
        protos=_SK_FILTER, ref="net/core/filter.c:sk_filter_prog_ops", test_run=bpf_prog_test_run_skb,
        gen_ld_abs=bpf_gen_ld_abs,
    ),
    _tc(
        BPF_PROG_TYPE_SCHED_CLS, "sched_cls",
        (
            SectionDef("tc/ingress", BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS),
            SectionDef("tc/egress", BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_EGRESS),
            SectionDef("tcx/ingress", BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS),
            SectionDef("tcx/egress", BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_EGRESS),
            SectionDef("tc", BPF_PROG_TYPE_SCHED_CLS),
            SectionDef("classifier", BPF_PROG_TYPE_SCHED_CLS),
            SectionDef("netkit/primary", BPF_PROG_TYPE_SCHED_CLS, BPF_NETKIT_PRIMARY),
            SectionDef("netkit/peer", BPF_PROG_TYPE_SCHED_CLS, BPF_NETKIT_PEER),
        ),
        _TC_ATTACH,
    ),
    _tc(BPF_PROG_TYPE_SCHED_ACT, "sched_act", (SectionDef("action", BPF_PROG_TYPE_SCHED_ACT),), ()),
    ProgType(
        BPF_PROG_TYPE_XDP, "xdp", "xdp_md", "xdp_buff", ctx_size=fields.XDP_MD_SIZE, ctx_fields=fields.XDP_MD,
        sections=(
            SectionDef("xdp.frags/devmap", BPF_PROG_TYPE_XDP, BPF_XDP_DEVMAP, XDP_FRAGS),
            SectionDef("xdp/devmap", BPF_PROG_TYPE_XDP, BPF_XDP_DEVMAP, ATTACHABLE),
            SectionDef("xdp.frags/cpumap", BPF_PROG_TYPE_XDP, BPF_XDP_CPUMAP, XDP_FRAGS),
            SectionDef("xdp/cpumap", BPF_PROG_TYPE_XDP, BPF_XDP_CPUMAP, ATTACHABLE),
            SectionDef("xdp.frags", BPF_PROG_TYPE_XDP, BPF_XDP, XDP_FRAGS),
            SectionDef("xdp", BPF_PROG_TYPE_XDP, BPF_XDP, ATTACHABLE_OPT),
        ),
        protos=_XDP, attach_types=(BPF_XDP, BPF_XDP_DEVMAP, BPF_XDP_CPUMAP), may_write_pkt=True,
        direct_pkt_access=True, net_admin=True, since="4.8", ref="net/core/filter.c:xdp_prog_ops",
        test_run=bpf_prog_test_run_xdp, packet_plan=XDP_PACKETS, btf_struct_access=nf_conntrack_btf_struct_access,
    ),
    ProgType(
        BPF_PROG_TYPE_CGROUP_SKB, "cgroup_skb", "__sk_buff", "sk_buff",
        ctx_size=fields.SK_BUFF_SIZE, ctx_fields=fields.CG_SKB,
        sections=(
            SectionDef("cgroup_skb/ingress", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, ATTACHABLE_OPT),
            SectionDef("cgroup_skb/egress", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, ATTACHABLE_OPT),
            SectionDef("cgroup/skb", BPF_PROG_TYPE_CGROUP_SKB),
        ),
        protos=_CG_SKB, attach_types=(BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS),
        load_attach_types=frozenset({BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS}),
        ret_range=(0, 1), ret_ranges={BPF_CGROUP_INET_EGRESS: (0, 3)}, direct_pkt_access=True,
        since="4.10", ref="net/core/filter.c:cg_skb_prog_ops", test_run=bpf_prog_test_run_skb,
    ),
    _lwt(BPF_PROG_TYPE_LWT_IN, "lwt_in", ("bpf_lwt_in_push_encap", *_LWT_OUT), since="4.10"),
    _lwt(BPF_PROG_TYPE_LWT_OUT, "lwt_out", _LWT_OUT, since="4.10"),
    _lwt(BPF_PROG_TYPE_LWT_XMIT, "lwt_xmit", _LWT_XMIT, since="4.10", write=True),
    _lwt(
        BPF_PROG_TYPE_LWT_SEG6LOCAL, "lwt_seg6local",
        ("bpf_lwt_seg6_store_bytes", "bpf_lwt_seg6_action", "bpf_lwt_seg6_adjust_srh", *_LWT_OUT), since="4.18",
        runs=False,
    ),
    ProgType(
        BPF_PROG_TYPE_SK_SKB, "sk_skb", "__sk_buff", "sk_buff", ctx_size=fields.SK_BUFF_SIZE, ctx_fields=fields.SK_SKB,
        sections=(
            SectionDef("sk_skb/stream_parser", BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_STREAM_PARSER, ATTACHABLE_OPT),
            SectionDef("sk_skb/stream_verdict", BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_STREAM_VERDICT, ATTACHABLE_OPT),
            SectionDef("sk_skb/verdict", BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_VERDICT, ATTACHABLE_OPT),
            SectionDef("sk_skb", BPF_PROG_TYPE_SK_SKB),
        ),
        protos=_SK_SKB, attach_types=(BPF_SK_SKB_STREAM_PARSER, BPF_SK_SKB_STREAM_VERDICT, BPF_SK_SKB_VERDICT),
        may_write_pkt=True, direct_pkt_access=True, net_admin=True,
        since="4.14", ref="net/core/filter.c:sk_skb_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_FLOW_DISSECTOR, "flow_dissector", "__sk_buff", "bpf_flow_dissector",
        ctx_size=fields.SK_BUFF_SIZE, ctx_fields=fields.FLOW_DISSECTOR,
        sections=(SectionDef("flow_dissector", BPF_PROG_TYPE_FLOW_DISSECTOR, BPF_FLOW_DISSECTOR, ATTACHABLE_OPT),),
        protos=("bpf_flow_dissector_load_bytes", *SK_BASE), attach_types=(BPF_FLOW_DISSECTOR,),
        direct_pkt_access=True, net_admin=True,
        since="4.20", ref="net/core/filter.c:flow_dissector_prog_ops",
    ),
)
# fmt: on
