// A cgroup program returns an error code.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup_skb/ingress")
int allow(struct __sk_buff *skb)
{
	char first;
	long err = bpf_skb_load_bytes(skb, 0, &first, 1);

#ifdef FIXED
	return err ? 0 : 1;
#else
	return err;
#endif
}

char LICENSE[] SEC("license") = "GPL";
