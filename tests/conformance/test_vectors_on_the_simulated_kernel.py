"""The simulated kernel takes and runs every vector as the real one does: verifier, translation, engine together."""

import pytest

import beespace.verifier
from beespace.errors import Unsupported
from beespace.interp import Interp
from beespace.jit import Jit, JitOptions
from beespace.kernel import Kernel, Pipeline
from beespace.testing.vectors import vectors
from beespace.testing.vectors.kernels import KernelRunner

ENGINES = {"interp": Interp, "jit": lambda: Jit(JitOptions(opt_level=0))}
FILES = sorted({vector.file for vector in vectors()})
# What this kernel does not model, by row: these vectors must raise Unsupported, no other may.
UNSUPPORTED: set[str] = set()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(beespace.verifier, "verify"), reason="the verifier is not in this tree yet"),
]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_simulated_kernel_conforms(engine, file):
    wrong, unsupported = [], set()
    with Kernel(pipeline=Pipeline(engine=ENGINES[engine]())) as kernel, KernelRunner(kernel) as runner:
        for vector in vectors():
            if vector.file == file:
                try:
                    wrong.extend(runner.run(vector))
                except Unsupported:
                    unsupported.add(vector.row_id)
    assert not wrong, "\n".join(map(str, wrong[:20]))
    assert unsupported == UNSUPPORTED & {vector.row_id for vector in vectors() if vector.file == file}
