// A loop is bounded by a number from the packet.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int spread(struct __sk_buff *skb)
{
	volatile __u32 sum = 0;

#ifdef FIXED
	for (__u32 i = 0; i < 64 && i < skb->mark; i++)
		sum += 3;
#else
	for (__u32 n = skb->mark; sum < n;)
		sum += 3;
#endif
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
