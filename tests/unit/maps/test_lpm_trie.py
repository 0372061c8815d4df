"""LPM tries: prefixes, their order, refusals, on the simulated and on the real kernel."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beespace.testing.seamcalls import SeamCalls, u32
from beespace.uapi import bpf as uapi

LPM = uapi.BPF_MAP_TYPE_LPM_TRIE
NO_PREALLOC = uapi.BPF_F_NO_PREALLOC


def key(text):
    address, _, length = text.partition("/")
    return u32(int(length or 32)) + bytes(int(part) for part in address.split("."))


@pytest.mark.parametrize(
    ("key_size", "value", "entries", "flags", "err"),
    [
        (8, 4, 4, 0, "EINVAL"),
        (4, 4, 4, NO_PREALLOC, "EINVAL"),
        (261, 4, 4, NO_PREALLOC, "EINVAL"),
        (8, 0, 4, NO_PREALLOC, "EINVAL"),
        (8, 4, 0, NO_PREALLOC, "EINVAL"),
        (8, 1 << 22, 1, NO_PREALLOC, "EINVAL"),
        (8, 4, 1, NO_PREALLOC | uapi.BPF_F_ZERO_SEED, "EINVAL"),
    ],
)
def test_refused_at_creation(seam, key_size, value, entries, flags, err):
    assert seam.create(LPM, key_size, value, entries, flags) == err


def test_the_longest_prefix_wins(seam):
    fd = seam.create(LPM, 8, 4, 5, NO_PREALLOC)
    for number, text in enumerate(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "0.0.0.0/0"], 1):
        assert seam.update(fd, key(text), u32(number)) == 0
    expected = {
        "10.1.2.3": 4,
        "10.1.2.4": 3,
        "10.1.9.9": 2,
        "10.9.9.9": 1,
        "11.0.0.0": 5,
        "10.1.2.3/24": 3,
        "10.1.2.3/17": 2,
    }
    assert {text: seam.lookup(fd, key(text)) for text in expected} == {text: u32(n) for text, n in expected.items()}
    assert seam.lookup(fd, key("10.1.2.3/33")) == "ENOENT"
    assert seam.delete(fd, key("0.0.0.0/0")) == 0
    assert seam.lookup(fd, key("11.0.0.0")) == "ENOENT"
    assert seam.delete(fd, key("0.0.0.0/0")) == "ENOENT"
    assert seam.delete(fd, key("0.0.0.0/33")) == "EINVAL"


def test_flags_and_room(seam):
    fd = seam.create(LPM, 8, 4, 2, NO_PREALLOC)
    assert seam.update(fd, key("10.0.0.0/8"), u32(1), uapi.BPF_EXIST) == "ENOENT"
    assert seam.update(fd, key("10.0.0.0/8"), u32(1), uapi.BPF_NOEXIST) == 0
    assert seam.update(fd, key("10.0.0.0/8"), u32(2), uapi.BPF_NOEXIST) == "EEXIST"
    assert seam.update(fd, key("10.77.0.0/8"), u32(3)) == 0  # bits behind the prefix do not matter
    assert seam.keys(fd) == [key("10.77.0.0/8")]  # but are kept
    assert seam.update(fd, key("11.0.0.0/8"), u32(4)) == 0
    assert seam.update(fd, key("12.0.0.0/8"), u32(5)) == "ENOSPC"
    assert seam.update(fd, key("12.0.0.0/8"), u32(5), uapi.BPF_EXIST) == "ENOENT"
    assert seam.update(fd, key("12.0.0.0/33"), u32(5)) == "EINVAL"
    assert seam.update(fd, key("11.0.0.0/8"), u32(5), 3) == "EINVAL"
    for i in range(200):
        assert seam.update(fd, key("11.0.0.0/8"), u32(i)) == 0
    assert seam.lookup(fd, key("11.0.0.0/8")) == u32(199)
    assert seam.lookup_and_delete(fd, key("11.0.0.0/8")) == "ENOTSUPP"


def test_batches(seam):
    fd = seam.create(LPM, 8, 4, 4, NO_PREALLOC)
    keys = key("10.0.0.0/8") + key("10.1.0.0/16")
    assert seam.batch(uapi.BPF_MAP_UPDATE_BATCH, fd, keys=keys, values=u32(1, 2), count=2)[:2] == (0, 2)
    ret, count, got, values, _ = seam.batch(uapi.BPF_MAP_LOOKUP_BATCH, fd, keys=bytes(32), values=bytes(16), count=4)
    assert (ret, count, got[:16], values[:8]) == ("ENOENT", 2, key("10.1.0.0/16") + key("10.0.0.0/8"), u32(2, 1))
    assert seam.batch(uapi.BPF_MAP_DELETE_BATCH, fd, keys=keys, count=2)[:2] == (0, 2)
    assert seam.keys(fd) == []


OPERATIONS = st.lists(
    st.tuples(st.sampled_from("uuudl"), st.integers(0, 17), st.binary(min_size=2, max_size=2)), min_size=1, max_size=60
)


@pytest.mark.oracle
def test_any_operations_agree_with_the_kernel(kernel, linux_kernel):
    def play(calls, operations):
        fd, trace = calls.create(LPM, 6, 4, 20, NO_PREALLOC), []
        for number, (what, length, data) in enumerate(operations):
            at = u32(length) + bytes(byte & 0x83 for byte in data)
            if what == "u":
                trace.append(calls.update(fd, at, u32(number)))
            else:
                trace.append(calls.delete(fd, at) if what == "d" else calls.lookup(fd, at))
            trace.append(calls.next_key(fd, at))
        trace.append(calls.keys(fd))
        calls.close_all()
        return trace

    ours, theirs = SeamCalls(kernel), SeamCalls(linux_kernel)

    @settings(max_examples=60, deadline=None, database=None)
    @given(OPERATIONS)
    def check(operations):
        assert play(ours, operations) == play(theirs, operations)

    check()
