// A flow table that forgets: each flow has a timer, which every packet of the flow puts off; when it fires, the entry goes.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define CLOCK_MONOTONIC 1
#define IDLE_NS (30ULL * 1000 * 1000 * 1000)

struct flow_key {
	__be32 saddr, daddr;
	__u32 protocol;
};

struct flow {
	__u64 packets, bytes, first_ns, last_ns;
	struct bpf_timer expiry;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

const volatile __u64 idle_ns = IDLE_NS;
__u64 expired;

static int expire(void *map, struct flow_key *key, struct flow *flow)
{
	__sync_fetch_and_add(&expired, 1);
	bpf_map_delete_elem(map, key);
	return 0;
}

SEC("xdp")
int track(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct flow_key key = {};
	struct flow *flow;

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	key.saddr = ip->saddr;
	key.daddr = ip->daddr;
	key.protocol = ip->protocol;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow) {
		struct flow fresh = { .first_ns = bpf_ktime_get_ns() };

		if (bpf_map_update_elem(&flows, &key, &fresh, BPF_NOEXIST))
			return XDP_PASS;
		flow = bpf_map_lookup_elem(&flows, &key);
		if (!flow)
			return XDP_PASS;
		bpf_timer_init(&flow->expiry, &flows, CLOCK_MONOTONIC);
		bpf_timer_set_callback(&flow->expiry, expire);
	}
	__sync_fetch_and_add(&flow->packets, 1);
	__sync_fetch_and_add(&flow->bytes, end - data);
	flow->last_ns = bpf_ktime_get_ns();
	bpf_timer_start(&flow->expiry, idle_ns, 0);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
