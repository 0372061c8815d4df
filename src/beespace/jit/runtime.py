"""Compiled programs at run time: entering them, the way back into Python, leaving them.

Compiled code never sees an exception: it is stored in the run context, the run is marked as aborted, the program
leaves after the call, and who entered it raises.
"""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import cython

from beespace.decl.events import CallEvent
from beespace.decl.run import BpfThrow
from beespace.errors import GuestFault, InternalError
from beespace.isa import row_of

if cython.compiled:
    from cython.cimports.beespace.decl.call import BoundCall
    from cython.cimports.beespace.decl.runstate import RunState
    from cython.cimports.beespace.jit import runtime as c
    from cython.cimports.beespace.mem.space import AddressSpace
else:
    from beespace.decl.call import BoundCall
    from beespace.decl.runstate import RunState
    from beespace.decl.runwords import Words

if TYPE_CHECKING:
    from beespace.decl.events import Sink
    from beespace.decl.prog import XlatedProgram
    from beespace.decl.run import RunContext

__all__ = [
    "ABORTED",
    "ABORTED_BY_FAULT",
    "ABORTED_BY_LIMIT",
    "ABORTED_BY_STACK",
    "TAIL_CALL_DONE",
    "TAIL_CALL_MISSED",
    "CallSite",
    "JitExecutable",
    "Trampolines",
]

ABORTED = 1  # values of RunWords.aborted
ABORTED_BY_STACK = 2  # a frame did not fit into the run's stack
ABORTED_BY_FAULT = 3  # at last_insn_idx, an access to the address in ``result``
ABORTED_BY_LIMIT = 4  # insn_limit
TAIL_CALL_MISSED = 0  # goes on after the call
TAIL_CALL_DONE = 1  # the target has run, R0 is in the run's words; anything else is the address to go to
MAX_TAIL_CALL_CNT = cython.declare(cython.ulonglong, 33)
U32 = cython.declare(cython.ulonglong, 0xFFFFFFFF)
U64 = 0xFFFFFFFFFFFFFFFF
_INSN_BYTES = 8
_WORD = ctypes.c_uint64


@cython.final
@cython.cclass
class CallSite:
    """One call instruction; compiled code holds its address, the executable keeps it alive."""

    def __init__(self, bound: BoundCall, insn_idx: int, sink: Sink | None) -> None:
        self.bound = bound
        self.insn_idx = insn_idx
        self.sink: Any = sink

    @property
    def address(self) -> int:
        """What compiled code passes back."""
        if cython.compiled:
            return cython.cast(cython.size_t, cython.cast(cython.p_void, self))
        else:
            return id(self)


@cython.cfunc
def _run_of(words: cython.ulonglong) -> RunState:
    if cython.compiled:
        owner: cython.size_t = cython.cast(c.words_ptr, words).owner
        return cython.cast(RunState, cython.cast(cython.p_void, owner))
    else:
        return ctypes.cast(Words.from_address(words).owner, ctypes.py_object).value


@cython.cfunc
def _site_at(address: cython.ulonglong) -> CallSite:
    if cython.compiled:
        return cython.cast(CallSite, cython.cast(cython.p_void, address))
    else:
        return ctypes.cast(address, ctypes.py_object).value


# What compiled code calls for each helper and kfunc that has no native lowering.
def call_trampoline(
    words: cython.ulonglong,
    site: cython.ulonglong,
    r1: cython.ulonglong,
    r2: cython.ulonglong,
    r3: cython.ulonglong,
    r4: cython.ulonglong,
    r5: cython.ulonglong,
) -> cython.ulonglong:
    run = _run_of(words)
    at = _site_at(site)
    try:
        r0: cython.ulonglong = at.bound.call(run, r1, r2, r3, r4, r5)
        if at.sink is not None:
            at.sink(CallEvent(at.insn_idx, at.bound.name, (r1, r2, r3, r4, r5)[: at.bound.arity], r0))
        return r0
    except BaseException as err:
        run.pending = err
        run.words.aborted = ABORTED
    return 0


# What it calls for bpf_tail_call(): TAIL_CALL_*, or where to go.
def tail_trampoline(
    words: cython.ulonglong,
    site: cython.ulonglong,
    ctx: cython.ulonglong,
    descriptor: cython.ulonglong,
    index: cython.ulonglong,
) -> cython.ulonglong:
    state = _run_of(words)
    at = _site_at(site)
    run: Any = state
    index &= U32
    try:
        prog_array = run.map_at(descriptor)
        target: Any = None
        if state.words.tail_calls < MAX_TAIL_CALL_CNT:
            target = run.tail_call(prog_array, index)
        if at.sink is not None:
            at.sink(CallEvent(at.insn_idx, "bpf_tail_call", (ctx, descriptor, index), int(target is not None)))
        if target is None:
            return TAIL_CALL_MISSED
        state.words.tail_calls += 1
        state.targets = (target, state.targets)
        if target.entry:
            return target.entry
        state.words.result = target.enter(run, ctx)
        return TAIL_CALL_DONE
    except BaseException as err:
        state.pending = err
        state.words.aborted = ABORTED
    return TAIL_CALL_MISSED


# Whether there is memory of the guest: loads through pointers that may be stale, and arena accesses.
def probe_trampoline(words: cython.ulonglong, addr: cython.ulonglong, size: cython.ulonglong) -> cython.int:
    if cython.compiled:
        space: cython.size_t = cython.cast(c.words_ptr, words).mem
        return cython.cast(AddressSpace, cython.cast(cython.p_void, space)).check(addr, size, False)
    else:
        run: Any = _run_of(words)
        return run.mem.check(addr, size, False)


# Whether the guest may access memory.
def check_trampoline(
    words: cython.ulonglong, addr: cython.ulonglong, size: cython.ulonglong, write: cython.int
) -> cython.int:
    if cython.compiled:
        space: cython.size_t = cython.cast(c.words_ptr, words).mem
        return cython.cast(AddressSpace, cython.cast(cython.p_void, space)).check(addr, size, write)
    else:
        run: Any = _run_of(words)
        return run.mem.check(addr, size, bool(write))


class Trampolines:
    """Addresses of the functions that compiled code calls to reach Python. Keep alive as long as that code.

    :ivar call: ``u64 (*)(words, site, r1..r5)``
    :ivar tail: ``u64 (*)(words, site, ctx, descriptor of the prog array, index)``
    :ivar check: ``int (*)(words, address, size, write)``: whether the guest may access it; takes no GIL.
    :ivar probe: ``int (*)(words, address, size)``: whether the guest has memory there; takes no GIL.
    """

    def __init__(self) -> None:
        if cython.compiled:
            call: c.call_fn = call_trampoline
            tail: c.tail_fn = tail_trampoline
            self.call: int = cython.cast(cython.size_t, call)
            self.tail: int = cython.cast(cython.size_t, tail)
            probe: c.probe_fn = probe_trampoline
            check: c.check_fn = check_trampoline
            self.check: int = cython.cast(cython.size_t, check)
            self.probe: int = cython.cast(cython.size_t, probe)
        else:
            self._call = ctypes.CFUNCTYPE(_WORD, *[_WORD] * 7)(call_trampoline)
            self._tail = ctypes.CFUNCTYPE(_WORD, *[_WORD] * 5)(tail_trampoline)
            self._probe = ctypes.CFUNCTYPE(ctypes.c_int, *[_WORD] * 3)(probe_trampoline)
            self._check = ctypes.CFUNCTYPE(ctypes.c_int, *[_WORD] * 3, ctypes.c_int)(check_trampoline)
            self.check = ctypes.cast(self._check, ctypes.c_void_p).value or 0
            self.probe = ctypes.cast(self._probe, ctypes.c_void_p).value or 0
            self.call = ctypes.cast(self._call, ctypes.c_void_p).value or 0
            self.tail = ctypes.cast(self._tail, ctypes.c_void_p).value or 0


@cython.cfunc
def _enter(entry: cython.ulonglong, run: RunState, ctx: cython.ulonglong) -> cython.ulonglong:
    if cython.compiled:
        words: cython.ulonglong = cython.cast(cython.size_t, cython.address(run.words))
        return cython.cast(c.entry_fn, cython.cast(cython.size_t, entry))(words, ctx)
    else:
        return ctypes.CFUNCTYPE(_WORD, _WORD, _WORD)(entry)(run.address, ctx)


# The same with the GIL given to other threads meanwhile; ctypes always does that.
@cython.cfunc
def _enter_apart(entry: cython.ulonglong, run: RunState, ctx: cython.ulonglong) -> cython.ulonglong:
    if cython.compiled:
        words: cython.ulonglong = cython.cast(cython.size_t, cython.address(run.words))
        r0: cython.ulonglong
        with cython.nogil:
            r0 = cython.cast(c.entry_fn, cython.cast(cython.size_t, entry))(words, ctx)
        return r0
    else:
        return _enter(entry, run, ctx)


@cython.final
@cython.cclass
class JitExecutable:
    """A compiled program. Runs may nest, and different runs may share it.

    :ivar entry: address of ``u64 (*)(run words, u64 ctx)``; callers without Python look at the words' ``aborted``.
    :ivar callbacks: insn_idx of each subprogram that can be called back -> address of
        ``u64 (*)(run words, u64 r1, ..., u64 r5)``.
    :ivar keep: what the code refers to: its library, call sites.
    :ivar is_native: it never calls Python, as long as RunWords.now says what time it is.
    """

    def __init__(
        self,
        program: XlatedProgram,
        entry: int,
        callbacks: dict[int, int],
        keep: object,
        is_native: bool,
        faults: dict[int, str],
    ) -> None:
        self.program = program
        self.entry = entry
        self.callbacks = callbacks
        self.keep = keep
        self.is_native = is_native
        self.faults = faults
        exception_cb = next((s.start for s in program.subprogs if s.is_exception_cb), -1)
        self.exception_cb = program.text + _INSN_BYTES * exception_cb if exception_cb >= 0 else 0
        self.has_exception_cb = exception_cb >= 0

    def run(self, run: RunContext, ctx: cython.ulonglong) -> int:
        """Execute with R1 = *ctx*, counting from 0; R0 as u64. Exceptions of Python helpers are raised here."""
        state: RunState = cython.cast(RunState, run)
        state.words.aborted = 0
        state.words.tail_calls = 0
        state.words.insn_count = 0
        r0: cython.ulonglong = _enter(self.entry, state, ctx)
        if state.words.aborted:
            r0 = self._left(state)
        if state.targets is not None:
            state.targets = None
        return r0

    def expect(self, runs: int) -> None:
        """Nothing: it is what it is."""

    def repeat(self, run: RunContext, ctx: cython.ulonglong, count: cython.longlong) -> int:
        """run() *count* times, at least once; R0 of the last."""
        state: RunState = cython.cast(RunState, run)
        r0: cython.ulonglong = 0
        done: cython.longlong = 0
        while True:
            state.words.aborted = 0
            state.words.tail_calls = 0
            state.words.insn_count = 0
            r0 = _enter_apart(self.entry, state, ctx) if state.apart else _enter(self.entry, state, ctx)
            done += 1
            if state.words.aborted:
                r0 = self._left(state)
            if done >= count:
                break
        state.targets = None
        return r0

    def enter(self, run: RunContext, ctx: cython.ulonglong) -> int:
        """As run(), in the middle of a run."""
        state: RunState = cython.cast(RunState, run)
        r0: cython.ulonglong = _enter(self.entry, state, ctx)
        return self._left(state) if state.words.aborted else r0

    def invoke(self, run: RunContext, text_address: int, *args: int) -> int:
        """Execute the subprogram at *text_address* with R1.. = *args*; R0 as u64.

        :raises GuestFault: no subprogram that can be called back is there.
        """
        state: RunState = cython.cast(RunState, run)
        insn_idx, rest = divmod(text_address - self.program.text, _INSN_BYTES)
        callback: int = self.callbacks.get(insn_idx, 0) if not rest else 0
        if not callback:
            raise GuestFault("call of an address that is no subprogram to call back", "jit", address=text_address)
        five = [arg & U64 for arg in args] + [0] * (5 - len(args))
        r0: int = self._call_back(callback, state, five)
        if state.words.aborted:
            self._raise(state)
        return r0

    def _call_back(self, callback: int, state: RunState, five: list[int]) -> int:
        if cython.compiled:
            words: cython.ulonglong = cython.cast(cython.size_t, cython.address(state.words))
            address: cython.size_t = callback
            function = cython.cast(c.callback_fn, address)
            r1: cython.ulonglong = five[0]
            r2: cython.ulonglong = five[1]
            r3: cython.ulonglong = five[2]
            r4: cython.ulonglong = five[3]
            r5: cython.ulonglong = five[4]
            return function(words, r1, r2, r3, r4, r5)
        else:
            return ctypes.CFUNCTYPE(_WORD, *[_WORD] * 6)(callback)(state.address, *five)

    # The program was left after a call: raise what made it leave, unless it threw and that is an R0.
    def _left(self, state: RunState) -> int:
        try:
            self._raise(state)
        except BpfThrow as thrown:
            if not self.has_exception_cb:
                return thrown.cookie & U64
            run: Any = state
            return self.invoke(run, self.exception_cb, thrown.cookie)
        return 0

    # Of the program that was tail-called last, if one was.
    def _fault(self, state: RunState) -> GuestFault:
        target: Any = state.targets[0] if state.targets is not None else self
        last: int = state.words.last_insn_idx
        insn_idx = (last ^ 1 << 63) - (1 << 63)
        if insn_idx in target.faults:
            return GuestFault(target.faults[insn_idx], "jit", insn_idx)
        row = row_of(target.program.insns[insn_idx]) if 0 <= insn_idx < len(target.program.insns) else None
        if row is None or row.family not in ("ldx", "st", "stx", "atomic"):
            return GuestFault("no instruction here", "jit", insn_idx)
        run: Any = state
        address: int = state.words.result
        size, is_write = row.width // 8, row.family != "ldx" and row.name != "LOAD_ACQ"
        if row.family == "atomic" and address % size:
            return GuestFault(f"atomic operation of {size} bytes that is not aligned", "jit", insn_idx, address)
        return GuestFault(run.mem.explain(address, size, is_write), "jit", insn_idx, address)

    def _raise(self, state: RunState) -> None:
        pending = state.pending
        if state.words.aborted == ABORTED_BY_STACK:
            if self.program.verified is None:
                pending = GuestFault("stack overflow", "jit")
            else:
                pending = InternalError(f"{self.program.name} needs more stack than the run has")
        elif state.words.aborted == ABORTED_BY_LIMIT:
            pending = GuestFault(f"limit of {state.words.insn_limit} instructions", "jit", state.words.last_insn_idx)
        elif state.words.aborted == ABORTED_BY_FAULT:
            pending = self._fault(state)
        if pending is not None:
            state.pending = None
            state.words.aborted = 0
            raise pending
