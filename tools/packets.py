"""Programs on packets, run by either kernel: what BPF_PROG_TEST_RUN answers, as values that can be compared."""

from __future__ import annotations

import ctypes
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beespace.errors import SyscallError
from beespace.isa import Insn, assemble
from beespace.isa.insn import encode_insns
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import ProgLoadAttr, ProgTestRunAttr

if TYPE_CHECKING:
    from beespace.kernel.seam import BpfKernel

__all__ = ["Outcome", "PacketProgram", "run_packets"]

_ROOM = 1 << 17
_LOG = 1 << 16
_CTX_ROOM = 1 << 13


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


def _buffer(data: bytes | int) -> Any:
    return (
        ctypes.create_string_buffer(data, len(data)) if isinstance(data, bytes) else ctypes.create_string_buffer(data)
    )


def _load(kernel: BpfKernel, prog: PacketProgram) -> int:
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


def run_packets(
    kernel: BpfKernel, prog: PacketProgram, runs: list[tuple[bytes | None, bytes | None]], **record: int
) -> list[Outcome]:
    """Load once, run on each (data, ctx)."""
    fd = _load(kernel, prog)
    try:
        return [_run(kernel, fd, data, ctx, record) for data, ctx in runs]
    finally:
        kernel.close(fd)


def _run(kernel: BpfKernel, fd: int, data: bytes | None, ctx: bytes | None, record: dict[str, int]) -> Outcome:
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
