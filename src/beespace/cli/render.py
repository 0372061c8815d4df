"""Bytes and their BTF as text for people: one column for each leaf, addresses and ports as such.

What a field means is read from its type's name (``__be16`` is a number in network order) and, where the type does not
say it (``__be32``, ``__u8[6]``), from its own.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beespace.btf import Btf

__all__ = ["columns", "leaves", "to_json"]

_ADDRESS = re.compile(r"(addr|ip4?|src|dst|saddr|daddr|host|net)$", re.I)
_MAC = re.compile(r"(mac|ether|eth|lladdr|h_source|h_dest)", re.I)
_HIDDEN = re.compile(r"^_*(pad|padding|reserved|unused)\d*$", re.I)


def leaves(btf: Btf, type_id: int, data: bytes, name: str = "", typedef: str = "") -> Iterator[tuple[str, object]]:
    """(dotted name, value) of each leaf of *data*: int, str, float or bytes. Padding members are left out."""
    from beespace.btf import types as t

    kind = btf.type(type_id)
    match kind:
        case t.Typedef():
            yield from leaves(btf, kind.type, data, name, typedef or kind.name)
        case t.Const() | t.Volatile() | t.Restrict() | t.TypeTag():
            yield from leaves(btf, kind.type, data, name, typedef)
        case t.Struct(name="in6_addr"):
            yield name, _ip6(data)
        case t.Struct():
            for member in kind.members:
                if not _HIDDEN.match(member.name):
                    yield from _member(btf, member, data, name)
        case t.Union():
            first = max(kind.members, key=lambda member: btf.size(member.type), default=None)
            if first is not None:
                yield from _member(btf, first, data, name)
        case t.Array():
            yield from _array(btf, kind, data, name)
        case t.Int():
            yield name, _int(kind, data, name, typedef)
        case t.Enum() | t.Enum64():
            value = int.from_bytes(data, "little", signed=kind.signed)
            yield name, next((e.name for e in kind.values if e.value == value), value)
        case t.Ptr():
            yield name, f"{int.from_bytes(data, 'little'):#x}"
        case _:
            yield name, data


def _member(btf: Btf, member: object, data: bytes, prefix: str) -> Iterator[tuple[str, object]]:
    from beespace.btf import types as t

    assert isinstance(member, t.Member)
    full = f"{prefix}.{member.name}" if prefix and member.name else prefix or member.name
    if member.bitfield_size:
        word = int.from_bytes(data, "little") >> member.bit_offset
        yield full, word & (1 << member.bitfield_size) - 1
        return
    off = member.bit_offset // 8
    yield from leaves(btf, member.type, data[off : off + btf.size(member.type)], full)


def _array(btf: Btf, array: object, data: bytes, name: str) -> Iterator[tuple[str, object]]:
    from beespace.btf import types as t

    assert isinstance(array, t.Array)
    size = btf.size(array.type)
    element = btf.type(btf.skip_mods_and_typedefs(array.type))
    if isinstance(element, t.Int) and size == 1:
        if element.is_char:
            yield name, data.split(b"\0", 1)[0].decode("utf-8", "replace")
        elif array.nelems == 6 and _MAC.search(name):
            yield name, data.hex(":")
        elif array.nelems == 16 and _ADDRESS.search(name):
            yield name, _ip6(data)
        else:
            yield name, data
        return
    for index in range(array.nelems):
        yield from leaves(btf, array.type, data[index * size : (index + 1) * size], f"{name}[{index}]")


def _int(kind: object, data: bytes, name: str, typedef: str) -> object:
    from beespace.btf import types as t

    assert isinstance(kind, t.Int)
    if typedef == "__be16":
        return int.from_bytes(data, "big")
    if typedef == "__be32" and _ADDRESS.search(name):
        return str(ipaddress.IPv4Address(data))
    if typedef in ("__be32", "__be64"):
        return int.from_bytes(data, "big")
    value = int.from_bytes(data, "little", signed=kind.is_signed)
    return bool(value) if kind.is_bool and value in (0, 1) else value


def _ip6(data: bytes) -> str:
    address = ipaddress.IPv6Address(data)
    mapped = address.ipv4_mapped
    return f"::ffff:{mapped}" if mapped is not None else str(address)


def columns(btf: Btf | None, type_id: int, data: bytes, name: str) -> list[tuple[str, str]]:
    """The cells of a table row; *name* is the column of a value without members."""
    if btf is None or type_id == 0:
        return [(name, data.hex(" "))]
    return [(column or name, _cell(value)) for column, value in leaves(btf, type_id, data)]


def _cell(value: object) -> str:
    return value.hex(" ") if isinstance(value, bytes) else str(value)


def to_json(btf: Btf | None, type_id: int, data: bytes) -> object:
    """*data* as what json.dumps() takes: a number or text, or a dict of dotted names; bytes become hexadecimal."""
    if btf is None or type_id == 0:
        return data.hex()
    found = {name: value.hex() if isinstance(value, bytes) else value for name, value in leaves(btf, type_id, data)}
    return found[""] if list(found) == [""] else found
