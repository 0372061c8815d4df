"""``.BTF.ext``: which function, source line and CO-RE relocation belongs to which instruction.

::

    struct btf_ext_header | func info | line info | CO-RE relocations        each of them:
                            u32 rec_size, then for each ELF section
                            u32 sec_name_off, u32 num_info, num_info records of rec_size

Instructions are counted in bytes from the start of their ELF section here, and in 8-byte slots from the start of the
program in what PROG_LOAD takes (``encode_func_info()``, ``encode_line_info()``).

:see: Documentation/bpf/btf.rst, tools/lib/bpf/btf.c:btf_ext__new
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from beespace.btf.btf import BTF_MAGIC, BTF_VERSION, Btf
from beespace.errors import BtfError
from beespace.values import frozen

__all__ = [
    "FUNC_INFO_SIZE",
    "LINE_INFO_SIZE",
    "BtfExt",
    "CoreRelo",
    "ExtFuncInfo",
    "ExtLineInfo",
    "decode_func_info",
    "decode_line_info",
    "encode_func_info",
    "encode_line_info",
]

FUNC_INFO_SIZE = 8
LINE_INFO_SIZE = 16
_CORE_RELO_SIZE = 16
_MIN_HEADER = 24  # without the CO-RE fields, which older compilers do not write
_R = TypeVar("_R")


@frozen
class ExtFuncInfo:
    """``struct bpf_func_info``: a function starts at ``insn_off``; ``type_id`` is its BTF_KIND_FUNC."""

    insn_off: int
    type_id: int


@frozen
class ExtLineInfo:
    """``struct bpf_line_info``: names are offsets of strings of the program's BTF."""

    insn_off: int
    file_name_off: int
    line_off: int
    line_col: int  # line_num << 10 | column

    @property
    def line_num(self) -> int:
        """Line in the source file, from 1."""
        return self.line_col >> 10

    @property
    def column(self) -> int:
        """Column in the line, from 1; 0 when unknown."""
        return self.line_col & 0x3FF


@frozen
class CoreRelo:
    """``struct bpf_core_relo``: the instruction at ``insn_off`` depends on the type's layout.

    :ivar access_str: ``0:1:2``: indices of members and array elements, or for enumerators their index, as
        ``access_str_off`` names it in the program's BTF.
    :ivar kind: enum bpf_core_relo_kind.
    """

    insn_off: int
    type_id: int
    access_str_off: int
    kind: int
    access_str: str


@frozen
class BtfExt:
    """Parsed ``.BTF.ext``; each mapping goes from ELF section name to records by ``insn_off`` (bytes) in file order."""

    func_info: Mapping[str, tuple[ExtFuncInfo, ...]]
    line_info: Mapping[str, tuple[ExtLineInfo, ...]]
    core_relos: Mapping[str, tuple[CoreRelo, ...]]

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview, btf: Btf) -> BtfExt:
        """Read the section; names come from *btf*, the same object's.

        :raises BtfError: malformed, with the byte offset.
        """
        return _Reader(bytes(data), btf).read()


class _Reader:
    def __init__(self, data: bytes, btf: Btf) -> None:
        self.data = data
        self.btf = btf
        self.order = "<"

    def error(self, message: str, offset: int) -> BtfError:
        return BtfError(message, path=self.btf.name or None, section=".BTF.ext", offset=offset)

    def words(self, count: int, offset: int) -> tuple[int, ...]:
        if offset + 4 * count > len(self.data):
            raise self.error("truncated", offset)
        return struct.unpack_from(f"{self.order}{count}I", self.data, offset)

    def read(self) -> BtfExt:
        if len(self.data) < 8:
            raise self.error("btf_ext_header not found", 0)
        if int.from_bytes(self.data[:2], "little") != BTF_MAGIC:
            self.order = ">"
        magic, version, flags, hdr_len = struct.unpack_from(self.order + "HBBI", self.data)
        if magic != BTF_MAGIC:
            raise self.error("Invalid magic", 0)
        if version != BTF_VERSION:
            raise self.error(f"Unsupported version {version}", 2)
        if flags:
            raise self.error(f"Unsupported flags {flags:#x}", 3)
        if not _MIN_HEADER <= hdr_len <= len(self.data):
            raise self.error(f"header of {hdr_len} bytes", 4)
        at = self.words(4, 8)
        core_off, core_len = self.words(2, 24) if hdr_len >= _MIN_HEADER + 8 else (0, 0)
        return BtfExt(
            self.sections(hdr_len, at[0], at[1], FUNC_INFO_SIZE, lambda w: ExtFuncInfo(w[0], w[1])),
            self.sections(hdr_len, at[2], at[3], LINE_INFO_SIZE, lambda w: ExtLineInfo(*w[:4])),
            self.sections(hdr_len, core_off, core_len, _CORE_RELO_SIZE, self.core_relo),
        )

    def core_relo(self, words: tuple[int, ...]) -> CoreRelo:
        return CoreRelo(words[0], words[1], words[2], words[3], self.btf.str_at(words[2]))

    def sections(
        self, hdr_len: int, off: int, length: int, min_size: int, make: Callable[[tuple[int, ...]], _R]
    ) -> Mapping[str, tuple[_R, ...]]:  # fmt: skip
        found: dict[str, tuple[_R, ...]] = {}
        if length == 0:
            return MappingProxyType(found)
        at, end = hdr_len + off, hdr_len + off + length
        if end > len(self.data) or off % 4:
            raise self.error(f"info of {length} bytes at {at} exceeds the section, or is not aligned", at)
        (rec_size,) = self.words(1, at)
        if rec_size < min_size or rec_size % 4:
            raise self.error(f"record size {rec_size}, at least {min_size}", at)
        at += 4
        while at < end:
            name_off, count = self.words(2, at)
            if count == 0:
                raise self.error("section without records", at)
            at += 8
            if at + count * rec_size > end:
                raise self.error(f"{count} records of {rec_size} bytes exceed the info", at - 4)
            records = [make(self.words(rec_size // 4, at + i * rec_size)) for i in range(count)]
            name = self.btf.str_at(name_off)
            found[name] = found.get(name, ()) + tuple(records)
            at += count * rec_size
        return MappingProxyType(found)


def encode_func_info(infos: Iterable[ExtFuncInfo]) -> bytes:
    """Records of ``func_info`` of PROG_LOAD, FUNC_INFO_SIZE each; ``insn_off`` in slots already."""
    return b"".join(struct.pack("=2I", info.insn_off, info.type_id) for info in infos)


def encode_line_info(infos: Iterable[ExtLineInfo]) -> bytes:
    """Records of ``line_info`` of PROG_LOAD, LINE_INFO_SIZE each; ``insn_off`` in slots already."""
    return b"".join(
        struct.pack("=4I", info.insn_off, info.file_name_off, info.line_off, info.line_col) for info in infos
    )


def _records(data: bytes, rec_size: int, words: int) -> Iterable[tuple[int, ...]]:
    if rec_size < 4 * words or len(data) % rec_size:
        raise BtfError(f"{len(data)} bytes of info in records of {rec_size}")
    layout = struct.Struct(f"{'<' if sys.byteorder == 'little' else '>'}{words}I")
    return (layout.unpack_from(data, at) for at in range(0, len(data), rec_size))


def decode_func_info(data: bytes, rec_size: int) -> tuple[ExtFuncInfo, ...]:
    """The records PROG_LOAD was given; ``insn_off`` in slots.

    :raises BtfError: *rec_size* is too small, or *data* no multiple of it.
    """
    return tuple(ExtFuncInfo(off, type_id) for off, type_id in _records(data, rec_size, 2))


def decode_line_info(data: bytes, rec_size: int) -> tuple[ExtLineInfo, ...]:
    """The records PROG_LOAD was given; ``insn_off`` in slots.

    :raises BtfError: *rec_size* is too small, or *data* no multiple of it.
    """
    return tuple(ExtLineInfo(*words) for words in _records(data, rec_size, 4))
