"""The operators of numbers.py keep to the style that makes them run on z3: nothing that decides on data."""

import ast

import pytest

from proofs.domain import NUMBERS

SOURCE = NUMBERS.read_text()
LINES = SOURCE.splitlines()
START = next(i for i, line in enumerate(LINES, 1) if line.startswith("# Operators: restricted style from here"))
END = next(i for i, line in enumerate(LINES, 1) if line.startswith("# Control flow on data"))
TREE = ast.parse(SOURCE)
FUNCTIONS = [node for node in TREE.body if isinstance(node, ast.FunctionDef)]
OPERATORS = [func for func in FUNCTIONS if START < func.lineno < END]
OTHERS = {func.name for func in FUNCTIONS if func.lineno > END}
# What an instruction says, and so what control flow may depend on.
ON_INSTRUCTION = {"op", "is32", "is64", "bits", "swaps", "HALF", "BITS", "BYTE"}
ALLOWED_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)


def names(node):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def depends_on_instruction(test):
    return all(name in ON_INSTRUCTION or name.startswith("BPF_") for name in names(test))


def is_guard(test):
    # `if may(c):` skips what changes nothing without c.
    return isinstance(test, ast.Call) and getattr(test.func, "id", "") == "may"


def violations(func):
    tests = [n.test for n in ast.walk(func) if isinstance(n, ast.If | ast.IfExp)]
    for test in tests:
        if not (depends_on_instruction(test) or is_guard(test)):
            yield test.lineno, f"control flow on data: {ast.unparse(test)}"
    in_tests = {id(n) for test in tests for n in ast.walk(test)}
    for node in ast.walk(func):
        match node:
            case ast.If(test=test, orelse=[_, *_]) if is_guard(test):
                yield node.lineno, "a guard with an else"
            case ast.While() | ast.Try() | ast.Assert() | ast.Raise():
                yield node.lineno, type(node).__name__
            case ast.BoolOp() if id(node) not in in_tests:
                yield node.lineno, type(node).__name__
                yield node.lineno, type(node).__name__
            case ast.Compare() | ast.UnaryOp(op=ast.Not()) if not (
                id(node) in in_tests or depends_on_instruction(node)
            ):
                yield node.lineno, f"a comparison: {ast.unparse(node)}"
            case ast.BinOp(op=op) if not isinstance(op, ALLOWED_OPERATORS):
                yield node.lineno, f"operator {type(op).__name__}: {ast.unparse(node)}"
            case ast.AugAssign(op=op) if not isinstance(op, ALLOWED_OPERATORS):
                yield node.lineno, f"operator {type(op).__name__}: {ast.unparse(node)}"
            case ast.For(iter=over) if not depends_on_instruction(ast.Tuple(over.args)):
                yield node.lineno, f"a loop over data: {ast.unparse(over)}"


@pytest.mark.parametrize("func", OPERATORS, ids=lambda func: func.name)
def test_operator_keeps_the_style(func):
    assert not list(violations(func))


@pytest.mark.parametrize(
    "text",
    [
        "r = a < b",
        "r = a >> 1",
        "r = a and b",
        "r = not a",
        "r = b if a.value else c",
        "while a: pass",
        "if may(a): pass\n    else: pass",
        "if a.mask: pass",
    ],
)
def test_the_check_sees_each_kind_of_violation(text):
    assert list(violations(ast.parse(f"def f(a, b, c):\n    {text}").body[0]))


def test_what_may_decide_on_data_is_little():
    expected = "alu make_bounds reg_bounds_sanity_check reg_width refine reverse_op tnum tnum_mul"
    assert sorted(OTHERS) == sorted(expected.split())
