"""Values as the kernel prints them: ``(struct sk_buff){ .len = (unsigned int)64, }``.

What bpf_snprintf_btf() and bpf_seq_printf_btf() write, and what reading a pinned map shows. Zeroes are left out below
the top, and with them structs and arrays that hold nothing else.

:see: kernel/bpf/btf.c:btf_type_show, btf_show_name, btf_*_show
"""

from __future__ import annotations

from collections.abc import Callable

from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi

__all__ = ["show_value"]

_MAX_ITER = 10  # BTF_SHOW_MAX_ITER: pointers, arrays and typedefs in one name
_NAME_SIZE = 80
_MAX_INDENT = 32
_MAX_DEPTH = 64
_MAX_EMPTY = 1 << 12  # elements without size
_U64 = 0xFFFFFFFFFFFFFFFF
_PRINTABLE = frozenset(range(0x20, 0x7F)) | frozenset(range(0xA0, 0x100))


def show_value(
    btf: Btf, type_id: int, data: bytes | bytearray | memoryview, flags: int = 0, *,
    pointer: Callable[[int], str] = "{:016x}".format,
) -> bytes:  # fmt: skip
    """The text of a value.

    :param data: the bytes of the value.
    :param flags: BTF_F_COMPACT, BTF_F_NONAME, BTF_F_PTR_RAW, BTF_F_ZERO.
    :param pointer: how ``%p`` prints an address without BTF_F_PTR_RAW: the kernel hashes it.
    :raises BtfError: the type has no size, or nests too deep.
    """
    shower = _Shower(btf, bytes(data), flags, pointer)
    shower.value(type_id, 0, 0)
    return b"".join(shower.parts)


class _Shower:
    def __init__(self, btf: Btf, data: bytes, flags: int, pointer: Callable[[int], str]) -> None:
        self.btf = btf
        self.data = data
        self.flags = flags
        self.pointer = pointer
        self.parts: list[bytes] = []
        self.depth = 0
        self.probing = False  # looking for values worth showing, printing nothing
        self.found = False
        self.member: t.Member | None = None
        # The array's name has been printed; its elements, and what is in them up to the end of an array, have none.
        self.in_array = False
        self.text = False  # elements are characters
        self.terminated = False

    # -- printing ------------------------------------------------------------------------------------------------

    def put(self, text: str | bytes) -> None:
        if not self.probing:
            self.parts.append(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))

    @property
    def indent(self) -> str:
        return "" if self.flags & uapi.BTF_F_COMPACT else " " * min(self.depth, _MAX_INDENT)

    @property
    def newline(self) -> str:
        return "" if self.flags & uapi.BTF_F_COMPACT else "\n"

    @property
    def delim(self) -> str:
        return "," if self.depth else ""

    def put_value(self, type_id: int, text: str | bytes, *, zero: bool) -> None:
        if zero and self.depth and not self.flags & uapi.BTF_F_ZERO:
            return
        self.found = True
        self.put(self.indent + self.name(type_id))
        self.put(text)
        self.put(self.delim + self.newline)

    def name(self, type_id: int) -> str:
        # btf_show_name(): ``.member = (struct type *[])``, and the bracket that opens what follows
        if self.in_array:
            return ""
        member = self.member.name if self.member is not None else ""
        type_id = self.member.type if self.member is not None else type_id
        name, stars, brackets, parens, typedef = "", "", "", "", False
        for _ in range(_MAX_ITER):
            btf_type = self.btf.type(type_id)
            match btf_type:
                case t.Typedef():
                    name, typedef = name or btf_type.name, True
                case t.Array():
                    brackets, parens = brackets + "[]", "["
                case t.Ptr():
                    stars += "*"
                case _:
                    break
            if not btf_type.type:
                break
            type_id = self.btf.skip_mods(btf_type.type)
        else:
            return ""
        name = name or btf_type.name
        prefix = _PREFIXES.get(btf_type.kind, "")
        if isinstance(btf_type, t.Struct | t.Union) and not brackets:
            parens = "{"
        if stars:
            parens = ""
        if typedef:
            prefix = ""
        if self.flags & uapi.BTF_F_NONAME:
            return parens
        lead = f".{member} = " if member else ""
        space = " " if prefix and name else ""
        return f"{lead}({prefix}{space}{name}{' ' if stars else ''}{stars}{brackets}){parens}"[: _NAME_SIZE - 1]

    # -- kinds ---------------------------------------------------------------------------------------------------

    def value(self, type_id: int, off: int, bit_off: int) -> None:
        if self.depth > _MAX_DEPTH:
            raise self.btf.error(f"[{type_id}] value nested more than {_MAX_DEPTH} deep")
        btf_type = self.btf.type(self.btf.skip_mods_and_typedefs(type_id))
        match btf_type:
            case t.Int():
                self.integer(type_id, btf_type, off, bit_off)
            case t.Ptr():
                address = self.word(off, 8)
                text = f"{address:016x}" if self.flags & uapi.BTF_F_PTR_RAW else self.pointer(address)
                self.put_value(type_id, f"0x{text}", zero=address == 0)
            case t.Enum() | t.Enum64():
                self.enum(type_id, btf_type, off)
            case t.Struct() | t.Union():
                self.aggregate(lambda: self.struct(type_id, btf_type, off))
            case t.Array():
                self.aggregate(lambda: self.array(type_id, btf_type, off))
            case t.Var(type=ref):
                self.value(ref, off, bit_off)
            case _:
                self.put(f"<unsupported kind:{btf_type.kind}>")

    def word(self, off: int, size: int, *, signed: bool = False) -> int:
        if off + size > len(self.data):
            raise BtfError(f"value of {len(self.data)} bytes, {size} at {off} are needed", path=self.btf.name or None)
        return int.from_bytes(self.data[off : off + size], self.btf.byteorder, signed=signed)

    def integer(self, type_id: int, int_type: t.Int, off: int, bit_off: int) -> None:
        bits = int_type.bits
        if bit_off or int_type.offset or bits not in (8, 16, 32, 64, 128):
            start = bit_off + int_type.offset
            self.bitfield(type_id, off + start // 8, start % 8, bits)
            return
        number = self.word(off, bits // 8, signed=int_type.is_signed and bits < 128)
        if bits == 128:
            self.int128(type_id, number)
            return
        if bits == 8 and self.text:
            if self.terminated:
                return
            byte = self.data[off]
            if byte == 0:
                self.terminated = True
                return
            if byte in _PRINTABLE:
                self.put_value(type_id, b"'" + bytes((byte,)) + b"'", zero=False)
                return
        self.put_value(type_id, str(number), zero=number == 0)

    def int128(self, type_id: int, number: int) -> None:
        upper, lower = number >> 64, number & _U64
        self.put_value(type_id, f"0x{upper:x}{lower:016x}" if upper else f"0x{lower:x}", zero=number == 0)

    def bitfield(self, type_id: int, off: int, bit_off: int, bits: int) -> None:
        size = (bits + bit_off + 7) // 8
        word = self.word(off, size)
        shift = bit_off if self.btf.byteorder == "little" else 8 * size - bit_off - bits
        self.int128(type_id, word >> shift & (1 << bits) - 1)

    def enum(self, type_id: int, enum: t.Enum | t.Enum64, off: int) -> None:
        # A named value is shown even when it is zero; what is read has the size of the kind, whatever the enum's.
        size = min(8 if isinstance(enum, t.Enum64) else 4, max(len(self.data) - off, enum.size))
        number = self.word(off, size, signed=enum.signed)
        for value in enum.values:
            if value.value == number:
                self.put_value(type_id, value.name, zero=False)
                return
        self.put_value(type_id, str(number), zero=number == 0)

    def aggregate(self, print_it: Callable[[], None]) -> None:
        # Below the top, look first whether anything in it would be shown.
        if self.depth and not self.flags & uapi.BTF_F_ZERO and not self.probing:
            member = self.member
            self.probing, self.found = True, False
            print_it()
            self.probing = False
            self.member = member
            if not self.found:
                return
        print_it()

    def struct(self, type_id: int, struct: t.Composite, off: int) -> None:
        self.put(self.indent + self.name(type_id) + self.newline)
        self.depth += 1
        for member in struct.members:
            self.member = member
            at, bit_off = off + member.bit_offset // 8, member.bit_offset % 8
            if member.bitfield_size:
                self.bitfield(member.type, at, bit_off, member.bitfield_size)
            else:
                self.value(member.type, at, bit_off)
            self.member = None
        self.end("}")

    def array(self, type_id: int, array: t.Array, off: int) -> None:
        elem_id = self.btf.skip_mods_and_typedefs(array.type)
        elem = self.btf.type(elem_id)
        # The kernel steps by the size that the element's own type carries: pointers and arrays have none.
        elem_size = 0 if isinstance(elem, t.Ptr | t.Array) else self.btf.size(elem_id)
        if array.nelems > max(len(self.data), _MAX_EMPTY):
            raise self.btf.error(f"[{type_id}] array of {array.nelems} elements in {len(self.data)} bytes")
        self.put(self.indent + self.name(type_id) + self.newline)
        self.depth += 1
        self.text, self.terminated = isinstance(elem, t.Int) and elem_size == 1, False
        for i in range(array.nelems):
            self.in_array, self.member = True, None
            self.value(elem_id, off + i * elem_size, 0)
            self.in_array = False
            if self.terminated:
                break
        self.text = self.terminated = False
        self.end("]")

    def end(self, bracket: str) -> None:
        self.depth -= 1
        self.put(self.indent + bracket + self.delim + self.newline)


_PREFIXES = {
    uapi.BTF_KIND_STRUCT: "struct",
    uapi.BTF_KIND_UNION: "union",
    uapi.BTF_KIND_ENUM: "enum",
    uapi.BTF_KIND_ENUM64: "enum",
}
