"""Objects of tests/programs, and a way to damage them."""

import functools
import struct
from pathlib import Path

import pytest

from beespace.elf import ElfFile, read_object

PROGRAMS = Path(__file__).parents[2] / "programs"


@functools.cache
def _bytes(name):
    return (PROGRAMS / f"{name}.bpf.o").read_bytes()


@functools.cache
def _spec(name):
    return read_object(_bytes(name), f"{name}.bpf.o")


@pytest.fixture
def object_bytes():
    """name -> the committed object."""
    return _bytes


@pytest.fixture
def object_spec():
    """name -> ObjectSpec."""
    return _spec


class Damage:
    """A copy of an object in which rows of its tables can be changed."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.elf = ElfFile(data)

    def header(self, offset, fmt, value):
        struct.pack_into("<" + fmt, self.data, offset, value)
        return self

    def section(self, name, field, value):
        at = {"name": 0, "type": 4, "flags": 8, "offset": 24, "size": 32, "link": 40, "info": 44, "entsize": 56}[field]
        fmt = "<I" if field in ("name", "type", "link", "info") else "<Q"
        shoff = struct.unpack_from("<Q", self.data, 40)[0]
        struct.pack_into(fmt, self.data, shoff + 64 * self.elf.find(name).index + at, value)
        return self

    def symbol(self, name, **fields):
        index = next(s.index for s in self.elf.symbols if s.name == name)
        at = self.elf.symtab.offset + 24 * index
        for field, value in fields.items():
            off, fmt = {"info": (4, "B"), "other": (5, "B"), "shndx": (6, "H"), "value": (8, "Q"), "size": (16, "Q")}[
                field
            ]
            struct.pack_into("<" + fmt, self.data, at + off, value)
        return self

    def reloc(self, section, symbol_name, **fields):
        table = self.elf.find(section)
        index = next(r.index for r in self.elf.relocs(table) if symbol_name in (r.symbol.name, None))
        at = table.offset + 16 * index
        offset, info = struct.unpack_from("<QQ", self.data, at)
        offset = fields.get("offset", offset)
        info = fields.get("symbol", info >> 32) << 32 | fields.get("type", info & 0xFFFFFFFF)
        struct.pack_into("<QQ", self.data, at, offset, info)
        return self

    def insn(self, section, slot, code=None, regs=None, off=None, imm=None):
        at = self.elf.find(section).offset + 8 * slot
        old = struct.unpack_from("<BBhi", self.data, at)
        new = [
            value if value is not None else before for value, before in zip((code, regs, off, imm), old, strict=True)
        ]
        struct.pack_into("<BBhi", self.data, at, *new)
        return self

    def read(self):
        return read_object(bytes(self.data), "damaged.bpf.o")


@pytest.fixture
def damage():
    """name -> Damage of that object."""
    return lambda name: Damage(_bytes(name))
