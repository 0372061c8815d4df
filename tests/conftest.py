"""Fixtures for all tests."""

import functools

import pytest

from beespace.btf import Btf
from beespace.errors import BtfError
from beespace.kernel import LinuxKernel


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
