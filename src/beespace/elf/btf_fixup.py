"""What the compiler leaves open in ``.BTF`` and the loader fills in: sections' sizes, variables' offsets, externs.

The bytes are patched where they are, so that type ids and string offsets (.BTF.ext refers to both) stay what they were.

:see: tools/lib/bpf/libbpf.c:btf_fixup_datasec, bpf_object__collect_externs
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from beespace.btf import Array, Btf, Datasec, Func, FuncProto, Int, SecVar, Var
from beespace.elf.file import STB_GLOBAL, STB_WEAK, STT_OBJECT, ElfFile, Symbol
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.elf.spec import ExternSpec

__all__ = ["fix_btf", "resize_datasec"]

_U32 = struct.Struct("<I")
_SECVAR = struct.Struct("<III")
_INFO, _SIZE, _DATA = 1, 2, 3  # words of struct btf_type, and of what follows it
_DUMMY = "dummy_ksym"


class _Editor:
    # The raw bytes of a Btf, addressed by type id and word.

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self.raw = bytearray(btf.raw)
        self._new_types = bytearray()
        self._new_strings = bytearray()
        self._next_id = btf.nr_types

    def set(self, type_id: int, word: int, value: int) -> None:
        _U32.pack_into(self.raw, self.btf.type_offset(type_id) + 4 * word, value)

    def set_vlen(self, type_id: int, vlen: int) -> None:
        at = self.btf.type_offset(type_id) + 4 * _INFO
        (info,) = _U32.unpack_from(self.raw, at)
        _U32.pack_into(self.raw, at, info & ~0xFFFF | vlen)

    def set_datasec(self, type_id: int, size: int, variables: list[SecVar]) -> None:
        self.set(type_id, _SIZE, size)
        variables.sort(key=lambda v: v.offset)
        for i, v in enumerate(variables):
            at = self.btf.type_offset(type_id) + 4 * (_DATA + 3 * i)
            _SECVAR.pack_into(self.raw, at, v.type, v.offset, v.size)

    def name_off(self, type_id: int) -> int:
        (name_off,) = _U32.unpack_from(self.raw, self.btf.type_offset(type_id))
        return int(name_off)

    def add_string(self, text: str) -> int:
        name_off = self.btf.header.str_len + len(self._new_strings)
        self._new_strings += text.encode() + b"\0"
        return name_off

    def add(self, name_off: int, kind: int, size_or_type: int, *data: int) -> int:
        self._new_types += struct.pack(f"<{3 + len(data)}I", name_off, kind << 24, size_or_type, *data)
        self._next_id += 1
        return self._next_id - 1

    def result(self) -> Btf:
        if not self._new_types:
            return Btf.parse(self.raw, name=self.btf.name)
        h = self.btf.header
        types_at, strings_at = h.hdr_len + h.type_off, h.hdr_len + h.str_off
        types = self.raw[types_at : types_at + h.type_len] + self._new_types
        strings = self.raw[strings_at : strings_at + h.str_len] + self._new_strings
        header = struct.pack("<HBBIIIII", h.magic, h.version, h.flags, 24, 0, len(types), len(types), len(strings))
        return Btf.parse(header + types + strings, name=self.btf.name)


def fix_btf(elf: ElfFile, btf: Btf, externs: Mapping[str, ExternSpec], hidden: Collection[str]) -> Btf:
    """The BTF that PROG_LOAD and MAP_CREATE can refer to.

    * DATASECs get their size and their variables' offsets from the symbol table; hidden variables become static.
    * Kconfig externs lie in ``.kconfig`` at their ``data_off``; ksyms become ints of 4 bytes each, functions among
      them the variable "dummy_ksym".
    * Functions of hidden visibility (*hidden*: their names) become static.

    :raises ElfError: a section or variable of the BTF that the file does not have.
    """
    edit = _Editor(btf)
    symbols = {s.name: s for s in reversed(elf.symbols) if s.type == STT_OBJECT and s.bind in (STB_GLOBAL, STB_WEAK)}
    for type_id, found in btf.types():
        match found:
            case Datasec(name=".kconfig"):
                _fix_kconfig(elf, edit, type_id, found, externs)
            case Datasec(name=".ksyms"):
                _fix_ksyms(elf, edit, type_id, found, externs)
            case Datasec():
                _fix_datasec(elf, edit, type_id, found, symbols)
            case Func(name=name, linkage=uapi.BTF_FUNC_GLOBAL) if name in hidden:
                edit.set_vlen(type_id, uapi.BTF_FUNC_STATIC)
    return edit.result()


def _fix_datasec(elf: ElfFile, edit: _Editor, type_id: int, sec: Datasec, symbols: Mapping[str, Symbol]) -> None:
    # clang leaves the sizes zero; bpftool gen object has filled them in already
    size, variables = sec.size, list(sec.vars)
    if not size:
        section = elf.find(sec.name)
        size = section.size if section else 0
        if not 0 < size <= 0xFFFFFFFF:
            raise elf.error(f"sec '{sec.name}': failed to determine size from ELF: size {size}", ".BTF")
    for i, secvar in enumerate(variables):
        var = edit.btf.type(secvar.type)
        if not isinstance(var, Var):
            raise elf.error(f"sec '{sec.name}': unexpected non-VAR type found", ".BTF")
        if var.linkage != uapi.BTF_VAR_GLOBAL_ALLOCATED:
            continue
        symbol = symbols.get(var.name)
        if symbol is None:
            raise elf.error(f"sec '{sec.name}': failed to find ELF symbol for VAR '{var.name}'", ".BTF")
        if not sec.size:
            if symbol.value > size:
                raise elf.error(f"VAR '{var.name}' is outside of its section", sec.name, symbol.value)
            variables[i] = SecVar(secvar.type, symbol.value, secvar.size)
        if symbol.is_hidden:
            edit.set(secvar.type, _DATA, uapi.BTF_VAR_STATIC)
    edit.set_datasec(type_id, size, variables)


def _fix_kconfig(elf: ElfFile, edit: _Editor, type_id: int, sec: Datasec, externs: Mapping[str, ExternSpec]) -> None:
    variables = []
    for secvar in sec.vars:
        extern = _extern_of(elf, edit.btf, secvar, externs)
        edit.set(secvar.type, _DATA, uapi.BTF_VAR_GLOBAL_ALLOCATED)
        variables.append(SecVar(secvar.type, extern.data_off, secvar.size))
    size = max((e.data_off + e.size for e in externs.values() if e.kind == "kconfig"), default=0)
    edit.set_datasec(type_id, size, variables)


def _fix_ksyms(elf: ElfFile, edit: _Editor, type_id: int, sec: Datasec, externs: Mapping[str, ExternSpec]) -> None:
    btf = edit.btf
    int_id = next((i for i, t in btf.types() if isinstance(t, Int) and t.bits == 32), 0)
    dummy_id = dummy_name = 0
    if any(isinstance(btf.type(v.type), Func) for v in sec.vars):
        dummy_name = edit.add_string(_DUMMY)
        dummy_id = edit.add(dummy_name, uapi.BTF_KIND_VAR, int_id, uapi.BTF_VAR_GLOBAL_ALLOCATED)
    variables = []
    for i, secvar in enumerate(sec.vars):
        _extern_of(elf, btf, secvar, externs)
        found = btf.type(secvar.type)
        if isinstance(found, Func):
            proto = btf.type(found.type)
            assert isinstance(proto, FuncProto)  # collect_externs() has seen to it
            for j, param in enumerate(proto.params):
                if param.type and not param.name:  # the kernel wants names
                    edit.set(found.type, _DATA + 2 * j, dummy_name)
            edit.set_vlen(secvar.type, uapi.BTF_FUNC_GLOBAL)
            variables.append(SecVar(dummy_id, 4 * i, 4))
        else:
            edit.set(secvar.type, _DATA, uapi.BTF_VAR_GLOBAL_ALLOCATED)
            edit.set(secvar.type, _SIZE, int_id)
            variables.append(SecVar(secvar.type, 4 * i, 4))
    edit.set_datasec(type_id, 4 * len(variables), variables)


def _extern_of(elf: ElfFile, btf: Btf, secvar: SecVar, externs: Mapping[str, ExternSpec]) -> ExternSpec:
    name = btf.name_of(secvar.type)
    extern = externs.get(name)
    if extern is None or extern.type_id != secvar.type:
        raise elf.error(f"failed to find extern definition for BTF var '{name}'", ".BTF")
    return extern


def resize_datasec(btf: Btf, type_id: int, size: int) -> Btf:
    """The same types, with a data section of *size* bytes: its last variable, an array, gets more or fewer elements.

    :raises BtfError: the last variable is no array, or does not end at *size*.
    :see: tools/lib/bpf/libbpf.c:map_btf_datasec_resize
    """
    datasec = btf.type(type_id)
    if not isinstance(datasec, Datasec) or not datasec.vars:
        raise BtfError(f"cannot be resized, no variables in [{type_id}]", section=".BTF")
    last = datasec.vars[-1]
    var = btf.type(last.type)
    array = btf.type(btf.skip_mods_and_typedefs(var.type)) if isinstance(var, Var) else var
    if not isinstance(var, Var) or not isinstance(array, Array):
        raise BtfError(f"{datasec.name}: cannot be resized, last var must be an array", section=".BTF")
    elem_size, room = btf.size(array.type), size - last.offset
    if room <= 0 or not elem_size or room % elem_size:
        raise BtfError(
            f"{datasec.name}: cannot be resized, '{var.name}' has elements of {elem_size} bytes",
            expected=f"{last.offset} + a multiple of {elem_size}", found=size,
        )  # fmt: skip
    edit = _Editor(btf)
    array_id = edit.add(0, uapi.BTF_KIND_ARRAY, 0, array.type, array.index_type, room // elem_size)
    var_id = edit.add(edit.name_off(last.type), uapi.BTF_KIND_VAR, array_id, var.linkage)
    edit.set_datasec(type_id, size, [*datasec.vars[:-1], SecVar(var_id, last.offset, room)])
    return edit.result()
