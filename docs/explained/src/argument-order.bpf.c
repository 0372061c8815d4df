// Key and value of an update are numbers instead of pointers to them.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

SEC("tc")
int remember(struct __sk_buff *skb)
{
	__u32 key = skb->hash;
	__u64 value = skb->len;

#ifdef FIXED
	bpf_map_update_elem(&seen, &key, &value, BPF_ANY);
#else
	bpf_map_update_elem(&seen, (void *)(long)key, &value, BPF_ANY);
#endif
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
