"""LinuxKernel: the raw system call behind the seam."""

import errno
import mmap
import os
import struct

import pytest

from beespace.errors import SyscallError
from beespace.kernel import LinuxKernel, cmd_name
from beespace.kernel.linux import _count_cpus
from beespace.uapi import bpf as uapi

BPF_F_MMAPABLE = 1 << 10


def create(kernel, *fields):
    return kernel.bpf(uapi.BPF_MAP_CREATE, bytearray(struct.pack(f"<{len(fields)}I", *fields)))


@pytest.mark.parametrize(("text", "cpus"), [("0\n", 1), ("0-1\n", 2), ("0-3,8\n", 9), ("0,2-5\n", 6)])
def test_possible_cpus_count_up_to_the_highest(text, cpus):
    assert _count_cpus(text) == cpus


def test_command_names():
    assert cmd_name(uapi.BPF_MAP_CREATE) == "BPF_MAP_CREATE"
    assert cmd_name(uapi.__MAX_BPF_CMD - 1) == "BPF_PROG_STREAM_READ_BY_FD"
    assert cmd_name(999) == "bpf_cmd 999"


def test_features_come_from_the_running_system():
    features = LinuxKernel().features
    assert os.uname().release.startswith(features.version + ".")
    assert features.arch == os.uname().machine
    assert features.cpus >= (os.cpu_count() or 1)


@pytest.mark.oracle
def test_attr_is_updated_in_place(linux_kernel):
    fd = create(linux_kernel, uapi.BPF_MAP_TYPE_ARRAY, 4, 8, 2)
    attr = bytearray(struct.pack("<II", 0, 0))
    linux_kernel.bpf(uapi.BPF_MAP_GET_NEXT_ID, attr)
    linux_kernel.close(fd)
    assert struct.unpack("<II", attr)[1] > 0


@pytest.mark.oracle
def test_errors_carry_the_kernels_errno_and_the_command(linux_kernel):
    with pytest.raises(SyscallError) as caught:
        create(linux_kernel, uapi.BPF_MAP_TYPE_ARRAY, 3, 8, 2)
    assert caught.value.errno == errno.EINVAL
    assert str(caught.value) == "BPF_MAP_CREATE: EINVAL"


@pytest.mark.oracle
def test_mmap_shares_the_values_of_an_array(linux_kernel):
    fd = create(linux_kernel, uapi.BPF_MAP_TYPE_ARRAY, 4, 8, 2, BPF_F_MMAPABLE)
    view = linux_kernel.mmap(fd, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE)
    view[:4] = b"\x01\x02\x03\x04"
    other = linux_kernel.mmap(fd, mmap.PAGESIZE, mmap.PROT_READ)
    assert bytes(other[:4]) == b"\x01\x02\x03\x04"
    assert other.readonly
    linux_kernel.close(fd)


@pytest.mark.oracle
def test_dup_and_close(linux_kernel):
    fd = create(linux_kernel, uapi.BPF_MAP_TYPE_ARRAY, 4, 8, 2)
    other = linux_kernel.dup(fd)
    linux_kernel.close(fd)
    linux_kernel.close(other)
    with pytest.raises(SyscallError) as caught:
        linux_kernel.close(other)
    assert caught.value.errno == errno.EBADF


def test_eperm_is_explained():
    from beespace.kernel.linux import _hint

    assert "CAP_BPF" in _hint(errno.EPERM)
    assert _hint(errno.EINVAL) == ""
