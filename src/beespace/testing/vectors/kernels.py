"""Vectors on a kernel, through bpf(2): loaded, verified, run by BPF_PROG_TEST_RUN."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType

from beespace.api.calls import Buffer, Calls, LoadingKernel
from beespace.btf import BtfBuilder
from beespace.errors import BpfError, InputError, SyscallError
from beespace.isa import Assembly, Insn, assemble, encode_insns, is_ld_imm64
from beespace.testing.vectors import MEMORY_BYTES, Case, Mismatch, Vector
from beespace.uapi import attr, bpf

__all__ = ["KernelRunner"]

_KEY = bytes(4)
_FRAME = bytes(MEMORY_BYTES)  # what runs without a packet get: TEST_RUN wants at least an Ethernet header
_LOG_BYTES = 1 << 16
# R0 leaves through a map: TEST_RUN returns 32 bits. The vector is a function of its own so that it may exit anywhere.
_CALL = """
    r1 = map_value:mem ll
    r2 = 64
    call sub:__vector
    r1 = map_value:out ll
    *(u64 *)(r1 + 0) = r0
    r0 = 0
    exit
__vector:
"""
_CELLS = (100, 101, 102, 103)
_ENVIRONMENT: dict[str, Callable[[], attr.MapCreateAttr]] = {
    "mem": lambda: attr.MapCreateAttr(bpf.BPF_MAP_TYPE_ARRAY, 4, MEMORY_BYTES, 1),
    "out": lambda: attr.MapCreateAttr(bpf.BPF_MAP_TYPE_ARRAY, 4, 8, 1),
    "cells": lambda: attr.MapCreateAttr(bpf.BPF_MAP_TYPE_ARRAY, 4, 8, len(_CELLS)),
    "jumps": lambda: attr.MapCreateAttr(bpf.BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1),
    "arena": lambda: attr.MapCreateAttr(bpf.BPF_MAP_TYPE_ARENA, 0, 0, 1, bpf.BPF_F_MMAPABLE),
}


class KernelRunner:
    """Maps of the environment, and programs loaded one at a time. A context manager: it closes what it opened.

    The maps: ``mem`` (64 bytes, what R1 points to), ``out`` (R0), ``cells`` (array of four u64: 100, 101, ...),
    ``jumps`` (an empty program array), ``arena`` (a page that begins with the same four u64).
    """

    def __init__(self, kernel: LoadingKernel) -> None:
        self._kernel = kernel
        self._calls = Calls(kernel)
        self._maps: dict[str, int] = {}
        self._arena = memoryview(b"")

    def __enter__(self) -> KernelRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fd in self._maps.values():
            self._kernel.close(fd)
        self._maps.clear()
        self._arena = memoryview(b"")

    # Created when a program first names it: a kernel without arenas runs all but those that need one.
    def _map(self, name: str) -> int:
        if name not in self._maps:
            if name not in _ENVIRONMENT:
                raise InputError(f"vectors know no map {name}")
            fd = self._calls.map_create(_ENVIRONMENT[name](), name)
            if name == "arena":
                self._arena = self._map_arena(fd)
            self._maps[name] = fd
        return self._maps[name]

    # A kernel that creates arenas but cannot map them is asked again by the next vector, not taken for one that can.
    def _map_arena(self, fd: int) -> memoryview:
        try:
            return self._kernel.mmap(fd, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE)
        except BpfError:
            self._kernel.close(fd)
            raise

    def run(self, vector: Vector) -> Iterator[Mismatch]:
        """Run all cases: what did not come out as it must.

        :raises InputError: the kernel refuses the program; with its log.
        """
        fd = self.load(vector)
        try:
            for case in vector.cases:
                r0, memory = self._run_case(fd, vector, case)
                if mismatch := vector.check(case, r0, memory):
                    yield mismatch
        finally:
            self._kernel.close(fd)

    def _run_case(self, fd: int, vector: Vector, case: Case) -> tuple[int, bytes]:
        if "cells" in self._maps:
            for i, value in enumerate(_CELLS):
                self._calls.map_update(self._maps["cells"], i.to_bytes(4, "little"), value.to_bytes(8, "little"))
        if "arena" in self._maps:
            self._arena[: 8 * len(_CELLS)] = struct.pack(f"<{len(_CELLS)}Q", *_CELLS)
        self._calls.map_update(self._map("mem"), _KEY, case.memory)
        data = Buffer(case.packet or _FRAME)
        record = attr.ProgTestRunAttr(prog_fd=fd, data_size_in=data.size, data_in=data.address)
        result = self._calls.prog_test_run(record, vector.name)
        if vector.kind == "packet":
            return result.retval, b""
        memory = self._calls.map_lookup(self._maps["mem"], _KEY, MEMORY_BYTES)
        out = self._calls.map_lookup(self._maps["out"], _KEY, 8)
        return int.from_bytes(out or b"", "little"), memory or b""

    def load(self, vector: Vector) -> int:
        """Load the program of *vector* as run() does: an fd that the caller closes."""
        assembly = assemble(vector.asm if vector.kind == "packet" else _CALL + vector.asm)
        kfuncs = {name: (btf_id, 0) for name, btf_id in self._ids(assembly, "kfunc", bpf.BTF_KIND_FUNC).items()}
        maps = {r.name: self._map(r.name) for r in assembly.relocs if r.kind in ("map", "map_value")}
        ksyms = self._ids(assembly, "ksym", bpf.BTF_KIND_FUNC)
        insns = assembly.link(maps, kfuncs, ksyms)
        code = Buffer(encode_insns(insns))
        text, log = Buffer(b"GPL\0"), Buffer(_LOG_BYTES)
        fds = Buffer(struct.pack(f"<{len(vector.fd_array)}i", *map(self._map, vector.fd_array)))
        record = attr.ProgLoadAttr(
            prog_type=bpf.BPF_PROG_TYPE_SCHED_CLS,
            insn_cnt=len(insns),
            insns=code.address,
            license=text.address,
            fd_array=fds.address if vector.fd_array else 0,
        )
        if any(is_ld_imm64(insn) and insn.src_reg == bpf.BPF_PSEUDO_FUNC for insn in insns):
            return self._load_with_btf(record, insns, log, vector)
        return self._prog_load(record, log, vector)

    def _prog_load(self, record: attr.ProgLoadAttr, log: Buffer, vector: Vector) -> int:
        try:
            return self._calls.prog_load(record, "vector")
        except SyscallError as error:
            record.log_level, record.log_size, record.log_buf = 1, log.size, log.address
            with suppress(SyscallError):  # the same again: for its log
                self._calls.prog_load(record, "vector")
            said = log.data.split(b"\0", 1)[0].decode()
            raise InputError(f"{vector.file}:{vector.line}: {vector.name}: {error}\n{said}") from error

    # A callback is only taken with func_info: every function is "static int f()" there.
    def _load_with_btf(self, record: attr.ProgLoadAttr, insns: tuple[Insn, ...], log: Buffer, vector: Vector) -> int:
        builder = BtfBuilder()
        proto = builder.add_func_proto(builder.add_int("int", 4, signed=True))
        starts = [0, *sorted({idx + insn.imm + 1 for idx, insn in enumerate(insns) if _refers_to_subprog(insn)})]
        ids = [builder.add_func(f"f{start}", proto, bpf.BTF_FUNC_STATIC) for start in starts]
        infos = Buffer(b"".join(attr.BpfFuncInfo(*pair).pack() for pair in zip(starts, ids, strict=True)))
        record.prog_btf_fd = self._calls.btf_load(builder.build())
        record.func_info, record.func_info_cnt = infos.address, len(starts)
        record.func_info_rec_size = attr.BpfFuncInfo.SIZE
        try:
            return self._prog_load(record, log, vector)
        finally:
            self._kernel.close(record.prog_btf_fd)

    # BTF ids of the names of *kind* ("kfunc", "ksym") that the program uses.
    def _ids(self, assembly: Assembly, kind: str, btf_kind: int) -> dict[str, int]:
        names = {reloc.name for reloc in assembly.relocs if reloc.kind == kind}
        btf = self._kernel.btf_vmlinux() if names else None
        if names and btf is None:
            raise InputError(f"{', '.join(sorted(names))}: the kernel has no BTF to find them by")
        ids = {name: btf.find(name, btf_kind) for name in names} if btf is not None else {}
        return {name: btf_id for name, btf_id in ids.items() if btf_id}


def _refers_to_subprog(insn: Insn) -> bool:
    if is_ld_imm64(insn):
        return insn.src_reg == bpf.BPF_PSEUDO_FUNC
    return insn.code == bpf.BPF_JMP | bpf.BPF_CALL and insn.src_reg == bpf.BPF_PSEUDO_CALL
