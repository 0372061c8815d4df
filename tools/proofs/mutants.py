"""Would the proofs notice? Seeded changes of numbers.py, and historical bugs put back in.

A mutant is killed if it does not run, if a proof at 8 bits is refuted, if the figures of the exhaustive run at 5 bits
change (every 8th state), or if it differs from what the kernel printed (`recorded`). Proofs tell wrong from right; a
mutant that only knows less than it could is told by the other two.
"""

from __future__ import annotations

import ast
import copy
import random
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numbers_oracle
from proofs import exhaustive, recorded
from proofs.domain import NUMBERS, W8, W64, bit_vectors, plain
from proofs.obligations import GROUPS, clauses
from proofs.prove import refuted

__all__ = ["HISTORICAL", "Mutant", "Verdict", "historical_source", "judge", "judge_historical", "mutants"]

START = "# Operators: restricted style from here"
STRIDE = 8
# Of CPU time. The exhaustive and the recorded run take a few seconds of what ends; proofs may be slow: that says
# nothing.
TIME_LIMIT_S = 60
PROOF_LIMIT_S = 240
GLANCE_S = 4  # most of what is wrong is refuted in less


@dataclass(frozen=True)
class Mutant:
    """One change of numbers.py, numbered in the order of all possible ones."""

    number: int
    function: str
    line: int
    change: str


@dataclass(frozen=True)
class Verdict:
    """By what a mutant was killed: each killer says how, or is "".

    :ivar equivalent: proven to be no change at all (equivalent.py): nothing could notice it.
    """

    mutant: Mutant
    crash: str
    proofs: str
    exhaustive: str
    recorded: str
    equivalent: bool = False

    @property
    def killed(self) -> bool:
        """By anything."""
        return bool(self.crash or self.proofs or self.exhaustive or self.recorded)


# Changes ---------------------------------------------------------------------------------------------------------

SWAPS = {
    "min_u": ("max_u", "min_s"), "max_u": ("min_u", "max_s"), "min_s": ("max_s", "min_u"), "max_s": ("min_s", "max_u"),
    "ult": ("ule", "slt"), "ule": ("ult", "sle"), "slt": ("sle", "ult"), "sle": ("slt", "ule"),
    "shl": ("lshr",), "lshr": ("shl", "ashr"), "ashr": ("lshr",), "eq": ("ne",), "ne": ("eq",),
    "umul_overflows": ("smul_overflows",), "smul_overflows": ("umul_overflows",),
    "sadd_overflows": ("ssub_overflows",), "ssub_overflows": ("sadd_overflows",),
    "up_from": ("down_from",), "down_from": ("up_from",),
}  # fmt: skip
COMMUTATIVE = {
    "eq", "ne", "min_u", "max_u", "min_s", "max_s", "umul_overflows", "smul_overflows", "tnum_add", "tnum_and",
    "tnum_or", "tnum_xor", "tnum_union", "same_tnum", "same_ranges", "disjoint32", "disjoint64",
}  # fmt: skip
DROPPED = {"sx32", "bits_below", "no", "tnum_subreg"}
CONSTANTS = {
    "U64": ("U32", "S64_MAX"), "U32": ("U64", "S32_MAX"), "S64_MIN": ("S64_MAX", "S32_MIN"),
    "S64_MAX": ("S64_MIN", "U64"), "S32_MIN": ("S32_MAX", "S64_MIN"), "S32_MAX": ("S32_MIN", "U32"),
    "S32_SIGN": ("S32_MIN",), "UPPER": ("U32", "U64"), "ONE_UP": ("U32",), "HALF": ("BITS",), "BITS": ("HALF",),
}  # fmt: skip
FIELDS = {
    "umin_value": ("umax_value", "u32_min_value"), "umax_value": ("umin_value", "u32_max_value"),
    "smin_value": ("smax_value", "umin_value"), "smax_value": ("smin_value", "umax_value"),
    "u32_min_value": ("u32_max_value", "umin_value"), "u32_max_value": ("u32_min_value", "umax_value"),
    "s32_min_value": ("s32_max_value", "u32_min_value"), "s32_max_value": ("s32_min_value", "u32_max_value"),
    "value": ("mask",), "mask": ("value",),
}  # fmt: skip
OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr, ast.BitAnd), ast.Mult: (ast.Add,),
}  # fmt: skip


@cache
def original() -> ast.Module:
    return ast.parse(NUMBERS.read_text())


@cache
def first_line() -> int:
    return NUMBERS.read_text().splitlines().index(next(x for x in NUMBERS.read_text().splitlines() if START in x)) + 1


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in tree.body:
        # What only tests and messages use is not arithmetic.
        if isinstance(node, ast.FunctionDef) and node.lineno > first_line() and node.name not in NOT_MUTATED:
            yield node


NOT_MUTATED = {"tnum", "make_bounds", "reg_bounds_sanity_check", "reg_width"}


def changes(func: ast.FunctionDef) -> Iterator[tuple[int, str, Callable[[], None]]]:
    """(line, description, do it) for each change inside *func*."""
    for parent, field, index, node in slots(func):

        def put(
            new: ast.AST, parent: Any = parent, field: str = field, index: int | None = index
        ) -> Callable[[], None]:
            def do() -> None:
                if index is None:
                    setattr(parent, field, new)
                else:
                    getattr(parent, field)[index] = new

            return do

        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.BinOp):
            for kind in OPERATORS.get(type(node.op), ()):
                yield (
                    line,
                    f"{type(node.op).__name__} -> {kind.__name__}",
                    put(ast.BinOp(node.left, kind(), node.right)),
                )
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            yield line, "~ dropped", put(node.operand)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield from call_changes(node, line, put)
        elif isinstance(node, ast.Name) and node.id in CONSTANTS:
            for name in CONSTANTS[node.id]:
                yield line, f"{node.id} -> {name}", put(ast.Name(name, ast.Load()))
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            yield line, f"{node.value} -> {node.value + 1}", put(ast.Constant(node.value + 1))
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node.attr in FIELDS:
            for name in FIELDS[node.attr]:
                yield line, f".{node.attr} -> .{name}", put(ast.Attribute(node.value, name, ast.Load()))
        elif is_effect(node):
            yield line, f"deleted: {ast.unparse(node)[:60]}", put(ast.Pass())


def is_effect(node: ast.AST) -> bool:
    # A call for its effect, or the assignment of a field.
    call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    return call or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute))


def call_changes(node: ast.Call, line: int, put: Callable[[ast.AST], Callable[[], None]]) -> Iterator[Any]:
    assert isinstance(node.func, ast.Name)
    name = node.func.id
    for other in SWAPS.get(name, ()):
        yield line, f"{name} -> {other}", put(ast.Call(ast.Name(other, ast.Load()), node.args, []))
    if name in DROPPED:
        yield line, f"{name}() dropped", put(node.args[0])
    if name == "sel":
        c, a, b = node.args
        yield line, "arms of sel swapped", put(ast.Call(node.func, [c, b, a], []))
        yield line, "sel always first", put(a)
        yield line, "sel always second", put(b)
    elif len(node.args) == 2 and name not in COMMUTATIVE:
        yield line, f"arguments of {name} swapped", put(ast.Call(node.func, node.args[::-1], []))


def is_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "may"


def slots(func: ast.FunctionDef) -> Iterator[tuple[Any, str, int | None, ast.AST]]:
    """Every place of the body of *func* that holds a node, in source order."""

    def walk(parent: ast.AST) -> Iterator[tuple[Any, str, int | None, ast.AST]]:
        for field, value in ast.iter_fields(parent):
            if field in ("decorator_list", "args", "returns", "annotation", "targets") and not isinstance(
                parent, ast.Call
            ):
                continue
            items = enumerate(value) if isinstance(value, list) else [(None, value)]
            for index, item in items:
                if is_guard(parent):
                    continue  # decides nothing, see test_guards_change_nothing
                if isinstance(item, ast.AST) and not isinstance(item, (ast.expr_context, ast.operator, ast.unaryop)):
                    if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant):
                        continue  # docstring
                    yield parent, field, index, item
                    yield from walk(item)

    yield from walk(func)


def mutants(count: int | None, seed: int) -> list[Mutant]:
    """*count* seeded ones of all possible changes (all, if ``None``)."""
    everything = []
    number = 0
    for func in functions(original()):
        for line, change, _ in changes(func):
            everything.append(Mutant(number, func.name, line, change))
            number += 1
    if count is None:
        return everything
    return sorted(random.Random(seed).sample(everything, count), key=lambda m: m.number)


def apply(mutant: Mutant) -> ast.Module:
    """The module with that one change."""
    tree = copy.deepcopy(original())
    number = 0
    for func in functions(tree):
        for _, _, do in changes(func):
            if number == mutant.number:
                do()
                return ast.fix_missing_locations(tree)
            number += 1
    raise AssertionError(mutant)


# Judging ---------------------------------------------------------------------------------------------------------


@cache
def called_by() -> dict[str, frozenset[str]]:
    """Functions of numbers.py that each group of proofs runs."""
    found = {}
    for group in GROUPS:
        seen: set[str] = set()

        def trace(frame: Any, event: str, _: Any, seen: set[str] = seen) -> None:
            if event == "call" and frame.f_code.co_filename == str(NUMBERS):
                seen.add(frame.f_code.co_name)

        sys.setprofile(trace)
        try:
            for _ in clauses(group, W8):
                pass
        finally:
            sys.setprofile(None)
        found[group] = frozenset(seen)
    return found


@cache
def expected_figures() -> dict[str, exhaustive.Figure]:
    return dict(exhaustive.figures(stride=STRIDE))


@cache
def vectors() -> list[dict[str, Any]]:
    return recorded.read()


def judge(mutant: Mutant) -> Verdict:
    """Try to kill it, cheapest first."""
    from proofs.equivalent import proven_equivalent

    source = apply(mutant)
    try:
        bit_vectors(W8, source)
    except Exception as e:
        return Verdict(mutant, repr(e), "", "", "")
    groups = groups_of(mutant.function)
    proofs = _ask(lambda: refuted(groups, W8, source), GLANCE_S, late="")
    if not proofs and _ask(lambda: "same" if proven_equivalent(mutant) else "", late="") == "same":
        return Verdict(mutant, "", "", "", "", equivalent=True)
    figures = "" if proofs else _ask(lambda: _exhaustive(source))
    printed = "" if proofs or figures else _ask(lambda: _recorded(source))
    if not (proofs or figures or printed):
        proofs = _ask(lambda: refuted(groups, W8, source), PROOF_LIMIT_S, late="")
    return Verdict(mutant, "", proofs, figures, printed)


def judge_historical(number: int) -> Verdict:
    """Is that bug of HISTORICAL noticed: by the proofs, or else by the others."""
    function, name, *_ = HISTORICAL[number]
    source = historical_source(HISTORICAL[number])
    proofs = _ask(lambda: refuted(groups_of(function), W8, source), PROOF_LIMIT_S, late="")
    printed = "" if proofs else _ask(lambda: _recorded(source))
    figures = "" if proofs or printed else _ask(lambda: _exhaustive(source))
    return Verdict(Mutant(number, function, 0, name), "", proofs, figures, printed)


def groups_of(function: str) -> list[str]:
    """The groups that run *function*; where none does (a primitive), all of them."""
    found = [group for group, names in called_by().items() if function in names]
    return found or list(GROUPS)


class _LateError(Exception):
    pass


def _ask(killer: Callable[[], str], limit_s: int = TIME_LIMIT_S, late: str = "does not end") -> str:
    def interrupt(*_: Any) -> None:
        raise _LateError

    before = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        return killer()
    except _LateError:
        return late
    except Exception as e:  # a mutant may do anything: it does not run, so it is dead
        return f"does not run: {type(e).__name__}: {e}"[:200]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _exhaustive(source: ast.Module | str) -> str:
    expected = expected_figures()
    for name, figure in exhaustive.figures(source, STRIDE):
        if figure != expected[name]:
            return f"{name}: {'unsound' if figure.unsound else 'other figures'}"
    return ""


def _recorded(source: ast.Module | str) -> str:
    saved = numbers_oracle.n
    numbers_oracle.n = plain(W64, source)
    try:
        return recorded.first_difference(vectors())
    finally:
        numbers_oracle.n = saved


# History ---------------------------------------------------------------------------------------------------------

# Bugs that Linux has had in this code, as changes of ours: (function, name, text, text with the bug).
HISTORICAL: tuple[tuple[str, str, str, str], ...] = (
    (
        "truncate",
        "CVE-2017-16996: truncation ignored that a range crosses 2^32",
        "same = eq(r.umin_value & ~low, r.umax_value & ~low)",
        "same = eq(low, low)",
    ),
    (
        "scalar_min_max_rsh",
        "CVE-2017-17853: signed range kept through a logical shift",
        "set64(r, S64_MIN, S64_MAX, lshr(r.umin_value, n), lshr(r.umax_value, n))",
        "set64(r, lshr(r.smin_value, n), lshr(r.smax_value, n), lshr(r.umin_value, n), lshr(r.umax_value, n))",
    ),
    (
        "scalar32_min_max_rsh",
        "CVE-2018-18445: 32-bit right shift of the untruncated word",
        "r.var_off = tnum_rshift(tnum_subreg(r.var_off), n)",
        "r.var_off = tnum_rshift(r.var_off, n)",
    ),
    (
        "reg_bound_offset",
        "CVE-2020-8835: 32-bit tnum from truncated 64-bit bounds",
        "delta = bits_below(r.u32_min_value ^ r.u32_max_value)",
        "delta = bits_below((r.umin_value ^ r.umax_value) & U32)",
    ),
    (
        "scalar32_min_max_or",
        "CVE-2020-27194: 32-bit bounds of OR from 64-bit bounds",
        "set32(r, S32_MIN, S32_MAX, max_u(r.u32_min_value, b.u32_min_value),",
        "set32(r, S32_MIN, S32_MAX, max_u(r.umin_value, b.umin_value) & U32,",
    ),
    (
        "scalar_min_max_sub",
        "CVE-2021-20268: signed overflow of a subtraction missed",
        "    s_over = ssub_overflows(w64(r.smin_value), w64(b.smax_value), smin) | ssub_overflows(\n"
        "        w64(r.smax_value), w64(b.smin_value), smax\n    )",
        "    s_over = ssub_overflows(w64(r.smax_value), w64(b.smin_value), smax)",
    ),
    (
        "scalar32_min_max_and",
        "CVE-2021-3490: AND left the 32-bit bounds of the operand",
        "set32(r, S32_MIN, S32_MAX, r.var_off.value & U32, min_u(r.u32_max_value, b.u32_max_value))",
        "return",
    ),
    (
        "scalar32_min_max_or",
        "CVE-2021-3490 (OR)",
        "set32(r, S32_MIN, S32_MAX, max_u(r.u32_min_value, b.u32_min_value), (r.var_off.value | r.var_off.mask) & U32)",
        "return",
    ),
    (
        "scalar32_min_max_xor",
        "CVE-2021-3490 (XOR)",
        "set32(r, S32_MIN, S32_MAX, r.var_off.value & U32, (r.var_off.value | r.var_off.mask) & U32)",
        "return",
    ),
    (
        "alu_known",
        "CVE-2021-4159: bounds kept by an operation that is not tracked",
        "    else:\n        return unknown()",
        "    else:\n        return r",
    ),
    (
        "assign_32_into_64",
        "CVE-2021-45402: zero extension took negative s32 bounds for s64",
        "set64(r, sel(c, smin32, 0), sel(c, smax32, U32),",
        "set64(r, smin32, smax32,",
    ),
    (
        "clear_bits",
        "CVE-2025-39748: ranges kept where JSET was not taken",
        "        sel(c, S64_MIN, w64(r.smin_value)),\n        sel(c, S64_MAX, w64(r.smax_value)),",
        "        w64(r.smin_value),\n        w64(r.smax_value),",
    ),
    (
        "refine_eq",
        "a12ca6277eca: 32-bit equality told the whole word",
        "a.var_off = tnum_with_subreg(a.var_off, t)",
        "a.var_off = t",
    ),
    (
        "never_equal",
        "fd675184fc7a: 32-bit comparison decided by 64-bit tnums",
        "both_known = ~(a.var_off.mask | b.var_off.mask) & U32",
        "both_known = ~(a.var_off.mask | b.var_off.mask)",
    ),
    (
        "sign_extend",
        "ae67b9fb8c4e: unsigned bounds of MOVSX not sign-extended",
        "set64(r, lower, upper, sel(ranged, lower, 0), sel(ranged, upper, U64))",
        "set64(r, lower, upper, sel(ranged, lower & low, 0), sel(ranged, upper & low, U64))",
    ),
    (
        "sign_extend_subreg",
        "44b7f7151dfc: 32-bit MOVSX left a stale var_off",
        "    r = new_bounds(new_tnum(value, sel(is_known, 0, sel(tracked, delta, U64))))\n"
        "    lower = sel(is_known, known, sel(tracked, smallest, sext(shl(1, bits - 1), bits)))\n"
        "    upper = sel(is_known, known, sel(tracked, largest, lshr(low, 1)))\n"
        "    ranged = is_known | tracked\n    set32",
        "    r = new_bounds(a.var_off)\n"
        "    lower = sel(is_known, known, sel(tracked, smallest, sext(shl(1, bits - 1), bits)))\n"
        "    upper = sel(is_known, known, sel(tracked, largest, lshr(low, 1)))\n"
        "    ranged = is_known | tracked\n    set32",
    ),
    (
        "fork_width",
        "scalar fork of the word where only the subregister is -1 or 0",
        "sel(half, HALF, 0)",
        "sel(half, BITS, 0)",
    ),
    (
        "tnum_mul_step",
        "05924717ac70 (class): an unknown bit of the multiplier taken for a known one",
        "sel(maybe, both, acc.value)",
        "sel(maybe, one, acc.value)",
    ),
    (
        "alu_known",
        "negation of a range (class)",
        "        set64(r, 0, 0, 0, 0)\n        set32(r, 0, 0, 0, 0)\n        scalar32_min_max_sub(r, a)\n"
        "        scalar_min_max_sub(r, a)",
        "        set64(r, w64(0 - w64(a.smin_value)), w64(0 - w64(a.smax_value)), 0, U64)",
    ),
    (
        "tnum_arshift",
        "arithmetic shift of an unknown sign (class)",
        "return new_tnum(ashr(a.value, shift), ashr(a.mask, shift))",
        "return new_tnum(ashr(a.value, shift), lshr(a.mask, shift))",
    ),
    (
        "u32_min_max_lsh",
        "left shift that shifts top bits out (class)",
        "over = ult(HALF - 1, n) | ult(shl(1, w64(HALF - 1 - n)), r.u32_max_value)",
        "over = ult(HALF - 1, n)",
    ),
    (
        "refine_slt",
        "signed comparison that refined an unsigned range (class)",
        "        a.smax_value = s64(min_s(w64(a.smax_value), w64(w64(b.smax_value) - 1)))",
        "        a.smax_value = s64(min_s(w64(a.smax_value), w64(w64(b.smax_value) - 1)))\n"
        "        a.umax_value = min_u(a.umax_value, w64(b.umax_value - 1))",
    ),
    (
        "refine_sle",
        "32-bit signed refinement that leaked into 64 bits (class)",
        "        a.s32_max_value = s64(min_s(w64(a.s32_max_value), w64(b.s32_max_value)))",
        "        a.s32_max_value = s64(min_s(w64(a.s32_max_value), w64(b.s32_max_value)))\n"
        "        a.smax_value = s64(min_s(w64(a.smax_value), w64(b.s32_max_value)))",
    ),
    (
        "scalar_min_max_add",
        "64-bit unsigned wrap (class)",
        "u_over = ule(r.umin_value, umin) & ult(umax, r.umax_value)",
        "u_over = ult(umin, r.umin_value) & ult(umax, r.umax_value)",
    ),
    (
        "byte_swap",
        "byte swap that kept what was known (class)",
        "        r = new_bounds(tnum_bswap(a.var_off, bits))",
        "        r = copy(a)",
    ),
    (
        "sign_extend",
        "sign-extending load whose sign is unknown (class)",
        "lower = sel(is_known, known, sel(tracked, smallest, sext(shl(1, bits - 1), bits)))\n"
        "    upper = sel(is_known, known, sel(tracked, largest, lshr(low, 1)))\n"
        "    ranged = is_known | tracked\n    set64",
        "lower = sel(is_known, known, sel(tracked, smallest, 0))\n"
        "    upper = sel(is_known, known, sel(tracked, largest, lshr(low, 1)))\n"
        "    ranged = is_known | tracked\n    set64",
    ),
)


def historical_source(entry: tuple[str, str, str, str]) -> str:
    """numbers.py with that bug."""
    function, _, text, bug = entry
    source = NUMBERS.read_text()
    start = source.index(f"\ndef {function}(")
    end = source.index("\n\n\n", start)
    body = source[start:end]
    assert body.count(text) == 1, f"{function} has {body.count(text)} times: {text}"
    return source[:start] + body.replace(text, bug) + source[end:]
