// An index from outside is used in an array of sixteen.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct histogram {
	__u64 slots[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct histogram);
} sizes SEC(".maps");

SEC("tc")
int measure(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct histogram *h = bpf_map_lookup_elem(&sizes, &zero);

	if (!h)
		return 0;
	__u32 slot = skb->len / 64;
#ifdef FIXED
	if (slot >= 16)
		slot = 15;
#else
	if (slot > 16)
		slot = 16;
#endif
	h->slots[slot]++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
