"""The seam between user side and kernel: bpf(2), with close, dup and mmap of what it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.decl.registry import Features
    from beespace.kernel.poll import Waiter

__all__ = ["BpfKernel", "cmd_name"]

_CMD_NAMES = {
    getattr(uapi, name): name
    for name in (
        "BPF_MAP_CREATE", "BPF_MAP_LOOKUP_ELEM", "BPF_MAP_UPDATE_ELEM", "BPF_MAP_DELETE_ELEM", "BPF_MAP_GET_NEXT_KEY",
        "BPF_PROG_LOAD", "BPF_OBJ_PIN", "BPF_OBJ_GET", "BPF_PROG_ATTACH", "BPF_PROG_DETACH", "BPF_PROG_TEST_RUN",
        "BPF_PROG_GET_NEXT_ID", "BPF_MAP_GET_NEXT_ID", "BPF_PROG_GET_FD_BY_ID", "BPF_MAP_GET_FD_BY_ID",
        "BPF_OBJ_GET_INFO_BY_FD", "BPF_PROG_QUERY", "BPF_RAW_TRACEPOINT_OPEN", "BPF_BTF_LOAD", "BPF_BTF_GET_FD_BY_ID",
        "BPF_TASK_FD_QUERY", "BPF_MAP_LOOKUP_AND_DELETE_ELEM", "BPF_MAP_FREEZE", "BPF_BTF_GET_NEXT_ID",
        "BPF_MAP_LOOKUP_BATCH", "BPF_MAP_LOOKUP_AND_DELETE_BATCH", "BPF_MAP_UPDATE_BATCH", "BPF_MAP_DELETE_BATCH",
        "BPF_LINK_CREATE", "BPF_LINK_UPDATE", "BPF_LINK_GET_FD_BY_ID", "BPF_LINK_GET_NEXT_ID", "BPF_ENABLE_STATS",
        "BPF_ITER_CREATE", "BPF_LINK_DETACH", "BPF_PROG_BIND_MAP", "BPF_TOKEN_CREATE", "BPF_PROG_STREAM_READ_BY_FD",
    )
}  # fmt: skip


def cmd_name(cmd: int) -> str:
    """``BPF_MAP_CREATE`` for 0; ``bpf_cmd 99`` for a number that no kernel of this version knows."""
    return _CMD_NAMES.get(cmd, f"bpf_cmd {cmd}")


class BpfKernel(Protocol):
    """What everything above the kernel is written against; Kernel and LinuxKernel are the two."""

    @property
    def features(self) -> Features:
        """Version, architecture, possible CPUs."""
        ...

    def bpf(self, cmd: int, attr: bytearray) -> int:
        """``syscall(__NR_bpf, cmd, &attr, sizeof(attr))``.

        :param cmd: ``enum bpf_cmd``.
        :param attr: ``union bpf_attr``, as long as the caller's idea of it; outputs are written in place. Pointers
            inside are addresses of this process.
        :return: an fd or 0.
        :raises SyscallError: with the kernel's errno.
        """
        ...

    def close(self, fd: int) -> None:
        """Close an fd that bpf() returned. :raises SyscallError: EBADF."""
        ...

    def dup(self, fd: int) -> int:
        """A further fd for the same object, closed on exec. :raises SyscallError: EBADF."""
        ...

    def mmap(self, fd: int, length: int, prot: int, offset: int = 0, *, addr: int = 0) -> memoryview:
        """Map a map's memory (MAP_SHARED).

        :param length: bytes; rounded up to pages by the kernel.
        :param prot: ``mmap.PROT_READ | mmap.PROT_WRITE``; without PROT_WRITE the view is read-only.
        :param offset: bytes, a multiple of the page size.
        :param addr: where (an arena made with ``map_extra`` has to be there), 0 for anywhere.
        :raises SyscallError: EINVAL, EACCES, EPERM, ENOTSUPP as the map's map_mmap.
        """
        ...

    def poll(self, fd: int) -> Waiter:
        """Something to wait on until the ring buffer of *fd* has data (of a user ring buffer: room).

        :raises SyscallError: EBADF, EINVAL.
        """
        ...

    def ring_fds(self, fd: int) -> list[int]:
        """New descriptors of this process through which another one can map the ring buffer of *fd* and wait for it."""
        ...

    def read(self, fd: int, size: int) -> bytes:
        """read(2) from an fd of BPF_ITER_CREATE: at most *size* bytes, none at the end.

        :raises SyscallError: the errno that read(2) gives.
        """
        ...

    def perf_event_open(self, cpu: int) -> int:
        """A PERF_COUNT_SW_BPF_OUTPUT event of *cpu*, disabled, for a BPF_MAP_TYPE_PERF_EVENT_ARRAY.

        :return: an fd.
        :raises SyscallError: EINVAL, EACCES, ENODEV as perf_event_open(2).
        """
        ...

    def mkdir(self, path: str) -> None:
        """Make a folder in the BPF file system. :raises SyscallError: EEXIST, ENOENT."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a name that BPF_OBJ_PIN made. :raises SyscallError: ENOENT."""
        ...

    def btf_vmlinux(self) -> Btf | None:
        """The kernel's own BTF, None when it has none."""
        ...
