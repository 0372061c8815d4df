"""Memory of the caller of bpf(2): by default this process, read and written so that a bad pointer is EFAULT."""

from __future__ import annotations

import ctypes
import os
from errno import EFAULT
from typing import Protocol

from beespace.errors import SyscallError

__all__ = ["HostMemory", "UserMemory"]

_PAGE = 4096
_U64 = 0xFFFFFFFFFFFFFFFF


class UserMemory(Protocol):
    """Where the pointers inside ``union bpf_attr`` lead."""

    def read(self, address: int, size: int) -> bytes:
        """copy_from_user(). :raises SyscallError: EFAULT."""
        ...

    def write(self, address: int, data: bytes) -> None:
        """copy_to_user(). :raises SyscallError: EFAULT."""
        ...

    def read_str(self, address: int, size: int) -> bytes:
        """strncpy_from_user(): up to and without the NUL, at most *size* bytes. :raises SyscallError: EFAULT."""
        ...


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_uint64), ("size", ctypes.c_size_t))


class HostMemory:
    """This process. process_vm_readv(2) on itself reports bad addresses instead of dying of them."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._readv, self._writev = libc.process_vm_readv, libc.process_vm_writev
        for function in (self._readv, self._writev):
            function.restype = ctypes.c_ssize_t
            function.argtypes = (
                ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong
            )  # fmt: skip

    def read(self, address: int, size: int) -> bytes:
        """copy_from_user()."""
        if size == 0:
            return b""
        buffer = ctypes.create_string_buffer(size)
        if self._transfer(self._readv, ctypes.addressof(buffer), address, size) != size:
            raise SyscallError(EFAULT, f"read of {size} bytes at {address:#x}")
        return buffer.raw

    def write(self, address: int, data: bytes) -> None:
        """copy_to_user()."""
        if not data:
            return
        buffer = ctypes.create_string_buffer(data, len(data))
        if self._transfer(self._writev, ctypes.addressof(buffer), address, len(data)) != len(data):
            raise SyscallError(EFAULT, f"write of {len(data)} bytes at {address:#x}")

    def read_str(self, address: int, size: int) -> bytes:
        """strncpy_from_user(), a page at a time: the string may end before an unmapped one."""
        found = b""
        while len(found) < size:
            at = address + len(found)
            piece = self.read(at, min(_PAGE - at % _PAGE, size - len(found)))
            found += piece
            if b"\0" in piece:
                return found.split(b"\0", 1)[0]
        return found

    # Bytes moved; -1 when the first is bad.
    def _transfer(self, function: ctypes._NamedFuncPointer, local: int, remote: int, size: int) -> int:
        if remote + size > _U64:
            return -1
        here, there = _IoVec(local, size), _IoVec(remote, size)
        moved = function(os.getpid(), ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
        if moved == -1 and ctypes.get_errno() != EFAULT:
            err = ctypes.get_errno()
            raise OSError(err, f"process_vm_readv of this process: {os.strerror(err)}")
        return int(moved)
