// A size that was masked may still be zero.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int copy(struct __sk_buff *skb)
{
	char buf[64] = {};
	__u32 len = skb->len & 63;

#ifdef FIXED
	if (len == 0)
		return 0;
#endif
	bpf_skb_load_bytes(skb, 0, buf, len);
	return buf[0];
}

char LICENSE[] SEC("license") = "GPL";
