"""Special fields of a type as values: what map values and allocated objects hold that the kernel looks after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.btf.btf import Btf

__all__ = ["BtfField", "BtfRecord"]


@frozen
class BtfField:
    """``struct btf_field``: a special field inside a map value or allocated object."""

    kind: int  # enum btf_field_type: BPF_SPIN_LOCK, BPF_TIMER, BPF_KPTR_REF, ...
    off: int  # bytes from the start of the value
    size: int  # bytes
    btf: Btf | None = None  # kptr: where btf_id lives; graph roots: the program's BTF
    btf_id: int = 0  # kptr: pointed-to struct; list head / rb root: node's struct (graph_root.value_btf_id)
    node_off: int = 0  # graph roots: offset of the node inside the object


@frozen
class BtfRecord:
    """``struct btf_record``: the special fields, by offset."""

    fields: tuple[BtfField, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fields)

    def __iter__(self) -> Iterator[BtfField]:
        return iter(self.fields)

    def find(self, off: int, kind_mask: int) -> BtfField | None:
        """The field that starts at *off* and whose kind is in *kind_mask* (btf_record_find())."""
        return next((f for f in self.fields if f.off == off and f.kind & kind_mask), None)

    def has(self, kind: int) -> bool:
        """Whether a field of *kind* (a bit of enum btf_field_type) is there."""
        return any(f.kind & kind for f in self.fields)
