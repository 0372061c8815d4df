"""Kernels whose programs are not verified: for tests of what runs."""

import pytest

from beespace.kernel import Kernel
from beespace.testing.trust import trusting_pipeline


@pytest.fixture
def trusting_kernel():
    with Kernel(cpus=2, trace_leaks=True, pipeline=trusting_pipeline()) as kernel:
        yield kernel
