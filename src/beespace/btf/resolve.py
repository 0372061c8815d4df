"""Sizes, alignments and members of types, for anything that has types by id: a Btf, or a BtfBuilder being filled.

:see: tools/lib/bpf/btf.c:btf__resolve_size, btf__align_of
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from beespace.btf import types as t
from beespace.errors import BtfError
from beespace.values import frozen

__all__ = [
    "MAX_RESOLVE_DEPTH",
    "PTR_SIZE",
    "FieldRef",
    "Types",
    "align_of",
    "composite_of",
    "field_of",
    "find_member",
    "is_packed",
    "size_of",
]

MAX_RESOLVE_DEPTH = 32  # kernel/bpf/btf.c and libbpf: nesting they follow
PTR_SIZE = 8
_MAX_NESTING = 128  # C structs nest deeper than the kernel resolves


class Types(Protocol):
    """Types by id."""

    @property
    def nr_types(self) -> int:
        """All ids are below."""
        ...

    def type(self, type_id: int) -> t.BtfType:
        """The type with an id."""
        ...

    def skip_mods_and_typedefs(self, type_id: int) -> int:
        """The id below modifiers and typedefs."""
        ...

    def type_name(self, type_id: int) -> str:
        """The C spelling of a type."""
        ...

    def error(self, message: str) -> BtfError:
        """An error that says where the types are from."""
        ...


class FieldRef(NamedTuple):
    """Where a field is: ``byte_off`` of the byte its first bit is in, ``bit_off`` of that bit in it.

    ``bit_size`` is 0 unless the field is a bitfield.
    """

    byte_off: int
    bit_off: int
    bit_size: int
    type_id: int


@frozen
class _Step:
    # where a dotted path stands: the type there and its position
    type_id: int
    bit_off: int
    bit_size: int
    path: str


def size_of(types: Types, type_id: int) -> int:
    """Bytes of a type: pointers 8, arrays multiplied out, modifiers, typedefs, variables and tags followed.

    :raises BtfError: it has none (void, forward declaration, function), or a loop.
    """
    count, at = 1, type_id
    for _ in range(types.nr_types):
        match types.type(at):
            case t.Ptr():
                return count * PTR_SIZE
            case (
                t.Int(size=size)
                | t.Struct(size=size)
                | t.Union(size=size)
                | t.Enum(size=size)
                | t.Enum64(size=size)
                | t.Datasec(size=size)
                | t.Float(size=size)
            ):
                return count * size
            case t.Array(type=elem, nelems=nelems):
                count, at = count * nelems, elem
                if count >> 64:
                    raise types.error(f"[{type_id}] array of more than 2^64 elements")
            case (
                t.Typedef(type=ref)
                | t.Volatile(type=ref)
                | t.Const(type=ref)
                | t.Restrict(type=ref)
                | t.TypeTag(type=ref)
                | t.Var(type=ref)
                | t.DeclTag(type=ref)
            ):
                at = ref
            case other:
                raise types.error(f"[{at}] {t.KIND_NAMES[other.kind]} {other.name or '(anon)'} has no size")
    raise types.error(f"[{type_id}] loop of types")


def align_of(types: Types, type_id: int, known: dict[int, int], depth: int = 0) -> int:
    """Alignment in bytes; 1 for a packed struct, which is one whose layout shows it.

    :param known: memory of what was found, kept by the caller.
    :raises BtfError: it has none, or structs that contain themselves.
    """
    if type_id in known:
        return known[type_id]
    if depth > _MAX_NESTING:
        raise types.error(f"[{type_id}] structs nested more than {_MAX_NESTING} deep")
    at = types.skip_mods_and_typedefs(type_id)
    match types.type(at):
        case t.Ptr():
            align = PTR_SIZE
        case t.Int(size=size) | t.Enum(size=size) | t.Enum64(size=size) | t.Float(size=size):
            align = min(PTR_SIZE, size)
        case t.Array(type=ref) | t.Var(type=ref) | t.DeclTag(type=ref):
            align = align_of(types, ref, known, depth + 1)
        case t.Struct() | t.Union() as composite:
            align = _align_of_composite(types, composite, known, depth)
        case other:
            raise types.error(f"[{at}] {t.KIND_NAMES[other.kind]} {other.name or '(anon)'} has no alignment")
    known[type_id] = align
    return align


def _align_of_composite(types: Types, composite: t.Composite, known: dict[int, int], depth: int) -> int:
    # Packed ones are recognised by a member, or a size, that its own alignment would not allow.
    largest = 1
    for member in composite.members:
        align = align_of(types, member.type, known, depth + 1)
        largest = max(largest, align)
        if not member.bitfield_size and align and member.bit_offset % (8 * align):
            return 1
    return largest if composite.size % largest == 0 else 1


def is_packed(composite: t.Composite, align: Callable[[int], int]) -> bool:
    """Whether a struct cannot have its layout without ``__attribute__((packed))``.

    :param align: alignment of a type.
    :see: tools/lib/bpf/btf_dump.c:btf_is_struct_packed
    """
    largest = 1
    for member in composite.members:
        member_align = align(member.type)
        if member_align and not member.bitfield_size and member.bit_offset % (8 * member_align):
            return True
        largest = max(largest, member_align)
    return composite.size % largest != 0


def composite_of(types: Types, type_id: int) -> t.Composite | None:
    """The struct or union behind modifiers and typedefs, or ``None``."""
    found = types.type(types.skip_mods_and_typedefs(type_id))
    return found if isinstance(found, t.Struct | t.Union) else None


def find_member(types: Types, type_id: int, name: str) -> tuple[int, t.Member] | None:
    """A member by name, in anonymous members too: (bit offset from the start of *type_id*, member), or ``None``."""
    if composite_of(types, type_id) is None:
        raise types.error(f"[{type_id}] {types.type_name(type_id)} is not a struct or union")
    seen: set[int] = set()
    todo = [(type_id, 0)]
    while todo:
        at, bit_off = todo.pop()
        composite = composite_of(types, at)
        if composite is None or at in seen:
            continue
        seen.add(at)
        for member in composite.members:
            if member.name == name:
                return bit_off + member.bit_offset, member
        inner = [(m.type, bit_off + m.bit_offset) for m in composite.members if not m.name]
        todo.extend(reversed(inner))
    return None


def field_of(types: Types, type_id: int, path: str) -> FieldRef:
    """A member by dotted path: ``a.b[3].c``, through anonymous members; pointers are not followed.

    :raises BtfError: names the type and the member that is missing.
    """
    step = _Step(type_id, 0, 0, types.type_name(type_id))
    for part in path.split("."):
        step = _take(types, step, part)
    return FieldRef(step.bit_off // 8, step.bit_off % 8, step.bit_size, step.type_id)


def _take(types: Types, step: _Step, part: str) -> _Step:
    match = re.fullmatch(r"(\w+)((?:\[\d+\])*)", part)
    if match is None:
        raise types.error(f"{step.path}: {part!r} is not a member name")
    name = match.group(1)
    if composite_of(types, step.type_id) is None:
        raise types.error(f"{step.path} is {types.type_name(step.type_id)}, it has no member {name!r}")
    found = find_member(types, step.type_id, name)
    if found is None:
        raise types.error(f"{step.path} has no member {name!r}")
    bit_off, member = found
    type_id, path = member.type, f"{step.path}.{name}"
    bit_off += step.bit_off
    for index in map(int, re.findall(r"\d+", match.group(2))):
        array = types.type(types.skip_mods_and_typedefs(type_id))
        if not isinstance(array, t.Array):
            raise types.error(f"{path} is not an array")
        if index >= array.nelems > 0:  # 0: flexible
            raise types.error(f"{path}[{index}]: the array has {array.nelems} elements")
        type_id, path = array.type, f"{path}[{index}]"
        bit_off += 8 * index * size_of(types, type_id)
    return _Step(type_id, bit_off, member.bitfield_size, path)
