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
    "DYNPTR_REF_HELPERS",
    "GRAPH_API_KFUNCS",
    "LIST_API_KFUNCS",
    "MAP_HELPERS",
    "MAP_READ_WRITE_HELPERS",
    "MAX_SIZE_HELPERS",
    "PTR_CAST_HELPERS",
    "RBTREE_API_KFUNCS",
    "STORAGE_GET_HELPERS",
    "SYNC_CALLBACK_HELPERS",
    "SYNC_CALLBACK_KFUNCS",
    "TASK_WORK_KFUNCS",
]

# Helpers that may be called while a lock is held (do_check(): bpf_spin_lock() makes everything short).
ALLOWED_UNDER_LOCK = frozenset({uapi.BPF_FUNC_spin_unlock})

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

TASK_WORK_KFUNCS = frozenset(("bpf_task_work_schedule_signal", "bpf_task_work_schedule_resume"))
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
