"""Formatting for bpf_snprintf(), bpf_trace_printk() and their kin.

:see: kernel/bpf/helpers.c:bpf_bprintf_prepare, lib/vsprintf.c:bstr_printf
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from errno import EINVAL, ENOSPC

__all__ = ["MAX_BPRINTF_BUF", "MAX_BPRINTF_VARARGS", "BprintfError", "Memory", "bprintf"]

MAX_BPRINTF_VARARGS = 12
MAX_BPRINTF_BUF = 1024
_MAX_BIN_ARGS = 512  # bytes of converted arguments
_SPACE = b" \t\n\v\f\r"
_U32, _U64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
_FLAGS_AND_WIDTH = re.compile(rb"([0+\- ]*)([1-9][0-9]*)?")
_INTEGER = re.compile(rb"(l{0,2})([iduxX])")

Memory = Callable[[int, int, bool], bytes | None]
"""``(address, size, user) -> bytes``: memory of the kernel or of user space, None when it cannot be read; strings are
read by asking for more than there is: fewer bytes may come back, up to and with the NUL."""


class BprintfError(Exception):
    """The format is refused. :ivar errno: EINVAL or ENOSPC."""

    def __init__(self, err: int) -> None:
        super().__init__(err)
        self.errno = err


def _is_punct(char: int) -> bool:
    return 0x21 <= char <= 0x7E and not chr(char).isalnum()


# The format up to its NUL, and what bpf_bprintf_prepare() refuses at once.
def _text(fmt: bytes) -> bytes:
    if b"\0" not in fmt:
        raise BprintfError(EINVAL)
    text = fmt.split(b"\0", 1)[0]
    if any(char < 0x80 and not 0x20 <= char < 0x7F and char not in _SPACE for char in text):
        raise BprintfError(EINVAL)
    return text


class _Args:
    # Arguments in order, and the room that their conversions take.
    def __init__(self, values: Sequence[int]) -> None:
        self.values = values
        self.used = 0
        self.bytes = 0

    def take(self) -> int:
        if self.used >= len(self.values):
            raise BprintfError(EINVAL)
        self.used += 1
        return self.values[self.used - 1]

    def word(self, size: int) -> None:
        self.bytes = (self.bytes + 3 & ~3) + size
        self.room(0)

    def room(self, size: int) -> None:
        if self.bytes + size > _MAX_BIN_ARGS:
            raise BprintfError(ENOSPC)


def bprintf(fmt: bytes, values: Sequence[int], read: Memory) -> bytes:
    """Format *values* (u64s); without the NUL.

    :param fmt: with its NUL.
    :raises BprintfError: EINVAL a conversion the kernel refuses, or more than *values*; ENOSPC they take too much.
    """
    text = _text(fmt)
    args = _Args(values)
    out = bytearray()
    at = 0
    while at < len(text):
        if text[at] != ord("%"):
            out.append(text[at])
            at += 1
        elif text[at + 1 : at + 2] == b"%":
            out += b"%"
            at += 2
        else:
            at = _convert(text, at + 1, args, read, out)
    return bytes(out)


# One conversion, whose % is before *at*; where the text goes on.
def _convert(text: bytes, at: int, args: _Args, read: Memory, out: bytearray) -> int:
    if args.used >= len(args.values):
        raise BprintfError(EINVAL)
    if at < len(text) and text[at] >= 0x80:
        raise BprintfError(EINVAL)
    head = _FLAGS_AND_WIDTH.match(text, at)
    assert head is not None
    flags, width = head.group(1), int(head.group(2) or 0)
    at = head.end()
    kind = text[at : at + 1]
    if kind == b"p":
        return _pointer(text, at, flags, width, args, read, out)
    if kind == b"s":
        return _string(text, at, flags, width, args, read, out, user=False)
    if kind == b"c":
        args.room(1)
        args.bytes += 1
        out += _pad(bytes([args.take() & 0xFF]), flags.replace(b"0", b""), width)
        return at + 1
    number = _INTEGER.match(text, at)
    if number is None:
        raise BprintfError(EINVAL)
    size = 8 if number.group(1) else 4
    args.word(size)
    out += _integer(args.take(), size, number.group(2), flags, width)
    return number.end()


def _pointer(text: bytes, at: int, flags: bytes, width: int, args: _Args, read: Memory, out: bytearray) -> int:
    kind = text[at + 1 : at + 2]
    if kind in (b"k", b"u") and text[at + 2 : at + 3] == b"s":
        return _string(text, at + 2, flags, width, args, read, out, user=kind == b"u")
    if not kind or kind[0] in _SPACE or _is_punct(kind[0]):
        args.word(8)
        out += _address(args.take(), flags, width)  # the kernel prints a hash of it
        return at + 1
    if kind in b"xK":
        args.word(8)
        out += _address(args.take(), flags, width)
        return at + 2
    if kind in b"sSB":
        args.word(8)
        out += b"0x%x" % args.take()  # nothing here has a symbol
        return at + 2
    family = text[at + 2 : at + 3]
    if kind not in b"iI" or family not in (b"4", b"6"):
        raise BprintfError(EINVAL)
    size = 4 if family == b"4" else 16
    args.room(size)
    data = read(args.take(), size, False) or bytes(size)
    address = _ip(data, kind)
    args.bytes += len(address) + 1
    out += address
    return at + 3


# pointer_string()
def _address(value: int, flags: bytes, width: int) -> bytes:
    return _integer(value, 8, b"x", flags if width else b"0", width or 16)


# ip4_string(), ip6_string()
def _ip(data: bytes, kind: bytes) -> bytes:
    if len(data) == 4:
        return b".".join(b"%03d" % part if kind == b"i" else b"%d" % part for part in data)
    words = [data[i : i + 2].hex().encode() for i in range(0, 16, 2)]
    return (b"" if kind == b"i" else b":").join(words)


def _string(
    text: bytes, at: int, flags: bytes, width: int, args: _Args, read: Memory, out: bytearray, *, user: bool
) -> int:
    following = text[at + 1 : at + 2]
    if following and following[0] not in _SPACE and not _is_punct(following[0]):
        raise BprintfError(EINVAL)
    args.room(1)
    room = _MAX_BIN_ARGS - args.bytes
    found = read(args.take(), room, user)
    string = b"" if found is None else found.split(b"\0", 1)[0][: room - 1]
    args.bytes += len(string) + 1
    out += _pad(string, flags.replace(b"0", b""), width)
    return at + 1


def _integer(value: int, size: int, kind: bytes, flags: bytes, width: int) -> bytes:
    bits = 8 * size
    value &= (1 << bits) - 1
    sign = b""
    if kind in b"xX":
        digits = b"%x" % value if kind == b"x" else b"%X" % value
    else:
        if kind in b"id":
            if value >> bits - 1:
                value, sign = (1 << bits) - value, b"-"
            elif b"+" in flags:
                sign = b"+"
            elif b" " in flags:
                sign = b" "
        digits = b"%d" % value
    if b"0" in flags and b"-" not in flags:
        return sign + digits.rjust(width - len(sign), b"0")
    return _pad(sign + digits, flags, width)


def _pad(text: bytes, flags: bytes, width: int) -> bytes:
    return text.ljust(width) if b"-" in flags else text.rjust(width)
