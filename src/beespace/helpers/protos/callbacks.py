"""Helpers of kernel/bpf/{bpf_iter,task_iter}.c: helpers that call back.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_MAP_PTR,
    ARG_PTR_TO_BTF_ID,
    ARG_PTR_TO_FUNC,
    ARG_PTR_TO_STACK_OR_NULL,
    RET_INTEGER,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "long bpf_for_each_map_elem(struct bpf_map *map, void *callback_fn, void *callback_ctx, u64 flags)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_FUNC, ARG_PTR_TO_STACK_OR_NULL, ARG_ANYTHING,
        since="5.13", ref="kernel/bpf/bpf_iter.c:bpf_for_each_map_elem",
    ),
    declare(
        "long bpf_loop(u32 nr_loops, void *callback_fn, void *callback_ctx, u64 flags)",
        RET_INTEGER, ARG_ANYTHING, ARG_PTR_TO_FUNC, ARG_PTR_TO_STACK_OR_NULL, ARG_ANYTHING,
        since="5.17", ref="kernel/bpf/bpf_iter.c:bpf_loop",
    ),
    declare(
        "long bpf_find_vma(struct task_struct *task, u64 start, void *callback_fn, void *callback_ctx, "
        "u64 flags)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_ANYTHING, ARG_PTR_TO_FUNC, ARG_PTR_TO_STACK_OR_NULL, ARG_ANYTHING,
        arg_btf_ids=("task_struct", None, None, None, None), since="5.17", ref="kernel/bpf/task_iter.c:bpf_find_vma",
    ),
)
# fmt: on
