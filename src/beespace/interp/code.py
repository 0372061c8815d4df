"""Programs as the loop reads them: one Op for each 8-byte slot, and one behind the last that faults.

Decoding looks rows up and puts the function that gives an instruction its meaning into the Op: compiled the C function
behind ``ops.ALU["ADD"]``, uncompiled the Python function (in ``Code.functions``).
"""

# mypy: disable-error-code="has-type"
# (C pointers are Any)

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import cython

from beespace.decl.call import BoundCall
from beespace.interp import kinds as k
from beespace.isa.rows import Row, row_of
from beespace.uapi import bpf as uapi

if cython.compiled:
    from cython.cimports.beespace.interp import code as c
    from cython.cimports.libc.stdlib import calloc, free

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from beespace.decl.prog import InsnAux, XlatedProgram
    from beespace.isa.insn import Insn

__all__ = ["NO_REG", "Code", "Meaning"]

U64 = 0xFFFFFFFFFFFFFFFF
NO_REG = 11  # a twelfth word of the register file, written and never read
_FP = uapi.BPF_REG_10
_FRAME_BYTES = 512
_BASE_TYPE_MASK = uapi.BPF_BASE_TYPE_MASK


# Address of the C function behind a cpdef function; what cimport would use.
def _native(module: ModuleType, function: Callable[..., Any]) -> int:
    capsule = module.__pyx_capi__[function.__name__]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get(capsule, get_name(capsule)))


class Meaning:
    """Where decoding finds what instructions do: the module machine.py.

    :ivar native: function -> address of the C function behind it; empty uncompiled.
    """

    def __init__(self, module: ModuleType) -> None:
        self.alu: dict[str, Any] = {**module.ALU, **module.SWAP}
        self.jmp: dict[str, Any] = module.JMP
        self.atomic: dict[str, Any] = module.ATOMIC
        functions = (*self.alu.values(), *self.jmp.values(), *self.atomic.values())
        self.native = {function: _native(module, function) for function in functions} if cython.compiled else {}


_MEMORY_KINDS = {"ldx": k.K_LDX, "st": k.K_ST, "stx": k.K_STX, "atomic": k.K_ATOMIC}


@cython.final
@cython.cclass
class Code:
    """A decoded program.

    :ivar calls: BoundCall of each helper or kfunc call; ``Op.target`` is the index.
    :ivar illegal: insn_idx -> what is wrong with an instruction that only faults when it is reached.
    """

    def __init__(self, prog: XlatedProgram, meaning: Meaning) -> None:
        self.meaning = meaning
        count = len(prog.insns)
        self.count = count
        self.functions: list[Any] = []  # uncompiled: what ``Op.function`` is compiled
        self.calls: list[BoundCall] = []
        self.illegal: dict[int, str] = {}
        self.arena_base, self.arena_user = prog.arena
        if cython.compiled:
            self.ops = cython.cast(c.Ops, calloc(count + 1, cython.sizeof(c.Op)))
            if self.ops == cython.NULL:
                raise MemoryError
        else:
            self.ops = [k.UncompiledOp() for _ in range(count + 1)]
            self.functions.extend([None] * (count + 1))
        self.illegal[count] = "the program has no instruction here"
        second = False
        for idx in range(count):
            insn = prog.insns[idx]
            if second:
                self.illegal[idx] = "jump into the middle of LD_IMM64"
                second = False
            else:
                self._decode(prog, idx, insn)
                second = self.ops[idx].kind == k.K_IMM64

    def __dealloc__(self) -> None:
        if cython.compiled:
            free(self.ops)

    def _decode(self, prog: XlatedProgram, idx: int, insn: Insn) -> None:
        row = row_of(insn)
        if row is None:
            self.illegal[idx] = f"unknown opcode {insn.code:02x}"
            return
        for index, value in row.fixed:
            if insn[index] != value:
                self.illegal[idx] = f"{row.name} with {insn._fields[index]} {insn[index]}"
                return
        if insn.dst_reg > _FP or (insn.src_reg > _FP and "src_reg" in row.free):
            self.illegal[idx] = f"register R{max(insn.dst_reg, insn.src_reg)}"
            return
        self.ops[idx].dst = insn.dst_reg
        self.ops[idx].src = insn.src_reg
        self.ops[idx].off = insn.off
        self.ops[idx].imm = insn.imm & U64
        match row.family:
            case "alu" | "swap":
                self._alu(idx, insn, row)
            case "jmp":
                self._function(idx, k.K_JMP64 if row.width == 64 else k.K_JMP32, row, self.meaning.jmp[row.name])
                self._jump(idx, insn.off)
            case "ldx" | "st" | "stx" | "atomic":
                self._memory(idx, insn, row, prog.aux[idx] if prog.aux else None)
            case "imm64":
                self._imm64(prog, idx, insn)
            case "goto" if row.name == "MAY_GOTO":
                self.ops[idx].kind = k.K_MAY_GOTO
                self._jump(idx, insn.off)
            case "goto":
                self.ops[idx].kind = k.K_JA
                self._jump(idx, insn.imm if row.cls == uapi.BPF_JMP32 else insn.off)
            case "call":
                self._call(prog, idx, insn, row)
            case "exit":
                self.ops[idx].kind = k.K_EXIT
            case _:
                self.illegal[idx] = f"{row.name} is not lowered"

    def _function(self, idx: int, kind: int, row: Row, function: Callable[..., Any]) -> None:
        self.ops[idx].kind = k.HOT.get((row.name, row.width), kind)
        self.ops[idx].bits = row.width
        if row.src == "X":
            self.ops[idx].mask = U64
            self.ops[idx].imm = 0
        if cython.compiled:
            self.ops[idx].function = cython.cast(
                cython.p_void, cython.cast(cython.size_t, self.meaning.native[function])
            )
        else:
            self.functions[idx] = function

    def _jump(self, idx: int, off: int) -> None:
        target = idx + 1 + off
        self.ops[idx].target = target if 0 <= target < self.count else self.count

    def _writes(self, idx: int, reg: int) -> None:
        if reg == _FP:
            self.ops[idx].kind = k.K_ILLEGAL
            self.illegal[idx] = "frame pointer is read only"

    def _alu(self, idx: int, insn: Insn, row: Row) -> None:
        if row.name == "ADDR_SPACE_CAST":
            if insn.imm == 1 << 16:
                self.ops[idx].kind = k.K_CAST_USER
            else:  # to the kernel's address space: the upper half goes
                self._function(idx, k.K_ALU32, row, self.meaning.alu["MOV"])
        elif row.family == "swap":
            self._function(idx, k.K_ALU64, row, self.meaning.alu[row.name])
        else:
            self._function(idx, k.K_ALU64 if row.width == 64 else k.K_ALU32, row, self.meaning.alu[row.name])
        self._writes(idx, insn.dst_reg)

    def _memory(self, idx: int, insn: Insn, row: Row, aux: InsnAux | None) -> None:
        size = row.width // 8
        kind = _MEMORY_KINDS[row.family]
        if kind == k.K_ATOMIC:
            self._function(idx, kind, row, self.meaning.atomic[row.name])
            self._atomic(idx, insn, row)
        self.ops[idx].kind = kind
        self.ops[idx].size = size
        self.ops[idx].sext = row.name == "LDSX"
        if kind == k.K_STX:
            self.ops[idx].mask = U64
        base = insn.src_reg if kind == k.K_LDX else insn.dst_reg
        self.ops[idx].frame = base == _FP and kind != k.K_ATOMIC and -_FRAME_BYTES <= insn.off <= -size
        if aux is not None and aux.ptr_type & _BASE_TYPE_MASK == uapi.PTR_TO_ARENA:
            arena = {k.K_LDX: k.K_ARENA_LDX, k.K_ATOMIC: k.K_ARENA_ATOMIC}
            self.ops[idx].kind = arena.get(kind, k.K_ARENA_STORE)
        elif aux is not None and aux.probe_mem and kind == k.K_LDX:
            self.ops[idx].kind = k.K_PROBE_LDX
        if kind == k.K_LDX:
            self._writes(idx, insn.dst_reg)

    def _atomic(self, idx: int, insn: Insn, row: Row) -> None:
        result = NO_REG
        if row.name == "LOAD_ACQ":
            self.ops[idx].dst = insn.src_reg
            self.ops[idx].x = 1
            result = insn.dst_reg
        elif row.name == "ATOMIC_CMPXCHG":
            result = uapi.BPF_REG_0
        elif row.name == "ATOMIC_XCHG" or "FETCH" in row.name:
            result = insn.src_reg
        self.ops[idx].result = result
        self._writes(idx, result)

    def _imm64(self, prog: XlatedProgram, idx: int, insn: Insn) -> None:
        upper = prog.insns[idx + 1].imm if idx + 1 < self.count else 0
        value = (upper << 32 | insn.imm & 0xFFFFFFFF) & U64
        if insn.src_reg:
            if idx not in prog.imm64:
                self.illegal[idx] = f"LD_IMM64 with src_reg {insn.src_reg} is not resolved"
                return
            value = prog.imm64[idx]
        self.ops[idx].kind = k.K_IMM64
        self.ops[idx].imm = value
        self._writes(idx, insn.dst_reg)

    def _call(self, prog: XlatedProgram, idx: int, insn: Insn, row: Row) -> None:
        if row.name == "CALL_SUBPROG":
            self.ops[idx].kind = k.K_CALL_SUBPROG
            self._jump(idx, insn.imm)
            return
        proto = prog.calls.get(idx)
        if proto is None:
            self.illegal[idx] = f"{'helper' if row.name == 'CALL_HELPER' else 'kfunc'} {insn.imm} is not known"
            return
        self.ops[idx].kind = k.K_TAIL_CALL if proto.name == "bpf_tail_call" else k.K_CALL
        self.ops[idx].target = len(self.calls)
        self.calls.append(BoundCall(proto, prog.aux[idx] if prog.aux else None))
