"""Helpers of kernel/bpf/{syscall,btf,core}.c.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_MAP_PTR,
    ARG_CONST_SIZE,
    ARG_CONST_SIZE_OR_ZERO,
    ARG_PTR_TO_CTX,
    ARG_PTR_TO_MEM,
    BPF_MAP_TYPE_PROG_ARRAY,
    MEM_ALIGNED,
    MEM_FIXED_SIZE,
    MEM_RDONLY,
    MEM_UNINIT,
    MEM_WRITE,
    RET_INTEGER,
    RET_VOID,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "long bpf_tail_call(void *ctx, struct bpf_map *prog_array_map, u32 index)",
        RET_VOID, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        changes_pkt_data=True, only_map_types={BPF_MAP_TYPE_PROG_ARRAY},
        since="4.2", ref="kernel/bpf/core.c:bpf_tail_call",
    ),
    declare(
        "long bpf_sys_bpf(int cmd, union bpf_attr *attr, u32 attr_size)",
        RET_INTEGER, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        since="5.14", ref="kernel/bpf/syscall.c:bpf_sys_bpf",
    ),
    declare(
        "long bpf_sys_close(u32 fd)",
        RET_INTEGER, ARG_ANYTHING,
        since="5.14", ref="kernel/bpf/syscall.c:bpf_sys_close",
    ),
    declare(
        "long bpf_kallsyms_lookup_name(const char *name, int name_sz, int flags, u64 *res)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        ARG_PTR_TO_MEM | MEM_UNINIT | MEM_FIXED_SIZE | MEM_ALIGNED | MEM_WRITE,
        arg_sizes=(0, 0, 0, 8), since="5.16", ref="kernel/bpf/syscall.c:bpf_kallsyms_lookup_name",
    ),
    declare(
        "long bpf_btf_find_by_name_kind(char *name, int name_sz, u32 kind, int flags)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE, ARG_ANYTHING, ARG_ANYTHING,
        since="5.14", ref="kernel/bpf/btf.c:bpf_btf_find_by_name_kind",
    ),
)
# fmt: on
