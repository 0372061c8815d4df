"""What is proven of numbers.py: one group of obligations for each operator.

An obligation is a clause "under these assumptions, this holds", for z3 to refute. Words that the operands admit are
assumed, and that the result admits what the instruction computes of them is to be shown, one clause for each bound.

`reg_bounds_sync` and `reg_deduce_bounds` are proven step by step: at each call of a step the state is forgotten but for
what the step before has been shown to preserve. Elsewhere the sync is left out: it keeps every word.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

import z3

from proofs.domain import Domain, Width, bit_vectors, integers, plain

__all__ = ["GROUPS", "NOT_PROVEN", "OBLIGATIONS", "Clause", "clauses"]

Clause = tuple[str, list[Any], Any]  # name, assumptions, goal

ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, MOD, XOR, MOV, ARSH, END = range(0, 0xE0, 0x10)
JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE = 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
JLT, JLE, JSLT, JSLE = 0xA0, 0xB0, 0xC0, 0xD0
RANGES = (
    "smin_value", "smax_value", "umin_value", "umax_value",
    "s32_min_value", "s32_max_value", "u32_min_value", "u32_max_value",
)  # fmt: skip


class World:
    """numbers.py on bit vectors, and symbols."""

    def __init__(self, width: Width, source: str | ast.Module | None = None) -> None:
        self.width = width
        self.d = bit_vectors(width, source)
        self.source = source
        self.facts: list[Any] = []  # proven elsewhere, of symbols made here

    def word(self, name: str) -> Any:
        return z3.BitVec(name, self.width.bits)

    def tnum(self, name: str) -> Any:
        return self.d.new_tnum(self.word(f"{name}.value"), self.word(f"{name}.mask"))

    def state(self, name: str) -> Any:
        """A Bounds of which nothing is known but that its fields have their widths."""
        d, half, upper = self.d, self.width.half, self.width.bits - self.width.half
        b = d.Bounds.__new__(d.Bounds)
        b.var_off = self.tnum(name)
        for field in ("smin_value", "smax_value", "umin_value", "umax_value"):
            setattr(b, field, self.word(f"{name}.{field}"))
        for field in ("s32_min_value", "s32_max_value"):
            setattr(b, field, z3.SignExt(upper, z3.BitVec(f"{name}.{field}", half)))
        for field in ("u32_min_value", "u32_max_value"):
            setattr(b, field, z3.ZeroExt(upper, z3.BitVec(f"{name}.{field}", half)))
        return b

    def low(self, x: Any) -> Any:
        return z3.Extract(self.width.half - 1, 0, x)

    def zext(self, x: Any) -> Any:
        return z3.ZeroExt(self.width.bits - self.width.half, x)

    def sext(self, x: Any, bits: int) -> Any:
        return z3.SignExt(self.width.bits - bits, z3.Extract(bits - 1, 0, x))

    def scaled(self, bits: int) -> int:
        """8, 16, 32 or 64 at this width."""
        return bits // 8 * self.width.byte


def in_tnum(x: Any, t: Any) -> Any:
    return (x & ~t.mask) == t.value


def admits(w: World, x: Any, b: Any) -> list[tuple[str, Any]]:
    """*x* is a member of *b*: one clause for each bound."""
    word = w.d.w64  # a bound may be a Python integer
    s32, u32 = w.sext(x, w.width.half), w.zext(w.low(x))
    return [
        ("var_off", in_tnum(x, b.var_off)),
        ("umin", z3.ULE(word(b.umin_value), x)),
        ("umax", z3.ULE(x, word(b.umax_value))),
        ("smin", word(b.smin_value) <= x),
        ("smax", x <= word(b.smax_value)),
        ("u32_min", z3.ULE(word(b.u32_min_value), u32)),
        ("u32_max", z3.ULE(u32, word(b.u32_max_value))),
        ("s32_min", word(b.s32_min_value) <= s32),
        ("s32_max", s32 <= word(b.s32_max_value)),
    ]


def formed(w: World, b: Any) -> Any:
    """The fields of *b* have their widths, no bit is both known and unknown. (`admits` implies value & mask == 0.)"""
    half, word = w.width.half, w.d.w64
    u32 = [w.zext(w.low(word(f))) == word(f) for f in (b.u32_min_value, b.u32_max_value)]
    s32 = [w.sext(word(f), half) == word(f) for f in (b.s32_min_value, b.s32_max_value)]
    return z3.And(*u32, *s32)


def member(w: World, name: str, source: str) -> tuple[Any, Any, list[Any]]:
    """A word, a state that admits it, and the assumption that it does."""
    x, b = w.word(name), w.state(source)
    return x, b, [c for _, c in admits(w, x, b)]


def result(w: World, given: list[Any], word: Any, bounds: Any, prefix: str = "") -> Iterator[Clause]:
    """*bounds* admits *word*."""
    for clause, goal in admits(w, word, bounds):
        yield f"{prefix}{clause}", given, goal
    yield f"{prefix}fields", given, formed(w, bounds)


# tnum ------------------------------------------------------------------------------------------------------------


def tnum_binary(name: str, concrete: Callable[[Any, Any], Any]) -> Callable[[World], Iterator[Clause]]:
    def group(w: World) -> Iterator[Clause]:
        x, y, a, b = w.word("x"), w.word("y"), w.tnum("a"), w.tnum("b")
        yield "var_off", [in_tnum(x, a), in_tnum(y, b)], in_tnum(concrete(x, y), getattr(w.d, name)(a, b))

    return group


def tnum_unary(
    name: str, concrete: Callable[[World, Any, int], Any], args: tuple[int, ...] = ()
) -> Callable[[World], Iterator[Clause]]:
    def group(w: World) -> Iterator[Clause]:
        x, a = w.word("x"), w.tnum("a")
        for bits in args or (0,):
            actual = w.scaled(bits)
            out = getattr(w.d, name)(a, *([actual] if bits else []))
            yield f"var_off{bits or ''}", [in_tnum(x, a)], in_tnum(concrete(w, x, actual), out)

    return group


def tnum_shift(name: str, concrete: Callable[[Any, Any], Any]) -> Callable[[World], Iterator[Clause]]:
    def group(w: World) -> Iterator[Clause]:
        x, a, n = w.word("x"), w.tnum("a"), w.word("n")
        given = [in_tnum(x, a), z3.ULT(n, w.width.bits)]
        yield "var_off", given, in_tnum(concrete(x, n), getattr(w.d, name)(a, n))

    return group


def tnum_arshift(w: World) -> Iterator[Clause]:
    x, a, n = w.word("x"), w.tnum("a"), w.word("n")
    given = [in_tnum(x, a), z3.ULT(n, w.width.bits)]
    yield "64", given, in_tnum(x >> n, w.d.tnum_arshift(a, n, w.width.bits))
    given = [in_tnum(x, a), z3.ULT(n, w.width.half)]
    yield "32", given, in_tnum(w.zext(w.low(x) >> w.low(n)), w.d.tnum_arshift(a, n, w.width.half))


def tnum_range(w: World) -> Iterator[Clause]:
    x, low, high = w.word("x"), w.word("low"), w.word("high")
    yield "var_off", [z3.ULE(low, x), z3.ULE(x, high)], in_tnum(x, w.d.tnum_range(low, high))


def tnum_sets(w: World) -> Iterator[Clause]:
    x, v, a, b = w.word("x"), w.word("v"), w.tnum("a"), w.tnum("b")
    well = [(t.value & t.mask) == 0 for t in (a, b)]
    yield "union", [*well, z3.Or(in_tnum(x, a), in_tnum(x, b))], in_tnum(x, w.d.tnum_union(a, b))
    yield "intersect", [in_tnum(x, a), in_tnum(x, b)], in_tnum(x, w.d.tnum_intersect(a, b))
    yield "overlap", [in_tnum(x, a), in_tnum(x, b)], w.d.tnum_overlap(a, b)
    yield "in", [w.d.tnum_in(a, b), in_tnum(x, b)], in_tnum(x, a)
    smallest, greatest = b.value, b.value | b.mask
    both = [*well, in_tnum(smallest, a), in_tnum(greatest, a), in_tnum(b.value | (b.mask & ~a.mask), a)]
    yield "in, if all are", both, w.d.tnum_in(a, b)
    yield "contains", well, w.d.tnum_contains(a, x) == in_tnum(x, a)
    yield "const", [], in_tnum(x, w.d.tnum_const(v)) == (x == v)
    yield "unknown", [], in_tnum(x, w.d.tnum_unknown())
    aligned = [w.d.tnum_is_aligned(a, v), in_tnum(x, a), (v & (v - 1)) == 0, v != 0]
    yield "is_aligned", aligned, z3.URem(x, v) == 0
    yield "is_aligned, to nothing", [], w.d.tnum_is_aligned(a, w.d.w64(0))
    upper = x & w.d.UPPER
    yield "clear_subreg", [in_tnum(x, a)], in_tnum(upper, w.d.tnum_clear_subreg(a))
    y = w.word("y")
    given = [in_tnum(x, a), in_tnum(y, b)]
    yield "with_subreg", given, in_tnum(upper | (y & w.d.U32), w.d.tnum_with_subreg(a, b))
    yield "const_subreg", [in_tnum(x, a)], in_tnum(upper | (v & w.d.U32), w.d.tnum_const_subreg(a, v))


def tnum_step(w: World) -> Iterator[Clause]:
    x, z, t = w.word("x"), w.word("z"), w.tnum("t")
    step = w.d.tnum_step(t.value, t.mask, z)
    greatest = t.value | t.mask
    well = [(t.value & t.mask) == 0]
    yield "is a member", well, in_tnum(step, t)
    yield "is above, or the greatest", well, z3.Or(z3.ULT(z, step), step == greatest)
    yield "is the smallest above", [*well, in_tnum(x, t), z3.ULT(z, x)], z3.ULE(step, x)


def bswap(w: World, x: Any, bits: int) -> Any:
    byte = w.width.byte
    parts = [z3.Extract(at + byte - 1, at, x) for at in range(0, bits, byte)]
    swapped = z3.Concat(*parts) if len(parts) > 1 else parts[0]
    return z3.ZeroExt(w.width.bits - bits, swapped) if bits < w.width.bits else swapped


def low_bits(w: World, x: Any, bits: int) -> Any:
    return z3.ZeroExt(w.width.bits - bits, z3.Extract(bits - 1, 0, x)) if bits < w.width.bits else x


def tnum_mul(w: World) -> Iterator[Clause]:
    """Long multiplication: some p admitted by acc has p + x * y unchanged, for some x in a and y in b."""
    d, bits = w.d, w.width.bits
    p, x, y, acc, a, b = w.word("p"), w.word("x"), w.word("y"), w.tnum("acc"), w.tnum("a"), w.tnum("b")
    partial = z3.If(z3.Extract(0, 0, x) == 1, y, z3.BitVecVal(0, bits))
    given = [in_tnum(p, acc), in_tnum(x, a), in_tnum(y, b)]
    guards: list[Any] = []
    d.may = lambda c: not guards.append(c)  # type: ignore[func-returns-value]
    d.tnum_mul_step(acc, a.value, a.mask, b.value, b.mask)
    yield "step", given, in_tnum(p + partial, acc)
    yield "step skipped", [in_tnum(x, a), z3.Not(guards[0])], partial == 0
    one, zero = z3.BitVecVal(1, bits), z3.BitVecVal(0, bits)
    halved, doubled = d.new_tnum(d.lshr(a.value, one), d.lshr(a.mask, one)), d.new_tnum(b.value << one, b.mask << one)
    yield "shifts", given, z3.And(in_tnum(z3.LShR(x, one), halved), in_tnum(y << one, doubled))
    q, r, n = z3.Ints("q r n")
    yield "the sum is unchanged", [r >= 0, r <= 1], (2 * q + r) * n == r * n + q * (2 * n)
    yield "all bits are done", [in_tnum(x, a), z3.Not(d.has_more(a.value, a.mask))], x == 0
    yield "the first sum is 0", [in_tnum(p, d.new_tnum(0, 0))], p == zero
    yield "loop", [], z3.BoolVal(_tnum_mul_loops(w))


def _tnum_mul_loops(w: World) -> bool:
    # The loop calls the step, then shifts a right and b left, until has_more() says no: run it on tokens.
    d = bit_vectors(w.width, w.source)
    seen: list[tuple[Any, ...]] = []
    turns = [True, True, False]

    def has_more(*args: Any) -> bool:
        seen.append(("more", *args))
        return turns.pop(0)

    d.has_more = has_more
    d.tnum_mul_step = lambda *args: seen.append(("step", *args))
    d.lshr = lambda x, n: f"{x}>>{n}"
    d.shl = lambda x, n: f"{x}<<{n}"
    d.new_tnum = lambda value, mask: ("sum", value, mask)
    tnum = type("Tokens", (), {})
    a, b = tnum(), tnum()
    a.value, a.mask, b.value, b.mask = "a", "am", "b", "bm"  # type: ignore[attr-defined]
    out = d.tnum_mul(a, b)
    zero = ("sum", 0, 0)
    return out == zero and seen == [
        ("more", "a", "am"),
        ("step", zero, "a", "am", "b", "bm"),
        ("more", "a>>1", "am>>1"),
        ("step", zero, "a>>1", "am>>1", "b<<1", "bm<<1"),
        ("more", "a>>1>>1", "am>>1>>1"),
    ]


# The domains tell each other -------------------------------------------------------------------------------------

STEPS = (
    "update_reg32_bounds",
    "single_value",
    "deduce_32_from_u64",
    "deduce_32_from_s64",
    "deduce_s32_across_upper",
    "deduce_s32_from_u32",
    "deduce_u32_from_s32",
    "deduce_s64_from_u64",
    "deduce_u64_from_s64",
    "deduce_64_from_halves",
    "deduce_sign_extended",
    "reg_bound_offset",
)


def some_step(w: World, x: Any) -> Callable[[Any, Any, Any], Any]:
    # What group tnum_step shows of it, said of the word x.
    def step(value: Any, mask: Any, z: Any) -> Any:
        found = z3.FreshConst(z3.BitVecSort(w.width.bits), "step")
        t = w.d.new_tnum(value, mask)
        well = (value & mask) == 0
        w.facts += [
            z3.Implies(well, in_tnum(found, t)),
            z3.Implies(well, z3.Or(z3.ULT(z, found), found == value | mask)),
            z3.Implies(z3.And(well, in_tnum(x, t), z3.ULT(z, x)), z3.ULE(found, x)),
        ]
        return found

    return step


def stepwise(whole: str, steps: tuple[str, ...], proven: tuple[str, ...] = ()) -> Callable[[World], Iterator[Clause]]:
    """*whole* keeps every word: shown at each call of one of *steps* it makes, *proven* ones are trusted."""

    def group(w: World) -> Iterator[Clause]:
        x, r, _ = member(w, "x", "r")
        found: dict[str, Clause] = {}
        fresh = [0]

        def forget() -> None:
            fresh[0] += 1
            r.__dict__.update(w.state("r").__dict__)

        def cut(name: str, func: Callable[..., None]) -> Callable[..., None]:
            def call(state: Any, *args: Any) -> None:
                assert state is r
                given = [c for _, c in admits(w, x, r)]
                w.facts.clear()
                func(r, *args)
                given += w.facts
                for clause, given_, goal in result(w, given, x, r, f"{name}: "):
                    key = f"{clause} {goal.sexpr()}"
                    found.setdefault(key, (clause, given_, goal))
                forget()

            return call

        w.d.tnum_step = some_step(w, x)
        for name in steps:
            setattr(w.d, name, cut(name, getattr(w.d, name)))
        for name in proven:
            setattr(w.d, name, lambda state: forget())
        rest = getattr(w.d, whole)
        rest(r)
        w.facts.clear()
        # What whole itself does after its last step.
        for clause, given, goal in result(w, [c for _, c in admits(w, x, w.state("r"))], x, r, "end: "):
            found[clause] = (clause, given, goal)
        assert fresh[0] >= len(steps)
        yield from found.values()

    return group


# Arithmetic ------------------------------------------------------------------------------------------------------


def without_sync(w: World) -> Domain:
    w.d.reg_bounds_sync = lambda r: None
    return w.d


def alu(op: int, is64: bool, concrete: Callable[[Any, Any], Any]) -> Callable[[World], Iterator[Clause]]:
    def group(w: World) -> Iterator[Clause]:
        d = without_sync(w)
        x, a, given_a = member(w, "x", "a")
        y, b, given_b = member(w, "y", "b")
        exact = concrete(x, y) if is64 else w.zext(concrete(w.low(x), w.low(y)))
        yield from result(w, given_a + given_b, exact, d.alu_known(op, a, b, is64))

    return group


def shift(op: int, is64: bool, concrete: Callable[[Any, Any], Any]) -> Callable[[World], Iterator[Clause]]:
    """A shift by a known number, one number after the other."""

    def group(w: World) -> Iterator[Clause]:
        d = without_sync(w)
        x, a, given = member(w, "x", "a")
        y, b, given_b = member(w, "y", "b")
        bits = w.width.bits if is64 else w.width.half
        known = [*given_b, d.shift_is_known(b, is64)]
        count = b.umin_value if is64 else b.u32_min_value
        actual = y if is64 else w.zext(w.low(y))
        yield "the number is known", known, z3.And(actual == count, z3.ULT(count, bits))
        shifted = d.alu_known(op, a, b, is64)
        for n in range(bits):
            exact = concrete(x, n) if is64 else w.zext(concrete(w.low(x), n))
            name = "b.umin_value" if is64 else "b.u32_min_value"
            pair = (z3.BitVec(name, bits), z3.BitVecVal(n, bits))
            for clause, _, goal in result(w, given, exact, shifted, f"{n}: "):
                yield clause, given, z3.simplify(z3.substitute(goal, pair))

    return group


def constants(w: World) -> Iterator[Clause]:
    """What `alu` takes for two constants instead of the general way."""
    d, width = w.d, w.width
    x, y = w.word("x"), w.word("y")
    for name, op, concrete in ARITHMETIC:
        if not d.is_tracked(op):
            continue
        for is64 in (True, False):
            bits = width.bits if is64 else width.half
            given = [z3.ULT(y if is64 else w.zext(w.low(y)), bits)] if op in (LSH, RSH, ARSH) else []
            given += [y == w.zext(w.low(y))] if given and not is64 else []  # shift_is_known() has checked it
            exact = concrete(x, y) if is64 else w.zext(concrete(w.low(x), w.low(y)))
            yield f"{name} {bits}", given, d.alu_const(op, x, y, is64) == exact
    tracked = {op for _, op, _ in ARITHMETIC if d.is_tracked(op)}
    yield "tracked", [], z3.BoolVal(tracked == {ADD, SUB, NEG, MUL, AND, OR, XOR, LSH, RSH, ARSH})


def alu_cases(w: World) -> Iterator[Clause]:
    """`alu` decides on data: it is one of three functions that are proven, chosen as it may be."""
    d = plain(w.width, w.source)
    tracked = {op for _, op, _ in ARITHMETIC if d.is_tracked(op)}
    for name, op, _ in ARITHMETIC:
        for is64 in (True, False):
            for a_mask, b_mask in ((0, 0), (0, 1), (1, 0), (1, 1)):
                for known in (True, False):
                    a, b, found = _run_alu(d, op, is64, a_mask, b_mask, known)
                    allowed: list[Any] = [("any word",)]
                    if op in tracked and (known or op not in (LSH, RSH, ARSH)):
                        allowed.append(("alu_known", op, a, b, is64))
                        allowed += [("const", ("alu_const", op, "x", "y", is64))] * (a_mask == b_mask == 0)
                    label = f"{name} {64 if is64 else 32}, masks {a_mask} {b_mask}, {'known' if known else 'unknown'}"
                    # alu_known() knows what is not tracked, and says "any word".
                    allowed += [("alu_known", op, a, b, is64)] * (op not in tracked)
                    yield label, [], z3.BoolVal(found in allowed)


def _run_alu(d: Domain, op: int, is64: bool, a_mask: int, b_mask: int, known: bool) -> tuple[Any, Any, Any]:
    # alu() on tokens. b's own answer to "is the number known" is *known*; of a, the answer would be wrong.
    a, b = d.Bounds.__new__(d.Bounds), d.Bounds.__new__(d.Bounds)
    a.var_off, b.var_off = d.tnum(0, 0), d.tnum(0, 0)
    a.var_off.value, a.var_off.mask, b.var_off.value, b.var_off.mask = "x", a_mask, "y", b_mask
    d.shift_is_known = lambda c, wide: known if c is b and wide is is64 else not known
    d.unknown = lambda: ("any word",)
    for name in ("const", "alu_const", "alu_known"):
        setattr(d, name, lambda *args, name=name: (name, *args))
    return a, b, d.alu(op, a, b, is64)


def sizes(w: World) -> Iterator[Clause]:
    """The public names of truncation and extension: sizes in bytes of what is proven for sizes in bits."""
    d = w.d
    for name in ("truncate", "sign_extend", "sign_extend_subreg", "tnum_low_bits"):
        setattr(d, name, lambda *args, name=name: (name, *args))
    a = w.state("a")
    for size in (1, 2, 4):
        yield f"coerce_reg_to_size {size}", [], z3.BoolVal(d.coerce_reg_to_size(a, size) == ("truncate", a, 8 * size))
        extended = d.coerce_reg_to_size_sx(a, size) == ("sign_extend", a, 8 * size)
        yield f"coerce_reg_to_size_sx {size}", [], z3.BoolVal(extended)
    for size in (1, 2, 4, 8):
        yield f"tnum_cast {size}", [], z3.BoolVal(d.tnum_cast(a, size) == ("tnum_low_bits", a, 8 * size))
    for bits in (8, 16, 32):
        yield f"movsx {bits} 64", [], z3.BoolVal(d.movsx(a, bits, True) == ("sign_extend", a, bits))
    for bits in (8, 16):
        yield f"movsx {bits} 32", [], z3.BoolVal(d.movsx(a, bits, False) == ("sign_extend_subreg", a, bits))


def reg_width(w: World) -> Iterator[Clause]:
    """A loop: shown of every number of turns it can take."""
    d, (x, a, given), bits = w.d, member(w, "x", "a"), w.width.bits
    for turns in range(bits + 1):
        path: list[Any] = []

        def has_more(value: Any, mask: Any, path: list[Any] = path, turns: int = turns) -> bool:
            more = len(path) < turns
            path.append((value | mask) != 0 if more else (value | mask) == 0)
            return more

        d.has_more = has_more
        found = d.reg_width(a)
        fits = z3.BoolVal(True) if found == bits else z3.ULT(x, 1 << found)
        yield f"{turns} turns: the words fit", [*given, *path], fits
        least = z3.ULE(1 << found - 1, a.umax_value) if found else a.umax_value == 0
        yield f"{turns} turns: in no less", [*given, *path], least
    yield "no more turns than bits", [], path[-1]


def mul(is64: bool) -> Callable[[World], Iterator[Clause]]:
    """The product of ranges is shown over the integers, see `mul_ranges`; here var_off and what follows from it."""

    def group(w: World) -> Iterator[Clause]:
        d = without_sync(w)
        _, a, given_a = member(w, "x", "a")
        _, b, given_b = member(w, "y", "b")
        product = w.word("product")  # x * y, and the ranges hold of it (mul_ranges)
        exact = product if is64 else w.zext(w.low(product))
        d.tnum_mul = lambda s, t: w.tnum("t") if s is a.var_off and t is b.var_off else None
        ranges = w.state("ranges")
        calls: list[str] = []

        def range64(r: Any, s: Any) -> None:
            assert s is b
            calls.append("64")
            d.set64(r, ranges.smin_value, ranges.smax_value, ranges.umin_value, ranges.umax_value)

        def range32(r: Any, s: Any) -> None:
            assert s is b
            calls.append("32")
            d.set32(r, ranges.s32_min_value, ranges.s32_max_value, ranges.u32_min_value, ranges.u32_max_value)

        d.scalar_min_max_mul, d.scalar32_min_max_mul = range64, range32
        out = d.alu_known(MUL, a, b, is64)
        assert sorted(calls) == ["32", "64"]
        ranges.var_off = w.tnum("t")
        given = given_a + given_b + [c for _, c in admits(w, product, ranges)]
        yield from result(w, given, exact, out)

    return group


def mul_ranges(is64: bool, signed: bool) -> Callable[[World], Iterator[Clause]]:
    """Ranges of a product, over the integers: no bit vector solver multiplies 64 by 64 bits."""

    def group(w: World) -> Iterator[Clause]:
        known: list[Any] = []
        width = w.width
        d = integers(width, signed, known.append, w.source)
        bits = width.bits if is64 else width.half
        least, greatest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        names = {
            (True, True): ("smin_value", "smax_value"),
            (True, False): ("umin_value", "umax_value"),
            (False, True): ("s32_min_value", "s32_max_value"),
            (False, False): ("u32_min_value", "u32_max_value"),
        }[is64, signed]
        fields = [f"{sign}{kind}" for sign in ("smin", "smax", "umin", "umax") for kind in ("_value",)]
        fields += ["s32_min_value", "s32_max_value", "u32_min_value", "u32_max_value"]
        states = []
        for label in "rb":
            state = d.Bounds.__new__(d.Bounds)
            for field in fields:
                setattr(state, field, z3.Int(f"{label}.{field}"))
            states.append(state)
        r, b = states
        low1, high1 = getattr(r, names[0]), getattr(r, names[1])
        low2, high2 = getattr(b, names[0]), getattr(b, names[1])
        x, y, z = z3.Ints("x y z")
        known += [least <= low1, low1 <= x, x <= high1, high1 <= greatest]
        known += [least <= low2, low2 <= y, y <= high2, high2 <= greatest]
        # z: what the machine gives for x * y.
        known += [least <= z, z <= greatest, z3.Implies(z3.And(least <= x * y, x * y <= greatest), z == x * y)]
        lemmas = []
        for n, low, high, other in ((y, low1, high1, x), (low2, low1, high1, x), (high2, low1, high1, x)):
            lemmas += [
                z3.Implies(n >= 0, z3.And(low * n <= other * n, other * n <= high * n)),
                z3.Implies(n <= 0, z3.And(high * n <= other * n, other * n <= low * n)),
            ]
        lemmas += [
            z3.Implies(x >= 0, z3.And(x * low2 <= x * y, x * y <= x * high2)),
            z3.Implies(x <= 0, z3.And(x * high2 <= x * y, x * y <= x * low2)),
        ]
        for number, lemma in enumerate(lemmas):
            yield f"order of products {number}", known[:8], lemma
        (d.scalar_min_max_mul if is64 else d.scalar32_min_max_mul)(r, b)
        yield names[0], [*known, *lemmas], getattr(r, names[0]) <= z
        yield names[1], [*known, *lemmas], z <= getattr(r, names[1])
        if not is64:
            p, q = w.word("p"), w.word("q")
            yield "lower half of a product", [], w.low(p * q) == w.low(p) * w.low(q)
            yield "fits", known, z3.And(least <= getattr(r, names[0]), getattr(r, names[1]) <= greatest)

    return group


def ptr(name: str, concrete: Callable[[Any, Any], Any]) -> Callable[[World], Iterator[Clause]]:
    def group(w: World) -> Iterator[Clause]:
        d = without_sync(w)
        x, a, given_a = member(w, "x", "a")
        y, b, given_b = member(w, "y", "b")
        # A pointer carries no 32-bit ranges: none are assumed.
        given = [c for c, (clause, _) in zip(given_a, admits(w, x, a), strict=True) if "32" not in clause] + given_b
        yield from result(w, given, concrete(x, y), getattr(d, name)(a, b))

    return group


def linked(w: World) -> Iterator[Clause]:
    x, a, given = member(w, "x", "a")
    delta = w.word("delta")
    yield from result(w, [*given, w.sext(delta, w.width.half) == delta], x + delta, w.d.linked(a, delta))


# Truncation, extension -------------------------------------------------------------------------------------------


def unary(
    name: str, cases: tuple[tuple[Any, ...], ...], concrete: Callable[..., Any]
) -> Callable[[World], Iterator[Clause]]:
    def group(w: World) -> Iterator[Clause]:
        d = without_sync(w)
        x, a, given = member(w, "x", "a")
        for bits, *rest in cases:
            args = [*([w.scaled(bits)] if bits else []), *rest]
            label = f"{bits}{''.join(f' {arg}' for arg in rest)}: " if bits else ""
            yield from result(w, given, concrete(w, x, *args), getattr(d, name)(a, *args), label)

    return group


# Jumps -----------------------------------------------------------------------------------------------------------

CONDITIONS: dict[int, Callable[[Any, Any], Any]] = {
    JEQ: lambda x, y: x == y,
    JNE: lambda x, y: x != y,
    JSET: lambda x, y: (x & y) != 0,
    JGT: z3.UGT,
    JGE: z3.UGE,
    JLT: z3.ULT,
    JLE: z3.ULE,
    JSGT: lambda x, y: x > y,
    JSGE: lambda x, y: x >= y,
    JSLT: lambda x, y: x < y,
    JSLE: lambda x, y: x <= y,
}
JUMP_NAMES = {
    JEQ: "JEQ", JNE: "JNE", JSET: "JSET", JGT: "JGT", JGE: "JGE", JLT: "JLT", JLE: "JLE", JSGT: "JSGT", JSGE: "JSGE",
    JSLT: "JSLT", JSLE: "JSLE",
}  # fmt: skip


def holds(w: World, op: int, x: Any, y: Any, is32: bool) -> Any:
    return CONDITIONS[op](w.low(x), w.low(y)) if is32 else CONDITIONS[op](x, y)


def branch(op: int, is32: bool) -> Callable[[World], Iterator[Clause]]:
    def group(w: World) -> Iterator[Clause]:
        x, a, given_a = member(w, "x", "a")
        y, b, given_b = member(w, "y", "b")
        taken = w.d.branch(op, a, b, is32)
        condition = holds(w, op, x, y, is32)
        given = given_a + given_b
        if op in (JEQ, JNE):
            apart = w.low(x) != w.low(y)
            yield "disjoint in 32 bits", [*given, w.d.disjoint32(a, b)], apart
            yield "disjoint in 64 bits", [*given, w.d.disjoint64(a, b)], x != y
            w.facts += [z3.Implies(w.d.disjoint32(a, b), apart), z3.Implies(w.d.disjoint64(a, b), x != y)]
        yield "taken", [*given, taken == 1], condition
        yield "not taken", [*given, taken == 0], z3.Not(condition)
        yield "one of three", given, z3.Or(taken == 1, taken == 0, taken == w.width.mask)

    return group


def refine(op: int, is32: bool) -> Callable[[World], Iterator[Clause]]:
    def group(w: World) -> Iterator[Clause]:
        d = without_sync(w)
        x, a, given_a = member(w, "x", "a")
        y, b, given_b = member(w, "y", "b")
        (a_true, b_true), (a_false, b_false) = d.refine(op, a, b, is32)
        condition = holds(w, op, x, y, is32)
        given = [*given_a, *given_b, condition]
        yield from result(w, given, x, a_true, "first, taken: ")
        yield from result(w, given, y, b_true, "second, taken: ")
        given = [*given_a, *given_b, z3.Not(condition)]
        yield from result(w, given, x, a_false, "first, not taken: ")
        yield from result(w, given, y, b_false, "second, not taken: ")

    return group


# Predicates and constructors -------------------------------------------------------------------------------------


def predicates(w: World) -> Iterator[Clause]:
    d, width = w.d, w.width
    x, a, given = member(w, "x", "a")
    y, b, _ = member(w, "y", "b")
    yield "is_const", [*given, d.is_const(a)], x == d.const_value(a)
    yield "is_const_subreg", [*given, d.is_const_subreg(a)], w.zext(w.low(x)) == d.const_subreg_value(a)
    within = d.scalar_within(b, a)
    for clause, goal in admits(w, x, b):
        yield f"scalar_within: {clause}", [*given, within], goal
        if clause != "var_off":
            yield f"range_within: {clause}", [*given, d.range_within(b, a)], goal
    yield "scalar_within itself", given, d.scalar_within(a, a)
    yield "same_bounds", [*given, d.same_bounds(a, b)], z3.And(*(c for _, c in admits(w, x, b)))
    yield "same_bounds itself", [], d.same_bounds(a, a)
    yield (
        "same_tnum",
        [],
        d.same_tnum(a.var_off, b.var_off)
        == z3.And(a.var_off.value == b.var_off.value, a.var_off.mask == b.var_off.mask),
    )
    yield (
        "is_unknown",
        [d.is_unknown(a), in_tnum(y, b.var_off)],
        z3.And(*(c for clause, c in admits(w, y, a) if clause != "var_off"), a.var_off.mask == width.mask),
    )
    yield "fork_width 64", [*given, d.fork_width(a) == width.bits], z3.Or(x == 0, x == -1)
    low = w.low(x)
    yield "fork_width 32", [*given, d.fork_width(a) == width.half], z3.Or(low == 0, low == -1)


def constructors(w: World) -> Iterator[Clause]:
    d = without_sync(w)
    x, a, given = member(w, "x", "a")
    y, v, low, high = w.word("y"), w.word("v"), w.word("low"), w.word("high")
    yield from result(w, [], v, d.const(v), "const: ")
    yield "const: nothing else", [c for _, c in admits(w, y, d.const(v))], y == v
    yield from result(w, [], v, d.unknown(), "unknown: ")
    yield from result(w, [in_tnum(x, a.var_off)], x, d.bounds_from_tnum(a.var_off), "bounds_from_tnum: ")
    yield from result(w, given, x, d.sync_bounds(a), "sync_bounds: ")
    yield from result(w, given, x, d.mark_reg_unbounded(a), "mark_reg_unbounded: ")
    yield from result(w, given, x, d.mark_reg32_unbounded(a), "mark_reg32_unbounded: ")
    known32 = [*given, w.low(x) == w.low(v)]
    yield from result(w, known32, x, d.mark_reg32_known(a, v), "mark_reg32_known: ")
    half = w.width.half
    s32 = [w.sext(n, half) == n for n in (low, high)]
    inside = [*given, *s32, low <= x, x <= high]
    yield from result(w, inside, x, d.mark_reg_s32_range(a, low, high), "mark_reg_s32_range: ")
    yield from result(w, inside, x, d.set_srange(a, low, high), "set_srange: ")
    yield from result(w, [*inside, low >= 0], x, d.set_range(a, low, high), "set_range: ")
    as_given = d.make_bounds(a.var_off, *(getattr(a, name) for name in RANGES))
    same = [as_given.var_off is a.var_off, *(getattr(as_given, name) == getattr(a, name) for name in RANGES)]
    yield "make_bounds: as given", [], z3.And(*same)


def _sext(w: World, x: Any, bits: int) -> Any:
    return w.sext(x, bits)


def _sext32(w: World, x: Any, bits: int) -> Any:
    return w.zext(z3.SignExt(w.width.half - bits, z3.Extract(bits - 1, 0, x)))


ARITHMETIC: tuple[tuple[str, int, Callable[[Any, Any], Any]], ...] = (
    ("add", ADD, lambda x, y: x + y),
    ("sub", SUB, lambda x, y: x - y),
    ("mul", MUL, lambda x, y: x * y),
    ("neg", NEG, lambda x, y: -x),
    ("and", AND, lambda x, y: x & y),
    ("or", OR, lambda x, y: x | y),
    ("xor", XOR, lambda x, y: x ^ y),
    ("lsh", LSH, lambda x, y: x << y),
    ("rsh", RSH, z3.LShR),
    ("arsh", ARSH, lambda x, y: x >> y),
    ("div", DIV, lambda x, y: z3.If(y == 0, y, z3.UDiv(x, y))),
    ("mod", MOD, lambda x, y: z3.If(y == 0, x, z3.URem(x, y))),
    ("sdiv", DIV, lambda x, y: z3.If(y == 0, y, x / y)),
    ("smod", MOD, lambda x, y: z3.If(y == 0, x, z3.SRem(x, y))),
)
GROUPS: dict[str, Callable[[World], Iterator[Clause]]] = {
    "tnum_add": tnum_binary("tnum_add", lambda x, y: x + y),
    "tnum_sub": tnum_binary("tnum_sub", lambda x, y: x - y),
    "tnum_and": tnum_binary("tnum_and", lambda x, y: x & y),
    "tnum_or": tnum_binary("tnum_or", lambda x, y: x | y),
    "tnum_xor": tnum_binary("tnum_xor", lambda x, y: x ^ y),
    "tnum_mul": tnum_mul,
    "tnum_neg": tnum_unary("tnum_neg", lambda w, x, _: -x),
    "tnum_lshift": tnum_shift("tnum_lshift", lambda x, n: x << n),
    "tnum_rshift": tnum_shift("tnum_rshift", z3.LShR),
    "tnum_arshift": tnum_arshift,
    "tnum_cast": tnum_unary("tnum_low_bits", low_bits, (8, 16, 32, 64)),
    "tnum_subreg": tnum_unary("tnum_subreg", lambda w, x, _: w.zext(w.low(x))),
    "tnum_bswap": tnum_unary("tnum_bswap", bswap, (16, 32, 64)),
    "tnum_range": tnum_range,
    "tnum_step": tnum_step,
    "tnum sets": tnum_sets,
    "reg_deduce_bounds": stepwise("reg_deduce_bounds", STEPS[2:11]),
    "reg_bounds_sync": stepwise("reg_bounds_sync", (STEPS[0], STEPS[1], STEPS[11]), ("reg_deduce_bounds",)),
    "mul 64 signed ranges": mul_ranges(True, True),
    "mul 64 unsigned ranges": mul_ranges(True, False),
    "mul 32 signed ranges": mul_ranges(False, True),
    "mul 32 unsigned ranges": mul_ranges(False, False),
    "alu": alu_cases,
    "constants": constants,
    "mul 64": mul(True),
    "mul 32": mul(False),
    "ptr_add": ptr("ptr_add", lambda x, y: x + y),
    "ptr_sub": ptr("ptr_sub", lambda x, y: x - y),
    "linked": linked,
    "coerce_reg_to_size": unary("truncate", ((8,), (16,), (32,)), low_bits),
    "coerce_reg_to_size_sx": unary("sign_extend", ((8,), (16,), (32,)), _sext),
    "movsx 32": unary("sign_extend_subreg", ((8,), (16,)), _sext32),
    "zext_32": unary("zext_32", ((0,),), lambda w, x: w.zext(w.low(x))),
    "byte_swap": unary("byte_swap", ((16, True), (32, True), (64, True)), lambda w, x, bits, _: bswap(w, x, bits)),
    "byte order kept": unary(
        "byte_swap", ((16, False), (32, False), (64, False)), lambda w, x, bits, _: low_bits(w, x, bits)
    ),
    "sizes in bytes": sizes,
    "reg_width": reg_width,
    "predicates": predicates,
    "constructors": constructors,
}
for _name, _op, _concrete in ARITHMETIC:
    if _op == MUL:
        continue  # above
    _kind = shift if _op in (LSH, RSH, ARSH) else alu
    GROUPS[f"{_name} 64"] = _kind(_op, True, _concrete)
    GROUPS[f"{_name} 32"] = _kind(_op, False, _concrete)
for _op, _name in JUMP_NAMES.items():
    for _is32 in (False, True):
        GROUPS[f"branch {_name} {32 if _is32 else 64}"] = branch(_op, _is32)
        GROUPS[f"refine {_name} {32 if _is32 else 64}"] = refine(_op, _is32)

_ALU = ("alu", "constants", *(g for g in GROUPS if g.split()[0] in {name for name, _, _ in ARITHMETIC}))
_PREDICATES = (
    "is_const", "const_value", "is_const_subreg", "const_subreg_value", "fork_width", "same_tnum", "same_bounds",
    "is_unknown", "range_within", "scalar_within",
)  # fmt: skip
_CONSTRUCTORS = (
    "const", "unknown", "make_bounds", "bounds_from_tnum", "set_range", "set_srange", "mark_reg_s32_range",
    "mark_reg_unbounded", "mark_reg32_unbounded", "mark_reg32_known",
)  # fmt: skip
_TNUM_SETS = (
    "tnum_const", "tnum_unknown", "tnum_union", "tnum_intersect", "tnum_overlap", "tnum_in", "tnum_contains",
    "tnum_is_aligned", "tnum_clear_subreg", "tnum_with_subreg", "tnum_const_subreg",
)  # fmt: skip
# Each function that users of numbers.py may call, and the groups that say what is to hold of it.
OBLIGATIONS: dict[str, tuple[str, ...]] = {
    "alu": _ALU,
    "ptr_add": ("ptr_add",),
    "ptr_sub": ("ptr_sub",),
    "linked": ("linked",),
    "sync_bounds": ("reg_deduce_bounds", "reg_bounds_sync", "constructors"),
    "coerce_reg_to_size": ("coerce_reg_to_size", "sizes in bytes"),
    "coerce_reg_to_size_sx": ("coerce_reg_to_size_sx", "sizes in bytes"),
    "movsx": ("coerce_reg_to_size_sx", "movsx 32", "sizes in bytes"),
    "zext_32": ("zext_32",),
    "byte_swap": ("byte_swap", "byte order kept"),
    "branch": tuple(g for g in GROUPS if g.startswith("branch ")),
    "refine": tuple(g for g in GROUPS if g.startswith("refine ")),
    "reg_width": ("reg_width",),
    "tnum_cast": ("tnum_cast", "sizes in bytes"),
    **{name: (name,) for name in GROUPS if name.startswith("tnum_") and name not in ("tnum_step", "tnum_cast")},
    **dict.fromkeys(_TNUM_SETS, ("tnum sets",)),
    **dict.fromkeys(_PREDICATES, ("predicates",)),
    **dict.fromkeys(_CONSTRUCTORS, ("constructors",)),
}
# Those of which nothing is to be shown, and why.
NOT_PROVEN = {
    "Bounds": "a record",
    "Tnum": "a record",
    "tnum": "makes a tnum of two given numbers; refuses those that contradict each other",
    "reg_bounds_sanity_check": "gives a text; who asks goes on with `mark_reg_unbounded`, whatever it says",
}


def clauses(group: str, width: Width, source: str | ast.Module | None = None) -> Iterator[Clause]:
    """The obligations of *group* at *width* (about *source*, if given: a mutant)."""
    w = World(width, source)
    for name, given, goal in GROUPS[group](w):
        yield name, given + w.facts, goal
