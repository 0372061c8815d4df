"""struct_ops type sched_ext_ops.

Not compared with a running kernel: the reference machine's is built without CONFIG_SCHED_CLASS_EXT.

:see: kernel/sched/ext.c:bpf_sched_ext_ops
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.decl import StructOpsType
from beespace.helpers.protos.groups import BASE

if TYPE_CHECKING:
    from beespace.btf import Btf

__all__ = ["STRUCT_OPS"]

_WRITABLE = ("scx.slice", "scx.dsq_vtime", "scx.disallow")


def _bpf_scx_btf_struct_access(btf: Btf, struct: str, off: int, size: int) -> str | None:
    if struct == "task_struct":
        for path in _WRITABLE:
            field = btf.field(struct, path)
            if field.byte_off <= off and off + size <= field.byte_off + btf.size(field.type_id):
                return None
    return ""


# fmt: off
STRUCT_OPS = (
    StructOpsType(
        "sched_ext_ops", protos=("bpf_task_storage_get", "bpf_task_storage_delete", *BASE),
        btf_struct_access=_bpf_scx_btf_struct_access,
        sleepable=frozenset({
            "init_task", "cgroup_init", "cgroup_exit", "cgroup_prep_move", "cpu_online", "cpu_offline", "init", "exit",
        }),
        required=frozenset({"name"}),
        scalars=frozenset({
            "dispatch_max_batch", "flags", "name", "timeout_ms", "exit_dump_len", "hotplug_seq",
        }),
        since="6.12", ref="kernel/sched/ext.c:bpf_sched_ext_ops",
    ),
)
# fmt: on
