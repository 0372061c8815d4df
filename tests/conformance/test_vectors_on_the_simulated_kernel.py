"""The simulated kernel takes and runs every vector as the real one does: verifier, translation, engine together."""

import re

import pytest

from beespace.errors import Unsupported
from beespace.interp import Interp
from beespace.jit import Jit, JitOptions
from beespace.kernel import Kernel, Pipeline
from beespace.testing.vectors import vectors
from beespace.testing.vectors.kernels import KernelRunner

ENGINES = {"interp": Interp, "jit": lambda: Jit(JitOptions(opt_level=0))}
FILES = sorted({vector.file for vector in vectors()})
# What this kernel may refuse to model; the list only shrinks. Every other vector must run, and give what it must.
MAY_BE_UNSUPPORTED = re.compile(
    r"CALL_HELPER\.jmp a tail call"  # program arrays
    r"|CALL_KFUNC\.jmp"  # bpf_iter_num
    r"|BTF_ID\.ld"  # addresses of the kernel's functions
    r"|ADDR_SPACE_CAST\."  # arenas
    r"|LD_(ABS|IND)\."
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_simulated_kernel_conforms(engine, file):
    wrong, unsupported = [], []
    with Kernel(pipeline=Pipeline(engine=ENGINES[engine]())) as kernel, KernelRunner(kernel) as runner:
        for vector in vectors():
            if vector.file == file:
                try:
                    wrong.extend(runner.run(vector))
                except Unsupported:
                    unsupported.append(vector.name)
    assert not wrong, "\n".join(map(str, wrong[:20]))
    assert not [name for name in unsupported if not MAY_BE_UNSUPPORTED.match(name)]
