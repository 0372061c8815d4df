"""Helpers of kernel/bpf/ringbuf.c: ring buffers, both directions.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_ALLOC_SIZE_OR_ZERO,
    ARG_CONST_MAP_PTR,
    ARG_CONST_SIZE_OR_ZERO,
    ARG_PTR_TO_DYNPTR,
    ARG_PTR_TO_FUNC,
    ARG_PTR_TO_MEM,
    ARG_PTR_TO_RINGBUF_MEM,
    ARG_PTR_TO_STACK_OR_NULL,
    BPF_MAP_TYPE_RINGBUF,
    BPF_MAP_TYPE_USER_RINGBUF,
    DYNPTR_TYPE_RINGBUF,
    MEM_RDONLY,
    MEM_UNINIT,
    MEM_WRITE,
    OBJ_RELEASE,
    RET_INTEGER,
    RET_PTR_TO_RINGBUF_MEM_OR_NULL,
    RET_VOID,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "void *bpf_ringbuf_reserve(struct bpf_map *map, u64 size, u64 flags)",
        RET_PTR_TO_RINGBUF_MEM_OR_NULL, ARG_CONST_MAP_PTR, ARG_CONST_ALLOC_SIZE_OR_ZERO, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_RINGBUF}, since="5.8", ref="kernel/bpf/ringbuf.c:bpf_ringbuf_reserve",
    ),
    declare(
        "void bpf_ringbuf_submit(void *sample, u64 flags)",
        RET_VOID, ARG_PTR_TO_RINGBUF_MEM | OBJ_RELEASE, ARG_ANYTHING,
        since="5.8", ref="kernel/bpf/ringbuf.c:bpf_ringbuf_submit",
    ),
    declare(
        "void bpf_ringbuf_discard(void *sample, u64 flags)",
        RET_VOID, ARG_PTR_TO_RINGBUF_MEM | OBJ_RELEASE, ARG_ANYTHING,
        since="5.8", ref="kernel/bpf/ringbuf.c:bpf_ringbuf_discard",
    ),
    declare(
        "long bpf_ringbuf_output(struct bpf_map *map, void *data, u64 size, u64 flags)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_RINGBUF}, since="5.8", ref="kernel/bpf/ringbuf.c:bpf_ringbuf_output",
    ),
    declare(
        "u64 bpf_ringbuf_query(struct bpf_map *map, u64 flags)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_RINGBUF}, since="5.8", ref="kernel/bpf/ringbuf.c:bpf_ringbuf_query",
    ),
    declare(
        "long bpf_ringbuf_reserve_dynptr(struct bpf_map *map, u32 size, u64 flags, struct bpf_dynptr_kern *ptr)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_ANYTHING,
        ARG_PTR_TO_DYNPTR | MEM_UNINIT | DYNPTR_TYPE_RINGBUF | MEM_WRITE,
        only_map_types={BPF_MAP_TYPE_RINGBUF}, since="5.19", ref="kernel/bpf/ringbuf.c:bpf_ringbuf_reserve_dynptr",
    ),
    declare(
        "void bpf_ringbuf_submit_dynptr(struct bpf_dynptr_kern *ptr, u64 flags)",
        RET_VOID, ARG_PTR_TO_DYNPTR | OBJ_RELEASE | DYNPTR_TYPE_RINGBUF, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_RINGBUF}, since="5.19", ref="kernel/bpf/ringbuf.c:bpf_ringbuf_submit_dynptr",
    ),
    declare(
        "void bpf_ringbuf_discard_dynptr(struct bpf_dynptr_kern *ptr, u64 flags)",
        RET_VOID, ARG_PTR_TO_DYNPTR | OBJ_RELEASE | DYNPTR_TYPE_RINGBUF, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_RINGBUF}, since="5.19", ref="kernel/bpf/ringbuf.c:bpf_ringbuf_discard_dynptr",
    ),
    declare(
        "long bpf_user_ringbuf_drain(struct bpf_map *map, void *callback_fn, void *callback_ctx, u64 flags)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_FUNC, ARG_PTR_TO_STACK_OR_NULL, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_USER_RINGBUF}, since="6.1", ref="kernel/bpf/ringbuf.c:bpf_user_ringbuf_drain",
    ),
)
# fmt: on
