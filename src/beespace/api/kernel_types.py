"""The kernel's types: vmlinux, and the modules' when something is not there."""

from __future__ import annotations

import errno
from functools import cached_property

from beespace.api.calls import Calls
from beespace.btf import Btf
from beespace.errors import BtfError, SyscallError
from beespace.uapi import bpf as uapi
from beespace.values import frozen

__all__ = ["Found", "KernelTypes", "Module", "attach_name"]


@frozen
class Module:
    """A kernel module's BTF.

    :ivar fd: what instructions and PROG_LOAD refer to it by; KernelTypes closes it.
    """

    name: str
    btf: Btf
    fd: int


@frozen
class Found:
    """A type of the kernel; ``module`` is ``None`` for vmlinux."""

    btf: Btf
    type_id: int
    module: Module | None = None

    @property
    def btf_fd(self) -> int:
        """0 for vmlinux."""
        return self.module.fd if self.module else 0


class KernelTypes:
    """For the time of one load."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._fds: list[int] = []

    @property
    def vmlinux(self) -> Btf:
        """:raises BtfError: the kernel has no BTF."""
        if self._calls.vmlinux is None:
            raise BtfError("the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)")
        return self._calls.vmlinux

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """In the order of their ids.

        :see: tools/lib/bpf/libbpf.c:load_module_btfs
        """
        return tuple(module for btf_id in self._calls.btf_ids() if (module := self._module(btf_id)) is not None)

    def _module(self, btf_id: int) -> Module | None:
        try:
            fd = self._calls.btf_fd_by_id(btf_id)
        except SyscallError as e:
            if e.errno == errno.ENOENT:
                return None  # unloaded meanwhile
            raise
        self._fds.append(fd)
        info, name, _ = self._calls.btf_info(fd)
        if not info.kernel_btf or name == "vmlinux":
            self._calls.kernel.close(self._fds.pop())
            return None
        data = self._calls.btf_info(fd, with_data=True)[2]
        return Module(name, Btf.parse(data, base=self.vmlinux, name=name), fd)

    def find(self, name: str, kind: int, module: str = "") -> Found | None:
        """A type by name and kind: in vmlinux, then in each module; or in *module* alone."""
        if module in ("", "vmlinux"):
            type_id = self.vmlinux.find(name, kind)
            if type_id:
                return Found(self.vmlinux, type_id)
        for candidate in self.modules if module != "vmlinux" else ():
            if module in ("", candidate.name):
                own = [i for i in candidate.btf.find_all(name, kind) if i >= candidate.btf.start_id]
                if own:
                    return Found(candidate.btf, own[0], candidate)
        return None

    def close(self) -> None:
        """Give back the modules' fds."""
        while self._fds:
            self._calls.kernel.close(self._fds.pop())


_PREFIXES = {
    uapi.BPF_TRACE_RAW_TP: ("btf_trace_", uapi.BTF_KIND_TYPEDEF),
    uapi.BPF_LSM_MAC: ("bpf_lsm_", uapi.BTF_KIND_FUNC),
    uapi.BPF_LSM_CGROUP: ("bpf_lsm_", uapi.BTF_KIND_FUNC),
    uapi.BPF_TRACE_ITER: ("bpf_iter_", uapi.BTF_KIND_FUNC),
}


def attach_name(target: str, attach_type: int) -> tuple[str, int, str]:
    """(name, BTF_KIND_*, module) of what a program with an attach type attaches to; *target* may be ``module:name``.

    :see: tools/lib/bpf/libbpf.c:btf_get_kernel_prefix_kind
    """
    module, colon, name = target.partition(":")
    prefix, kind = _PREFIXES.get(attach_type, ("", uapi.BTF_KIND_FUNC))
    return (prefix + name, kind, module) if colon else (prefix + target, kind, "")
