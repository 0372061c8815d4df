"""Commands on objects of any kind: info, pins, statistics.

:see: kernel/bpf/syscall.c, kernel/bpf/inode.c
"""

from __future__ import annotations

from collections.abc import Callable
from errno import E2BIG, EBADFD, EINVAL, EPERM
from typing import TYPE_CHECKING, Any

from beespace.errors import SyscallError, Unsupported
from beespace.kernel.btf_cmds import btf_info
from beespace.kernel.idr import File
from beespace.kernel.map_cmds import file_flags, map_info
from beespace.kernel.prog_info import prog_info
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import EnableStatsAttr, GetInfoAttr, MapInfo, ObjPinAttr

if TYPE_CHECKING:
    from beespace.kernel.kernel import Kernel

__all__ = ["COMMANDS", "check_info_tail"]

_OBJ_FLAG_MASK = uapi.BPF_F_RDONLY | uapi.BPF_F_WRONLY
_PATH_MAX = 4096
_PAGE_SIZE = 4096


def check_info_tail(kernel: Kernel, attr: GetInfoAttr, size: int) -> None:
    """bpf_check_uarg_tail_zero() of an info struct. :raises SyscallError: E2BIG, EFAULT."""
    what = "BPF_OBJ_GET_INFO_BY_FD"
    if attr.info_len > _PAGE_SIZE:
        raise SyscallError(E2BIG, what)
    if attr.info_len > size and any(kernel.user.read(attr.info + size, attr.info_len - size)):
        raise SyscallError(E2BIG, what)


def obj_get_info_by_fd(kernel: Kernel, attr: GetInfoAttr) -> int:
    """BPF_OBJ_GET_INFO_BY_FD."""
    try:
        file = kernel.fds.get(attr.bpf_fd)
    except SyscallError:
        raise SyscallError(EBADFD, "BPF_OBJ_GET_INFO_BY_FD") from None  # this command says so, the others EBADF
    if file.kind == "map":
        check_info_tail(kernel, attr, MapInfo.SIZE)
        data = bytes(map_info(kernel, file.obj).pack()[: attr.info_len])
        kernel.user.write(attr.info, data)
        attr.info_len = len(data)
        return 0
    if file.kind == "prog":
        return prog_info(kernel, file.obj, attr)
    if file.kind == "btf":
        return btf_info(kernel, file.obj, attr)
    raise SyscallError(EINVAL, "BPF_OBJ_GET_INFO_BY_FD")


def _path(kernel: Kernel, attr: ObjPinAttr, what: str) -> str:
    if attr.path_fd and not attr.file_flags & uapi.BPF_F_PATH_FD:
        raise SyscallError(EINVAL, what)
    if attr.file_flags & uapi.BPF_F_PATH_FD:
        raise Unsupported("pins relative to a directory fd")
    return kernel.user.read_str(attr.pathname, _PATH_MAX).decode("utf-8", "surrogateescape")


def obj_pin(kernel: Kernel, attr: ObjPinAttr) -> int:
    """BPF_OBJ_PIN."""
    what = "BPF_OBJ_PIN"
    if attr.file_flags & ~uapi.BPF_F_PATH_FD:
        raise SyscallError(EINVAL, what)
    try:
        file = kernel.fds.get(attr.bpf_fd)
    except SyscallError:
        raise SyscallError(EINVAL, what) from None
    if file.kind not in ("map", "prog", "link"):
        raise SyscallError(EINVAL, what)
    kernel.bpffs.pin(_path(kernel, attr, what), file.kind, file.obj)
    return 0


def obj_get(kernel: Kernel, attr: ObjPinAttr) -> int:
    """BPF_OBJ_GET."""
    what = "BPF_OBJ_GET"
    if attr.bpf_fd or attr.file_flags & ~(_OBJ_FLAG_MASK | uapi.BPF_F_PATH_FD):
        raise SyscallError(EINVAL, what)
    readable, writable = file_flags(attr.file_flags)
    kind, obj = kernel.bpffs.get(_path(kernel, attr, what))
    if kind == "link" and not (readable and writable):
        raise SyscallError(EINVAL, what)
    kernel.hold_user(kind, obj)
    return kernel.fds.install(File(kind, obj, readable=readable, writable=writable))


class StatsHandle:
    """What the fd of BPF_ENABLE_STATS stands for: programs are timed as long as it is open."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.refcnt = 1
        kernel.stats_enabled += 1

    def release(self) -> None:
        """Stop timing."""
        self._kernel.stats_enabled -= 1


def enable_stats(kernel: Kernel, attr: EnableStatsAttr) -> int:
    """BPF_ENABLE_STATS."""
    what = "BPF_ENABLE_STATS"
    if not kernel.caps.sys_admin:
        raise SyscallError(EPERM, what)
    if attr.type != uapi.BPF_STATS_RUN_TIME:
        raise SyscallError(EINVAL, what)
    return kernel.fds.install(File("stats", StatsHandle(kernel)))


COMMANDS: dict[int, Callable[[Kernel, Any], int]] = {
    uapi.BPF_OBJ_GET_INFO_BY_FD: obj_get_info_by_fd,
    uapi.BPF_OBJ_PIN: obj_pin,
    uapi.BPF_OBJ_GET: obj_get,
    uapi.BPF_ENABLE_STATS: enable_stats,
}
