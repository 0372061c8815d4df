"""Kernels whose programs are not verified: for tests of what runs."""

import pytest

from beespace.kernel import Kernel
from beespace.testing.seamcalls import SeamCalls
from beespace.testing.trust import trusting_pipeline


@pytest.fixture
def trusting_kernel():
    with Kernel(cpus=2, trace_leaks=True, pipeline=trusting_pipeline()) as kernel:
        yield kernel


@pytest.fixture(params=["simulated", pytest.param("linux", marks=pytest.mark.oracle)])
def seam(request):
    """As the fixture of all tests, but the simulated kernel does not verify programs."""
    kernel = request.getfixturevalue("trusting_kernel" if request.param == "simulated" else "linux_kernel")
    calls = SeamCalls(kernel)
    yield calls
    calls.close_all()
