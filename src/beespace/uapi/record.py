"""Base of the generated records of ``attr.py``: fixed little-endian C structs that bpf(2) copies in and out."""

from __future__ import annotations

import errno
import struct
from struct import Struct
from typing import ClassVar, TypeVar, dataclass_transform

from beespace.errors import InputError

__all__ = ["Record", "TailError"]

R = TypeVar("R", bound="Record")


class TailError(InputError):
    """Bytes the record does not know are not zero: written for a newer kernel.

    :ivar errno: E2BIG beyond the structure, EINVAL beyond the last field that a bpf(2) command reads.
    :see: kernel/bpf/syscall.c:bpf_check_uarg_tail_zero
    """

    def __init__(self, record: str, offset: int, err: int = errno.E2BIG) -> None:
        super().__init__(f"{record}: unknown bytes are not zero", offset=offset)
        self.errno = err


@dataclass_transform(eq_default=True)
class Record:
    """A C struct as a mutable value. Pointers are u64 addresses; ``char x[n]`` is bytes without trailing NULs.

    Arms of a union that are scalars of one size share a field (the other names are properties); a union with structs
    in it is a bytes field ``u`` and its arms are properties that unpack from and pack into it.
    """

    SIZE: ClassVar[int]
    _LAYOUT: ClassVar[Struct]
    _FIELDS: ClassVar[tuple[str, ...]]  # in the order of _LAYOUT
    _BYTES: ClassVar[tuple[tuple[str, int], ...]]  # arrays and unions: name, size
    _TEXT: ClassVar[tuple[str, ...]]  # char arrays

    # What @dataclass would write for each of 60 classes, at no cost at import. Defaults are class attributes.
    def __init__(self, *args: int | bytes, **kwargs: int | bytes) -> None:
        if len(args) > len(self._FIELDS):
            raise TypeError(f"{type(self).__name__} has {len(self._FIELDS)} fields, {len(args)} values were given")
        self.__dict__.update(zip(self._FIELDS, args, strict=False))
        for name, value in kwargs.items():
            if name not in self._FIELDS or name in self.__dict__:
                raise TypeError(f"{type(self).__name__}: no field {name!r}, or it is given twice")
            self.__dict__[name] = value

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._FIELDS)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._FIELDS)})"

    def pack(self) -> bytearray:
        """The struct as C has it, SIZE bytes, padding zero.

        A negative number in an unsigned field wraps as a C conversion does (``-1`` is a usual "no fd").
        :raises InputError: a value that does not fit its field.
        """
        for name, size in self._BYTES:
            if len(getattr(self, name)) > size:
                raise InputError(f"{type(self).__name__}.{name} is too long", expected=size, found=getattr(self, name))
        values = [getattr(self, name) for name in self._FIELDS]
        try:
            return bytearray(self._LAYOUT.pack(*values))
        except struct.error:
            return self._pack_converting(values)

    # The slow way: each value alone, to convert what C converts and to name what does not fit.
    def _pack_converting(self, values: list[int | bytes]) -> bytearray:
        codes = _codes(self._LAYOUT.format.removeprefix("<"))
        for i, (name, code, value) in enumerate(zip(self._FIELDS, codes, values, strict=True)):
            if isinstance(value, int) and code in "BHIQ":
                bits = 8 * Struct("<" + code).size
                if -(1 << bits - 1) <= value < 0:
                    values[i] = value & (1 << bits) - 1
                    continue
            try:
                Struct("<" + code).pack(value)
            except struct.error as err:
                raise InputError(f"{type(self).__name__}.{name} does not fit: {err}", found=value) from None
        return bytearray(self._LAYOUT.pack(*values))

    @classmethod
    def unpack(cls: type[R], data: bytes | bytearray | memoryview) -> R:
        """Read from *data*: missing bytes are zero, bytes beyond SIZE must be.

        :raises TailError: E2BIG.
        """
        if len(data) > cls.SIZE and any(data[cls.SIZE :]):
            raise TailError(cls.__name__, cls.SIZE)
        record = cls(*cls._LAYOUT.unpack(bytes(data[: cls.SIZE]).ljust(cls.SIZE, b"\0")))
        for name in cls._TEXT:
            setattr(record, name, getattr(record, name).rstrip(b"\0"))
        return record

    # One scalar arm of the union kept in bytes field *name*.
    def _arm(self, name: str, off: int, size: int) -> int:
        data: bytes = getattr(self, name)
        return int.from_bytes(data[off : off + size], "little")

    def _set_arm(self, name: str, off: int, size: int, total: int, value: int) -> None:
        data = bytearray(getattr(self, name).ljust(total, b"\0"))
        data[off : off + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        setattr(self, name, bytes(data))


# "4xI16s" -> ["I", "16s"]: one code per value.
def _codes(fmt: str) -> list[str]:
    codes, number = [], ""
    for char in fmt:
        if char.isdigit():
            number += char
        elif char == "x":
            number = ""
        elif char == "s":
            codes.append(number + "s")
            number = ""
        else:
            codes.extend(char * int(number or 1))
            number = ""
    return codes
