"""A simulated BPF file system: names that keep objects alive.

:see: kernel/bpf/inode.c
"""

from __future__ import annotations

import posixpath
from errno import EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM
from typing import TYPE_CHECKING, Any

from beespace.errors import SyscallError

if TYPE_CHECKING:
    from beespace.kernel.kernel import Kernel

__all__ = ["BpfFs"]

MOUNT = "/sys/fs/bpf"


class BpfFs:
    """The tree below /sys/fs/bpf."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._nodes: dict[str, tuple[str, Any] | None] = {MOUNT: None}  # None: a directory

    def mkdir(self, path: str) -> None:
        """mkdir(2). :raises SyscallError: EEXIST, ENOENT, EPERM."""
        self._nodes[self._new(path, "mkdir")] = None

    def unlink(self, path: str) -> None:
        """unlink(2): drops the name's reference. :raises SyscallError: ENOENT, EISDIR."""
        node = self._find(path, "unlink")
        if node is None:
            raise SyscallError(EISDIR, f"unlink {path}")
        del self._nodes[posixpath.normpath(path)]
        self._kernel.put_user(*node)

    def rmdir(self, path: str) -> None:
        """rmdir(2). :raises SyscallError: ENOENT, ENOTDIR, ENOTEMPTY."""
        if self._find(path, "rmdir") is not None:
            raise SyscallError(ENOTDIR, f"rmdir {path}")
        if self.listdir(path):
            raise SyscallError(ENOTEMPTY, f"rmdir {path}")
        del self._nodes[posixpath.normpath(path)]

    def listdir(self, path: str = MOUNT) -> list[str]:
        """Names in a directory, sorted. :raises SyscallError: ENOENT, ENOTDIR."""
        if self._find(path, "open") is not None:
            raise SyscallError(ENOTDIR, f"open {path}")
        parent = posixpath.normpath(path)
        return sorted(posixpath.basename(name) for name in self._nodes if name != MOUNT
                      and posixpath.dirname(name) == parent)  # fmt: skip

    def exists(self, path: str) -> bool:
        """Whether there is such a name."""
        return posixpath.normpath(path) in self._nodes

    def pin(self, path: str, kind: str, obj: Any) -> None:
        """Give an object a name, which holds a reference. :raises SyscallError: EEXIST, ENOENT, EPERM."""
        name = self._new(path, "BPF_OBJ_PIN")
        self._kernel.hold_user(kind, obj)
        self._nodes[name] = (kind, obj)

    def get(self, path: str) -> tuple[str, Any]:
        """What is pinned. :raises SyscallError: ENOENT, EACCES."""
        node = self._find(path, "BPF_OBJ_GET")
        if node is None:
            raise SyscallError(EINVAL, f"BPF_OBJ_GET {path}")
        return node

    def clear(self) -> None:
        """Remove all names."""
        nodes, self._nodes = self._nodes, {MOUNT: None}
        for node in nodes.values():
            if node is not None:
                self._kernel.put_user(*node)

    def _find(self, path: str, what: str) -> tuple[str, Any] | None:
        name = posixpath.normpath(path)
        if name not in self._nodes:
            raise SyscallError(ENOENT, f"{what} {path}")
        return self._nodes[name]

    # A name that can be made: its directory is there, it is not.
    def _new(self, path: str, what: str) -> str:
        name = posixpath.normpath(path)
        parent = posixpath.dirname(name)
        if name in self._nodes:
            raise SyscallError(EEXIST, f"{what} {path}")
        if not name.startswith(MOUNT + "/"):
            raise SyscallError(EPERM, f"{what} {path}", hint=f"not below {MOUNT}")
        if parent not in self._nodes:
            raise SyscallError(ENOENT, f"{what} {path}", hint="the directory is not there; kernel.bpffs.mkdir()")
        if self._nodes[parent] is not None:
            raise SyscallError(ENOTDIR, f"{what} {path}")
        if "." in posixpath.basename(name):
            raise SyscallError(EPERM, f"{what} {path}", hint="dots in names are reserved")
        return name
