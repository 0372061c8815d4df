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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beespace.btf import Btf

__all__ = [
    "KernelMemory",
    "LiveProto",
    "Verdict",
    "available",
    "bpf",
    "dtor_kfuncs",
    "func_protos",
    "has_id_set",
    "insn",
    "kallsyms",
    "kfunc_sets",
    "load",
    "raw_tp_null_args",
]

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

    @staticmethod
    def _run(prog_fd: int, argument: int) -> int:
        args = (ctypes.c_uint64 * 12)(argument)
        attr = bytearray(80)
        struct.pack_into("<II", attr, 0, prog_fd, 0)
        struct.pack_into("<I", attr, 40, 96)
        struct.pack_into("<Q", attr, 48, ctypes.addressof(args))
        bpf(BPF_PROG_TEST_RUN, attr)
        (ret,) = struct.unpack_from("<i", attr, 4)
        return int(ret)

    def _chunk(self, address: int) -> bytes | None:
        return bytes(self.view) if self._run(self.prog_fd, address) == 0 else None

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

    def rodata(self) -> tuple[int, bytes]:
        """Everything readable behind the text: (address, bytes). Constant tables are in there."""
        start = (kallsyms()["_etext"] + 0xFFF) & ~0xFFF
        parts: list[bytes] = []
        while (data := self._chunk(start + len(parts) * self.CHUNK)) is not None:
            parts.append(data)
        return start, b"".join(parts)

    def current_task(self) -> int:
        """Address of this task's ``struct task_struct``."""
        store = (
            insn(0x85, imm=35)  # bpf_get_current_task
            + insn(0x18, 1, 2, 0, self.map_fd)
            + insn(0)
            + insn(0x7B, 1, 0)  # *(u64 *)r1 = r0
            + insn(0xB7)
            + insn(0x95)
        )
        fd = load(17, store, keep=True)
        assert isinstance(fd, int), fd
        try:
            self._run(fd, 0)
        finally:
            os.close(fd)
        return int.from_bytes(self.view[:8], "little")


@dataclass(frozen=True, slots=True)
class LiveProto:
    """``struct bpf_func_proto`` as it stands in the kernel's memory."""

    gpl_only: bool
    pkt_access: bool
    might_sleep: bool
    allow_fastcall: bool
    ret: int
    args: tuple[int, ...]
    extra: tuple[int, ...]  # arg_btf_id pointers or arg_size, 5 words
    ret_btf_id: int  # pointer
    allowed: str


def func_protos(memory: KernelMemory, functions: set[str]) -> dict[str, list[LiveProto]]:
    """The kernel's prototypes whose ``.func`` is one of *functions*: name -> candidates.

    A word that points to the function and is followed by plausible flags, types and padding is one.
    """
    symbols = kallsyms()
    wanted = {symbols[name]: name for name in functions if name in symbols}
    _, data = memory.rodata()
    found: dict[str, list[LiveProto]] = {}
    for i, word in enumerate(memoryview(data).cast("Q")):
        if word not in wanted or (i + 12) * 8 > len(data):
            continue
        *flags, ret = struct.unpack_from("<4BI", data, i * 8 + 8)
        args = struct.unpack_from("<5I", data, i * 8 + 16)
        (padding,) = struct.unpack_from("<I", data, i * 8 + 36)
        *extra, ret_btf_id, allowed = struct.unpack_from("<7Q", data, i * 8 + 40)
        used = sum(1 for arg in args if arg)
        if max(flags) > 1 or padding or ret & 0xFF > 8 or any(arg & 0xFF > 23 for arg in args) or any(args[used:]):
            continue
        name = memory.symbol(allowed) if allowed else ""
        found.setdefault(wanted[word], []).append(
            LiveProto(*map(bool, flags), ret, args[:used], tuple(extra), ret_btf_id, name)  # type: ignore[arg-type]
        )
    return found


def _live_btf(memory: KernelMemory, btf: Btf) -> int:
    # Address of vmlinux's struct btf, through its descriptor in this task's file table.
    def off(type_name: str, path: str) -> int:
        return btf.field(type_name, path).byte_off

    attr = bytearray(32)
    struct.pack_into("<I", attr, 0, 1)  # vmlinux BTF has id 1
    fd = bpf(BPF_BTF_GET_FD_BY_ID, attr)
    try:
        files = memory.u64(memory.current_task() + off("task_struct", "files"))
        table = memory.u64(memory.u64(files + off("files_struct", "fdt")) + off("fdtable", "fd"))
        return memory.u64(memory.u64(table + 8 * fd) + off("file", "private_data"))
    finally:
        os.close(fd)


def kfunc_sets(memory: KernelMemory, btf: Btf) -> dict[str, dict[str, int]]:
    """What is registered for vmlinux: hook (``XDP``) -> kfunc -> KF_* flags."""
    tab = memory.u64(_live_btf(memory, btf) + btf.field("btf", "kfunc_set_tab").byte_off)
    hooks = btf.type(btf.find("btf_kfunc_hook")).values  # type: ignore[union-attr]  # an enum
    found: dict[str, dict[str, int]] = {}
    for hook in hooks[:-1]:
        address = memory.u64(tab + 8 * hook.value)
        count = memory.u32(address) if address else 0
        rows = struct.iter_unpack("<II", memory.read(address + 8, 8 * count))
        found[hook.name.removeprefix("BTF_KFUNC_HOOK_")] = {btf.name_of(id_): flags for id_, flags in rows}
    return found


def dtor_kfuncs(memory: KernelMemory, btf: Btf) -> dict[str, str]:
    """Destructors registered for vmlinux: struct -> function."""
    tab = memory.u64(_live_btf(memory, btf) + btf.field("btf", "dtor_kfunc_tab").byte_off)
    rows = struct.iter_unpack("<II", memory.read(tab + 4, 8 * memory.u32(tab)))
    return {btf.name_of(type_id): btf.name_of(func_id) for type_id, func_id in rows}


def has_id_set(data: bytes, ids: Iterable[int]) -> bool:
    """Whether constant data holds a ``struct btf_id_set`` of exactly *ids*."""
    ordered = sorted(ids)
    return struct.pack(f"<{len(ordered) + 1}I", len(ordered), *ordered) in data


def raw_tp_null_args(start: int, data: bytes, first: str) -> dict[str, int]:
    """The kernel's table of tracepoint arguments that may be NULL, found by its *first* row."""

    def text(address: int) -> str:
        at = address - start
        return data[at : data.index(b"\0", at)].decode("latin-1") if 0 <= at < len(data) else ""

    name = data.find(b"\0" + first.encode() + b"\0") + 1
    while name:
        row = data.find(struct.pack("<Q", start + name))
        while row >= 0:
            found: dict[str, int] = {}
            for pointer, mask in struct.iter_unpack("<QQ", data[row : row + 16 * 512]):
                key = text(pointer)
                if not key.isidentifier() or mask >> 48:
                    break
                found[key] = mask
            if len(found) > 20:
                return found
            row = data.find(struct.pack("<Q", start + name), row + 1)
        name = data.find(b"\0" + first.encode() + b"\0", name) + 1
    return {}
