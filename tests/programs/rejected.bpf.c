// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct counts { __u8 bytes[8]; };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counts SEC(".maps");

SEC("socket")
int accepted(struct __sk_buff *skb)
{
	return 0;
}

SEC("socket")
int out_of_bounds(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct counts *c = bpf_map_lookup_elem(&counts, &zero);
	__u32 i = skb->len & 511;

	if (!c)
		return 0;
	return c->bytes[i];
}

SEC("socket")
int no_null_check(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct counts *c = bpf_map_lookup_elem(&counts, &zero);

	return c->bytes[1];
}

char LICENSE[] SEC("license") = "GPL";
