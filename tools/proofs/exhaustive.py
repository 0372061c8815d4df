"""Every pair of states of 5-bit words: is the result sound, and how close to the best is it.

States are what the domains of numbers.py can say: all tnums, all unsigned and all signed ranges, synced. A set of words
is a bit set of 32; the words an instruction can give are computed one by one, independently of numbers.py.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from proofs.domain import W5, W8, Width, arrays
from proofs.obligations import ADD, AND, ARSH, JUMP_NAMES, LSH, MUL, NEG, OR, RSH, SUB, XOR

__all__ = ["PARTS", "Figure", "figures", "part_figures"]

Array = Any
FIELDS = (
    "smin_value", "smax_value", "umin_value", "umax_value",
    "s32_min_value", "s32_max_value", "u32_min_value", "u32_max_value",
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """What was found of one operation.

    :ivar cases: states or pairs of states.
    :ivar unsound: cases where a word that can come out is not admitted: 0.
    :ivar exact: cases where nothing else is admitted.
    :ivar possible: words that can come out, summed over the cases.
    :ivar admitted: words that the results admit, summed.
    """

    cases: int
    unsound: int
    exact: int
    possible: int
    admitted: int

    def as_dict(self) -> dict[str, int]:
        """For the table of expected figures."""
        return asdict(self)


def popcount(sets: Array) -> int:
    return int(np.unpackbits(np.ascontiguousarray(sets).view(np.uint8)).sum())


class Space:
    """numbers.py on arrays, and families of states."""

    def __init__(self, width: Width, source: str | ast.Module | None, stride: int) -> None:
        self.width = width
        self.source = source
        self.words = 1 << width.bits
        self.d = arrays(width, source)
        self.d.has_more = lambda value, mask: bool(np.any(value | mask))
        self.stride = stride
        self.few = self.family(self.simple())
        self.many = self.family([*self.simple(), *self.crossed()])

    # -- states

    def simple(self) -> Iterator[Any]:
        """All tnums, all u64 ranges, all s64 ranges."""
        n, half = self.words, self.words // 2
        pairs = [(v, m) for m in range(n) for v in range(n) if not v & m]
        yield self.bounds(*np.array(pairs, np.int16).T)
        low, high = np.array([(a, b) for a in range(n) for b in range(a, n)], np.int16).T
        yield self.bounds(0, n - 1, umin=low, umax=high)
        yield self.bounds(0, n - 1, smin=low - half, smax=high - half)

    def crossed(self) -> Iterator[Any]:
        """All tnums with all u64 ranges; u64 ranges with s64 ranges; u64 ranges with s32 ranges."""
        n, half, low_half = self.words, self.words // 2, 1 << self.width.half - 1
        tnums = np.array([(v, m) for m in range(n) for v in range(n) if not v & m], np.int16)
        ranges = np.array([(a, b) for a in range(n) for b in range(a, n)], np.int16)
        i, j = np.indices((len(tnums), len(ranges))).reshape(2, -1)
        yield self.bounds(tnums[i, 0], tnums[i, 1], umin=ranges[j, 0], umax=ranges[j, 1])
        i, j = np.indices((len(ranges), len(ranges))).reshape(2, -1)
        yield self.bounds(
            0, n - 1, umin=ranges[i, 0], umax=ranges[i, 1], smin=ranges[j, 0] - half, smax=ranges[j, 1] - half
        )
        narrow = np.array([(a, b) for a in range(2 * low_half) for b in range(a, 2 * low_half)], np.int16)
        i, j = np.indices((len(ranges), len(narrow))).reshape(2, -1)
        yield self.bounds(
            0, n - 1, umin=ranges[i, 0], umax=ranges[i, 1],
            smin32=narrow[j, 0] - low_half, smax32=narrow[j, 1] - low_half,
        )  # fmt: skip

    def bounds(self, value: Array, mask: Array, **ranges: Array) -> Any:
        d, n, low = self.d, self.words, 1 << self.width.half
        b = d.Bounds.__new__(d.Bounds)
        b.var_off = d.new_tnum(value, mask)
        defaults = {"smin": -(n // 2), "smax": n // 2 - 1, "umin": 0, "umax": n - 1}
        defaults |= {"smin32": -(low // 2), "smax32": low // 2 - 1, "umin32": 0, "umax32": low - 1}
        size = max(np.size(v) for v in (value, mask, *ranges.values()))
        for field, name in zip(FIELDS, defaults, strict=True):
            setattr(b, field, np.broadcast_to(np.asarray(ranges.get(name, defaults[name]), np.int16), size))
        return b

    def family(self, parts: list[Any] | Iterator[Any]) -> Any:
        """One Bounds of all states of *parts*: synced, distinct, without those that admit nothing."""
        d = self.d
        columns = []
        for part in parts:
            d.reg_bounds_sync(part)
            columns.append(self.columns(part))
        table = np.unique(np.concatenate(columns, axis=1), axis=1)
        table = table[:, self.members(self.from_columns(table)) != 0]
        return self.from_columns(table[:, :: self.stride])

    def columns(self, b: Any) -> Array:
        rows = [b.var_off.value, b.var_off.mask, *(getattr(b, field) for field in FIELDS)]
        return np.array(np.broadcast_arrays(*rows), np.int16)

    def from_columns(self, table: Array) -> Any:
        b = self.d.Bounds.__new__(self.d.Bounds)
        b.var_off = self.d.new_tnum(table[0], table[1])
        for field, row in zip(FIELDS, table[2:], strict=True):
            setattr(b, field, row)
        return b

    def pick(self, b: Any, index: Array) -> Any:
        return self.from_columns(self.columns(b)[:, index])

    def members(self, b: Any) -> Array:
        """The words that *b* admits, as bit sets."""
        n, half, low = self.words, self.words // 2, 1 << self.width.half
        sets: Any = 0
        for x in range(n):
            s, u32 = (x ^ half) - half, x % low
            s32 = (u32 ^ low // 2) - low // 2
            inside = (x & ~b.var_off.mask) == b.var_off.value
            for low_end, word, high_end in (
                (b.umin_value, x, b.umax_value),
                (b.smin_value, s, b.smax_value),
                (b.u32_min_value, u32, b.u32_max_value),
                (b.s32_min_value, s32, b.s32_max_value),
            ):
                inside = inside & (low_end <= word) & (word <= high_end)
            sets = sets | (inside.astype(np.uint32) << np.uint32(x))
        return sets

    def pairs(self) -> tuple[Any, Any, Array, Array, Array, Array]:
        """All pairs of `few`: both states, both sets, both indices."""
        size = np.size(self.few.umin_value)
        i, j = np.indices((size, size)).reshape(2, -1)
        sets = self.members(self.few)
        return self.pick(self.few, i), self.pick(self.few, j), sets[i], sets[j], i, j

    # -- sets of words

    def image(self, sets: Array, concrete: Callable[[int], int]) -> Array:
        out = np.zeros_like(sets)
        for x in range(self.words):
            out |= (sets >> np.uint32(x) & np.uint32(1)) << np.uint32(concrete(x))
        return out

    def image2(self, sets: Array, i: Array, j: Array, concrete: Callable[[int, int], int]) -> Array:
        """Of the sets of `few` at *i* and *j*: all ``concrete(x, y)``."""
        out = np.zeros(len(i), np.uint32)
        for x in range(self.words):
            from_x = self.image(sets, lambda y, x=x: concrete(x, y))
            has_x = sets >> np.uint32(x) & np.uint32(1)
            out |= has_x[i] * from_x[j]
        return out

    def figure(self, possible: Array, admitted: Array) -> Figure:
        return Figure(
            len(possible),
            int(np.count_nonzero(possible & ~admitted)),
            int(np.count_nonzero(possible == admitted)),
            popcount(possible),
            popcount(admitted),
        )


def _alu(space: Space) -> dict[str, tuple[int, bool, Callable[[int, int], int]]]:
    n, low = space.words, 1 << space.width.half

    def arsh(x: int, y: int, size: int) -> int:
        return ((x ^ size // 2) - size // 2 >> y) % size

    ops: dict[str, tuple[int, Callable[[int, int, int], int]]] = {
        "add": (ADD, lambda x, y, size: (x + y) % size),
        "sub": (SUB, lambda x, y, size: (x - y) % size),
        "mul": (MUL, lambda x, y, size: x * y % size),
        "neg": (NEG, lambda x, y, size: -x % size),
        "and": (AND, lambda x, y, size: x & y),
        "or": (OR, lambda x, y, size: x | y),
        "xor": (XOR, lambda x, y, size: x ^ y),
        "lsh": (LSH, lambda x, y, size: (x << y) % size),
        "rsh": (RSH, lambda x, y, size: x >> y),
        "arsh": (ARSH, arsh),
    }
    out: dict[str, tuple[int, bool, Callable[[int, int], int]]] = {}
    for name, (op, func) in ops.items():
        out[f"{name} 64"] = op, True, lambda x, y, func=func: func(x, y, n)
        out[f"{name} 32"] = op, False, lambda x, y, func=func: func(x % low, y % low, low)
    return out


def arithmetic(space: Space) -> Iterator[tuple[str, Figure]]:
    d = space.d
    d_sets = space.members(space.few)
    a, b, _, _, i, j = space.pairs()
    for name, (op, is64, concrete) in _alu(space).items():
        if name.startswith("neg"):
            out = d.alu_known(op, space.many, space.many, is64)
            exact = space.image(space.members(space.many), lambda x, concrete=concrete: concrete(x, 0))
            yield name, space.figure(exact, space.members(out))
        elif name.split()[0] in ("lsh", "rsh", "arsh"):
            yield name, shift(space, op, is64, concrete)
        else:
            exact = space.image2(d_sets, i, j, concrete)
            yield name, space.figure(exact, space.members(d.alu_known(op, a, b, is64)))
    exact = space.image2(d_sets, i, j, lambda x, y: (x + y) % space.words)
    yield "ptr_add", space.figure(exact, space.members(d.ptr_add(a, b)))
    exact = space.image2(d_sets, i, j, lambda x, y: (x - y) % space.words)
    yield "ptr_sub", space.figure(exact, space.members(d.ptr_sub(a, b)))


def shift(space: Space, op: int, is64: bool, concrete: Callable[[int, int], int]) -> Figure:
    d = space.d
    sets = space.members(space.many)
    total = np.zeros(5, np.int64)
    for y in range(space.words):
        count = d.const(np.int16(y))
        known = bool(d.shift_is_known(count, is64))
        if known != (y < (space.width.bits if is64 else space.width.half)):
            total += (0, 1, 0, 0, 0)
        if known:
            out = d.alu_known(op, space.many, count, is64)
            exact = space.image(sets, lambda x, y=y: concrete(x, y))
            total += tuple(space.figure(exact, space.members(out)).as_dict().values())
    # A count that is not one number must not be taken for one.
    counts = space.members(space.few)
    if not is64:
        counts = space.image(counts, lambda x: x % (1 << space.width.half))
    single = (counts & (counts - np.uint32(1))) == 0
    total[1] += np.count_nonzero(d.shift_is_known(space.few, is64) & ~single)
    return Figure(*(int(n) for n in total))


def extensions(space: Space) -> Iterator[tuple[str, Figure]]:
    d, n, half = space.d, space.words, space.width.half
    low = 1 << half
    sets = space.members(space.many)

    def sext(x: int, bits: int, size: int) -> int:
        sign = 1 << bits - 1
        return ((x % (2 * sign) ^ sign) - sign) % size

    def check(name: str, out: Any, concrete: Callable[[int], int]) -> tuple[str, Figure]:
        return name, space.figure(space.image(sets, concrete), space.members(out))

    for bits in range(1, space.width.bits):
        yield check(f"truncate {bits}", d.truncate(space.many, bits), lambda x, bits=bits: x % (1 << bits))
    for bits in range(1, half + 1):
        yield check(f"sign_extend {bits}", d.sign_extend(space.many, bits), lambda x, bits=bits: sext(x, bits, n))
    for bits in range(1, half):
        out = d.sign_extend_subreg(space.many, bits)
        yield check(f"sign_extend_subreg {bits}", out, lambda x, bits=bits: sext(x, bits, low))
    yield check("zext_32", d.zext_32(space.many), lambda x: x % low)
    yield check("sync_bounds", d.sync_bounds(space.many), lambda x: x)
    for delta in range(-(low // 2), low // 2):
        yield check(f"linked {delta:+}", d.linked(space.many, delta % n), lambda x, delta=delta: (x + delta) % n)
    for bits in (2, 4):
        out = d.byte_swap(space.many, bits, True)
        yield check(f"byte_swap {bits}", out, lambda x, bits=bits: int(f"{x % (1 << bits):0{bits}b}"[::-1], 2))


def jumps(space: Space) -> Iterator[tuple[str, Figure]]:
    d, n = space.d, space.words
    low = 1 << space.width.half
    a, b, sets_a, sets_b, i, j = space.pairs()
    sets = space.members(space.few)

    def signed(x: int, size: int) -> int:
        return (x ^ size // 2) - size // 2

    tests: dict[str, Callable[[int, int, int], bool]] = {
        "JEQ": lambda x, y, _: x == y,
        "JNE": lambda x, y, _: x != y,
        "JSET": lambda x, y, _: x & y != 0,
        "JGT": lambda x, y, _: x > y,
        "JGE": lambda x, y, _: x >= y,
        "JLT": lambda x, y, _: x < y,
        "JLE": lambda x, y, _: x <= y,
        "JSGT": lambda x, y, size: signed(x, size) > signed(y, size),
        "JSGE": lambda x, y, size: signed(x, size) >= signed(y, size),
        "JSLT": lambda x, y, size: signed(x, size) < signed(y, size),
        "JSLE": lambda x, y, size: signed(x, size) <= signed(y, size),
    }
    for op, name in JUMP_NAMES.items():
        for is32 in (False, True):
            size = low if is32 else n
            holds = np.array([[tests[name](x % size, y % size, size) for y in range(n)] for x in range(n)])
            powers = np.uint32(1) << np.arange(n, dtype=np.uint32)
            partners = {True: holds.astype(np.uint32) @ powers, False: (~holds).astype(np.uint32) @ powers}
            kept = {}
            for side in (True, False):
                first, second = np.zeros(len(i), np.uint32), np.zeros(len(i), np.uint32)
                back = (holds if side else ~holds).T.astype(np.uint32) @ powers
                for x in range(n):
                    bit = np.uint32(1) << np.uint32(x)
                    first |= ((sets & partners[side][x]) != 0)[j] * (sets_a & bit)
                    second |= ((sets & back[x]) != 0)[i] * (sets_b & bit)
                kept[side] = first, second
            can, can_not = kept[True][0] != 0, kept[False][0] != 0
            taken = np.broadcast_to(d.branch(op, a, b, is32), can.shape)
            unsound = ((taken == 1) & can_not) | ((taken == 0) & can)
            width = "32" if is32 else "64"
            decidable, decided = ~(can & can_not), taken != -1
            yield (
                f"branch {name} {width}",
                Figure(
                    len(can),
                    int(np.count_nonzero(unsound)),
                    int(np.count_nonzero(decidable == decided)),
                    int(np.count_nonzero(decidable)),
                    int(np.count_nonzero(decided)),
                ),
            )
            # What a decided jump tells is not asked for.
            open_ = ~decided
            out = d.refine(op, space.pick(a, open_), space.pick(b, open_), is32)
            total = np.zeros(5, np.int64)
            for side, states in zip((True, False), out, strict=True):
                for exact, state in zip(kept[side], states, strict=True):
                    figure = space.figure(exact[open_], space.members(state))
                    total += tuple(figure.as_dict().values())
            yield f"refine {name} {width}", Figure(*(int(x) for x in total))


def tnums(space: Space) -> Iterator[tuple[str, Figure]]:
    """Of pairs of tnums: `exact` counts where the result is the smallest tnum that is sound."""
    d, n = space.d, space.words
    pairs = np.array([(v, m) for m in range(n) for v in range(n) if not v & m][:: space.stride], np.int16)
    i, j = np.indices((len(pairs), len(pairs))).reshape(2, -1)
    a, b = d.new_tnum(*pairs[i].T), d.new_tnum(*pairs[j].T)
    one = space.bounds(*pairs.T)
    sets = space.members(one)
    ops: dict[str, tuple[Any, Callable[[int, int], int]]] = {
        "tnum_add": (d.tnum_add(a, b), lambda x, y: (x + y) % n),
        "tnum_sub": (d.tnum_sub(a, b), lambda x, y: (x - y) % n),
        "tnum_mul": (d.tnum_mul(a, b), lambda x, y: x * y % n),
        "tnum_and": (d.tnum_and(a, b), lambda x, y: x & y),
        "tnum_or": (d.tnum_or(a, b), lambda x, y: x | y),
        "tnum_xor": (d.tnum_xor(a, b), lambda x, y: x ^ y),
    }
    for name, (out, concrete) in ops.items():
        yield name, tnum_figure(space, space.image2(sets, i, j, concrete), out)
    yield "tnum_union", tnum_figure(space, sets[i] | sets[j], d.tnum_union(a, b))
    meet = sets[i] & sets[j]
    some = meet != 0
    both = d.tnum_intersect(a, b)
    yield "tnum_intersect", tnum_figure(space, meet[some], d.new_tnum(both.value[some], both.mask[some]))
    overlap = d.tnum_overlap(a, b)
    yield "tnum_overlap", agreement(overlap, some)
    yield "tnum_in", agreement(d.tnum_in(a, b), (sets[j] & ~sets[i]) == 0)
    t = d.new_tnum(*pairs.T)
    for z in range(n):
        above = np.full(len(pairs), -1)
        for x in reversed(range(z + 1, n)):
            above = np.where(sets >> np.uint32(x) & np.uint32(1) != 0, x, above)
        greatest = t.value | t.mask
        step = d.tnum_step(t.value, t.mask, np.int16(z))
        yield f"tnum_step {z}", agreement(step == np.where(above < 0, greatest, above), np.ones(len(pairs), bool))


def agreement(found: Array, right: Array) -> Figure:
    """A predicate that is to be exact: wrong answers count as unsound."""
    wrong = int(np.count_nonzero(found != right))
    return Figure(len(right), wrong, len(right) - wrong, int(np.count_nonzero(right)), int(np.count_nonzero(found)))


def tnum_figure(space: Space, possible: Array, out: Any) -> Figure:
    ones = np.full(len(possible), space.words - 1)
    any_ = np.zeros(len(possible), np.int64)
    admitted = np.zeros_like(possible)
    for x in range(space.words):
        has = possible >> np.uint32(x) & np.uint32(1) != 0
        ones = np.where(has, ones & x, ones)
        any_ = np.where(has, any_ | x, any_)
        admitted |= ((x & ~out.mask) == out.value).astype(np.uint32) << np.uint32(x)
    best = (out.value == ones) & (out.mask == (ones ^ any_))
    figure = space.figure(possible, admitted)
    return Figure(figure.cases, figure.unsound, int(np.count_nonzero(best)), figure.possible, figure.admitted)


# Functions on their own, at 8 bits, on states that no sync has seen: what one of them does not find another may find
# in the whole, so that the whole would not show it lost.

Call = Callable[[Any, Any, Any], Any]  # (domain, r, b): changes r (and b), or gives a Bounds, or a word
STEPS: dict[str, Call] = {
    name: lambda d, r, b, name=name: getattr(d, name)(r)
    for name in (
        "update_reg32_bounds", "update_reg64_bounds", "single_value", "deduce_32_from_u64", "deduce_32_from_s64",
        "deduce_s32_from_u32", "deduce_u32_from_s32", "deduce_s64_from_u64", "deduce_u64_from_s64",
        "deduce_sign_extended", "reg_deduce_bounds", "reg_bound_offset", "reg_bounds_sync", "assign_32_into_64",
        "zext_32_to_64", "is_const", "is_const_subreg", "const_subreg_value", "fork_width", "is_unknown",
        "mark_reg_unbounded", "mark_reg32_unbounded", "zext_32", "sync_bounds",
    )
}  # fmt: skip
STEPS |= {
    name: lambda d, r, b, name=name: getattr(d, name)(r, b)
    for name in (
        "scalar32_min_max_add", "scalar_min_max_add", "scalar32_min_max_sub", "scalar_min_max_sub",
        "scalar32_min_max_mul", "scalar_min_max_mul", "scalar32_min_max_and", "scalar_min_max_and",
        "scalar32_min_max_or", "scalar_min_max_or", "ptr_min_max_add", "ptr_min_max_sub", "disjoint32", "disjoint64",
        "range_within", "scalar_within", "same_bounds", "ptr_add", "ptr_sub",
    )
}  # fmt: skip
STEPS |= {
    f"{name} {32 if is32 else 64}": lambda d, r, b, name=name, is32=is32: getattr(d, name)(r, b, is32)
    for name in (
        "always_equal", "never_equal", "branch_jset", "refine_eq", "refine_ne", "refine_jset", "refine_not_jset",
        "refine_le", "refine_lt", "refine_sle", "refine_slt",
    )
    for is32 in (False, True)
}  # fmt: skip
STEPS |= {
    f"{name} by {n}": lambda d, r, b, name=name, n=n: getattr(d, name)(r, n)
    for name in (
        "u32_min_max_lsh", "scalar32_min_max_lsh", "scalar_min_max_lsh", "scalar32_min_max_rsh", "scalar_min_max_rsh",
        "scalar32_min_max_arsh", "scalar_min_max_arsh", "truncate", "sign_extend", "sign_extend_subreg", "linked",
    )
    for n in (1, 2, 3)
}  # fmt: skip
STEPS |= {
    "scalar32_min_max_xor": lambda d, r, b: d.scalar32_min_max_xor(r),
    "scalar_min_max_xor": lambda d, r, b: d.scalar_min_max_xor(r),
    "deduce_s32_across_upper, u64": lambda d, r, b: d.deduce_s32_across_upper(r, r.umin_value, r.umax_value),
    "deduce_s32_across_upper, s64": lambda d, r, b: d.deduce_s32_across_upper(
        r, d.w64(r.smin_value), d.w64(r.smax_value)
    ),
    "deduce_64_from_halves": lambda d, r, b: d.deduce_64_from_halves(
        r, r.u32_min_value, r.u32_max_value, d.ule(b.umin_value, b.u32_max_value)
    ),
    "mark_reg_s32_range": lambda d, r, b: d.mark_reg_s32_range(r, b.s32_min_value, b.s32_max_value),
    "set_range": lambda d, r, b: d.set_range(r, b.u32_min_value, b.u32_max_value),
    "set_srange": lambda d, r, b: d.set_srange(r, b.s32_min_value, b.s32_max_value),
    "mark_reg32_known": lambda d, r, b: d.mark_reg32_known(r, b.u32_min_value),
    "byte_swap 4": lambda d, r, b: d.byte_swap(r, 4, True),
    "byte_swap 8": lambda d, r, b: d.byte_swap(r, 8, True),
    "byte_swap 4, kept": lambda d, r, b: d.byte_swap(r, 4, False),
    "tnum_neg": lambda d, r, b: d.bounds_from_tnum(d.tnum_neg(r.var_off)),
    "tnum_range": lambda d, r, b: d.new_bounds(d.tnum_range(r.umin_value, r.umax_value)),
    "tnum_lshift": lambda d, r, b: d.new_bounds(d.tnum_lshift(r.var_off, b.umin_value & 7)),
    "tnum_rshift": lambda d, r, b: d.new_bounds(d.tnum_rshift(r.var_off, b.umin_value & 7)),
    "tnum_arshift 64": lambda d, r, b: d.new_bounds(d.tnum_arshift(r.var_off, b.umin_value & 7, 8)),
    "tnum_arshift 32": lambda d, r, b: d.new_bounds(d.tnum_arshift(r.var_off, b.umin_value & 3, 4)),
    "tnum_with_subreg": lambda d, r, b: d.new_bounds(d.tnum_with_subreg(r.var_off, b.var_off)),
    "tnum_const_subreg": lambda d, r, b: d.new_bounds(d.tnum_const_subreg(r.var_off, b.umin_value)),
    "tnum_subreg": lambda d, r, b: d.new_bounds(d.tnum_subreg(r.var_off)),
    "tnum_clear_subreg": lambda d, r, b: d.new_bounds(d.tnum_clear_subreg(r.var_off)),
    "tnum_contains": lambda d, r, b: d.tnum_contains(r.var_off, b.umin_value),
    "tnum_is_aligned": lambda d, r, b: d.tnum_is_aligned(r.var_off, b.umin_value & 4),
    "same_tnum": lambda d, r, b: d.same_tnum(r.var_off, b.var_off),
}


def steps(space: Space) -> Iterator[tuple[str, Figure]]:
    """Each function of STEPS: *exact* counts the states it leaves as they are, *admitted* is the freedom it leaves."""
    d = arrays(W8, space.source)
    r, b = unsynced(d, 1), unsynced(d, 2)
    for name, call in STEPS.items():
        mine, other = d.copy(r), d.copy(b)
        out = call(d, mine, other)
        states = [mine, other] if out is None or hasattr(out, "dtype") else [out]
        kept = sum(int(np.count_nonzero(np.all(rows(x) == rows(y), axis=0))) for x, y in zip(states, (r, b)))  # noqa: B905
        total = sum(freedom(x) for x in states)
        if hasattr(out, "dtype"):
            total += int(np.sum(np.asarray(out, np.int64)))
        yield f"step {name}", Figure(UNSYNCED, 0, kept, 0, total)


UNSYNCED = 60_000


def rows(b: Any) -> Array:
    fields = [b.var_off.value, b.var_off.mask, *(getattr(b, field) for field in FIELDS)]
    return np.array([np.broadcast_to(np.asarray(field, np.int64), UNSYNCED) for field in fields])


def freedom(b: Any) -> int:
    # Widths of all ranges, weighted so that what one loses another does not make up for; unknown bits, known ones.
    value, mask, *ends = rows(b)
    widths = [(high - low) * (2 * i + 3) for i, (low, high) in enumerate(zip(ends[::2], ends[1::2], strict=True))]
    return int(np.sum(sum(widths)) + np.sum(mask * 1009) + np.sum(value * 13))


def unsynced(d: Any, seed: int) -> Any:
    """States that admit some word, their domains told nothing of each other."""
    rng = np.random.default_rng(seed)
    width = d.width

    def around(x: Array, low: int, high: int) -> tuple[Array, Array]:
        # A range that has x: often one that ends there, or knows nothing.
        reach = 1 << rng.integers(0, (high - low + 1).bit_length(), UNSYNCED)
        lower, upper = (rng.integers(0, reach) * rng.integers(0, 2, UNSYNCED) for _ in range(2))
        every = rng.integers(0, 4, UNSYNCED) == 0
        return np.where(every, low, np.maximum(low, x - lower)), np.where(every, high, np.minimum(high, x + upper))

    def signed(x: Array, bits: int) -> Array:
        return (x ^ 1 << bits - 1) - (1 << bits - 1)

    x = rng.integers(0, 1 << width.bits, UNSYNCED)
    mask = rng.integers(0, 1 << width.bits, UNSYNCED) | rng.integers(0, 1 << width.bits, UNSYNCED)
    mask = np.where(rng.integers(0, 8, UNSYNCED) == 0, 0, mask)
    b = d.Bounds.__new__(d.Bounds)
    b.var_off = d.new_tnum(x & ~mask, mask)
    low = x & width.low
    b.umin_value, b.umax_value = around(x, 0, width.mask)
    b.smin_value, b.smax_value = around(signed(x, width.bits), -(1 << width.bits - 1), (1 << width.bits - 1) - 1)
    b.u32_min_value, b.u32_max_value = around(low, 0, width.low)
    b.s32_min_value, b.s32_max_value = around(
        signed(low, width.half), -(1 << width.half - 1), (1 << width.half - 1) - 1
    )
    return b


_PARTS = {"steps": steps, "tnums": tnums, "extensions": extensions, "arithmetic": arithmetic, "jumps": jumps}
PARTS = (*_PARTS,)


def figures(source: str | ast.Module | None = None, stride: int = 1) -> Iterator[tuple[str, Figure]]:
    """All operations, at 5 bits with subregisters of 2; *stride* takes every n-th state (for mutants)."""
    space = Space(W5, source, stride)
    for part in _PARTS.values():
        yield from part(space)


def part_figures(source: str | ast.Module | None, stride: int, part: str) -> dict[str, Figure]:
    """Those of one of PARTS."""
    return dict(_PARTS[part](Space(W5, source, stride)))
