"""``struct bpf_insn``: eight bytes, little endian, as programs and bpf(2) carry them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from beespace.errors import InputError

__all__ = ["INSN_SIZE", "Insn", "decode_insns", "encode_insns"]

INSN_SIZE = 8
_LAYOUT = struct.Struct("<BBhi")  # code, dst_reg:4 src_reg:4, off, imm


class Insn(NamedTuple):
    """One 8-byte slot. LD_IMM64 takes two: the second has code 0 and the upper half in ``imm``.

    :see: RFC 9669 section 3.1, include/uapi/linux/bpf.h:struct bpf_insn
    """

    code: int  # u8
    dst_reg: int  # u8:4
    src_reg: int  # u8:4
    off: int  # s16
    imm: int  # s32

    def encode(self) -> bytes:
        """The 8 bytes, little endian."""
        return _LAYOUT.pack(self.code, self.dst_reg | self.src_reg << 4, self.off, self.imm)


def decode_insns(data: bytes) -> tuple[Insn, ...]:
    """Split *data* into slots. A length that is no multiple of 8 is an InputError."""
    if len(data) % INSN_SIZE:
        raise InputError("instructions are 8 bytes each", offset=len(data), found=f"{len(data)} bytes")
    return tuple(Insn(code, regs & 15, regs >> 4, off, imm) for code, regs, off, imm in _LAYOUT.iter_unpack(data))


def encode_insns(insns: Iterable[Insn]) -> bytes:
    """Inverse of decode_insns()."""
    return b"".join(insn.encode() for insn in insns)
