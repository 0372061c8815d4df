"""Variables of the struct_ops sections: tables of functions that the kernel will call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from beespace.btf import Btf, Datasec, FuncProto, Ptr, Struct, Var
from beespace.elf.file import SHN_LORESERVE, SHT_PROGBITS, SHT_REL, ElfFile, Reloc, Section
from beespace.elf.maps import MapVar
from beespace.elf.programs import Functions
from beespace.elf.spec import MapSpec, StructOpsSpec
from beespace.errors import ElfError
from beespace.isa.insn import INSN_SIZE
from beespace.uapi import bpf as uapi

__all__ = ["STRUCT_OPS_SECTIONS", "struct_ops_maps"]

STRUCT_OPS_SECTIONS = (".struct_ops", ".struct_ops.link", "?.struct_ops", "?.struct_ops.link")


def struct_ops_maps(elf: ElfFile, btf: Btf | None, functions: Functions) -> Iterator[MapVar]:
    """The variables of the struct_ops sections, function pointers by the name of their program.

    :see: tools/lib/bpf/libbpf.c:init_struct_ops_maps, bpf_object__collect_st_ops_relos
    """
    for section in elf.sections:
        if (
            section.name not in STRUCT_OPS_SECTIONS
            or section.type != SHT_PROGBITS
            or section.is_code
            or not section.size
        ):
            continue
        if btf is None:
            raise elf.error("BTF is required, but is missing or corrupted.", section.name)
        datasec = btf.type(btf.find(section.name, uapi.BTF_KIND_DATASEC))
        if not isinstance(datasec, Datasec):
            raise elf.error(f"struct_ops init: DATASEC {section.name} not found", ".BTF")
        found = [_struct_ops_map(elf, btf, section, v.type, v.offset) for v in datasec.vars]
        progs: dict[int, dict[int, str]] = {var.off: {} for var in found}
        for relocs in elf.sections:
            if relocs.type == SHT_REL and relocs.info == section.index:
                for rel in elf.relocs(relocs):
                    off, member, prog = _struct_ops_prog(elf, btf, functions, found, rel)
                    progs[off][member] = prog
        for var in found:
            assert var.spec.struct_ops is not None
            st_ops = replace(var.spec.struct_ops, progs=progs[var.off])
            yield replace(var, spec=replace(var.spec, struct_ops=st_ops))


def _struct_ops_map(elf: ElfFile, btf: Btf, section: Section, var_id: int, off: int) -> MapVar:
    var = btf.type(var_id)
    if not isinstance(var, Var):
        raise elf.error("struct_ops init: unexpected non-VAR type found", section.name)
    type_id = btf.skip_mods_and_typedefs(var.type)
    struct = btf.type(type_id)
    if not struct.name:
        raise elf.error("struct_ops init: anonymous type is not supported", section.name, off)
    if not isinstance(struct, Struct):
        raise elf.error(f"struct_ops init: {struct.name} is not a struct", section.name, off)
    if off + struct.size > section.size:
        raise elf.error(f"struct_ops init: var {var.name} is beyond the end of DATASEC", section.name, off)
    flags = uapi.BPF_F_LINK if section.name.endswith(".link") else 0
    spec = MapSpec(
        var.name, "struct_ops", uapi.BPF_MAP_TYPE_STRUCT_OPS, key_size=4, value_size=struct.size, max_entries=1,
        map_flags=flags, value_type_id=type_id, autocreate=not section.name.startswith("?"),
        init=section.data[off : off + struct.size], struct_ops=StructOpsSpec(type_id),
    )  # fmt: skip
    return MapVar(spec, section, off, struct.size, type_id)


def _struct_ops_prog(
    elf: ElfFile, btf: Btf, functions: Functions, found: Sequence[MapVar], rel: Reloc
) -> tuple[int, int, str]:
    where = found[0].section.name if found else None

    def fail(message: str) -> ElfError:
        return elf.error(f"struct_ops reloc: {message}", where, rel.offset)

    var = next((v for v in found if v.off <= rel.offset < v.off + v.size), None)
    if var is None:
        raise fail(f"cannot find map at rel->r_offset {rel.offset}")
    struct = btf.type(var.type_id)
    assert isinstance(struct, Struct)
    symbol, moff = rel.symbol, rel.offset - var.off
    if symbol.shndx >= SHN_LORESERVE or symbol.value % INSN_SIZE:
        raise fail(f"{var.spec.name}: invalid target program offset {symbol.value}")
    member = next((i for i, m in enumerate(struct.members) if m.bit_offset == 8 * moff), None)
    if member is None:
        raise fail(f"{var.spec.name}: cannot find member at moff {moff}")
    name = struct.members[member].name
    pointer = btf.type(btf.skip_mods_and_typedefs(struct.members[member].type))
    if not isinstance(pointer, Ptr) or not isinstance(btf.type(btf.skip_mods_and_typedefs(pointer.type)), FuncProto):
        raise fail(f"{var.spec.name}: cannot relocate non func ptr {name}")
    prog = functions.at(symbol.shndx, symbol.value // INSN_SIZE)
    if prog is None or functions.is_subprog(prog):
        raise fail(f"{var.spec.name}: cannot find prog at shdr_idx {symbol.shndx} to relocate func ptr {name}")
    return var.off, member, prog.name
