"""Prototypes of the kfuncs of slice core.

As they stand in the BTF of Linux 6.18 (``tools/check_kfuncs.py`` compares them with the running kernel).
"""

from beespace.decl import declare_kfunc

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    # kernel/bpf/helpers.c
    declare_kfunc("void *bpf_cast_to_kern_ctx(void *obj)"),
    declare_kfunc("void *bpf_rdonly_cast(const void *obj__ign, u32 btf_id__k)"),
    declare_kfunc("void bpf_rcu_read_lock(void)"),
    declare_kfunc("void bpf_rcu_read_unlock(void)"),
    declare_kfunc("void *bpf_dynptr_slice(const struct bpf_dynptr *p, u32 offset, void *buffer__opt, u32 buffer__szk)"),
    declare_kfunc(
        "void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, u32 offset, void *buffer__opt, "
        "u32 buffer__szk)",
    ),
    declare_kfunc("int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end)"),
    declare_kfunc("int *bpf_iter_num_next(struct bpf_iter_num *it)"),
    declare_kfunc("void bpf_iter_num_destroy(struct bpf_iter_num *it)"),
    declare_kfunc("int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task, u64 addr)"),
    declare_kfunc("struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it)"),
    declare_kfunc("void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it)"),
    declare_kfunc(
        "int bpf_iter_css_task_new(struct bpf_iter_css_task *it, struct cgroup_subsys_state *css, "
        "unsigned int flags)",
    ),
    declare_kfunc("struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it)"),
    declare_kfunc("void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it)"),
    declare_kfunc(
        "int bpf_iter_css_new(struct bpf_iter_css *it, struct cgroup_subsys_state *start, "
        "unsigned int flags)",
    ),
    declare_kfunc("struct cgroup_subsys_state *bpf_iter_css_next(struct bpf_iter_css *it)"),
    declare_kfunc("void bpf_iter_css_destroy(struct bpf_iter_css *it)"),
    declare_kfunc(
        "int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task__nullable, "
        "unsigned int flags)",
    ),
    declare_kfunc("struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it)"),
    declare_kfunc("void bpf_iter_task_destroy(struct bpf_iter_task *it)"),
    declare_kfunc("int bpf_dynptr_adjust(const struct bpf_dynptr *p, u32 start, u32 end)"),
    declare_kfunc("bool bpf_dynptr_is_null(const struct bpf_dynptr *p)"),
    declare_kfunc("bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *p)"),
    declare_kfunc("__u32 bpf_dynptr_size(const struct bpf_dynptr *p)"),
    declare_kfunc("int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *clone__uninit)"),
    declare_kfunc("int bpf_modify_return_test_tp(int nonce)"),
    declare_kfunc("int bpf_wq_init(struct bpf_wq *wq, void *p__map, unsigned int flags)"),
    declare_kfunc(
        "int bpf_wq_set_callback_impl(struct bpf_wq *wq, int (*callback_fn)(void *, int *, void *), "
        "unsigned int flags, void *aux__prog)",
    ),
    declare_kfunc("int bpf_wq_start(struct bpf_wq *wq, unsigned int flags)"),
    declare_kfunc("void bpf_preempt_disable(void)"),
    declare_kfunc("void bpf_preempt_enable(void)"),
    declare_kfunc("int bpf_iter_bits_new(struct bpf_iter_bits *it, const u64 *unsafe_ptr__ign, u32 nr_words)"),
    declare_kfunc("int *bpf_iter_bits_next(struct bpf_iter_bits *it)"),
    declare_kfunc("void bpf_iter_bits_destroy(struct bpf_iter_bits *it)"),
    declare_kfunc("int bpf_copy_from_user_str(void *dst, u32 dst__sz, const void *unsafe_ptr__ign, u64 flags)"),
    declare_kfunc("void __bpf_trap(void)", "6.17"),
    declare_kfunc(
        "int bpf_cgroup_read_xattr(struct cgroup *cgroup, const char *name__str, "
        "struct bpf_dynptr *value_p)", "6.17",
    ),
    declare_kfunc(
        "int bpf_copy_from_user_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, "
        "const void *unsafe_ptr__ign)", "6.16",
    ),
    declare_kfunc(
        "int bpf_copy_from_user_str_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, "
        "const void *unsafe_ptr__ign)", "6.16",
    ),
    declare_kfunc(
        "int bpf_copy_from_user_task_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, const void *unsafe_ptr__ign, "
        "struct task_struct *tsk)", "6.16",
    ),
    declare_kfunc(
        "int bpf_copy_from_user_task_str(void *dst, u32 dst__sz, const void *unsafe_ptr__ign, "
        "struct task_struct *tsk, u64 flags)", "6.15",
    ),
    declare_kfunc(
        "int bpf_copy_from_user_task_str_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, "
        "const void *unsafe_ptr__ign, struct task_struct *tsk)", "6.16",
    ),
    declare_kfunc(
        "int bpf_dynptr_copy(struct bpf_dynptr *dst_ptr, u32 dst_off, struct bpf_dynptr *src_ptr, u32 src_off, "
        "u32 size)", "6.16",
    ),
    declare_kfunc("int bpf_dynptr_memset(struct bpf_dynptr *p, u32 offset, u32 size, u8 val)", "6.17"),
    declare_kfunc("struct kmem_cache *bpf_get_kmem_cache(u64 addr)", "6.13"),
    declare_kfunc("void bpf_iter_dmabuf_destroy(struct bpf_iter_dmabuf *it)", "6.17"),
    declare_kfunc("int bpf_iter_dmabuf_new(struct bpf_iter_dmabuf *it)", "6.17"),
    declare_kfunc("struct dma_buf *bpf_iter_dmabuf_next(struct bpf_iter_dmabuf *it)", "6.17"),
    declare_kfunc("void bpf_iter_kmem_cache_destroy(struct bpf_iter_kmem_cache *it)", "6.13"),
    declare_kfunc("int bpf_iter_kmem_cache_new(struct bpf_iter_kmem_cache *it)", "6.13"),
    declare_kfunc("struct kmem_cache *bpf_iter_kmem_cache_next(struct bpf_iter_kmem_cache *it)", "6.13"),
    declare_kfunc("void bpf_local_irq_restore(long unsigned int *flags__irq_flag)", "6.14"),
    declare_kfunc("void bpf_local_irq_save(long unsigned int *flags__irq_flag)", "6.14"),
    declare_kfunc(
        "int bpf_probe_read_kernel_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, "
        "const void *unsafe_ptr__ign)", "6.16",
    ),
    declare_kfunc(
        "int bpf_probe_read_kernel_str_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, "
        "const void *unsafe_ptr__ign)", "6.16",
    ),
    declare_kfunc(
        "int bpf_probe_read_user_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, "
        "const void *unsafe_ptr__ign)", "6.16",
    ),
    declare_kfunc(
        "int bpf_probe_read_user_str_dynptr(struct bpf_dynptr *dptr, u32 off, u32 size, "
        "const void *unsafe_ptr__ign)", "6.16",
    ),
    declare_kfunc("int bpf_strcasecmp(const char *s1__ign, const char *s2__ign)", "6.18"),
    declare_kfunc("int bpf_strchr(const char *s__ign, char c)", "6.17"),
    declare_kfunc("int bpf_strchrnul(const char *s__ign, char c)", "6.17"),
    declare_kfunc("int bpf_strcmp(const char *s1__ign, const char *s2__ign)", "6.17"),
    declare_kfunc("int bpf_strcspn(const char *s__ign, const char *reject__ign)", "6.17"),
    declare_kfunc(
        "int bpf_stream_vprintk_impl(int stream_id, const char *fmt__str, const void *args, u32 len__sz, "
        "void *aux__prog)", "6.17",
    ),
    declare_kfunc("int bpf_strlen(const char *s__ign)", "6.17"),
    declare_kfunc("int bpf_strnchr(const char *s__ign, size_t count, char c)", "6.17"),
    declare_kfunc("int bpf_strnlen(const char *s__ign, size_t count)", "6.17"),
    declare_kfunc("int bpf_strnstr(const char *s1__ign, const char *s2__ign, size_t len)", "6.17"),
    declare_kfunc("int bpf_strrchr(const char *s__ign, int c)", "6.17"),
    declare_kfunc("int bpf_strspn(const char *s__ign, const char *accept__ign)", "6.17"),
    declare_kfunc("int bpf_strstr(const char *s1__ign, const char *s2__ign)", "6.17"),
    declare_kfunc(
        "int bpf_task_work_schedule_resume_impl(struct task_struct *task, struct bpf_task_work *tw, void *map__map, "
        "int (*callback)(struct bpf_map *, void *, void *), void *aux__prog)", "6.18",
    ),
    declare_kfunc(
        "int bpf_task_work_schedule_signal_impl(struct task_struct *task, struct bpf_task_work *tw, void *map__map, "
        "int (*callback)(struct bpf_map *, void *, void *), void *aux__prog)", "6.18",
    ),
    # kernel/bpf/helpers.c
    declare_kfunc("void *bpf_obj_new_impl(u64 local_type_id__k, void *meta__ign)"),
    declare_kfunc("void *bpf_percpu_obj_new_impl(u64 local_type_id__k, void *meta__ign)"),
    declare_kfunc("void bpf_obj_drop_impl(void *p__alloc, void *meta__ign)"),
    declare_kfunc("void bpf_percpu_obj_drop_impl(void *p__alloc, void *meta__ign)"),
    declare_kfunc("void *bpf_refcount_acquire_impl(void *p__refcounted_kptr, void *meta__ign)"),
    declare_kfunc(
        "int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, "
        "u64 off)",
    ),
    declare_kfunc(
        "int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, "
        "u64 off)",
    ),
    declare_kfunc("struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head)"),
    declare_kfunc("struct bpf_list_node *bpf_list_pop_back(struct bpf_list_head *head)"),
    declare_kfunc("struct task_struct *bpf_task_acquire(struct task_struct *p)"),
    declare_kfunc("void bpf_task_release(struct task_struct *p)"),
    declare_kfunc("struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node)"),
    declare_kfunc(
        "int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node, "
        "bool (*less)(struct bpf_rb_node *, const struct bpf_rb_node *), void *meta__ign, u64 off)",
    ),
    declare_kfunc("struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root)"),
    declare_kfunc("struct cgroup *bpf_cgroup_acquire(struct cgroup *cgrp)"),
    declare_kfunc("void bpf_cgroup_release(struct cgroup *cgrp)"),
    declare_kfunc("struct cgroup *bpf_cgroup_ancestor(struct cgroup *cgrp, int level)"),
    declare_kfunc("struct cgroup *bpf_cgroup_from_id(u64 cgid)"),
    declare_kfunc("long int bpf_task_under_cgroup(struct task_struct *task, struct cgroup *ancestor)"),
    declare_kfunc("struct cgroup *bpf_task_get_cgroup1(struct task_struct *task, int hierarchy_id)"),
    declare_kfunc("struct task_struct *bpf_task_from_pid(s32 pid)"),
    declare_kfunc("void bpf_throw(u64 cookie)"),
    declare_kfunc("void bpf_key_put(struct bpf_key *bkey)"),
    declare_kfunc("struct bpf_list_node *bpf_list_back(struct bpf_list_head *head)", "6.16"),
    declare_kfunc("struct bpf_list_node *bpf_list_front(struct bpf_list_head *head)", "6.16"),
    declare_kfunc("struct bpf_key *bpf_lookup_system_key(u64 id)"),
    declare_kfunc("struct bpf_key *bpf_lookup_user_key(s32 serial, u64 flags)"),
    declare_kfunc("struct bpf_rb_node *bpf_rbtree_left(struct bpf_rb_root *root, struct bpf_rb_node *node)", "6.16"),
    declare_kfunc("struct bpf_rb_node *bpf_rbtree_right(struct bpf_rb_root *root, struct bpf_rb_node *node)", "6.16"),
    declare_kfunc("struct bpf_rb_node *bpf_rbtree_root(struct bpf_rb_root *root)", "6.16"),
    declare_kfunc("int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type, u64 value)", "6.13"),
    declare_kfunc("struct task_struct *bpf_task_from_vpid(s32 vpid)", "6.14"),
    # kernel/bpf/arena.c
    declare_kfunc("void *bpf_arena_alloc_pages(void *p__map, void *addr__ign, u32 page_cnt, int node_id, u64 flags)"),
    declare_kfunc("void bpf_arena_free_pages(void *p__map, void *ptr__ign, u32 page_cnt)"),
    declare_kfunc("int bpf_arena_reserve_pages(void *p__map, void *ptr__ign, u32 page_cnt)", "6.17"),
    # kernel/bpf/rqspinlock.c
    declare_kfunc("int bpf_res_spin_lock(struct bpf_res_spin_lock *lock)", "6.15"),
    declare_kfunc(
        "int bpf_res_spin_lock_irqsave(struct bpf_res_spin_lock *lock, "
        "long unsigned int *flags__irq_flag)", "6.15",
    ),
    declare_kfunc("void bpf_res_spin_unlock(struct bpf_res_spin_lock *lock)", "6.15"),
    declare_kfunc(
        "void bpf_res_spin_unlock_irqrestore(struct bpf_res_spin_lock *lock, "
        "long unsigned int *flags__irq_flag)", "6.15",
    ),
    # kernel/bpf/cpumask.c
    declare_kfunc("struct bpf_cpumask *bpf_cpumask_create(void)"),
    declare_kfunc("void bpf_cpumask_release(struct bpf_cpumask *cpumask)"),
    declare_kfunc("struct bpf_cpumask *bpf_cpumask_acquire(struct bpf_cpumask *cpumask)"),
    declare_kfunc("u32 bpf_cpumask_first(const struct cpumask *cpumask)"),
    declare_kfunc("u32 bpf_cpumask_first_zero(const struct cpumask *cpumask)"),
    declare_kfunc("u32 bpf_cpumask_first_and(const struct cpumask *src1, const struct cpumask *src2)"),
    declare_kfunc("void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *cpumask)"),
    declare_kfunc("void bpf_cpumask_clear_cpu(u32 cpu, struct bpf_cpumask *cpumask)"),
    declare_kfunc("bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *cpumask)"),
    declare_kfunc("bool bpf_cpumask_test_and_set_cpu(u32 cpu, struct bpf_cpumask *cpumask)"),
    declare_kfunc("bool bpf_cpumask_test_and_clear_cpu(u32 cpu, struct bpf_cpumask *cpumask)"),
    declare_kfunc("void bpf_cpumask_setall(struct bpf_cpumask *cpumask)"),
    declare_kfunc("void bpf_cpumask_clear(struct bpf_cpumask *cpumask)"),
    declare_kfunc(
        "bool bpf_cpumask_and(struct bpf_cpumask *dst, const struct cpumask *src1, "
        "const struct cpumask *src2)",
    ),
    declare_kfunc(
        "void bpf_cpumask_or(struct bpf_cpumask *dst, const struct cpumask *src1, "
        "const struct cpumask *src2)",
    ),
    declare_kfunc(
        "void bpf_cpumask_xor(struct bpf_cpumask *dst, const struct cpumask *src1, "
        "const struct cpumask *src2)",
    ),
    declare_kfunc("bool bpf_cpumask_equal(const struct cpumask *src1, const struct cpumask *src2)"),
    declare_kfunc("bool bpf_cpumask_intersects(const struct cpumask *src1, const struct cpumask *src2)"),
    declare_kfunc("bool bpf_cpumask_subset(const struct cpumask *src1, const struct cpumask *src2)"),
    declare_kfunc("bool bpf_cpumask_empty(const struct cpumask *cpumask)"),
    declare_kfunc("bool bpf_cpumask_full(const struct cpumask *cpumask)"),
    declare_kfunc("void bpf_cpumask_copy(struct bpf_cpumask *dst, const struct cpumask *src)"),
    declare_kfunc("u32 bpf_cpumask_any_distribute(const struct cpumask *cpumask)"),
    declare_kfunc("u32 bpf_cpumask_any_and_distribute(const struct cpumask *src1, const struct cpumask *src2)"),
    declare_kfunc("u32 bpf_cpumask_weight(const struct cpumask *cpumask)"),
    declare_kfunc("int bpf_cpumask_populate(struct cpumask *cpumask, void *src, size_t src__sz)", "6.15"),
    # kernel/bpf/map_iter.c
    declare_kfunc("s64 bpf_map_sum_elem_count(const struct bpf_map *map)"),
    # kernel/bpf/crypto.c
    declare_kfunc(
        "struct bpf_crypto_ctx *bpf_crypto_ctx_create(const struct bpf_crypto_params *params, u32 params__sz, "
        "int *err)",
    ),
    declare_kfunc("void bpf_crypto_ctx_release(struct bpf_crypto_ctx *ctx)"),
    declare_kfunc("struct bpf_crypto_ctx *bpf_crypto_ctx_acquire(struct bpf_crypto_ctx *ctx)"),
    # kernel/bpf/crypto.c
    declare_kfunc(
        "int bpf_crypto_decrypt(struct bpf_crypto_ctx *ctx, const struct bpf_dynptr *src, "
        "const struct bpf_dynptr *dst, const struct bpf_dynptr *siv__nullable)",
    ),
    declare_kfunc(
        "int bpf_crypto_encrypt(struct bpf_crypto_ctx *ctx, const struct bpf_dynptr *src, "
        "const struct bpf_dynptr *dst, const struct bpf_dynptr *siv__nullable)",
    ),
)
# fmt: on
