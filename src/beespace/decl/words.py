"""Machine words: unsigned ``int``, with signed views written out."""

from __future__ import annotations

__all__ = ["U32", "U64", "be16", "be32", "s32", "s64"]

U32 = 0xFFFF_FFFF
U64 = 0xFFFF_FFFF_FFFF_FFFF


def s32(word: int) -> int:
    """The low 32 bits of *word* as ``s32``."""
    return ((word & U32) ^ 0x8000_0000) - 0x8000_0000


def s64(word: int) -> int:
    """The low 64 bits of *word* as ``s64``."""
    return ((word & U64) ^ 0x8000_0000_0000_0000) - 0x8000_0000_0000_0000


def be16(value: int) -> int:
    """``htons()`` and ``ntohs()`` of a little-endian machine."""
    return (value & 0xFF) << 8 | (value >> 8) & 0xFF


def be32(value: int) -> int:
    """``htonl()`` and ``ntohl()`` of a little-endian machine."""
    return int.from_bytes((value & U32).to_bytes(4, "little"), "big")
