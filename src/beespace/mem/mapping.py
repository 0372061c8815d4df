"""Reserved address ranges of this process, and views that keep them mapped."""

from __future__ import annotations

import ctypes
import mmap as _mmap
from typing import Any

from beespace.errors import SyscallError

__all__ = ["Mapping", "buffer_address"]

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


# Py_buffer: its first field is the address.
class _PyBuffer(ctypes.Structure):
    _fields_ = (("buf", ctypes.c_void_p), ("rest", ctypes.c_byte * 72))


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = (ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int)
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = (ctypes.POINTER(_PyBuffer),)
_release_buffer.restype = None


def buffer_address(data: object) -> int:
    """Where the memory of an object with the buffer protocol is (readable or not); the caller keeps it there."""
    view = _PyBuffer()
    _get_buffer(data, ctypes.byref(view), 0)
    address: int = view.buf or 0
    _release_buffer(ctypes.byref(view))
    return address


class Mapping:
    """Anonymous private memory, inaccessible until enable(); unmapped when the last reference goes.

    Private: after fork() parent and child each have their own copy, as with all memory of a process.

    :ivar address: of its first byte.
    :ivar size: bytes, a multiple of the page size.
    """

    def __init__(self, size: int, align: int = _mmap.PAGESIZE) -> None:
        whole = size + align
        flags = _mmap.MAP_PRIVATE | _mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        try:
            # An object without finaliser owns the pages: when the collector takes a whole kernel, finalisers that still
            # write to its memory run before any deallocation.
            self._pages = _mmap.mmap(-1, whole, flags=flags, prot=_PROT_NONE)
        except OSError as err:
            raise SyscallError(err.errno or 0, f"mmap of {whole:#x} bytes", hint="is RLIMIT_AS set?") from None
        start = buffer_address(self._pages)
        self.address = -(-start // align) * align
        self.size = size

    def enable(self, address: int, size: int, *, writable: bool = True) -> None:
        """Make whole pages readable (and writable); pages never touched before read as zeroes."""
        prot = _mmap.PROT_READ | (_mmap.PROT_WRITE if writable else 0)
        if _libc.mprotect(address, size, prot):
            raise SyscallError(ctypes.get_errno(), f"mprotect of {size:#x} bytes")

    def share(self, address: int, size: int, fd: int, offset: int, *, writable: bool = True) -> None:
        """Show *size* bytes of a file from *offset* there (MAP_SHARED): stores are everybody's. Whole pages.

        The file may not shrink while it is mapped (seal it): an access behind its end ends the process.
        """
        prot = _mmap.PROT_READ | (_mmap.PROT_WRITE if writable else 0)
        if _libc.mmap(address, size, prot, _mmap.MAP_SHARED | _MAP_FIXED, fd, offset) == _MAP_FAILED:
            raise SyscallError(ctypes.get_errno(), f"mmap of {size:#x} bytes of fd {fd}")

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
