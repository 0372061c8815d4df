// A socket that was looked up is not released on one path.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int known(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;

	tuple.ipv4.daddr = skb->hash;
	sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	if (sk->mark == 7) {
#ifdef FIXED
		bpf_sk_release(sk);
#endif
		return 1;
	}
	bpf_sk_release(sk);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
