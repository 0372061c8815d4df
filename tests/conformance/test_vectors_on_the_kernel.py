"""The running kernel confirms the expected values of every vector."""

from dataclasses import replace

import pytest

from beespace.errors import InputError
from beespace.testing.vectors import vectors
from beespace.testing.vectors.kernels import KernelRunner

pytestmark = pytest.mark.oracle
FILES = sorted({vector.file for vector in vectors()})


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_the_kernel_confirms(linux_kernel, file):
    with KernelRunner(linux_kernel) as runner:
        wrong = [mismatch for vector in vectors() if vector.file == file for mismatch in runner.run(vector)]
    assert not wrong, "\n".join(map(str, wrong[:20]))


def test_a_wrong_expectation_is_noticed_on_the_kernel(linux_kernel):
    vector = next(vector for vector in vectors() if vector.name == "LDX.ldx.16 at 3")
    wrong = replace(vector, cases=tuple(replace(case, r0=case.r0 ^ 1) for case in vector.cases))
    with KernelRunner(linux_kernel) as runner:
        assert [m.case for m in runner.run(wrong)] == list(wrong.cases)
        assert not list(runner.run(vector))


def test_a_refused_vector_shows_the_log(linux_kernel):
    vector = replace(vectors()[0], asm="r0 = *(u64 *)(r1 + 64)\nexit")
    with KernelRunner(linux_kernel) as runner, pytest.raises(InputError, match="invalid access to map value"):
        list(runner.run(vector))
