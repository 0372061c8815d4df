"""Commands on BTF, and BTF as a kernel object.

:see: kernel/bpf/btf.c:btf_new_fd, btf_get_info_by_fd
"""

from __future__ import annotations

from collections.abc import Callable
from errno import E2BIG, EINVAL, ENOSPC, EPERM
from functools import cached_property
from typing import TYPE_CHECKING, Any

from beespace.btf.btf import Btf
from beespace.btf.fields import parse_struct_metas
from beespace.errors import BtfError, SyscallError, Unsupported
from beespace.kernel.idr import File
from beespace.kernel.vlog import UserLog
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import BtfInfo, BtfLoadAttr, GetIdAttr, GetInfoAttr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beespace.btf import BtfRecord
    from beespace.kernel.kernel import Kernel

__all__ = ["COMMANDS", "BtfObject", "btf_info"]

_BTF_MAX_SIZE = 16 << 20


class BtfObject:
    """``struct btf`` with an id.

    :ivar kernel_btf: of the kernel itself, not of a program.
    """

    def __init__(self, data: bytes, btf: Btf, name: str = "", *, kernel_btf: bool = False) -> None:
        self.data = data
        self.btf = btf
        self.name = name
        self.kernel_btf = kernel_btf
        self.id = 0
        self.refcnt = 1
        self.kernel: Btf | None = None

    @cached_property
    def metas(self) -> Mapping[int, BtfRecord]:
        """``struct_meta_tab``: records of the program's own structs. :raises BtfError: they are not usable."""
        return parse_struct_metas(self.btf, self.kernel)


def btf_load(kernel: Kernel, attr: BtfLoadAttr) -> int:
    """BPF_BTF_LOAD."""
    what = "BPF_BTF_LOAD"
    if attr.btf_flags & ~uapi.BPF_F_TOKEN_FD:
        raise SyscallError(EINVAL, what)
    if attr.btf_flags:
        raise Unsupported("BPF tokens")
    if not kernel.caps.bpf:
        raise SyscallError(EPERM, what, hint="CAP_BPF is missing")
    if attr.btf_size > _BTF_MAX_SIZE:
        raise SyscallError(E2BIG, what)
    log = UserLog(kernel.user, attr.btf_log_level, attr.btf_log_buf, attr.btf_log_size, what)
    data = kernel.user.read(attr.btf, attr.btf_size)
    err, text = 0, ""
    try:
        obj = BtfObject(data, Btf.parse(data))
        obj.kernel = kernel.btf_vmlinux() if obj.btf.nr_types > 1 else None
        assert obj.metas is not None  # computed now: BTF whose objects make no sense is refused
    except BtfError as error:
        err, text = error.errno, error.log or f"{error}\n"
    attr.btf_log_true_size, overflow = log.finish(text)
    if err or overflow:
        raise SyscallError(overflow or err, what, log=text, hint=text.strip())
    obj.id = kernel.btfs.alloc(obj)
    return kernel.fds.install(File("btf", obj))


def btf_get_next_id(kernel: Kernel, attr: GetIdAttr) -> int:
    """BPF_BTF_GET_NEXT_ID."""
    return kernel.next_id(kernel.btfs, attr, "btf")


def btf_get_fd_by_id(kernel: Kernel, attr: GetIdAttr) -> int:
    """BPF_BTF_GET_FD_BY_ID."""
    what = "BPF_BTF_GET_FD_BY_ID"
    if attr.open_flags & ~uapi.BPF_F_TOKEN_FD:
        raise SyscallError(EINVAL, what)
    if not kernel.caps.sys_admin:
        raise SyscallError(EPERM, what)
    obj = kernel.btfs.get(attr.start_id, "btf")
    obj.refcnt += 1
    return kernel.fds.install(File("btf", obj))


def btf_info(kernel: Kernel, obj: BtfObject, attr: GetInfoAttr) -> int:
    """btf_get_info_by_fd()."""
    what = "BPF_OBJ_GET_INFO_BY_FD"
    size = min(attr.info_len, BtfInfo.SIZE)
    info = BtfInfo.unpack(kernel.user.read(attr.info, size))
    info.id = obj.id
    kernel.user.write(info.btf, obj.data[: info.btf_size])
    info.btf_size = len(obj.data)
    info.kernel_btf = obj.kernel_btf
    if bool(info.name) != bool(info.name_len):
        raise SyscallError(EINVAL, what)
    name = obj.name.encode() + b"\0"
    room, info.name_len = info.name_len, len(name) - 1
    if info.name:
        kernel.user.write(info.name, name if room >= len(name) else name[: room - 1] + b"\0")
    kernel.user.write(attr.info, bytes(info.pack()[:size]))
    attr.info_len = size
    if info.name and room < len(name):
        raise SyscallError(ENOSPC, what)
    return 0


COMMANDS: dict[int, Callable[[Kernel, Any], int]] = {
    uapi.BPF_BTF_LOAD: btf_load,
    uapi.BPF_BTF_GET_NEXT_ID: btf_get_next_id,
    uapi.BPF_BTF_GET_FD_BY_ID: btf_get_fd_by_id,
}
