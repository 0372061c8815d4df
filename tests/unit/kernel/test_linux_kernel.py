"""LinuxKernel: the raw system call behind the seam."""

import ctypes
import errno
import mmap
import os
import struct
from pathlib import Path

import pytest

import beespace
from beespace.errors import SyscallError
from beespace.kernel import LinuxKernel, cmd_name
from beespace.kernel.caps import hint
from beespace.kernel.linux import _count_cpus
from beespace.testing.scenarios import in_child, mount_private_bpffs
from beespace.testing.unprivileged import drop_capabilities, hide_bpf
from beespace.uapi import bpf as uapi

FLOWS = Path(__file__).parents[3] / "examples/flows/flows.bpf.o"

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


def test_only_refusals_are_explained():
    assert "seccomp" in hint(errno.ENOSYS)
    assert hint(errno.EINVAL) == ""


@pytest.mark.oracle
def test_perf_event_of_a_cpu(linux_kernel):
    fd = linux_kernel.perf_event_open(0)
    linux_kernel.close(fd)
    with pytest.raises(SyscallError) as caught:
        linux_kernel.perf_event_open(1 << 20)
    assert caught.value.errno in (errno.ENODEV, errno.EINVAL)


# Without privileges: in a child, which gives its capabilities up or lets a seccomp filter hide the call.


@pytest.mark.parametrize("name", ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"])
def test_missing_capabilities_are_named(name):
    (text,) = in_child(lambda: [drop_capabilities() or LinuxKernel().allowed()])
    assert name in text
    assert "sudo" in text
    assert "unprivileged_bpf_disabled is" in text


def test_a_call_that_seccomp_hides_is_explained():
    (text,) = in_child(lambda: [hide_bpf(errno.ENOSYS) or LinuxKernel().allowed()])
    assert text == f"BPF_MAP_CREATE: ENOSYS: {hint(errno.ENOSYS)}"


@pytest.mark.oracle
def test_a_seccomp_filter_is_suspected_where_no_capability_is_missing(linux_kernel):
    (text,) = in_child(lambda: [hide_bpf(errno.EPERM) or LinuxKernel().allowed()])
    assert text == "BPF_MAP_CREATE: EPERM: a seccomp filter of this process may refuse it"


@pytest.mark.oracle
def test_refusals_that_are_not_about_privileges_have_no_hint(linux_kernel):
    fd = create(linux_kernel, uapi.BPF_MAP_TYPE_ARRAY, 4, 8, 2)
    linux_kernel.bpf(uapi.BPF_MAP_FREEZE, bytearray(struct.pack("<I", fd)))
    key, value = (ctypes.create_string_buffer(8) for _ in range(2))
    attr = bytearray(struct.pack("<IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0))
    with pytest.raises(SyscallError) as caught:
        linux_kernel.bpf(uapi.BPF_MAP_UPDATE_ELEM, attr)
    linux_kernel.close(fd)
    assert str(caught.value) == "BPF_MAP_UPDATE_ELEM: EPERM"


def pin_and_reopen():
    mount_private_bpffs()
    with beespace.LinuxKernel() as kernel:
        obj = kernel.load(FLOWS)
        kernel.mkdir("/sys/fs/bpf/beespace")
        obj.maps.flows.pin("/sys/fs/bpf/beespace/flows")
        assert os.listdir("/sys/fs/bpf/beespace") == ["flows"]
        pinned = kernel.open_map("/sys/fs/bpf/beespace/flows")
        assert kernel.calls.map_info(pinned.fd).id == kernel.calls.map_info(obj.maps.flows.fd).id
        obj.maps.flows.unpin()
        with pytest.raises(SyscallError, match="ENOENT"):
            kernel.open_map("/sys/fs/bpf/beespace/flows")
    return []


@pytest.mark.oracle
def test_pins_live_in_a_real_bpf_file_system(linux_kernel):
    assert in_child(pin_and_reopen) == []
