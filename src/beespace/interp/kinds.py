"""What the loop distinguishes (enum of code.pxd, for the uncompiled twin): one kind may serve several rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "K_ALU32", "K_ALU64", "K_ARENA_ATOMIC", "K_ARENA_LDX", "K_ARENA_STORE", "K_ATOMIC", "K_CALL", "K_CALL_SUBPROG",
    "K_CAST_USER", "K_EXIT", "K_ILLEGAL", "K_IMM64", "K_JA", "K_JMP32", "K_JMP64", "K_LDX", "K_MAY_GOTO",
    "K_PROBE_LDX", "K_ST", "K_STX", "K_TAIL_CALL", "Ops", "UncompiledFrame", "UncompiledOp",
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


@dataclass(slots=True)
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
    function: Any = None


@dataclass(slots=True)
class UncompiledFrame:
    """``struct Frame``."""

    pc: int = 0
    saved: list[int] = field(default_factory=lambda: [0] * 5)
    loops: int = 0
    program: int = 0
    main: bool = False


Ops = list[UncompiledOp]  # ``struct Op *``
