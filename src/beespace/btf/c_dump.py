"""BTF as a C header that compiles to the same layouts, in bpftool's text.

:see: tools/lib/bpf/btf_dump.c, tools/bpf/bpftool/btf.c:dump_btf_c
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.btf.c_names import Names, sorted_ids
from beespace.btf.c_order import MAX_DEPTH, Budget, Orderer
from beespace.btf.resolve import is_packed
from beespace.uapi import bpf as uapi

__all__ = ["c_dump", "c_types"]

_ACCESS_INDEX = "preserve_access_index"
_PADS = (("long", 64), ("int", 32), ("short", 16), ("char", 8))
# Internal types of compilers that others do not know: defined here, or left alone.
_MISSING = {
    "__Poly8_t": "unsigned char",
    "__Poly16_t": "unsigned short",
    "__Poly64_t": "unsigned long long",
    "__Poly128_t": "unsigned __int128",
}
_BUILTIN = "__builtin_va_list"


def c_dump(
    btf: Btf,
    ids: Iterable[int] | None = None,
    *,
    sort: bool = True,
    preserve_access_index: bool = True,
    kfuncs: bool = True,
    guard: str = "__VMLINUX_H__",
) -> str:
    """A header with the types *ids* and all they need, by default all types, as ``bpftool btf dump file ... format c``.

    :param sort: of all types, in bpftool's order (since 6.10); otherwise by id.
    :param preserve_access_index: accesses to the structs are CO-RE relocatable.
    :param kfuncs: prototypes of the functions tagged ``bpf_kfunc``, when all types are dumped.
    :param guard: the include guard.
    :raises BtfError: BTF that C cannot express (structs that contain each other), or malformed.
    """
    dumper = _Dumper(btf)
    if ids is None:
        dumper.dump(sorted_ids(btf) if sort else range(1, btf.nr_types))
        if kfuncs:
            dumper.dump_kfuncs()
    else:
        dumper.dump(ids)
    return _head(guard, preserve_access_index) + dumper.text + _tail(guard, preserve_access_index)


def c_types(btf: Btf, ids: Iterable[int] | None = None) -> str:
    """The definitions alone, in the order of *ids*, by default of all ids.

    :raises BtfError: as c_dump().
    """
    dumper = _Dumper(btf)
    dumper.dump(range(1, btf.nr_types) if ids is None else ids)
    return dumper.text


def _head(guard: str, preserve_access_index: bool) -> str:
    text = f"#ifndef {guard}\n#define {guard}\n\n"
    if preserve_access_index:
        text += "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n"
        text += f"#pragma clang attribute push (__attribute__(({_ACCESS_INDEX})), apply_to = record)\n#endif\n\n"
    for name, attribute in (("__ksym", 'section(".ksyms")'), ("__weak", "weak")):
        text += f"#ifndef {name}\n#define {name} __attribute__(({attribute}))\n#endif\n\n"
    return text


def _tail(guard: str, preserve_access_index: bool) -> str:
    pop = "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n"
    return f"{pop if preserve_access_index else ''}#endif /* {guard} */\n"


class _State(Enum):
    EMITTING = auto()
    EMITTED = auto()


class _Dumper:
    # Prints definitions in the orderer's order, each after the declarations it needs.

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self.orderer = Orderer(btf)
        self.names = Names(btf)
        self.states: dict[int, _State] = {}
        self.declared: set[int] = set()  # forward declarations, and typedefs that served as such
        self.parts: list[str] = []
        self.budget = Budget(btf, 64)
        self.depth = 0

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def dump(self, ids: Iterable[int]) -> None:
        for type_id in ids:
            for queued in self.orderer.order(type_id):
                self.emit(queued, 0, 0)

    def statement(self, text: str) -> None:
        self.parts.append(text + ";\n\n")

    def dump_kfuncs(self) -> None:
        self.parts.append("\n/* BPF kfuncs */\n#ifndef BPF_NO_KFUNC_PROTOTYPES\n")
        for type_id in range(1, self.btf.nr_types):
            if self.btf.kind(type_id) != uapi.BTF_KIND_DECL_TAG:
                continue
            tag = self.btf.type(type_id)
            assert isinstance(tag, t.DeclTag)
            func = self.btf.type(tag.type)
            if tag.component_idx == -1 and tag.name == "bpf_kfunc" and isinstance(func, t.Func):
                self.parts.append(f"extern {self.declaration(func.type, func.name, 0)} __weak __ksym;\n")
        self.parts.append("#endif\n\n")

    # -- which definitions and declarations ----------------------------------------------------------------------

    def emit(self, type_id: int, container: int, depth: int) -> None:
        # container: the struct or typedef whose definition needs this type, 0 for a definition of its own
        self.budget.spend()
        if depth > MAX_DEPTH:
            raise self.btf.error(f"[{type_id}] types nested more than {MAX_DEPTH} deep")
        state = self.states.get(type_id)
        if state is _State.EMITTED:
            return
        btf_type = self.btf.type(type_id)
        if state is _State.EMITTING:
            self.emit_declaration(type_id, btf_type, container)
            return
        match btf_type:
            case t.Int(name=name):
                if name in _MISSING:
                    self.statement(f"typedef {_MISSING[name]} {name}")
                self.states[type_id] = _State.EMITTED
            case t.Enum() | t.Enum64():
                if container == 0:
                    self.statement(self.enum_definition(type_id, btf_type, 0))
                self.states[type_id] = _State.EMITTED
            case t.Fwd():
                self.statement(f"{'union' if btf_type.is_union else 'struct'} {self.names.tag(type_id)}")
                self.states[type_id] = _State.EMITTED
            case t.Typedef(type=ref):
                self.states[type_id] = _State.EMITTING
                self.emit(ref, type_id, depth + 1)
                if type_id not in self.declared:
                    self.typedef(type_id, btf_type)
                self.states[type_id] = _State.EMITTED
            case t.Struct() | t.Union():
                self.emit_composite(type_id, btf_type, container, depth)
            case t.FuncProto(type=ret, params=params):
                for ref in (ret, *(param.type for param in params)):
                    self.emit(ref, container, depth + 1)
            case (
                t.Ptr(type=ref)
                | t.Volatile(type=ref)
                | t.Const(type=ref)
                | t.Restrict(type=ref)
                | t.TypeTag(type=ref)
                | t.Array(type=ref)
            ):
                self.emit(ref, container, depth + 1)
            case _:
                return

    def emit_declaration(self, type_id: int, btf_type: t.BtfType, container: int) -> None:
        # of a type that is being defined right now
        if type_id in self.declared:
            return
        if isinstance(btf_type, t.Typedef):
            self.typedef(type_id, btf_type)
            self.declared.add(type_id)
        elif isinstance(btf_type, t.Struct | t.Union) and type_id != container and btf_type.name:
            self.statement(self.reference(type_id, btf_type))
            self.declared.add(type_id)

    def emit_composite(self, type_id: int, composite: t.Composite, container: int, depth: int) -> None:
        self.states[type_id] = _State.EMITTING
        if container == 0 or not composite.name:
            inner = type_id if composite.name else container
            for member in composite.members:
                self.emit(member.type, inner, depth + 1)
        elif type_id not in self.declared and type_id != container:
            self.statement(self.reference(type_id, composite))
            self.declared.add(type_id)
        if container == 0:
            self.statement(self.definition(type_id, composite, 0))
            self.states[type_id] = _State.EMITTED
        else:
            del self.states[type_id]

    def typedef(self, type_id: int, typedef: t.Typedef) -> None:
        if typedef.name == _BUILTIN:
            return
        name = self.names.ident(type_id)
        if typedef.type == 0 and name == "__gnuc_va_list":  # old gcc says void
            self.statement(f"typedef {_BUILTIN} {name}")
        else:
            self.statement(f"typedef {self.declaration(typedef.type, name, 0)}")

    # -- structs and enums ---------------------------------------------------------------------------------------

    def reference(self, type_id: int, composite: t.Composite) -> str:
        word = "struct" if isinstance(composite, t.Struct) else "union"
        return f"{word} {self.names.tag(type_id)}" if composite.name else word

    def definition(self, type_id: int, composite: t.Composite, level: int) -> str:
        is_struct = isinstance(composite, t.Struct)
        packed = is_struct and is_packed(composite, self.btf.align)
        lines, off, after_bitfield = [], 0, False
        for member in composite.members:
            self.budget.spend()
            align = 1 if packed else self.btf.align(member.type)
            in_bitfield = after_bitfield and member.bitfield_size > 0
            lines += _padding(off, member.bit_offset, align, in_bitfield)
            line = self.declaration(member.type, member.name, level + 1)
            if member.bitfield_size:
                lines.append(f"{line}: {member.bitfield_size};")
                off = member.bit_offset + member.bitfield_size
            else:
                lines.append(f"{line};")
                off = member.bit_offset + 8 * self.btf.size(member.type)
            after_bitfield = member.bitfield_size > 0
        if is_struct:
            lines += _padding(off, 8 * composite.size, self.btf.align(type_id), False)
        indent = "\t" * level
        body = "".join(f"\n{indent}\t{line}" for line in lines)
        end = f"\n{indent}}}" if composite.members or composite.size else "}"
        return f"{self.reference(type_id, composite)} {{{body}{end}{' __attribute__((packed))' if packed else ''}"

    def enum_definition(self, type_id: int, enum: t.Enum | t.Enum64, level: int) -> str:
        name = self.names.tag(type_id)
        head = f"enum {name}" if name else "enum"
        if not enum.values:
            return head
        suffix = "" if isinstance(enum, t.Enum) else "LL" if enum.signed else "ULL"
        indent = "\t" * level
        lines = [f"\n{indent}\t{self.names.enumerator(v.name)} = {v.value}{suffix}," for v in enum.values]
        return f"{head} {{{''.join(lines)}\n{indent}}}{_enum_mode(enum)}"

    # -- declarators ---------------------------------------------------------------------------------------------

    def declaration(self, type_id: int, name: str, level: int) -> str:
        """*name* with a type, as bpftool spaces it: ``const char * const *name[3]``."""
        self.budget.spend()
        self.depth += 1
        if self.depth > MAX_DEPTH // 2:
            raise self.btf.error(f"[{type_id}] declarator nested more than {MAX_DEPTH // 2} deep")
        chain = [type_id]
        while True:
            match self.btf.type(chain[-1]):
                case (
                    t.Ptr(type=ref)
                    | t.Volatile(type=ref)
                    | t.Const(type=ref)
                    | t.Restrict(type=ref)
                    | t.TypeTag(type=ref)
                    | t.FuncProto(type=ref)
                    | t.Array(type=ref)
                ):
                    chain.append(ref)
                    if len(chain) > self.btf.nr_types:
                        raise self.btf.error(f"[{type_id}] loop of types")
                case _:
                    break
        text = self.chain(chain, name, level)
        self.depth -= 1
        return text

    def chain(self, chain: list[int], name: str, level: int) -> str:
        # from the innermost type outwards; *chain* is used up
        text, after_ptr = "", True
        while chain:
            type_id = chain.pop()
            btf_type = self.btf.type(type_id)
            match btf_type:
                case t.Ptr():
                    text += "*" if after_ptr else " *"
                case t.Volatile() | t.Const() | t.Restrict():
                    text += f" {_QUALIFIERS[btf_type.kind]}"
                case t.TypeTag(name=tag, kind_flag=flag):
                    attribute = tag if flag else f'btf_type_tag("{tag}")'
                    text += f"{self.qualifiers(chain)} __attribute__(({attribute}))"
                case t.Array(nelems=nelems):
                    return text + self.array(chain, nelems, name, level, after_ptr)
                case t.FuncProto() as proto:
                    return text + self.function(chain, proto, name, level, after_ptr)
                case _:
                    text += self.qualifiers(chain) + self.base(type_id, btf_type, level)
            after_ptr = isinstance(btf_type, t.Ptr)
        return text + self.spaced(name, after_ptr)

    def qualifiers(self, chain: list[int]) -> str:
        # those on the base type lead
        text = ""
        while chain and self.btf.kind(chain[-1]) in _QUALIFIERS:
            text += f"{_QUALIFIERS[self.btf.kind(chain.pop())]} "
        return text

    def drop_qualifiers(self, chain: list[int]) -> None:
        # gcc repeats the element's on the array, and marks noreturn functions volatile: they say nothing
        while chain and (self.btf.kind(chain[-1]) in _QUALIFIERS or self.btf.kind(chain[-1]) in _TAGS):
            chain.pop()

    def spaced(self, name: str, after_ptr: bool) -> str:
        return f" {name}" if name and not after_ptr else name

    def array(self, chain: list[int], nelems: int, name: str, level: int, after_ptr: bool) -> str:
        self.drop_qualifiers(chain)
        if not chain:
            return f"{self.spaced(name, after_ptr)}[{nelems}]"
        space = " " if name and not after_ptr else ""
        if self.btf.kind(chain[-1]) == uapi.BTF_KIND_ARRAY:
            return f"{space}{self.chain(chain, name, level)}[{nelems}]"
        return f"{space}({self.chain(chain, name, level)})[{nelems}]"

    def function(self, chain: list[int], proto: t.FuncProto, name: str, level: int, after_ptr: bool) -> str:
        self.drop_qualifiers(chain)
        inner = f" ({self.chain(chain, name, level)})" if chain else self.spaced(name, after_ptr)
        params = proto.params
        if not params or (len(params) == 1 and params[0].type == 0):
            return f"{inner}(void)"
        texts = [
            "..." if i == len(params) - 1 and param.type == 0 else self.declaration(param.type, param.name, level)
            for i, param in enumerate(params)
        ]
        return f"{inner}({', '.join(texts)})"

    def base(self, type_id: int, btf_type: t.BtfType, level: int) -> str:
        match btf_type:
            case t.Void():
                return "void"
            case t.Int(name=name) | t.Float(name=name):
                return name
            case t.Struct() | t.Union():
                if btf_type.name:
                    return self.reference(type_id, btf_type)
                return self.definition(type_id, btf_type, level)
            case t.Enum() | t.Enum64():
                if btf_type.name:
                    return f"enum {self.names.tag(type_id)}"
                return self.enum_definition(type_id, btf_type, level)
            case t.Fwd(is_union=is_union):
                return f"{'union' if is_union else 'struct'} {self.names.tag(type_id)}"
            case t.Typedef():
                return self.names.ident(type_id)
            case _:
                raise self.btf.error(f"[{type_id}] {t.KIND_NAMES[btf_type.kind]} {btf_type.name} is not a data type")


_QUALIFIERS = {uapi.BTF_KIND_VOLATILE: "volatile", uapi.BTF_KIND_CONST: "const", uapi.BTF_KIND_RESTRICT: "restrict"}
_TAGS = frozenset((uapi.BTF_KIND_TYPE_TAG,))


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit if unit else value


def _padding(cur: int, next_off: int, next_align: int, in_bitfield: bool) -> list[str]:
    # Bitfields without name that bring the compiler from bit *cur* to bit *next_off* where it would not go by itself:
    # the largest unit with a boundary in between, then units, then the rest.
    if cur >= next_off:
        return []
    name, bits = next(
        (pad for pad in _PADS if _round_up(cur, pad[1]) <= next_off),
        _PADS[-1],
    )
    boundary = _round_up(cur, bits)
    lines = []
    if cur < boundary <= next_off:
        aligned_anyway = _round_up(cur, next_align * 8) == boundary
        if (
            in_bitfield
            or (boundary == next_off and not aligned_anyway)
            or (boundary != next_off and next_off - boundary <= boundary - cur)
        ):
            lines.append(f"{name}: {boundary - cur if in_bitfield else 0};")
        cur = boundary
    whole, rest = divmod(next_off - cur, bits)
    lines += [f"{name}: {bits};"] * min(whole, _MAX_PADS)
    if whole > _MAX_PADS:  # a hole no struct of C has
        lines.append(f"char __pad[{(whole - _MAX_PADS) * bits // 8}];")
    if rest:
        small = next(pad for pad, size in reversed(_PADS) if size >= rest)
        lines.append(f"{small}: {rest};")
    return lines


_MAX_PADS = 1 << 16


def _enum_mode(enum: t.Enum | t.Enum64) -> str:
    if enum.size == 1:
        return " __attribute__((mode(byte)))"
    small = all(value.value >> 32 & 0xFFFFFFFF == 0 for value in enum.values)
    if enum.size == 8 and (isinstance(enum, t.Enum) or small):
        return " __attribute__((mode(word)))"
    return ""
