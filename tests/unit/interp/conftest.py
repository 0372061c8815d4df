"""A run without a kernel, and programs from text."""

import pytest

from beespace.interp import Interp
from beespace.isa import assemble
from beespace.testing.engines import BareRun
from beespace.xlate import raw


@pytest.fixture
def run():
    context = BareRun()
    yield context
    context.mem.close()


@pytest.fixture
def prepare():
    """(source, **of raw()) -> executable"""

    def make(source, /, *, sink=None, **more):
        return Interp(sink).prepare(raw(assemble(source).insns, **more))

    return make
