"""Kernel BTF for the tests that need a big one."""

import pytest

from beespace.btf import Btf
from beespace.errors import BtfError


@pytest.fixture(scope="session")
def vmlinux():
    try:
        return Btf.vmlinux()
    except BtfError as err:
        pytest.skip(str(err))
