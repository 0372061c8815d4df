"""Loads numbers.py uncompiled, with words of another width or another kind.

The operators of numbers.py use nothing but its primitives and ``+ - * & | ^ ~``; replacing the primitives makes the
same functions run on z3 bit vectors (`bit_vectors`), on z3 integers (`integers`) or on numpy arrays (`arrays`).
"""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import z3

__all__ = ["NUMBERS", "W5", "W8", "W64", "Domain", "Width", "arrays", "bit_vectors", "integers", "plain"]

NUMBERS = Path(__file__).parents[2] / "src" / "beespace" / "verifier" / "numbers.py"

Domain = Any  # a module: functions find each other in it, so that replacing one replaces it for all


@dataclass(frozen=True)
class Width:
    """Sizes of the words: 64 with subregisters of 32 and bytes of 8 is what runs."""

    bits: int
    half: int
    byte: int

    @property
    def mask(self) -> int:
        """All bits."""
        return (1 << self.bits) - 1

    @property
    def low(self) -> int:
        """The bits of the subregister."""
        return (1 << self.half) - 1

    def constants(self) -> dict[str, int]:
        """The constants of numbers.py at this width."""
        sign, sign32 = 1 << self.bits - 1, 1 << self.half - 1
        return {
            "BITS": self.bits,
            "HALF": self.half,
            "BYTE": self.byte,
            "SHIFT_MASK": (1 << (self.bits - 1).bit_length()) - 1,
            "U64": self.mask,
            "S64_MIN": sign,
            "S64_MAX": sign - 1,
            "U32": self.low,
            "S32_SIGN": sign32,
            "S32_MIN": self.mask ^ (sign32 - 1),
            "S32_MAX": sign32 - 1,
            "UPPER": self.mask ^ self.low,
            "ONE_UP": 1 << self.half,
        }


W64, W8, W5 = Width(64, 32, 8), Width(8, 4, 1), Width(5, 2, 1)


@functools.cache
def _source() -> str:
    return NUMBERS.read_text()


def plain(width: Width, source: str | ast.Module | None = None) -> Domain:
    """numbers.py on Python integers of *width* (from *source*, if given: a mutant)."""
    d: Any = types.ModuleType("numbers_under_proof")
    exec(compile(_source() if source is None else source, str(NUMBERS), "exec"), d.__dict__)
    d.__dict__.update(width.constants())
    d.width = width
    return d


def bit_vectors(width: Width, source: str | ast.Module | None = None) -> Domain:
    """numbers.py on z3 bit vectors of *width*."""
    d = plain(width, source)
    bits = width.bits
    true_new_tnum = d.new_tnum

    def word(x: Any) -> Any:
        return x if isinstance(x, z3.BitVecRef) else z3.BitVecVal(x, bits)

    def count(n: Any) -> Any:
        return word(n) & word(d.SHIFT_MASK)

    def smul_overflows(a: Any, b: Any) -> Any:
        wide = z3.SignExt(bits, word(a)) * z3.SignExt(bits, word(b))
        return wide != z3.SignExt(bits, z3.Extract(bits - 1, 0, wide))

    def umul_overflows(a: Any, b: Any) -> Any:
        wide = z3.ZeroExt(bits, word(a)) * z3.ZeroExt(bits, word(b))
        return z3.Extract(2 * bits - 1, bits, wide) != 0

    d.w64 = d.s64 = word
    d.ult = lambda a, b: z3.ULT(word(a), word(b))
    d.slt = lambda a, b: word(a) < word(b)
    d.eq = lambda a, b: word(a) == word(b) if not isinstance(a, z3.BoolRef) else a == b
    d.ne = lambda a, b: word(a) != word(b)
    d.no = z3.Not
    d.sel = lambda c, a, b: z3.If(c, word(a), word(b))
    d.shl = lambda x, n: word(x) << count(n)
    d.lshr = lambda x, n: z3.LShR(word(x), count(n))
    d.umul_overflows, d.smul_overflows = umul_overflows, smul_overflows
    d.may = lambda c: True
    d.new_tnum = lambda value, mask: true_new_tnum(word(value), word(mask))
    d.set_var_off = lambda r, value, mask: setattr(r, "var_off", d.new_tnum(value, mask))
    return d


def integers(
    width: Width, signed: bool, assume: Callable[[Any], None], source: str | ast.Module | None = None
) -> Domain:
    """numbers.py on z3 integers that stand for words read as *signed* or unsigned; for the multiplication of ranges.

    What is not exact is any value of its type: a product that does not fit, an order of the other signedness. So what
    is proven of this is true of words. *assume* gets what is known of such values.
    """
    d = plain(width, source)
    low, high = (-(1 << width.bits - 1), (1 << width.bits - 1) - 1) if signed else (0, width.mask)
    low32, high32 = (-(1 << width.half - 1), (1 << width.half - 1) - 1) if signed else (0, width.low)

    def some_word(exact: Any, least: int, greatest: int) -> Any:
        word = z3.FreshInt("w")
        assume(z3.And(least <= word, word <= greatest))
        assume(z3.Implies(z3.And(least <= exact, exact <= greatest), word == exact))
        return word

    def unknown_bool(*_: Any) -> Any:
        return z3.FreshBool("b")

    def overflows(a: Any, b: Any) -> Any:
        return z3.Or(a * b < low, high < a * b)

    d.w64 = lambda x: x if z3.is_int(x) and x.num_args() == 0 else some_word(x, low, high)
    d.s64 = lambda x: x
    d.ult = unknown_bool if signed else (lambda a, b: a < b)
    d.slt = (lambda a, b: a < b) if signed else unknown_bool
    d.eq = lambda a, b: a == b
    d.ne = lambda a, b: a != b
    d.no = z3.Not
    d.sel = lambda c, a, b: z3.If(c, a, b)
    d.sx32 = lambda x: some_word(x, low32, high32)
    d.smul_overflows = overflows if signed else unknown_bool
    d.umul_overflows = unknown_bool if signed else overflows
    for name, value in width.constants().items():
        setattr(d, name, value - (1 << width.bits) if signed and value > high else value)
    return d


def arrays(width: Width, source: str | ast.Module | None = None) -> Domain:
    """numbers.py on numpy arrays of int64 holding words of *width* (16 at most)."""
    d = plain(width, source)
    mask, sign = width.mask, 1 << width.bits - 1
    d.w64 = lambda x: x & mask
    d.s64 = lambda x: ((x & mask) ^ sign) - sign
    d.ult = lambda a, b: np.less(a, b)
    d.slt = lambda a, b: np.less(a ^ sign, b ^ sign)
    d.no = np.logical_not
    d.sel = np.where
    d.may = lambda c: True
    d.set_var_off = lambda r, value, mask: setattr(r, "var_off", d.new_tnum(value, mask))
    d.shl = lambda x, n: (np.asarray(x) << (n & d.SHIFT_MASK)) & mask
    d.lshr = lambda x, n: np.asarray(x) >> (n & d.SHIFT_MASK)
    d.umul_overflows = lambda a, b: (a * b) >> width.bits != 0
    d.smul_overflows = lambda a, b: d.s64(a) * d.s64(b) != d.s64(a * b)
    return d
