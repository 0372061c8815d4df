"""BtfBuilder: makes BTF, type by type or by copying from another one.

Identical types get one id, so that adding is asking. Types that refer to each other start with forward():

>>> from beespace.btf.types import Struct
>>> b = BtfBuilder()
>>> node = b.forward()
>>> b.define(node, Struct("node", 8, (Member("next", b.add_ptr(node), 0),)))
>>> Btf.parse(b.build()).type_name(node)
'struct node'
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from beespace.btf import types as t
from beespace.btf.btf import BTF_MAGIC, BTF_VERSION, Btf
from beespace.btf.cdecl import type_name
from beespace.btf.resolve import align_of, size_of
from beespace.btf.types import Member
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi

__all__ = ["BtfBuilder", "references", "with_references"]

_MAX_VLEN = 0xFFFF
_MAX_BITFIELD_OFFSET = 0xFFFFFF


def references(btf_type: t.BtfType) -> Iterator[int]:
    """The type ids that a type refers to, in the order with_references() takes them."""
    match btf_type:
        case t.Struct(members=members) | t.Union(members=members):
            yield from (member.type for member in members)
        case t.Array(type=elem, index_type=index):
            yield from (elem, index)
        case t.FuncProto(type=ret, params=params):
            yield ret
            yield from (param.type for param in params)
        case t.Datasec(vars=infos):
            yield from (info.type for info in infos)
        case t.Void() | t.Int() | t.Float() | t.Enum() | t.Enum64() | t.Fwd():
            return
        case _:
            yield btf_type.type


def with_references(btf_type: t.BtfType, ids: Sequence[int]) -> t.BtfType:
    """The same type referring to *ids* instead of references()."""
    match btf_type:
        case t.Struct(members=members) | t.Union(members=members):
            return replace(btf_type, members=tuple(replace(m, type=i) for m, i in zip(members, ids, strict=True)))
        case t.Array():
            return replace(btf_type, type=ids[0], index_type=ids[1])
        case t.FuncProto(params=params):
            renamed = tuple(replace(p, type=i) for p, i in zip(params, ids[1:], strict=True))
            return replace(btf_type, type=ids[0], params=renamed)
        case t.Datasec(vars=infos):
            return replace(btf_type, vars=tuple(replace(v, type=i) for v, i in zip(infos, ids, strict=True)))
        case t.Void() | t.Int() | t.Float() | t.Enum() | t.Enum64() | t.Fwd():
            return btf_type
        case _:
            return replace(btf_type, type=ids[0])


class BtfBuilder:
    """Types being collected. ``build()`` gives the bytes; ids stay as they were handed out.

    :param base: the result is split BTF on it: ids continue, names that it has are not repeated.
    """

    def __init__(self, base: Btf | None = None) -> None:
        self.base = base
        self.start_id = base.nr_types if base is not None else 1
        self._types: list[t.BtfType | None] = []  # None: forward() without define() yet
        self._ids: dict[t.BtfType, int] = {}
        self._copied: dict[Btf, dict[int, int]] = {}

    @property
    def nr_types(self) -> int:
        """All ids handed out so far are below."""
        return self.start_id + len(self._types)

    def error(self, message: str) -> BtfError:
        """An error in these types, to be raised."""
        return BtfError(message)

    def type(self, type_id: int) -> t.BtfType:
        """The type with an id handed out before.

        :raises BtfError: unknown, or not defined yet.
        """
        if type_id == 0:
            return t.Void()
        if type_id < self.start_id and self.base is not None:
            return self.base.type(type_id)
        index = type_id - self.start_id
        found = self._types[index] if 0 <= index < len(self._types) else None
        if found is None:
            raise self.error(f"no type with id [{type_id}]")
        return found

    def peek(self, type_id: int) -> t.BtfType | None:
        """As type(), but ``None`` for an id that forward() gave and nobody has defined yet."""
        index = type_id - self.start_id
        return self._types[index] if 0 <= index < len(self._types) else self.type(type_id)

    def skip_mods_and_typedefs(self, type_id: int) -> int:
        """The id below modifiers and typedefs."""
        for _ in range(self.nr_types):
            match self.type(type_id):
                case (
                    t.Typedef(type=ref)
                    | t.Volatile(type=ref)
                    | t.Const(type=ref)
                    | t.Restrict(type=ref)
                    | t.TypeTag(type=ref)
                ):
                    type_id = ref
                case _:
                    return type_id
        raise self.error(f"[{type_id}] loop of modifiers")

    def size(self, type_id: int) -> int:
        """Bytes of a type, as Btf.size()."""
        return size_of(self, type_id)

    def align(self, type_id: int) -> int:
        """Alignment in bytes, as Btf.align()."""
        return align_of(self, type_id, {})

    def type_name(self, type_id: int) -> str:
        """The C spelling, as Btf.type_name()."""
        return type_name(self, type_id)

    # -- adding --------------------------------------------------------------------------------------------------

    def add(self, btf_type: t.BtfType) -> int:
        """The id of a type: that of an equal one added before, or a new one. void is 0."""
        if isinstance(btf_type, t.Void):
            return 0
        found = self._ids.get(btf_type)
        if found is None:
            found = self._ids[btf_type] = self.nr_types
            self._types.append(btf_type)
        return found

    def forward(self) -> int:
        """A new id whose type will be given to define()."""
        self._types.append(None)
        return self.nr_types - 1

    def define(self, type_id: int, btf_type: t.BtfType) -> None:
        """Give an id from forward() its type.

        :raises BtfError: it has one, or is not from forward().
        """
        index = type_id - self.start_id
        if not 0 <= index < len(self._types) or self._types[index] is not None:
            raise self.error(f"[{type_id}] is not an undefined forward id")
        self._types[index] = btf_type
        self._ids.setdefault(btf_type, type_id)

    def add_int(self, name: str, size: int, *, signed: bool = False, char: bool = False, boolean: bool = False) -> int:
        """BTF_KIND_INT of *size* bytes."""
        encoding = t.INT_SIGNED * signed | t.INT_CHAR * char | t.INT_BOOL * boolean
        return self.add(t.Int(name, size, encoding, 0, 8 * size))

    def add_float(self, name: str, size: int) -> int:
        """BTF_KIND_FLOAT of *size* bytes."""
        return self.add(t.Float(name, size))

    def add_ptr(self, to: int) -> int:
        """BTF_KIND_PTR; 0 for ``void *``."""
        return self.add(t.Ptr(to))

    def add_array(self, elem: int, nelems: int, index_type: int | None = None) -> int:
        """BTF_KIND_ARRAY; the index type is clang's ``__ARRAY_SIZE_TYPE__`` unless given."""
        if index_type is None:
            index_type = self.add_int("__ARRAY_SIZE_TYPE__", 4)
        return self.add(t.Array(elem, index_type, nelems))

    def add_struct(self, name: str, size: int, members: Iterable[Member]) -> int:
        """BTF_KIND_STRUCT with members where they say; kind_flag is set when one is a bitfield."""
        members = tuple(members)
        return self.add(t.Struct(name, size, members, any(m.bitfield_size for m in members)))

    def add_union(self, name: str, size: int, members: Iterable[Member]) -> int:
        """BTF_KIND_UNION; as add_struct()."""
        members = tuple(members)
        return self.add(t.Union(name, size, members, any(m.bitfield_size for m in members)))

    def add_c_struct(self, name: str, fields: Iterable[tuple[str, int]]) -> int:
        """BTF_KIND_STRUCT laid out as C does: each (name, type id) at its alignment, padded at the end."""
        members, bits, align = [], 0, 1
        for field_name, type_id in fields:
            field_align = max(1, self.align(type_id))
            align = max(align, field_align)
            bits = -(-bits // (8 * field_align)) * 8 * field_align
            members.append(Member(field_name, type_id, bits))
            bits += 8 * self.size(type_id)
        return self.add_struct(name, -(-bits // (8 * align)) * align, members)

    def add_enum(self, name: str, values: Iterable[tuple[str, int]], size: int = 4) -> int:
        """BTF_KIND_ENUM, or BTF_KIND_ENUM64 when *size* is 8; signed when a value is negative."""
        enumerators = tuple(t.Enumerator(*value) for value in values)
        signed = any(e.value < 0 for e in enumerators)
        return self.add((t.Enum64 if size == 8 else t.Enum)(name, size, enumerators, signed))

    def add_fwd(self, name: str, *, is_union: bool = False) -> int:
        """BTF_KIND_FWD."""
        return self.add(t.Fwd(name, is_union))

    def add_typedef(self, name: str, to: int) -> int:
        """BTF_KIND_TYPEDEF."""
        return self.add(t.Typedef(name, to))

    def add_const(self, to: int) -> int:
        """BTF_KIND_CONST."""
        return self.add(t.Const(to))

    def add_volatile(self, to: int) -> int:
        """BTF_KIND_VOLATILE."""
        return self.add(t.Volatile(to))

    def add_restrict(self, to: int) -> int:
        """BTF_KIND_RESTRICT."""
        return self.add(t.Restrict(to))

    def add_type_tag(self, tag: str, to: int) -> int:
        """BTF_KIND_TYPE_TAG."""
        return self.add(t.TypeTag(tag, to))

    def add_decl_tag(self, tag: str, on: int, component_idx: int = -1) -> int:
        """BTF_KIND_DECL_TAG on a type, or on its member or parameter *component_idx*."""
        return self.add(t.DeclTag(tag, on, component_idx))

    def add_func_proto(self, ret: int, params: Iterable[tuple[str, int]] = ()) -> int:
        """BTF_KIND_FUNC_PROTO; a last ``("", 0)`` is ``...``."""
        return self.add(t.FuncProto(ret, tuple(t.Param(*param) for param in params)))

    def add_func(self, name: str, proto: int, linkage: int = uapi.BTF_FUNC_GLOBAL) -> int:
        """BTF_KIND_FUNC."""
        return self.add(t.Func(name, proto, linkage))

    def add_var(self, name: str, type_id: int, linkage: int = uapi.BTF_VAR_GLOBAL_ALLOCATED) -> int:
        """BTF_KIND_VAR."""
        return self.add(t.Var(name, type_id, linkage))

    def add_datasec(self, name: str, size: int, infos: Iterable[t.SecVar]) -> int:
        """BTF_KIND_DATASEC."""
        return self.add(t.Datasec(name, size, tuple(infos)))

    def copy(self, btf: Btf, ids: Iterable[int], *, follow_pointers: bool = True) -> dict[int, int]:
        """Append types of another BTF and what they refer to: id there -> id here, of everything copied so far.

        :param follow_pointers: when false, a named struct or union that only pointers lead to is copied as a forward
            declaration; what *ids* name, or members contain, is always whole.
        """
        done = self._copied.setdefault(btf, {0: 0})
        roots = list(ids)
        whole = None if follow_pointers else _contained(btf, roots)
        # Only structs and unions can make types recursive: they get an id at once and their members later.
        waiting: list[tuple[int, t.Composite]] = []
        for root in roots:
            self._copy_from(btf, root, done, whole, waiting)
        while waiting:
            type_id, composite = waiting.pop()
            for member in composite.members:
                self._copy_from(btf, member.type, done, whole, waiting)
            self.define(done[type_id], with_references(composite, [done[m.type] for m in composite.members]))
        return dict(done)

    def _copy_from(
        self,
        btf: Btf,
        root: int,
        done: dict[int, int],
        whole: set[int] | None,
        waiting: list[tuple[int, t.Composite]],
    ) -> None:
        stack, opened = [root], set()
        while stack:
            type_id = stack[-1]
            if type_id in done:
                stack.pop()
                continue
            btf_type = btf.type(type_id)
            if isinstance(btf_type, t.Struct | t.Union):
                if whole is not None and type_id not in whole and btf_type.name:
                    done[type_id] = self.add_fwd(btf_type.name, is_union=isinstance(btf_type, t.Union))
                else:
                    done[type_id] = self.forward()
                    waiting.append((type_id, btf_type))
                continue
            missing = [ref for ref in references(btf_type) if ref not in done]
            if missing and type_id in opened:
                raise btf.error(f"[{type_id}] loop of types")
            opened.add(type_id)
            stack.extend(missing)
            if not missing:
                done[type_id] = self.add(with_references(btf_type, [done[ref] for ref in references(btf_type)]))

    # -- encoding ------------------------------------------------------------------------------------------------

    def build(self, byteorder: str = sys.byteorder) -> bytes:
        """The BTF section, "little" or "big" endian.

        :raises BtfError: an id from forward() is undefined, or a value does not fit its field.
        """
        order = "<" if byteorder == "little" else ">"
        strings = _Strings(self.base)
        parts = []
        for index, btf_type in enumerate(self._types):
            if btf_type is None:
                raise self.error(f"[{self.start_id + index}] was never defined")
            words = _encode(btf_type, strings)
            try:
                parts.append(struct.pack(f"{order}{len(words)}I", *words))
            except struct.error:
                raise self.error(
                    f"[{self.start_id + index}] {t.KIND_NAMES[btf_type.kind]} {btf_type.name}: a value is not a u32"
                ) from None
        types = b"".join(parts)
        header = struct.pack(
            order + "HBBIIIII", BTF_MAGIC, BTF_VERSION, 0, 24, 0, len(types), len(types), len(strings.data)
        )  # fmt: skip
        return header + types + bytes(strings.data)

    def to_btf(self, name: str = "") -> Btf:
        """What was built, opened."""
        return Btf.parse(self.build(), base=self.base, name=name)


class _Strings:
    # The string section being filled; offsets continue the base's.

    def __init__(self, base: Btf | None) -> None:
        self.base = base
        self.data = bytearray(b"" if base is not None else b"\0")
        self.start = base.str_len if base is not None else 0
        self.offsets = {"": 0}

    def add(self, name: str) -> int:
        found = self.offsets.get(name)
        if found is None:
            if "\0" in name:
                raise BtfError(f"name {name!r} contains NUL")
            found = self.base.find_str(name) if self.base is not None else -1
            if found < 0:
                found = self.start + len(self.data)
                self.data += name.encode("utf-8", "surrogateescape") + b"\0"
            self.offsets[name] = found
        return found


def _encode(btf_type: t.BtfType, strings: _Strings) -> list[int]:
    # The words of struct btf_type and what follows it.
    name, kind = strings.add(btf_type.name), btf_type.kind

    def head(vlen: int, flag: bool, size_or_type: int) -> list[int]:
        if vlen > _MAX_VLEN:
            raise BtfError(f"{t.KIND_NAMES[kind]} {btf_type.name}: {vlen} elements, at most {_MAX_VLEN}")
        return [name, int(flag) << 31 | kind << 24 | vlen, size_or_type]

    match btf_type:
        case t.Int(size=size, encoding=encoding, offset=offset, bits=bits):
            return [*head(0, False, size), encoding << 24 | offset << 16 | bits]
        case t.Array(type=elem, index_type=index, nelems=nelems):
            return [*head(0, False, 0), elem, index, nelems]
        case t.Struct(members=members) | t.Union(members=members):
            words = head(len(members), btf_type.kind_flag, btf_type.size)
            for member in members:
                words += strings.add(member.name), member.type, _member_offset(btf_type, member)
            return words
        case t.Enum(size=size, values=values, signed=signed):
            words = head(len(values), signed, size)
            for value in values:
                words += strings.add(value.name), value.value & 0xFFFFFFFF
            return words
        case t.Enum64(size=size, values=values, signed=signed):
            words = head(len(values), signed, size)
            for value in values:
                words += strings.add(value.name), value.value & 0xFFFFFFFF, value.value >> 32 & 0xFFFFFFFF
            return words
        case t.Fwd(is_union=is_union):
            return head(0, is_union, 0)
        case t.Func(type=ref, linkage=linkage):
            return head(linkage, False, ref)
        case t.FuncProto(type=ret, params=params):
            words = head(len(params), False, ret)
            for param in params:
                words += strings.add(param.name), param.type
            return words
        case t.Var(type=ref, linkage=linkage):
            return [*head(0, False, ref), linkage]
        case t.Datasec(size=size, vars=infos):
            words = head(len(infos), False, size)
            for info in infos:
                words += info.type, info.offset, info.size
            return words
        case t.Float(size=size):
            return head(0, False, size)
        case t.DeclTag(type=ref, component_idx=index, kind_flag=flag):
            return [*head(0, flag, ref), index & 0xFFFFFFFF]
        case t.TypeTag(type=ref, kind_flag=flag):
            return head(0, flag, ref)
        case t.Ptr(type=ref) | t.Typedef(type=ref) | t.Volatile(type=ref) | t.Const(type=ref) | t.Restrict(type=ref):
            return head(0, False, ref)
        case _:
            raise BtfError(f"cannot encode {btf_type!r}")


def _member_offset(composite: t.Composite, member: Member) -> int:
    if not composite.kind_flag:
        if member.bitfield_size:
            raise BtfError(f"{composite.name}.{member.name}: a bitfield in a struct without kind_flag")
        return member.bit_offset
    if member.bit_offset > _MAX_BITFIELD_OFFSET or member.bitfield_size > 0xFF:
        raise BtfError(f"{composite.name}.{member.name}: bit offset {member.bit_offset} does not fit kind_flag members")
    return member.bitfield_size << 24 | member.bit_offset


def _contained(btf: Btf, roots: Iterable[int]) -> set[int]:
    # The roots and all they contain, pointers not followed: structs of these must be whole.
    found: set[int] = set()
    todo = list(roots)
    while todo:
        type_id = todo.pop()
        if type_id in found:
            continue
        found.add(type_id)
        btf_type = btf.type(type_id)
        if not isinstance(btf_type, t.Ptr):
            todo.extend(references(btf_type))
    return found
