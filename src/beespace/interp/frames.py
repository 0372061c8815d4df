"""What an execution in the interpreter is made of: registers, stack frames, checked memory, faults."""

# mypy: disable-error-code="no-any-return"
# (what comes from cimported functions is Any)

from __future__ import annotations

from typing import TYPE_CHECKING

import cython

from beespace.decl.events import CallEvent
from beespace.errors import GuestFault, InternalError

if cython.compiled:
    from cython.cimports.beespace.decl.runstate import RunState
    from cython.cimports.beespace.mem import raw as mem
else:
    from beespace.decl.runstate import RunState
    from beespace.interp import kinds as k
    from beespace.mem import raw as mem

if TYPE_CHECKING:
    from typing import Any

    from beespace.decl.run import RunContext
    from beespace.interp.engine import InterpExecutable

__all__ = ["FRAME_BYTES", "Frames"]

FRAME_BYTES = 512  # MAX_BPF_STACK
STACK = cython.declare(cython.ulonglong, 512)
MAX_FRAMES = cython.declare(cython.int, 16)  # the verifier allows 8; deeper recursion of unverified programs faults
MAX_TAIL_CALL_CNT = cython.declare(cython.ulonglong, 33)
MAX_LOOPS = cython.declare(cython.ulonglong, 8 * 1024 * 1024)  # BPF_MAX_LOOPS: may_goto budget of a frame
U32 = cython.declare(cython.ulonglong, 0xFFFFFFFF)


# Wrap to 64 bits; compiled, words wrap by themselves.
@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def w64(x: cython.ulonglong) -> cython.ulonglong:
    return x if cython.compiled else x & 0xFFFFFFFFFFFFFFFF


@cython.cclass
class Frames:
    """Registers, frames and position of one execution; Machine is what runs.

    :param insn_idx: where to start; ``main`` says whether that is a program or a callback subprogram.
    """

    def __init__(
        self, executable: InterpExecutable, run: RunContext, insn_idx: int, args: tuple[int, ...], main: bool
    ) -> None:
        self.run = cython.cast(RunState, run)
        self.space = run.mem
        self.programs = [executable]
        self.program = 0
        self.code = executable.code
        self.verified = executable.verified
        self.sink: Any = executable.sink
        self.depth = 0
        self.finished = False
        self.window = 0
        self.window_bytes = 0
        self.window_writable = False
        self.main = main
        self.pc = insn_idx
        self.loops = MAX_LOOPS
        if not cython.compiled:
            self.r = [0] * 12
            self.frames = [k.UncompiledFrame() for _ in range(MAX_FRAMES)]
        for reg in range(12):
            self.r[reg] = 0
        reg = 1
        for arg in args:
            self.r[reg] = arg & 0xFFFFFFFFFFFFFFFF
            reg += 1
        self._enter_stack()

    @property
    def insn_idx(self) -> int:
        """Slot of the next instruction, in the program now running."""
        return self.pc

    @property
    def registers(self) -> tuple[int, ...]:
        """R0-R10 as u64."""
        return tuple(self.r[reg] for reg in range(11))

    @property
    def frame(self) -> int:
        """Frames below the first: 0 in the program, 1 in a subprogram it calls."""
        return self.depth

    @property
    def executable(self) -> InterpExecutable:
        """The program now running: a tail call changes it."""
        return self.programs[self.program]

    def abandon(self) -> None:
        """Give the frames' stack back when the execution will not be finished."""
        if not self.finished:
            self.run.words.sp = self.r[10] if self.depth == 0 else self.frames[0].saved[4]
            self.finished = True

    def _unwound(self, cookie: cython.ulonglong) -> cython.void:
        handler: int = self.executable.exception_cb
        if handler < 0:
            self.r[0] = cookie
            self._leave()
            return
        self.r[1] = cookie
        self.pc = handler
        self.loops = MAX_LOOPS

    # --- frames -------------------------------------------------------------------------------------------------

    def _enter_stack(self) -> cython.void:
        top: cython.ulonglong = self.run.words.sp
        if top < self.run.words.stack + STACK:
            self._fault("stack overflow", top)
        self.run.words.sp = top - STACK
        mem.fill(top - STACK, 0, STACK)
        self.r[10] = top

    def _call_subprog(self, target: cython.Py_ssize_t) -> cython.void:
        if self.depth == MAX_FRAMES:
            self._fault("the call stack of 17 frames is too deep", 0)
        depth: cython.int = self.depth
        self.frames[depth].pc = self.pc + 1
        for reg in range(5):
            self.frames[depth].saved[reg] = self.r[6 + reg]
        self.frames[depth].loops = self.loops
        self.frames[depth].program = self.program
        self.frames[depth].main = self.main
        self._enter_stack()
        self.depth = depth + 1
        self.main = False
        self.loops = MAX_LOOPS
        self.pc = target

    def _leave(self) -> cython.void:
        if self.depth == 0:
            self.run.words.sp = self.r[10]
            self.finished = True
        else:
            self._leave_frame()

    def _leave_frame(self) -> cython.void:
        depth: cython.int = self.depth - 1
        self.depth = depth
        self.run.words.sp = self.r[10]
        for reg in range(5):
            self.r[6 + reg] = self.frames[depth].saved[reg]
        self.loops = self.frames[depth].loops
        self.main = self.frames[depth].main
        self.pc = self.frames[depth].pc
        if self.frames[depth].program != self.program:
            self._switch(self.frames[depth].program)

    def _switch(self, program: cython.int) -> cython.void:
        executable = self.programs[program]
        self.program = program
        self.code = executable.code
        self.verified = executable.verified
        self.sink = executable.sink

    # True: the target (if it is interpreted) has taken this frame's place; or it has run and the frame is left.
    def _tail_call(self, insn_idx: cython.Py_ssize_t) -> cython.bint:
        run: RunContext = self.run
        index: cython.ulonglong = self.r[3] & U32
        prog_array = run.map_at(self.r[2])
        target: Any = None
        if self.run.words.tail_calls < MAX_TAIL_CALL_CNT:
            target = run.tail_call(prog_array, index)
        if self.sink is not None:
            self.sink(CallEvent(insn_idx, "bpf_tail_call", (self.r[1], self.r[2], index), int(target is not None)))
        if target is None:
            return False
        self.run.words.tail_calls += 1
        if hasattr(target, "code"):
            self.programs.append(target)
            self._switch(len(self.programs) - 1)
            self.main = True
            self.pc = 0
            self.loops = MAX_LOOPS
            mem.fill(self.r[10] - STACK, 0, STACK)
        else:
            self.r[0] = target.enter(run, self.r[1])
            self._leave()
        return True

    # --- memory -------------------------------------------------------------------------------------------------

    # The window is the region of the last check, where the loop needs no other; calls close it, because bounds change
    # only there.
    def _check(self, addr: cython.ulonglong, size: cython.int, write: cython.bint) -> cython.int:
        if not self.space.check(addr, size, write):
            self._fault(self.space.explain(addr, size, write), addr)
        base: cython.ulonglong = self.space.plain_base(addr)
        if base:
            self.window = base
            self.window_bytes = self.space.plain_size(addr)
            self.window_writable = self.space.is_writable(addr)
        return 0

    # Arena addresses are 32 bits; a page that is not there reads as zero and swallows stores.
    def _arena(self, addr: cython.ulonglong, off: cython.int, size: cython.int) -> cython.ulonglong:
        at: cython.ulonglong = w64(self.code.arena_base + (addr & U32) + off)
        return at if self.space.check(at, size, True) else 0

    def _fault(self, message: str, addr: int) -> None:
        self.run.words.last_insn_idx = self.pc
        if self.verified:
            at = f"insn {self.pc} of {self.executable.program.name}: {message}; {self.registers}"
            raise InternalError(f"fault in a verified program: {at}")
        raise GuestFault(message, "interp", self.pc, addr, self.registers)

    def _illegal(self, pc: int) -> None:
        self._fault(self.code.illegal.get(pc, "illegal instruction"), 0)

    # Somebody wants the run to end: leave all frames, with what is pending.
    def _aborted(self) -> cython.void:
        self.run.words.last_insn_idx = self.pc
        pending = self.run.pending
        self.abandon()
        self.r[0] = 0
        if pending is not None:
            raise pending
