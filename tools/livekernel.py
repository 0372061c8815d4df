"""The running kernel as an oracle: bpf(2) through ctypes, and its read-only tables through a BPF program.

Declarations are compared with what the running kernel answers (programs loaded, verdict and log) and with its own
tables (``struct bpf_func_proto``, kfunc sets), which a raw_tracepoint program reads with bpf_probe_read_kernel() under
BPF_PROG_TEST_RUN. Nothing is attached, nothing is written. Needs root; ``available()`` says why not.
"""

from __future__ import annotations

import bisect
import ctypes
import mmap
import os
import platform
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["KernelMemory", "Verdict", "available", "bpf", "insn", "kallsyms", "load"]

NR_BPF = {"x86_64": 321, "aarch64": 280}.get(platform.machine(), 0)
BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_PROG_TEST_RUN = 0, 5, 10
BPF_BTF_GET_FD_BY_ID = 19
_libc = ctypes.CDLL(None, use_errno=True)


def bpf(cmd: int, attr: bytes | bytearray) -> int:
    """bpf(2). The attribute is updated in place when it is a bytearray; raises OSError."""
    buf = (ctypes.c_char * len(attr)).from_buffer(attr) if isinstance(attr, bytearray) else attr
    ret = _libc.syscall(NR_BPF, cmd, buf, len(attr))
    if ret < 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))
    return int(ret)


def insn(code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    """One ``struct bpf_insn``."""
    return struct.pack("<BBhi", code, dst | src << 4, off, imm if imm < 1 << 31 else imm - (1 << 32))


MOV0_EXIT = insn(0xB7) + insn(0x95)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What BPF_PROG_LOAD answered: errno (0 accepted) and the verifier's log."""

    errno: int
    log: str


def load(
    prog_type: int,
    insns: bytes,
    *,
    prog_license: str = "GPL",
    attach_type: int = 0,
    flags: int = 0,
    attach_btf_id: int = 0,
    log_level: int = 1,
    name: str = "probe",
    keep: bool = False,
) -> Verdict | int:
    """Load a program; ``keep`` returns the fd of an accepted one (the caller closes it)."""
    code = ctypes.create_string_buffer(insns, len(insns))
    text = ctypes.create_string_buffer(prog_license.encode() + b"\0")
    log = ctypes.create_string_buffer(1 << 16)
    attr = bytearray(152)
    struct.pack_into("<IIQQ", attr, 0, prog_type, len(insns) // 8, ctypes.addressof(code), ctypes.addressof(text))
    if log_level:
        struct.pack_into("<IIQ", attr, 24, log_level, len(log), ctypes.addressof(log))
    struct.pack_into("<II16sII", attr, 40, 0, flags, name.encode(), 0, attach_type)
    struct.pack_into("<I", attr, 108, attach_btf_id)
    try:
        fd = bpf(BPF_PROG_LOAD, attr)
    except OSError as e:
        return Verdict(e.errno or 0, log.value.decode(errors="replace"))
    if keep:
        return fd
    os.close(fd)
    return Verdict(0, log.value.decode(errors="replace"))


@cache
def available() -> str:
    """Why the oracle cannot be used here, or ""."""
    if not NR_BPF:
        return f"no bpf(2) number for {platform.machine()}"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "no /sys/kernel/btf/vmlinux"
    verdict = load(1, MOV0_EXIT)
    if isinstance(verdict, Verdict) and verdict.errno:
        return f"bpf(2): {os.strerror(verdict.errno)}"
    return ""


@cache
def kallsyms() -> dict[str, int]:
    """Function symbols of vmlinux: name -> address (the first of several)."""
    found: dict[str, int] = {}
    for line in Path("/proc/kallsyms").read_text().splitlines():
        address, _, name, *module = line.split()
        if not module:
            found.setdefault(name, int(address, 16))
    return found


class KernelMemory:
    """Reads kernel memory through a raw_tracepoint program run by BPF_PROG_TEST_RUN."""

    CHUNK = 16384

    def __init__(self) -> None:
        attr = bytearray(72)
        struct.pack_into("<IIIII", attr, 0, 2, 4, self.CHUNK, 1, 1 << 10)  # array, BPF_F_MMAPABLE
        self.map_fd = bpf(BPF_MAP_CREATE, attr)
        self.view = mmap.mmap(self.map_fd, self.CHUNK)
        code = b"".join(
            (
                insn(0xBF, 6, 1),  # r6 = ctx
                insn(0x18, 1, 2, 0, self.map_fd) + insn(0),  # r1 = &value
                insn(0xB7, 2, 0, 0, self.CHUNK),
                insn(0x79, 3, 6, 0),  # r3 = ctx[0]
                insn(0x85, imm=113),  # bpf_probe_read_kernel
                insn(0x95),
            )
        )
        fd = load(17, code, keep=True)
        assert isinstance(fd, int), fd
        self.prog_fd = fd
        self.symbols = sorted((address, name) for name, address in kallsyms().items())

    def close(self) -> None:
        self.view.close()
        os.close(self.prog_fd)
        os.close(self.map_fd)

    def __enter__(self) -> KernelMemory:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _chunk(self, address: int) -> bytes | None:
        args = (ctypes.c_uint64 * 12)(address)
        attr = bytearray(80)
        struct.pack_into("<II", attr, 0, self.prog_fd, 0)
        struct.pack_into("<I", attr, 40, 96)
        struct.pack_into("<Q", attr, 48, ctypes.addressof(args))
        bpf(BPF_PROG_TEST_RUN, attr)
        (ret,) = struct.unpack_from("<i", attr, 4)
        return bytes(self.view) if ret == 0 else None

    def read(self, address: int, size: int) -> bytes:
        """*size* bytes at *address*; raises ValueError where nothing is mapped."""
        parts = []
        while size > 0:
            data = self._chunk(address)
            if data is None:
                raise ValueError(f"cannot read {address:#x}")
            parts.append(data[:size])
            address, size = address + self.CHUNK, size - self.CHUNK
        return b"".join(parts)

    def u64(self, address: int) -> int:
        """The 8-byte word at *address*."""
        return int.from_bytes(self.read(address, 8), "little")

    def u32(self, address: int) -> int:
        """The 4-byte word at *address*."""
        return int.from_bytes(self.read(address, 4), "little")

    def symbol(self, address: int) -> str:
        """The function that starts at *address*, or ""."""
        i = bisect.bisect_left(self.symbols, (address, ""))
        return self.symbols[i][1] if i < len(self.symbols) and self.symbols[i][0] == address else ""
