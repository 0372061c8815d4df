"""Program type struct_ops, and bpf_dummy_ops, which exists to be tested.

:see: kernel/bpf/bpf_struct_ops.c, net/bpf/bpf_dummy_struct_ops.c
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.decl import ProgType, SectionDef, StructOpsType
from beespace.helpers.protos.groups import BASE
from beespace.uapi.bpf import BPF_PROG_TYPE_STRUCT_OPS

if TYPE_CHECKING:
    from beespace.btf import Btf

__all__ = ["PROG_TYPES", "STRUCT_OPS"]


def _bpf_dummy_ops_btf_struct_access(btf: Btf, struct: str, off: int, size: int) -> str | None:
    if struct != "bpf_dummy_ops_state":
        return "only access to bpf_dummy_ops_state is supported"
    if off + size > btf.size(btf.find(struct)):
        return f"write access at off {off} with size {size}"
    return None


# fmt: off
PROG_TYPES = (
    # Helpers, writable fields and sleepable members are those of the struct: Registry.struct_ops.
    ProgType(
        BPF_PROG_TYPE_STRUCT_OPS, "struct_ops", ctx_kind="btf", ctx_size=8 * 12,
        sections=(
            SectionDef("struct_ops+", BPF_PROG_TYPE_STRUCT_OPS),
            SectionDef("struct_ops.s+", BPF_PROG_TYPE_STRUCT_OPS, 0, frozenset({"sleepable"})),
        ),
        protos=BASE, perfmon=True, sleepable="may",
        since="5.6", ref="kernel/bpf/bpf_struct_ops.c:bpf_struct_ops_prog_ops",
    ),
)

STRUCT_OPS = (
    StructOpsType(
        "bpf_dummy_ops", protos=(), btf_struct_access=_bpf_dummy_ops_btf_struct_access,
        sleepable=frozenset({"test_sleepable"}),
        since="5.16", ref="net/bpf/bpf_dummy_struct_ops.c:bpf_bpf_dummy_ops",
    ),
)
# fmt: on
