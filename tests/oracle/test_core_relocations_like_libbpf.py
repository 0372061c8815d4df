"""CO-RE relocations against libbpf on this machine: every candidate, offset and patched instruction it logs."""

import ctypes.util

import pytest

from beespace.btf import Btf
from beespace.btf.source import open_btf
from corerelos import PROGRAMS, comparable, libbpf_log, relocate

pytestmark = pytest.mark.oracle


@pytest.fixture
def libbpf(linux_kernel):
    if ctypes.util.find_library("bpf") is None:
        pytest.skip("libbpf.so.1 is not installed")


@pytest.mark.parametrize(
    ("program", "target"),
    [("core_kinds.bpf.o", "core_target.bpf.o"), ("core_kinds.bpf.o", None), ("core.bpf.o", None)],
    ids=["every kind, own target", "every kind, the kernel", "kernel types"],
)
def test_the_same_log_as_libbpf(libbpf, program, target):
    theirs = comparable(libbpf_log(PROGRAMS / program, PROGRAMS / target if target else None))
    _, _, ours = relocate(PROGRAMS / program, [open_btf(PROGRAMS / target) if target else Btf.vmlinux()])
    assert len(theirs) > 10
    assert comparable(ours) == theirs
