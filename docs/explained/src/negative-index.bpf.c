// A signed index is compared with its upper bound only.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char names[64];

SEC("tc")
int find(struct __sk_buff *skb)
{
	volatile int raw = (int)skb->mark;
	int i = raw;

#ifdef FIXED
	if (i < 0 || i >= 64)
#else
	if (i >= 64)
#endif
		return 0;
	return names[i];
}

char LICENSE[] SEC("license") = "GPL";
