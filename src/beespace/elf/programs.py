"""Functions of an object file and what their instructions refer to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from beespace.elf.file import (
    SHN_LORESERVE,
    SHT_REL,
    STB_GLOBAL,
    STB_LOCAL,
    STB_WEAK,
    STT_FUNC,
    STT_SECTION,
    ElfFile,
    Reloc,
    Section,
    Symbol,
)
from beespace.elf.spec import CallRef, ExternRef, FuncRef, KfuncRef, MapRef, MapValueRef, ProgSpec, Ref
from beespace.isa.insn import INSN_SIZE, Insn, decode_insns
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.errors import ElfError

__all__ = ["Functions", "Targets", "read_functions", "resolve_refs"]

_CALL = 0x85  # BPF_JMP | BPF_CALL
_LD_IMM64 = 0x18  # BPF_LD | BPF_IMM | BPF_DW
BPF_PSEUDO_CALL = 1
_R_BPF_64_64 = 1  # LD_IMM64
_R_BPF_64_32 = 10  # call


@frozen
class Functions:
    """Every function of the file, by section index and offset."""

    all: tuple[ProgSpec, ...]
    text_index: int  # section index of .text, 0 when there is none

    def is_subprog(self, prog: ProgSpec) -> bool:
        """Functions of ``.text`` are subprograms, all others entry points."""
        return prog.section_index == self.text_index

    def at(self, section_index: int, insn_off: int) -> ProgSpec | None:
        """The function that slot *insn_off* of a section belongs to."""
        found = bisect_right(self.all, (section_index, insn_off), key=lambda p: (p.section_index, p.insn_off)) - 1
        if found < 0:
            return None
        prog = self.all[found]
        inside = prog.section_index == section_index and insn_off < prog.insn_off + len(prog.insns)
        return prog if inside else None


@frozen
class Targets:
    """What relocations may point at, besides functions.

    :ivar data: section index of a data section -> its map.
    :ivar maps: offset in ``.maps`` -> map.
    :ivar maps_index: section index of ``.maps``, -1 without.
    :ivar externs: symbol index -> name.
    :ivar arena_index: section index of ``.addr_space.1``, -1 without; its map is ``arena``.
    """

    data: Mapping[int, str] = field(default_factory=dict)
    maps: Mapping[int, str] = field(default_factory=dict)
    maps_index: int = -1
    externs: Mapping[int, str] = field(default_factory=dict)
    arena_index: int = -1
    arena: str | None = None


def read_functions(elf: ElfFile) -> Functions:
    """Cut the code sections into functions by their symbols.

    :raises ElfError: a function that crosses its section, that is not made of whole instructions, or a static entry
        point.
    :see: tools/lib/bpf/libbpf.c:bpf_object__add_programs
    """
    code = {section.index: section for section in elf.sections if section.is_code and section.size}
    text_index = next((section.index for section in code.values() if section.name == ".text"), 0)
    progs = [
        _read_function(elf, code[symbol.shndx], symbol, text_index)
        for symbol in elf.symbols
        if symbol.type == STT_FUNC and symbol.shndx in code
    ]
    progs.sort(key=lambda p: (p.section_index, p.insn_off))
    for one, two in pairwise(progs):
        if one.section_index == two.section_index and one.insn_off + len(one.insns) > two.insn_off:
            raise elf.error(f"functions '{one.name}' and '{two.name}' overlap", one.section, two.insn_off * INSN_SIZE)
    return Functions(tuple(progs), text_index)


def _read_function(elf: ElfFile, section: Section, symbol: Symbol, text_index: int) -> ProgSpec:
    start, size = symbol.value, symbol.size
    if start + size > section.size:
        raise elf.error(f"program at offset {start} crosses section boundary", section.name, start)
    if section.index != text_index and symbol.bind == STB_LOCAL:
        raise elf.error(f"program '{symbol.name}' is static and not supported", section.name, start)
    if not size or size % INSN_SIZE or start % INSN_SIZE:
        raise elf.error(f"corrupted program '{symbol.name}', offset {start}, size {size}", section.name, start)
    is_global = symbol.bind != STB_LOCAL
    return ProgSpec(
        symbol.name,
        section.name.removeprefix("?"),
        section.index,
        start // INSN_SIZE,
        decode_insns(section.data[start : start + size]),
        autoload=not section.name.startswith("?"),
        is_global=is_global,
        is_hidden=is_global and symbol.is_hidden,
    )


def resolve_refs(elf: ElfFile, functions: Functions, targets: Targets) -> Functions:
    """Give every function its ``refs``.

    :raises ElfError: a relocation that libbpf would refuse, with libbpf's words.
    :see: tools/lib/bpf/libbpf.c:bpf_program__record_reloc
    """
    numbers = {(p.section_index, p.insn_off): i for i, p in enumerate(_subprogs(functions))}
    found: dict[tuple[int, int], dict[int, Ref]] = {(p.section_index, p.insn_off): {} for p in functions.all}
    for section in elf.sections:
        if section.type != SHT_REL or not elf.relocated(section).is_code:
            continue
        for rel in elf.relocs(section):
            if rel.offset % INSN_SIZE:
                raise elf.error(f"invalid offset {rel.offset:#x} for relo #{rel.index}", section.name, rel.offset)
            prog = functions.at(section.info, rel.offset // INSN_SIZE)
            if prog is None:
                continue  # of a weak function that another one has replaced
            ref = _Resolver(elf, functions, targets, numbers, prog, section).resolve(rel)
            found[prog.section_index, prog.insn_off][ref.insn_idx] = ref
    return replace(functions, all=tuple(_with_refs(elf, functions, numbers, found, prog) for prog in functions.all))


def _subprogs(functions: Functions) -> tuple[ProgSpec, ...]:
    return tuple(prog for prog in functions.all if functions.is_subprog(prog))


def _with_refs(
    elf: ElfFile,
    functions: Functions,
    numbers: Mapping[tuple[int, int], int],
    found: Mapping[tuple[int, int], dict[int, Ref]],
    prog: ProgSpec,
) -> ProgSpec:
    # A call of a static function in the same section needs no relocation: its imm is already right in the section.
    refs = found[prog.section_index, prog.insn_off]
    skip = False
    for idx, insn in enumerate(prog.insns):
        if skip or idx in refs:
            skip = not skip and insn.code == _LD_IMM64
            continue
        skip = insn.code == _LD_IMM64
        if insn.code == _CALL and insn.src_reg == BPF_PSEUDO_CALL and not insn.dst_reg and not insn.off:
            target = functions.at(prog.section_index, prog.insn_off + idx + insn.imm + 1)
            if target is None or not functions.is_subprog(target):
                raise elf.error(
                    f"prog '{prog.name}': no .text section found yet sub-program call exists",
                    prog.section,
                    (prog.insn_off + idx) * INSN_SIZE,
                )
            refs[idx] = CallRef(idx, numbers[target.section_index, target.insn_off])
    return replace(prog, refs=tuple(refs[idx] for idx in sorted(refs)))


@frozen
class _Resolver:
    elf: ElfFile
    functions: Functions
    targets: Targets
    numbers: Mapping[tuple[int, int], int]
    prog: ProgSpec
    section: Section  # the relocations

    def fail(self, message: str, rel: Reloc) -> ElfError:
        return self.elf.error(f"prog '{self.prog.name}': {message}", self.section.name, rel.offset)

    def name_of(self, symbol: Symbol) -> str:
        # Relocations against static functions name the section, not the function.
        if symbol.type == STT_SECTION and not symbol.name and (section := self.elf.symbol_section(symbol)):
            return section.name
        return symbol.name or "<?>"

    def resolve(self, rel: Reloc) -> Ref:
        idx = rel.offset // INSN_SIZE - self.prog.insn_off
        insn = self.prog.insns[idx]
        resolve: Callable[[Reloc, int, Insn], Ref]
        if insn.code == _CALL:
            resolve, want = self._call, _R_BPF_64_32
        elif insn.code == _LD_IMM64 and idx + 1 < len(self.prog.insns):
            resolve, want = self._load, _R_BPF_64_64
        else:
            name = self.name_of(rel.symbol)
            raise self.fail(f"invalid relo against '{name}' for insns[{idx}].code {insn.code:#x}", rel)
        if rel.type != want:
            raise self.fail(f"unsupported relocation type {rel.type} for insns[{idx}].code {insn.code:#x}", rel)
        return resolve(rel, idx, insn)

    def _call(self, rel: Reloc, idx: int, insn: Insn) -> Ref:
        symbol, name = rel.symbol, self.name_of(rel.symbol)
        if symbol.is_extern:
            return KfuncRef(idx, self._extern(rel))
        if insn.src_reg != BPF_PSEUDO_CALL:
            raise self.fail("incorrect bpf_call opcode", rel)
        section = self.elf.symbol_section(symbol)
        if section is None or section.index != self.functions.text_index:
            where = section.name if section else "<?>"
            raise self.fail(f"bad call relo against '{name}' in section '{where}'", rel)
        if symbol.value % INSN_SIZE:
            raise self.fail(f"bad call relo against '{name}' at offset {symbol.value}", rel)
        return CallRef(idx, self._subprog(rel, symbol.value // INSN_SIZE + insn.imm + 1))

    def _load(self, rel: Reloc, idx: int, insn: Insn) -> Ref:
        symbol, name = rel.symbol, self.name_of(rel.symbol)
        if symbol.is_extern:
            return ExternRef(idx, self._extern(rel))
        if not symbol.shndx or symbol.shndx >= SHN_LORESERVE:
            raise self.fail(
                f"invalid relo against '{name}' in special section {symbol.shndx:#x}; "
                "forgot to initialize global var?..",
                rel,
            )
        if self._is_subprog(symbol):
            # a global function: value is its offset, imm 0; a static one: value 0, imm is its offset
            if symbol.value % INSN_SIZE or insn.imm % INSN_SIZE:
                raise self.fail(f"bad subprog addr relo against '{name}' at offset {symbol.value}+{insn.imm}", rel)
            return FuncRef(idx, self._subprog(rel, (symbol.value + insn.imm) // INSN_SIZE))
        return self._data(rel, idx, name)

    def _data(self, rel: Reloc, idx: int, name: str) -> Ref:
        symbol, targets = rel.symbol, self.targets
        where = self.elf.sections[symbol.shndx].name
        if symbol.shndx == targets.arena_index:
            if targets.arena is None:
                raise self.fail(f"bad arena data relocation at insn {idx}, no arena maps defined", rel)
            return MapValueRef(idx, targets.arena, symbol.value)
        if symbol.shndx in targets.data:
            return MapValueRef(idx, targets.data[symbol.shndx], symbol.value)
        if symbol.shndx != targets.maps_index:
            raise self.fail(f"bad map relo against '{name}' in section '{where}'", rel)
        if symbol.value not in targets.maps:
            raise self.fail(f"map relo failed to find map for section '{where}', off {symbol.value}", rel)
        return MapRef(idx, targets.maps[symbol.value])

    def _extern(self, rel: Reloc) -> str:
        found = self.targets.externs.get(rel.symbol.index)
        if found is None:
            name = self.name_of(rel.symbol)
            raise self.fail(f"extern relo failed to find extern for '{name}' ({rel.symbol.index})", rel)
        return found

    def _is_subprog(self, symbol: Symbol) -> bool:
        if symbol.shndx != self.functions.text_index:
            return False
        if symbol.bind == STB_LOCAL and symbol.type == STT_SECTION:
            return True
        return symbol.bind in (STB_GLOBAL, STB_WEAK) and symbol.type == STT_FUNC

    def _subprog(self, rel: Reloc, insn_off: int) -> int:
        target = self.functions.at(self.functions.text_index, insn_off)
        if target is None:
            raise self.fail(f"no function at insn {insn_off} of .text", rel)
        return self.numbers[target.section_index, target.insn_off]
