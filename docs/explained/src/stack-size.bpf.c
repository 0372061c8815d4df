// Buffers of a function and its caller are larger than the stack.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifdef FIXED
#define SIZE 128
#else
#define SIZE 320
#endif

static __noinline int inner(struct __sk_buff *skb)
{
	char buf[SIZE];

	return bpf_skb_load_bytes(skb, 0, buf, sizeof(buf)) ? 0 : buf[7];
}

SEC("tc")
int outer(struct __sk_buff *skb)
{
	char buf[SIZE];

	if (bpf_skb_load_bytes(skb, 0, buf, sizeof(buf)))
		return 0;
	return inner(skb) + buf[9];
}

char LICENSE[] SEC("license") = "GPL";
