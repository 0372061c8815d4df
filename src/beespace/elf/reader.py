"""read_object(): an object file as plain data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace

from beespace.btf import Btf, BtfExt
from beespace.elf.btf_ext import attach_info
from beespace.elf.btf_fixup import fix_btf
from beespace.elf.data import data_maps, kconfig_map
from beespace.elf.externs import collect_externs
from beespace.elf.file import SHT_PROGBITS, SHT_REL, SHT_STRTAB, SHT_SYMTAB, ElfFile
from beespace.elf.maps import PAGE_SIZE, MapVar, user_maps
from beespace.elf.programs import Functions, Targets, read_functions, resolve_refs
from beespace.elf.spec import ExternSpec, MapSpec, ObjectSpec
from beespace.elf.struct_ops import STRUCT_OPS_SECTIONS, struct_ops_maps
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi

__all__ = ["read_object"]

_ARENA_SEC = ".addr_space.1"
_LICENSE_MAX = 63  # struct bpf_object.license
_NAME_MAX = 15  # BPF_OBJ_NAME_LEN without its NUL
_KNOWN = frozenset(
    (".BTF", ".BTF.ext", ".maps", ".llvm_addrsig", "license", "version", _ARENA_SEC, *STRUCT_OPS_SECTIONS)
)


def read_object(data: bytes, path: str | None = None, *, name: str | None = None) -> ObjectSpec:
    """Read the object file that ``clang -target bpf`` made.

    Reads nothing else and asks no kernel: the same bytes always give the same ObjectSpec.

    :param path: for messages, and for the object's name.
    :param name: the object's name instead of the base name of *path* up to its first dot; at most 15 characters count.
    :raises ElfError: not such a file, or one that libbpf refuses to open, in libbpf's words.
    :raises BtfError: its type information is malformed.
    :see: tools/lib/bpf/libbpf.c:bpf_object_open
    """
    elf = ElfFile(data, path)
    legacy = elf.find("maps")
    if legacy is not None:
        raise elf.error("elf: legacy map definitions in 'maps' section are not supported by libbpf v1.0+", "maps")
    functions = read_functions(elf)
    btf = _read_btf(elf)
    externs = collect_externs(elf, btf)
    if btf is not None:
        hidden = {f.name for f in functions.all if f.is_hidden and functions.is_subprog(f)}
        btf = fix_btf(elf, btf, externs.by_name, hidden)
    user, sections = list(user_maps(elf, btf, functions)), list(data_maps(elf, btf))
    struct_ops = list(struct_ops_maps(elf, btf, functions))
    arena, arena_init = _arena(elf, user)
    maps = [var.spec for var in (*user, *sections)]
    if btf is not None:
        maps.extend(_kconfig(btf, externs.by_name))
    maps.extend(var.spec for var in struct_ops)
    targets = Targets(
        data={var.section.index: var.spec.name for var in sections},
        maps={var.off: var.spec.name for var in user},
        maps_index=user[0].section.index if user else -1,
        externs=externs.by_symbol,
        arena_index=section.index if (section := elf.find(_ARENA_SEC)) else -1,
        arena=arena,
    )
    functions = resolve_refs(elf, functions, targets)
    ext = elf.find(".BTF.ext")
    if ext is not None and btf is not None:
        functions = replace(functions, all=attach_info(elf, functions.all, BtfExt.parse(ext.data, btf)))
    return ObjectSpec(
        name=_object_name(path) if name is None else name[:_NAME_MAX],
        path=path,
        programs=tuple(prog for prog in functions.all if not functions.is_subprog(prog)),
        subprograms=tuple(prog for prog in functions.all if functions.is_subprog(prog)),
        maps=_by_name(elf, maps),
        externs=externs.by_name,
        license=_license(elf),
        version=_version(elf),
        btf=btf,
        arena=arena,
        arena_init=arena_init,
        skipped=tuple(_skipped(elf, functions, maps)),
    )


def _object_name(path: str | None) -> str:
    return os.path.basename(path or "").split(".")[0][:_NAME_MAX]


def _read_btf(elf: ElfFile) -> Btf | None:
    section = elf.find(".BTF")
    if section is None:
        return None
    if section.type != SHT_PROGBITS:
        raise elf.error("section of a wrong type", ".BTF", expected="SHT_PROGBITS", found=section.type)
    btf = Btf.parse(section.data, name=elf.path or "")
    if btf.byteorder != "little":
        raise BtfError("BTF in the other byte order", path=elf.path, section=".BTF", offset=0)
    return btf


def _license(elf: ElfFile) -> str:
    section = elf.find("license")
    data = section.data if section else b""
    return data.split(b"\0")[0][:_LICENSE_MAX].decode("utf-8", "backslashreplace")


def _version(elf: ElfFile) -> int:
    section = elf.find("version")
    if section is None:
        return 0
    if len(section.data) != 4:
        raise elf.error("invalid kver section", "version", expected="4 bytes", found=f"{len(section.data)} bytes")
    return int.from_bytes(section.data, "little")


def _kconfig(btf: Btf, externs: Mapping[str, ExternSpec]) -> Iterator[MapSpec]:
    ends = [e.data_off + e.size for e in externs.values() if e.kind == "kconfig"]
    if ends:
        yield kconfig_map(btf, max(ends))


def _arena(elf: ElfFile, user: list[MapVar]) -> tuple[str | None, bytes]:
    # __arena globals live at the start of the one arena
    arenas = [var.spec for var in user if var.spec.map_type == uapi.BPF_MAP_TYPE_ARENA]
    if len(arenas) > 1:
        raise elf.error(
            f"map '{arenas[1].name}': only single ARENA map is supported (map '{arenas[0].name}' is also ARENA)",
            ".maps",
        )
    section = elf.find(_ARENA_SEC)
    if section is None or section.type != SHT_PROGBITS:
        return (arenas[0].name if arenas else None), b""
    if not arenas:
        raise elf.error(
            'to use global __arena variables the ARENA map should be explicitly declared in SEC(".maps")', _ARENA_SEC
        )
    room = arenas[0].max_entries * PAGE_SIZE
    if section.size > room:
        raise elf.error(
            f"declared ARENA map size ({room}) is too small to hold global __arena variables of size {section.size}",
            _ARENA_SEC,
        )
    return arenas[0].name, section.data


def _by_name(elf: ElfFile, maps: list[MapSpec]) -> dict[str, MapSpec]:
    found: dict[str, MapSpec] = {}
    for spec in maps:
        if spec.name in found:
            raise elf.error(f"two maps are called '{spec.name}'")
        found[spec.name] = spec
    return found


def _skipped(elf: ElfFile, functions: Functions, maps: list[MapSpec]) -> Iterator[str]:
    known = _KNOWN | {spec.name for spec in maps}
    for section in elf.sections:
        if section.type in (0, SHT_STRTAB, SHT_SYMTAB, SHT_REL) or section.name in known or not section.size:
            continue
        if not section.is_code and not section.name.startswith(".debug_"):
            yield section.name
