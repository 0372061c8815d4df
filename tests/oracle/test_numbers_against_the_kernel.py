"""The number domain, compared with the registers that the running kernel's verifier prints."""

import collections

import pytest

import livekernel
import numbers_oracle

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(bool(livekernel.available()), reason=livekernel.available() or "available"),
]

# Operations of which we know more than Linux 6.18.44 does. None.
TIGHTER: frozenset[str] = frozenset()


def compare(programs, seed):
    counts: collections.Counter[str] = collections.Counter()
    wrong = [
        found
        for found in numbers_oracle.differences(programs, seed, counts)
        if not (found.tighter and found.operation.split(" at ")[0] in TIGHTER)
    ]
    assert not wrong, f"seed {seed}: {wrong[0].operation} R{wrong[0].reg}\n{wrong[0]}"
    return counts


@pytest.mark.parametrize("seed", [1, 2])
def test_few_programs(seed):
    counts = compare(150, seed)
    assert counts["registers"] > 1000


def test_variable_part_of_pointers():
    counts: collections.Counter[str] = collections.Counter()
    wrong = list(numbers_oracle.pointer_differences(150, 1, counts))
    assert not wrong, wrong[0]
    assert counts["pointers"] > 200


@pytest.mark.slow
def test_ten_thousand_programs():
    counts = compare(10_000, 3)
    assert counts["programs"] == 10_000
    operations = {key for key in counts if key.startswith("operation ")}
    expected = {f"{name}{width}" for name in numbers_oracle.JUMP_NAMES.values() for width in (32, 64)}
    expected |= {f"{name}{width}" for name in numbers_oracle.NAMES.values() for width in (32, 64)}
    expected -= {"mov64", "end32", "end64"}
    expected |= {"end", "linked", "movsx8to32", "movsx16to32", "movsx8to64", "movsx16to64", "movsx32to64"}
    expected |= {"load8", "load16", "load32", "load_sx8", "load_sx16", "load_sx32"}
    assert {f"operation {name}" for name in expected} == operations


def test_a_wrong_transfer_is_noticed(monkeypatch):
    right = numbers_oracle.n.alu

    def wrong(op, a, b, is64):
        return right(numbers_oracle.SUB if op == numbers_oracle.ADD else op, a, b, is64)

    fake = type(
        "Numbers", (), {name: staticmethod(getattr(numbers_oracle.n, name)) for name in numbers_oracle.n.__all__}
    )
    fake.alu = staticmethod(wrong)
    monkeypatch.setattr(numbers_oracle, "n", fake)
    counts: collections.Counter[str] = collections.Counter()
    assert any(numbers_oracle.differences(50, 1, counts))
