"""Packets, devices and sockets."""

DECLARATIONS = """
struct in_addr { __be32 s_addr; };
struct in6_addr { union { __u8 u6_addr8[16]; __be16 u6_addr16[8]; __be32 u6_addr32[4]; } in6_u; };
struct sockaddr { sa_family_t sa_family; union { char sa_data_min[14]; char sa_data[14]; }; };
struct sockaddr_in { sa_family_t sin_family; __be16 sin_port; struct in_addr sin_addr; unsigned char __pad[8]; };
struct sockaddr_in6 {
	unsigned short sin6_family;
	__be16 sin6_port;
	__be32 sin6_flowinfo;
	struct in6_addr sin6_addr;
	__u32 sin6_scope_id;
};
struct sockaddr_un { sa_family_t sun_family; char sun_path[108]; };

struct ethhdr { unsigned char h_dest[6], h_source[6]; __be16 h_proto; } __attribute__((packed));
struct vlan_hdr { __be16 h_vlan_TCI, h_vlan_encapsulated_proto; };
struct arphdr { __be16 ar_hrd, ar_pro; unsigned char ar_hln, ar_pln; __be16 ar_op; };
struct iphdr {
	__u8 ihl : 4;
	__u8 version : 4;
	__u8 tos;
	__be16 tot_len, id, frag_off;
	__u8 ttl, protocol;
	__sum16 check;
	union { struct { __be32 saddr, daddr; }; struct { __be32 saddr, daddr; } addrs; };
};
struct ipv6hdr {
	__u8 priority : 4;
	__u8 version : 4;
	__u8 flow_lbl[3];
	__be16 payload_len;
	__u8 nexthdr, hop_limit;
	union { struct { struct in6_addr saddr, daddr; }; struct { struct in6_addr saddr, daddr; } addrs; };
};
struct ipv6_opt_hdr { __u8 nexthdr, hdrlen; } __attribute__((packed));
struct tcphdr {
	__be16 source, dest;
	__be32 seq, ack_seq;
	__u16 ae : 1, res1 : 3, doff : 4, fin : 1, syn : 1, rst : 1, psh : 1, ack : 1, urg : 1, ece : 1, cwr : 1;
	__be16 window;
	__sum16 check;
	__be16 urg_ptr;
};
struct udphdr { __be16 source, dest, len; __sum16 check; };
struct icmphdr {
	__u8 type, code;
	__sum16 checksum;
	union {
		struct { __be16 id, sequence; } echo;
		__be32 gateway;
		struct { __be16 __unused, mtu; } frag;
		__u8 reserved[4];
	} un;
};
struct icmp6hdr { __u8 icmp6_type, icmp6_code; __sum16 icmp6_cksum; __be32 icmp6_dataun; };

struct net {
	struct ns_common ns;
	u64 net_cookie;
	struct net_device *loopback_dev;
	struct user_namespace *user_ns;
	int ifindex;
};
typedef struct { struct net __rcu *net; } possible_net_t;
struct net_device_stats {
	unsigned long rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped;
};
struct net_device {
	unsigned long priv_flags;
	unsigned int flags, mtu;
	unsigned short needed_headroom, hard_header_len;
	unsigned int num_rx_queues, num_tx_queues, real_num_rx_queues, real_num_tx_queues;
	u64 features;
	possible_net_t nd_net;
	unsigned long state;
	char name[16];
	int ifindex;
	unsigned short type;
	unsigned char min_header_len, name_assign_type, addr_len, operstate;
	int group;
	struct net_device_stats stats;
	const unsigned char *dev_addr;
	unsigned char broadcast[32];
	struct device dev;
};

struct xdp_mem_info { u32 type, id; };
struct xdp_rxq_info { struct net_device *dev; u32 queue_index, reg_state; struct xdp_mem_info mem; u32 frag_size; };
struct xdp_txq_info { struct net_device *dev; };
struct xdp_buff {
	void *data, *data_end, *data_meta, *data_hard_start;
	struct xdp_rxq_info *rxq;
	struct xdp_txq_info *txq;
	u32 frame_sz, flags;
};
struct xdp_frame { void *data; u32 len, headroom, metasize, frame_sz; struct net_device *dev_rx; };
enum xdp_rss_hash_type {
	XDP_RSS_TYPE_NONE = 0, XDP_RSS_L3_IPV4 = 1, XDP_RSS_L3_IPV6 = 2, XDP_RSS_L3_DYNHDR = 4,
	XDP_RSS_L4 = 8, XDP_RSS_L4_TCP = 16, XDP_RSS_L4_UDP = 32,
};

struct skb_frag { unsigned long netmem; unsigned int len, offset; };
typedef struct skb_frag skb_frag_t;
struct skb_shared_info {
	__u8 flags, meta_len, nr_frags, tx_flags;
	unsigned short gso_size, gso_segs;
	struct sk_buff *frag_list;
	unsigned int gso_type;
	u32 tskey;
	atomic_t dataref;
	skb_frag_t frags[17];
};
struct sk_buff {
	struct sk_buff *next, *prev;
	struct net_device *dev;
	struct sock *sk;
	union { ktime_t tstamp; u64 skb_mstamp_ns; };
	char cb[48] __attribute__((aligned(8)));
	unsigned long _skb_refdst;
	void (*destructor)(struct sk_buff *skb);
	unsigned long _nfct;
	unsigned int len, data_len;
	__u16 mac_len, hdr_len, queue_mapping;
	__u8 cloned : 1;
	__u8 nohdr : 1;
	__u8 fclone : 2;
	__u8 peeked : 1;
	__u8 head_frag : 1;
	__u8 pkt_type : 3;
	__u8 ignore_df : 1;
	__u8 ip_summed : 2;
	__u8 ooo_okay : 1;
	__u8 l4_hash : 1;
	__u8 sw_hash : 1;
	__u8 encapsulation : 1;
	__u8 csum_level : 2;
	__u8 tc_at_ingress : 1;
	union { __wsum csum; struct { __u16 csum_start, csum_offset; }; };
	__u32 priority;
	int skb_iif;
	__u32 hash;
	union { u32 vlan_all; struct { __be16 vlan_proto; __u16 vlan_tci; }; };
	union { unsigned int napi_id, sender_cpu; };
	__u32 secmark;
	union { __u32 mark, reserved_tailroom; };
	__be16 inner_protocol;
	__u16 inner_transport_header, inner_network_header, inner_mac_header;
	__be16 protocol;
	__u16 transport_header, network_header, mac_header;
	unsigned char *tail, *end, *head, *data;
	unsigned int truesize;
	refcount_t users;
};

enum sock_type {
	SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3, SOCK_RDM = 4, SOCK_SEQPACKET = 5, SOCK_DCCP = 6,
	SOCK_PACKET = 10,
};
typedef enum { SS_FREE = 0, SS_UNCONNECTED, SS_CONNECTING, SS_CONNECTED, SS_DISCONNECTING } socket_state;
enum {
	TCP_ESTABLISHED = 1, TCP_SYN_SENT, TCP_SYN_RECV, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_TIME_WAIT,
	TCP_CLOSE, TCP_CLOSE_WAIT, TCP_LAST_ACK, TCP_LISTEN, TCP_CLOSING, TCP_NEW_SYN_RECV,
	TCP_BOUND_INACTIVE, TCP_MAX_STATES,
};
struct proto { char name[32]; };
struct sock_common {
	union { u64 skc_addrpair; struct { __be32 skc_daddr, skc_rcv_saddr; }; };
	union { unsigned int skc_hash; __u16 skc_u16hashes[2]; };
	union { __u32 skc_portpair; struct { __be16 skc_dport; __u16 skc_num; }; };
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	struct proto *skc_prot;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
	refcount_t skc_refcnt;
};
struct sk_buff_head { struct sk_buff *next, *prev; __u32 qlen; spinlock_t lock; };
struct socket { socket_state state; short type; unsigned long flags; struct file *file; struct sock *sk; };
struct sock {
	struct sock_common __sk_common;
	atomic_t sk_drops;
	struct sk_buff_head sk_error_queue, sk_receive_queue, sk_write_queue;
	int sk_rcvbuf, sk_sndbuf, sk_wmem_queued;
	atomic_t sk_rmem_alloc;
	refcount_t sk_wmem_alloc;
	unsigned long sk_pacing_rate, sk_max_pacing_rate;
	__u32 sk_priority, sk_mark;
	kuid_t sk_uid;
	u16 sk_protocol, sk_type;
	u8 sk_shutdown;
	int sk_err;
	u32 sk_ack_backlog, sk_max_ack_backlog, sk_txhash;
	struct socket *sk_socket;
	void *sk_user_data;
	void *sk_security;
	struct bpf_local_storage __rcu *sk_bpf_storage;
};
struct ipv6_pinfo { struct in6_addr saddr; __be32 flow_label; s16 hop_limit; };
struct inet_sock {
	struct sock sk;
	struct ipv6_pinfo *pinet6;
	__be32 inet_saddr;
	__be16 inet_sport;
	__u8 tos, min_ttl;
	__be16 inet_id;
};
struct request_sock {
	struct sock_common __req_common;
	u16 mss;
	u8 num_retrans, syncookie;
	u32 ts_recent, secid;
	struct sock *sk;
};
struct inet_request_sock { struct request_sock req; u16 snd_wscale, rcv_wscale; u32 ir_mark; };
struct tcp_request_sock { struct inet_request_sock req; u32 rcv_isn, snt_isn, ts_off, txhash; };
struct inet_connection_sock {
	struct inet_sock icsk_inet;
	u32 icsk_rto, icsk_rto_min;
	const struct tcp_congestion_ops *icsk_ca_ops;
	__u8 icsk_ca_state, icsk_retransmits, icsk_pending, icsk_backoff;
	__u64 icsk_ca_priv[13];
};
struct minmax_sample { u32 t, v; };
struct minmax { struct minmax_sample s[3]; };
struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u16 tcp_header_len, gso_segs;
	u32 rcv_nxt, copied_seq, rcv_wup, snd_nxt, snd_una, snd_wnd, max_window, mss_cache, window_clamp, rcv_ssthresh;
	u32 segs_in, segs_out, data_segs_in, data_segs_out;
	u64 bytes_received, bytes_acked, bytes_sent, bytes_retrans;
	u32 srtt_us, mdev_us, rttvar_us, rtt_seq;
	struct minmax rtt_min;
	u32 packets_out, retrans_out, max_packets_out, lost_out, sacked_out, snd_cwnd, snd_cwnd_cnt, snd_cwnd_clamp,
				snd_ssthresh;
	u32 prior_cwnd, prr_delivered, prr_out, delivered, delivered_ce, lost, app_limited, reordering, total_retrans;
	u64 tcp_mstamp, delivered_mstamp;
	u32 write_seq, pushed_seq, rcv_wnd, rate_delivered, rate_interval_us;
	u8 ecn_flags;
	u32 bpf_sock_ops_cb_flags;
};
struct tcp6_sock { struct tcp_sock tcp; struct ipv6_pinfo inet6; };
struct inet_timewait_sock { struct sock_common __tw_common; __be16 tw_sport; u32 tw_mark; };
struct tcp_timewait_sock { struct inet_timewait_sock tw_sk; u32 tw_rcv_nxt, tw_snd_nxt, tw_rcv_wnd; };
struct udp_sock { struct inet_sock inet; unsigned long udp_flags; int pending; __u16 len, gso_size; };
struct udp6_sock { struct udp_sock udp; struct ipv6_pinfo inet6; };
struct unix_address { refcount_t refcnt; int len; struct sockaddr_un name[1]; };
struct unix_sock { struct sock sk; struct unix_address *addr; struct path path; struct sock *peer; };
struct mptcp_sock { struct inet_connection_sock sk; u64 local_key, remote_key, write_seq, ack_seq; u32 token; };
struct netlink_sock { struct sock sk; unsigned long flags; u32 portid, dst_portid, dst_group; };
struct fib6_info { struct net_device *dev; u32 fib6_metric, fib6_flags; u8 fib6_protocol, fib6_type; };
struct msghdr { void *msg_name; int msg_namelen; struct iov_iter msg_iter; unsigned int msg_flags; };
struct sk_msg { struct sk_buff *skb; struct sock *sk_redir, *sk; u32 apply_bytes, cork_bytes, flags; };
struct netlink_ext_ack { const char *_msg; u8 cookie[20], cookie_len; };

union nf_inet_addr { __u32 all[4]; __be32 ip, ip6[4]; struct in_addr in; struct in6_addr in6; };
enum nf_nat_manip_type { NF_NAT_MANIP_SRC, NF_NAT_MANIP_DST };
struct nf_hook_state {
	u8 hook, pf;
	struct net_device *in, *out;
	struct sock *sk;
	struct net *net;
	int (*okfn)(struct net *, struct sock *, struct sk_buff *);
};
struct nf_conn { unsigned long ct_general; unsigned long status; u32 timeout, mark; possible_net_t ct_net; };
struct nf_conn___init { struct nf_conn ct; };
struct xfrm_state { refcount_t refcnt; u32 genid; };

struct bpf_sock_addr_kern { struct sock *sk; struct sockaddr *uaddr; u64 tmp_reg; void *t_ctx; u32 uaddrlen; };
struct bpf_sock_ops_kern {
	struct sock *sk;
	union { u32 args[4], reply, replylong[4]; };
	struct sk_buff *syn_skb, *skb;
	void *skb_data_end;
	u8 op, is_fullsock;
	u64 temp;
};
struct bpf_sockopt_kern {
	struct sock *sk;
	u8 *optval, *optval_end;
	s32 level, optname, optlen;
	struct task_struct *current_task;
	u64 tmp_reg;
};
struct bpf_sysctl_kern {
	void *head, *table, *cur_val;
	size_t cur_len;
	void *new_val;
	size_t new_len;
	int new_updated, write;
	loff_t *ppos;
	u64 tmp_reg;
};
struct bpf_sk_lookup_kern {
	u16 family, protocol;
	__be16 sport;
	u16 dport;
	struct sock *selected_sk;
	u32 ingress_ifindex;
	bool no_reuseport;
};
struct sk_reuseport_kern {
	struct sk_buff *skb;
	struct sock *sk, *selected_sk, *migrating_sk;
	void *data_end;
	u32 hash, reuseport_id;
	bool bind_inany;
};
struct bpf_sk_buff_ptr;

enum tcp_ca_event {
	CA_EVENT_TX_START, CA_EVENT_CWND_RESTART, CA_EVENT_COMPLETE_CWR, CA_EVENT_LOSS, CA_EVENT_ECN_NO_CE,
	CA_EVENT_ECN_IS_CE,
};
struct ack_sample { u32 pkts_acked; s32 rtt_us; u32 in_flight; };
struct rate_sample {
	u64 prior_mstamp;
	u32 prior_delivered, prior_delivered_ce;
	s32 delivered, delivered_ce;
	long interval_us;
	u32 snd_interval_us, rcv_interval_us;
	long rtt_us;
	int losses;
	u32 acked_sacked, prior_in_flight, last_end_seq;
	bool is_app_limited, is_retrans, is_ack_delayed;
};
struct tcpvegas_info { __u32 tcpv_enabled, tcpv_rttcnt, tcpv_rtt, tcpv_minrtt; };
union tcp_cc_info { struct tcpvegas_info vegas; };
struct tcp_congestion_ops {
	u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	void (*set_state)(struct sock *sk, u8 new_state);
	void (*cwnd_event)(struct sock *sk, enum tcp_ca_event ev);
	void (*in_ack_event)(struct sock *sk, u32 flags);
	void (*pkts_acked)(struct sock *sk, const struct ack_sample *sample);
	u32 (*min_tso_segs)(struct sock *sk);
	void (*cong_control)(struct sock *sk, u32 ack, int flag, const struct rate_sample *rs);
	u32 (*undo_cwnd)(struct sock *sk);
	u32 (*sndbuf_expand)(struct sock *sk);
	size_t (*get_info)(struct sock *sk, u32 ext, int *attr, union tcp_cc_info *info);
	char name[16];
	struct module *owner;
	struct list_head list;
	u32 key, flags;
	void (*init)(struct sock *sk);
	void (*release)(struct sock *sk);
};
struct bpf_struct_ops_tcp_congestion_ops {
	struct bpf_struct_ops_common_value common;
	struct tcp_congestion_ops data __attribute__((aligned(64)));
};

struct qdisc_skb_head { struct sk_buff *head, *tail; __u32 qlen; };
struct Qdisc {
	unsigned int flags;
	u32 limit, handle, parent;
	const struct Qdisc_ops *ops;
	struct qdisc_skb_head q;
	struct net_device *dev;
};
struct nlattr { __u16 nla_len, nla_type; };
struct Qdisc_ops {
	struct Qdisc_ops *next;
	char id[16];
	int priv_size;
	unsigned int static_flags;
	int (*enqueue)(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free);
	struct sk_buff *(*dequeue)(struct Qdisc *sch);
	struct sk_buff *(*peek)(struct Qdisc *sch);
	int (*init)(struct Qdisc *sch, struct nlattr *arg, struct netlink_ext_ack *extack);
	void (*reset)(struct Qdisc *sch);
	void (*destroy)(struct Qdisc *sch);
	struct module *owner;
};
struct bpf_struct_ops_Qdisc_ops {
	struct bpf_struct_ops_common_value common;
	struct Qdisc_ops data __attribute__((aligned(64)));
};
"""
