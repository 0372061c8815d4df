// A stack operation on a hash map.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
#ifdef FIXED
	__uint(type, BPF_MAP_TYPE_STACK);
#else
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
#endif
	__uint(max_entries, 16);
	__type(value, __u64);
} todo SEC(".maps");

SEC("tc")
int put(struct __sk_buff *skb)
{
	__u64 item = skb->len;

	return bpf_map_push_elem(&todo, &item, BPF_EXIST);
}

char LICENSE[] SEC("license") = "GPL";
