"""What hardened code and the interpreter do with programs that nobody verified."""

import pytest

from beespace.errors import GuestFault, Unsupported
from beespace.interp import Interp
from beespace.isa import assemble
from beespace.jit import Jit, JitOptions
from beespace.testing.hostile import Arena, hostile, run_hostile
from beespace.xlate import raw

HARDENED = JitOptions(opt_level=1, hardened=True, cache=False)


@pytest.fixture(scope="module")
def jit():
    return Jit(HARDENED)


@pytest.fixture
def arena():
    return Arena()


@pytest.mark.parametrize(
    ("text", "insn_idx", "message"),
    [
        ("r0 = *(u64 *)(r1 + 60); exit", 0, r"read of 8 bytes at memory\+60"),
        ("r0 = 0; r1 = 1; *(u8 *)(r1 + 0) = 1; exit", 2, "no memory of the guest"),
        ("r0 = *(u64 *)(r10 + 0); exit", 0, "the region has"),
        ("r0 = 0; lock *(u32 *)(r1 + 2) += r0; exit", 1, "not aligned"),
        ("r0 = 0", 1, "no instruction here"),
        ("if r1 == 0 goto +7; goto +5; exit", 7, "no instruction here"),
        ("goto +1; r0 = 1 ll; exit", 2, "no instruction here"),
        ("r10 = 1; exit", 0, "frame pointer is read only"),
        ("call 9999; exit", 0, "helper 9999 is not known"),
        (".insn 0xff 0 0 0 0; exit", 0, "unknown opcode ff"),
        (".insn 0xb7 11 0 0 0; exit", 0, "register R11"),
        ("f: call f; exit", -1, "stack overflow"),
        ("goto -1", 0, "limit of 20000 instructions"),
    ],
)
def test_faults_are_reported(jit, arena, text, insn_idx, message):
    outcome = arena.execute(jit, raw(assemble(text.replace("; ", "\n")).insns))
    assert outcome.r0 is None
    assert outcome.insn_idx == insn_idx
    with pytest.raises(GuestFault, match=message):
        raise GuestFault(outcome.fault, "jit", outcome.insn_idx)
    assert arena.is_intact()


def test_programs_that_behave_run(jit, arena):
    text = "r6 = 5\nr0 = 0\nr0 += r6\nr6 += -1\nif r6 != 0 goto -3\n*(u64 *)(r1 + 8) = r0\nr0 = *(u32 *)(r1 + 8)\nexit"
    assert arena.execute(jit, raw(assemble(text).insns)).r0 == 15


def test_unhardened_code_is_for_verified_programs():
    with pytest.raises(Unsupported, match="not verified"):
        Jit().prepare(raw(assemble("exit").insns))


@pytest.mark.parametrize("engine", [Interp, lambda: Jit(JitOptions(opt_level=0, hardened=True, cache=False))])
def test_hostile_programs(engine):
    found = {}
    run_hostile(engine(), range(100), found.__setitem__)
    assert len(found) == 100
    assert sum(outcome.r0 is None for outcome in found.values()) > 50


@pytest.mark.slow
@pytest.mark.parametrize("engine", [Interp, lambda: Jit(HARDENED)])
def test_many_hostile_programs(engine):
    found = {}
    run_hostile(engine(), range(1000, 2000), found.__setitem__)
    assert {"stack overflow", "limit of 20000 instructions"} <= {outcome.fault for outcome in found.values()}


def test_the_same_seed_is_the_same_program(arena):
    assert hostile(7, arena.addresses()).insns == hostile(7, arena.addresses()).insns
    assert hostile(7, arena.addresses()).insns != hostile(8, arena.addresses()).insns
