"""What compiled code does without leaving: hash lookups, tail calls, bpf_strncmp(); the interpreter agrees."""

import struct

import pytest

import beespace
from beespace.interp import Interp
from beespace.jit import Jit
from beespace.kernel import Pipeline
from beespace.testing.seamcalls import SeamCalls
from beespace.uapi import bpf as uapi

XDP = uapi.BPF_PROG_TYPE_XDP
CPUS = 3


@pytest.fixture(params=[Jit, Interp])
def seam(request):
    with beespace.Kernel(cpus=CPUS, pipeline=Pipeline(engine=request.param())) as kernel:
        calls = SeamCalls(kernel)
        yield calls
        calls.close_all()


def word(value, size):
    return value.to_bytes(size, "little")


# R0 = 2 + the value, or 1
LOOKUP = """
    r1 = *(u32 *)(r1 + 0)
    r2 = r10
    r2 += -8
    r3 = {low}
    *(u32 *)(r10 - 8) = r3
    r3 = {high}
    *(u32 *)(r10 - 4) = r3
    r1 = map:m ll
    call bpf_map_lookup_elem
    if r0 == 0 goto +3
    r0 = *(u64 *)(r0 + 0)
    r0 += 2
    exit
    r0 = 1
    exit
"""


@pytest.mark.parametrize("size", [4, 6, 8])
@pytest.mark.parametrize(
    "map_type",
    [
        uapi.BPF_MAP_TYPE_HASH,
        uapi.BPF_MAP_TYPE_PERCPU_HASH,
        uapi.BPF_MAP_TYPE_LRU_HASH,
        uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH,
    ],
)
def test_lookup_in_a_hash_map(seam, map_type, size):
    entries, keys = 256, 64
    fd = seam.create(map_type, size, 8, entries)
    percpu = map_type in (uapi.BPF_MAP_TYPE_PERCPU_HASH, uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH)
    for key in range(keys):
        value = b"".join(word(100 * key + cpu, 8) for cpu in range(CPUS)) if percpu else word(100 * key, 8)
        assert seam.update(fd, word(key << 24, size), value) == 0
    assert seam.delete(fd, word(5 << 24, size)) == 0
    for key, expected in ((0, 2), (7, 702), (63, 6302), (5, 1), (64, 1)):
        prog = seam.load(XDP, LOOKUP.format(low=key << 24, high=0), {"m": fd})
        assert seam.run(prog, data=bytes(64)).retval == expected
        if percpu:
            seam.kernel.current_cpu = CPUS - 1
            found = seam.run(prog, data=bytes(64)).retval
            seam.kernel.current_cpu = 0
            assert found == (expected if expected == 1 else expected + CPUS - 1)
    wrong = seam.load(XDP, LOOKUP.format(low=0, high=1), {"m": fd})
    assert seam.run(wrong, data=bytes(64)).retval == (2 if size == 4 else 1)


def test_lookup_saves_an_element_from_eviction(seam):
    entries = 256
    fd = seam.create(uapi.BPF_MAP_TYPE_LRU_HASH, 4, 8, entries)
    seam.update(fd, word(1, 4), word(40, 8))
    prog = seam.load(XDP, LOOKUP.format(low=1, high=0), {"m": fd})
    kept = 0
    for key in range(2, 4 * entries):
        seam.update(fd, word(key, 4), word(0, 8))
        kept += seam.run(prog, data=bytes(64)).retval == 42
    assert kept == 4 * entries - 2


TAIL_CALL = """
    r2 = map:progs ll
    r3 = {index}
    call bpf_tail_call
    r0 = {otherwise}
    exit
"""


def test_tail_calls_follow_the_array(seam):
    fd = seam.create(uapi.BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 2)
    first = seam.load(XDP, TAIL_CALL.format(index=1, otherwise=2), {"progs": fd})
    outside = seam.load(XDP, TAIL_CALL.format(index=2, otherwise=7), {"progs": fd})
    retvals = []
    for target in (0, 3, 4, 0, 4):
        if target:
            loaded = seam.load(XDP, f"r0 = {target}\nexit")
            seam.update(fd, word(1, 4), word(loaded, 4))
            seam.close(loaded)  # the array holds it
        else:
            seam.delete(fd, word(1, 4))
        retvals += [seam.run(first, data=bytes(64)).retval for _ in range(2)]
    assert retvals == [2, 2, 3, 3, 4, 4, 2, 2, 4, 4]
    assert seam.run(outside, data=bytes(64)).retval == 7


@pytest.mark.parametrize(("text", "size", "order"), [
    (b"abc\0", 8, 0), (b"abd\0", 8, 1), (b"abb\0", 8, -1), (b"ab\0\0", 8, -1), (b"abd\0", 2, 0), (b"\xffbc\0", 8, 1),
])  # fmt: skip
def test_strncmp(seam, text, size, order):
    fd = seam.create(uapi.BPF_MAP_TYPE_ARRAY, 4, 4, 1, uapi.BPF_F_RDONLY_PROG)
    seam.update(fd, word(0, 4), b"abc\0")
    seam.freeze(fd)
    source = f"""
        r1 = 0
        *(u64 *)(r10 - 8) = r1
        r1 = {struct.unpack("<i", text)[0]}
        *(u32 *)(r10 - 8) = r1
        r1 = r10
        r1 += -8
        r2 = {size}
        r3 = map_value:literal ll
        call bpf_strncmp
        exit
    """
    prog = seam.load(XDP, source, {"literal": fd})
    assert seam.run(prog, data=bytes(64)).retval == order & 0xFFFFFFFF
