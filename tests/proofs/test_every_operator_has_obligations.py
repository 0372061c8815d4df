"""Nothing of numbers.py that the verifier may call is without a proof, and the page says what is proven today."""

import ast
import json

import pytest

from beespace.verifier import numbers
from proofs import page, results
from proofs.__main__ import FIGURES
from proofs.domain import NUMBERS, W8
from proofs.equivalent import proven_equivalent
from proofs.mutants import HISTORICAL, called_by, mutants
from proofs.obligations import GROUPS, JUMP_NAMES, NOT_PROVEN, OBLIGATIONS, clauses

TREE = ast.parse(NUMBERS.read_text())
FUNCTIONS = {node.name: node for node in TREE.body if isinstance(node, ast.FunctionDef)}
LINES = NUMBERS.read_text().splitlines()
OPERATORS_FROM = next(
    i for i, line in enumerate(LINES, 1) if line.startswith("# Operators: restricted style from here")
)
PAGE = NUMBERS.parents[3] / "docs" / "explanation" / "proofs.md"


def test_every_public_name_has_obligations():
    assert set(OBLIGATIONS) | set(NOT_PROVEN) == set(numbers.__all__)
    assert not set(OBLIGATIONS) & set(NOT_PROVEN)


def test_what_other_modules_can_call_is_public():
    # cpdef in numbers.pxd: the only names a compiled module gets; uncompiled, ruff and mypy hold to __all__.
    declared = {
        line.split("(")[0].split()[-1]
        for line in NUMBERS.with_suffix(".pxd").read_text().splitlines()
        if line.startswith("cpdef")
    }
    assert declared == set(numbers.__all__) - {"Bounds", "Tnum"}


def test_every_group_answers_for_something():
    lemma = {"tnum_step"}  # of reg_bounds_sync
    assert set().union(*OBLIGATIONS.values()) | lemma == set(GROUPS)


@pytest.mark.parametrize("jump", JUMP_NAMES.values())
def test_every_jump_is_predicted_and_refined_in_both_widths(jump):
    assert {f"{what} {jump} {bits}" for what in ("branch", "refine") for bits in (32, 64)} <= set(GROUPS)


@pytest.mark.slow
def test_the_groups_run_what_they_answer_for():
    run = called_by()
    missing = {name for name, groups in OBLIGATIONS.items() if not any(name in run[group] for group in groups)}
    assert not missing


@pytest.mark.slow
def test_every_operator_is_run_by_an_obligation():
    run = set().union(*called_by().values())
    operators = {name for name, node in FUNCTIONS.items() if node.lineno > OPERATORS_FROM}
    # tnum(), a constructor, is run by some on the way; that is no proof of it
    assert operators - run | {"tnum"} == set(NOT_PROVEN) - {"Bounds", "Tnum"}


def test_the_page_is_what_was_recorded():
    assert PAGE.read_text() == page.render(results.read(), json.loads(FIGURES.read_text())["1"]), "make proofs-page"


def test_the_recorded_run_is_of_these_obligations():
    found = results.read()
    for width in ("64", "8"):
        assert list(found[f"proofs {width}"]["groups"]) == list(GROUPS), "make proofs-page"
        assert found[f"proofs {width}"]["failed"] == 0
    assert [bug["bug"] for bug in found["historical"]] == [entry[1] for entry in HISTORICAL]
    assert all(bug["proofs"] or bug["others"] for bug in found["historical"])


@pytest.mark.slow
def test_the_recorded_clauses_are_these():
    counts = {group: sum(1 for _ in clauses(group, W8)) for group in GROUPS}
    assert counts == {group: clauses for group, (clauses, _) in results.read()["proofs 8"]["groups"].items()}


def test_enough_mutants_are_noticed_and_each_survivor_is_explained():
    found = results.read()["mutants"]
    survivors = {(function, change) for function, _, change in found["survivors"]}
    noticed = sum(found["noticed by"].values())
    assert found["count"] >= 200
    assert found["count"] == noticed + len(found["equivalent"]) + len(found["survivors"])
    assert noticed >= 0.98 * (found["count"] - len(found["equivalent"]))
    assert survivors == set(page.SURVIVORS)


@pytest.mark.slow
def test_equivalence_tells_a_change_from_none():
    def find(function, change):
        return next(m for m in mutants(None, 0) if (m.function, m.change) == (function, change))

    assert proven_equivalent(find("min_s", "slt -> sle"))
    assert not proven_equivalent(find("min_s", "slt -> ult"))
    assert not proven_equivalent(find("deduce_32_from_u64", "sel always second"))


def test_the_recorded_kernel_agreed():
    found = results.read()["oracle"]
    assert found["programs"] == found["asked"] >= 10_000
    assert not [kind for kind in found["differences"] if not kind.startswith("tighter ")]
