"""A part of `make proofs`, so that a wrong operator is seen by the tests too."""

import pytest

from proofs import exhaustive, mutants
from proofs.domain import W8
from proofs.prove import prove_group, refuted

QUICK = ["tnum_add", "tnum_mul", "reg_deduce_bounds", "add 64", "sub 32", "branch JSLT 32", "refine JSET 64"]


@pytest.mark.slow
@pytest.mark.parametrize("group", QUICK)
def test_proven_at_8_bits(group):
    outcome = prove_group(group, W8)
    assert not outcome.failures
    assert outcome.clauses


@pytest.mark.slow
def test_no_pair_of_5_bit_states_is_unsound():
    wrong = {name: figure for name, figure in exhaustive.figures(stride=32) if figure.unsound}
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize(("name", "group"), [("CVE-2018-18445", "rsh 32"), ("CVE-2021-45402", "zext_32")])
def test_a_historical_bug_is_refuted(name, group):
    (entry,) = [entry for entry in mutants.HISTORICAL if entry[1].startswith(name)]
    assert refuted([group], W8, mutants.historical_source(entry))
