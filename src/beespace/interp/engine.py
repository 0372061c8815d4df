"""The reference engine: every access checked, every instruction counted; it also runs unverified programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.errors import GuestFault
from beespace.interp import machine
from beespace.interp.code import Code, Meaning
from beespace.interp.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from beespace.decl.events import Sink
    from beespace.decl.prog import XlatedProgram
    from beespace.decl.run import RunContext

__all__ = ["Interp", "InterpExecutable"]

_INSN_BYTES = 8


class Interp:
    """The engine "interp".

    :param sink: receives a CallEvent for each helper, kfunc and tail call.
    :ivar between: called before each instruction, None: nobody; others may run meanwhile.
    """

    name = "interp"

    def __init__(self, sink: Sink | None = None) -> None:
        self.sink = sink
        self.between: Callable[[], None] | None = None
        self._meaning = Meaning(machine)

    def prepare(self, prog: XlatedProgram) -> InterpExecutable:
        """Decode *prog*. What is illegal in it faults when it is reached."""
        return InterpExecutable(prog, self._meaning, self.sink, self)


class InterpExecutable:
    """A decoded program. Runs may nest, and different runs may share it."""

    entry = 0
    is_native = False

    def __init__(self, prog: XlatedProgram, meaning: Meaning, sink: Sink | None, engine: Interp | None = None) -> None:
        self.program = prog
        self.engine = engine
        self.code = Code(prog, meaning)
        self.sink = sink
        self.verified = prog.verified is not None
        self.exception_cb = next((s.start for s in prog.subprogs if s.is_exception_cb), -1)

    def machine(self, run: RunContext, *args: int) -> Machine:
        """The program about to run with R1.. = *args*, for single steps. finish() or abandon() it."""
        return Machine(self, run, 0, args, True)

    def run(self, run: RunContext, ctx: int) -> int:
        """Execute with R1 = *ctx*, counting instructions and tail calls from 0; R0 as u64.

        :raises GuestFault: an unverified program misbehaved.
        """
        run.tail_calls = 0
        run.insn_count = 0
        run.aborted = False
        return self._finish(Machine(self, run, 0, (ctx,), True))

    def expect(self, runs: int) -> None:
        """Nothing: it is what it is."""

    def repeat(self, run: RunContext, ctx: int, count: int) -> int:
        """run() *count* times, at least once; R0 of the last."""
        for _ in range(count - 1):
            self.run(run, ctx)
        return self.run(run, ctx)

    def enter(self, run: RunContext, ctx: int) -> int:
        """As run(), in the middle of a run."""
        return self._finish(Machine(self, run, 0, (ctx,), True))

    def invoke(self, run: RunContext, text_address: int, *args: int) -> int:
        """Execute the subprogram at *text_address* with R1.. = *args*; R0 as u64.

        :raises GuestFault: no instruction of the program is there.
        """
        offset = text_address - self.program.text
        if offset % _INSN_BYTES or not 0 <= offset // _INSN_BYTES < len(self.program.insns):
            raise GuestFault("call of an address that is no text of the program", "interp", address=text_address)
        return self._finish(Machine(self, run, offset // _INSN_BYTES, args, False))

    def _finish(self, machine: Machine) -> int:
        between = self.engine.between if self.engine is not None else None
        if between is not None:
            between()
            while machine.step():
                between()
        return machine.finish()
