// A socket filter reads a field that only other program types have.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifdef FIXED
SEC("tc")
#else
SEC("socket")
#endif
int start(struct __sk_buff *skb)
{
	return skb->tc_classid;
}

char LICENSE[] SEC("license") = "GPL";
