// One timer in each element of an array: armed, cancelled and fired in bulk (tools/bench_timers.py).
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define BUCKETS 64

struct val {
	__u64 due;
	struct bpf_timer t;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1000000);
	__type(key, __u32);
	__type(value, struct val);
} table SEC(".maps");

struct args {
	__u32 from, count;
	__u64 nsecs, step;
};

__u64 fired, failed, first_ns, last_ns, hist[BUCKETS];

static int count_cb(void *map, __u32 *key, struct val *v)
{
	__u64 now = bpf_ktime_get_ns();

	if (!fired)
		first_ns = now;
	last_ns = now;
	__sync_fetch_and_add(&fired, 1);
	return 0;
}

// Histogram of how late it is, in quarter powers of two from 64 ns on.
static int late_cb(void *map, __u32 *key, struct val *v)
{
	__u64 late = bpf_ktime_get_ns() - v->due, at = 0;

	late >>= 6;
	while (late >= 8 && at < BUCKETS - 8) {
		late >>= 1;
		at += 4;
	}
	at += late >= 4 ? 4 + (late & 3) : late;
	__sync_fetch_and_add(&hist[at < BUCKETS ? at : BUCKETS - 1], 1);
	__sync_fetch_and_add(&fired, 1);
	return 0;
}

static long init_one(__u32 i, struct args *a)
{
	__u32 key = a->from + i;
	struct val *v = bpf_map_lookup_elem(&table, &key);

	if (v && bpf_timer_init(&v->t, &table, 1) == -12 /* -ENOMEM */)
		failed++;
	return 0;
}

static long arm_one(__u32 i, struct args *a)
{
	__u32 key = a->from + i;
	struct val *v = bpf_map_lookup_elem(&table, &key);

	if (!v || bpf_timer_set_callback(&v->t, count_cb) || bpf_timer_start(&v->t, a->nsecs + i * a->step, 0))
		failed++;
	return 0;
}

static long late_one(__u32 i, struct args *a)
{
	__u32 key = a->from + i;
	struct val *v = bpf_map_lookup_elem(&table, &key);

	if (!v)
		return 0;
	v->due = bpf_ktime_get_ns() + a->nsecs + i * a->step;
	if (bpf_timer_set_callback(&v->t, late_cb) || bpf_timer_start(&v->t, v->due, 1))
		failed++;
	return 0;
}

static long cancel_one(__u32 i, struct args *a)
{
	__u32 key = a->from + i;
	struct val *v = bpf_map_lookup_elem(&table, &key);

	if (v && bpf_timer_cancel(&v->t) < 0)
		failed++;
	return 0;
}

#define EACH(name, one)                                    \
	SEC("syscall") int name(struct args *ctx)          \
	{                                                  \
		struct args a = *ctx;                      \
		return bpf_loop(a.count, one, &a, 0);      \
	}
EACH(init, init_one)
EACH(arm, arm_one)
EACH(late, late_one)
EACH(cancel, cancel_one)

char LICENSE[] SEC("license") = "GPL";
