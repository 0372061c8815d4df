"""Generated programs and mutants on the simulated and the running kernel; and differences that were found before."""

import json
from pathlib import Path

import pytest

from beespace.cli.fuzz import make_kernels
from beespace.isa import decode_insns
from beespace.testing.fuzz.campaign import run_campaign, run_corpus
from beespace.testing.fuzz.emit import Emitted
from beespace.testing.fuzz.judge import Bench, judge

ROOT = Path(__file__).parents[2]
FOUND = sorted((ROOT / "tests/fuzz_cases").glob("*.json"))  # as `beespace fuzz --cases tests/fuzz_cases` saves them

pytestmark = [pytest.mark.oracle, pytest.mark.slow]


@pytest.fixture
def two_kernels(linux_kernel):
    return make_kernels


def test_generated_programs_do_not_differ(two_kernels):
    report = run_campaign(two_kernels, first_seed=7_000_000, count=150)
    assert report.kinds == {}, [case.detail for case in report.cases]
    assert report.accepted > 100
    assert report.ran > 100


def test_mutants_of_our_objects_do_not_differ(two_kernels):
    objects = [ROOT / "examples/flows/flows.bpf.o", ROOT / "tests/programs/subprogs.bpf.o"]
    report = run_corpus(two_kernels, objects, first_seed=7_000_000, count=300)
    assert report.programs > 100, report.left_out
    assert report.kinds == {}, [(case.source, case.detail) for case in report.cases]
    assert report.accepted > 20
    assert report.rejected > 20


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_differences_that_were_found_are_gone(two_kernels, path):
    case = json.loads(path.read_text())
    insns = decode_insns(bytes.fromhex(case["insns"]))
    sim, linux = two_kernels()
    with sim, linux:
        difference, _, _ = judge(Bench(sim), Bench(linux), Emitted(case["prog_type"], tuple(insns)), case["seed"])
    assert difference is None
