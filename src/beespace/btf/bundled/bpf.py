"""BPF's own objects and the contexts of its program types. Structs of the user interface come from beespace.uapi."""

DECLARATIONS = """
struct bpf_map_ops;
struct btf { u32 id; char name[56]; };
struct bpf_map {
	const struct bpf_map_ops *ops;
	struct bpf_map *inner_map_meta;
	enum bpf_map_type map_type;
	u32 key_size, value_size, max_entries;
	u64 map_extra;
	u32 map_flags, id;
	struct btf *btf;
	u32 btf_key_type_id, btf_value_type_id, btf_vmlinux_value_type_id;
	char name[16];
	atomic64_t refcnt, usercnt, writecnt;
	bool frozen, bypass_spec_v1;
	s64 *elem_count;
	u64 cookie;
};
struct bpf_array { struct bpf_map map; u32 elem_size, index_mask; char value[] __attribute__((aligned(8))); };
struct bpf_htab { struct bpf_map map; void *buckets, *elems; u32 n_buckets, elem_size, hashrnd; };
struct bpf_ksym { unsigned long start, end; char name[512]; bool prog; };
struct bpf_prog_aux {
	atomic64_t refcnt;
	u32 used_map_cnt, max_ctx_offset, stack_depth, id, func_cnt, attach_btf_id;
	struct btf *attach_btf;
	struct bpf_prog *dst_prog;
	bool sleepable, tail_call_reachable;
	struct bpf_prog **func;
	struct bpf_ksym ksym;
	struct bpf_map **used_maps;
	struct bpf_prog *prog;
	u64 load_time;
	u32 verified_insns;
	char name[16];
	struct btf *btf;
};
struct bpf_prog {
	u16 pages;
	u16 jited : 1;
	u16 jit_requested : 1;
	u16 gpl_compatible : 1;
	u16 sleepable : 1;
	enum bpf_prog_type type;
	enum bpf_attach_type expected_attach_type;
	u32 len, jited_len;
	u8 tag[8];
	struct bpf_prog_aux *aux;
};
struct bpf_link_ops;
struct bpf_link {
	atomic64_t refcnt;
	u32 id;
	enum bpf_link_type type;
	const struct bpf_link_ops *ops;
	struct bpf_prog *prog;
};
struct bpf_cpumask { cpumask_t cpumask; refcount_t usage; };
struct bpf_crypto_params { char type[14]; u8 reserved[2]; char algo[128]; u8 key[256]; u32 key_len, authsize; };
struct bpf_crypto_ctx { const void *type; void *tfm; u32 siv_len; refcount_t usage; };
struct bpf_mem_alloc { void *caches; };
struct bpf_dynptr_kern { void *data; u32 size, offset; } __attribute__((aligned(8)));
struct bpf_raw_tracepoint_args { __u64 args[0]; };
struct bpf_perf_event_data { bpf_user_pt_regs_t regs; __u64 sample_period, addr; };
struct bpf_perf_event_data_kern { bpf_user_pt_regs_t *regs; void *data; void *event; };
struct kallsym_iter {
	loff_t pos;
	unsigned long value;
	char type;
	char name[512];
	char module_name[56];
	int exported, show_value;
};
struct bpf_iter_scx_dsq { u64 __opaque[6]; } __attribute__((aligned(8)));

struct bpf_fib_lookup {
	__u8 family, l4_protocol;
	__be16 sport, dport;
	union { __u16 tot_len, mtu_result; };
	__u32 ifindex;
	union { __u8 tos; __be32 flowinfo; __u32 rt_metric; };
	union { __be32 ipv4_src; __u32 ipv6_src[4]; };
	union { __be32 ipv4_dst; __u32 ipv6_dst[4]; };
	union { struct { __be16 h_vlan_proto, h_vlan_TCI; }; __u32 tbid; };
	union { struct { __u32 mark; }; struct { __u8 smac[6], dmac[6]; }; };
};
struct bpf_flow_keys {
	__u16 nhoff, thoff, addr_proto;
	__u8 is_frag, is_first_frag, is_encap, ip_proto;
	__be16 n_proto, sport, dport;
	union { struct { __be32 ipv4_src, ipv4_dst; }; struct { __u32 ipv6_src[4], ipv6_dst[4]; }; };
	__u32 flags;
	__be32 flow_label;
};
struct bpf_redir_neigh { __u32 nh_family; union { __be32 ipv4_nh; __u32 ipv6_nh[4]; }; };
struct bpf_sk_lookup {
	union { struct bpf_sock *sk; __u64 cookie; };
	__u32 family, protocol, remote_ip4, remote_ip6[4];
	__be16 remote_port;
	__u32 local_ip4, local_ip6[4], local_port, ingress_ifindex;
};
struct bpf_sock_tuple {
	union {
		struct { __be32 saddr, daddr; __be16 sport, dport; } ipv4;
		struct { __be32 saddr[4], daddr[4]; __be16 sport, dport; } ipv6;
	};
};
struct bpf_sock_ops {
	__u32 op;
	union { __u32 args[4], reply, replylong[4]; };
	__u32 family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, is_fullsock, snd_cwnd,
			srtt_us, bpf_sock_ops_cb_flags, state, rtt_min, snd_ssthresh, rcv_nxt, snd_nxt, snd_una, mss_cache,
			ecn_flags, rate_delivered, rate_interval_us, packets_out, retrans_out, total_retrans, segs_in, data_segs_in,
			segs_out, data_segs_out, lost_out, sacked_out, sk_txhash;
	__u64 bytes_received, bytes_acked;
	struct bpf_sock *sk;
	void *skb_data, *skb_data_end;
	__u32 skb_len, skb_tcp_flags;
	__u64 skb_hwtstamp;
};
struct bpf_tunnel_key {
	__u32 tunnel_id;
	union { __u32 remote_ipv4, remote_ipv6[4]; };
	__u8 tunnel_tos, tunnel_ttl;
	union { __u16 tunnel_ext; __be16 tunnel_flags; };
	__u32 tunnel_label;
	union { __u32 local_ipv4, local_ipv6[4]; };
};
struct bpf_xfrm_state { __u32 reqid, spi; __u16 family, ext; union { __u32 remote_ipv4, remote_ipv6[4]; }; };
struct bpf_stack_build_id { __s32 status; unsigned char build_id[20]; union { __u64 offset, ip; }; };
struct bpf_devmap_val { __u32 ifindex; union { int fd; __u32 id; } bpf_prog; };
struct bpf_cpumap_val { __u32 qsize; union { int fd; __u32 id; } bpf_prog; };

struct bpf_struct_ops_common_value { refcount_t refcnt; enum bpf_struct_ops_state state; };
struct bpf_struct_ops_value { struct bpf_struct_ops_common_value common; char data[] __attribute__((aligned(64))); };
struct bpf_dummy_ops_state { int val; };
struct bpf_dummy_ops {
	int (*test_1)(struct bpf_dummy_ops_state *cb);
	int (*test_2)(struct bpf_dummy_ops_state *cb, int a1, unsigned short a2, char a3, unsigned long a4);
	int (*test_sleepable)(struct bpf_dummy_ops_state *cb);
};
struct bpf_struct_ops_bpf_dummy_ops {
	struct bpf_struct_ops_common_value common;
	struct bpf_dummy_ops data __attribute__((aligned(64)));
};
int bpf_dummy_ops__test_1(struct bpf_dummy_ops_state *cb__nullable);
int bpf_dummy_ops__test_2(struct bpf_dummy_ops_state *cb, int a1, unsigned short a2, char a3, unsigned long a4);
int bpf_dummy_ops__test_sleepable(struct bpf_dummy_ops_state *cb);
"""
