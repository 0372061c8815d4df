"""struct_ops type hid_bpf_ops.

:see: drivers/hid/bpf/hid_bpf_struct_ops.c
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.decl import StructOpsType
from beespace.helpers.protos.groups import BASE

if TYPE_CHECKING:
    from beespace.btf import Btf

__all__ = ["STRUCT_OPS"]

# struct -> writable fields, and whether the last byte (the terminating NUL) is not
_WRITABLE = {
    "hid_bpf_ctx": (("retval", False),),
    "hid_device": (("name", True), ("uniq", True), ("phys", True)),
}


def _hid_bpf_ops_btf_struct_access(btf: Btf, struct: str, off: int, size: int) -> str | None:
    if struct not in _WRITABLE:
        return "write access to this struct is not supported"
    if off + size > btf.size(btf.find(struct)):
        return f"write access for struct {struct} at off {off} with size {size}"
    for path, is_string in _WRITABLE[struct]:
        field = btf.field(struct, path)
        if field.byte_off <= off and off + size <= field.byte_off + btf.size(field.type_id) - is_string:
            return None
    return f"write access at off {off} with size {size} on read-only part of {struct}"


STRUCT_OPS = (
    StructOpsType(
        "hid_bpf_ops",
        protos=BASE,
        btf_struct_access=_hid_bpf_ops_btf_struct_access,
        sleepable=frozenset({"hid_rdesc_fixup", "hid_hw_request", "hid_hw_output_report"}),
        scalars=frozenset({"hid_id", "flags"}),
        since="6.11",
        ref="drivers/hid/bpf/hid_bpf_struct_ops.c:bpf_hid_bpf_ops",
    ),
)
