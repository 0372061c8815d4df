"""Reserved address ranges of this process, and views that keep them mapped."""

from __future__ import annotations

import ctypes
import mmap as _mmap
import os
from typing import Any

from beespace.errors import SyscallError

__all__ = ["Mapping"]

_PROT_NONE = 0  # the module mmap has no name for it
_MAP_FIXED = 0x10
_MAP_NORESERVE = 0x4000
_MAP_FAILED = 2**64 - 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_uint64
_libc.mmap.argtypes = (
    ctypes.c_uint64, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64
)  # fmt: skip
_libc.mprotect.argtypes = (ctypes.c_uint64, ctypes.c_size_t, ctypes.c_int)
_libc.munmap.argtypes = (ctypes.c_uint64, ctypes.c_size_t)


class Mapping:
    """Anonymous private memory, inaccessible until enable(); unmapped when the last reference goes.

    Private: after fork() parent and child each have their own copy, as with all memory of a process.

    :ivar address: of its first byte; 0 when the memory is gone because the collector finalised a cycle that held this.
    :ivar size: bytes, a multiple of the page size.
    """

    def __init__(self, size: int, align: int = _mmap.PAGESIZE) -> None:
        self._owner = os.getpid()
        flags = _mmap.MAP_PRIVATE | _mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        whole = size + align
        raw = _libc.mmap(0, whole, _PROT_NONE, flags, -1, 0)
        if raw == _MAP_FAILED:
            raise SyscallError(ctypes.get_errno(), f"mmap of {whole:#x} bytes", hint="is RLIMIT_AS set?")
        self.address = -(-raw // align) * align
        self.size = size
        head = self.address - raw
        if head:
            _libc.munmap(raw, head)
        if whole - head > size:
            _libc.munmap(self.address + size, whole - head - size)

    def __del__(self) -> None:
        if getattr(self, "address", 0):
            _libc.munmap(self.address, self.size)
            self.address = 0

    def enable(self, address: int, size: int, *, writable: bool = True) -> None:
        """Make whole pages readable (and writable); pages never touched before read as zeroes."""
        prot = _mmap.PROT_READ | (_mmap.PROT_WRITE if writable else 0)
        if _libc.mprotect(address, size, prot):
            raise SyscallError(ctypes.get_errno(), f"mprotect of {size:#x} bytes")

    def disable(self, address: int, size: int) -> None:
        """Give the pages back: an access faults, their contents are gone."""
        flags = _mmap.MAP_PRIVATE | _mmap.MAP_ANONYMOUS | _MAP_NORESERVE | _MAP_FIXED
        if _libc.mmap(address, size, _PROT_NONE, flags, -1, 0) == _MAP_FAILED:
            raise SyscallError(ctypes.get_errno(), f"mmap of {size:#x} bytes")

    def view(self, address: int, size: int, *, writable: bool = True) -> memoryview:
        """The bytes at *address*. The view keeps the mapping alive; pages given back meanwhile fault when touched."""
        # A class of its own gives the array an attribute that holds the reference.
        array: Any = type("GuestBytes", (ctypes.Array,), {"_type_": ctypes.c_ubyte, "_length_": size})
        data = array.from_address(address)
        data.mapping = self
        view = memoryview(data).cast("B")
        return view if writable else view.toreadonly()
