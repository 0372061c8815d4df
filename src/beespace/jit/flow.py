"""What the code generator wants to know before it starts: blocks, live registers, and which registers hold pointers.

Three analyses over the registers of each subprogram:

* *live*: which registers a block still needs, so that dead ones are not carried along.
* *pointer*: which hold pointers on every path. A hint for address formation (LLVM sees the object behind a GEP, not
  behind inttoptr); a wrong one costs speed, not correctness.
* *taint*: which may point into a stack frame, the own one (OWN) or one of a caller (PARAM). Sound: a frame whose
  address reaches code that checks addresses (Python helpers, callbacks of theirs) must be in guest memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from beespace.decl.func import FuncProto
from beespace.decl.prog import InsnAux, XlatedProgram
from beespace.errors import InternalError
from beespace.isa import LD_IMM64, Insn, Row, row_of
from beespace.uapi import bpf as uapi
from beespace.values import mutable

__all__ = ["OWN", "PARAM", "Block", "Function", "functions"]

OWN, PARAM = 1, 2  # taint
_REGS = 11
_FP = uapi.BPF_REG_10
_CALLER_SAVED = 0b111111  # R0-R5
_ARGS = 0b111110
_POINTER_IMM64 = ("map", "map_value", "btf")
_NOT_POINTERS = (uapi.NOT_INIT, uapi.SCALAR_VALUE)
_KEEPS_POINTER = ("ADD", "SUB")


@mutable
class Block:
    """Instructions without jumps between them.

    :ivar insns: (insn_idx, instruction, row).
    :ivar next: insn_idx of the blocks that may follow: for a conditional jump fallthrough, then target.
    :ivar live_in: bit mask of registers; ``pointers`` those that hold pointers at the start; ``taint`` by register.
    """

    start: int
    insns: list[tuple[int, Insn, Row]] = field(default_factory=list)
    next: list[int] = field(default_factory=list)
    live_in: int = 0
    live_out: int = 0
    pointers: int = -1  # -1: not reached
    taint: list[int] = field(default_factory=list)


@mutable
class Function:
    """A subprogram.

    :ivar leaks_own: the address of its frame reaches code that checks addresses; ``leaks_params``: one it was given.
    :ivar stack_depth: bytes of its frame.
    :ivar may_abort: it contains a call after which the program may have to be left.
    """

    subprogno: int
    start: int
    end: int
    blocks: dict[int, Block]
    params: int = -1  # pointers among R1-R5 at every call; -1: no call seen
    param_taint: int = 0  # mask of registers that any call passes a stack address in
    returns_pointer: int = -1
    spilled_taint: int = 0  # of what it stores in memory
    spilled_pointers: set[int] = field(default_factory=set)  # offsets from R10 at which pointers are stored
    leaks_own: bool = False
    leaks_params: bool = False
    stack_depth: int = 0
    may_abort: bool = False
    reads_shared: bool = False  # loads what another CPU may be writing
    callees: set[int] = field(default_factory=set)

    @property
    def needs_stack(self) -> bool:
        """Whether entering it may fail for want of stack."""
        return self.leaks_own and self.stack_depth > 0


def functions(
    prog: XlatedProgram, is_checked: Callable[[int], bool], loops: Mapping[int, int], drains: Mapping[int, int]
) -> list[Function]:
    """All subprograms of *prog*, analysed.

    :param is_checked: whether the call at an insn_idx goes through code that checks the addresses it is given.
    :param loops: insn_idx of a bpf_loop() that becomes a loop -> subprogram of its callback; *drains* likewise of
        bpf_user_ringbuf_drain().
    """
    starts = [subprog.start for subprog in prog.subprogs]
    ends = [*starts[1:], len(prog.insns)]
    found = [
        Function(number, start, end, _blocks(prog, start, end))
        if prog.verified is not None
        # Nobody has seen to it that control stays inside: every subprogram is all that can be reached from its start.
        else Function(number, start, len(prog.insns), _blocks(prog, 0, len(prog.insns), start))
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    for function in found:
        _liveness(function)
    _Pointers(prog, found, is_checked, loops, drains).solve()
    for function in found:
        function.stack_depth = _stack_depth(prog, function)
    return found


def _instructions(prog: XlatedProgram, start: int, end: int) -> Iterator[tuple[int, Insn, Row]]:
    idx = start
    while idx < end:
        insn = prog.insns[idx]
        row = row_of(insn)
        if row is None:
            raise InternalError(f"insn {idx} of {prog.name} has no meaning: {insn}")
        yield idx, insn, row
        idx += 2 if insn.code == LD_IMM64 else 1


def _jump_target(idx: int, insn: Insn, row: Row) -> int | None:
    if row.family == "jmp" or row.name == "MAY_GOTO":
        return idx + 1 + insn.off
    if row.family == "goto":
        return idx + 1 + (insn.imm if row.cls == uapi.BPF_JMP32 else insn.off)
    return None


def _blocks(prog: XlatedProgram, start: int, end: int, entry: int = 0) -> dict[int, Block]:
    insns = list(_instructions(prog, start, end))
    leaders = {start, entry}
    for idx, insn, row in insns:
        target = _jump_target(idx, insn, row)
        if target is not None:
            leaders.add(target)
        if target is not None or row.family == "exit":
            leaders.add(idx + 1)
    blocks: dict[int, Block] = {}
    block = Block(start)
    for idx, insn, row in insns:
        if idx in leaders:
            if idx != start and not _ends(block):
                block.next.append(idx)
            block = blocks[idx] = Block(idx)
        block.insns.append((idx, insn, row))
        target = _jump_target(idx, insn, row)
        if row.family == "goto" and row.name != "MAY_GOTO":
            block.next = [target if target is not None else idx]
        elif target is not None:
            block.next = [idx + 1, target]
    return blocks


def _ends(block: Block) -> bool:
    row = block.insns[-1][2]
    return row.family in ("jmp", "goto", "exit")


# --- liveness ---------------------------------------------------------------------------------------------------------


def _reads_writes(insn: Insn, row: Row) -> tuple[int, int]:
    dst, src = 1 << insn.dst_reg, 1 << insn.src_reg
    match row.family:
        case "alu" if row.name in ("MOV", "MOVSX", "ADDR_SPACE_CAST"):
            return (src if row.src == "X" else 0), dst
        case "alu":
            return dst | (src if row.src == "X" else 0), dst
        case "swap":
            return dst, dst
        case "jmp":
            return dst | (src if row.src == "X" else 0), 0
        case "ldx":
            return src, dst
        case "st":
            return dst, 0
        case "stx":
            return dst | src, 0
        case "atomic" if row.name == "LOAD_ACQ":
            return src, dst
        case "atomic" if row.name == "ATOMIC_CMPXCHG":
            return dst | src | 1, 1
        case "atomic":
            fetches = "FETCH" in row.name or row.name == "ATOMIC_XCHG"
            return dst | src, src if fetches else 0
        case "imm64":
            return 0, dst
        case "call":
            return _ARGS, _CALLER_SAVED
        case "exit":
            return 1, 0
        case _:
            return 0, 0


def _liveness(function: Function) -> None:
    use: dict[int, tuple[int, int]] = {}
    before: dict[int, list[int]] = {start: [] for start in function.blocks}
    for start, block in function.blocks.items():
        reads = written = 0
        for _, insn, row in block.insns:
            r, w = _reads_writes(insn, row)
            reads |= r & ~written
            written |= w
        use[start] = reads, written
        for after in block.next:
            if after in before:
                before[after].append(start)
    work = list(function.blocks)
    while work:
        start = work.pop()
        block = function.blocks[start]
        live = 0
        for after in block.next:
            if after in function.blocks:
                live |= function.blocks[after].live_in
        reads, written = use[start]
        block.live_out = live
        live_in = reads | (live & ~written)
        if live_in != block.live_in:
            block.live_in = live_in
            work.extend(before[start])


# --- pointers ---------------------------------------------------------------------------------------------------------


class _Pointers:
    def __init__(
        self,
        prog: XlatedProgram,
        found: list[Function],
        is_checked: Callable[[int], bool],
        loops: Mapping[int, int],
        drains: Mapping[int, int],
    ) -> None:
        self.prog = prog
        self.functions = found
        self.at = {function.start: function for function in found}
        self.is_checked = is_checked
        self.loops = loops
        self.drains = drains
        self.changed = True

    def solve(self) -> None:
        main = self.functions[0]
        main.params = 1 << uapi.BPF_REG_1
        for function in self.functions:
            subprog = self.prog.subprogs[function.subprogno]
            if subprog.is_cb or subprog.is_async_cb or subprog.is_exception_cb:
                # called by helpers: nothing is known about arguments, and they may be stack addresses of the caller's
                function.params, function.param_taint = 0, _ARGS
        while self.changed:
            self.changed = False
            for function in self.functions:
                if function.params >= 0:
                    self._function(function)
        for function in self.functions:
            if function.params < 0:  # only reached through a pointer
                function.params, function.param_taint = 0, _ARGS
                self.changed = True
        while self.changed:
            self.changed = False
            for function in self.functions:
                self._function(function)
        for function in self.functions:  # once more, now that it is known what points to stacks
            function.reads_shared = False
            for block in function.blocks.values():
                if block.pointers >= 0:
                    self._block(function, block)

    def _function(self, function: Function) -> None:
        entry = function.blocks[function.start]
        taint = [PARAM if function.param_taint >> reg & 1 else 0 for reg in range(_REGS)]
        taint[_FP] = OWN
        self._enter(entry, function.params | 1 << _FP, taint)
        work = list(function.blocks)
        while work:
            block = function.blocks[work.pop()]
            if block.pointers < 0:
                continue
            pointers, taint = self._block(function, block)
            for after in block.next:
                if after in function.blocks and self._enter(function.blocks[after], pointers, taint):
                    work.append(after)

    # Join a state into a block's; whether that changed it.
    def _enter(self, block: Block, pointers: int, taint: list[int]) -> bool:
        if block.pointers < 0:
            block.pointers, block.taint = pointers, list(taint)
            self.changed = True
            return True
        joined = block.pointers & pointers
        tainted = [old | new for old, new in zip(block.taint, taint, strict=True)]
        if joined == block.pointers and tainted == block.taint:
            return False
        block.pointers, block.taint = joined, tainted
        self.changed = True
        return True

    def _block(self, function: Function, block: Block) -> tuple[int, list[int]]:
        pointers, taint = block.pointers, list(block.taint)
        for idx, insn, row in block.insns:
            dst, src = insn.dst_reg, insn.src_reg
            match row.family:
                case "alu" | "swap":
                    is_pointer, tainted = _alu(insn, row, pointers, taint)
                case "ldx":
                    is_pointer, tainted = self._load(function, idx, insn, row, taint)
                case "imm64":
                    aux = self._aux(idx)
                    is_pointer = aux is not None and aux.imm64 is not None and aux.imm64[0] in _POINTER_IMM64
                    tainted = 0
                case "stx":
                    self._store(function, insn, row, pointers, taint)
                    continue
                case "atomic":
                    written = _reads_writes(insn, row)[1]
                    self._spill(function, taint[src])
                    for reg in range(_REGS):
                        if written >> reg & 1:
                            pointers &= ~(1 << reg)
                            taint[reg] = function.spilled_taint
                    continue
                case "call":
                    pointers, taint = self._call(function, idx, insn, row, pointers, taint)
                    continue
                case "exit":
                    self._exit(function, pointers)
                    continue
                case _:
                    continue
            pointers = pointers | 1 << dst if is_pointer else pointers & ~(1 << dst)
            taint[dst] = tainted
        return pointers, taint

    def _aux(self, idx: int) -> InsnAux | None:
        return self.prog.aux[idx] if self.prog.aux else None

    def _load(self, function: Function, idx: int, insn: Insn, row: Row, taint: list[int]) -> tuple[bool, int]:
        if insn.src_reg != _FP and not taint[insn.src_reg]:
            function.reads_shared = True
        if row.width != 64:
            return False, 0
        aux = self._aux(idx)
        if aux is not None and aux.ctx_field is not None:
            return aux.ctx_field.reg_type & uapi.BPF_BASE_TYPE_MASK not in _NOT_POINTERS, 0
        return insn.src_reg == _FP and insn.off in function.spilled_pointers, function.spilled_taint

    def _store(self, function: Function, insn: Insn, row: Row, pointers: int, taint: list[int]) -> None:
        if row.width != 64:
            return
        self._spill(function, taint[insn.src_reg])
        if insn.dst_reg == _FP and pointers >> insn.src_reg & 1 and insn.off not in function.spilled_pointers:
            function.spilled_pointers.add(insn.off)
            self.changed = True

    def _spill(self, function: Function, taint: int) -> None:
        if taint & ~function.spilled_taint:
            function.spilled_taint |= taint
            self.changed = True

    def _call(
        self, function: Function, idx: int, insn: Insn, row: Row, pointers: int, taint: list[int]
    ) -> tuple[int, list[int]]:
        passed = 0
        for reg in range(1, 6):
            passed |= taint[reg]
        returns = False
        if row.name == "CALL_SUBPROG":
            callee = self.at[idx + 1 + insn.imm]
            returns = self._subprog(function, callee, pointers, taint)
        elif idx in self.loops:  # the callback gets a number and R3
            callee = self.functions[self.loops[idx]]
            self._subprog(function, callee, (pointers >> 3 & 1) << 2, [0, 0, taint[3], 0, 0, 0])
        elif idx in self.drains:  # the callback gets a dynptr, which is no memory of the guest, and R3
            callee = self.functions[self.drains[idx]]
            self._subprog(function, callee, (pointers >> 3 & 1) << 2, [0, 0, taint[3], 0, 0, 0])
        else:
            proto = self.prog.calls[idx]
            if isinstance(proto, FuncProto):
                returns = proto.ret & uapi.BPF_BASE_TYPE_MASK not in (uapi.RET_INTEGER, uapi.RET_VOID)
            else:
                returns = proto.c.ret.pointer > 0
            if self.is_checked(idx):
                self._may_abort(function)
                if passed:
                    self._leak(function, passed)
        taint = [0] * 6 + taint[6:]
        pointers &= ~_CALLER_SAVED
        return (pointers | 1 if returns else pointers), taint

    def _subprog(self, function: Function, callee: Function, pointers: int, taint: list[int]) -> bool:
        passed = taint[1] | taint[2] | taint[3] | taint[4] | taint[5]
        function.callees.add(callee.subprogno)
        joined = pointers & _ARGS if callee.params < 0 else callee.params & pointers
        tainted = sum(1 << reg for reg in range(1, 6) if taint[reg])
        if joined != callee.params or tainted & ~callee.param_taint:
            callee.params, callee.param_taint = joined, callee.param_taint | tainted
            self.changed = True
        if callee.leaks_params and passed:
            self._leak(function, passed)
        if callee.may_abort or callee.leaks_own:
            self._may_abort(function)
        return callee.returns_pointer != 0  # until an exit says otherwise

    def _leak(self, function: Function, taint: int) -> None:
        if taint & OWN and not function.leaks_own:
            function.leaks_own = self.changed = True
        if taint & PARAM and not function.leaks_params:
            function.leaks_params = self.changed = True

    def _may_abort(self, function: Function) -> None:
        if not function.may_abort:
            function.may_abort = self.changed = True

    def _exit(self, function: Function, pointers: int) -> None:
        returns = pointers & 1 if function.returns_pointer < 0 else function.returns_pointer & pointers & 1
        if returns != function.returns_pointer:
            function.returns_pointer = returns
            self.changed = True


# (holds a pointer, taint) of the result
def _alu(insn: Insn, row: Row, pointers: int, taint: list[int]) -> tuple[bool, int]:
    dst, src = insn.dst_reg, insn.src_reg
    other = taint[src] if row.src == "X" else 0
    if row.width != 64 or row.family == "swap":
        return False, 0  # half an address is none
    if row.name == "MOV":
        return (bool(pointers >> src & 1), other) if row.src == "X" else (False, 0)
    if row.name in ("MOVSX", "ADDR_SPACE_CAST"):
        return False, other
    tainted = taint[dst] | other
    if row.name not in _KEEPS_POINTER:
        return False, tainted
    left = bool(pointers >> dst & 1)
    right = row.src == "X" and bool(pointers >> src & 1)
    return (left != right if row.name == "ADD" else left and not right), tainted


# The verifier knows; without it, the deepest access through R10, or all of it when R10 is copied.
def _stack_depth(prog: XlatedProgram, function: Function) -> int:
    depth = prog.subprogs[function.subprogno].stack_depth
    for block in function.blocks.values():
        for _, insn, row in block.insns:
            base = insn.src_reg if row.family == "ldx" or row.name == "LOAD_ACQ" else insn.dst_reg
            if row.family in ("ldx", "st", "stx", "atomic") and base == _FP:
                depth = max(depth, -insn.off)
            elif not depth and row.src == "X" and insn.src_reg == _FP:
                depth = uapi.MAX_BPF_STACK
    return -(-depth // 16) * 16
