"""Numbers for objects, as the kernel gives them."""

from __future__ import annotations

from errno import EBADF, ENOENT
from typing import Any, Generic, TypeVar

from beespace.errors import SyscallError

__all__ = ["FdTable", "File", "Idr"]

T = TypeVar("T")
_INT_MAX = 2**31 - 1


class Idr(Generic[T]):
    """Ids of one kind of object: cyclic, so an id is not used again soon.

    :see: lib/idr.c:idr_alloc_cyclic
    """

    def __init__(self) -> None:
        self._objects: dict[int, T] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self._objects)

    def alloc(self, obj: T) -> int:
        """The next free id from the last one given, from 1 up to INT_MAX."""
        number = self._next
        while number in self._objects:
            number = number + 1 if number < _INT_MAX else 1
        self._objects[number] = obj
        self._next = number + 1 if number < _INT_MAX else 1
        return number

    def free(self, number: int) -> None:
        """Forget an id."""
        del self._objects[number]

    def get(self, number: int, what: str) -> T:
        """The object. :raises SyscallError: ENOENT."""
        found = self._objects.get(number)
        if found is None:
            raise SyscallError(ENOENT, f"{what} id {number}")
        return found

    def next(self, after: int, what: str) -> int:
        """The lowest id above *after*. :raises SyscallError: ENOENT."""
        number = min((n for n in self._objects if n > after), default=0)
        if not number:
            raise SyscallError(ENOENT, f"{what} id after {after}")
        return number

    def values(self) -> list[T]:
        """All objects, by id."""
        return [self._objects[number] for number in sorted(self._objects)]


class File:
    """``struct file``: what an fd stands for; duplicated fds share it.

    :ivar kind: "map", "prog", "btf", "link"; "stdio" for what was open before.
    :ivar readable: FMODE_CAN_READ, ``writable`` FMODE_CAN_WRITE.
    """

    __slots__ = ("kind", "obj", "readable", "refcnt", "writable")

    def __init__(self, kind: str, obj: Any, *, readable: bool = True, writable: bool = True) -> None:
        self.kind = kind
        self.obj = obj
        self.readable = readable
        self.writable = writable
        self.refcnt = 1


class FdTable:
    """File descriptors of the simulated kernel's callers: the lowest free number. 0 to 2 are no BPF objects."""

    def __init__(self) -> None:
        self._files: dict[int, File] = {fd: File("stdio", None) for fd in range(3)}

    def install(self, file: File) -> int:
        """Give *file* a number; the caller's reference is the table's from now on."""
        fd = 0
        while fd in self._files:
            fd += 1
        self._files[fd] = file
        return fd

    def get(self, fd: int) -> File:
        """:raises SyscallError: EBADF."""
        file = self._files.get(fd)
        if file is None:
            raise SyscallError(EBADF, f"fd {fd}")
        return file

    def remove(self, fd: int) -> File:
        """Take a number away; the reference is the caller's now. :raises SyscallError: EBADF."""
        file = self.get(fd)
        del self._files[fd]
        return file

    def fds(self) -> list[int]:
        """All numbers in use, ascending."""
        return sorted(self._files)
