"""What a tracing, LSM or extension program attaches to: BTF ids for PROG_LOAD."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from beespace.api.kernel_types import KernelTypes, attach_name
from beespace.errors import SyscallError
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.api.calls import Calls
    from beespace.api.object import Object
    from beespace.api.program import Program

__all__ = ["resolve_attach_target", "set_attach_target"]


def set_attach_target(obj: Object, prog: Program, name: str, prog_fd: int) -> None:
    """Program.set_attach_target()."""
    kernel_types = KernelTypes(obj.calls)
    try:
        resolve_attach_target(obj.calls, kernel_types, prog, name, prog_fd)
    finally:
        kernel_types.close()


def resolve_attach_target(calls: Calls, kernel_types: KernelTypes, prog: Program, name: str, prog_fd: int) -> None:
    """Fill in the program's ``attach_*`` ids.

    :param prog_fd: of the program whose function *name* is; 0 for a function of the kernel.
    :see: tools/lib/bpf/libbpf.c:libbpf_find_attach_btf_id
    """
    if prog_fd:
        prog.attach_prog_fd = prog_fd
        prog.attach_btf_id = _function_of_prog(calls, name, prog_fd)
        return
    if prog.prog_type == uapi.BPF_PROG_TYPE_EXT:
        raise SyscallError(errno.EINVAL, f"prog {prog.name}", hint="attach program FD is not set")
    found = kernel_types.find(*attach_name(name, prog.expected_attach_type))
    if found is None:
        raise SyscallError(
            errno.ESRCH, f"prog {prog.name}", hint=f"failed to find kernel BTF type ID of '{name}'"
        )  # fmt: skip
    prog.attach_btf_id, prog.attach_btf_obj_fd = found.type_id, 0
    if found.module is not None:
        # the program needs the fd after the search's own is closed
        prog.attach_btf_obj_fd = prog._object.fds.own(calls.kernel.dup(found.module.fd))


def _function_of_prog(calls: Calls, name: str, prog_fd: int) -> int:
    info = calls.prog_info(prog_fd)
    if not info.btf_id:
        raise SyscallError(errno.EINVAL, f"attach to {name}", hint="The target program doesn't have BTF")
    type_id = calls.btf_by_id(info.btf_id).find(name, uapi.BTF_KIND_FUNC)
    if not type_id:
        raise SyscallError(errno.ESRCH, f"attach to {name}", hint=f"{name} is not found in prog's BTF")
    return type_id
