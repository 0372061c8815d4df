"""Every engine gives what the real kernel gives."""

import itertools
from dataclasses import replace

import pytest

from beespace.interp import Interp
from beespace.isa import ROWS
from beespace.jit import Jit, JitOptions
from beespace.testing.vectors import rows_of, vectors
from beespace.testing.vectors.engines import check_engine_conforms, run_on_engine

ENGINES = {"interp": Interp, "jit": lambda: Jit(JitOptions(opt_level=0))}
FILES = sorted({vector.file for vector in vectors()})


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_conforms(engine, file):
    chosen = [vector for vector in vectors() if vector.file == file and vector.is_standalone]
    made = ENGINES[engine]()
    wrong = [mismatch for vector in chosen for mismatch in run_on_engine(made, vector)]
    assert not wrong, "\n".join(map(str, wrong[:20]))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wrong_expectation_is_noticed_on_an_engine(engine, monkeypatch):
    vector = next(vector for vector in vectors() if vector.name == "LDX.ldx.16 at 3")
    wrong = replace(vector, cases=tuple(replace(case, r0=case.r0 ^ 1) for case in vector.cases))
    assert [m.case for m in run_on_engine(ENGINES[engine](), wrong)] == list(wrong.cases)
    monkeypatch.setattr("beespace.testing.vectors.engines.vectors", lambda: (wrong,))
    with pytest.raises(AssertionError, match=f"{engine}: 2 mismatches"):
        check_engine_conforms(ENGINES[engine]())


def test_optimised_code_conforms():
    made = Jit(JitOptions(opt_level=2))
    rows = itertools.groupby((v for v in vectors() if v.is_standalone), key=lambda vector: vector.row_id)
    wrong = [mismatch for _, group in rows for mismatch in run_on_engine(made, next(group))]
    assert not wrong, "\n".join(map(str, wrong[:20]))


def test_the_vectors_reach_all_rows_that_need_no_kernel():
    reached = set().union(*(rows_of(vector) for vector in vectors() if vector.is_standalone))
    needs_kernel = {row for row in ROWS if row.family in ("packet", "imm64", "call") or row.name == "ADDR_SPACE_CAST"}
    assert {row.id for row in ROWS if row not in reached | needs_kernel} == set()
