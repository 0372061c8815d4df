"""LRU hash maps: the same operations evict the same elements as in the kernel."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beespace.testing.seamcalls import SeamCalls, u32, u64
from beespace.uapi import bpf as uapi

LRU, LRU_PERCPU = uapi.BPF_MAP_TYPE_LRU_HASH, uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH
NO_COMMON = uapi.BPF_F_NO_COMMON_LRU


@pytest.fixture
def on_cpu_0():
    """bpf(2) of the running kernel is called from CPU 0, as the simulated kernel's is."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {0})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("map_type", "flags", "err"),
    [
        (LRU, uapi.BPF_F_NO_PREALLOC, "ENOTSUPP"),
        (LRU_PERCPU, uapi.BPF_F_NO_PREALLOC, "ENOTSUPP"),
        (LRU, NO_COMMON | uapi.BPF_F_NUMA_NODE, "EINVAL"),
        (LRU_PERCPU, uapi.BPF_F_NUMA_NODE, "EINVAL"),
        (LRU, uapi.BPF_F_MMAPABLE, "EINVAL"),
    ],
)
def test_refused_at_creation(seam, map_type, flags, err):
    assert seam.create(map_type, 4, 4, 10, flags) == err


def test_lists_of_cpus_have_equal_sizes(seam):
    cpus = seam.kernel.features.cpus
    assert seam.info(seam.create(LRU, 4, 4, 1, NO_COMMON)).max_entries == cpus
    assert seam.info(seam.create(LRU, 4, 4, cpus * 3 - 1, NO_COMMON)).max_entries == cpus * 3
    assert seam.info(seam.create(LRU, 4, 4, 3)).max_entries == 3


def test_flags(seam):
    fd = seam.create(LRU, 4, 8, 10)
    assert seam.update(fd, u32(1), u64(1), uapi.BPF_EXIST) == "ENOENT"
    assert seam.update(fd, u32(1), u64(1), uapi.BPF_NOEXIST) == 0
    assert seam.update(fd, u32(1), u64(2), uapi.BPF_NOEXIST) == "EEXIST"
    assert seam.update(fd, u32(1), u64(3), 3) == "EINVAL"
    assert seam.update(fd, u32(1), u64(3), uapi.BPF_F_LOCK) == "EINVAL"
    assert seam.update(fd, u32(1), u64(4), uapi.BPF_EXIST) == 0
    assert seam.lookup(fd, u32(1)) == u64(4)
    assert seam.lookup_and_delete(fd, u32(1)) == u64(4)
    assert seam.delete(fd, u32(1)) == "ENOENT"
    assert seam.keys(fd) == []


def test_percpu_values(seam):
    cpus = seam.kernel.features.cpus
    fd = seam.create(LRU_PERCPU, 4, 5, 10)
    value = b"".join(bytes([c + 1]) * 5 + bytes(3) for c in range(cpus))
    assert seam.update(fd, u32(1), value, uapi.BPF_EXIST) == "ENOENT"
    assert seam.update(fd, u32(1), value) == 0
    assert seam.lookup(fd, u32(1)) == value
    assert seam.update(fd, u32(1), value, uapi.BPF_NOEXIST) == "EEXIST"
    assert seam.lookup_and_delete(fd, u32(1)) == value
    assert seam.lookup(fd, u32(1)) == "ENOENT"


def test_a_full_map_keeps_the_newest(seam, on_cpu_0):
    fd = seam.create(LRU, 4, 4, 16)
    for i in range(100):
        assert seam.update(fd, u32(i), u32(i)) == 0
        assert seam.lookup(fd, u32(i)) == u32(i)
    keys = seam.keys(fd)
    assert len(keys) <= 16
    assert u32(99) in keys


OPERATIONS = st.lists(st.tuples(st.sampled_from("uuuuulde"), st.integers(0, 40)), min_size=1, max_size=120)


def play(calls, map_type, flags, entries, operations):
    """What is in the map after every operation, in its order."""
    size = 4 if map_type == LRU else 8 * calls.kernel.features.cpus
    fd = calls.create(map_type, 4, 4, entries, flags | uapi.BPF_F_ZERO_SEED)
    trace = []
    for what, key in operations:
        value = u32(key).ljust(size, b"\0")
        if what == "u":
            trace.append(calls.update(fd, u32(key), value))
        elif what == "e":
            trace.append(calls.update(fd, u32(key), value, uapi.BPF_EXIST))
        elif what == "d":
            trace.append(calls.delete(fd, u32(key)))
        else:
            trace.append(calls.lookup(fd, u32(key)))
        trace.append(calls.keys(fd))
    calls.close_all()
    return trace


@pytest.mark.oracle
@pytest.mark.parametrize("map_type", [LRU, LRU_PERCPU])
@pytest.mark.parametrize("flags", [0, NO_COMMON])
@pytest.mark.parametrize("entries", [1, 3, 10, 33])
def test_evictions_are_the_kernels(kernel, linux_kernel, on_cpu_0, map_type, flags, entries):
    ours, theirs = SeamCalls(kernel), SeamCalls(linux_kernel)

    @settings(max_examples=15, deadline=None, database=None)
    @given(OPERATIONS)
    def check(operations):
        assert play(ours, map_type, flags, entries, operations) == play(theirs, map_type, flags, entries, operations)

    check()


@pytest.mark.oracle
def test_a_thousand_insertions_leave_what_the_kernel_leaves(kernel, linux_kernel, on_cpu_0):
    ours, theirs = SeamCalls(kernel), SeamCalls(linux_kernel)
    left = []
    for calls in (ours, theirs):
        fd = calls.create(LRU, 4, 4, 300, uapi.BPF_F_ZERO_SEED)
        for i in range(1000):
            assert calls.update(fd, u32(i * i % 701), u32(i)) == 0
        left.append(calls.keys(fd))
        calls.close_all()
    assert left[0] == left[1]
