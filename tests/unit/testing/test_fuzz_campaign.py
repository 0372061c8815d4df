"""The judge judged: two simulated kernels, of which one is broken on purpose; differences are found and shrunk."""

import json
from pathlib import Path
from random import Random

import pytest

import beespace
from beespace.errors import SyscallError
from beespace.isa import decode_insns
from beespace.kernel import Kernel
from beespace.testing.fuzz.campaign import Case, run_campaign, run_corpus, save_cases
from beespace.testing.fuzz.mutate import Edit, apply_edits, find_corpus, mutations
from beespace.testing.fuzz.show import listing, side_by_side
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import ProgLoadAttr, ProgTestRunAttr

ROOT = Path(__file__).parents[3]
FLOWS = ROOT / "examples/flows/flows.bpf.o"
EACCES = 13


class WrongResults(Kernel):
    """Returns one too many."""

    def bpf(self, cmd, attr):
        ret = super().bpf(cmd, attr)
        if cmd == uapi.BPF_PROG_TEST_RUN:
            done = ProgTestRunAttr.unpack(attr)
            done.retval = (done.retval + 1) & 0xFFFFFFFF
            attr[:] = done.pack()[: len(attr)]
        return ret


class Strict(Kernel):
    """Accepts no program."""

    def bpf(self, cmd, attr):
        if cmd == uapi.BPF_PROG_LOAD:
            ProgLoadAttr.unpack(attr)
            raise SyscallError(EACCES, "BPF_PROG_LOAD")
        return super().bpf(cmd, attr)


def sound():
    return Kernel(cpus=2), Kernel(cpus=2)


def wrong_results():
    return WrongResults(cpus=2), Kernel(cpus=2)


def kernel_is_strict():
    return Kernel(cpus=2), Strict(cpus=2)


def we_are_strict():
    return Strict(cpus=2), Kernel(cpus=2)


def two_users():
    return beespace.Kernel(cpus=2), beespace.Kernel(cpus=2)


def test_equal_kernels_do_not_differ():
    report = run_campaign(sound, first_seed=0, count=12)
    assert report.kinds == {}
    assert report.programs == report.same_processed == 12
    assert report.ran > 5


@pytest.mark.parametrize(
    ("make", "kind"), [(wrong_results, "result"), (kernel_is_strict, "unsound"), (we_are_strict, "stricter")]
)
def test_differences_are_found_and_shrunk_to_nothing(make, kind):
    # every program shows these differences, so the smallest is the empty one
    report = run_campaign(make, first_seed=0, count=3, keep=1)
    assert report.kinds == {kind: 3}
    (case,) = report.cases
    assert (case.kind, case.nodes) == (kind, 0)
    assert listing(case)[-1].endswith("exit")


def test_cases_are_saved_as_json(tmp_path):
    report = run_campaign(wrong_results, first_seed=5, count=1)
    (path,) = save_cases(report, tmp_path)
    assert path.name == "result-5.json"
    assert Case(**json.loads(path.read_text())) == report.cases[0]
    assert json.loads(report.to_json())["kinds"] == {"result": 1}


@pytest.mark.slow
def test_mutants_of_an_object_on_equal_kernels():
    report = run_corpus(two_users, [FLOWS], first_seed=0, count=60)
    assert report.programs == 60
    assert report.kinds == {}
    assert report.accepted > 0
    assert report.rejected > 0


def test_mutations_are_the_same_for_a_seed_and_keep_references():
    with beespace.Kernel() as kernel:
        insns = next(iter(kernel.open(FLOWS).progs)).insns
    kept = {n for n, insn in enumerate(insns) if insn.code in (0x18, 0x85, 0x95)}
    for seed in range(200):
        edits = mutations(insns, Random(seed))
        assert edits == mutations(insns, Random(seed))
        assert 1 <= len(edits) <= 3
        assert not kept & {edit.at for edit in edits}
        changed = apply_edits(insns, edits)
        assert len(changed) == len(insns)
        assert {n for n, insn in enumerate(insns) if changed[n] != insn} <= {edit.at for edit in edits}


def test_edits_say_what_they_change():
    (insn,) = decode_insns(bytes.fromhex("b700000001000000"))
    assert Edit(0, imm=5).apply(insn) == insn._replace(imm=5)
    assert str(Edit(7, off=-4, imm=16)) == "7: off=-0x4 imm=0x10"


def test_logs_side_by_side_start_shortly_before_they_differ():
    ours = "0: a\n1: b\n2: c\n3: d\n4: R0=1\n"
    kernels = "0: a\n1: b\n2: c\n3: d\n4: R0=2\nR0 invalid\n"
    case = Case(1, "unsound", "", uapi.BPF_PROG_TYPE_XDP, "b7000000000000009500000000000000", 2, ours, kernels)
    assert listing(case) == ["   0: (b7) r0 = 0", "   1: (95) exit"]
    lines = [line.split() for line in side_by_side(case, 40)[2:]]
    assert lines == [
        ["1:", "b", "1:", "b"],
        ["2:", "c", "2:", "c"],
        ["3:", "d", "3:", "d"],
        ["4:", "R0=1", "|", "4:", "R0=2"],
        ["|", "R0", "invalid"],
    ]


def test_corpus_is_every_object_below_the_folders():
    found = find_corpus([ROOT / "examples", FLOWS])
    assert FLOWS in found
    assert found == sorted(set(found))
