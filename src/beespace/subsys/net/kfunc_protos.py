"""Prototypes of the kfuncs of slice net.

As they stand in the BTF of Linux 6.18 (``tools/check_kfuncs.py`` compares them with the running kernel).
"""

from beespace.decl import declare_kfunc

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    # net/netfilter/nf_conntrack_bpf.c
    declare_kfunc(
        "struct nf_conn___init *bpf_xdp_ct_alloc(struct xdp_md *xdp_ctx, struct bpf_sock_tuple *bpf_tuple, "
        "u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)",
    ),
    declare_kfunc(
        "struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *xdp_ctx, struct bpf_sock_tuple *bpf_tuple, u32 tuple__sz, "
        "struct bpf_ct_opts *opts, u32 opts__sz)",
    ),
    declare_kfunc(
        "struct nf_conn___init *bpf_skb_ct_alloc(struct __sk_buff *skb_ctx, struct bpf_sock_tuple *bpf_tuple, "
        "u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)",
    ),
    declare_kfunc(
        "struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb_ctx, struct bpf_sock_tuple *bpf_tuple, "
        "u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)",
    ),
    declare_kfunc("struct nf_conn *bpf_ct_insert_entry(struct nf_conn___init *nfct_i)"),
    declare_kfunc("void bpf_ct_release(struct nf_conn *nfct)"),
    declare_kfunc("void bpf_ct_set_timeout(struct nf_conn___init *nfct, u32 timeout)"),
    declare_kfunc("int bpf_ct_change_timeout(struct nf_conn *nfct, u32 timeout)"),
    declare_kfunc("int bpf_ct_set_status(const struct nf_conn___init *nfct, u32 status)"),
    declare_kfunc("int bpf_ct_change_status(struct nf_conn *nfct, u32 status)"),
    # net/netfilter/nf_nat_bpf.c
    declare_kfunc(
        "int bpf_ct_set_nat_info(struct nf_conn___init *nfct, union nf_inet_addr *addr, int port, "
        "enum nf_nat_manip_type manip)",
    ),
    # net/core/filter.c
    declare_kfunc("int bpf_dynptr_from_xdp(struct xdp_md *x, u64 flags, struct bpf_dynptr *ptr__uninit)"),
    declare_kfunc("int bpf_xdp_pull_data(struct xdp_md *x, u32 len)", "6.18"),
    # net/xfrm/xfrm_state_bpf.c
    declare_kfunc(
        "struct xfrm_state *bpf_xdp_get_xfrm_state(struct xdp_md *ctx, struct bpf_xfrm_state_opts *opts, "
        "u32 opts__sz)",
    ),
    declare_kfunc("void bpf_xdp_xfrm_state_release(struct xfrm_state *x)"),
    # net/core/xdp.c
    declare_kfunc(
        "int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, u32 *hash, "
        "enum xdp_rss_hash_type *rss_type)",
    ),
    declare_kfunc("int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx, u64 *timestamp)"),
    declare_kfunc("int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *vlan_proto, u16 *vlan_tci)"),
    # net/core/filter.c
    declare_kfunc("int bpf_dynptr_from_skb(struct __sk_buff *s, u64 flags, struct bpf_dynptr *ptr__uninit)"),
    # net/core/filter.c
    declare_kfunc(
        "int bpf_dynptr_from_skb_meta(struct __sk_buff *skb_, u64 flags, "
        "struct bpf_dynptr *ptr__uninit)", "6.18",
    ),
    # net/bpf/test_run.c
    declare_kfunc("void bpf_kfunc_call_test_release(struct prog_test_ref_kfunc *p)"),
    declare_kfunc("void bpf_kfunc_call_memb_release(struct prog_test_member *p)"),
    # net/core/filter.c
    declare_kfunc(
        "int bpf_sk_assign_tcp_reqsk(struct __sk_buff *s, struct sock *sk, struct bpf_tcp_req_attrs *attrs, "
        "int attrs__sz)",
    ),
    # net/ipv4/tcp_bbr.c
    declare_kfunc("void bbr_init(struct sock *sk)"),
    declare_kfunc("void bbr_main(struct sock *sk, u32 ack, int flag, const struct rate_sample *rs)"),
    declare_kfunc("u32 bbr_sndbuf_expand(struct sock *sk)"),
    declare_kfunc("u32 bbr_undo_cwnd(struct sock *sk)"),
    declare_kfunc("void bbr_cwnd_event(struct sock *sk, enum tcp_ca_event event)"),
    declare_kfunc("u32 bbr_ssthresh(struct sock *sk)"),
    declare_kfunc("u32 bbr_min_tso_segs(struct sock *sk)"),
    declare_kfunc("void bbr_set_state(struct sock *sk, u8 new_state)"),
    # net/ipv4/tcp_cubic.c
    declare_kfunc("void cubictcp_init(struct sock *sk)"),
    declare_kfunc("u32 cubictcp_recalc_ssthresh(struct sock *sk)"),
    declare_kfunc("void cubictcp_cong_avoid(struct sock *sk, u32 ack, u32 acked)"),
    declare_kfunc("void cubictcp_state(struct sock *sk, u8 new_state)"),
    declare_kfunc("void cubictcp_cwnd_event(struct sock *sk, enum tcp_ca_event event)"),
    declare_kfunc("void cubictcp_acked(struct sock *sk, const struct ack_sample *sample)"),
    # net/ipv4/bpf_tcp_ca.c
    declare_kfunc("u32 tcp_reno_ssthresh(struct sock *sk)"),
    declare_kfunc("void tcp_reno_cong_avoid(struct sock *sk, u32 ack, u32 acked)"),
    declare_kfunc("u32 tcp_reno_undo_cwnd(struct sock *sk)"),
    declare_kfunc("u32 tcp_slow_start(struct tcp_sock *tp, u32 acked)"),
    declare_kfunc("void tcp_cong_avoid_ai(struct tcp_sock *tp, u32 w, u32 acked)"),
    # net/core/filter.c
    declare_kfunc("int bpf_sock_destroy(struct sock_common *sock)"),
    # net/core/filter.c
    declare_kfunc(
        "int bpf_sock_addr_set_sun_path(struct bpf_sock_addr_kern *sa_kern, const u8 *sun_path, "
        "u32 sun_path__sz)",
    ),
    # net/core/filter.c
    declare_kfunc("int bpf_sock_ops_enable_tx_tstamp(struct bpf_sock_ops_kern *skops, u64 flags)", "6.15"),
    # net/sched/bpf_qdisc.c
    declare_kfunc("u32 bpf_skb_get_hash(struct sk_buff *skb)", "6.16"),
    declare_kfunc("void bpf_kfree_skb(struct sk_buff *skb)", "6.16"),
    declare_kfunc("void bpf_qdisc_skb_drop(struct sk_buff *skb, struct bpf_sk_buff_ptr *to_free_list)", "6.16"),
    declare_kfunc("void bpf_qdisc_watchdog_schedule(struct Qdisc *sch, u64 expire, u64 delta_ns)", "6.16"),
    declare_kfunc("int bpf_qdisc_init_prologue(struct Qdisc *sch, struct netlink_ext_ack *extack)", "6.16"),
    declare_kfunc("void bpf_qdisc_reset_destroy_epilogue(struct Qdisc *sch)", "6.16"),
    declare_kfunc("void bpf_qdisc_bstats_update(struct Qdisc *sch, const struct sk_buff *skb)", "6.16"),
)
# fmt: on
