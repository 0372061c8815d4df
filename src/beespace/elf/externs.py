"""Externs: kconfig values, kernel variables and kernel functions that a program refers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from beespace.btf import Array, Btf, Datasec, Enum, Enum64, Func, FuncProto, Int, Var
from beespace.elf.file import STB_WEAK, ElfFile, Symbol
from beespace.elf.spec import ExternSpec, KcfgType
from beespace.uapi import bpf as uapi
from beespace.values import frozen

__all__ = ["Externs", "collect_externs"]


@frozen
class Externs:
    """:ivar by_symbol: symbol index -> name, for relocations."""

    by_name: Mapping[str, ExternSpec]
    by_symbol: Mapping[int, str]


def collect_externs(elf: ElfFile, btf: Btf | None) -> Externs:
    """Find every undefined symbol in the BTF.

    Kconfig externs get their place in the ``.kconfig`` map: by alignment (largest first), size, name.

    :raises ElfError: an extern without BTF, in a section or of a type that is not supported.
    :see: tools/lib/bpf/libbpf.c:bpf_object__collect_externs
    """
    symbols = [symbol for symbol in elf.symbols if symbol.is_extern and symbol.name]
    if not symbols:
        return Externs({}, {})
    if btf is None:
        raise elf.error(f"failed to find BTF for extern '{symbols[0].name}': BTF is missing")
    sections = {v.type: sec.name for _, sec in btf.types() if isinstance(sec, Datasec) for v in sec.vars}
    found = [_read_extern(elf, btf, sections, symbol) for symbol in symbols]
    kconfig = [extern for extern in found if extern.kind == "kconfig"]
    kconfig.sort(key=lambda e: (-btf.align(e.type_id), e.size, e.name))
    by_name, end = {}, 0
    for extern in kconfig:
        align = btf.align(extern.type_id)
        start = (end + align - 1) // align * align
        by_name[extern.name] = replace(extern, data_off=start)
        end = start + extern.size
    for extern in sorted(found, key=lambda e: e.name):
        by_name.setdefault(extern.name, extern)
    return Externs(by_name, {symbol.index: symbol.name for symbol in symbols})


def _read_extern(elf: ElfFile, btf: Btf, sections: Mapping[int, str], symbol: Symbol) -> ExternSpec:
    name = symbol.name
    type_id = btf.find(name, uapi.BTF_KIND_VAR, uapi.BTF_KIND_FUNC)
    found = btf.type(type_id)
    match found:
        case Var(linkage=uapi.BTF_VAR_GLOBAL_EXTERN):
            pass
        case Func(linkage=uapi.BTF_FUNC_EXTERN):
            pass
        case _:
            raise elf.error(f"failed to find BTF for extern '{name}'", ".BTF")
    section = sections.get(type_id)
    is_weak = symbol.bind == STB_WEAK
    if section == ".kconfig":
        return _kconfig(elf, btf, type_id, found, is_weak)
    if section != ".ksyms":
        raise elf.error(f"unrecognized extern section '{section}' of '{name}'", ".BTF")
    target = btf.skip_mods_and_typedefs(found.type)
    if isinstance(found, Func):
        if not isinstance(btf.type(target), FuncProto):
            raise elf.error(f"extern function '{name}' has no prototype", ".BTF")
        return ExternSpec(name, "kfunc", type_id, is_weak, target)
    return ExternSpec(name, "ksym", type_id, is_weak, target)


def _kconfig(elf: ElfFile, btf: Btf, type_id: int, found: Var | Func, is_weak: bool) -> ExternSpec:
    if isinstance(found, Func):
        raise elf.error(f"extern function {found.name} is unsupported under .kconfig section", ".BTF")
    size = btf.size(found.type)
    if not size or not btf.align(type_id):
        raise elf.error(f"failed to resolve size of extern (kcfg) '{found.name}'", ".BTF", found=size)
    kcfg, signed = _kcfg_type(btf, found.type)
    if not kcfg:
        raise elf.error(f"extern (kcfg) '{found.name}': type is unsupported", ".BTF")
    return ExternSpec(found.name, "kconfig", type_id, is_weak, 0, kcfg, signed, 0, size)


def _kcfg_type(btf: Btf, type_id: int) -> tuple[str, bool]:
    # :see: tools/lib/bpf/libbpf.c:find_kcfg_type
    match btf.type(btf.skip_mods_and_typedefs(type_id)):
        case Int(size=size) as found if found.is_bool:
            return (KcfgType.BOOL if size == 1 else ""), False
        case Int(size=1) as found:
            return KcfgType.CHAR, found.is_signed
        case Int(size=2 | 4 | 8) as found:
            return KcfgType.INT, found.is_signed
        case Enum(name="libbpf_tristate", size=4) | Enum64(name="libbpf_tristate"):
            return KcfgType.TRISTATE, False
        case Array(type=elem, nelems=nelems) if nelems and _kcfg_type(btf, elem)[0] == KcfgType.CHAR:
            return KcfgType.CHAR_ARR, False
        case _:
            return "", False
