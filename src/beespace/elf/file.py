"""The container: sections, symbols and relocation entries of an ELF relocatable file, bounds-checked, as plain values.

Struct layouts and the names of constants come from pyelftools; the bounds are checked here before anything is parsed,
because object files are input. Nothing in this module knows BPF beyond ``EM_BPF``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cache
from typing import Any

from elftools.construct import ConstructError
from elftools.elf.enums import (
    ENUM_E_MACHINE,
    ENUM_SH_TYPE_BASE,
    ENUM_ST_INFO_BIND,
    ENUM_ST_INFO_TYPE,
    ENUM_ST_VISIBILITY,
)
from elftools.elf.structs import ELFStructs

from beespace.errors import ElfError
from beespace.values import frozen

__all__ = [
    "SHF_EXECINSTR",
    "SHN_LORESERVE",
    "SHN_UNDEF",
    "SHT_NOBITS",
    "SHT_PROGBITS",
    "SHT_REL",
    "SHT_STRTAB",
    "SHT_SYMTAB",
    "STB_GLOBAL",
    "STB_LOCAL",
    "STB_WEAK",
    "STT_FUNC",
    "STT_NOTYPE",
    "STT_OBJECT",
    "STT_SECTION",
    "ElfFile",
    "Reloc",
    "Section",
    "Symbol",
]

SHN_UNDEF = 0
SHN_LORESERVE = 0xFF00
SHF_EXECINSTR = 4
SHT_NOBITS: int = ENUM_SH_TYPE_BASE["SHT_NOBITS"]
SHT_PROGBITS: int = ENUM_SH_TYPE_BASE["SHT_PROGBITS"]
SHT_REL: int = ENUM_SH_TYPE_BASE["SHT_REL"]
SHT_STRTAB: int = ENUM_SH_TYPE_BASE["SHT_STRTAB"]
SHT_SYMTAB: int = ENUM_SH_TYPE_BASE["SHT_SYMTAB"]
STB_LOCAL: int = ENUM_ST_INFO_BIND["STB_LOCAL"]
STB_GLOBAL: int = ENUM_ST_INFO_BIND["STB_GLOBAL"]
STB_WEAK: int = ENUM_ST_INFO_BIND["STB_WEAK"]
STT_NOTYPE: int = ENUM_ST_INFO_TYPE["STT_NOTYPE"]
STT_OBJECT: int = ENUM_ST_INFO_TYPE["STT_OBJECT"]
STT_FUNC: int = ENUM_ST_INFO_TYPE["STT_FUNC"]
STT_SECTION: int = ENUM_ST_INFO_TYPE["STT_SECTION"]
STV_HIDDEN: int = ENUM_ST_VISIBILITY["STV_HIDDEN"]
STV_INTERNAL: int = ENUM_ST_VISIBILITY["STV_INTERNAL"]

_EHDR_SIZE, _SHDR_SIZE, _SYM_SIZE, _REL_SIZE = 64, 64, 24, 16
_ELFCLASS64, _ELFDATA2LSB, _ELFDATA2MSB = 2, 1, 2


@frozen
class Section:
    """A section header with its contents. ``data`` is empty for SHT_NOBITS, ``size`` is not."""

    index: int
    name: str
    type: int  # SHT_*
    flags: int
    size: int  # bytes
    offset: int  # bytes, in the file
    link: int
    info: int
    entsize: int
    addralign: int
    data: bytes = field(repr=False)

    @property
    def is_code(self) -> bool:
        """Instructions live here."""
        return self.type == SHT_PROGBITS and bool(self.flags & SHF_EXECINSTR)

    @property
    def has_contents(self) -> bool:
        """Bytes in the file rather than zeroes at load time."""
        return self.type != SHT_NOBITS


@frozen
class Symbol:
    """A row of the symbol table."""

    index: int
    name: str
    bind: int  # STB_*
    type: int  # STT_*
    visibility: int  # STV_*
    shndx: int
    value: int
    size: int

    @property
    def is_extern(self) -> bool:
        """An undefined reference: type NOTYPE, global or weak, no section."""
        return self.shndx == SHN_UNDEF and self.bind in (STB_GLOBAL, STB_WEAK) and self.type == STT_NOTYPE

    @property
    def is_hidden(self) -> bool:
        """Global for the linker only; BPF treats it as static."""
        return self.visibility in (STV_HIDDEN, STV_INTERNAL)


@frozen
class Reloc:
    """A row of a SHT_REL section."""

    index: int
    offset: int  # bytes, in the section that is relocated
    type: int  # R_BPF_*
    symbol: Symbol


@cache
def _structs() -> Any:
    structs = ELFStructs(little_endian=True, elfclass=64)
    structs.create_basic_structs()
    structs.create_advanced_structs("ET_REL", "EM_BPF", "ELFOSABI_SYSV")
    return structs


def _number(value: int | str, names: Mapping[str, int]) -> int:
    # pyelftools gives the name of values it knows and the number of others
    return names[value] if isinstance(value, str) else value


class ElfFile:
    """A parsed object file.

    :ivar sections: all of them, by index; number 0 is the null section.
    :ivar symbols: the rows of the one symbol table.
    :raises ElfError: (also by every method) for whatever does not fit; offsets in the error are file offsets unless it
        names a section.
    """

    def __init__(self, data: bytes, path: str | None = None) -> None:
        self.data = data
        self.path = path
        header = self._header()
        self.sections = tuple(self._sections(header))
        self.symtab = self._find_symtab()
        self.symbols = tuple(self._symbols(self.symtab))

    def error(self, message: str, section: str | None = None, offset: int | None = None, **kw: object) -> ElfError:
        """The ElfError to raise about this file."""
        return ElfError(message, path=self.path, section=section, offset=offset, **kw)

    def _header(self) -> Any:
        data = self.data
        if len(data) < _EHDR_SIZE:
            what = "truncated ELF header" if data[:4] == b"\x7fELF" else "not an ELF file"
            raise self.error(what, expected=f"at least {_EHDR_SIZE} bytes", found=f"{len(data)} bytes")
        if data[:4] != b"\x7fELF":
            raise self.error("not an ELF file", offset=0, expected="7f454c46", found=data[:4].hex())
        if data[4] != _ELFCLASS64:
            raise self.error("not a 64-bit ELF file", offset=4, expected=_ELFCLASS64, found=data[4])
        if data[5] == _ELFDATA2MSB:
            raise self.error("big-endian object: build it with -target bpf or bpfel", offset=5)
        if data[5] != _ELFDATA2LSB:
            raise self.error("unknown byte order", offset=5, expected=_ELFDATA2LSB, found=data[5])
        header = self._parse("Elf_Ehdr", 0, _EHDR_SIZE)
        if header.e_type != "ET_REL":
            raise self.error("not a relocatable object", offset=16, expected="ET_REL", found=header.e_type)
        machine = _number(header.e_machine, ENUM_E_MACHINE)
        if machine not in (0, ENUM_E_MACHINE["EM_BPF"]):
            raise self.error("not a BPF object", offset=18, expected="EM_BPF", found=header.e_machine)
        return header

    def _parse(self, struct: str, offset: int, size: int) -> Any:
        chunk = self.data[offset : offset + size]
        if len(chunk) < size:
            raise self.error(f"truncated {struct}", offset=offset, expected=f"{size} bytes", found=len(chunk))
        try:
            return getattr(_structs(), struct).parse(chunk)
        except (ConstructError, ValueError, KeyError) as e:
            raise self.error(f"malformed {struct}: {e}", offset=offset) from e

    def _sections(self, header: Any) -> Iterator[Section]:
        count, offset, names_index = header.e_shnum, header.e_shoff, header.e_shstrndx
        if header.e_shentsize != _SHDR_SIZE:
            raise self.error("section header size", offset=58, expected=_SHDR_SIZE, found=header.e_shentsize)
        if offset + count * _SHDR_SIZE > len(self.data) or not count:
            raise self.error(f"truncated: {count} section headers do not fit", offset=offset, found=len(self.data))
        headers = [self._parse("Elf_Shdr", offset + i * _SHDR_SIZE, _SHDR_SIZE) for i in range(count)]
        if names_index >= count:
            raise self.error("no section name table", offset=62, expected=f"below {count}", found=names_index)
        names = self._contents(headers[names_index], "section names")
        for index, h in enumerate(headers):
            name = self._string(names, h.sh_name, "section name")
            yield Section(
                index, name, _number(h.sh_type, ENUM_SH_TYPE_BASE), h.sh_flags, h.sh_size, h.sh_offset,
                h.sh_link, h.sh_info, h.sh_entsize, h.sh_addralign, self._contents(h, name),
            )  # fmt: skip

    def _contents(self, header: Any, name: str) -> bytes:
        kind = _number(header.sh_type, ENUM_SH_TYPE_BASE)
        if kind in (SHT_NOBITS, 0):
            return b""
        end = header.sh_offset + header.sh_size
        if end > len(self.data):
            raise self.error("truncated section", name, expected=f"{end} bytes in the file", found=len(self.data))
        return self.data[header.sh_offset : end]

    def _string(self, table: bytes, offset: int, what: str) -> str:
        end = table.find(b"\0", offset)
        if offset > len(table) or end < 0:
            raise self.error(f"{what} beyond its string table", found=offset)
        return table[offset:end].decode("utf-8", "backslashreplace")

    def _find_symtab(self) -> Section:
        tables = [section for section in self.sections if section.type == SHT_SYMTAB]
        if len(tables) > 1:
            raise self.error("elf: multiple symbol tables", tables[1].name)
        if not tables:
            raise self.error("elf: couldn't find symbol table, stripped object file?")
        table = tables[0]
        if not 0 < table.link < len(self.sections) or self.sections[table.link].type != SHT_STRTAB:
            raise self.error("elf: symbol strings section missing or invalid", table.name, found=table.link)
        if table.entsize != _SYM_SIZE or table.size % _SYM_SIZE:
            raise self.error("symbol size", table.name, expected=_SYM_SIZE, found=table.entsize)
        return table

    def _symbols(self, table: Section) -> Iterator[Symbol]:
        strings = self.sections[table.link].data
        for index in range(table.size // _SYM_SIZE):
            sym = self._parse("Elf_Sym", table.offset + index * _SYM_SIZE, _SYM_SIZE)
            shndx = sym.st_shndx
            yield Symbol(
                index,
                self._string(strings, sym.st_name, "symbol name"),
                _number(sym.st_info.bind, ENUM_ST_INFO_BIND),
                _number(sym.st_info.type, ENUM_ST_INFO_TYPE),
                _number(sym.st_other.visibility, ENUM_ST_VISIBILITY),
                {"SHN_UNDEF": 0, "SHN_ABS": 0xFFF1, "SHN_COMMON": 0xFFF2}.get(shndx, SHN_LORESERVE)
                if isinstance(shndx, str)
                else shndx,
                sym.st_value,
                sym.st_size,
            )

    def relocs(self, section: Section) -> Iterator[Reloc]:
        """The rows of relocation section *section*, symbols resolved, offsets inside the relocated section."""
        target = self.relocated(section)
        for index in range(section.size // _REL_SIZE):
            rel = self._parse("Elf_Rel", section.offset + index * _REL_SIZE, _REL_SIZE)
            if rel.r_info_sym >= len(self.symbols):
                raise self.error(f"symbol #{rel.r_info_sym} not found for relo #{index}", section.name)
            symbol = self.symbols[rel.r_info_sym]
            if len(self.sections) <= symbol.shndx < SHN_LORESERVE:
                raise self.error(
                    f"corrupted symbol #{symbol.index} pointing to invalid section #{symbol.shndx} for relo #{index}",
                    section.name,
                )
            if rel.r_offset >= target.size:
                raise self.error(f"invalid offset {rel.r_offset:#x} for relo #{index}", section.name, rel.r_offset)
            yield Reloc(index, rel.r_offset, rel.r_info_type, symbol)

    def relocated(self, section: Section) -> Section:
        """The section that relocation section *section* changes."""
        if section.entsize != _REL_SIZE or section.size % _REL_SIZE:
            raise self.error("relocation size", section.name, expected=_REL_SIZE, found=section.entsize)
        if not 0 < section.info < len(self.sections):
            raise self.error("relocation of an unknown section", section.name, found=section.info)
        return self.sections[section.info]

    def symbol_section(self, symbol: Symbol) -> Section | None:
        """Where *symbol* is defined, ``None`` for undefined and special symbols."""
        return self.sections[symbol.shndx] if 0 < symbol.shndx < len(self.sections) else None

    def find(self, name: str) -> Section | None:
        """The first section called *name*."""
        return next((section for section in self.sections if section.name == name), None)
