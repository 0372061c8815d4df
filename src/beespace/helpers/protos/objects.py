"""Helpers of kernel/bpf/helpers.c: locks, timers, kptrs and dynptrs.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_ALLOC_SIZE_OR_ZERO,
    ARG_CONST_MAP_PTR,
    ARG_CONST_SIZE_OR_ZERO,
    ARG_KPTR_XCHG_DEST,
    ARG_PTR_TO_BTF_ID_OR_NULL,
    ARG_PTR_TO_DYNPTR,
    ARG_PTR_TO_FUNC,
    ARG_PTR_TO_MEM,
    ARG_PTR_TO_SPIN_LOCK,
    ARG_PTR_TO_TIMER,
    DYNPTR_TYPE_LOCAL,
    MEM_RDONLY,
    MEM_UNINIT,
    MEM_WRITE,
    OBJ_RELEASE,
    RET_INTEGER,
    RET_PTR_TO_BTF_ID_OR_NULL,
    RET_PTR_TO_DYNPTR_MEM_OR_NULL,
    RET_VOID,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "long bpf_spin_lock(struct bpf_spin_lock *lock)",
        RET_VOID, ARG_PTR_TO_SPIN_LOCK,
        since="5.1", ref="kernel/bpf/helpers.c:bpf_spin_lock",
    ),
    declare(
        "long bpf_spin_unlock(struct bpf_spin_lock *lock)",
        RET_VOID, ARG_PTR_TO_SPIN_LOCK,
        since="5.1", ref="kernel/bpf/helpers.c:bpf_spin_unlock",
    ),
    declare(
        "long bpf_timer_init(struct bpf_async_kern *timer, struct bpf_map *map, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_TIMER, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        gpl_only=True, since="5.15", ref="kernel/bpf/helpers.c:bpf_timer_init",
    ),
    declare(
        "long bpf_timer_set_callback(struct bpf_async_kern *timer, void *callback_fn)",
        RET_INTEGER, ARG_PTR_TO_TIMER, ARG_PTR_TO_FUNC,
        gpl_only=True, since="5.15", ref="kernel/bpf/helpers.c:bpf_timer_set_callback",
    ),
    declare(
        "long bpf_timer_start(struct bpf_async_kern *timer, u64 nsecs, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_TIMER, ARG_ANYTHING, ARG_ANYTHING,
        gpl_only=True, since="5.15", ref="kernel/bpf/helpers.c:bpf_timer_start",
    ),
    declare(
        "long bpf_timer_cancel(struct bpf_async_kern *timer)",
        RET_INTEGER, ARG_PTR_TO_TIMER,
        gpl_only=True, since="5.15", ref="kernel/bpf/helpers.c:bpf_timer_cancel",
    ),
    declare(
        "void *bpf_kptr_xchg(void *dst, void *ptr)",
        RET_PTR_TO_BTF_ID_OR_NULL, ARG_KPTR_XCHG_DEST, ARG_PTR_TO_BTF_ID_OR_NULL | OBJ_RELEASE,
        since="5.19", ref="kernel/bpf/helpers.c:bpf_kptr_xchg",
    ),
    declare(
        "long bpf_dynptr_from_mem(void *data, u32 size, u64 flags, struct bpf_dynptr_kern *ptr)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        ARG_PTR_TO_DYNPTR | MEM_UNINIT | DYNPTR_TYPE_LOCAL | MEM_WRITE,
        since="5.19", ref="kernel/bpf/helpers.c:bpf_dynptr_from_mem",
    ),
    declare(
        "long bpf_dynptr_read(void *dst, u32 len, const struct bpf_dynptr_kern *src, u32 offset, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_PTR_TO_DYNPTR | MEM_RDONLY,
        ARG_ANYTHING, ARG_ANYTHING,
        since="5.19", ref="kernel/bpf/helpers.c:bpf_dynptr_read",
    ),
    declare(
        "long bpf_dynptr_write(const struct bpf_dynptr_kern *dst, u32 offset, void *src, u32 len, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_DYNPTR | MEM_RDONLY, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        since="5.19", ref="kernel/bpf/helpers.c:bpf_dynptr_write",
    ),
    declare(
        "void *bpf_dynptr_data(const struct bpf_dynptr_kern *ptr, u32 offset, u32 len)",
        RET_PTR_TO_DYNPTR_MEM_OR_NULL, ARG_PTR_TO_DYNPTR | MEM_RDONLY, ARG_ANYTHING, ARG_CONST_ALLOC_SIZE_OR_ZERO,
        since="5.19", ref="kernel/bpf/helpers.c:bpf_dynptr_data",
    ),
)
# fmt: on
