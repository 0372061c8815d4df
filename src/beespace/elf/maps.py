"""Map definitions of section ``.maps``, and their initial elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from beespace.btf import KIND_NAMES, Array, Btf, Datasec, Enum, Enum64, FuncProto, Member, Ptr, Struct, Var
from beespace.elf.file import SHT_REL, ElfFile, Reloc, Section
from beespace.elf.programs import Functions
from beespace.elf.spec import MapSpec
from beespace.errors import ElfError
from beespace.isa.insn import INSN_SIZE
from beespace.uapi import bpf as uapi
from beespace.values import frozen, mutable

__all__ = ["PAGE_SIZE", "MapVar", "adjust_ringbuf_size", "user_maps"]

PAGE_SIZE = 4096
_U32 = 0xFFFFFFFF
_PIN_NONE, _PIN_BY_NAME = 0, 1  # enum libbpf_pin_type
_MAPS = ".maps"
_PTR_SIZE = 8
MAP_IN_MAP = frozenset((uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS, uapi.BPF_MAP_TYPE_HASH_OF_MAPS))
_RINGBUFS = frozenset((uapi.BPF_MAP_TYPE_RINGBUF, uapi.BPF_MAP_TYPE_USER_RINGBUF))
_LINKAGE = {
    uapi.BTF_VAR_STATIC: "static",
    uapi.BTF_VAR_GLOBAL_ALLOCATED: "global",
    uapi.BTF_VAR_GLOBAL_EXTERN: "extern",
}


@frozen
class MapVar:
    """A map with its place in the section it was defined in, for relocations."""

    spec: MapSpec
    section: Section
    off: int  # bytes
    size: int  # bytes
    type_id: int = 0  # of the definition


def adjust_ringbuf_size(size: int) -> int:
    """Round up to what a ring buffer may have: a page times a power of two (0 stays, for the kernel to refuse).

    :see: tools/lib/bpf/libbpf.c:adjust_ringbuf_sz
    """
    pages = size // PAGE_SIZE
    if not size or (size % PAGE_SIZE == 0 and pages & (pages - 1) == 0):
        return size
    rounded = PAGE_SIZE << pages.bit_length()
    return rounded if rounded <= _U32 else size


def user_maps(elf: ElfFile, btf: Btf | None, functions: Functions) -> Iterator[MapVar]:
    """The maps of section ``.maps``, with their initial elements.

    :raises ElfError: a definition that libbpf would refuse, with libbpf's words.
    :see: tools/lib/bpf/libbpf.c:parse_btf_map_def
    """
    section = elf.find(_MAPS)
    if section is None:
        return
    if btf is None:
        raise elf.error("BTF is required, but is missing or corrupted.", _MAPS)
    datasec = btf.type(btf.find(_MAPS, uapi.BTF_KIND_DATASEC))
    if not isinstance(datasec, Datasec):
        raise elf.error(f"DATASEC '{_MAPS}' not found.", ".BTF")
    found = []
    for number, secvar in enumerate(datasec.vars):
        var = btf.type(secvar.type)
        if not isinstance(var, Var) or not var.name:
            raise elf.error(f"map #{number}: unexpected var kind {KIND_NAMES[var.kind]}.", _MAPS)
        fail = _Fail(elf, var.name)
        if secvar.offset + secvar.size > section.size:
            raise fail("BTF data is corrupted.")
        if var.linkage != uapi.BTF_VAR_GLOBAL_ALLOCATED:
            raise fail(f"unsupported map linkage {_LINKAGE.get(var.linkage, 'unknown')}.")
        type_id = btf.skip_mods_and_typedefs(var.type)
        struct = btf.type(type_id)
        if not isinstance(struct, Struct):
            raise fail(f"unexpected def kind {KIND_NAMES[struct.kind]}.")
        if struct.size > secvar.size:
            raise fail("invalid def size.")
        spec = _Definition(btf, fail, MapSpec(var.name, "user", 0)).parse(struct)
        found.append(MapVar(spec, section, secvar.offset, secvar.size, type_id))
    names = [var.spec.name for var in found]
    if len(set(names)) < len(names):
        raise elf.error(f"two maps are called '{next(n for n in names if names.count(n) > 1)}'", _MAPS)
    yield from _with_slots(elf, btf, functions, found)


@frozen
class _Fail:
    elf: ElfFile
    name: str

    def __call__(self, message: str, offset: int | None = None) -> ElfError:
        return self.elf.error(f"map '{self.name}': {message}", _MAPS, offset)


@mutable
class _Definition:
    # The members of a map definition's struct, in order.
    btf: Btf
    fail: _Fail
    spec: MapSpec
    is_inner: bool = False

    def parse(self, struct: Struct) -> MapSpec:
        for number, member in enumerate(struct.members):
            self._member(member, number == len(struct.members) - 1)
        if not self.spec.map_type:
            raise self.fail("map type isn't specified.")
        if self.spec.map_type in _RINGBUFS:
            self.spec = replace(self.spec, max_entries=adjust_ringbuf_size(self.spec.max_entries))
        return self.spec

    def _member(self, member: Member, last: bool) -> None:
        match member.name:
            case "type":
                self.spec = replace(self.spec, map_type=self._int(member))
            case "max_entries":
                self.spec = replace(self.spec, max_entries=self._int(member))
            case "map_flags":
                self.spec = replace(self.spec, map_flags=self._int(member))
            case "numa_node":
                self.spec = replace(self.spec, numa_node=self._int(member))
            case "map_extra":
                self.spec = replace(self.spec, map_extra=self._long(member))
            case "key_size":
                self.spec = replace(self.spec, key_size=self._size("key", self.spec.key_size, self._int(member)))
            case "value_size":
                size = self._size("value", self.spec.value_size, self._int(member))
                self.spec = replace(self.spec, value_size=size)
            case "key":
                type_id, size = self._type("key", member)
                size = self._size("key", self.spec.key_size, size)
                self.spec = replace(self.spec, key_size=size, key_type_id=type_id)
            case "value":
                type_id, size = self._type("value", member)
                size = self._size("value", self.spec.value_size, size)
                self.spec = replace(self.spec, value_size=size, value_type_id=type_id)
            case "values":
                self._values(member, last)
            case "pinning":
                self._pinning(member)
            case name:
                raise self.fail(f"unknown field '{name}'.")

    def _int(self, member: Member) -> int:
        # __uint(name, val) is int (*name)[val]
        pointer = self.btf.type(self.btf.skip_mods_and_typedefs(member.type))
        if not isinstance(pointer, Ptr):
            raise self.fail(f"attr '{member.name}': expected PTR, got {KIND_NAMES[pointer.kind]}.")
        array = self.btf.type(pointer.type)
        if not isinstance(array, Array):
            raise self.fail(f"attr '{member.name}': expected ARRAY, got {KIND_NAMES[array.kind]}.")
        return array.nelems

    def _long(self, member: Member) -> int:
        # __ulong(name, val) is enum { ... = val } name
        found = self.btf.type(self.btf.skip_mods_and_typedefs(member.type))
        if isinstance(found, Ptr):
            return self._int(member)
        if not isinstance(found, Enum | Enum64):
            raise self.fail(f"attr '{member.name}': expected ENUM or ENUM64, got {KIND_NAMES[found.kind]}.")
        if len(found.values) != 1:
            raise self.fail(f"attr '{member.name}': invalid __ulong")
        return found.values[0].value & 0xFFFFFFFFFFFFFFFF

    def _type(self, what: str, member: Member) -> tuple[int, int]:
        # __type(key, val) is val *key
        pointer = self.btf.type(member.type)
        if not isinstance(pointer, Ptr):
            raise self.fail(f"{what} spec is not PTR: {KIND_NAMES[pointer.kind]}.")
        return pointer.type, self.btf.size(pointer.type)

    def _size(self, what: str, old: int, new: int) -> int:
        if old and old != new:
            raise self.fail(f"conflicting {what} size {old} != {new}.")
        if new > _U32:
            raise self.fail(f"can't determine {what} size: {new}.")
        return new

    def _pinning(self, member: Member) -> None:
        if self.is_inner:
            raise self.fail("inner def can't be pinned.")
        value = self._int(member)
        if value not in (_PIN_NONE, _PIN_BY_NAME):
            raise self.fail(f"invalid pinning value {value}.")
        self.spec = replace(self.spec, pinning=value == _PIN_BY_NAME)

    def _values(self, member: Member, last: bool) -> None:
        btf, spec = self.btf, self.spec
        is_prog_array = spec.map_type == uapi.BPF_MAP_TYPE_PROG_ARRAY
        what = "prog-array value" if is_prog_array else "map-in-map inner"
        if self.is_inner:
            raise self.fail("multi-level inner maps not supported.")
        if not last:
            raise self.fail(f"'{member.name}' member should be last.")
        if spec.map_type not in MAP_IN_MAP and not is_prog_array:
            raise self.fail("should be map-in-map or prog-array.")
        self.spec = replace(spec, value_size=self._size("value", spec.value_size, 4))
        array = btf.type(member.type)
        if not isinstance(array, Array) or array.nelems:
            raise self.fail(f"{what} spec is not a zero-sized array.")
        pointer = btf.type(btf.skip_mods_and_typedefs(array.type))
        if not isinstance(pointer, Ptr):
            raise self.fail(f"{what} def is of unexpected kind {KIND_NAMES[pointer.kind]}.")
        target = btf.type(btf.skip_mods_and_typedefs(pointer.type))
        if not isinstance(target, FuncProto if is_prog_array else Struct):
            raise self.fail(f"{what} def is of unexpected kind {KIND_NAMES[target.kind]}.")
        if isinstance(target, Struct):
            name = f"{spec.name}.inner"
            inner = _Definition(btf, replace(self.fail, name=name), MapSpec(name, "user", 0), is_inner=True)
            self.spec = replace(self.spec, inner=inner.parse(target))


def _with_slots(elf: ElfFile, btf: Btf, functions: Functions, found: Sequence[MapVar]) -> Iterator[MapVar]:
    slots: dict[str, dict[int, str]] = {var.spec.name: {} for var in found}
    for section in elf.sections:
        if section.type == SHT_REL and elf.relocated(section).name == _MAPS:
            for rel in elf.relocs(section):
                name, index, target = _slot(elf, btf, functions, found, rel)
                slots[name][index] = target
    for var in found:
        yield replace(var, spec=replace(var.spec, slots=slots[var.spec.name]))


def _slot(elf: ElfFile, btf: Btf, functions: Functions, found: Sequence[MapVar], rel: Reloc) -> tuple[str, int, str]:
    # A pointer in `.values = {[i] = &x}`: map, index, name of the map or program.
    # :see: tools/lib/bpf/libbpf.c:bpf_object__collect_map_relos
    def fail(message: str) -> ElfError:
        return elf.error(f".maps relo #{rel.index}: {message}", _MAPS, rel.offset)

    symbol = rel.symbol
    var = next((v for v in found if v.off <= rel.offset and rel.offset + _PTR_SIZE <= v.off + v.size), None)
    if var is None:
        raise fail(f"cannot find map '{symbol.name}' at rel->r_offset {rel.offset}")
    if rel.type not in (1, 2):  # R_BPF_64_64, R_BPF_64_ABS64
        raise fail(f"unsupported relocation type {rel.type}")
    spec = var.spec
    if spec.map_type in MAP_IN_MAP:
        if symbol.shndx != var.section.index:
            raise fail(f"'{symbol.name}' isn't a BTF-defined map")
        if spec.map_type == uapi.BPF_MAP_TYPE_HASH_OF_MAPS and spec.key_size != 4:
            raise fail(f"hash-of-maps '{spec.name}' should have key size 4.")
        if all(v.spec.name != symbol.name for v in found):
            raise fail(f"'{symbol.name}' isn't a valid map reference")
    elif spec.map_type == uapi.BPF_MAP_TYPE_PROG_ARRAY:
        prog = functions.at(symbol.shndx, symbol.value // INSN_SIZE)
        if prog is None or prog.name != symbol.name or prog.insn_off * INSN_SIZE != symbol.value:
            raise fail(f"'{symbol.name}' isn't a valid program reference")
        if functions.is_subprog(prog):
            raise fail(f"'{symbol.name}' isn't an entry-point program")
    else:
        raise fail(f"'{spec.name}' is neither map-in-map nor prog-array")
    struct = btf.type(var.type_id)
    assert isinstance(struct, Struct)
    if not struct.members or struct.members[-1].name != "values":
        raise fail(f"'{spec.name}' has no values")
    off = rel.offset - var.off - struct.members[-1].bit_offset // 8
    if off < 0 or off % _PTR_SIZE:
        raise fail(f"bad offset {off} in values of '{spec.name}'")
    return spec.name, off // _PTR_SIZE, symbol.name
