"""Pages that other processes can map: memfds, which survive fork(2) as what a kernel's memory is, a copy.

::

    after fork(2)       parent                      child
    its kernel          the old pages               pages of its own, same contents
    its clients         the old pages               the child's pages
    fds passed on       the old pages               the old pages
"""

from __future__ import annotations

import fcntl
import os
import weakref
from functools import cache

from beespace.errors import SyscallError
from beespace.mem.mapping import Mapping

__all__ = ["SharedPages"]

_F_SEAL_FUTURE_WRITE = 16  # include/uapi/linux/fcntl.h; the module fcntl does not have it before Python 3.13
_SEALED = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL

# What fork() leaves shared and should not: there is no other way to be told of a fork than a hook of the process.
_live: weakref.WeakSet[SharedPages] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for pages in list(_live):
        pages.copy_for_child()


class SharedPages:
    """A memfd of fixed size.

    :param name: for /proc/PID/maps.
    :param size: bytes, a multiple of the page size; zeroes, and no memory until touched.
    :ivar fd: of the memfd; close() closes it, mappings stay.
    """

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._sealed = False
        self._mapped: list[tuple[weakref.ref[Mapping], int, int, int, bool]] = []
        self.fd = self._create()
        _register_once()
        _live.add(self)

    def _create(self) -> int:
        try:
            fd = os.memfd_create(self.name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError as err:
            raise SyscallError(err.errno or 0, "memfd_create") from None
        os.ftruncate(fd, self.size)
        return fd

    def map(self, mapping: Mapping, address: int, size: int, offset: int, *, writable: bool = True) -> None:
        """Show a part in *mapping*. Parts that belong to this process's kernel and its clients, not passed-on fds."""
        mapping.share(address, size, self.fd, offset, writable=writable)
        self._mapped = [entry for entry in self._mapped if entry[0]() is not None]
        self._mapped.append((weakref.ref(mapping), address, size, offset, writable))

    def seal(self, *, readonly: bool) -> None:
        """Nobody can change the size any more; with *readonly* nobody can write or map it writable from now on."""
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, _SEALED | (_F_SEAL_FUTURE_WRITE if readonly else 0))
        self._sealed = readonly

    def copy_for_child(self) -> None:
        """Run in the child after fork(2): own pages with the same contents, in the same places."""
        if self.fd < 0:
            return
        old, self.fd = self.fd, self._create()
        at = 0
        while at < self.size:  # only what has memory: the rest of a sparse file reads as zeroes anyway
            try:
                at = os.lseek(old, at, os.SEEK_DATA)
            except OSError:  # ENXIO: no data from here on
                break
            end = os.lseek(old, at, os.SEEK_HOLE)
            os.pwrite(self.fd, os.pread(old, end - at, at), at)
            at = end
        for ref, address, size, offset, writable in self._mapped:
            mapping = ref()
            if mapping is not None:
                mapping.share(address, size, self.fd, offset, writable=writable)
        self.seal(readonly=self._sealed)
        os.close(old)

    def close(self) -> None:
        """Close the memfd; what is mapped stays."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@cache
def _register_once() -> None:
    os.register_at_fork(after_in_child=_after_fork_in_child)
