"""Every engine gives what the real kernel gives."""

from dataclasses import replace

import pytest

from beespace.interp import Interp
from beespace.testing.vectors import vectors
from beespace.testing.vectors.engines import check_engine_conforms, run_on_engine

ENGINES = {"interp": Interp}
FILES = sorted({vector.file for vector in vectors()})


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_conforms(engine, file):
    chosen = [vector for vector in vectors() if vector.file == file and vector.is_standalone]
    wrong = [mismatch for vector in chosen for mismatch in run_on_engine(ENGINES[engine](), vector)]
    assert not wrong, "\n".join(map(str, wrong[:20]))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wrong_expectation_is_noticed_on_an_engine(engine, monkeypatch):
    vector = next(vector for vector in vectors() if vector.name == "LDX.ldx.16 at 3")
    wrong = replace(vector, cases=tuple(replace(case, r0=case.r0 ^ 1) for case in vector.cases))
    assert [m.case for m in run_on_engine(ENGINES[engine](), wrong)] == list(wrong.cases)
    monkeypatch.setattr("beespace.testing.vectors.engines.vectors", lambda: (wrong,))
    with pytest.raises(AssertionError, match=f"{engine}: 2 mismatches"):
        check_engine_conforms(ENGINES[engine]())
