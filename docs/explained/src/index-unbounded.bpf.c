// An index is used without any bound.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 slots[16];

SEC("tc")
int mark(struct __sk_buff *skb)
{
	__u32 slot = skb->mark;

#ifdef FIXED
	slot &= 15;
#endif
	slots[slot]++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
