"""Helpers of kernel/bpf/bpf_{task,inode,cgrp}_storage.c.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_MAP_PTR,
    ARG_PTR_TO_BTF_ID_OR_NULL,
    ARG_PTR_TO_MAP_VALUE_OR_NULL,
    BPF_MAP_TYPE_CGRP_STORAGE,
    BPF_MAP_TYPE_INODE_STORAGE,
    BPF_MAP_TYPE_TASK_STORAGE,
    RET_INTEGER,
    RET_PTR_TO_MAP_VALUE_OR_NULL,
    BPF_FUNC_task_storage_delete,
    BPF_FUNC_task_storage_get,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "void *bpf_inode_storage_get(struct bpf_map *map, struct inode *inode, void *value, u64 flags)",
        RET_PTR_TO_MAP_VALUE_OR_NULL, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_MAP_VALUE_OR_NULL,
        ARG_ANYTHING,
        arg_btf_ids=(None, "inode", None, None), only_map_types={BPF_MAP_TYPE_INODE_STORAGE},
        since="5.10", ref="kernel/bpf/bpf_inode_storage.c:bpf_inode_storage_get",
    ),
    declare(
        "int bpf_inode_storage_delete(struct bpf_map *map, struct inode *inode)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_OR_NULL,
        arg_btf_ids=(None, "inode"), only_map_types={BPF_MAP_TYPE_INODE_STORAGE},
        since="5.10", ref="kernel/bpf/bpf_inode_storage.c:bpf_inode_storage_delete",
    ),
    declare(
        "void *bpf_cgrp_storage_get(struct bpf_map *map, struct cgroup *cgroup, void *value, u64 flags)",
        RET_PTR_TO_MAP_VALUE_OR_NULL, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_MAP_VALUE_OR_NULL,
        ARG_ANYTHING,
        arg_btf_ids=(None, "cgroup", None, None), only_map_types={BPF_MAP_TYPE_CGRP_STORAGE},
        since="6.2", ref="kernel/bpf/bpf_cgrp_storage.c:bpf_cgrp_storage_get",
    ),
    declare(
        "long bpf_cgrp_storage_delete(struct bpf_map *map, struct cgroup *cgroup)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_OR_NULL,
        arg_btf_ids=(None, "cgroup"), only_map_types={BPF_MAP_TYPE_CGRP_STORAGE},
        since="6.2", ref="kernel/bpf/bpf_cgrp_storage.c:bpf_cgrp_storage_delete",
    ),
    declare(
        "void *bpf_task_storage_get_recur(struct bpf_map *map, struct task_struct *task, void *value, u64 flags)",
        RET_PTR_TO_MAP_VALUE_OR_NULL, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_MAP_VALUE_OR_NULL,
        ARG_ANYTHING,
        func_id=BPF_FUNC_task_storage_get, arg_btf_ids=(None, "task_struct", None, None),
        only_map_types={BPF_MAP_TYPE_TASK_STORAGE},
        since="6.2", ref="kernel/bpf/bpf_task_storage.c:bpf_task_storage_get_recur",
    ),
    declare(
        "void *bpf_task_storage_get(struct bpf_map *map, struct task_struct *task, void *value, u64 flags)",
        RET_PTR_TO_MAP_VALUE_OR_NULL, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_OR_NULL, ARG_PTR_TO_MAP_VALUE_OR_NULL,
        ARG_ANYTHING,
        arg_btf_ids=(None, "task_struct", None, None), only_map_types={BPF_MAP_TYPE_TASK_STORAGE},
        since="5.11", ref="kernel/bpf/bpf_task_storage.c:bpf_task_storage_get",
    ),
    declare(
        "long bpf_task_storage_delete_recur(struct bpf_map *map, struct task_struct *task)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_OR_NULL,
        func_id=BPF_FUNC_task_storage_delete, arg_btf_ids=(None, "task_struct"),
        only_map_types={BPF_MAP_TYPE_TASK_STORAGE},
        since="6.2", ref="kernel/bpf/bpf_task_storage.c:bpf_task_storage_delete_recur",
    ),
    declare(
        "long bpf_task_storage_delete(struct bpf_map *map, struct task_struct *task)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_PTR_TO_BTF_ID_OR_NULL,
        arg_btf_ids=(None, "task_struct"), only_map_types={BPF_MAP_TYPE_TASK_STORAGE},
        since="5.11", ref="kernel/bpf/bpf_task_storage.c:bpf_task_storage_delete",
    ),
)
# fmt: on
