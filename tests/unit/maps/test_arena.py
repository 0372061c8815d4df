"""Arenas: how they may be made and where user space sees them. What holds here holds on both kernels."""

import mmap

import pytest

from beespace.errors import SyscallError
from beespace.uapi import bpf as uapi

PROT = mmap.PROT_READ | mmap.PROT_WRITE
AT = 0x100000000000


def arena(seam, pages=4, flags=uapi.BPF_F_MMAPABLE, **more):
    return seam.create(uapi.BPF_MAP_TYPE_ARENA, 0, 0, pages, flags, **more)


@pytest.mark.parametrize(
    ("given", "errno"),
    [
        ({"pages": 0}, "EINVAL"),
        ({"flags": 0}, "EINVAL"),
        ({"map_extra": 1}, "EINVAL"),
        ({"pages": (1 << 20) + 1}, "E2BIG"),
        ({"map_extra": AT - 4096}, "ERANGE"),
    ],
)
def test_an_arena_that_is_refused(seam, given, errno):
    assert arena(seam, **given) == errno


def test_pages_are_zero_and_keep_what_is_written(seam):
    fd = arena(seam)
    view = seam.kernel.mmap(fd, 4 * 4096, PROT, 0)
    assert bytes(view[:8]) == bytes(8)
    view[4096] = 7
    assert view[4096] == 7


def test_an_arena_with_an_address_is_mapped_nowhere_else(seam):
    fd = arena(seam, map_extra=AT)
    with pytest.raises(SyscallError):
        seam.kernel.mmap(fd, 4 * 4096, PROT, 0, addr=AT + (1 << 32))
    with pytest.raises(SyscallError):
        seam.kernel.mmap(fd, 4096, PROT, 0, addr=AT)
    assert len(seam.kernel.mmap(fd, 4 * 4096, PROT, 0, addr=AT)) == 4 * 4096


def test_a_program_needs_the_address(seam):
    source = "r1 = map:a ll\nr0 = 0\nexit"
    fd = arena(seam)
    message = "arena's user address must be set via map_extra or mmap()"
    assert seam.load(uapi.BPF_PROG_TYPE_SYSCALL, source, {"a": fd}, log_level=1, log_size=4096) == "EINVAL"
    assert message in seam.log
    view = seam.kernel.mmap(fd, 4 * 4096, PROT, 0)
    assert isinstance(seam.load(uapi.BPF_PROG_TYPE_SYSCALL, source, {"a": fd}), int)
    del view
