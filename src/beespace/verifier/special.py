"""The special cases: helpers and kfuncs that the verifier knows by name, and what for.

Everything else about a call is read from its declaration. This is the one place that compares function ids.

:see: kernel/bpf/verifier.c:is_acquire_function, is_ptr_cast_function, special_kfunc_list
"""

from __future__ import annotations

from beespace.uapi import bpf as uapi

__all__ = [
    "ACQUIRE_HELPERS",
    "ALLOWED_UNDER_LOCK",
    "ASYNC_CALLBACK_HELPERS",
    "ASYNC_CALLBACK_KFUNCS",
    "CALLBACK_HELPERS",
    "CALLBACK_KFUNCS",
    "DYNPTR_FROM_KFUNCS",
    "DYNPTR_REF_HELPERS",
    "ENDING_HELPERS",
    "GRAPH_API_KFUNCS",
    "GRAPH_INSERT_KFUNCS",
    "GRAPH_NODE_KFUNCS",
    "GRAPH_ROOT_KFUNCS",
    "IRQ_KFUNCS",
    "ITER_NUM_KFUNCS",
    "LIST_API_KFUNCS",
    "MAP_HELPERS",
    "MAP_READ_WRITE_HELPERS",
    "MAX_SIZE_HELPERS",
    "OBJ_DROP_KFUNCS",
    "PTR_CAST_HELPERS",
    "RBTREE_API_KFUNCS",
    "RES_SPIN_KFUNCS",
    "RES_SPIN_LOCKS",
    "SPIN_ALLOWED_KFUNCS",
    "STORAGE_GET_HELPERS",
    "SYNC_CALLBACK_HELPERS",
    "SYNC_CALLBACK_KFUNCS",
    "TASK_WORK_KFUNCS",
    "UNTRUSTED_RESULT_KFUNCS",
    "VOID_ACQUIRE_KFUNCS",
]

# Helpers that may be called while a lock is held (do_check(): bpf_spin_lock() makes everything short).
ALLOWED_UNDER_LOCK = frozenset({uapi.BPF_FUNC_spin_unlock})

# Helpers that end the function they are called in: what they start returns to that function's caller.
ENDING_HELPERS = frozenset({uapi.BPF_FUNC_tail_call})

# return a pointer the program has to give back
ACQUIRE_HELPERS = frozenset(
    (
        uapi.BPF_FUNC_sk_lookup_tcp,
        uapi.BPF_FUNC_sk_lookup_udp,
        uapi.BPF_FUNC_skc_lookup_tcp,
        uapi.BPF_FUNC_ringbuf_reserve,
        uapi.BPF_FUNC_kptr_xchg,
    )
)
# return their argument, as another type
PTR_CAST_HELPERS = frozenset(
    (
        uapi.BPF_FUNC_tcp_sock,
        uapi.BPF_FUNC_sk_fullsock,
        uapi.BPF_FUNC_skc_to_tcp_sock,
        uapi.BPF_FUNC_skc_to_tcp6_sock,
        uapi.BPF_FUNC_skc_to_udp6_sock,
        uapi.BPF_FUNC_skc_to_mptcp_sock,
        uapi.BPF_FUNC_skc_to_tcp_timewait_sock,
        uapi.BPF_FUNC_skc_to_tcp_request_sock,
    )
)
DYNPTR_REF_HELPERS = frozenset((uapi.BPF_FUNC_dynptr_data,))
SYNC_CALLBACK_HELPERS = frozenset(
    (
        uapi.BPF_FUNC_for_each_map_elem,
        uapi.BPF_FUNC_find_vma,
        uapi.BPF_FUNC_loop,
        uapi.BPF_FUNC_user_ringbuf_drain,
    )
)
ASYNC_CALLBACK_HELPERS = frozenset((uapi.BPF_FUNC_timer_set_callback,))
CALLBACK_HELPERS = SYNC_CALLBACK_HELPERS | ASYNC_CALLBACK_HELPERS
# allocate: atomically where sleeping is not allowed
STORAGE_GET_HELPERS = frozenset(
    (
        uapi.BPF_FUNC_sk_storage_get,
        uapi.BPF_FUNC_inode_storage_get,
        uapi.BPF_FUNC_task_storage_get,
        uapi.BPF_FUNC_cgrp_storage_get,
    )
)
# calls that the kernel rewrites by the map they are given
MAP_HELPERS = frozenset(
    (
        uapi.BPF_FUNC_tail_call,
        uapi.BPF_FUNC_map_lookup_elem,
        uapi.BPF_FUNC_map_update_elem,
        uapi.BPF_FUNC_map_delete_elem,
        uapi.BPF_FUNC_map_push_elem,
        uapi.BPF_FUNC_map_pop_elem,
        uapi.BPF_FUNC_map_peek_elem,
        uapi.BPF_FUNC_for_each_map_elem,
        uapi.BPF_FUNC_redirect_map,
        uapi.BPF_FUNC_map_lookup_percpu_elem,
    )
)
# not with BPF_F_RDONLY_PROG
MAP_READ_WRITE_HELPERS = frozenset(
    (
        uapi.BPF_FUNC_map_delete_elem,
        uapi.BPF_FUNC_map_update_elem,
        uapi.BPF_FUNC_map_push_elem,
        uapi.BPF_FUNC_map_pop_elem,
    )
)
# return at most the size they were given
MAX_SIZE_HELPERS = frozenset(
    (
        uapi.BPF_FUNC_get_stack,
        uapi.BPF_FUNC_get_task_stack,
        uapi.BPF_FUNC_probe_read_str,
        uapi.BPF_FUNC_probe_read_kernel_str,
        uapi.BPF_FUNC_probe_read_user_str,
    )
)

TASK_WORK_KFUNCS = frozenset(("bpf_task_work_schedule_signal_impl", "bpf_task_work_schedule_resume_impl"))
SYNC_CALLBACK_KFUNCS = frozenset(("bpf_rbtree_add_impl",))
ASYNC_CALLBACK_KFUNCS = frozenset(("bpf_wq_set_callback_impl",)) | TASK_WORK_KFUNCS
CALLBACK_KFUNCS = SYNC_CALLBACK_KFUNCS | ASYNC_CALLBACK_KFUNCS
LIST_API_KFUNCS = frozenset(
    (
        "bpf_list_push_front_impl",
        "bpf_list_push_back_impl",
        "bpf_list_pop_front",
        "bpf_list_pop_back",
        "bpf_list_front",
        "bpf_list_back",
    )
)
RBTREE_API_KFUNCS = frozenset(
    (
        "bpf_rbtree_add_impl",
        "bpf_rbtree_remove",
        "bpf_rbtree_first",
        "bpf_rbtree_root",
        "bpf_rbtree_left",
        "bpf_rbtree_right",
    )
)
GRAPH_API_KFUNCS = LIST_API_KFUNCS | RBTREE_API_KFUNCS | {"bpf_refcount_acquire_impl"}
ITER_NUM_KFUNCS = frozenset(("bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy"))
RES_SPIN_LOCKS = frozenset(("bpf_res_spin_lock", "bpf_res_spin_lock_irqsave"))
RES_SPIN_KFUNCS = RES_SPIN_LOCKS | {"bpf_res_spin_unlock", "bpf_res_spin_unlock_irqrestore"}
# may be called while a lock is held (kfunc_spin_allowed())
SPIN_ALLOWED_KFUNCS = GRAPH_API_KFUNCS | ITER_NUM_KFUNCS | RES_SPIN_KFUNCS
# take the object over: the program keeps a pointer that does not own it
GRAPH_INSERT_KFUNCS = frozenset(("bpf_list_push_front_impl", "bpf_list_push_back_impl", "bpf_rbtree_add_impl"))
# Special field of a graph -> kfuncs that take its root, kfuncs that take a node.
GRAPH_ROOT_KFUNCS = {uapi.BPF_LIST_HEAD: LIST_API_KFUNCS, uapi.BPF_RB_ROOT: RBTREE_API_KFUNCS}
GRAPH_NODE_KFUNCS = {
    uapi.BPF_LIST_NODE: frozenset(("bpf_list_push_front_impl", "bpf_list_push_back_impl")),
    uapi.BPF_RB_NODE: frozenset(("bpf_rbtree_add_impl", "bpf_rbtree_remove", "bpf_rbtree_left", "bpf_rbtree_right")),
}
# kfunc -> the type of dynptr it makes
DYNPTR_FROM_KFUNCS = {
    "bpf_dynptr_from_skb": uapi.DYNPTR_TYPE_SKB,
    "bpf_dynptr_from_xdp": uapi.DYNPTR_TYPE_XDP,
    "bpf_dynptr_from_skb_meta": uapi.DYNPTR_TYPE_SKB_META,
}
# allocated object -> the one kfunc that gives it back
OBJ_DROP_KFUNCS = {
    uapi.PTR_TO_BTF_ID | uapi.MEM_ALLOC: "bpf_obj_drop_impl",
    uapi.PTR_TO_BTF_ID | uapi.MEM_ALLOC | uapi.MEM_PERCPU: "bpf_percpu_obj_drop_impl",
}
# kfunc -> (interrupts off, enum irq_kfunc_class)
IRQ_KFUNCS = {
    "bpf_local_irq_save": (True, uapi.IRQ_NATIVE_KFUNC),
    "bpf_local_irq_restore": (False, uapi.IRQ_NATIVE_KFUNC),
    "bpf_res_spin_lock_irqsave": (True, uapi.IRQ_LOCK_KFUNC),
    "bpf_res_spin_unlock_irqrestore": (False, uapi.IRQ_LOCK_KFUNC),
}
# return a pointer that has to be given back although their C type is void *
VOID_ACQUIRE_KFUNCS = frozenset(("bpf_obj_new_impl", "bpf_percpu_obj_new_impl", "bpf_refcount_acquire_impl"))
# return a pointer that the kernel does not vouch for
UNTRUSTED_RESULT_KFUNCS = frozenset(("bpf_get_kmem_cache",))
