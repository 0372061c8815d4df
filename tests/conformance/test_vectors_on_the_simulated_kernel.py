"""The simulated kernel takes and runs every vector as the real one does: verifier, translation, engine together."""

import re
from contextlib import contextmanager

import pytest

from beespace.errors import SyscallError, Unsupported
from beespace.interp import Interp
from beespace.jit import Jit, JitOptions
from beespace.kernel import Kernel, Pipeline
from beespace.testing.vectors import vectors
from beespace.testing.vectors.kernels import KernelRunner

ENGINES = {"interp": Interp, "jit": lambda: Jit(JitOptions(opt_level=0))}
FILES = sorted({vector.file for vector in vectors()})
# What this kernel may say it does not model; every other vector must run, and give what it must. The list only shrinks.
MAY_BE_UNSUPPORTED = re.compile(
    r"CALL_HELPER\.jmp a tail call"  # program arrays
    r"|CALL_KFUNC\.jmp"  # bpf_iter_num
    r"|BTF_ID\.ld"  # addresses of the kernel's functions
    r"|ADDR_SPACE_CAST\."  # arenas
    r"|LD_(ABS|IND)\."
)
DOUBTFUL = [vector for vector in vectors() if MAY_BE_UNSUPPORTED.match(vector.name)]
# What should be Unsupported and fails otherwise: strict, so that whoever mends it is told to remove the line.
KNOWN = {
    "ADDR_SPACE_CAST.": (SyscallError, "mmap of a declared-only arena answers ENOTSUPP instead of Unsupported"),
}

pytestmark = pytest.mark.slow


@contextmanager
def runner_on(engine):
    with Kernel(pipeline=Pipeline(engine=ENGINES[engine]())) as kernel, KernelRunner(kernel) as runner:
        yield runner


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_simulated_kernel_conforms(engine, file):
    chosen = [vector for vector in vectors() if vector.file == file and vector not in DOUBTFUL]
    with runner_on(engine) as runner:
        wrong = [mismatch for vector in chosen for mismatch in runner.run(vector)]
    assert not wrong, "\n".join(map(str, wrong[:20]))


def doubtful():
    for vector in DOUBTFUL:
        known = next((why for name, why in KNOWN.items() if vector.name.startswith(name)), None)
        marks = [pytest.mark.xfail(raises=known[0], reason=known[1], strict=True)] if known else []
        yield pytest.param(vector, id=vector.name, marks=marks)


@pytest.mark.parametrize("vector", list(doubtful()))
@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_not_modelled_says_so_and_what_is_conforms(engine, vector):
    with runner_on(engine) as runner:
        try:
            assert not list(runner.run(vector))
        except Unsupported as error:
            pytest.skip(str(error))
