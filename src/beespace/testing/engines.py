"""Running programs on an engine without a kernel: what tests of engines and engines of others need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from beespace.decl.prog import InsnAux, Program, SubprogInfo, VerifiedProgram, XlatedProgram
from beespace.decl.runstate import RunState
from beespace.errors import GuestFault, Unsupported
from beespace.isa import LD_IMM64, Insn
from beespace.mem import AddressSpace
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.decl.func import FuncProto
    from beespace.decl.kfunc import KfuncProto
    from beespace.decl.run import Executable

__all__ = ["STACK_BYTES", "BareRun", "trusted"]

STACK_BYTES = 8192  # eight frames, and as many of callbacks


class BareRun(RunState):
    """A RunContext that owns its memory and knows no kernel.

    :ivar maps: descriptor address -> map object, for map arguments of helpers.
    :ivar programs: (map object, index) -> Executable, for tail calls.
    :ivar texts: executables whose subprograms may be called back.
    """

    def __init__(self, mem: AddressSpace | None = None, *, cpu: int = 0) -> None:
        space = mem if mem is not None else AddressSpace(64)
        region = space.alloc(STACK_BYTES, name="stack")
        super().__init__(cpu=cpu, stack=region.base, stack_bytes=region.size, mem=space)
        self.stack_region = region
        self.kernel: Any = None
        self.program: XlatedProgram | None = None
        self.ctx = 0
        self.maps: dict[int, Any] = {}
        self.programs: dict[tuple[Any, int], Executable] = {}
        self.texts: list[Executable] = []
        self.clock_ns = 0

    def execute(self, executable: Executable, ctx: int = 0) -> int:
        """Run a program; R0 as u64."""
        self.program = executable.program
        self.ctx = ctx
        if executable not in self.texts:
            self.texts.append(executable)
        return executable.run(self, ctx)  # type: ignore[arg-type]  # kernel and program are looser here

    def map_at(self, descriptor: int) -> Any:
        """The map object registered for *descriptor*."""
        if descriptor not in self.maps:
            raise GuestFault("not a map", address=descriptor)
        return self.maps[descriptor]

    def tail_call(self, prog_array: Any, index: int) -> Executable | None:
        """The registered program, if there is one."""
        return self.programs.get((prog_array, index))

    def invoke(self, text_address: int, *args: int) -> int:
        """Call a subprogram back."""
        for executable in self.texts:
            if 0 <= text_address - executable.program.text < 8 * len(executable.program.insns):
                return executable.invoke(self, text_address, *args)  # type: ignore[arg-type]  # as above
        raise GuestFault("no program has text here", address=text_address)

    def ktime_ns(self, clock: int) -> int:
        """A clock that advances by one with each look."""
        self.clock_ns += 1
        return self.clock_ns

    def prandom_u32(self) -> int:
        """Not random at all."""
        return 4

    def printk(self, text: str) -> None:
        """:raises Unsupported: always."""
        raise Unsupported("printk without a kernel")

    def word(self, addr: int, size: int = 8) -> int:
        """Guest memory as unsigned word."""
        return int.from_bytes(self.mem.read(addr, size), "little")


def trusted(
    insns: Sequence[Insn],
    *,
    name: str = "trusted",
    calls: Mapping[int, FuncProto | KfuncProto] | None = None,
    aux: Mapping[int, InsnAux] | None = None,
    callbacks: Sequence[int] = (),
    text: int = 0,
    **more: Any,  # XlatedProgram's remaining fields
) -> XlatedProgram:
    """A program that is taken for verified, without a verifier's word for it: a wrong one ends the process.

    :param aux: by insn_idx; ``callbacks``: insn_idx of subprograms that helpers call.
    """
    starts = {0, *callbacks}
    idx = 0
    while idx < len(insns):
        insn = insns[idx]
        if insn.code == uapi.BPF_JMP | uapi.BPF_CALL and insn.src_reg == uapi.BPF_PSEUDO_CALL:
            starts.add(idx + 1 + insn.imm)
        idx += 2 if insn.code == LD_IMM64 else 1
    subprogs = tuple(SubprogInfo(start, is_cb=start in callbacks) for start in sorted(starts))
    auxs = tuple((aux or {}).get(idx, InsnAux(seen=True)) for idx in range(len(insns)))
    verified = VerifiedProgram(Program(name, uapi.BPF_PROG_TYPE_UNSPEC, tuple(insns)), tuple(insns), auxs, subprogs)
    return XlatedProgram(
        verified=verified,
        name=name,
        prog_type=uapi.BPF_PROG_TYPE_UNSPEC,
        insns=tuple(insns),
        subprogs=subprogs,
        calls=dict(calls or {}),
        aux=auxs,
        text=text,
        **more,
    )
