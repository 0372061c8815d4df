// A size is bounded by nothing.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int copy(struct __sk_buff *skb)
{
	char buf[64] = {};
	__u32 len = skb->len | 1;

#ifdef FIXED
	if (len > sizeof(buf))
		return 0;
#endif
	bpf_skb_load_bytes(skb, 0, buf, len);
	return buf[0];
}

char LICENSE[] SEC("license") = "GPL";
