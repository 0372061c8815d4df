// A constant in .rodata is written.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifdef FIXED
volatile __u32 limit = 100;
#else
volatile const __u32 limit = 100;
#endif

SEC("tc")
int adapt(struct __sk_buff *skb)
{
	*(volatile __u32 *)&limit = skb->len;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
