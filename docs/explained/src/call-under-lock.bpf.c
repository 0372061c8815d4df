// A helper is called while a spin lock is held.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct last {
	struct bpf_spin_lock lock;
	__u64 ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct last);
} times SEC(".maps");

SEC("tc")
int stamp(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct last *last = bpf_map_lookup_elem(&times, &zero);

	if (!last)
		return 0;
#ifdef FIXED
	__u64 now = bpf_ktime_get_ns();

	bpf_spin_lock(&last->lock);
	last->ns = now;
#else
	bpf_spin_lock(&last->lock);
	last->ns = bpf_ktime_get_ns();
#endif
	bpf_spin_unlock(&last->lock);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
