"""The engine "auto": programs are interpreted until compiling them pays.

The measure is what the interpreter has executed of a program; compiling one costs as much as interpreting a million
instructions, so it is compiled after as many, and nobody waits twice as long as with the better engine. Code that is on
disk already is used much earlier. Callers who know that many runs come say so (Executable.expect()).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beespace.decl.prog import XlatedProgram
    from beespace.decl.run import Executable, RunContext
    from beespace.interp import Interp, InterpExecutable
    from beespace.jit import Jit

__all__ = ["Auto", "AutoExecutable"]

COMPILE_AFTER = 1_000_000  # instructions interpreted
LOAD_AFTER = 50_000  # and the code is on disk
MANY_RUNS = 1000  # announced by expect()


class Auto:
    """The engine "auto".

    :param interp: runs programs at first.
    :param jit: runs them when they are hot; LLVM is loaded when the first one is.
    """

    name = "auto"

    def __init__(self, interp: Interp, jit: Jit) -> None:
        self.interp = interp
        self.jit = jit

    def prepare(self, prog: XlatedProgram) -> AutoExecutable:
        """Decode *prog* for the interpreter."""
        return AutoExecutable(self, prog)


class AutoExecutable:
    """A program that is interpreted, later compiled. A run that has begun ends as it began.

    :ivar executed: instructions interpreted so far.
    :ivar compiled: its code, once it has some.
    """

    def __init__(self, engine: Auto, prog: XlatedProgram) -> None:
        self.program = prog
        self.executed = 0
        self.compiled: Executable | None = None
        self._engine = engine
        self._interp: InterpExecutable = engine.interp.prepare(prog)
        self._asked_disk = False

    @property
    def entry(self) -> int:
        """Of the code; 0 as long as it is interpreted."""
        return self.compiled.entry if self.compiled is not None else 0

    @property
    def is_native(self) -> bool:
        """As entry."""
        return self.compiled is not None and self.compiled.is_native

    def expect(self, runs: int) -> None:
        """Compile it now, if *runs* are many."""
        if runs >= MANY_RUNS and self.compiled is None:
            self.compiled = self._engine.jit.prepare(self.program)

    def run(self, run: RunContext, ctx: int) -> int:
        """See Executable."""
        if self.compiled is not None:
            return self.compiled.run(run, ctx)
        r0 = self._interp.run(run, ctx)
        self._count(run.insn_count)
        return r0

    def repeat(self, run: RunContext, ctx: int, count: int) -> int:
        """See Executable."""
        while count > 1 and self.compiled is None:
            self.run(run, ctx)
            count -= 1
        return self.run(run, ctx) if self.compiled is None else self.compiled.repeat(run, ctx, count)

    def enter(self, run: RunContext, ctx: int) -> int:
        """See Executable."""
        if self.compiled is not None:
            return self.compiled.enter(run, ctx)
        before = run.insn_count
        r0 = self._interp.enter(run, ctx)
        self._count(run.insn_count - before)
        return r0

    def invoke(self, run: RunContext, text_address: int, *args: int) -> int:
        """See Executable."""
        if self.compiled is not None:
            return self.compiled.invoke(run, text_address, *args)
        return self._interp.invoke(run, text_address, *args)

    def _count(self, insns: int) -> None:
        self.executed += insns
        if self.executed >= COMPILE_AFTER:
            self.compiled = self._engine.jit.prepare(self.program)
        elif self.executed >= LOAD_AFTER and not self._asked_disk:
            self._asked_disk = True
            self.compiled = self._engine.jit.load(self.program)
