"""Which programs may call the kfuncs of slice net, with which flags.

Sets and flags are those that Linux 6.18 has registered (``tools/check_kfuncs.py`` compares them with the running
kernel).
"""

from beespace.decl import KfuncSet, Program
from beespace.helpers.protos.hooks import (
    HOOK_CGROUP,
    HOOK_LWT,
    HOOK_NETFILTER,
    HOOK_SCHED_ACT,
    HOOK_SK_SKB,
    HOOK_SOCKET_FILTER,
    HOOK_STRUCT_OPS,
    HOOK_SYSCALL,
    HOOK_TC,
    HOOK_TRACING,
    HOOK_XDP,
)
from beespace.uapi.bpf import BPF_TRACE_ITER, KF_ACQUIRE, KF_RELEASE, KF_RET_NULL, KF_TRUSTED_ARGS

__all__ = ["KFUNC_SETS"]


def _tracing_iter_filter(_prog_type: int, attach_type: int, _name: str) -> bool:
    return attach_type != BPF_TRACE_ITER


# kfunc -> members of struct Qdisc_ops whose programs may call it; None: all
_QDISC = {
    "bpf_skb_get_hash": None,
    "bpf_kfree_skb": None,
    "bpf_dynptr_from_skb": None,
    "bpf_qdisc_skb_drop": ("enqueue",),
    "bpf_qdisc_watchdog_schedule": ("enqueue", "dequeue"),
    "bpf_qdisc_bstats_update": ("dequeue",),
    "bpf_qdisc_init_prologue": (),
    "bpf_qdisc_reset_destroy_epilogue": (),
}


def _bpf_qdisc_kfunc_filter(prog: Program, name: str) -> bool:
    if prog.attach_btf is None or prog.attach_name != "Qdisc_ops":
        return True
    members = _QDISC[name]
    member = prog.attach_btf.members(prog.attach_btf_id)[prog.expected_attach_type].name
    return members is not None and member not in members


# fmt: off
KFUNC_SETS = (
    KfuncSet(
        "nf_ct_kfunc_set",
        HOOK_TC | HOOK_XDP,
        {
            "bpf_xdp_ct_alloc": KF_ACQUIRE | KF_RET_NULL,
            "bpf_xdp_ct_lookup": KF_ACQUIRE | KF_RET_NULL,
            "bpf_skb_ct_alloc": KF_ACQUIRE | KF_RET_NULL,
            "bpf_skb_ct_lookup": KF_ACQUIRE | KF_RET_NULL,
            "bpf_ct_insert_entry": KF_ACQUIRE | KF_RELEASE | KF_RET_NULL,
            "bpf_ct_release": KF_RELEASE,
            "bpf_ct_set_timeout": KF_TRUSTED_ARGS,
            "bpf_ct_change_timeout": KF_TRUSTED_ARGS,
            "bpf_ct_set_status": KF_TRUSTED_ARGS,
            "bpf_ct_change_status": KF_TRUSTED_ARGS,
        },
    ),
    KfuncSet(
        "nf_nat_kfunc_set",
        HOOK_TC | HOOK_XDP,
        {
            "bpf_ct_set_nat_info": KF_TRUSTED_ARGS,
        },
    ),
    KfuncSet(
        "bpf_kfunc_check_set_xdp",
        HOOK_XDP,
        {
            "bpf_dynptr_from_xdp": 0,
            "bpf_xdp_pull_data": 0,
        },
    ),
    KfuncSet(
        "xfrm_state_kfunc_set",
        HOOK_XDP,
        {
            "bpf_xdp_get_xfrm_state": KF_ACQUIRE | KF_RET_NULL,
            "bpf_xdp_xfrm_state_release": KF_RELEASE,
        },
    ),
    KfuncSet(
        "xdp_metadata_kfunc_ids",
        HOOK_XDP,
        {
            "bpf_xdp_metadata_rx_hash": KF_TRUSTED_ARGS,
            "bpf_xdp_metadata_rx_timestamp": KF_TRUSTED_ARGS,
            "bpf_xdp_metadata_rx_vlan_tag": KF_TRUSTED_ARGS,
        },
    ),
    KfuncSet(
        "bpf_kfunc_check_set_skb",
        HOOK_CGROUP | HOOK_LWT | HOOK_NETFILTER | HOOK_SCHED_ACT | HOOK_SK_SKB | HOOK_SOCKET_FILTER | HOOK_TC
        | HOOK_TRACING,
        {
            "bpf_dynptr_from_skb": KF_TRUSTED_ARGS,
        },
    ),
    KfuncSet(
        "bpf_kfunc_check_set_skb_meta",
        HOOK_SCHED_ACT | HOOK_TC,
        {
            "bpf_dynptr_from_skb_meta": KF_TRUSTED_ARGS,
        },
    ),
    KfuncSet(
        "test_sk_check_kfunc_ids",
        HOOK_SYSCALL | HOOK_TC | HOOK_TRACING,
        {
            "bpf_kfunc_call_test_release": KF_RELEASE,
            "bpf_kfunc_call_memb_release": KF_RELEASE,
        },
    ),
    KfuncSet(
        "bpf_kfunc_check_set_tcp_reqsk",
        HOOK_TC,
        {
            "bpf_sk_assign_tcp_reqsk": KF_TRUSTED_ARGS,
        },
    ),
    KfuncSet(
        "tcp_bbr_check_kfunc_ids",
        HOOK_STRUCT_OPS,
        {
            "bbr_init": 0,
            "bbr_main": 0,
            "bbr_sndbuf_expand": 0,
            "bbr_undo_cwnd": 0,
            "bbr_cwnd_event": 0,
            "bbr_ssthresh": 0,
            "bbr_min_tso_segs": 0,
            "bbr_set_state": 0,
        },
    ),
    KfuncSet(
        "tcp_cubic_check_kfunc_ids",
        HOOK_STRUCT_OPS,
        {
            "cubictcp_init": 0,
            "cubictcp_recalc_ssthresh": 0,
            "cubictcp_cong_avoid": 0,
            "cubictcp_state": 0,
            "cubictcp_cwnd_event": 0,
            "cubictcp_acked": 0,
        },
    ),
    KfuncSet(
        "bpf_tcp_ca_check_kfunc_ids",
        HOOK_STRUCT_OPS,
        {
            "tcp_reno_ssthresh": 0,
            "tcp_reno_cong_avoid": 0,
            "tcp_reno_undo_cwnd": 0,
            "tcp_slow_start": 0,
            "tcp_cong_avoid_ai": 0,
        },
    ),
    KfuncSet(
        "bpf_sk_iter_kfunc_ids",
        HOOK_TRACING,
        {
            "bpf_sock_destroy": KF_TRUSTED_ARGS,
        },
        filter=_tracing_iter_filter,
    ),
    KfuncSet(
        "bpf_kfunc_check_set_sock_addr",
        HOOK_CGROUP,
        {
            "bpf_sock_addr_set_sun_path": 0,
        },
    ),
    KfuncSet(
        "bpf_kfunc_check_set_sock_ops",
        HOOK_CGROUP,
        {
            "bpf_sock_ops_enable_tx_tstamp": KF_TRUSTED_ARGS,
        },
    ),
    KfuncSet(
        "qdisc_kfunc_ids",
        HOOK_STRUCT_OPS,
        {
            "bpf_skb_get_hash": KF_TRUSTED_ARGS,
            "bpf_kfree_skb": KF_RELEASE,
            "bpf_qdisc_skb_drop": KF_RELEASE,
            "bpf_dynptr_from_skb": KF_TRUSTED_ARGS,
            "bpf_qdisc_watchdog_schedule": KF_TRUSTED_ARGS,
            "bpf_qdisc_init_prologue": KF_TRUSTED_ARGS,
            "bpf_qdisc_reset_destroy_epilogue": KF_TRUSTED_ARGS,
            "bpf_qdisc_bstats_update": KF_TRUSTED_ARGS,
        },
        prog_filter=_bpf_qdisc_kfunc_filter,
        since="6.16",
    ),
)
# fmt: on
