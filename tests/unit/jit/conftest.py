"""A run without a kernel, and compiled programs from text."""

import pytest

from beespace.isa import assemble
from beespace.jit import Jit, JitOptions
from beespace.testing.engines import BareRun, trusted


@pytest.fixture
def run():
    context = BareRun()
    yield context
    context.mem.close()


@pytest.fixture(scope="session")
def jit():
    return Jit(JitOptions(opt_level=1))


@pytest.fixture
def compiled(jit):
    """(source, **of trusted()) -> executable"""

    def make(source, /, **more):
        return jit.prepare(trusted(assemble(source).insns, **more))

    return make
