// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf.h>
#include <linux/in6.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum state { IDLE, OPEN = 3, CLOSED = -1 };

struct endpoint {
	__be32 addr;
	__be16 port;
};

struct flow_key {
	struct endpoint src, dst;
	__u8 proto;
};

struct flow {
	__u64 packets;
	struct in6_addr via;
	unsigned char mac[ETH_ALEN];
	char name[8];
	enum state state;
	__u32 urgent : 1, prio : 3, rest : 28;
	union {
		__u32 word;
		__u16 half[2];
	};
	bool seen;
	__s16 deltas[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __be32);
	__type(value, enum state);
} by_address SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __s64);
} numbers SEC(".maps");

SEC("xdp")
int count(struct xdp_md *xdp)
{
	struct flow_key key = {};
	struct flow *flow;
	__u32 zero = 0, *hit;

	hit = bpf_map_lookup_elem(&hits, &zero);
	if (hit)
		*hit += 1;
	key.proto = 6;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow)
		return XDP_PASS;
	flow->packets += 1;
	return XDP_DROP;
}

SEC("tc")
int mark(struct __sk_buff *skb)
{
	bpf_printk("mark is %d", skb->mark);
	skb->mark += 1;
	skb->cb[0] = 9;
	return skb->len;
}

SEC("syscall")
int add(__u64 *args)
{
	args[2] = args[0] + args[1];
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
