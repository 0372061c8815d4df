"""The loop of the reference engine: one run of a program and of what it tail-calls, instruction by instruction.

Arithmetic, comparisons and atomics are functions of ops.py that decoding put into each Op; here is what the others do:
memory, calls, frames, exits. Every access is checked against the regions of guest memory.
"""

# mypy: disable-error-code="no-any-return"
# (what comes from cimported functions is Any)

from __future__ import annotations

from typing import TYPE_CHECKING

import cython

from beespace.decl.events import CallEvent
from beespace.decl.run import BpfThrow
from beespace.errors import GuestFault, InternalError

if cython.compiled:
    from cython.cimports.beespace.decl.call import BoundCall
    from cython.cimports.beespace.decl.runstate import RunState
    from cython.cimports.beespace.interp import code as k
    from cython.cimports.beespace.mem import raw as mem
    from cython.cimports.cpython.exc import PyErr_CheckSignals
else:
    from beespace.decl.call import BoundCall
    from beespace.decl.runstate import RunState
    from beespace.interp import kinds as k
    from beespace.mem import raw as mem

if TYPE_CHECKING:
    from typing import Any

    from beespace.decl.run import RunContext
    from beespace.interp.engine import InterpExecutable

__all__ = ["FRAME_BYTES", "Machine"]

FRAME_BYTES = 512  # MAX_BPF_STACK
STACK = cython.declare(cython.ulonglong, 512)
MAX_FRAMES = cython.declare(cython.int, 16)  # the verifier allows 8; deeper recursion of unverified programs faults
MAX_TAIL_CALL_CNT = cython.declare(cython.ulonglong, 33)
MAX_LOOPS = cython.declare(cython.ulonglong, 8 * 1024 * 1024)  # BPF_MAX_LOOPS: may_goto budget of a frame
SLICE = cython.declare(cython.ulonglong, 1 << 22)  # instructions between looks at signals
U32 = cython.declare(cython.ulonglong, 0xFFFFFFFF)


# Wrap to 64 bits; compiled, words wrap by themselves.
@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def w64(x: cython.ulonglong) -> cython.ulonglong:
    return x if cython.compiled else x & 0xFFFFFFFFFFFFFFFF


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def load(addr: cython.ulonglong, size: cython.int) -> cython.ulonglong:
    if not cython.compiled:
        return (mem.load8, mem.load16, mem.load32, mem.load64)[size.bit_length() - 1](addr)
    if size == 8:
        return cython.cast(cython.p_ulonglong, addr)[0]
    if size == 4:
        return cython.cast(cython.p_uint, addr)[0]
    if size == 2:
        return cython.cast(cython.p_ushort, addr)[0]
    return cython.cast(cython.p_uchar, addr)[0]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def store(addr: cython.ulonglong, size: cython.int, value: cython.ulonglong) -> cython.void:
    if not cython.compiled:
        (mem.store8, mem.store16, mem.store32, mem.store64)[size.bit_length() - 1](addr, value)
    elif size == 8:
        cython.cast(cython.p_ulonglong, addr)[0] = value
    elif size == 4:
        cython.cast(cython.p_uint, addr)[0] = cython.cast(cython.uint, value)
    elif size == 2:
        cython.cast(cython.p_ushort, addr)[0] = cython.cast(cython.ushort, value)
    else:
        cython.cast(cython.p_uchar, addr)[0] = cython.cast(cython.uchar, value)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def extend_sign(value: cython.ulonglong, size: cython.int) -> cython.ulonglong:
    sign: cython.ulonglong = cython.cast(cython.ulonglong, 1) << (8 * size - 1)
    return w64((value ^ sign) - sign)


@cython.final
@cython.cclass
class Machine:
    """Registers, frames and position of one execution. Made by InterpExecutable; step() runs one instruction.

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

    def step(self) -> bool:
        """Execute one instruction; False when there was none left."""
        if self.finished:
            return False
        self._guarded(1)
        return True

    def finish(self) -> int:
        """Execute to the exit of the first frame.

        :return: R0 as u64.
        :raises GuestFault: an unverified program misbehaved, or went over its instruction limit.
        """
        while not self.finished:
            if cython.compiled:
                PyErr_CheckSignals()
            self._guarded(SLICE)
        return self.r[0]

    def abandon(self) -> None:
        """Give the frames' stack back when the execution will not be finished."""
        if not self.finished:
            self.run.words.sp = self.r[10] if self.depth == 0 else self.frames[0].saved[4]
            self.finished = True

    # bpf_throw() unwinds to the nearest frame of a program, and through a callback's caller.
    def _guarded(self, budget: cython.ulonglong) -> cython.void:
        try:
            self._execute(budget)
        except BpfThrow as thrown:
            while not self.main and self.depth > 0:
                self._leave_frame()
            if not self.main:
                self.abandon()
                raise
            self._unwound(thrown.cookie)
        except BaseException:
            self.abandon()
            raise

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

    # The window is the region of the last check; calls close it, because bounds change only there.
    def _check(self, addr: cython.ulonglong, size: cython.int, write: cython.bint) -> cython.int:
        off: cython.ulonglong = w64(addr - self.window)
        if (
            off < self.window_bytes
            and self.window_bytes - off >= cython.cast(cython.ulonglong, size)
            and (self.window_writable or not write)
        ):
            return 0
        return self._check_slowly(addr, size, write)

    def _check_slowly(self, addr: cython.ulonglong, size: cython.int, write: cython.bint) -> cython.int:
        if not self.space.check(addr, size, write):
            self._fault(self.space.explain(addr, size, write), addr)
        region = self.space.find(addr)
        if region is not None and region.stride == 0:
            self.window = region.base
            self.window_bytes = region.size
            self.window_writable = region.writable
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

    # --- the loop -----------------------------------------------------------------------------------------------

    # Execute up to *budget* instructions, less if the first frame exits.
    def _execute(self, budget: cython.ulonglong) -> cython.int:
        limit: cython.ulonglong = self.run.words.insn_limit
        if limit:
            if self.run.words.insn_count >= limit:
                self._fault(f"limit of {limit} instructions", 0)
            budget = min(budget, limit - self.run.words.insn_count)
        left: cython.ulonglong = budget
        r: cython.p_ulonglong = self.r
        ops: k.Ops = self.code.ops
        pc: cython.Py_ssize_t = self.pc
        addr: cython.ulonglong
        a: cython.ulonglong
        b: cython.ulonglong
        kind: cython.int
        dst: cython.int
        size: cython.int
        taken: cython.bint
        call: BoundCall
        try:
            while left:
                left -= 1
                kind = ops[pc].kind
                dst = ops[pc].dst
                if kind == k.K_ALU64:
                    b = r[ops[pc].src] if ops[pc].x else ops[pc].imm
                    if cython.compiled:
                        r[dst] = cython.cast(k.alu_fn, ops[pc].function)(r[dst], b, ops[pc].bits, ops[pc].off)
                    else:
                        r[dst] = self.code.functions[pc](r[dst], b, ops[pc].bits, ops[pc].off)
                elif kind == k.K_ALU32:
                    a = r[dst] & U32
                    b = (r[ops[pc].src] if ops[pc].x else ops[pc].imm) & U32
                    if cython.compiled:
                        r[dst] = cython.cast(k.alu_fn, ops[pc].function)(a, b, 32, ops[pc].off) & U32
                    else:
                        r[dst] = self.code.functions[pc](a, b, 32, ops[pc].off) & U32
                elif kind in (k.K_JMP64, k.K_JMP32):
                    a = r[dst]
                    b = r[ops[pc].src] if ops[pc].x else ops[pc].imm
                    if kind == k.K_JMP32:
                        a &= U32
                        b &= U32
                    if cython.compiled:
                        taken = cython.cast(k.jmp_fn, ops[pc].function)(a, b, ops[pc].bits)
                    else:
                        taken = self.code.functions[pc](a, b, ops[pc].bits)
                    if taken:
                        pc = ops[pc].target
                        continue
                elif kind == k.K_LDX:
                    addr = w64(r[ops[pc].src] + ops[pc].off)
                    size = ops[pc].size
                    if not ops[pc].frame:
                        self.pc = pc
                        self._check(addr, size, False)
                    r[dst] = load(addr, size)
                    if ops[pc].sext:
                        r[dst] = extend_sign(r[dst], size)
                elif kind in (k.K_STX, k.K_ST):
                    addr = w64(r[dst] + ops[pc].off)
                    size = ops[pc].size
                    if not ops[pc].frame:
                        self.pc = pc
                        self._check(addr, size, True)
                    store(addr, size, r[ops[pc].src] if kind == k.K_STX else ops[pc].imm)
                elif kind == k.K_JA:
                    pc = ops[pc].target
                    continue
                elif kind == k.K_IMM64:
                    r[dst] = ops[pc].imm
                    pc += 1
                elif kind == k.K_CALL:
                    self.pc = pc
                    call = self.code.calls[ops[pc].target]
                    if self.sink is None:
                        r[0] = call.call(self.run, r[1], r[2], r[3], r[4], r[5])
                    else:
                        r[0] = self._traced(call, pc)
                    self.window_bytes = 0
                    if self.run.words.aborted:
                        self._aborted()
                        return 0
                elif kind == k.K_CALL_SUBPROG:
                    self.pc = pc
                    self._call_subprog(ops[pc].target)
                    pc = self.pc
                    continue
                elif kind == k.K_EXIT:
                    self.pc = pc
                    self._leave()
                    if self.finished:
                        self.run.words.last_insn_idx = pc
                        return 0
                    pc = self.pc
                    ops = self.code.ops
                    continue
                elif kind in (k.K_ATOMIC, k.K_ARENA_ATOMIC):
                    size = ops[pc].size
                    self.pc = pc
                    if kind == k.K_ATOMIC:
                        addr = w64(r[dst] + ops[pc].off)
                        self._check(addr, size, not ops[pc].x)
                    else:
                        addr = self._arena(r[dst], ops[pc].off, size)
                    if addr == 0:
                        r[ops[pc].result] = 0
                    elif cython.compiled:
                        r[ops[pc].result] = cython.cast(k.atomic_fn, ops[pc].function)(addr, r[ops[pc].src], r[0], size)
                    else:
                        r[ops[pc].result] = self.code.functions[pc](addr, r[ops[pc].src], r[0], size)
                elif kind == k.K_MAY_GOTO:
                    if self.loops == 0:
                        pc = ops[pc].target
                        continue
                    self.loops -= 1
                elif kind == k.K_TAIL_CALL:
                    self.pc = pc
                    if self._tail_call(pc):
                        if self.finished:
                            self.run.words.last_insn_idx = pc
                            return 0
                        pc = self.pc
                        ops = self.code.ops
                        self.window_bytes = 0
                        continue
                elif kind == k.K_PROBE_LDX:
                    addr = w64(r[ops[pc].src] + ops[pc].off)
                    size = ops[pc].size
                    r[dst] = load(addr, size) if self.space.check(addr, size, False) else 0
                    if ops[pc].sext:
                        r[dst] = extend_sign(r[dst], size)
                elif kind == k.K_ARENA_LDX:
                    size = ops[pc].size
                    addr = self._arena(r[ops[pc].src], ops[pc].off, size)
                    r[dst] = load(addr, size) if addr else 0
                    if ops[pc].sext:
                        r[dst] = extend_sign(r[dst], size)
                elif kind == k.K_ARENA_STORE:
                    size = ops[pc].size
                    addr = self._arena(r[dst], ops[pc].off, size)
                    if addr:
                        store(addr, size, r[ops[pc].src] if ops[pc].x else ops[pc].imm)
                elif kind == k.K_CAST_USER:
                    a = r[ops[pc].src] & U32
                    r[dst] = self.code.arena_user & ~U32 | a if a else 0
                else:
                    self.pc = pc
                    self._illegal(pc)
                pc += 1
            self.pc = pc
        finally:
            self.run.words.insn_count += budget - left
        return 0

    def _traced(self, call: BoundCall, insn_idx: cython.Py_ssize_t) -> cython.ulonglong:
        args = self.registers[1 : 1 + call.arity]
        result = call.call(self.run, self.r[1], self.r[2], self.r[3], self.r[4], self.r[5])
        self.sink(CallEvent(insn_idx, call.name, args, result))
        return result

    # Somebody wants the run to end: leave all frames, with what is pending.
    def _aborted(self) -> cython.void:
        self.run.words.last_insn_idx = self.pc
        pending = self.run.pending
        self.abandon()
        self.r[0] = 0
        if pending is not None:
            raise pending
