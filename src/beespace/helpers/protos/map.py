"""Helpers of kernel/bpf/helpers.c: operations of any map.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_MAP_PTR,
    ARG_PTR_TO_MAP_KEY,
    ARG_PTR_TO_MAP_VALUE,
    BPF_MAP_TYPE_BLOOM_FILTER,
    BPF_MAP_TYPE_LRU_PERCPU_HASH,
    BPF_MAP_TYPE_PERCPU_ARRAY,
    BPF_MAP_TYPE_PERCPU_HASH,
    BPF_MAP_TYPE_QUEUE,
    BPF_MAP_TYPE_STACK,
    MEM_UNINIT,
    MEM_WRITE,
    RET_INTEGER,
    RET_PTR_TO_MAP_VALUE_OR_NULL,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "void *bpf_map_lookup_elem(struct bpf_map *map, void *key)",
        RET_PTR_TO_MAP_VALUE_OR_NULL, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY,
        pkt_access=True, since="3.19", ref="kernel/bpf/helpers.c:bpf_map_lookup_elem",
    ),
    declare(
        "long bpf_map_update_elem(struct bpf_map *map, void *key, void *value, u64 flags)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY, ARG_PTR_TO_MAP_VALUE, ARG_ANYTHING,
        pkt_access=True, since="3.19", ref="kernel/bpf/helpers.c:bpf_map_update_elem",
    ),
    declare(
        "long bpf_map_delete_elem(struct bpf_map *map, void *key)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY,
        pkt_access=True, since="3.19", ref="kernel/bpf/helpers.c:bpf_map_delete_elem",
    ),
    declare(
        "long bpf_map_push_elem(struct bpf_map *map, void *value, u64 flags)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_VALUE, ARG_ANYTHING,
        pkt_access=True, only_map_types={BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK, BPF_MAP_TYPE_BLOOM_FILTER},
        since="4.20", ref="kernel/bpf/helpers.c:bpf_map_push_elem",
    ),
    declare(
        "long bpf_map_pop_elem(struct bpf_map *map, void *value)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_VALUE | MEM_UNINIT | MEM_WRITE,
        only_map_types={BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK},
        since="4.20", ref="kernel/bpf/helpers.c:bpf_map_pop_elem",
    ),
    declare(
        "long bpf_map_peek_elem(struct bpf_map *map, void *value)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_VALUE | MEM_UNINIT | MEM_WRITE,
        only_map_types={BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK, BPF_MAP_TYPE_BLOOM_FILTER},
        since="4.20", ref="kernel/bpf/helpers.c:bpf_map_peek_elem",
    ),
    declare(
        "void *bpf_map_lookup_percpu_elem(struct bpf_map *map, void *key, u32 cpu)",
        RET_PTR_TO_MAP_VALUE_OR_NULL, ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY, ARG_ANYTHING,
        pkt_access=True,
        only_map_types={BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_LRU_PERCPU_HASH},
        since="5.19", ref="kernel/bpf/helpers.c:bpf_map_lookup_percpu_elem",
    ),
)
# fmt: on
