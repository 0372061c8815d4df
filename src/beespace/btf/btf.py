"""Btf: the type information of one object, decoded as it is asked for.

::

    struct btf_header | types, in words of 32 bits           | strings, each ending in 0
                      ^ header.hdr_len + header.type_off     ^ header.hdr_len + header.str_off

Opening scans the type section once for the offset of each type and indexes them by name offset, no more.
All data of all kinds are 32-bit words, so the section is one ``array("I")`` and a foreign byte order is one byteswap.

:see: Documentation/bpf/btf.rst, kernel/bpf/btf.c, tools/lib/bpf/btf.c
"""

from __future__ import annotations

import mmap
import struct
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from beespace.btf import types as t
from beespace.btf.resolve import FieldRef, align_of, composite_of, field_of, find_member, size_of
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi

__all__ = ["BTF_MAGIC", "BTF_VERSION", "VMLINUX", "Btf", "Header"]

BTF_MAGIC = 0xEB9F
BTF_VERSION = 1
VMLINUX = "/sys/kernel/btf/vmlinux"

_HEADER = "HBBIIIII"
_HEADER_SIZE = 24
_Buffer: TypeAlias = bytes | bytearray | memoryview | mmap.mmap

# Words after struct btf_type: fixed, and for each of vlen elements.
_FIXED = {
    uapi.BTF_KIND_INT: 1,
    uapi.BTF_KIND_ARRAY: 3,
    uapi.BTF_KIND_VAR: 1,
    uapi.BTF_KIND_DECL_TAG: 1,
}
_PER_ELEMENT = {
    uapi.BTF_KIND_STRUCT: 3,
    uapi.BTF_KIND_UNION: 3,
    uapi.BTF_KIND_ENUM: 2,
    uapi.BTF_KIND_FUNC_PROTO: 2,
    uapi.BTF_KIND_DATASEC: 3,
    uapi.BTF_KIND_ENUM64: 3,
}
_MODIFIERS = frozenset(
    (uapi.BTF_KIND_VOLATILE, uapi.BTF_KIND_CONST, uapi.BTF_KIND_RESTRICT, uapi.BTF_KIND_TYPE_TAG),
)
_MODIFIERS_AND_TYPEDEF = _MODIFIERS | {uapi.BTF_KIND_TYPEDEF}


class Header(NamedTuple):
    """``struct btf_header``; offsets and lengths in bytes, offsets from the end of the header."""

    magic: int
    version: int
    flags: int
    hdr_len: int
    type_off: int
    type_len: int
    str_off: int
    str_len: int


class _Steps(dict[int, int]):
    # info word -> words to the next type. There are few distinct ones, so that the scan is one lookup for each type.

    def __missing__(self, info: int) -> int:
        kind = info >> 24 & 0x1F
        if not 0 < kind < uapi.NR_BTF_KINDS:
            raise BtfError(f"Invalid kind:{kind}")
        words = 3 + _FIXED.get(kind, 0) + _PER_ELEMENT.get(kind, 0) * (info & 0xFFFF)
        self[info] = words
        return words


def _s32(word: int) -> int:
    return word - (1 << 32) if word & 0x80000000 else word


_INDEX = frozenset(("_strings", "_words", "_offs", "_names", "_first", "nr_types"))


class Btf:
    """Type information: types by id, ids by name. Immutable; what has been decoded is kept.

    Split BTF (a kernel module's) continues the ids and the strings of its ``base``.

    :ivar raw: the bytes it was parsed from.
    :ivar base: what the ids below ``start_id`` belong to, or ``None``.
    :ivar start_id: first id of its own: 1, or ``base.nr_types``.
    :ivar nr_types: all valid ids are below (void and the base's included), as the kernel's btf_nr_types().
    :ivar name: for messages: "vmlinux", a module, a file.
    """

    __slots__ = (
        "_align",
        "_by_name",
        "_first",
        "_flavors",
        "_last",
        "_names",
        "_offs",
        "_start_str",
        "_strings",
        "_tags",
        "_types",
        "_words",
        "base",
        "header",
        "name",
        "nr_types",
        "raw",
        "start_id",
        "swapped",
    )
    nr_types: int
    _start_str: int
    _strings: bytes
    _words: array[int]
    _offs: array[int]
    _names: array[int]
    _first: dict[int, int]

    def __init__(self, raw: bytes, header: Header, swapped: bool, base: Btf | None, name: str) -> None:
        # use parse()
        self.raw = raw
        self.header = header
        self.swapped = swapped
        self.base = base
        self.name = name
        self.start_id = base.nr_types if base is not None else 1
        self._start_str = base.str_len if base is not None else 0
        self._last: dict[int, int] | None = None  # name offset -> last id that has it
        self._by_name: dict[str, tuple[int, ...]] = {}
        self._flavors: dict[str, tuple[int, ...]] = {}
        self._types: dict[int, t.BtfType] = {}
        self._align: dict[int, int] = {}
        self._tags: dict[int, list[tuple[int, str]]] | None = None

    # The index: where each type is, and which names there are. vmlinux() leaves it to the first question, because most
    # programs that a kernel loads ask none.
    def _index(self) -> None:
        header, raw = self.header, self.raw
        types_at = header.hdr_len + header.type_off
        strings_at = header.hdr_len + header.str_off
        self._strings = raw[strings_at : strings_at + header.str_len]
        self._words = array("I", raw[types_at : types_at + header.type_len])
        if self.swapped:
            self._words.byteswap()
        self._offs = self._scan(types_at)
        self._names = array("I", map(self._words.__getitem__, self._offs))
        self.nr_types = self.start_id + len(self._offs)
        # name offset -> first id that has it: the last assignment wins, hence backwards
        self._first = dict(
            zip(reversed(self._names), range(self.nr_types - 1, self.start_id - 1, -1), strict=True),
        )

    def __getattr__(self, name: str) -> Any:
        if name not in _INDEX:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._index()
        return getattr(self, name)

    def __repr__(self) -> str:
        return f"<Btf {self.name or 'unnamed'}: ids {self.start_id}..{self.nr_types - 1}>"

    @classmethod
    def parse(cls, data: _Buffer, *, base: Btf | None = None, name: str = "") -> Btf:
        """Open BTF: a ``.BTF`` section or the file /sys/kernel/btf/x, in either byte order.

        Checked here: the header, and that every type lies inside the section. Everything else is checked where it is
        used (BtfError); what BTF_LOAD would refuse beyond that is found by ``check_btf()``.

        :param base: for split BTF, what it was made against.
        :raises BtfError: malformed header or type section.
        """
        raw = bytes(data)
        header, swapped = _parse_header(raw, name)
        btf = cls(raw, header, swapped, base, name)
        btf._index()
        return btf

    @classmethod
    def vmlinux(cls, path: str | Path = VMLINUX) -> Btf:
        """The BTF of the kernel this machine runs, indexed at the first question. Nothing is cached: keep the result.

        :raises BtfError: the kernel exports none (CONFIG_DEBUG_INFO_BTF).
        """
        try:
            data = Path(path).read_bytes()
        except OSError as err:
            raise BtfError(f"no kernel BTF: {err.strerror}", path=str(path)) from err
        header, swapped = _parse_header(data, "vmlinux")
        return cls(data, header, swapped, None, "vmlinux")

    def _scan(self, types_at: int) -> array[int]:
        words, step = self._words, _Steps()
        offs = array("I")
        append = offs.append
        pos, end = 0, len(words)
        try:
            while pos < end:
                append(pos)
                pos += step[words[pos + 1]]
        except BtfError as err:
            raise self.error(f"[{self.start_id + len(offs) - 1}] {err.message}", types_at + 4 * pos) from None
        except IndexError:
            pos = end + 1
        if pos != end:
            raise self.error(
                f"[{self.start_id + len(offs) - 1}] type exceeds the type section", types_at + 4 * offs[-1]
            )
        return offs

    def error(self, message: str, offset: int | None = None) -> BtfError:
        """An error in these types, to be raised; *offset* in bytes of ``raw``."""
        return BtfError(message, path=self.name or None, section=".BTF", offset=offset)

    @property
    def byteorder(self) -> Literal["little", "big"]:
        """Of the data these types describe: that of the header."""
        return "little" if (sys.byteorder == "little") != self.swapped else "big"

    # -- strings -------------------------------------------------------------------------------------------------

    def str_bytes(self, off: int) -> bytes:
        """The string at offset *off* (bytes, over base and own strings), without its terminator."""
        if off < self._start_str:
            assert self.base is not None
            return self.base.str_bytes(off)
        at = off - self._start_str
        end = self._strings.find(b"\0", at)
        if end < 0:
            raise self.error(f"string offset {off} is outside of the string section")
        return self._strings[at:end]

    def str_at(self, off: int) -> str:
        """The string at *off*; bytes that are not UTF-8 become surrogates."""
        return self.str_bytes(off).decode("utf-8", "surrogateescape")

    @property
    def str_len(self) -> int:
        """Bytes of all strings, the base's included: where split BTF on this one continues."""
        return self._start_str + len(self._strings)

    def find_str(self, text: str) -> int:
        """An offset at which *text* stands in the string sections, -1 when nowhere."""
        needle = text.encode("utf-8", "surrogateescape") + b"\0"
        for strings, start in self._string_sections():
            at = strings.find(needle)
            if at >= 0:
                return start + at
        return -1

    # -- types ---------------------------------------------------------------------------------------------------

    def type(self, type_id: int) -> t.BtfType:
        """The type with this id.

        :raises BtfError: no such id, or a name outside of the string section.
        """
        found = self._types.get(type_id)
        if found is None:
            if type_id == 0:
                return _VOID
            if type_id < self.start_id and self.base is not None:
                return self.base.type(type_id)
            found = self._types[type_id] = self._decode(self._word_off(type_id))
        return found

    def _word_off(self, type_id: int) -> int:
        index = type_id - self.start_id
        if not 0 <= index < len(self._offs):
            raise self.error(f"no type with id [{type_id}] (there are {self.nr_types})")
        return self._offs[index]

    def type_offset(self, type_id: int) -> int:
        """Byte offset in ``raw`` of the ``struct btf_type`` of an own type."""
        return self.header.hdr_len + self.header.type_off + 4 * self._word_off(type_id)

    def raw_type(self, type_id: int) -> tuple[Btf, array[int], int]:
        """Where the words of a type are: the Btf that owns it, its type section, index of its first word."""
        if type_id < self.start_id and self.base is not None:
            return self.base.raw_type(type_id)
        return self, self._words, self._word_off(type_id)

    def kind(self, type_id: int) -> int:
        """BTF_KIND_* of a type, without decoding it."""
        if type_id < self.start_id:
            return self.base.kind(type_id) if type_id and self.base is not None else 0
        return self._words[self._word_off(type_id) + 1] >> 24 & 0x1F

    def name_of(self, type_id: int) -> str:
        """The name of a type ("" for none), without decoding it."""
        if type_id < self.start_id:
            return self.base.name_of(type_id) if type_id and self.base is not None else ""
        return self.str_at(self._words[self._word_off(type_id)])

    def types(self) -> Iterator[tuple[int, t.BtfType]]:
        """Own types with their ids, in order."""
        return ((type_id, self.type(type_id)) for type_id in range(self.start_id, self.nr_types))

    def _decode(self, pos: int) -> t.BtfType:
        words = self._words
        name_off, info, size_or_type = words[pos], words[pos + 1], words[pos + 2]
        kind, vlen, flag = info >> 24 & 0x1F, info & 0xFFFF, bool(info >> 31)
        name, at = self.str_at(name_off), pos + 3
        match kind:
            case uapi.BTF_KIND_INT:
                data = words[at]
                return t.Int(name, size_or_type, data >> 24 & 0xF, data >> 16 & 0xFF, data & 0xFF)
            case uapi.BTF_KIND_PTR:
                return t.Ptr(size_or_type)
            case uapi.BTF_KIND_ARRAY:
                return t.Array(words[at], words[at + 1], words[at + 2])
            case uapi.BTF_KIND_STRUCT:
                return t.Struct(name, size_or_type, self._members(at, vlen, flag), flag)
            case uapi.BTF_KIND_UNION:
                return t.Union(name, size_or_type, self._members(at, vlen, flag), flag)
            case uapi.BTF_KIND_ENUM:
                pairs = ((words[i], words[i + 1]) for i in range(at, at + 2 * vlen, 2))
                values = tuple(t.Enumerator(self.str_at(n), _s32(v) if flag else v) for n, v in pairs)
                return t.Enum(name, size_or_type, values, flag)
            case uapi.BTF_KIND_ENUM64:
                return t.Enum64(name, size_or_type, self._enum64_values(at, vlen, flag), flag)
            case uapi.BTF_KIND_FWD:
                return t.Fwd(name, flag)
            case uapi.BTF_KIND_TYPEDEF:
                return t.Typedef(name, size_or_type)
            case uapi.BTF_KIND_VOLATILE:
                return t.Volatile(size_or_type)
            case uapi.BTF_KIND_CONST:
                return t.Const(size_or_type)
            case uapi.BTF_KIND_RESTRICT:
                return t.Restrict(size_or_type)
            case uapi.BTF_KIND_FUNC:
                return t.Func(name, size_or_type, vlen)
            case uapi.BTF_KIND_FUNC_PROTO:
                params = (t.Param(self.str_at(words[i]), words[i + 1]) for i in range(at, at + 2 * vlen, 2))
                return t.FuncProto(size_or_type, tuple(params))
            case uapi.BTF_KIND_VAR:
                return t.Var(name, size_or_type, words[at])
            case uapi.BTF_KIND_DATASEC:
                infos = (t.SecVar(words[i], words[i + 1], words[i + 2]) for i in range(at, at + 3 * vlen, 3))
                return t.Datasec(name, size_or_type, tuple(infos))
            case uapi.BTF_KIND_FLOAT:
                return t.Float(name, size_or_type)
            case uapi.BTF_KIND_DECL_TAG:
                return t.DeclTag(name, size_or_type, _s32(words[at]), flag)
            case _:  # the scan admits no others
                assert kind == uapi.BTF_KIND_TYPE_TAG
                return t.TypeTag(name, size_or_type, flag)

    def _members(self, at: int, vlen: int, kind_flag: bool) -> tuple[t.Member, ...]:
        words, str_at = self._words, self.str_at
        if not kind_flag:
            return tuple(t.Member(str_at(words[i]), words[i + 1], words[i + 2]) for i in range(at, at + 3 * vlen, 3))
        return tuple(
            t.Member(str_at(words[i]), words[i + 1], words[i + 2] & 0xFFFFFF, words[i + 2] >> 24)
            for i in range(at, at + 3 * vlen, 3)
        )

    def _enum64_values(self, at: int, vlen: int, signed: bool) -> tuple[t.Enumerator, ...]:
        words, values = self._words, []
        for i in range(at, at + 3 * vlen, 3):
            value = words[i + 1] | words[i + 2] << 32
            if signed and value >> 63:
                value -= 1 << 64
            values.append(t.Enumerator(self.str_at(words[i]), value))
        return tuple(values)

    # -- names ---------------------------------------------------------------------------------------------------

    def find_all(self, name: str, *kinds: int) -> tuple[int, ...]:
        """Ids of the types with this name, ascending (the base's first); *kinds* (BTF_KIND_*) restrict them."""
        ids = self._by_name.get(name)
        if ids is None:
            ids = self._by_name[name] = self._lookup(name)
        return tuple(i for i in ids if self.kind(i) in kinds) if kinds else ids

    def find(self, name: str, *kinds: int) -> int:
        """The lowest id of a type with this name (and one of *kinds*), 0 when there is none.

        :see: kernel/bpf/btf.c:btf_find_by_name_kind
        """
        ids = self.find_all(name, *kinds)
        return ids[0] if ids else 0

    def find_flavors(self, name: str) -> tuple[int, ...]:
        """Ids whose name is *name*, or *name* followed by ``___`` and a flavour, ascending."""
        ids = self._flavors.get(name)
        if ids is None:
            found = list(self.base.find_flavors(name)) if self.base is not None else []
            found.extend(i for at in self._flavor_offsets(name) for i in self._ids_at(self._start_str + at))
            ids = self._flavors[name] = tuple(sorted(found))
        return ids

    def _flavor_offsets(self, name: str) -> Iterator[int]:
        needle, strings = name.encode("utf-8", "surrogateescape"), self._strings
        at = strings.find(needle) if needle else -1
        while at >= 0:
            end = at + len(needle)
            rest = strings[end : end + 4]
            if rest[:1] == b"\0" or (rest[:3] == b"___" and rest[3:] != b"\0" and strings.find(b"\0", end) >= 0):
                yield at
            at = strings.find(needle, at + 1)

    def _lookup(self, name: str) -> tuple[int, ...]:
        # Any position of the string section may be a name (tails can be shared), so every occurrence is looked up; the
        # own types of split BTF may take their names from the base's strings.
        needle = name.encode("utf-8", "surrogateescape") + b"\0"
        found = list(self.base.find_all(name)) if self.base is not None else []
        if name and b"\0" not in needle[:-1]:
            for strings, start in self._string_sections():
                at = strings.find(needle)
                while at >= 0:
                    found.extend(self._ids_at(start + at))
                    at = strings.find(needle, at + 1)
        return tuple(sorted(found))

    def _string_sections(self) -> Iterator[tuple[bytes, int]]:
        if self.base is not None:
            yield from self.base._string_sections()
        yield self._strings, self._start_str

    def _ids_at(self, name_off: int) -> Iterator[int]:
        first = self._first.get(name_off)
        if first is None:
            return
        if self._last is None:  # made when first asked for a name, because opening must be fast
            self._last = dict(zip(self._names, range(self.start_id, self.nr_types), strict=True))
        last = self._last[name_off]
        yield first
        while first < last:
            index = first - self.start_id + 1
            first = self.start_id + self._names.index(name_off, index, last - self.start_id + 1)
            yield first

    # -- resolution ----------------------------------------------------------------------------------------------

    def skip_mods(self, type_id: int) -> int:
        """The id below const, volatile, restrict and type tags (btf_type_skip_modifiers() without typedefs)."""
        return self._skip(type_id, _MODIFIERS)

    def skip_mods_and_typedefs(self, type_id: int) -> int:
        """The id below modifiers and typedefs.

        :raises BtfError: they form a loop.
        :see: kernel/bpf/btf.c:btf_type_skip_modifiers
        """
        return self._skip(type_id, _MODIFIERS_AND_TYPEDEF)

    def _skip(self, type_id: int, kinds: frozenset[int]) -> int:
        at = type_id
        for _ in range(self.nr_types):
            if self.kind(at) not in kinds:
                return at
            at = self._ref(at)
        raise self.error(f"[{type_id}] loop of modifiers")

    def _ref(self, type_id: int) -> int:
        # size_or_type, undecoded
        if type_id < self.start_id and self.base is not None:
            return self.base._ref(type_id)
        return self._words[self._word_off(type_id) + 2]

    def size(self, type_id: int) -> int:
        """Bytes of a type: pointers 8, arrays multiplied out, modifiers, typedefs, variables and tags followed.

        :raises BtfError: it has none (void, forward declaration, function), or a loop.
        :see: tools/lib/bpf/btf.c:btf__resolve_size
        """
        return size_of(self, type_id)

    def align(self, type_id: int) -> int:
        """Alignment in bytes; 1 for a packed struct, which is one whose layout shows it.

        :raises BtfError: it has none, or structs that contain themselves.
        :see: tools/lib/bpf/btf.c:btf__align_of
        """
        return align_of(self, type_id, self._align)

    def members(self, type_id: int) -> tuple[t.Member, ...]:
        """Members of a struct or union, behind modifiers and typedefs.

        :raises BtfError: it is neither.
        """
        return self.composite(type_id).members

    def composite(self, type_id: int) -> t.Composite:
        """The struct or union behind modifiers and typedefs.

        :raises BtfError: it is neither.
        """
        found = composite_of(self, type_id)
        if found is None:
            raise self.error(f"[{type_id}] {self.type_name(type_id)} is not a struct or union")
        return found

    def field(self, type_or_name: int | str, path: str) -> FieldRef:
        """Find a member by dotted path, through anonymous members and array elements.

        >>> btf.field("task_struct", "se.vruntime")          # doctest: +SKIP
        FieldRef(byte_off=256, bit_off=0, bit_size=0, type_id=47)

        :param type_or_name: type id, or the name of a struct, union or typedef.
        :param path: ``a.b[3].c``; pointers are not followed.
        :raises BtfError: names the type and the member that is missing.
        """
        if isinstance(type_or_name, int):
            return field_of(self, type_or_name, path)
        kinds = (uapi.BTF_KIND_STRUCT, uapi.BTF_KIND_UNION, uapi.BTF_KIND_TYPEDEF)
        type_id = self.find(type_or_name, *kinds)
        if not type_id:
            raise self.error(f"no struct, union or typedef named {type_or_name!r}")
        return field_of(self, type_id, path)

    def find_member(self, type_id: int, name: str) -> tuple[int, t.Member] | None:
        """A member by name, looked for in anonymous members too: (bit offset from the start, member), or ``None``.

        :raises BtfError: the type is no struct or union.
        """
        return find_member(self, type_id, name)

    # -- annotations and spelling --------------------------------------------------------------------------------

    def decl_tags(self, type_id: int) -> list[tuple[int, str]]:
        """The declaration tags on a type: (component_idx, tag), in id order; component_idx -1 is the type itself."""
        if self._tags is None:
            self._tags = {}
            for index, pos in enumerate(self._offs):
                if self._words[pos + 1] >> 24 & 0x1F == uapi.BTF_KIND_DECL_TAG:
                    tag = self.type(self.start_id + index)
                    assert isinstance(tag, t.DeclTag)
                    self._tags.setdefault(tag.type, []).append((tag.component_idx, tag.name))
        inherited = self.base.decl_tags(type_id) if self.base is not None and type_id < self.start_id else []
        return inherited + self._tags.get(type_id, [])

    def type_name(self, type_id: int) -> str:
        """The type as C spells it: ``const char *``, ``struct list_head[4]``, ``int (*)(void *)``."""
        from beespace.btf.cdecl import type_name  # it needs Btf

        return type_name(self, type_id)


_VOID = t.Void()


def _parse_header(raw: bytes, name: str) -> tuple[Header, bool]:
    # The order and the wording of the kernel's btf_parse_hdr() as far as it applies to user space's laxer rules.
    def bad(message: str, offset: int = 0) -> BtfError:
        return BtfError(message, path=name or None, section=".BTF", offset=offset)

    if len(raw) < _HEADER_SIZE:
        raise bad("btf_header not found")
    swapped = int.from_bytes(raw[:2], sys.byteorder) != BTF_MAGIC
    order = {"little": "<>", "big": "><"}[sys.byteorder][swapped]
    header = Header(*struct.unpack_from(order + _HEADER, raw))
    if header.magic != BTF_MAGIC:
        raise bad("Invalid magic")
    if header.version != BTF_VERSION:
        raise bad("Unsupported version", 2)
    if header.hdr_len < _HEADER_SIZE or header.hdr_len > len(raw):
        raise bad("btf_header not found", 4)
    if header.type_off % 4:
        raise bad("Unaligned type_off", 8)
    if header.hdr_len + header.type_off + header.type_len > len(raw):
        raise bad("Invalid total section size", 12)
    if header.type_len % 4:
        raise bad("Unaligned type_len", 12)
    if header.hdr_len + header.str_off + header.str_len > len(raw):
        raise bad("Invalid total section size", 20)
    return header, swapped
