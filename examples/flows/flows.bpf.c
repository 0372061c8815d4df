// SPDX-License-Identifier: Apache-2.0
/* Counts packets and bytes per flow, at XDP or at a TC hook.
 *
 * Flows are keyed by addresses, ports and protocol; IPv4 addresses are stored as IPv4-mapped IPv6 (::ffff:a.b.c.d), so
 * that one map serves both. Up to two VLAN tags are looked through. Per-CPU totals tell what was seen and what was not
 * understood. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_VLAN_TAGS 2
#define IP_OFFSET 0x1fff

struct vlan_hdr {
	__be16 tci;
	__be16 proto;
};

struct flow_key {
	struct in6_addr saddr;
	struct in6_addr daddr;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};

struct flow {
	__u64 packets;
	__u64 bytes;
	__u64 first_ns;
	__u64 last_ns;
	__u16 vlan; /* outermost tag's id, 0 for none */
	__u8 tcp_flags; /* all flags seen, or-ed */
	__u8 pad[5];
};

enum total {
	TOTAL_PACKETS,
	TOTAL_BYTES,
	TOTAL_NOT_IP,
	TOTAL_MALFORMED,
	TOTAL_TABLE_FULL,
	TOTAL_MAX,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TOTAL_MAX);
	__type(key, __u32);
	__type(value, __u64);
} totals SEC(".maps");

/* Set before loading: packets of other protocols are counted in totals only. 0: all. */
const volatile __u8 only_proto = 0;

/* A cursor into the packet: everything that is read is checked against end first. */
struct cursor {
	void *pos;
	void *end;
};

#define NEXT(cur, type)                                          \
	({                                                       \
		type *_hdr = (cur)->pos;                         \
		(void *)(_hdr + 1) > (cur)->end                  \
			? (type *)0                              \
			: ((cur)->pos = _hdr + 1, _hdr);         \
	})

static __always_inline void add_total(enum total which, __u64 n)
{
	__u32 key = which;
	__u64 *value = bpf_map_lookup_elem(&totals, &key);

	if (value)
		*value += n;
}

static __always_inline void set_mapped(struct in6_addr *to, __be32 addr)
{
	to->in6_u.u6_addr32[2] = bpf_htonl(0xffff);
	to->in6_u.u6_addr32[3] = addr;
}

/* Fills *key and *vlan; 0, or the total in which the packet belongs. */
static __always_inline enum total parse(struct cursor *cur, __be16 proto, struct flow_key *key,
					struct flow *flow)
{
	int i;

	for (i = 0; i < MAX_VLAN_TAGS; i++) {
		struct vlan_hdr *tag;

		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		tag = NEXT(cur, struct vlan_hdr);
		if (!tag)
			return TOTAL_MALFORMED;
		if (!flow->vlan)
			flow->vlan = bpf_ntohs(tag->tci) & 0xfff;
		proto = tag->proto;
	}

	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = NEXT(cur, struct iphdr);

		if (!ip || ip->ihl < 5)
			return TOTAL_MALFORMED;
		cur->pos = (void *)ip + ip->ihl * 4;
		set_mapped(&key->saddr, ip->saddr);
		set_mapped(&key->daddr, ip->daddr);
		key->proto = ip->protocol;
		if (ip->frag_off & bpf_htons(IP_OFFSET))
			return 0; /* a later fragment has no ports */
	} else if (proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = NEXT(cur, struct ipv6hdr);

		if (!ip6)
			return TOTAL_MALFORMED;
		__builtin_memcpy(&key->saddr, &ip6->saddr, sizeof(key->saddr));
		__builtin_memcpy(&key->daddr, &ip6->daddr, sizeof(key->daddr));
		key->proto = ip6->nexthdr;
	} else {
		return TOTAL_NOT_IP;
	}

	if (key->proto == IPPROTO_TCP) {
		struct tcphdr *tcp = NEXT(cur, struct tcphdr);

		if (!tcp)
			return TOTAL_MALFORMED;
		key->sport = tcp->source;
		key->dport = tcp->dest;
		flow->tcp_flags = ((__u8 *)tcp)[13];
	} else if (key->proto == IPPROTO_UDP) {
		struct udphdr *udp = NEXT(cur, struct udphdr);

		if (!udp)
			return TOTAL_MALFORMED;
		key->sport = udp->source;
		key->dport = udp->dest;
	}
	return 0;
}

static __always_inline void count(struct cursor *cur, __be16 proto, __u16 vlan, __u64 bytes)
{
	struct flow_key key = {};
	struct flow new = { .packets = 1, .bytes = bytes, .vlan = vlan };
	struct flow *flow;
	enum total refused;

	add_total(TOTAL_PACKETS, 1);
	add_total(TOTAL_BYTES, bytes);
	refused = parse(cur, proto, &key, &new);
	if (refused) {
		add_total(refused, 1);
		return;
	}
	if (only_proto && key.proto != only_proto)
		return;

	new.first_ns = new.last_ns = bpf_ktime_get_ns();
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow) {
		if (!bpf_map_update_elem(&flows, &key, &new, BPF_NOEXIST))
			return;
		flow = bpf_map_lookup_elem(&flows, &key); /* another CPU was first, or the table is full */
		if (!flow) {
			add_total(TOTAL_TABLE_FULL, 1);
			return;
		}
	}
	__sync_fetch_and_add(&flow->packets, 1);
	__sync_fetch_and_add(&flow->bytes, bytes);
	flow->last_ns = new.last_ns;
	flow->tcp_flags |= new.tcp_flags;
}

SEC("xdp")
int count_xdp(struct xdp_md *ctx)
{
	struct cursor cur = { (void *)(long)ctx->data, (void *)(long)ctx->data_end };
	__u64 bytes = cur.end - cur.pos;
	struct ethhdr *eth = NEXT(&cur, struct ethhdr);

	if (!eth) {
		add_total(TOTAL_MALFORMED, 1);
		return XDP_DROP;
	}
	count(&cur, eth->h_proto, 0, bytes);
	return XDP_PASS;
}

SEC("tc")
int count_tc(struct __sk_buff *skb)
{
	struct cursor cur = { (void *)(long)skb->data, (void *)(long)skb->data_end };
	struct ethhdr *eth = NEXT(&cur, struct ethhdr);

	if (!eth) {
		add_total(TOTAL_MALFORMED, 1);
		return TC_ACT_SHOT;
	}
	/* the kernel strips the outermost tag of a received frame before TC */
	count(&cur, eth->h_proto, skb->vlan_present ? skb->vlan_tci & 0xfff : 0, skb->len);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
