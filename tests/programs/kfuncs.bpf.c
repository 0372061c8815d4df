// Kernel functions of 6.18 on objects that need types: lists, trees, resilient locks, work, per-CPU objects, strings.
// What a program is called says what becomes of it: ok_* loads, bad_* is refused.
#include <linux/types.h>

enum { BPF_MAP_TYPE_ARRAY = 2 };

struct xdp_md {
	__u32 data;
	__u32 data_end;
};

// as in include/uapi/linux/bpf.h of 6.18, whatever the machine's headers have
struct bpf_spin_lock {
	__u32 val;
};

struct bpf_res_spin_lock {
	__u32 val;
} __attribute__((aligned(4)));

struct bpf_wq {
	__u64 __opaque[2];
} __attribute__((aligned(8)));

struct bpf_task_work {
	__u64 __opaque;
} __attribute__((aligned(8)));

struct bpf_list_head {
	__u64 __opaque[2];
} __attribute__((aligned(8)));

struct bpf_list_node {
	__u64 __opaque[3];
} __attribute__((aligned(8)));

struct bpf_rb_root {
	__u64 __opaque[2];
} __attribute__((aligned(8)));

struct bpf_rb_node {
	__u64 __opaque[4];
} __attribute__((aligned(8)));

struct bpf_refcount {
	__u32 __opaque[1];
} __attribute__((aligned(4)));

struct bpf_map {
	__u32 id;
};

struct task_struct {
	int pid;
};

typedef int (*bpf_task_work_callback_t)(struct bpf_map *map, void *key, void *value);

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define __contains(name, node) __attribute__((btf_decl_tag("contains:" #name ":" #node)))
#define private(name) SEC(".bss." #name) __hidden __attribute__((aligned(8)))

extern void *bpf_obj_new_impl(__u64 local_type_id, void *meta) __ksym;
extern void bpf_obj_drop_impl(void *kptr, void *meta) __ksym;
extern void *bpf_percpu_obj_new_impl(__u64 local_type_id, void *meta) __ksym;
extern void bpf_percpu_obj_drop_impl(void *kptr, void *meta) __ksym;
extern void *bpf_refcount_acquire_impl(void *kptr, void *meta) __ksym;
extern int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta, __u64 off) __ksym;
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __ksym;
extern struct bpf_list_node *bpf_list_front(struct bpf_list_head *head) __ksym;
extern struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym;
extern int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node,
			       _Bool (less)(struct bpf_rb_node *a, const struct bpf_rb_node *b), void *meta,
			       __u64 off) __ksym;
extern struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_root(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_left(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym;
extern int bpf_res_spin_lock(struct bpf_res_spin_lock *lock) __ksym;
extern void bpf_res_spin_unlock(struct bpf_res_spin_lock *lock) __ksym;
extern int bpf_res_spin_lock_irqsave(struct bpf_res_spin_lock *lock, unsigned long *flags) __ksym;
extern void bpf_res_spin_unlock_irqrestore(struct bpf_res_spin_lock *lock, unsigned long *flags) __ksym;
extern void bpf_local_irq_save(unsigned long *flags) __ksym;
extern void bpf_local_irq_restore(unsigned long *flags) __ksym;
extern int bpf_wq_init(struct bpf_wq *wq, void *p__map, unsigned int flags) __ksym;
extern int bpf_wq_set_callback_impl(struct bpf_wq *wq, int (callback_fn)(void *map, int *key, void *value),
				    unsigned int flags, void *aux__prog) __ksym;
extern int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) __ksym;
extern int bpf_strcmp(const char *s1__ign, const char *s2__ign) __ksym;
extern __s64 bpf_map_sum_elem_count(const struct bpf_map *map) __ksym;
extern int bpf_task_work_schedule_signal_impl(struct task_struct *task, struct bpf_task_work *tw, void *map__map,
					      bpf_task_work_callback_t callback, void *aux__prog) __ksym;
extern int bpf_xdp_pull_data(struct xdp_md *x, __u32 len) __ksym;
extern int bpf_copy_from_user_str(void *dst, __u32 dst__sz, const void *unsafe_ptr__ign, __u64 flags) __ksym;
extern void bpf_throw(__u64 cookie) __ksym;
extern int bpf_not_there(int) __ksym __weak;

#define obj_new(type) ((type *)bpf_obj_new_impl(bpf_core_type_id_local(type), 0))
#define obj_drop(obj) bpf_obj_drop_impl(obj, 0)

struct item {
	int value;
	struct bpf_list_node link;
	struct bpf_rb_node node;
	struct bpf_refcount refs;
};

struct plain {
	int value;
	struct bpf_rb_node node;
};

struct counter {
	__u64 hits;
};

struct guarded {
	struct bpf_res_spin_lock lock;
	int value;
};

struct job {
	struct bpf_wq work;
	int runs;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, int);
	__type(value, struct guarded);
} guards SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, int);
	__type(value, struct job);
} jobs SEC(".maps"), other_jobs SEC(".maps");

private(L) struct bpf_spin_lock list_lock;
private(L) struct bpf_list_head list __contains(item, link);
private(T) struct bpf_spin_lock tree_lock;
private(T) struct bpf_rb_root tree __contains(item, node);
private(P) struct bpf_spin_lock plain_lock;
private(P) struct bpf_rb_root plain_tree __contains(plain, node);

static _Bool by_value(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct item, node)->value < container_of(b, struct item, node)->value;
}

static _Bool plain_by_value(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct plain, node)->value < container_of(b, struct plain, node)->value;
}

SEC("tc")
int ok_list(void *ctx)
{
	struct item *item = obj_new(typeof(*item));
	struct bpf_list_node *found;

	if (!item)
		return 0;
	item->value = 7;
	bpf_spin_lock(&list_lock);
	bpf_list_push_front_impl(&list, &item->link, 0, 0);
	found = bpf_list_pop_front(&list);
	bpf_spin_unlock(&list_lock);
	if (!found)
		return 0;
	item = container_of(found, struct item, link);
	obj_drop(item);
	return 0;
}

SEC("tc")
int ok_list_front(void *ctx)
{
	struct bpf_list_node *found;
	int value = 0;

	bpf_spin_lock(&list_lock);
	found = bpf_list_front(&list);
	if (found)
		value = container_of(found, struct item, link)->value;
	bpf_spin_unlock(&list_lock);
	return value;
}

SEC("tc")
int bad_plain_front_after_unlock(void *ctx)
{
	struct bpf_rb_node *found;

	bpf_spin_lock(&plain_lock);
	found = bpf_rbtree_first(&plain_tree);
	bpf_spin_unlock(&plain_lock);
	if (!found)
		return 0;
	return container_of(found, struct plain, node)->value;
}

SEC("tc")
int bad_list_without_lock(void *ctx)
{
	struct item *item = obj_new(typeof(*item));

	if (!item)
		return 0;
	bpf_list_push_front_impl(&list, &item->link, 0, 0);
	return 0;
}

SEC("tc")
int bad_list_with_the_lock_of_another(void *ctx)
{
	struct item *item = obj_new(typeof(*item));

	if (!item)
		return 0;
	bpf_spin_lock(&tree_lock);
	bpf_list_push_front_impl(&list, &item->link, 0, 0);
	bpf_spin_unlock(&tree_lock);
	return 0;
}

SEC("tc")
int bad_item_that_is_kept(void *ctx)
{
	struct item *item = obj_new(typeof(*item));

	if (item)
		item->value = 1;
	return 0;
}

SEC("tc")
int bad_item_after_drop(void *ctx)
{
	struct item *item = obj_new(typeof(*item));

	if (!item)
		return 0;
	obj_drop(item);
	return item->value;
}

SEC("tc")
int ok_tree(void *ctx)
{
	struct item *item = obj_new(typeof(*item)), *mine;
	struct bpf_rb_node *node;

	if (!item)
		return 0;
	mine = bpf_refcount_acquire_impl(item, 0);
	bpf_spin_lock(&tree_lock);
	bpf_rbtree_add_impl(&tree, &item->node, by_value, 0, 0);
	node = bpf_rbtree_root(&tree);
	if (node)
		node = bpf_rbtree_left(&tree, node);
	if (node)
		node = bpf_rbtree_remove(&tree, node);
	bpf_spin_unlock(&tree_lock);
	if (node) {
		item = container_of(node, struct item, node);
		obj_drop(item);
	}
	obj_drop(mine);
	return 0;
}

SEC("tc")
int bad_tree_of_others(void *ctx)
{
	struct item *item = obj_new(typeof(*item));

	if (!item)
		return 0;
	bpf_spin_lock(&plain_lock);
	bpf_rbtree_add_impl(&plain_tree, &item->node, plain_by_value, 0, 0);
	bpf_spin_unlock(&plain_lock);
	return 0;
}

SEC("tc")
int bad_left_of_something_else(void *ctx)
{
	struct bpf_rb_node *node;

	bpf_spin_lock(&tree_lock);
	node = bpf_rbtree_left(&tree, (void *)&tree);
	bpf_spin_unlock(&tree_lock);
	return node != 0;
}

SEC("tc")
int bad_refcount_of_plain(void *ctx)
{
	struct plain *item = obj_new(typeof(*item)), *mine;

	if (!item)
		return 0;
	mine = bpf_refcount_acquire_impl(item, 0);
	if (mine)
		obj_drop(mine);
	obj_drop(item);
	return 0;
}

SEC("tc")
int ok_percpu_object(void *ctx)
{
	struct counter *counter = bpf_percpu_obj_new_impl(bpf_core_type_id_local(struct counter), 0);

	if (!counter)
		return 0;
	bpf_percpu_obj_drop_impl(counter, 0);
	return 0;
}

SEC("tc")
int bad_percpu_object_with_a_node(void *ctx)
{
	struct plain *plain = bpf_percpu_obj_new_impl(bpf_core_type_id_local(struct plain), 0);

	if (!plain)
		return 0;
	bpf_percpu_obj_drop_impl(plain, 0);
	return 0;
}

SEC("tc")
int bad_percpu_object_dropped_as_another(void *ctx)
{
	struct counter *counter = bpf_percpu_obj_new_impl(bpf_core_type_id_local(struct counter), 0);

	if (!counter)
		return 0;
	bpf_obj_drop_impl(counter, 0);
	return 0;
}

static struct guarded *guard(int key)
{
	return bpf_map_lookup_elem(&guards, &key);
}

SEC("tc")
int ok_resilient_lock(void *ctx)
{
	struct guarded *g = guard(0);
	unsigned long flags;

	if (!g)
		return 0;
	if (bpf_res_spin_lock(&g->lock))
		return 0;
	g->value++;
	bpf_res_spin_unlock(&g->lock);
	if (bpf_res_spin_lock_irqsave(&g->lock, &flags))
		return 0;
	g->value--;
	bpf_res_spin_unlock_irqrestore(&g->lock, &flags);
	return 0;
}

SEC("tc")
int ok_two_resilient_locks(void *ctx)
{
	struct guarded *a = guard(0), *b = guard(1);

	if (!a || !b)
		return 0;
	if (bpf_res_spin_lock(&a->lock))
		return 0;
	if (!bpf_res_spin_lock(&b->lock))
		bpf_res_spin_unlock(&b->lock);
	bpf_res_spin_unlock(&a->lock);
	return 0;
}

SEC("tc")
int bad_unlock_of_what_may_not_be_locked(void *ctx)
{
	struct guarded *g = guard(0);

	if (!g)
		return 0;
	bpf_res_spin_lock(&g->lock);
	bpf_res_spin_unlock(&g->lock);
	return 0;
}

SEC("tc")
int bad_resilient_locks_out_of_order(void *ctx)
{
	struct guarded *a = guard(0), *b = guard(1);

	if (!a || !b)
		return 0;
	if (bpf_res_spin_lock(&a->lock))
		return 0;
	if (!bpf_res_spin_lock(&b->lock)) {
		bpf_res_spin_unlock(&a->lock);
		bpf_res_spin_unlock(&b->lock);
		return 0;
	}
	bpf_res_spin_unlock(&a->lock);
	return 0;
}

SEC("tc")
int bad_same_resilient_lock_twice(void *ctx)
{
	struct guarded *g = guard(0);

	if (!g)
		return 0;
	if (bpf_res_spin_lock(&g->lock))
		return 0;
	if (!bpf_res_spin_lock(&g->lock))
		bpf_res_spin_unlock(&g->lock);
	bpf_res_spin_unlock(&g->lock);
	return 0;
}

SEC("tc")
int bad_flags_of_a_lock_restored_by_others(void *ctx)
{
	struct guarded *g = guard(0);
	unsigned long mine, locks;

	if (!g)
		return 0;
	bpf_local_irq_save(&mine);
	if (!bpf_res_spin_lock_irqsave(&g->lock, &locks))
		bpf_res_spin_unlock_irqrestore(&g->lock, &mine);
	bpf_local_irq_restore(&mine);
	return 0;
}

static int run_job(void *map, int *key, void *value)
{
	struct job *job = value;

	job->runs++;
	return 0;
}

static int never_0(void *map, int *key, void *value)
{
	return 1;
}

SEC("tc")
int ok_work(void *ctx)
{
	int key = 0;
	struct job *job = bpf_map_lookup_elem(&jobs, &key);

	if (!job)
		return 0;
	if (bpf_wq_init(&job->work, &jobs, 0))
		return 0;
	if (bpf_wq_set_callback_impl(&job->work, run_job, 0, 0))
		return 0;
	return bpf_wq_start(&job->work, 0);
}

SEC("tc")
int bad_work_of_another_map(void *ctx)
{
	int key = 0;
	struct job *job = bpf_map_lookup_elem(&jobs, &key);

	if (!job)
		return 0;
	return bpf_wq_init(&job->work, &other_jobs, 0);
}

SEC("tc")
int bad_work_that_returns_1(void *ctx)
{
	int key = 0;
	struct job *job = bpf_map_lookup_elem(&jobs, &key);

	if (!job)
		return 0;
	return bpf_wq_set_callback_impl(&job->work, never_0, 0, 0);
}

SEC("tc")
int bad_work_that_is_no_work(void *ctx)
{
	int key = 0;
	struct job *job = bpf_map_lookup_elem(&jobs, &key);

	if (!job)
		return 0;
	return bpf_wq_start((void *)&job->runs, 0);
}

SEC("tc")
int ok_strings(void *ctx)
{
	return bpf_strcmp("bee", "space");
}

SEC("tc")
int ok_elements(void *ctx)
{
	return bpf_map_sum_elem_count((void *)&jobs);
}

SEC("tc")
int bad_elements_of_no_map(void *ctx)
{
	return bpf_map_sum_elem_count(ctx);
}

SEC("tc")
int ok_where_it_is_not_there(void *ctx)
{
	return bpf_not_there ? bpf_not_there(1) : 0;
}

SEC("tc")
int bad_where_it_is_not_there(void *ctx)
{
	return bpf_not_there(1);
}

struct task_job {
	struct bpf_task_work work;
	int runs;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, int);
	__type(value, struct task_job);
} task_jobs SEC(".maps"), other_task_jobs SEC(".maps");

static int run_task_job(struct bpf_map *map, void *key, void *value)
{
	struct task_job *job = value;
	char name[8];

	job->runs++;
	bpf_copy_from_user_str(name, sizeof(name), key, 0);
	return 1;
}

SEC("syscall")
int ok_task_work(void *ctx)
{
	int key = 0;
	struct task_job *job = bpf_map_lookup_elem(&task_jobs, &key);

	if (!job)
		return 0;
	return bpf_task_work_schedule_signal_impl((void *)bpf_get_current_task_btf(), &job->work, &task_jobs,
						  run_task_job, 0);
}

SEC("syscall")
int bad_task_work_of_another_map(void *ctx)
{
	int key = 0;
	struct task_job *job = bpf_map_lookup_elem(&task_jobs, &key);

	if (!job)
		return 0;
	return bpf_task_work_schedule_signal_impl((void *)bpf_get_current_task_btf(), &job->work, &other_task_jobs,
						  run_task_job, 0);
}

__attribute__((noinline)) int pull(struct xdp_md *xdp)
{
	return bpf_xdp_pull_data(xdp, 4);
}

SEC("xdp")
int ok_pull(struct xdp_md *xdp)
{
	char *data, *end;

	if (pull(xdp))
		return 1;
	data = (void *)(long)xdp->data;
	end = (void *)(long)xdp->data_end;
	return data + 4 <= end ? data[0] : 1;
}

SEC("xdp")
int bad_packet_after_pull(struct xdp_md *xdp)
{
	char *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;

	if (data + 4 > end || pull(xdp))
		return 1;
	return data[0];
}

__attribute__((noinline)) int throw_large(int value)
{
	if (value > 3)
		bpf_throw(value & 1);
	return value;
}

SEC("xdp")
int ok_throw_in_global_function(struct xdp_md *xdp)
{
	return throw_large(xdp->data_end - xdp->data) & 1;
}

static int throw_in_loop(int i, void *ctx)
{
	if (i > 3)
		bpf_throw(1);
	return 0;
}

SEC("xdp")
int bad_throw_in_callback(struct xdp_md *xdp)
{
	bpf_loop(5, throw_in_loop, 0, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
