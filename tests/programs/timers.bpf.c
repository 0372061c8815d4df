// Timers in maps of every kind that may hold them; each helper by itself, from a syscall program.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef __u32 u32;
typedef __u64 u64;
typedef int s32;

struct val {
	u64 before;
	struct bpf_timer t;
	struct bpf_spin_lock lock;
	u32 after;
};

struct lru_val {
	struct bpf_timer t;
	u64 after;
};

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct lru_val);
} inner_a SEC(".maps"), inner_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { &inner_a, &inner_b } };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, struct val);
} arr SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, struct val);
} hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, struct lru_val);
} lru SEC(".maps");

struct args {
	u32 key, op;
	u64 arg, flags;
};

u64 fired, other_fired, last_key, last_cpu, last_time, rearm_ns;
s32 results[4];
u32 mode, victim;

static int count_cb(void *map, u32 *key, void *value)
{
	__sync_fetch_and_add(&fired, 1);
	last_key = *key;
	last_cpu = bpf_get_smp_processor_id();
	last_time = bpf_ktime_get_ns();
	return 0;
}

static int other_cb(void *map, u32 *key, void *value)
{
	__sync_fetch_and_add(&other_fired, 1);
	return 0;
}

// What a callback may do to its own timer and to others: chosen by mode.
static int busy_cb(void *map, u32 *key, struct val *v)
{
	struct val *other;
	u32 k = victim;

	__sync_fetch_and_add(&fired, 1);
	switch (mode) {
	case 0: // cancel itself
		results[0] = bpf_timer_cancel(&v->t);
		break;
	case 1: // again
		results[0] = bpf_timer_start(&v->t, rearm_ns, 0);
		break;
	case 2: // delete its element, then use it
		results[0] = bpf_timer_start(&v->t, rearm_ns, 0);
		results[1] = bpf_map_delete_elem(&hash, key);
		results[2] = bpf_timer_cancel(&v->t);
		results[3] = bpf_timer_start(&v->t, 0, 0);
		break;
	case 3: // cancel another one
		other = bpf_map_lookup_elem(&hash, &k);
		if (other)
			results[*key & 3] = bpf_timer_cancel(&other->t);
		break;
	case 4: // delete another one
		results[0] = bpf_map_delete_elem(&hash, &k);
		break;
	}
	return 0;
}

#define OPS(v, map)                                                                                              \
	switch (a->op) {                                                                                         \
	case 0: return bpf_timer_init(&v->t, map, a->flags);                                                     \
	case 1: return bpf_timer_set_callback(&v->t, count_cb);                                                  \
	case 2: return bpf_timer_set_callback(&v->t, other_cb);                                                  \
	case 3: return bpf_timer_start(&v->t, a->arg, a->flags);                                                 \
	case 4: return bpf_timer_cancel(&v->t);                                                                  \
	case 5: return bpf_timer_start(&v->t, bpf_ktime_get_ns() + a->arg, a->flags);                            \
	case 6: return bpf_timer_start(&v->t, bpf_ktime_get_boot_ns() + a->arg, a->flags);                       \
	}                                                                                                        \
	return -22

SEC("syscall")
int op_arr(struct args *a)
{
	u32 key = a->key;
	struct val *v = bpf_map_lookup_elem(&arr, &key);

	if (!v)
		return -2;
	OPS(v, &arr);
}

SEC("syscall")
int op_hash(struct args *a)
{
	u32 key = a->key;
	struct val *v = bpf_map_lookup_elem(&hash, &key);

	if (!v)
		return -2;
	if (a->op == 7)
		return bpf_timer_set_callback(&v->t, busy_cb);
	OPS(v, &hash);
}

SEC("syscall")
int op_lru(struct args *a)
{
	u32 key = a->key;
	struct lru_val *v = bpf_map_lookup_elem(&lru, &key);

	if (!v)
		return -2;
	OPS(v, &lru);
}

SEC("syscall")
int op_inner(struct args *a)
{
	u32 key = a->key & 1, slot = a->key >> 1;
	struct lru_val *v;
	void *in = bpf_map_lookup_elem(&outer, &slot);

	if (!in)
		return -2;
	v = bpf_map_lookup_elem(in, &key);
	if (!v)
		return -2;
	OPS(v, in);
}

// A new element of the LRU map with a timer, as a flow table has it.
SEC("tc")
int add_lru(struct __sk_buff *skb)
{
	u32 key = skb->mark;
	struct lru_val zero = {}, *v;

	if (bpf_map_update_elem(&lru, &key, &zero, BPF_ANY))
		return -1;
	v = bpf_map_lookup_elem(&lru, &key);
	if (!v)
		return -2;
	bpf_timer_init(&v->t, &lru, 1);
	bpf_timer_set_callback(&v->t, count_cb);
	return bpf_timer_start(&v->t, 1000000, 0);
}

char LICENSE[] SEC("license") = "GPL";
