"""Values and bytes: reads and writes memory laid out by a BTF type.

>>> codec = Codec(btf, btf.find("flow_key"))                                # doctest: +SKIP
>>> codec.encode({"saddr": 0x0100007F, "dport": 443})                       # doctest: +SKIP
b'\\x7f\\x00\\x00\\x01\\xbb\\x01\\x00\\x00'
>>> codec.decode(b"\\x7f\\x00\\x00\\x01\\xbb\\x01\\x00\\x00").dport                # doctest: +SKIP
443

What a type becomes, and what it may be made from (bytes of the right length are always accepted):

==================  =============================  ==========================================================
type                decoded                        encoded from
==================  =============================  ==========================================================
int, pointer        ``int``                        ``int`` in range
bool                ``bool``                       ``bool``, 0, 1
float, double       ``float``                      a number
enum                ``EnumValue`` (an ``int``)     ``int`` in range, name of an enumerator
char array          ``str`` up to the first NUL    ``str`` or bytes that fit, padded with NUL
array of u8         ``bytes``                      a sequence of its length
other array         ``list``                       a sequence of its length
struct, union       ``StructValue``                mapping, object with attributes, sequence of its length;
                                                   what is not mentioned is zero
data section        ``StructValue``                as a struct, by variable
==================  =============================  ==========================================================

Members of anonymous structs and unions belong to the enclosing one, as in C.
"""

from __future__ import annotations

import difflib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, SupportsIndex, TypeAlias

from beespace import values
from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.btf.resolve import MAX_RESOLVE_DEPTH
from beespace.errors import BtfError

__all__ = ["Adapter", "Codec", "EnumValue", "FrozenStruct", "StructValue", "decode", "encode", "frozen"]

Value: TypeAlias = Any  # any Python value: what is acceptable depends on the type
_Order: TypeAlias = Literal["little", "big"]
_MAX_ELEMENTS = 1 << 24
_MAX_FIELDS = 1 << 16
_MAX_INT = 16  # bytes of __int128
_FLOATS = {2: "e", 4: "f", 8: "d"}


@values.frozen
class Adapter:
    """How values of one named type (typedef, struct, union, enum; an array as C spells it, ``__u8[6]``) look to Python,
    instead of the table above.

    :ivar decode: bytes of the value -> Python value, or ``None`` for sizes it does not know; ``None`` leaves it to the
        table.
    :ivar encode: Python value -> bytes of the value, or ``None`` for values it does not know, which the table handles.
    """

    decode: Callable[[bytes], Value] | None = None
    encode: Callable[[Value], bytes | None] | None = None


class EnumValue(int):
    """An enumerator: an ``int`` with a ``name``."""

    name: str

    def __new__(cls, value: int, name: str) -> EnumValue:
        self = super().__new__(cls, value)
        self.name = name
        return self

    def __repr__(self) -> str:
        return f"<{self.name}: {int(self)}>"

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[type[EnumValue], tuple[int, str]]:
        return EnumValue, (int(self), self.name)


class StructValue:
    """A decoded struct: fields as attributes and by index, in declaration order. Equal to a mapping of its fields."""

    __slots__ = ("_fields", "_type_name")
    _fields: dict[str, Value]
    _type_name: str

    def __init__(self, type_name: str, fields: dict[str, Value]) -> None:
        object.__setattr__(self, "_type_name", type_name)
        object.__setattr__(self, "_fields", fields)

    def __getattr__(self, name: str) -> Value:
        try:
            return self._fields[name]
        except KeyError:
            raise AttributeError(f"{self._type_name} has no field {name!r}") from None

    def __setattr__(self, name: str, value: Value) -> None:
        if name not in self._fields:
            raise AttributeError(f"{self._type_name} has no field {name!r}")
        self._fields[name] = value

    def __getitem__(self, name: str) -> Value:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __len__(self) -> int:
        return len(self._fields)

    def __dir__(self) -> list[str]:
        return [*self._fields, "_asdict"]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StructValue):
            return self._fields == other._fields
        return self._fields == other if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # fields can be assigned

    def __repr__(self) -> str:
        return f"{self._type_name}({', '.join(f'{name}={value!r}' for name, value in self._fields.items())})"

    def _asdict(self) -> dict[str, Value]:
        # as a namedtuple's: a plain dict, nested ones too
        return {name: _plain(value) for name, value in self._fields.items()}


class FrozenStruct(StructValue):
    """A StructValue whose fields cannot be assigned, hence hashable: what keys of maps decode to."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Value) -> None:
        raise AttributeError(f"{name}: a key does not change; make a dict of it: dict({self._type_name}, {name}=...)")

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(_hashable(self))


def frozen(value: Value) -> Value:
    """*value* with FrozenStruct for StructValue, nested ones too."""
    if isinstance(value, StructValue):
        return FrozenStruct(value._type_name, {name: frozen(item) for name, item in value._fields.items()})
    return [frozen(item) for item in value] if isinstance(value, list) else value


def _hashable(value: Value) -> Value:
    if isinstance(value, StructValue):
        return tuple((name, _hashable(item)) for name, item in value._fields.items())
    return tuple(_hashable(item) for item in value) if isinstance(value, list) else value


def _plain(value: Value) -> Value:
    if isinstance(value, StructValue):
        return value._asdict()
    return [_plain(item) for item in value] if isinstance(value, list) else value


class _Node(Protocol):
    # One type: ``size`` bytes at ``off``. ``path`` is for messages.
    size: int

    def decode(self, data: memoryview, off: int) -> Value: ...

    def encode(self, buf: bytearray, off: int, value: Value, path: str) -> None: ...


class Codec:
    """Reads and writes values of one type.

    :param adapters: by name of typedef, struct, union or enum, or spelling of an array; the outermost that a type has
        wins.
    :param strings: decode char arrays to ``str``; otherwise to ``bytes``.
    :raises BtfError: the type has no size.
    """

    def __init__(
        self, btf: Btf, type_id: int, *, adapters: Mapping[str, Adapter] | None = None, strings: bool = True
    ) -> None:  # fmt: skip
        self.btf = btf
        self.type_id = type_id
        self.name = btf.type_name(type_id)
        self._node = _Compiler(btf, adapters or {}, strings).node(type_id, 0)
        self.size = self._node.size

    def decode(self, data: bytes | bytearray | memoryview) -> Value:
        """The value of exactly ``size`` bytes.

        :raises BtfError: another length.
        """
        if len(data) != self.size:
            raise self.btf.error(f"{self.name} has {self.size} bytes, not {len(data)}")
        return self._node.decode(memoryview(data), 0)

    def encode(self, value: Value) -> bytes:
        """The ``size`` bytes of a value; padding is zero.

        :raises BtfError: names type and field, and what is wrong with the value.
        """
        buf = bytearray(self.size)
        self._node.encode(buf, 0, value, self.name)
        return bytes(buf)


def decode(
    btf: Btf,
    type_id: int,
    data: bytes | bytearray | memoryview,
    *,
    adapters: Mapping[str, Adapter] | None = None,
    strings: bool = True,
) -> Value:
    """One value of a type; see Codec, which is faster for many."""
    return Codec(btf, type_id, adapters=adapters, strings=strings).decode(data)


def encode(btf: Btf, type_id: int, value: Value, *, adapters: Mapping[str, Adapter] | None = None) -> bytes:
    """The bytes of one value of a type; see Codec, which is faster for many."""
    return Codec(btf, type_id, adapters=adapters).encode(value)


def _fail(path: str, message: str) -> BtfError:
    return BtfError(f"{path}: {message}")


def _raw(buf: bytearray, off: int, size: int, value: Value, path: str) -> bool:
    # bytes for the whole value
    if not isinstance(value, bytes | bytearray | memoryview):
        return False
    if len(value) != size:
        raise _fail(path, f"{len(value)} bytes for a value of {size}")
    buf[off : off + size] = value
    return True


def _index(value: Value, path: str, type_name: str) -> int:
    if not isinstance(value, SupportsIndex):
        raise _fail(path, f"{value!r} is not a value of {type_name}")
    return value.__index__()


class _Int:
    def __init__(self, name: str, size: int, bits: int, signed: bool, order: _Order) -> None:
        self.name, self.size, self.signed, self.order = name, size, signed, order
        self.low = -(1 << bits - 1) if signed and bits else 0
        self.high = (1 << bits - int(signed and bits > 0)) - 1

    def decode(self, data: memoryview, off: int) -> Value:
        return int.from_bytes(data[off : off + self.size], self.order, signed=self.signed)

    def encode(self, buf: bytearray, off: int, value: Value, path: str) -> None:
        if _raw(buf, off, self.size, value, path):
            return
        number = _index(value, path, self.name)
        if not self.low <= number <= self.high:
            raise _fail(path, f"{number} does not fit {self.name} ({self.low}..{self.high})")
        buf[off : off + self.size] = number.to_bytes(self.size, self.order, signed=self.signed)


class _Bool(_Int):
    def decode(self, data: memoryview, off: int) -> Value:
        return any(data[off : off + self.size])


class _Enum(_Int):
    def __init__(self, name: str, enum: t.Enum | t.Enum64, order: _Order) -> None:
        super().__init__(name, enum.size, 8 * enum.size, enum.signed, order)
        self.numbers = {e.name: e.value for e in enum.values}
        self.names: dict[int, EnumValue] = {}
        for e in enum.values:
            self.names.setdefault(e.value, EnumValue(e.value, e.name))

    def decode(self, data: memoryview, off: int) -> Value:
        number = super().decode(data, off)
        return self.names.get(number, number)

    def encode(self, buf: bytearray, off: int, value: Value, path: str) -> None:
        if isinstance(value, str):
            value = self.number(value, path)
        super().encode(buf, off, value, path)

    def number(self, name: str, path: str) -> int:
        if name not in self.numbers:
            raise _fail(path, f"{self.name} has no enumerator {name!r}{_hint(name, self.numbers)}")
        return self.numbers[name]


class _Bitfield:
    # ``bits`` at ``bit_off`` (0..7) of the byte it starts in; ``base`` gives names and signedness
    def __init__(self, base: _Int, bit_off: int, bits: int) -> None:
        self.base, self.bit_off, self.bits = base, bit_off, bits
        self.size = (bit_off + bits + 7) // 8
        shift = bit_off if base.order == "little" else 8 * self.size - bit_off - bits
        self.shift, self.mask = shift, (1 << bits) - 1
        self.low = -(1 << bits - 1) if base.signed else 0
        self.high = (1 << bits - int(base.signed)) - 1

    def decode(self, data: memoryview, off: int) -> Value:
        number = int.from_bytes(data[off : off + self.size], self.base.order) >> self.shift & self.mask
        if self.base.signed and number > self.high:
            number -= self.mask + 1
        if isinstance(self.base, _Enum):
            return self.base.names.get(number, number)
        return bool(number) if isinstance(self.base, _Bool) else number

    def encode(self, buf: bytearray, off: int, value: Value, path: str) -> None:
        if isinstance(self.base, _Enum) and isinstance(value, str):
            value = self.base.number(value, path)
        number = _index(value, path, self.base.name)
        if not self.low <= number <= self.high:
            raise _fail(path, f"{number} does not fit {self.bits} bits of {self.base.name} ({self.low}..{self.high})")
        word = int.from_bytes(buf[off : off + self.size], self.base.order) & ~(self.mask << self.shift)
        word |= (number & self.mask) << self.shift
        buf[off : off + self.size] = word.to_bytes(self.size, self.base.order)


class _Float:
    def __init__(self, name: str, size: int, order: _Order) -> None:
        self.name, self.size = name, size
        self.layout = struct.Struct(("<" if order == "little" else ">") + _FLOATS[size]) if size in _FLOATS else None

    def decode(self, data: memoryview, off: int) -> Value:
        # long double is no type of Python's: its bytes
        return self.layout.unpack_from(data, off)[0] if self.layout else bytes(data[off : off + self.size])

    def encode(self, buf: bytearray, off: int, value: Value, path: str) -> None:
        if _raw(buf, off, self.size, value, path):
            return
        try:
            if self.layout is None:
                raise TypeError
            self.layout.pack_into(buf, off, value)
        except (TypeError, struct.error, OverflowError):
            raise _fail(path, f"{value!r} is not a value of {self.name}") from None


class _Text:
    # char[]
    def __init__(self, size: int, strings: bool) -> None:
        self.size, self.strings = size, strings

    def decode(self, data: memoryview, off: int) -> Value:
        raw = bytes(data[off : off + self.size])
        return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape") if self.strings else raw

    def encode(self, buf: bytearray, off: int, value: Value, path: str) -> None:
        try:
            raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
        except (TypeError, ValueError):
            raise _fail(path, f"{value!r} is not text") from None
        if len(raw) > self.size:
            raise _fail(path, f"{len(raw)} bytes for an array of {self.size}")
        buf[off : off + len(raw)] = raw
        buf[off + len(raw) : off + self.size] = bytes(self.size - len(raw))


class _Array:
    def __init__(self, elem: _Node, nelems: int, as_bytes: bool) -> None:
        self.elem, self.nelems, self.as_bytes = elem, nelems, as_bytes
        self.size = elem.size * nelems

    def decode(self, data: memoryview, off: int) -> Value:
        if self.as_bytes:
            return bytes(data[off : off + self.size])
        elem = self.elem
        return [elem.decode(data, off + i * elem.size) for i in range(self.nelems)]

    def encode(self, buf: bytearray, off: int, value: Value, path: str) -> None:
        if _raw(buf, off, self.size, value, path):
            return
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
            raise _fail(path, f"{value!r} is not a sequence of {self.nelems} elements")
        if len(value) != self.nelems:
            raise _fail(path, f"{len(value)} elements for an array of {self.nelems}")
        for i, item in enumerate(value):
            self.elem.encode(buf, off + i * self.elem.size, item, f"{path}[{i}]")


@values.frozen
class _Field:
    name: str
    off: int
    node: _Node
    overlaps: bool  # with an earlier one: inside a union


class _Fields:
    # struct, union, data section
    def __init__(self, name: str, size: int, fields: Sequence[_Field]) -> None:
        self.name, self.size, self.fields = name, size, tuple(fields)
        self.by_name = {field.name: field for field in fields}
        self.overlaps = any(field.overlaps for field in fields)

    def decode(self, data: memoryview, off: int) -> Value:
        return StructValue(self.name, {f.name: f.node.decode(data, off + f.off) for f in self.fields})

    def encode(self, buf: bytearray, off: int, value: Value, path: str) -> None:
        if _raw(buf, off, self.size, value, path):
            return
        written = bytearray(self.size if self.overlaps else 0)  # the bits that a member has set already
        for field, item in self.items(value, path):
            if field.overlaps:
                self.agree(buf, off, field, item, written, path)
                self.mark(written, field)
            field.node.encode(buf, off + field.off, item, f"{path}.{field.name}")

    def mark(self, written: bytearray, field: _Field) -> None:
        if isinstance(field.node, _Bitfield):
            field.node.encode(written, field.off, -1 if field.node.base.signed else field.node.high, "")
        else:
            written[field.off : field.off + field.node.size] = b"\xff" * field.node.size

    def agree(self, buf: bytearray, off: int, field: _Field, item: Value, written: bytearray, path: str) -> None:
        # Members of a union may all be given (a decoded one has them all) if they say the same.
        start, end = field.off, field.off + field.node.size
        new = bytearray(buf[off + start : off + end])
        field.node.encode(new, 0, item, f"{path}.{field.name}")
        old = buf[off + start : off + end]
        if any(mask and (a ^ b) & mask for mask, a, b in zip(written[start:end], old, new, strict=True)):
            raise _fail(f"{path}.{field.name}", f"{item!r} contradicts another member of the union")

    def items(self, value: Value, path: str) -> Iterator[tuple[_Field, Value]]:
        if isinstance(value, Mapping | StructValue):
            for name in value:
                if name not in self.by_name:
                    raise _fail(path, f"no field {name!r}{_hint(name, self.by_name)}")
            yield from ((field, value[field.name]) for field in self.fields if field.name in value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            if len(value) != len(self.fields):
                raise _fail(path, f"{len(value)} values for {len(self.fields)} fields")
            yield from zip(self.fields, value, strict=True)
        else:
            given = [(field, getattr(value, field.name)) for field in self.fields if hasattr(value, field.name)]
            if not given:
                raise _fail(path, f"{value!r} has none of its fields")
            yield from given


def _hint(name: object, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


class _Adapted:
    def __init__(self, node: _Node, adapter: Adapter) -> None:
        self.node, self.adapter, self.size = node, adapter, node.size

    def decode(self, data: memoryview, off: int) -> Value:
        if self.adapter.decode is None:
            return self.node.decode(data, off)
        value = self.adapter.decode(bytes(data[off : off + self.size]))
        return self.node.decode(data, off) if value is None else value

    def encode(self, buf: bytearray, off: int, value: Value, path: str) -> None:
        raw = self.adapter.encode(value) if self.adapter.encode is not None else None
        self.node.encode(buf, off, value if raw is None else raw, path)


class _Compiler:
    # Makes the tree of nodes of a type.

    def __init__(self, btf: Btf, adapters: Mapping[str, Adapter], strings: bool) -> None:
        self.btf = btf
        self.adapters = adapters
        self.strings = strings
        self.known: dict[int, _Node] = {}
        self.members = 0  # gone through: anonymous structs of anonymous structs can be exponentially many

    def node(self, type_id: int, depth: int) -> _Node:
        found = self.known.get(type_id)
        if found is None:
            if depth > MAX_RESOLVE_DEPTH:
                raise self.btf.error(f"[{type_id}] Exceeded max resolving depth:{MAX_RESOLVE_DEPTH}")
            found = self.adapted(type_id, depth)
            self.known[type_id] = found
        return found

    def adapted(self, type_id: int, depth: int) -> _Node:
        at = self.btf.skip_mods(type_id)
        btf_type = self.btf.type(at)
        # arrays have no name: their spelling, "__u8[6]"
        name = self.btf.type_name(at) if self.adapters and isinstance(btf_type, t.Array) else btf_type.name
        adapter = self.adapters.get(name) if name else None
        node = self.node(btf_type.type, depth + 1) if isinstance(btf_type, t.Typedef) else self.plain(at, depth)
        return node if adapter is None else _Adapted(node, adapter)

    def plain(self, type_id: int, depth: int) -> _Node:
        btf_type, order = self.btf.type(type_id), self.btf.byteorder
        if isinstance(btf_type, t.Int | t.Enum | t.Enum64) and not 0 < btf_type.size <= _MAX_INT:
            raise self.btf.error(f"[{type_id}] {self.btf.type_name(type_id)} of {btf_type.size} bytes")
        match btf_type:
            case t.Int(name=name, size=size):
                if btf_type.bits != 8 * size or btf_type.offset:
                    return self.narrow(btf_type)
                return (_Bool if btf_type.is_bool else _Int)(name, size, 8 * size, btf_type.is_signed, order)
            case t.Ptr():
                return _Int(self.btf.type_name(type_id), 8, 64, False, order)
            case t.Enum() | t.Enum64():
                return _Enum(self.btf.type_name(type_id), btf_type, order)
            case t.Float(name=name, size=size):
                return _Float(name, size, order)
            case t.Array() as array:
                return self.array(type_id, array, depth)
            case t.Struct(size=size) | t.Union(size=size):
                return _Fields(self.btf.type_name(type_id), size, self.fields(btf_type, depth))
            case t.Datasec() as datasec:
                return self.datasec(datasec, depth)
            case t.Var(type=ref):
                return self.node(ref, depth + 1)
            case _:
                kind = t.KIND_NAMES[btf_type.kind]
                raise self.btf.error(f"[{type_id}] {kind} {btf_type.name or '(anon)'} has no size")

    def narrow(self, btf_type: t.Int) -> _Node:
        # an int of fewer bits than its bytes: how bitfields were described before kind_flag
        base = _Int(btf_type.name, btf_type.size, 8 * btf_type.size, btf_type.is_signed, self.btf.byteorder)
        if btf_type.bits == 0 or btf_type.offset + btf_type.bits > 8 * btf_type.size:
            raise self.btf.error(f"int {btf_type.name}: {btf_type.bits} bits at {btf_type.offset}")
        field = _Bitfield(base, btf_type.offset, btf_type.bits)
        field.size = btf_type.size
        return field

    def array(self, type_id: int, array: t.Array, depth: int) -> _Node:
        elem = self.node(array.type, depth + 1)
        limit = _MAX_ELEMENTS if elem.size else _MAX_FIELDS
        if array.nelems > limit:
            raise self.btf.error(f"[{type_id}] array of {array.nelems} elements, at most {limit}")
        base = self.btf.type(self.btf.skip_mods_and_typedefs(array.type))
        if isinstance(base, t.Int) and not isinstance(elem, _Adapted):
            if base.is_char:
                return _Text(array.nelems, self.strings)
            return _Array(elem, array.nelems, as_bytes=base.size == 1 and not base.encoding)
        return _Array(elem, array.nelems, as_bytes=False)

    def fields(self, composite: t.Composite, depth: int) -> list[_Field]:
        found: list[_Field] = []
        seen: set[str] = set()
        for name, bit_off, member, overlaps in self.flatten(composite, 0, isinstance(composite, t.Union), depth):
            node = self.member(member, bit_off, depth)
            if name in seen:
                raise self.btf.error(f"{composite.name or '(anon)'}.{name} is there twice")
            if bit_off // 8 + node.size > composite.size:
                raise self.btf.error(
                    f"{composite.name or '(anon)'}.{name} exceeds the struct of {composite.size} bytes"
                )
            seen.add(name)
            found.append(_Field(name, bit_off // 8, node, overlaps))
        return found

    def flatten(
        self, composite: t.Composite, bit_off: int, overlaps: bool, depth: int
    ) -> Iterator[tuple[str, int, t.Member, bool]]:  # fmt: skip
        if depth > MAX_RESOLVE_DEPTH:
            raise self.btf.error(f"{composite.name or '(anon)'}: Exceeded max resolving depth:{MAX_RESOLVE_DEPTH}")
        for member in composite.members:
            self.members += 1
            if self.members > _MAX_FIELDS:
                raise self.btf.error(f"{composite.name or '(anon)'}: more than {_MAX_FIELDS} members")
            at = bit_off + member.bit_offset
            if member.name:
                yield member.name, at, member, overlaps
                continue
            inner = self.btf.type(self.btf.skip_mods_and_typedefs(member.type))
            if isinstance(inner, t.Struct | t.Union):
                yield from self.flatten(inner, at, overlaps or isinstance(inner, t.Union), depth + 1)

    def member(self, member: t.Member, bit_off: int, depth: int) -> _Node:
        node = self.node(member.type, depth + 1)
        if not member.bitfield_size:
            if bit_off % 8:
                raise self.btf.error(f"{member.name} at bit {bit_off} is no bitfield")
            return node
        base = node.node if isinstance(node, _Adapted) else node
        if not isinstance(base, _Int) or member.bitfield_size > 8 * base.size:
            raise self.btf.error(f"{member.name}: bitfield of {member.bitfield_size} bits of another type than int")
        return _Bitfield(base, bit_off % 8, member.bitfield_size)

    def datasec(self, datasec: t.Datasec, depth: int) -> _Node:
        fields = []
        for info in datasec.vars:
            var = self.btf.type(info.type)
            if not isinstance(var, t.Var):
                continue  # extern functions have no bytes
            node = self.node(var.type, depth + 1)
            if info.offset + node.size > datasec.size:
                raise self.btf.error(f"{datasec.name}: {var.name} exceeds the section of {datasec.size} bytes")
            fields.append(_Field(var.name, info.offset, node, overlaps=False))
        return _Fields(datasec.name, datasec.size, fields)
