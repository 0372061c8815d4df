"""One subprogram as LLVM IR.

Registers are SSA values inside a block; between blocks they live in one alloca each (``%R3`` as i64, ``%P3`` as ptr
where flow.py says that the register holds a pointer), which LLVM promotes. The stack frame is an alloca too, unless its
address reaches code that checks addresses: then it is in the run's stack region.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from beespace.decl.prog import InsnAux
from beespace.decl.runwords import (
    RUN_ABORTED,
    RUN_INSN_COUNT,
    RUN_INSN_LIMIT,
    RUN_LAST_INSN_IDX,
    RUN_RESULT,
    RUN_SP,
    RUN_STACK,
)
from beespace.errors import InternalError
from beespace.isa import LD_IMM64, Insn, Row, imm64
from beespace.jit import ops
from beespace.jit.flow import Block, Function
from beespace.jit.ir import Text
from beespace.jit.runtime import ABORTED_BY_FAULT, ABORTED_BY_LIMIT, ABORTED_BY_STACK
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.jit.module import Module

__all__ = ["FunctionEmitter"]

_FP = uapi.BPF_REG_10
_MAX_LOOPS = 8 * 1024 * 1024  # BPF_MAX_LOOPS: may_goto budget of a frame
_UNLIKELY = ", !prof !0"


class FunctionEmitter:
    """Writes one function into ``text``."""

    def __init__(self, module: Module, function: Function) -> None:
        self.module = module
        self.prog = module.prog
        self.function = function
        self.text = Text()
        self.block: Block = function.blocks[function.start]
        # Under a trace, addresses in the stack are those of the interpreter too.
        self.stack_depth = uapi.MAX_BPF_STACK if module.options.trace_calls else function.stack_depth
        self.hardened = module.options.hardened
        self.frame_in_guest = module.options.trace_calls or function.needs_stack
        self._missing: set[int] = set()  # where jumps lead that lead nowhere
        self.leaves = False  # something jumps to the label "leave"
        self._counted = 0  # instructions of this block not yet added to insn_count
        # What is known about each register in this block; at least one of ints, ptrs and halves once it was touched.
        self._ints: dict[int, str] = {}  # value as i64
        self._ptrs: dict[int, str] = {}  # value as ptr
        self._halves: dict[int, str] = {}  # lower half as i32
        self._is_half: set[int] = set()  # the upper half is zero
        self._pointers = 0  # mask: holds a pointer
        self._dirty = 0  # mask: differs from its alloca

    # --- registers ------------------------------------------------------------------------------------------------

    def read(self, reg: int) -> str:
        """A register as i64."""
        value = self._ints.get(reg)
        if value is None:
            if reg in self._is_half:
                value = self.text.value(f"zext i32 {self._halves[reg]} to i64")
            elif reg in self._ptrs or self._loads_ptr(reg):
                value = self.text.value(f"ptrtoint ptr {self.read_ptr(reg)} to i64")
            else:
                value = self.text.value(f"load i64, ptr %R{reg}")
            self._ints[reg] = value
        return value

    def read_ptr(self, reg: int) -> str:
        """A register as ptr."""
        value = self._ptrs.get(reg)
        if value is None:
            if self._loads_ptr(reg):
                value = self.text.value(f"load ptr, ptr %P{reg}")
            else:
                value = self.text.value(f"inttoptr i64 {self.read(reg)} to ptr")
            self._ptrs[reg] = value
        return value

    def read_bits(self, reg: int, bits: int) -> str:
        """The low *bits* of a register as iN."""
        if bits == 64:
            return self.read(reg)
        half = self._halves.get(reg)
        if half is None:
            half = self._halves[reg] = self.text.value(f"trunc i64 {self.read(reg)} to i32")
        return self.text.cast("trunc", 32, half, bits)

    def is_pointer(self, reg: int) -> bool:
        """Whether a register holds a pointer, as far as is known."""
        return bool(self._pointers >> reg & 1)

    def write(self, reg: int, value: str) -> None:
        """Set a register to an i64."""
        self._forget(reg)
        self._ints[reg] = value

    def write_ptr(self, reg: int, value: str) -> None:
        """Set a register to a ptr."""
        self._forget(reg)
        self._ptrs[reg] = value
        self._pointers |= 1 << reg

    def write_bits(self, reg: int, value: str, bits: int) -> None:
        """Set a register to a zero-extended iN."""
        if bits == 64:
            self.write(reg, value)
            return
        self._forget(reg)
        self._halves[reg] = self.text.cast("zext", bits, value, 32)
        self._is_half.add(reg)

    def _loads_ptr(self, reg: int) -> bool:
        untouched = reg not in self._ints and reg not in self._ptrs and reg not in self._is_half
        return untouched and bool(self.block.pointers >> reg & 1)

    def _forget(self, reg: int) -> None:
        for known in (self._ints, self._ptrs, self._halves):
            known.pop(reg, None)
        self._is_half.discard(reg)
        self._pointers &= ~(1 << reg)
        self._dirty |= 1 << reg

    def _copy(self, dst: int, src: int) -> None:
        if dst == src:
            return
        if self.is_pointer(src):
            self.read_ptr(src)
        elif src not in self._is_half:
            self.read(src)
        self._forget(dst)
        for known in (self._ints, self._ptrs, self._halves):
            if src in known:
                known[dst] = known[src]
        if src in self._is_half:
            self._is_half.add(dst)
        if self.is_pointer(src):
            self._pointers |= 1 << dst

    def address(self, reg: int, off: int) -> str:
        """The ptr ``reg + off``."""
        return self.text.gep(self.read_ptr(reg), off)

    # --- the function ---------------------------------------------------------------------------------------------

    def emit(self) -> None:
        """Write everything between the braces."""
        text = self.text
        text.location = self.module.location(self.function, self.function.start)
        text.label("entry")
        for reg in range(_FP):
            text.emit(f"%R{reg} = alloca i64")
            text.emit(f"%P{reg} = alloca ptr")
        text.emit("%loops = alloca i64")
        text.emit(f"store i64 {_MAX_LOOPS}, ptr %loops")
        self._frame()
        self._params()
        if self.hardened:
            self._check_limit(self.function.start)
        text.emit(f"br label %b{self.function.start}")
        for start in sorted(self.function.blocks):
            block = self.function.blocks[start]
            if block.pointers >= 0:  # reached
                self._block(block)
        for start in sorted(self._missing):
            text.label(f"b{start}")
            self._emit_fault(start, "0")
        if self.leaves:
            text.label("leave")
            self.ret("0")

    def _params(self) -> None:
        # A main program has one argument, a subprogram five. R0 and R6-R9 have no value; a defined one costs nothing.
        live = self.function.blocks[self.function.start].live_in
        params = range(1, 2 if self.function.subprogno == 0 else 6)
        for reg in range(_FP):
            if live >> reg & 1:
                self.text.emit(f"store i64 {f'%a{reg}' if reg in params else 0}, ptr %R{reg}")
                if self.function.blocks[self.function.start].pointers >> reg & 1:
                    pointer = self.text.value(f"inttoptr i64 {f'%a{reg}' if reg in params else 0} to ptr")
                    self.text.emit(f"store ptr {pointer}, ptr %P{reg}")

    def _frame(self) -> None:
        depth = self.stack_depth
        text = self.text
        if not depth:
            text.emit("%fp = inttoptr i64 0 to ptr")
            return
        if self.frame_in_guest:
            text.emit(f"%sp_at = getelementptr i8, ptr %words, i64 {RUN_SP}")
            text.emit("%sp = load i64, ptr %sp_at")
            text.emit(f"%stack_at = getelementptr i8, ptr %words, i64 {RUN_STACK}")
            text.emit("%stack = load i64, ptr %stack_at")
            room = text.value("sub i64 %sp, %stack")
            text.emit(f"%fits = icmp uge i64 {room}, {depth}")
            text.emit(f"br i1 %fits, label %framed, label %overflow{_UNLIKELY}")
            text.label("overflow")
            self.abort(ABORTED_BY_STACK)
            text.emit("ret i64 0")
            text.label("framed")
            text.emit("%fp = inttoptr i64 %sp to ptr")
            text.emit(f"%frame = getelementptr i8, ptr %fp, i64 -{depth}")
            bottom = text.value(f"sub i64 %sp, {depth}")
            text.emit(f"store i64 {bottom}, ptr %sp_at")
        else:
            text.emit(f"%frame = alloca [{depth} x i8], align 16")
            text.emit(f"%fp = getelementptr i8, ptr %frame, i64 {depth}")
        text.emit(f"call void @llvm.memset.p0.i64(ptr align 8 %frame, i8 0, i64 {depth}, i1 false)")

    def leave_frame(self) -> None:
        """Give the stack frame back."""
        if self.frame_in_guest:
            self.text.emit("store i64 %sp, ptr %sp_at")

    def ret(self, value: str) -> None:
        """Leave the function with an i64."""
        self.leave_frame()
        self.text.emit(f"ret i64 {value}")

    def abort(self, reason: int) -> None:
        """Mark the run as aborted."""
        self.text.emit(f"store i32 {reason}, ptr {self.word(RUN_ABORTED)}")

    def word(self, off: int) -> str:
        """Pointer to one of the run's words."""
        return self.text.gep("%words", off)

    def leave_if_aborted(self, idx: int) -> None:
        """After a call that may have aborted the run.

        :param idx: the call, -1 when the callee has noted where it was left.
        """
        text = self.text
        aborted = text.compare("ne", 32, text.value(f"load i32, ptr {self.word(RUN_ABORTED)}"), "0")
        go_on = text.new_label("go")
        if self.module.options.count_insns and idx >= 0:
            gone = text.new_label("gone")
            text.emit(f"br i1 {aborted}, label %{gone}, label %{go_on}{_UNLIKELY}")
            text.label(gone)
            self._last_insn(idx)
            text.emit("br label %leave")
        else:
            text.emit(f"br i1 {aborted}, label %leave, label %{go_on}{_UNLIKELY}")
        text.label(go_on)
        self.leaves = True

    # --- counting -------------------------------------------------------------------------------------------------

    def _count(self) -> None:
        if (self.module.options.count_insns or self.hardened) and self._counted:
            at = self.word(RUN_INSN_COUNT)
            count = self.text.value(f"load i64, ptr {at}")
            self.text.emit(f"store i64 {self.text.binary('add', 64, count, str(self._counted))}, ptr {at}")
        self._counted = 0

    def _last_insn(self, idx: int) -> None:
        if self.module.options.count_insns:
            self.text.emit(f"store i64 {idx}, ptr {self.word(RUN_LAST_INSN_IDX)}")

    # --- blocks ---------------------------------------------------------------------------------------------------

    def _block(self, block: Block) -> None:
        self.block = block
        self._ints, self._ptrs, self._halves, self._is_half = {}, {_FP: "%fp"}, {}, set()
        self._pointers, self._dirty, self._counted = block.pointers | 1 << _FP, 0, 0
        self.text.label(f"b{block.start}")
        ended = False
        for idx, insn, row in block.insns:
            self._counted += 1
            self.text.location = self.module.location(self.function, idx)
            ended = self._insn(idx, insn, row)
        if not ended:
            self._flush()
            last, insn, _ = block.insns[-1]
            following = last + (2 if insn.code == LD_IMM64 else 1)
            self._goto(block.next[0] if block.next else following)

    def _goto(self, start: int) -> None:
        self._must_exist(start)
        self.text.emit(f"br label %b{start}")

    # Of an unverified program, what leads nowhere faults when it gets there.
    def _must_exist(self, start: int) -> None:
        found = self.function.blocks.get(start)
        if self.hardened and (found is None or found.pointers < 0):
            self._missing.add(start)
        elif found is None:
            raise InternalError(f"{self.prog.name}: jump out of the subprogram to insn {start}")

    # What the next blocks read goes into the allocas, in the form they expect.
    def _flush(self) -> None:
        self._count()
        after = [self.function.blocks[start] for start in self.block.next if start in self.function.blocks]
        for reg in range(_FP):
            if not self.block.live_out >> reg & 1:
                continue
            as_ptr = any(block.live_in & block.pointers & 1 << reg for block in after)
            as_int = any(block.live_in & ~block.pointers & 1 << reg for block in after)
            changed = self._dirty >> reg & 1
            if as_ptr and (changed or not self.block.pointers >> reg & 1):
                self.text.emit(f"store ptr {self.read_ptr(reg)}, ptr %P{reg}")
            if as_int and (changed or self.block.pointers >> reg & 1):
                self.text.emit(f"store i64 {self.read(reg)}, ptr %R{reg}")

    # --- instructions ---------------------------------------------------------------------------------------------

    # Whether the block ends here.
    def _insn(self, idx: int, insn: Insn, row: Row) -> bool:
        if idx in self.module.faults:
            self._count()
            self._emit_fault(idx, "0")
            return True
        if self.hardened and row.family in ("jmp", "goto") and min(self.block.next) <= idx:
            self._count()
            self._check_limit(idx)
        match row.family:
            case "alu" | "swap":
                self._alu(insn, row)
            case "ldx":
                self._load(idx, insn, row)
            case "st" | "stx":
                self._store(idx, insn, row)
            case "atomic":
                self._atomic(idx, insn, row)
            case "imm64":
                self._imm64(idx, insn)
            case "jmp":
                self._jump(idx, insn, row)
                return True
            case "goto":
                self._goto_insn(row)
                return True
            case "call":
                self._call(idx, insn, row)
            case "exit":
                self._count()
                self._last_insn(idx)
                self.ret(self.read(0))
                return True
            case _:
                raise InternalError(f"insn {idx} of {self.prog.name}: {row.name} is not lowered")
        return False

    def _operand(self, insn: Insn, row: Row) -> str:
        return self.read_bits(insn.src_reg, row.width) if row.src == "X" else str(insn.imm)

    def _alu(self, insn: Insn, row: Row) -> None:
        dst, src = insn.dst_reg, insn.src_reg
        if row.name == "ADDR_SPACE_CAST":
            self._cast_user(insn)
        elif row.family == "swap":
            self.write(dst, ops.SWAP[row.name](self.text, self.read(dst), "", row.width, 0))
        elif row.name == "MOV" and row.width == 64 and row.src == "X":
            self._copy(dst, src)
        elif row.name in ("ADD", "SUB") and row.width == 64 and self._moves_pointer(insn, row):
            pass
        else:
            a = "" if row.name in ("MOV", "MOVSX") else self.read_bits(dst, row.width)
            value = ops.ALU[row.name](self.text, a, self._operand(insn, row), row.width, insn.off)
            if row.name == "MOV" and row.src == "K":
                value = self.text.binary("add", row.width, value, "0")
            self.write_bits(dst, value, row.width)

    # Pointer arithmetic keeps the object in sight.
    def _moves_pointer(self, insn: Insn, row: Row) -> bool:
        dst, src = insn.dst_reg, insn.src_reg
        left = self.is_pointer(dst)
        right = row.src == "X" and self.is_pointer(src)
        if row.name == "SUB":
            if not left or right:
                return False
            if row.src == "K":
                self.write_ptr(dst, self.text.gep(self.read_ptr(dst), -insn.imm))
            else:
                minus = self.text.binary("sub", 64, "0", self.read(src))
                self.write_ptr(dst, self.text.gep(self.read_ptr(dst), minus))
            return True
        if left == right:
            return False
        if left:
            self.write_ptr(dst, self.text.gep(self.read_ptr(dst), self._operand(insn, row)))
        else:
            self.write_ptr(dst, self.text.gep(self.read_ptr(src), self.read(dst)))
        return True

    # To the user's view of the arena; NULL stays NULL.
    def _cast_user(self, insn: Insn) -> None:
        text = self.text
        low = text.cast("zext", 32, self.read_bits(insn.src_reg, 32), 64)
        upper = self.prog.arena[1] & ~0xFFFFFFFF
        full = text.binary("or", 64, low, str(_signed(upper)))
        self.write(insn.dst_reg, text.select(text.compare("eq", 64, low, "0"), 64, "0", full))

    # --- memory ---------------------------------------------------------------------------------------------------

    def _aux(self, idx: int) -> InsnAux | None:
        return self.prog.aux[idx] if self.prog.aux else None

    def _is_arena(self, idx: int) -> bool:
        aux = self._aux(idx)
        return aux is not None and aux.ptr_type & uapi.BPF_BASE_TYPE_MASK == uapi.PTR_TO_ARENA

    def _load(self, idx: int, insn: Insn, row: Row) -> None:
        aux = self._aux(idx)
        if self._is_arena(idx) or (aux is not None and aux.probe_mem):
            value = self._careful_load(idx, insn, row)
        else:
            pointer = self._access(idx, insn.src_reg, insn.off, row, write=False)
            value = self.text.value(f"load i{row.width}, ptr {pointer}, align {self._align(insn.src_reg, row)}")
        if row.name == "LDSX":
            self.write(insn.dst_reg, self.text.cast("sext", row.width, value, 64))
        else:
            self.write_bits(insn.dst_reg, value, row.width)
            if row.width == 64 and self._yields_pointer(idx, insn):
                self.read_ptr(insn.dst_reg)
                self._pointers |= 1 << insn.dst_reg

    # The same question as flow.py's.
    def _yields_pointer(self, idx: int, insn: Insn) -> bool:
        aux = self._aux(idx)
        if aux is not None and aux.ctx_field is not None:
            base = aux.ctx_field.reg_type & uapi.BPF_BASE_TYPE_MASK
            return base not in (uapi.NOT_INIT, uapi.SCALAR_VALUE)
        return insn.src_reg == _FP and insn.off in self.function.spilled_pointers

    # Where an access goes; hardened code leaves when the guest may not.
    def _access(self, idx: int, base: int, off: int, row: Row, *, write: bool) -> str:
        if not self.hardened:
            return self.address(base, off)
        text = self.text
        address = text.binary("add", 64, self.read(base), str(off))
        size = row.width // 8
        allowed = text.value(f"call i32 @bs_check(ptr %words, i64 {address}, i64 {size}, i32 {int(write)})")
        good = text.compare("ne", 32, allowed, "0")
        if row.family == "atomic":
            aligned = text.compare("eq", 64, text.binary("and", 64, address, str(size - 1)), "0")
            good = text.value(f"and i1 {good}, {aligned}")
        fine, bad = text.new_label("fine"), text.new_label("bad")
        text.emit(f"br i1 {good}, label %{fine}, label %{bad}{_UNLIKELY}")
        text.label(bad)
        self._emit_fault(idx, address)
        text.label(fine)
        return text.value(f"inttoptr i64 {address} to ptr")

    def _emit_fault(self, idx: int, address: str) -> None:
        self.text.emit(f"store i64 {idx}, ptr {self.word(RUN_LAST_INSN_IDX)}")
        self.text.emit(f"store i64 {address}, ptr {self.word(RUN_RESULT)}")
        self.abort(ABORTED_BY_FAULT)
        self.text.emit("br label %leave")
        self.leaves = True

    # Leaves when the run has executed as much as it may.
    def _check_limit(self, idx: int) -> None:
        text = self.text
        count = text.value(f"load i64, ptr {self.word(RUN_INSN_COUNT)}")
        limit = text.value(f"load i64, ptr {self.word(RUN_INSN_LIMIT)}")
        is_limited = text.compare("ne", 64, limit, "0")
        spent = text.value(f"and i1 {text.compare('uge', 64, count, limit)}, {is_limited}")
        over, go_on = text.new_label("over"), text.new_label("on")
        text.emit(f"br i1 {spent}, label %{over}, label %{go_on}{_UNLIKELY}")
        text.label(over)
        text.emit(f"store i64 {idx}, ptr {self.word(RUN_LAST_INSN_IDX)}")
        self.abort(ABORTED_BY_LIMIT)
        text.emit("br label %leave")
        text.label(go_on)
        self.leaves = True

    # The verifier proves alignment only where the architecture asks for it.
    def _align(self, base: int, row: Row) -> int:
        return row.width // 8 if base == _FP and not self.hardened else 1

    def _store(self, idx: int, insn: Insn, row: Row) -> None:
        value = self.read_bits(insn.src_reg, row.width) if row.family == "stx" else str(insn.imm)
        if row.family == "st" and row.width < 32:
            value = str(_signed(insn.imm, row.width))
        if self._is_arena(idx):
            self._careful_store(insn, row, value)
            return
        pointer = self._access(idx, insn.dst_reg, insn.off, row, write=True)
        align = self._align(insn.dst_reg, row)
        if row.family == "stx" and row.width == 64 and self.is_pointer(insn.src_reg):
            self.text.emit(f"store ptr {self.read_ptr(insn.src_reg)}, ptr {pointer}, align {align}")
        else:
            self.text.emit(f"store i{row.width} {value}, ptr {pointer}, align {align}")

    def _atomic(self, idx: int, insn: Insn, row: Row) -> None:
        acquires = row.name == "LOAD_ACQ"
        base = insn.src_reg if acquires else insn.dst_reg
        value = "" if acquires else self.read_bits(insn.src_reg, row.width)
        r0 = self.read_bits(0, row.width) if row.name == "ATOMIC_CMPXCHG" else ""
        if self._is_arena(idx):
            pointer = self._arena_address(base, insn.off)
            old = self._if_there(
                pointer, row.width, lambda at: ops.ATOMIC[row.name](self.text, at, value, r0, row.width)
            )  # fmt: skip
        else:
            pointer = self._access(idx, base, insn.off, row, write=not acquires)
            old = ops.ATOMIC[row.name](self.text, pointer, value, r0, row.width)
        if acquires:
            self.write_bits(insn.dst_reg, old, row.width)
        elif row.name == "ATOMIC_CMPXCHG":
            self.write_bits(0, old, row.width)
        elif row.name == "ATOMIC_XCHG" or "FETCH" in row.name:
            self.write_bits(insn.src_reg, old, row.width)

    # Memory that may not be there: a load gives 0 then, a store does nothing.
    def _if_there(self, address: str, bits: int, load: Callable[[str], str]) -> str:
        text = self.text
        there, gone = text.new_label("there"), text.new_label("gone")
        before = text.new_label("probe")
        text.emit(f"br label %{before}")
        text.label(before)
        found = text.value(f"call i32 @bs_probe(ptr %words, i64 {address}, i64 {bits // 8})")
        text.emit(f"br i1 {text.compare('ne', 32, found, '0')}, label %{there}, label %{gone}")
        text.label(there)
        value = load(text.value(f"inttoptr i64 {address} to ptr"))
        text.emit(f"br label %{gone}")
        text.label(gone)
        return text.value(f"phi i{bits} [ {value}, %{there} ], [ 0, %{before} ]") if value else ""

    def _arena_address(self, reg: int, off: int) -> str:
        text = self.text
        low = text.cast("zext", 32, self.read_bits(reg, 32), 64)
        base = text.value(f"ptrtoint ptr {self.module.symbol('arena', self.prog.arena[0])} to i64")
        return text.binary("add", 64, text.binary("add", 64, base, low), str(off))

    def _careful_load(self, idx: int, insn: Insn, row: Row) -> str:
        text = self.text
        if self._is_arena(idx):
            address = self._arena_address(insn.src_reg, insn.off)
        else:
            address = text.binary("add", 64, self.read(insn.src_reg), str(insn.off))
        return self._if_there(address, row.width, lambda at: text.value(f"load i{row.width}, ptr {at}, align 1"))

    def _careful_store(self, insn: Insn, row: Row, value: str) -> None:
        address = self._arena_address(insn.dst_reg, insn.off)

        def store(at: str) -> str:
            self.text.emit(f"store i{row.width} {value}, ptr {at}, align 1")
            return ""

        self._if_there(address, row.width, store)

    def _imm64(self, idx: int, insn: Insn) -> None:
        aux = self._aux(idx)
        if idx not in self.prog.imm64:
            value = imm64(insn, self.prog.insns[idx + 1])
            self.write(insn.dst_reg, self.text.binary("add", 64, str(_signed(value)), "0"))
            return
        # One symbol for each object: LLVM takes different symbols for different memory.
        kind, off = (aux.imm64[0], aux.imm64[2]) if aux is not None and aux.imm64 is not None else ("", 0)
        off = int(off) if kind == "map_value" else 0
        symbol = self.module.symbol("text" if kind == "func" else "at", self.prog.imm64[idx] - off)
        if kind in ("map", "map_value", "btf"):
            self.write_ptr(insn.dst_reg, self.text.gep(symbol, off))
        else:
            self.write(insn.dst_reg, self.text.value(f"ptrtoint ptr {symbol} to i64"))

    # --- control --------------------------------------------------------------------------------------------------

    def _jump(self, idx: int, insn: Insn, row: Row) -> None:
        taken = ops.JMP[row.name](
            self.text, self.read_bits(insn.dst_reg, row.width), self._operand(insn, row), row.width, 0
        )  # fmt: skip
        self._flush()
        fallthrough, target = self.block.next
        self._must_exist(fallthrough)
        self._must_exist(target)
        self.text.emit(f"br i1 {taken}, label %b{target}, label %b{fallthrough}")

    def _goto_insn(self, row: Row) -> None:
        text = self.text
        self._flush()
        if row.name != "MAY_GOTO":
            self._goto(self.block.next[0])
            return
        go_on, target = self.block.next
        left = text.value("load i64, ptr %loops")
        spent = text.compare("eq", 64, left, "0")
        rest = text.select(spent, 64, "0", text.binary("sub", 64, left, "1"))
        text.emit(f"store i64 {rest}, ptr %loops")
        self._must_exist(go_on)
        self._must_exist(target)
        text.emit(f"br i1 {spent}, label %b{target}, label %b{go_on}")

    def _call(self, idx: int, insn: Insn, row: Row) -> None:
        self._count()
        if row.name == "CALL_SUBPROG":
            callee = self.module.function_at(idx + 1 + insn.imm)
            args = ", ".join(f"i64 {self.read(reg)}" for reg in range(1, 6))
            result = self.text.value(f"call i64 @sub{callee.subprogno}(ptr %words, {args})")
            if callee.may_abort or callee.needs_stack or self.module.options.trace_calls:
                self.leave_if_aborted(-1)
            self.result(result, callee.returns_pointer == 1)
        else:
            self.module.lower_call(self, idx)

    def result(self, value: str, is_pointer: bool) -> None:
        """What a call returned, an i64, goes to R0."""
        if is_pointer:
            self.write_ptr(0, self.text.value(f"inttoptr i64 {value} to ptr"))
        else:
            self.write(0, value)


def _signed(value: int, bits: int = 64) -> int:
    sign = 1 << (bits - 1)
    return ((value & ((sign << 1) - 1)) ^ sign) - sign
