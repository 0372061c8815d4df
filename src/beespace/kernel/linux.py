"""The real kernel behind the seam: bpf(2) by its system call number."""

from __future__ import annotations

import ctypes
import errno
import mmap as _mmap
import os
import re
import select
import struct
import weakref
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from beespace.decl.registry import Features
from beespace.errors import SyscallError, Unsupported
from beespace.kernel.caps import hint
from beespace.kernel.config import machine_config
from beespace.kernel.seam import cmd_name
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import GetInfoAttr, MapInfo

if TYPE_CHECKING:
    from types import TracebackType

    from beespace.btf import Btf
    from beespace.kernel.poll import Waiter

__all__ = ["NR_BPF", "LinuxKernel"]

# arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h
NR_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280}
_NR_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241, "riscv64": 241}
# struct perf_event_attr: PERF_TYPE_SOFTWARE, size, PERF_COUNT_SW_BPF_OUTPUT, sample_period, PERF_SAMPLE_RAW
_PERF_ATTR = struct.Struct("<IIQQQ")
_PERF_ATTR_BYTES = 128
_PERF_FLAG_CLOEXEC = 8
_DENIED = (errno.EPERM, errno.EACCES)
_VMLINUX_BTF = Path("/sys/kernel/btf/vmlinux")
_POSSIBLE = Path("/sys/devices/system/cpu/possible")
_MAP_FIXED_NOREPLACE = 0x100000  # include/uapi/asm-generic/mman-common.h
_PROBE_ATTR_BYTES = 16  # up to max_entries: enough for an array


def _count_cpus(text: str) -> int:
    # "0-3,8\n": the highest number decides, per-CPU copies are indexed by it
    return 1 + max(int(last) for last in re.findall(r"(\d+)(?:,|$)", text.strip()))


class LinuxKernel:
    """The running kernel. The same calls as Kernel, carried out by bpf(2).

    A context manager that owns nothing: fds belong to the caller, as with the system call.
    """

    def __init__(self) -> None:
        self._machine = os.uname().machine
        self._libc = ctypes.CDLL(None, use_errno=True)

    def __enter__(self) -> LinuxKernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def config(self) -> Mapping[str, str]:
        """CONFIG_* of the running kernel, {} where it does not tell."""
        return machine_config()

    def __repr__(self) -> str:
        return f"<LinuxKernel {os.uname().release}>"

    @cached_property
    def features(self) -> Features:
        """Version from uname (major.minor), architecture, possible CPUs."""
        release = re.match(r"\d+\.\d+", os.uname().release)
        return Features(
            version=release.group() if release else "0.0",
            arch=self._machine,
            cpus=_count_cpus(_POSSIBLE.read_text()),
        )

    def bpf(self, cmd: int, attr: bytearray) -> int:
        """See BpfKernel.bpf. A signal that interrupts the call is EINTR of Python's kind: the call is repeated.

        :see: kernel/bpf/syscall.c:__sys_bpf
        """
        number = NR_BPF.get(self._machine)
        if number is None:
            raise Unsupported(f"bpf(2) on {self._machine}")
        buffer = (ctypes.c_char * len(attr)).from_buffer(attr)
        while True:
            ret = int(self._libc.syscall(ctypes.c_long(number), ctypes.c_int(cmd), buffer, ctypes.c_uint(len(attr))))
            err = ctypes.get_errno()
            if ret >= 0:
                return ret
            if err != errno.EINTR:
                raise SyscallError(err, cmd_name(cmd), hint=hint(err))

    def close(self, fd: int) -> None:
        """close(2)."""
        try:
            os.close(fd)
        except OSError as error:
            raise SyscallError(error.errno or 0, f"close {fd}") from None

    def dup(self, fd: int) -> int:
        """fcntl(fd, F_DUPFD_CLOEXEC)."""
        try:
            return os.dup(fd)
        except OSError as error:
            raise SyscallError(error.errno or 0, f"dup {fd}") from None

    def mmap(self, fd: int, length: int, prot: int, offset: int = 0, *, addr: int = 0) -> memoryview:
        """mmap(2) with MAP_SHARED; unmapped when the view is gone."""
        if addr:
            return self._mmap_at(fd, length, prot, offset, addr)
        try:
            return memoryview(_mmap.mmap(fd, length, flags=_mmap.MAP_SHARED, prot=prot, offset=offset))
        except OSError as error:
            raise SyscallError(error.errno or 0, f"mmap {fd}") from None

    def _mmap_at(self, fd: int, length: int, prot: int, offset: int, addr: int) -> memoryview:
        # Python's mmap has no address. MAP_FIXED_NOREPLACE: never on top of something else.
        mmap, munmap = self._libc.mmap, self._libc.munmap
        mmap.restype, mmap.argtypes = ctypes.c_void_p, (
            ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
        )  # fmt: skip
        munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        if mmap(addr, length, prot, _mmap.MAP_SHARED | _MAP_FIXED_NOREPLACE, fd, offset) != addr:
            raise SyscallError(ctypes.get_errno(), f"mmap {fd} at {addr:#x}")
        memory = (ctypes.c_ubyte * length).from_address(addr)
        weakref.finalize(memory, munmap, addr, length)
        view = memoryview(memory).cast("B")
        return view if prot & _mmap.PROT_WRITE else view.toreadonly()

    def poll(self, fd: int) -> Waiter:
        """The map's own file, which poll(2) understands."""
        from beespace.kernel.poll import LinuxWaiter

        info = bytearray(MapInfo.SIZE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(info))
        self.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(bpf_fd=fd, info_len=len(info), info=address).pack())
        produces = MapInfo.unpack(bytes(info)).type == uapi.BPF_MAP_TYPE_USER_RINGBUF
        return LinuxWaiter(fd, select.EPOLLOUT if produces else select.EPOLLIN)

    def ring_fds(self, fd: int) -> list[int]:
        """The map itself."""
        return [self.dup(fd)]

    def read(self, fd: int, size: int) -> bytes:
        """read(2)."""
        try:
            return os.read(fd, size)
        except OSError as error:
            raise SyscallError(error.errno or 0, f"read {fd}") from None

    def perf_event_open(self, cpu: int) -> int:
        """perf_event_open(2) for all processes on *cpu*; nothing is sampled before it is enabled.

        :see: kernel/events/core.c:__do_sys_perf_event_open
        """
        number = _NR_PERF_EVENT_OPEN.get(self._machine)
        if number is None:
            raise Unsupported(f"perf_event_open(2) on {self._machine}")
        attr = ctypes.create_string_buffer(_PERF_ATTR.pack(1, _PERF_ATTR_BYTES, 10, 1, 1 << 10), _PERF_ATTR_BYTES)
        arguments = (attr, ctypes.c_long(-1), ctypes.c_long(cpu), ctypes.c_long(-1), ctypes.c_long(_PERF_FLAG_CLOEXEC))
        fd = int(self._libc.syscall(ctypes.c_long(number), *arguments))
        if fd < 0:
            err = ctypes.get_errno()
            raise SyscallError(err, "perf_event_open", hint="needs CAP_PERFMON" if err in _DENIED else "")
        return fd

    def mkdir(self, path: str) -> None:
        """mkdir(2), for the owner alone."""
        try:
            os.mkdir(path, 0o700)
        except OSError as error:
            raise SyscallError(error.errno or 0, f"mkdir {path}") from None

    def unlink(self, path: str) -> None:
        """unlink(2)."""
        try:
            os.unlink(path)
        except OSError as error:
            raise SyscallError(error.errno or 0, f"unlink {path}") from None

    def btf_vmlinux(self) -> Btf | None:
        """/sys/kernel/btf/vmlinux, None when the kernel was built without CONFIG_DEBUG_INFO_BTF."""
        if not _VMLINUX_BTF.exists():
            return None
        from beespace.btf import Btf

        return Btf.vmlinux()

    def allowed(self) -> str | None:
        """None when this process may create maps and load programs, otherwise the reason why not."""
        if self._machine not in NR_BPF:
            return f"number of bpf(2) not known on {self._machine}"
        attr = bytearray(_PROBE_ATTR_BYTES)
        for field, value in enumerate((uapi.BPF_MAP_TYPE_HASH, 4, 4, 1)):
            attr[4 * field : 4 * field + 4] = value.to_bytes(4, "little")
        try:
            self.close(self.bpf(uapi.BPF_MAP_CREATE, attr))
        except SyscallError as error:
            return str(error)
        return None
