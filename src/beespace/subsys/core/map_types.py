"""Map types that are declared only: a program that uses one is verified, creating one is Unsupported.

When storage for a type is written (``maps/``), its MapType moves there and its row here goes.

:see: kernel/bpf/*: map_alloc_check() of each; kernel/bpf/verifier.c:check_map_func_compatibility
"""

from __future__ import annotations

from beespace.decl import MapType, Program
from beespace.uapi.bpf import (
    BPF_F_CLONE,
    BPF_F_LINK,
    BPF_F_NO_PREALLOC,
    BPF_F_NUMA_NODE,
    BPF_F_PRESERVE_ELEMS,
    BPF_F_RDONLY,
    BPF_F_RDONLY_PROG,
    BPF_F_STACK_BUILD_ID,
    BPF_F_VTYPE_BTF_OBJ_FD,
    BPF_F_WRONLY,
    BPF_F_WRONLY_PROG,
    BPF_F_ZERO_SEED,
    BPF_MAP_TYPE_CGROUP_ARRAY,
    BPF_MAP_TYPE_CGROUP_STORAGE,
    BPF_MAP_TYPE_CGRP_STORAGE,
    BPF_MAP_TYPE_CPUMAP,
    BPF_MAP_TYPE_DEVMAP,
    BPF_MAP_TYPE_DEVMAP_HASH,
    BPF_MAP_TYPE_INODE_STORAGE,
    BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
    BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
    BPF_MAP_TYPE_SK_STORAGE,
    BPF_MAP_TYPE_SOCKHASH,
    BPF_MAP_TYPE_SOCKMAP,
    BPF_MAP_TYPE_STACK_TRACE,
    BPF_MAP_TYPE_STRUCT_OPS,
    BPF_MAP_TYPE_TASK_STORAGE,
    BPF_MAP_TYPE_XSKMAP,
    BPF_PROG_TYPE_FLOW_DISSECTOR,
    BPF_PROG_TYPE_SCHED_ACT,
    BPF_PROG_TYPE_SCHED_CLS,
    BPF_PROG_TYPE_SK_LOOKUP,
    BPF_PROG_TYPE_SK_REUSEPORT,
    BPF_PROG_TYPE_SOCK_OPS,
    BPF_PROG_TYPE_SOCKET_FILTER,
    BPF_PROG_TYPE_TRACING,
    BPF_PROG_TYPE_XDP,
    BPF_TRACE_ITER,
    BPF_FUNC_cgrp_storage_delete,
    BPF_FUNC_cgrp_storage_get,
    BPF_FUNC_current_task_under_cgroup,
    BPF_FUNC_get_local_storage,
    BPF_FUNC_get_stackid,
    BPF_FUNC_inode_storage_delete,
    BPF_FUNC_inode_storage_get,
    BPF_FUNC_kptr_xchg,
    BPF_FUNC_map_delete_elem,
    BPF_FUNC_map_lookup_elem,
    BPF_FUNC_map_peek_elem,
    BPF_FUNC_map_pop_elem,
    BPF_FUNC_map_push_elem,
    BPF_FUNC_map_update_elem,
    BPF_FUNC_msg_redirect_hash,
    BPF_FUNC_msg_redirect_map,
    BPF_FUNC_perf_event_output,
    BPF_FUNC_perf_event_read,
    BPF_FUNC_perf_event_read_value,
    BPF_FUNC_redirect_map,
    BPF_FUNC_sk_redirect_hash,
    BPF_FUNC_sk_redirect_map,
    BPF_FUNC_sk_select_reuseport,
    BPF_FUNC_sk_storage_delete,
    BPF_FUNC_sk_storage_get,
    BPF_FUNC_skb_output,
    BPF_FUNC_skb_under_cgroup,
    BPF_FUNC_sock_hash_update,
    BPF_FUNC_sock_map_update,
    BPF_FUNC_task_storage_delete,
    BPF_FUNC_task_storage_get,
    BPF_FUNC_xdp_output,
)

__all__ = ["MAP_TYPES"]

_USER = BPF_F_RDONLY | BPF_F_WRONLY
_ACCESS = _USER | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG
_FD_ARRAY = BPF_F_NUMA_NODE | _USER
_HTAB = BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | _ACCESS
_STORAGE = BPF_F_NO_PREALLOC | BPF_F_CLONE

_UNLOCKED_SOCKET = {  # where no locked struct sock can be at hand
    BPF_PROG_TYPE_SOCKET_FILTER,
    BPF_PROG_TYPE_SCHED_CLS,
    BPF_PROG_TYPE_SCHED_ACT,
    BPF_PROG_TYPE_XDP,
    BPF_PROG_TYPE_SK_REUSEPORT,
    BPF_PROG_TYPE_FLOW_DISSECTOR,
    BPF_PROG_TYPE_SK_LOOKUP,
}


def _may_update_sockmap(prog: Program, func_id: int) -> bool:
    if func_id not in (BPF_FUNC_map_update_elem, BPF_FUNC_map_delete_elem):
        return False
    if prog.prog_type == BPF_PROG_TYPE_TRACING:
        return prog.expected_attach_type == BPF_TRACE_ITER
    if prog.prog_type == BPF_PROG_TYPE_SOCK_OPS:  # updates go through bpf_sock_map_update()
        return func_id == BPF_FUNC_map_delete_elem
    return prog.prog_type in _UNLOCKED_SOCKET


def _only(*func_ids: int) -> frozenset[int]:
    return frozenset(func_ids)


# fmt: off
_CGROUP_STORAGE = _only(BPF_FUNC_get_local_storage)
_DEVMAP = _only(BPF_FUNC_redirect_map, BPF_FUNC_map_lookup_elem)
_QUEUE = _only(BPF_FUNC_map_peek_elem, BPF_FUNC_map_pop_elem, BPF_FUNC_map_push_elem)
_LOOKUP = _only(BPF_FUNC_map_lookup_elem)

MAP_TYPES = (
    MapType(
        BPF_MAP_TYPE_PERF_EVENT_ARRAY, "perf_event_array", create_flags=_FD_ARRAY | BPF_F_PRESERVE_ELEMS,
        only_helpers=_only(
            BPF_FUNC_perf_event_read, BPF_FUNC_perf_event_output, BPF_FUNC_skb_output, BPF_FUNC_perf_event_read_value,
            BPF_FUNC_xdp_output,
        ),
        value_access=False, sleepable=False, since="4.3", ref="kernel/bpf/arraymap.c:perf_event_array_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_STACK_TRACE, "stack_trace", create_flags=BPF_F_NUMA_NODE | _USER | BPF_F_STACK_BUILD_ID,
        only_helpers=_only(BPF_FUNC_get_stackid), sleepable=False,
        since="4.6", ref="kernel/bpf/stackmap.c:stack_trace_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_CGROUP_ARRAY, "cgroup_array", create_flags=_FD_ARRAY,
        only_helpers=_only(BPF_FUNC_skb_under_cgroup, BPF_FUNC_current_task_under_cgroup),
        value_access=False, sleepable=False, since="4.8", ref="kernel/bpf/arraymap.c:cgroup_array_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_DEVMAP, "devmap", create_flags=_FD_ARRAY, only_helpers=_DEVMAP, sleepable=False,
        since="4.14", ref="kernel/bpf/devmap.c:dev_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_DEVMAP_HASH, "devmap_hash", create_flags=_FD_ARRAY, only_helpers=_DEVMAP, sleepable=False,
        since="5.4", ref="kernel/bpf/devmap.c:dev_map_hash_ops",
    ),
    MapType(
        BPF_MAP_TYPE_SOCKMAP, "sockmap", create_flags=_FD_ARRAY,
        only_helpers=_only(
            BPF_FUNC_sk_redirect_map, BPF_FUNC_sock_map_update, BPF_FUNC_msg_redirect_map,
            BPF_FUNC_sk_select_reuseport, BPF_FUNC_map_lookup_elem,
        ),
        may_update=_may_update_sockmap, value_access=False, sleepable=False,
        since="4.14", ref="net/core/sock_map.c:sock_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_SOCKHASH, "sockhash", create_flags=_FD_ARRAY,
        only_helpers=_only(
            BPF_FUNC_sk_redirect_hash, BPF_FUNC_sock_hash_update, BPF_FUNC_msg_redirect_hash,
            BPF_FUNC_sk_select_reuseport, BPF_FUNC_map_lookup_elem,
        ),
        may_update=_may_update_sockmap, value_access=False, sleepable=False,
        since="4.18", ref="net/core/sock_map.c:sock_hash_ops",
    ),
    MapType(
        BPF_MAP_TYPE_CPUMAP, "cpumap", create_flags=BPF_F_NUMA_NODE, only_helpers=_only(BPF_FUNC_redirect_map),
        value_access=False, sleepable=False, since="4.15", ref="kernel/bpf/cpumap.c:cpu_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_XSKMAP, "xskmap", create_flags=_FD_ARRAY,
        only_helpers=_only(BPF_FUNC_redirect_map, BPF_FUNC_map_lookup_elem), value_access=False, sleepable=False,
        since="4.18", ref="net/xdp/xskmap.c:xsk_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_CGROUP_STORAGE, "cgroup_storage", create_flags=BPF_F_NUMA_NODE | _ACCESS,
        only_helpers=_CGROUP_STORAGE, sleepable=False,
        since="4.19", ref="kernel/bpf/local_storage.c:cgroup_storage_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, "percpu_cgroup_storage", create_flags=BPF_F_NUMA_NODE | _ACCESS,
        only_helpers=_CGROUP_STORAGE, percpu=True, sleepable=False,
        since="4.20", ref="kernel/bpf/local_storage.c:cgroup_storage_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, "reuseport_sockarray", create_flags=_FD_ARRAY | _ACCESS,
        only_helpers=_only(BPF_FUNC_sk_select_reuseport), value_access=False, sleepable=False,
        since="4.19", ref="kernel/bpf/reuseport_array.c:reuseport_array_ops",
    ),
    MapType(
        BPF_MAP_TYPE_SK_STORAGE, "sk_storage", create_flags=_STORAGE, required_flags=BPF_F_NO_PREALLOC,
        only_helpers=_only(BPF_FUNC_sk_storage_get, BPF_FUNC_sk_storage_delete, BPF_FUNC_kptr_xchg),
        since="5.2", ref="net/core/bpf_sk_storage.c:sk_storage_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_STRUCT_OPS, "struct_ops", create_flags=BPF_F_LINK | BPF_F_VTYPE_BTF_OBJ_FD, value_access=False,
        sleepable=False, since="5.6", ref="kernel/bpf/bpf_struct_ops.c:bpf_struct_ops_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_INODE_STORAGE, "inode_storage", create_flags=_STORAGE, required_flags=BPF_F_NO_PREALLOC,
        only_helpers=_only(BPF_FUNC_inode_storage_get, BPF_FUNC_inode_storage_delete, BPF_FUNC_kptr_xchg),
        since="5.10", ref="kernel/bpf/bpf_inode_storage.c:inode_storage_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_TASK_STORAGE, "task_storage", create_flags=_STORAGE, required_flags=BPF_F_NO_PREALLOC,
        only_helpers=_only(BPF_FUNC_task_storage_get, BPF_FUNC_task_storage_delete, BPF_FUNC_kptr_xchg),
        since="5.11", ref="kernel/bpf/bpf_task_storage.c:task_storage_map_ops",
    ),
    MapType(
        BPF_MAP_TYPE_CGRP_STORAGE, "cgrp_storage", create_flags=_STORAGE, required_flags=BPF_F_NO_PREALLOC,
        only_helpers=_only(BPF_FUNC_cgrp_storage_get, BPF_FUNC_cgrp_storage_delete, BPF_FUNC_kptr_xchg),
        since="6.2", ref="kernel/bpf/bpf_cgrp_storage.c:cgrp_storage_map_ops",
    ),
)
# fmt: on
