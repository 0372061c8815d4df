"""Programs accepted with pruning are accepted without; the check notices comparisons that are too generous."""

import pytest

from beespace.testing.fuzz.emit import emit
from beespace.testing.fuzz.program import generate
from beespace.testing.fuzz.pruning import check_seeds
from beespace.verifier import pruning


def test_programs_whose_paths_meet():
    report = check_seeds(1, 30)
    assert report.different == []
    assert report.pruned >= 10


@pytest.mark.slow
def test_many_programs_whose_paths_meet():
    report = check_seeds(1000, 600)
    assert report.different == []
    assert report.pruned >= 200


@pytest.mark.slow
def test_programs_with_loops_maps_and_functions():
    report = check_seeds(1000, 100, lambda seed: emit(generate(seed)), insn_limit=5000)
    assert report.different == []
    assert report.pruned >= 40


TOO_GENEROUS = {
    "states_equal": lambda _: lambda *args, **kwargs: True,
    "_slotsafe": lambda _: lambda *args, **kwargs: True,
    "_regsafe": lambda regsafe: lambda env, old, cur, precise, *rest: regsafe(env, old, cur, False, *rest),
}


@pytest.mark.slow
@pytest.mark.skipif(not pruning.__file__.endswith(".py"), reason="compiled functions cannot be replaced")
@pytest.mark.parametrize("name", TOO_GENEROUS)
def test_comparisons_that_are_too_generous_are_noticed(name, monkeypatch):
    monkeypatch.setattr(pruning, name, TOO_GENEROUS[name](getattr(pruning, name)))
    assert check_seeds(1, 60).different != []
