"""Objects that are open on a kernel which answers nothing: what can be done before loading."""

import errno
from pathlib import Path

import pytest

from beespace.api.kernels import OpensObjects
from beespace.decl import Features
from beespace.errors import SyscallError

PROGRAMS = Path(__file__).parents[2] / "programs"


class DeafKernel(OpensObjects):
    """Has features; refuses every command."""

    def __init__(self, **features):
        self.features = Features(**features)
        self.commands = []

    def bpf(self, cmd, attr):
        self.commands.append(cmd)
        raise SyscallError(errno.ENOSYS, f"bpf {cmd}")

    def close(self, fd):
        raise SyscallError(errno.EBADF, f"close {fd}")

    def btf_vmlinux(self):
        return None


@pytest.fixture
def deaf_kernel():
    """A kernel without bpf(2)."""
    return DeafKernel(version="6.18", cpus=2, kconfig={"CONFIG_BPF_SYSCALL": "y", "CONFIG_HZ": "250"})


@pytest.fixture
def open_object(deaf_kernel):
    """name -> Object of tests/programs, open."""
    return lambda name, **options: deaf_kernel.open(PROGRAMS / f"{name}.bpf.o", **options)


@pytest.fixture
def object_bytes():
    """name -> the committed object."""
    return lambda name: (PROGRAMS / f"{name}.bpf.o").read_bytes()
