"""What the loop distinguishes (enum of code.pxd, for the uncompiled twin): one kind may serve several rows."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from beespace.values import mutable

__all__ = [
    "HOT", "K_ADD32", "K_ADD64", "K_ALU32", "K_ALU64", "K_AND32", "K_AND64", "K_ARENA_ATOMIC", "K_ARENA_LDX",
    "K_ARENA_STORE", "K_ATOMIC", "K_CALL", "K_CALL_SUBPROG", "K_CAST_USER", "K_EXIT", "K_ILLEGAL", "K_IMM64",
    "K_JA", "K_JEQ32", "K_JEQ64", "K_JGT32", "K_JGT64", "K_JLT32", "K_JLT64", "K_JMP32", "K_JMP64", "K_JNE32",
    "K_JNE64", "K_LDX", "K_LSH32", "K_LSH64", "K_MAY_GOTO", "K_MOV32", "K_MOV64", "K_MUL32", "K_MUL64", "K_OR32",
    "K_OR64", "K_PROBE_LDX", "K_RSH32", "K_RSH64", "K_ST", "K_STX", "K_SUB32", "K_SUB64", "K_TAIL_CALL", "K_XOR32",
    "K_XOR64", "Ops", "UncompiledFrame", "UncompiledOp",
]  # fmt: skip

K_ILLEGAL = 0
K_ALU64 = 1
K_ALU32 = 2
K_JMP64 = 3
K_JMP32 = 4
K_JA = 5
K_IMM64 = 6
K_LDX = 7
K_ST = 8
K_STX = 9
K_ATOMIC = 10
K_CALL = 11
K_CALL_SUBPROG = 12
K_TAIL_CALL = 13
K_EXIT = 14
K_MAY_GOTO = 15
K_PROBE_LDX = 16
K_ARENA_LDX = 17
K_ARENA_STORE = 18
K_ARENA_ATOMIC = 19
K_CAST_USER = 20
K_ADD32 = 21
K_ADD64 = 22
K_SUB32 = 23
K_SUB64 = 24
K_MUL32 = 25
K_MUL64 = 26
K_AND32 = 27
K_AND64 = 28
K_OR32 = 29
K_OR64 = 30
K_XOR32 = 31
K_XOR64 = 32
K_LSH32 = 33
K_LSH64 = 34
K_RSH32 = 35
K_RSH64 = 36
K_MOV32 = 37
K_MOV64 = 38
K_JEQ32 = 39
K_JEQ64 = 40
K_JNE32 = 41
K_JNE64 = 42
K_JGT32 = 43
K_JGT64 = 44
K_JLT32 = 45
K_JLT64 = 46

# Operations with kinds of their own: (name, width) -> kind.
HOT = {
    ("ADD", 32): K_ADD32,
    ("ADD", 64): K_ADD64,
    ("SUB", 32): K_SUB32,
    ("SUB", 64): K_SUB64,
    ("MUL", 32): K_MUL32,
    ("MUL", 64): K_MUL64,
    ("AND", 32): K_AND32,
    ("AND", 64): K_AND64,
    ("OR", 32): K_OR32,
    ("OR", 64): K_OR64,
    ("XOR", 32): K_XOR32,
    ("XOR", 64): K_XOR64,
    ("LSH", 32): K_LSH32,
    ("LSH", 64): K_LSH64,
    ("RSH", 32): K_RSH32,
    ("RSH", 64): K_RSH64,
    ("MOV", 32): K_MOV32,
    ("MOV", 64): K_MOV64,
    ("JEQ", 32): K_JEQ32,
    ("JEQ", 64): K_JEQ64,
    ("JNE", 32): K_JNE32,
    ("JNE", 64): K_JNE64,
    ("JGT", 32): K_JGT32,
    ("JGT", 64): K_JGT64,
    ("JLT", 32): K_JLT32,
    ("JLT", 64): K_JLT64,
}


@mutable
class UncompiledOp:
    """``struct Op``."""

    kind: int = 0
    dst: int = 0
    src: int = 0
    x: int = 0
    size: int = 0
    sext: int = 0
    result: int = 0
    frame: int = 0
    off: int = 0
    bits: int = 0
    target: int = 0
    imm: int = 0
    mask: int = 0
    function: Any = None


@mutable
class UncompiledFrame:
    """``struct Frame``."""

    pc: int = 0
    saved: list[int] = field(default_factory=lambda: [0] * 5)
    loops: int = 0
    program: int = 0
    main: bool = False


Ops = list[UncompiledOp]  # ``struct Op *``
