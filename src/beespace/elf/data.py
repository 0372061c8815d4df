"""Data sections as maps: ``.data``, ``.rodata``, ``.bss``, their ``.name.*`` kin, and ``.kconfig``."""

from __future__ import annotations

from collections.abc import Iterator

from beespace.btf import Btf, Datasec, Var
from beespace.elf.file import SHT_NOBITS, SHT_PROGBITS, ElfFile, Section
from beespace.elf.maps import MapVar
from beespace.elf.spec import MapSpec
from beespace.uapi import bpf as uapi

__all__ = ["data_maps", "kconfig_map"]

_U32 = 0xFFFFFFFF


def _kind_of(section: Section) -> str:
    for prefix, kind, nobits in ((".data", "data", False), (".rodata", "rodata", False), (".bss", "bss", True)):
        if section.name == prefix or section.name.startswith(prefix + "."):
            return kind if section.has_contents is not nobits else ""
    return ""


def data_maps(elf: ElfFile, btf: Btf | None) -> Iterator[MapVar]:
    """A one-element array for each ``.data*``, ``.rodata*`` and ``.bss*`` that is not empty.

    BPF_F_MMAPABLE when user space is to see a variable of it (not static, not hidden).
    """
    seen = set()
    for section in elf.sections:
        kind = _kind_of(section) if section.type in (SHT_PROGBITS, SHT_NOBITS) and not section.is_code else ""
        if not kind or not section.size:
            continue
        if section.name in seen:
            raise elf.error("two data sections of one name", section.name)
        seen.add(section.name)
        if section.size > _U32:
            raise elf.error("section is too large for a map", section.name, found=section.size)
        init = section.data if kind != "bss" else None
        yield MapVar(_internal(section.name, kind, section.size, btf, init), section, 0, section.size)


def _internal(name: str, kind: str, size: int, btf: Btf | None, init: bytes | None) -> MapSpec:
    flags = uapi.BPF_F_RDONLY_PROG if kind in ("rodata", "kconfig") else 0
    type_id = btf.find(name) if btf is not None else 0
    datasec = btf.type(type_id) if btf is not None else None
    if btf is not None and isinstance(datasec, Datasec):
        variables = [btf.type(v.type) for v in datasec.vars]
        if any(isinstance(var, Var) and var.linkage != uapi.BTF_VAR_STATIC for var in variables):
            flags |= uapi.BPF_F_MMAPABLE
    return MapSpec(
        name, kind, uapi.BPF_MAP_TYPE_ARRAY, key_size=4, value_size=size, max_entries=1, map_flags=flags,
        value_type_id=type_id, init=init,
    )  # fmt: skip


def kconfig_map(btf: Btf, size: int) -> MapSpec:
    """The array that kconfig externs lie in."""
    return _internal(".kconfig", "kconfig", size, btf, None)
