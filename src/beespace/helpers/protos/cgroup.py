"""Helpers of kernel/bpf/cgroup.c.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_MAP_PTR,
    ARG_CONST_SIZE,
    ARG_PTR_TO_CTX,
    ARG_PTR_TO_CTX_OR_NULL,
    ARG_PTR_TO_MEM,
    BPF_MAP_TYPE_CGROUP_STORAGE,
    BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
    MEM_RDONLY,
    MEM_UNINIT,
    MEM_WRITE,
    RET_INTEGER,
    RET_PTR_TO_MAP_VALUE,
    BPF_FUNC_get_netns_cookie,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "void *bpf_get_local_storage(struct bpf_map *map, u64 flags)",
        RET_PTR_TO_MAP_VALUE, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_CGROUP_STORAGE, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE},
        since="4.19", ref="kernel/bpf/cgroup.c:bpf_get_local_storage",
    ),
    declare(
        "int bpf_get_retval(void)",
        RET_INTEGER,
        since="5.18", ref="kernel/bpf/cgroup.c:bpf_get_retval",
    ),
    declare(
        "int bpf_set_retval(int retval)",
        RET_INTEGER, ARG_ANYTHING,
        since="5.18", ref="kernel/bpf/cgroup.c:bpf_set_retval",
    ),
    declare(
        "long bpf_sysctl_get_name(struct bpf_sysctl_kern *ctx, char *buf, size_t buf_len, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_WRITE, ARG_CONST_SIZE, ARG_ANYTHING,
        since="5.2", ref="kernel/bpf/cgroup.c:bpf_sysctl_get_name",
    ),
    declare(
        "long bpf_sysctl_get_current_value(struct bpf_sysctl_kern *ctx, char *buf, size_t buf_len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        since="5.2", ref="kernel/bpf/cgroup.c:bpf_sysctl_get_current_value",
    ),
    declare(
        "long bpf_sysctl_get_new_value(struct bpf_sysctl_kern *ctx, char *buf, size_t buf_len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        since="5.2", ref="kernel/bpf/cgroup.c:bpf_sysctl_get_new_value",
    ),
    declare(
        "long bpf_sysctl_set_new_value(struct bpf_sysctl_kern *ctx, const char *buf, size_t buf_len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        since="5.2", ref="kernel/bpf/cgroup.c:bpf_sysctl_set_new_value",
    ),
    declare(
        "u64 bpf_get_netns_cookie_sockopt(struct bpf_sockopt_kern *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX_OR_NULL,
        func_id=BPF_FUNC_get_netns_cookie, since="5.7", ref="kernel/bpf/cgroup.c:bpf_get_netns_cookie_sockopt",
    ),
)
# fmt: on
