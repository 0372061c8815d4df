"""Is a mutant no change at all? z3 says whether its function gives what the original gives, whatever it is given."""

from __future__ import annotations

import ast
from typing import Any

import z3

from proofs.domain import W8, Width
from proofs.mutants import Mutant, apply, original
from proofs.obligations import RANGES, World

__all__ = ["proven_equivalent"]

FLAGS = {"is32", "is64", "swaps"}  # what an instruction says: tried both ways


def proven_equivalent(mutant: Mutant, width: Width = W8) -> bool:
    """Same result and same effect as the original on all states whose ranges are not empty; False: not shown."""
    func = next(f for f in original().body if isinstance(f, ast.FunctionDef) and f.name == mutant.function)
    changed = apply(mutant)
    flags = [arg.arg for arg in func.args.args if arg.arg in FLAGS]
    kinds = [True, False] if flags else [False]
    return all(_same(func, changed, flag, bits, width) for flag in kinds for bits in _bits(func, width))


def _bits(func: ast.FunctionDef, width: Width) -> list[int]:
    takes_bits = any(arg.arg == "bits" for arg in func.args.args)
    return [width.half, width.bits] if takes_bits else [0]


def _same(func: ast.FunctionDef, changed: ast.Module, flag: bool, bits: int, width: Width) -> bool:
    outcomes, given = [], []
    for source in (None, changed):
        w = World(width, source)
        given, args, words = [], [], []
        for arg in func.args.args:
            value, assumed = _symbol(w, arg, flag, bits)
            args.append(value)
            given += assumed
        out = getattr(w.d, func.name)(*args)
        for value in (out, *args):
            words += _words(w, value)
        outcomes.append(words)
    solver = z3.Solver()
    solver.set("timeout", 60_000)
    differ = z3.Or(*(x != y for x, y in zip(*outcomes, strict=True)))
    solver.add(*given, differ)
    return bool(solver.check() == z3.unsat)


def _symbol(w: World, arg: ast.arg, flag: bool, bits: int) -> tuple[Any, list[Any]]:
    assert arg.annotation is not None
    kind = ast.unparse(arg.annotation)
    if arg.arg in FLAGS:
        return flag, []
    if arg.arg == "bits":
        return bits, []
    if arg.arg == "shift" and bits:
        word = w.word(arg.arg)
        return word, [z3.ULT(word, bits)]
    if kind == "Tnum":
        t = w.tnum(arg.arg)
        return t, [(t.value & t.mask) == 0]
    if kind == "Bounds":
        b = w.state(arg.arg)
        return b, [
            (b.var_off.value & b.var_off.mask) == 0,
            z3.ULE(b.umin_value, b.umax_value),
            b.smin_value <= b.smax_value,
            z3.ULE(b.u32_min_value, b.u32_max_value),
            b.s32_min_value <= b.s32_max_value,
        ]
    if kind == "cython.bint":
        return z3.Bool(arg.arg), []
    return w.word(arg.arg), []


def _words(w: World, value: Any) -> list[Any]:
    # What can be told of a result or of an argument that was changed in place.
    if isinstance(value, w.d.Bounds):
        return [value.var_off.value, value.var_off.mask, *(w.d.w64(getattr(value, name)) for name in RANGES)]
    if isinstance(value, w.d.Tnum):
        return [value.value, value.mask]
    if isinstance(value, tuple):
        return [word for part in value for word in _words(w, part)]
    return [value] if isinstance(value, z3.ExprRef) else []
