"""Fixtures for all tests."""

import functools
import os

import pytest
from hypothesis import settings

from beespace.btf import Btf
from beespace.errors import BtfError
from beespace.kernel import Kernel, LinuxKernel
from beespace.testing.seamcalls import SeamCalls

os.environ["BEESPACE_CACHE_DIR"] = ""  # no code on disk, but where a test wants it

# Continuous integration repeats the same examples, so that a submission is judged by what it changes; by hand each run
# looks at others.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@functools.cache
def _linux():
    kernel = LinuxKernel()
    return kernel, kernel.allowed()


@pytest.fixture
def linux_kernel():
    """The real kernel; the test is skipped, with the reason, where bpf(2) is not allowed."""
    kernel, reason = _linux()
    if reason is not None:
        pytest.skip(f"bpf(2) is not usable: {reason}")
    return kernel


@pytest.fixture(scope="session")
def vmlinux():
    """BTF of the running kernel; the test is skipped where it exports none."""
    try:
        return Btf.vmlinux()
    except BtfError as err:
        pytest.skip(str(err))


@pytest.fixture
def kernel():
    """A simulated kernel with two CPUs; closing it fails the test when guest memory leaked."""
    with Kernel(cpus=2, trace_leaks=True) as kernel:
        yield kernel


@pytest.fixture(params=["simulated", pytest.param("linux", marks=pytest.mark.oracle)])
def seam(request):
    """bpf(2) of the simulated kernel and of the real one: what a test asserts must hold on both."""
    kernel = request.getfixturevalue("kernel" if request.param == "simulated" else "linux_kernel")
    calls = SeamCalls(kernel)
    yield calls
    calls.close_all()
