"""Internet checksums (RFC 1071), as include/net/checksum.h computes them: 32-bit partial sums in host order."""

from __future__ import annotations

import sys

__all__ = ["csum_add", "csum_fold", "csum_from32to16", "csum_partial", "csum_replace", "csum_sub"]


def _carry32(total: int) -> int:
    while total >> 32:
        total = (total & 0xFFFF_FFFF) + (total >> 32)
    return total


def csum_partial(data: bytes, seed: int = 0) -> int:
    """32-bit ones'-complement sum of *data* (``__wsum``), an odd last byte padded with zero.

    :see: lib/checksum.c:csum_partial
    """
    if len(data) % 4:
        data += bytes(-len(data) % 4)
    total = seed + sum(memoryview(data).cast("I")) if data else seed
    return _carry32(total)


def csum_add(a: int, b: int) -> int:
    """Ones'-complement a + b."""
    return _carry32(a + b)


def csum_sub(a: int, b: int) -> int:
    """Ones'-complement a - b."""
    return csum_add(a, ~b & 0xFFFF_FFFF)


def csum_from32to16(total: int) -> int:
    """A partial sum folded to 16 bits, not complemented."""
    total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16)


def csum_fold(total: int) -> int:
    """Complemented 16-bit checksum (``__sum16``) of a partial sum."""
    return ~csum_from32to16(total) & 0xFFFF


def csum_replace(check: int, old: int, new: int) -> int:
    """The checksum *check* (``__sum16``) after *old* (``__wsum``) became *new* in what it covers.

    :see: net/core/utils.c:inet_proto_csum_replace4, include/net/checksum.h:csum_replace4
    """
    return csum_fold(csum_add(csum_sub(~check & 0xFFFF, old), new))


assert sys.byteorder == "little", "guest memory is little endian"
