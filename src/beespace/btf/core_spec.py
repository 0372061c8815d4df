"""CO-RE: what a relocation refers to, as written (``0:1:2``), as C (``.se.vruntime``) and as an offset.

:see: tools/lib/bpf/relo_core.c:bpf_core_parse_spec, bpf_core_spec_match, bpf_core_format_spec
"""

from __future__ import annotations

import re

from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.btf.core_compat import essential_name, fields_are_compat, types_are_compat, types_match
from beespace.btf.resolve import composite_of
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi
from beespace.values import frozen

__all__ = ["RELO_KIND_NAMES", "Accessor", "CoreSpec", "SpecError", "kind_str", "match_spec", "parse_spec"]

SPEC_MAX_LEN = 64  # BPF_CORE_SPEC_MAX_LEN

RELO_KIND_NAMES = {
    uapi.BPF_CORE_FIELD_BYTE_OFFSET: "byte_off",
    uapi.BPF_CORE_FIELD_BYTE_SIZE: "byte_sz",
    uapi.BPF_CORE_FIELD_EXISTS: "field_exists",
    uapi.BPF_CORE_FIELD_SIGNED: "signed",
    uapi.BPF_CORE_FIELD_LSHIFT_U64: "lshift_u64",
    uapi.BPF_CORE_FIELD_RSHIFT_U64: "rshift_u64",
    uapi.BPF_CORE_TYPE_ID_LOCAL: "local_type_id",
    uapi.BPF_CORE_TYPE_ID_TARGET: "target_type_id",
    uapi.BPF_CORE_TYPE_EXISTS: "type_exists",
    uapi.BPF_CORE_TYPE_MATCHES: "type_matches",
    uapi.BPF_CORE_TYPE_SIZE: "type_size",
    uapi.BPF_CORE_ENUMVAL_EXISTS: "enumval_exists",
    uapi.BPF_CORE_ENUMVAL_VALUE: "enumval_value",
}
FIELD_KINDS = frozenset(range(uapi.BPF_CORE_FIELD_BYTE_OFFSET, uapi.BPF_CORE_FIELD_RSHIFT_U64 + 1))
TYPE_KINDS = frozenset(
    (
        uapi.BPF_CORE_TYPE_ID_LOCAL,
        uapi.BPF_CORE_TYPE_ID_TARGET,
        uapi.BPF_CORE_TYPE_EXISTS,
        uapi.BPF_CORE_TYPE_MATCHES,
        uapi.BPF_CORE_TYPE_SIZE,
    )
)
ENUMVAL_KINDS = frozenset((uapi.BPF_CORE_ENUMVAL_EXISTS, uapi.BPF_CORE_ENUMVAL_VALUE))


class SpecError(BtfError):
    """A specification cannot be followed; libbpf reports only its errno."""


@frozen
class Accessor:
    """One step of a specification: member ``idx`` (with its ``name``) of, or element ``idx`` of, ``type_id``."""

    type_id: int
    idx: int
    name: str | None = None


@frozen
class CoreSpec:
    """``struct bpf_core_spec``: a field, type or enumerator in one BTF. ``str()`` is libbpf's spelling.

    :ivar accessors: named members and array elements; ``raw`` has every step, through anonymous members too.
    :ivar bit_offset: of the field from the start of the root type.
    """

    btf: Btf
    root_type_id: int
    relo_kind: int
    accessors: tuple[Accessor, ...] = ()
    raw: tuple[int, ...] = ()
    bit_offset: int = 0

    def __str__(self) -> str:
        root = self.btf.type(self.root_type_id)
        text = f"<{RELO_KIND_NAMES.get(self.relo_kind, 'unknown')}> [{self.root_type_id}] {kind_str(root)} "
        text += root.name or "<anon>"
        if self.relo_kind in ENUMVAL_KINDS:
            enum = self.btf.type(self.btf.skip_mods_and_typedefs(self.root_type_id))
            if isinstance(enum, t.Enum | t.Enum64) and enum.values:
                value = enum.values[self.raw[0] if self.raw else 0]
                text += f"::{value.name} = {value.value}"
        elif self.relo_kind in FIELD_KINDS:
            text += self.path + f" ({':'.join(map(str, self.raw))} @ offset {self.bit_offset // 8}"
            text += f".{self.bit_offset % 8})" if self.bit_offset % 8 else ")"
        return text

    @property
    def path(self) -> str:
        """The field access in C: ``.se.run_node[1].left``."""
        parts = []
        for i, accessor in enumerate(self.accessors):
            if accessor.name is not None:
                parts.append(f".{accessor.name}")
            elif i > 0 or accessor.idx > 0:
                parts.append(f"[{accessor.idx}]")
        return "".join(parts)


def kind_str(btf_type: t.BtfType) -> str:
    """A kind as libbpf spells it."""
    return "void" if isinstance(btf_type, t.Void) else t.KIND_NAMES[btf_type.kind].lower()


def _is_flex_array(btf: Btf, accessors: list[Accessor], array: t.Array) -> bool:
    # the last member of a struct, without size
    last = accessors[-1]
    if last.name is None or array.nelems > 0:
        return False
    composite = composite_of(btf, last.type_id)
    return composite is not None and last.idx == len(composite.members) - 1


def parse_spec(btf: Btf, type_id: int, access_str: str, kind: int) -> CoreSpec:
    """What *access_str* means for the local type.

    :raises SpecError: it means nothing; with the errno that libbpf prints.
    """
    if kind in TYPE_KINDS:
        if access_str != "0":
            raise SpecError(f"access string {access_str!r} for a type")
        return CoreSpec(btf, type_id, kind)
    if not re.fullmatch(r"\d+(:\d+)*:?", access_str, re.ASCII):
        raise SpecError(f"access string {access_str!r}")
    raw = tuple(int(part) for part in access_str.rstrip(":").split(":"))
    if len(raw) > SPEC_MAX_LEN:
        raise SpecError(f"{len(raw)} steps, at most {SPEC_MAX_LEN}", errno=7)
    at = btf.skip_mods_and_typedefs(type_id)
    if kind in ENUMVAL_KINDS:
        enum = btf.type(at)
        if not isinstance(enum, t.Enum | t.Enum64) or len(raw) > 1 or raw[0] >= len(enum.values):
            raise SpecError(f"[{at}] has no enumerator {access_str}")
        return CoreSpec(btf, type_id, kind, (Accessor(at, raw[0], enum.values[raw[0]].name),), raw)
    if kind not in FIELD_KINDS:
        raise SpecError(f"relocation kind {kind}")
    return _parse_field(btf, type_id, at, raw, kind)


def _parse_field(btf: Btf, type_id: int, at: int, raw: tuple[int, ...], kind: int) -> CoreSpec:
    accessors = [Accessor(at, raw[0])]
    bit_offset = raw[0] * btf.size(at) * 8
    for idx in raw[1:]:
        at = btf.skip_mods_and_typedefs(at)
        match btf.type(at):
            case t.Struct(members=members) | t.Union(members=members):
                if idx >= len(members):
                    raise SpecError(f"[{at}] has no member {idx}")
                bit_offset += members[idx].bit_offset
                if members[idx].name:
                    accessors.append(Accessor(at, idx, members[idx].name))
                at = members[idx].type
            case t.Array() as array:
                at = btf.skip_mods_and_typedefs(array.type)
                if idx >= array.nelems and not _is_flex_array(btf, accessors, array):
                    raise SpecError(f"[{at}] has no element {idx}")
                accessors.append(Accessor(at, idx))
                bit_offset += idx * btf.size(at) * 8
            case other:
                raise SpecError(f"captures type [{at}] of unexpected kind {kind_str(other)}")
    return CoreSpec(btf, type_id, kind, tuple(accessors), raw, bit_offset)


def match_spec(local: CoreSpec, target_btf: Btf, target_id: int) -> tuple[bool, CoreSpec]:
    """Whether a candidate has the same field, type or enumerator, and where it is; if not, how far it was followed.

    :raises SpecError: the candidate cannot be followed (too deep, types without size).
    """
    if local.relo_kind in TYPE_KINDS:
        same = types_match if local.relo_kind == uapi.BPF_CORE_TYPE_MATCHES else types_are_compat
        matches = same(local.btf, local.root_type_id, target_btf, target_id)
        return matches, CoreSpec(target_btf, target_id, local.relo_kind)
    if local.relo_kind in ENUMVAL_KINDS:
        return _match_enumval(local, target_btf, target_id)
    return _FieldMatcher(local, target_btf, target_id).match()


def _match_enumval(local: CoreSpec, target_btf: Btf, target_id: int) -> tuple[bool, CoreSpec]:
    at = target_btf.skip_mods_and_typedefs(target_id)
    enum = target_btf.type(at)
    if isinstance(enum, t.Enum | t.Enum64):
        wanted = essential_name(local.accessors[0].name or "")
        for idx, value in enumerate(enum.values):
            if essential_name(value.name) == wanted:
                accessors = (Accessor(at, idx, value.name),)
                return True, CoreSpec(target_btf, target_id, local.relo_kind, accessors, (idx,))
    return False, CoreSpec(target_btf, target_id, local.relo_kind)


class _FieldMatcher:
    # Follows the local accessors in a target type, collecting the target's.

    def __init__(self, local: CoreSpec, target_btf: Btf, target_id: int) -> None:
        self.local = local
        self.btf = target_btf
        self.root = target_id
        self.accessors: list[Accessor] = []
        self.raw: list[int] = []
        self.bit_offset = 0

    def match(self) -> tuple[bool, CoreSpec]:
        at = self.root
        matches = True
        for accessor in self.local.accessors:
            found = self.member(accessor, at) if accessor.name is not None else self.element(accessor, at)
            if found is None:
                matches = False
                break
            at = found
        return matches, CoreSpec(
            self.btf, self.root, self.local.relo_kind, tuple(self.accessors), tuple(self.raw), self.bit_offset
        )  # fmt: skip

    def check_room(self) -> None:
        if len(self.raw) >= SPEC_MAX_LEN:
            raise SpecError(f"more than {SPEC_MAX_LEN} steps", errno=7)

    def element(self, accessor: Accessor, at: int) -> int | None:
        at = self.btf.skip_mods_and_typedefs(at)
        if self.accessors:  # the first is the root itself, seen as an array of such
            array = self.btf.type(at)
            if not isinstance(array, t.Array):
                return None
            if accessor.idx >= array.nelems and not _is_flex_array(self.btf, self.accessors, array):
                return None
            at = self.btf.skip_mods_and_typedefs(array.type)
        self.check_room()
        self.accessors.append(Accessor(at, accessor.idx))
        self.raw.append(accessor.idx)
        self.bit_offset += accessor.idx * self.btf.size(at) * 8
        return at

    def member(self, accessor: Accessor, at: int) -> int | None:
        composite = composite_of(self.local.btf, accessor.type_id)
        assert composite is not None
        wanted = composite.members[accessor.idx]
        found = self.find(wanted.name, at, (), 0, set())
        if found is None:
            return None
        owner, raw, bit_offset = found
        target = composite_of(self.btf, owner)
        assert target is not None
        member = target.members[raw[-1]]
        self.raw += raw
        self.bit_offset += bit_offset
        if not fields_are_compat(self.local.btf, wanted.type, self.btf, member.type):
            return None
        self.accessors.append(Accessor(owner, raw[-1], member.name))
        return member.type

    def find(
        self, name: str, at: int, raw: tuple[int, ...], bit_offset: int, barren: set[int]
    ) -> tuple[int, tuple[int, ...], int] | None:  # fmt: skip
        # depth first, anonymous structs in their place: (struct, steps, bit offset) of the member
        at = self.btf.skip_mods_and_typedefs(at)
        composite = self.btf.type(at)
        if not isinstance(composite, t.Struct | t.Union) or at in barren:
            return None
        for idx, member in enumerate(composite.members):
            if len(self.raw) + len(raw) >= SPEC_MAX_LEN:
                raise SpecError(f"more than {SPEC_MAX_LEN} steps", errno=7)
            here = bit_offset + member.bit_offset
            if member.name == name:
                return at, (*raw, idx), here
            if not member.name:
                found = self.find(name, member.type, (*raw, idx), here, barren)
                if found is not None:
                    return found
        barren.add(at)
        return None
