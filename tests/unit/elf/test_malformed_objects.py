"""Every refusal says where and why; nothing but InputError ever comes out."""

import pytest

from beespace.elf import read_object
from beespace.errors import ElfError, InputError

CALL, LD_IMM64 = 0x85, 0x18


def test_not_an_elf_file():
    with pytest.raises(ElfError, match="not an ELF file"):
        read_object(b"#!/bin/sh\n" * 20, "script")


def test_empty_file():
    with pytest.raises(ElfError, match="not an ELF file"):
        read_object(b"", "empty.o")


@pytest.mark.parametrize("size", [4, 63, 64, 200, 1000, -1])
def test_truncated_file(object_bytes, size):
    with pytest.raises(ElfError, match="truncated") as e:
        read_object(object_bytes("subprogs")[:size], "cut.o")
    assert e.value.path == "cut.o"


@pytest.mark.parametrize(
    ("offset", "fmt", "value", "message"),
    [
        (4, "B", 1, "not a 64-bit ELF file"),
        (5, "B", 2, "big-endian object"),
        (5, "B", 3, "unknown byte order"),
        (16, "H", 2, "not a relocatable object"),
        (18, "H", 62, "not a BPF object"),
        (58, "H", 40, "section header size"),
        (60, "H", 9999, "section headers do not fit"),
        (62, "H", 999, "no section name table"),
    ],
)
def test_wrong_header(damage, offset, fmt, value, message):
    with pytest.raises(ElfError, match=message):
        damage("subprogs").header(offset, fmt, value).read()


def test_machine_none_of_old_llvm_is_accepted(damage):
    assert damage("subprogs").header(18, "H", 0).read().programs


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("size", 1 << 40, "truncated section"),
        ("size", 25, "symbol size"),
        ("link", 77, "symbol strings section missing"),
        ("type", 1, "couldn't find symbol table, stripped object file"),
        ("entsize", 16, "symbol size"),
    ],
)
def test_symbol_table(damage, field, value, message):
    with pytest.raises(ElfError, match=message):
        damage("subprogs").section(".symtab", field, value).read()


def test_two_symbol_tables(damage):
    with pytest.raises(ElfError, match="multiple symbol tables"):
        damage("subprogs").section("license", "type", 2).read()


def test_legacy_maps_section(damage):
    spoiled = damage("subprogs")
    names = spoiled.elf.find(".strtab")
    at = names.offset + names.data.index(b"license\0")
    spoiled.data[at : at + 8] = b"maps\0\0\0\0"
    with pytest.raises(ElfError) as e:
        spoiled.read()
    assert e.value.message == ("elf: legacy map definitions in 'maps' section are not supported by libbpf v1.0+")


def test_object_without_license_is_read(damage):
    spoiled = damage("subprogs")
    start = spoiled.elf.find("license").offset
    spoiled.data[start] = 0
    assert spoiled.read().license == ""


def test_entry_point_that_is_static(damage):
    with pytest.raises(ElfError, match="program 'one' is static and not supported"):
        damage("subprogs").symbol("one", info=2).read()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 12}, "corrupted program 'one', offset 0, size 12"),
        ({"size": 0}, "corrupted program 'one'"),
        ({"value": 4}, "corrupted program 'one', offset 4"),
        ({"size": 1 << 63}, "crosses section boundary"),
        ({"value": (1 << 64) - 8}, "crosses section boundary"),
    ],
)
def test_function_symbol(damage, fields, message):
    with pytest.raises(ElfError, match=message):
        damage("subprogs").symbol("one", **fields).read()


def test_overlapping_functions(damage):
    spoiled = damage("subprogs")
    two = next(s for s in spoiled.elf.symbols if s.name == "two")
    with pytest.raises(ElfError, match="functions 'one' and 'two' overlap"):
        spoiled.symbol("one", size=two.value + 8).read()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"offset": 3}, "invalid offset 0x3 for relo #0"),
        ({"offset": 1 << 32}, "invalid offset 0x100000000 for relo #0"),
        ({"symbol": 4000}, "symbol #4000 not found for relo #0"),
        ({"type": 2}, "unsupported relocation type 2 for insns"),
        ({"type": 99}, "unsupported relocation type 99 for insns"),
    ],
)
def test_relocation(damage, fields, message):
    spoiled = damage("subprogs")
    at = next(r for r in spoiled.elf.relocs(spoiled.elf.find(".rel.text")) if r.symbol.name == "calls")
    assert at.index == 0
    with pytest.raises(ElfError, match=message) as e:
        spoiled.reloc(".rel.text", "calls", **fields).read()
    assert e.value.section == ".rel.text"


def test_relocation_of_an_instruction_without_address(damage):
    spoiled = damage("subprogs")
    at = next(spoiled.elf.relocs(spoiled.elf.find(".rel.text"))).offset
    with pytest.raises(ElfError, match=r"prog 'global_square': invalid relo against 'calls' for insns\[\d\].code 0x0"):
        spoiled.reloc(".rel.text", "calls", offset=at + 8).read()


def test_relocation_entry_size(damage):
    with pytest.raises(ElfError, match="relocation size"):
        damage("subprogs").section(".rel.text", "entsize", 24).read()


def test_symbol_in_a_section_that_does_not_exist(damage):
    with pytest.raises(ElfError, match="pointing to invalid section #600 for relo"):
        damage("subprogs").symbol("calls", shndx=600).read()


def test_symbol_in_a_special_section(damage):
    with pytest.raises(ElfError, match="in special section 0xfff1; forgot to initialize global var"):
        damage("subprogs").symbol("calls", shndx=0xFFF1).read()


def test_data_relocation_against_code(damage):
    code = damage("subprogs").elf.find("socket").index
    with pytest.raises(ElfError, match="bad map relo against 'calls' in section 'socket'"):
        damage("subprogs").symbol("calls", shndx=code).read()


def test_call_relocation_on_a_helper_call(damage):
    spoiled = damage("subprogs")
    call = next(r for r in spoiled.elf.relocs(spoiled.elf.find(".relsocket")))
    with pytest.raises(ElfError, match="incorrect bpf_call opcode"):
        spoiled.insn("socket", call.offset // 8, regs=0).read()


def test_call_of_something_outside_text(damage):
    spoiled = damage("subprogs")
    data = spoiled.elf.find(".bss").index
    with pytest.raises(ElfError, match=r"bad call relo against 'global_square' in section '\.bss'"):
        spoiled.symbol("global_square", shndx=data, info=0x11).read()


def test_call_into_nothing(damage):
    spoiled = damage("subprogs")
    call = next(r for r in spoiled.elf.relocs(spoiled.elf.find(".relsocket")))
    with pytest.raises(ElfError, match="no function at insn"):
        spoiled.insn("socket", call.offset // 8, imm=5000).read()


def test_btf_of_the_other_byte_order(damage):
    spoiled = damage("subprogs")
    at = spoiled.elf.find(".BTF").offset
    spoiled.data[at : at + 2] = b"\xeb\x9f"
    with pytest.raises(InputError):
        spoiled.read()


def test_maps_without_btf(damage):
    spoiled = damage("mapdefs")
    spoiled.section(".BTF", "name", 0)
    with pytest.raises(ElfError, match="BTF is required, but is missing or corrupted"):
        spoiled.read()


def test_error_names_file_section_and_offset(damage):
    with pytest.raises(ElfError) as e:
        damage("subprogs").symbol("one", size=12).read()
    assert str(e.value) == ("damaged.bpf.o, section socket, offset 0x0: corrupted program 'one', offset 0, size 12")
