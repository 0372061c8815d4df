"""Programs on packets, run by both kernels: what BPF_PROG_TEST_RUN answers, as values that can be compared.

The simulated side is the program type's own ``test_run``, the translation and the interpreter; accesses to the context
are found by convention instead of by the verifier: R6 holds the context (R1 does until the first call), R9 a socket.
"""

from __future__ import annotations

import ctypes
import errno
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from beespace.decl import Features, Program, Registry
from beespace.decl.prog import InsnAux, SubprogInfo, VerifiedProgram, XlatedProgram
from beespace.decl.testrun import TestRunRequest
from beespace.errors import SyscallError
from beespace.interp import Interp
from beespace.isa import Insn, assemble
from beespace.isa.insn import encode_insns
from beespace.kernel import LinuxKernel
from beespace.kernel.slices import linux_registry
from beespace.mem import AddressSpace, Region
from beespace.testing.engines import BareRun
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import ProgLoadAttr, ProgTestRunAttr
from beespace.xlate import xlate

__all__ = ["Outcome", "PacketProgram", "load_on_linux", "on_linux", "on_simulation"]

_ROOM = 1 << 17
_LOG = 1 << 16
_CTX_ROOM = 1 << 13
_CALL = uapi.BPF_JMP | uapi.BPF_CALL


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back: errno alone, or the rest."""

    errno: int = 0
    retval: int = 0
    data: bytes | None = None
    ctx: bytes | None = None

    def __str__(self) -> str:
        if self.errno:
            return errno.errorcode[self.errno]
        ctx = "" if self.ctx is None else " ctx " + self.ctx.hex(" ", 4)
        return f"{self.retval:#x} data[{len(self.data or b'')}] {(self.data or b'').hex()}{ctx}"


@dataclass(frozen=True, slots=True)
class PacketProgram:
    """A program of one type.

    >>> PacketProgram(6, "r0 = 2; exit").insns[1].code == 0x95
    True
    """

    prog_type: int
    source: str
    attach_type: int = 0
    prog_flags: int = 0

    @property
    def insns(self) -> tuple[Insn, ...]:
        """Assembled."""
        return assemble(self.source).insns


def _request(record: dict[str, Any], data: bytes | None, ctx: bytes | None) -> TestRunRequest:
    room = _CTX_ROOM if ctx is not None else 0
    return TestRunRequest(
        data_in=data, ctx_in=ctx, want_data_out=True, want_ctx_out=ctx is not None, ctx_size_out=room,
        data_size_out=_ROOM, **record,
    )  # fmt: skip


# ------------------------------------------------------------------ the real one


def _buffer(data: bytes | int) -> Any:
    return (
        ctypes.create_string_buffer(data, len(data)) if isinstance(data, bytes) else ctypes.create_string_buffer(data)
    )


def load_on_linux(kernel: LinuxKernel, prog: PacketProgram) -> int:
    """Its fd. Raises AssertionError with the verifier's log when it is refused: the test is wrong then."""
    code, licence, log = _buffer(encode_insns(prog.insns)), _buffer(b"GPL\0"), _buffer(_LOG)
    record = ProgLoadAttr(
        prog.prog_type, len(prog.insns), ctypes.addressof(code), ctypes.addressof(licence),
        prog_flags=prog.prog_flags, expected_attach_type=prog.attach_type,
    )  # fmt: skip
    try:
        return kernel.bpf(uapi.BPF_PROG_LOAD, record.pack())
    except SyscallError:
        record.log_level, record.log_size, record.log_buf = 1, _LOG, ctypes.addressof(log)
        try:
            return kernel.bpf(uapi.BPF_PROG_LOAD, record.pack())
        except SyscallError as error:
            raise AssertionError(f"{error}\n{log.value.decode()}") from None


def on_linux(
    kernel: LinuxKernel, prog: PacketProgram, runs: list[tuple[bytes | None, bytes | None]], **record: int
) -> list[Outcome]:
    """Load once, run on each (data, ctx)."""
    fd = load_on_linux(kernel, prog)
    try:
        return [_run_on_linux(kernel, fd, data, ctx, record) for data, ctx in runs]
    finally:
        kernel.close(fd)


def _run_on_linux(
    kernel: LinuxKernel, fd: int, data: bytes | None, ctx: bytes | None, record: dict[str, int]
) -> Outcome:
    data_in, data_out = _buffer(data or b"\0"), _buffer(_ROOM)
    ctx_in, ctx_out = _buffer(ctx or b"\0"), _buffer(_CTX_ROOM)
    attr = ProgTestRunAttr(fd, data_size_out=_ROOM, data_out=ctypes.addressof(data_out), **record)
    if data is not None:
        attr.data_size_in, attr.data_in = len(data), ctypes.addressof(data_in)
    if ctx is not None:
        attr.ctx_size_in, attr.ctx_size_out = len(ctx), _CTX_ROOM
        attr.ctx_in, attr.ctx_out = ctypes.addressof(ctx_in), ctypes.addressof(ctx_out)
    packed = attr.pack()
    try:
        kernel.bpf(uapi.BPF_PROG_TEST_RUN, packed)
    except SyscallError as error:
        return Outcome(error.errno or 0)
    attr = ProgTestRunAttr.unpack(packed)
    return Outcome(
        0, attr.retval, data_out.raw[: attr.data_size_out], None if ctx is None else ctx_out.raw[: attr.ctx_size_out]
    )


# ------------------------------------------------------------------ the simulated one


@cache
def _registry() -> Registry:
    return linux_registry()


def _annotate(registry: Registry, prog: PacketProgram) -> list[InsnAux]:
    insns = prog.insns
    prog_type = registry.prog_types[prog.prog_type]
    called = False
    aux = []
    for insn in insns:
        note = InsnAux(seen=True)
        cls = insn.code & 7
        base = insn.src_reg if cls == uapi.BPF_LDX else insn.dst_reg
        memory = cls in (uapi.BPF_LDX, uapi.BPF_ST, uapi.BPF_STX)
        size = {uapi.BPF_B: 1, uapi.BPF_H: 2, uapi.BPF_W: 4, uapi.BPF_DW: 8}[insn.code & 0x18]
        if memory and (base == 6 or (base == 1 and not called)):
            note.ptr_type = uapi.PTR_TO_CTX
            note.ctx_field = prog_type.ctx_access(
                insn.off, size, cls != uapi.BPF_LDX, attach_type=prog.attach_type, ldsx=insn.code & 0xE0 == 0x80
            )
            assert note.ctx_field is not None, f"no field of the context: {insn}"
        elif memory and base == 9:
            note.ptr_type = uapi.PTR_TO_SOCK_COMMON
            note.ctx_field = registry.pointer_fields[uapi.PTR_TO_SOCKET].access(insn.off, size)
            assert note.ctx_field is not None, f"no field of a socket: {insn}"
        called = called or insn.code == _CALL
        aux.append(note)
    return aux


class _Env:
    # TestRunEnv without a kernel

    def __init__(self, program: XlatedProgram, features: Features, attach_type: int) -> None:
        self.program = program
        self.features = features
        self.expected_attach_type = attach_type
        self.mem = AddressSpace(64)
        self.run = BareRun(self.mem)

    def borrow(self, name: str, size: int) -> Region:
        return self.mem.alloc(size, name=name, align=64)

    def execute(self, ctx: int, repeat: int, *, cpu: int | None = None) -> tuple[int, int]:
        executable = Interp().prepare(self.program)
        r0 = 0
        for _ in range(max(repeat, 1)):
            r0 = self.run.execute(executable, ctx)
        return r0, 0


def on_simulation(prog: PacketProgram, runs: list[tuple[bytes | None, bytes | None]], **record: int) -> list[Outcome]:
    """As on_linux()."""
    registry = _registry()
    program = Program(
        "packets", prog.prog_type, prog.insns, expected_attach_type=prog.attach_type, prog_flags=prog.prog_flags
    )
    verified = VerifiedProgram(program, prog.insns, tuple(_annotate(registry, prog)), (SubprogInfo(0),))
    xlated = replace(xlate(verified, registry, map_layout=_no_maps), verified=None)  # the interpreter checks accesses
    return [_run_on_simulation(registry, prog, xlated, data, ctx, record) for data, ctx in runs]


def _no_maps(meta: object) -> Any:
    raise AssertionError("no maps here")


def _run_on_simulation(
    registry: Registry, prog: PacketProgram, xlated: XlatedProgram, data: bytes | None, ctx: bytes | None, record: Any
) -> Outcome:
    env = _Env(xlated, registry.features, prog.attach_type)
    try:
        test_run = registry.prog_types[prog.prog_type].test_run
        assert test_run is not None
        result = test_run(_request(record, data, ctx), env)
    except SyscallError as error:
        return Outcome(error.errno or 0)
    finally:
        env.mem.close()
    return Outcome(0, result.retval, result.data_out, result.ctx_out)
