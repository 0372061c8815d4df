"""Ring buffers as memory: records never overlap and never leave the buffer, whatever stands in the shared pages."""

import ctypes
import mmap
import os
import struct
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beespace.maps import ring_core
from beespace.maps.env import MapEnv
from beespace.maps.ringbuf import RingbufMap, UserRingbufMap
from beespace.maps.state import STATE_BYTES, RingState
from beespace.mem import raw
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import MapCreateAttr

SIZE = 4096
BUSY, DISCARD = 1 << 31, 1 << 30
U64 = 2**64 - 1
EINVAL, E2BIG, EBUSY = 22, 7, 16
POSITIONS = st.one_of(
    st.integers(0, U64),
    st.integers(0, 1 << 14),
    st.integers(-(1 << 14), 1 << 14).map(lambda off: (1 << 32) + off),
    st.integers(1, 1 << 14).map(lambda off: (1 << 64) - off),
)


@pytest.fixture(scope="module")
def env():
    env = MapEnv.standalone()
    yield env
    env.descriptors.close()
    env.space.close()


def make(env, kind=RingbufMap, size=SIZE):
    bpf_map = kind(MapCreateAttr(kind.TYPE.id, 0, 0, size), env)
    bpf_map.map_alloc()
    return bpf_map


@pytest.fixture
def ring(env):
    bpf_map = make(env)
    yield bpf_map
    bpf_map.free_memory()


@pytest.fixture
def user_ring(env):
    bpf_map = make(env, UserRingbufMap)
    yield bpf_map
    bpf_map.free_memory()


def total(size):
    return (size + 8 + 7) // 8 * 8


def test_the_state_fits_behind_the_descriptor():
    assert ctypes.sizeof(RingState) <= STATE_BYTES


def test_data_is_there_twice(ring):
    sample = ring_core.ring_reserve(ring.state, 3000)
    assert ring_core.ring_commit(ring.state, sample, 0, False) == 0
    raw.store64(ring.ring.consumer, total(3000))
    sample = ring_core.ring_reserve(ring.state, 2000)
    raw.write_bytes(sample, b"x" * 2000)
    assert sample + 2000 > ring.ring.data + SIZE
    assert raw.read_bytes(ring.ring.data, sample + 2000 - ring.ring.data - SIZE) == b"x" * (
        sample + 2000 - ring.ring.data - SIZE
    )


def test_only_the_data_is_visible(env, ring):
    data = ring.ring.data
    assert env.space.check(data, 2 * SIZE, True)
    assert not env.space.check(data - 1, 1, False)
    assert not env.space.check(data + 2 * SIZE, 1, False)


@pytest.mark.parametrize("at", [0, 8, 16, 7, -8, SIZE, 2 * SIZE, U64])
def test_commit_of_what_is_no_record(ring, at):
    sample = ring_core.ring_reserve(ring.state, 100)
    assert ring_core.ring_commit(ring.state, (sample + at) & U64, 0, False) == (0 if at == 0 else 1)
    assert ring_core.ring_commit(ring.state, sample, 0, False) == (1 if at == 0 else 0), "second time"


def overlaps(a, b):
    # Byte ranges (start, length) modulo SIZE.
    return (b[0] - a[0]) % SIZE < a[1] or (a[0] - b[0]) % SIZE < b[1]


@settings(max_examples=120, deadline=None)
@given(
    start=POSITIONS.map(lambda p: p & ~7),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["reserve", "commit", "discard", "consumer", "producer", "header"]),
            st.integers(0, SIZE + 16),
            POSITIONS,
        ),
        max_size=40,
    ),
)
def test_no_overlap_and_no_escape(env, start, steps):
    ring = make(env)
    state = ring.ring
    state.producer_pos = state.pending_pos = start
    raw.store64(state.consumer, start)
    raw.store64(state.producer, start)
    held = deque()  # (offset, bytes) of records that are reserved
    try:
        for what, size, position in steps:
            if what == "consumer":
                raw.store64(state.consumer, position)
            elif what == "producer":
                raw.store64(state.producer, position)
            elif what == "header":
                raw.store64(state.data + (size & (SIZE - 8)), position)
            elif what == "reserve":
                sample = ring_core.ring_reserve(ring.state, size)
                if sample:
                    off = sample - 8 - state.data
                    assert 0 <= off < SIZE
                    assert off % 8 == 0
                    assert off + total(size) <= 2 * SIZE
                    assert not [other for other in held if overlaps(other, (off, total(size)))]
                    assert raw.load32(sample - 8) == size | BUSY
                    assert raw.load64(state.producer) == state.producer_pos
                    held.append((off, total(size)))
            elif held:
                held.rotate(size)
                off, _ = held.pop()
                assert ring_core.ring_commit(ring.state, state.data + off + 8, 0, what == "discard") == 0
        # Whatever happened: with all records committed and a consumer that caught up, the buffer works again.
        for off, _ in held:
            assert ring_core.ring_commit(ring.state, state.data + off + 8, 0, False) == 0
        raw.store64(state.consumer, state.producer_pos)
        assert ring_core.ring_reserve(ring.state, SIZE - 16)
    finally:
        ring.free_memory()


def drain(ring, stop_after=U64):
    """(result, samples as (offset, size)) of a drain whose callback stops after *stop_after*."""
    found = []
    err = ring_core.ring_drain_begin(ring.state, 0)
    if err:
        return err, found
    while dynptr := ring_core.ring_drain_next(ring.state):
        data, size = raw.load64(dynptr), raw.load32(dynptr + 8) & 0xFFFFFF
        found.append((data - ring.ring.data, size))
        ring_core.ring_drain_release(ring.state)
        if len(found) == stop_after:
            break
    return ring_core.ring_drain_end(ring.state, 0), found


def expected(header, cons, prod, size=SIZE):
    """What the first sample of a drain should give: an error, "sample", "skip", or "nothing"."""
    if prod % 8:
        return -EINVAL
    if cons >= prod:
        return "nothing"
    length = header & ~(BUSY | DISCARD)
    if total(length) > prod - cons:
        return -EINVAL
    if total(length) > size or length > 0xFFFFFF:
        return -E2BIG
    if header & DISCARD:
        return "skip"
    return "nothing" if header & BUSY else "sample"


@settings(max_examples=200, deadline=None)
@given(
    cons=POSITIONS.map(lambda p: p & ~7),
    prod=POSITIONS,
    header=st.one_of(st.integers(0, 2**32 - 1), st.integers(0, SIZE), st.integers(0, SIZE).map(lambda n: n | DISCARD)),
)
def test_first_sample_of_any_state(env, cons, prod, header):
    ring = make(env, UserRingbufMap)
    try:
        state = ring.ring
        state.consumer_pos = cons
        raw.store64(state.producer, prod)
        raw.store32(state.data + (cons & (SIZE - 1)), header)
        verdict = expected(header, cons, prod)
        result, found = drain(ring, 1)
        if isinstance(verdict, int):
            assert (result, found) == (verdict, [])
            assert state.consumer_pos == cons, "an error does not move the consumer"
            assert drain(ring)[0] == verdict, "it comes again"
        elif verdict == "nothing":
            assert (result, found) == (0, [])
        elif verdict == "sample":
            assert result == 1
            assert found == [((cons + 8) & (SIZE - 1), header)]
            assert state.consumer_pos == (cons + total(header)) & U64
        for off, size in found:
            assert off + size <= 2 * SIZE
        # Valid again: one sample of 8 bytes behind the consumer.
        at = state.consumer_pos & (SIZE - 1)
        if state.consumer_pos + 16 <= U64:
            raw.store32(state.data + at, 8)
            raw.store64(state.producer, state.consumer_pos + 16)
            assert drain(ring) == (1, [((at + 8) & (SIZE - 1), 8)])
    finally:
        ring.free_memory()


def test_a_second_drain_is_refused(user_ring):
    assert ring_core.ring_drain_begin(user_ring.state, 0) == 0
    assert ring_core.ring_drain_begin(user_ring.state, 0) == -EBUSY
    assert ring_core.ring_drain_end(user_ring.state, 0) == 0
    assert ring_core.ring_drain_begin(user_ring.state, 4) == -EINVAL
    assert ring_core.ring_drain_begin(user_ring.state, 3) == 0


def test_length_is_that_of_the_check(user_ring):
    state = user_ring.ring
    raw.store32(state.data, 16)
    raw.store64(state.producer, 24)
    assert ring_core.ring_drain_begin(user_ring.state, 0) == 0
    dynptr = ring_core.ring_drain_next(user_ring.state)
    raw.store32(state.data, 4000)  # the producer changes its mind
    assert raw.load32(dynptr + 8) & 0xFFFFFF == 16
    ring_core.ring_drain_release(user_ring.state)
    assert state.consumer_pos == 24


# -- memfds


def test_user_space_cannot_shrink_or_write_what_is_the_kernels(ring, user_ring):
    for bpf_map, ours in ((ring, 1), (user_ring, 0)):
        for fd in bpf_map.shared_fds():
            with pytest.raises(PermissionError):
                os.ftruncate(fd, 0)
            with pytest.raises(PermissionError):
                os.ftruncate(fd, 1 << 20)
        with pytest.raises(PermissionError):
            os.pwrite(bpf_map.shared_fds()[ours], b"x", 0)
        with pytest.raises(PermissionError):
            mmap.mmap(bpf_map.shared_fds()[ours], 4096)
        mmap.mmap(bpf_map.shared_fds()[ours], 4096, prot=mmap.PROT_READ).close()
        mmap.mmap(bpf_map.shared_fds()[1 - ours], 4096).close()


def test_mappings_outlive_the_map(env):
    bpf_map = make(env)
    view = bpf_map.map_mmap(3 * 4096, False, 4096)
    sample = ring_core.ring_reserve(bpf_map.state, 8)
    raw.store64(sample, 77)
    bpf_map.free_memory()
    assert struct.unpack_from("<QQ", view, 4096) == (8 | BUSY | 3 << 32, 77)


def test_fork_leaves_each_side_its_own(env):
    bpf_map = make(env)
    view = bpf_map.map_mmap(2 * 4096, False, 4096)
    ring_core.ring_reserve(bpf_map.state, 8)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            before = raw.load64(bpf_map.ring.producer)
            ring_core.ring_reserve(bpf_map.state, 24)
            after = struct.unpack_from("<Q", view)[0]
            code = 0 if (before, after) == (16, 48) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert raw.load64(bpf_map.ring.producer) == 16
    bpf_map.free_memory()


# -- waiters


def is_ready(fd, events):
    import select

    poller = select.poll()
    poller.register(fd, events)
    return bool(poller.poll(0))


def test_waiters_of_a_ring_buffer(ring):
    fd = ring.add_waiter()
    assert not is_ready(fd, 1)
    for flags, ready in ((0, True), (1, False), (0, False), (2, True)):
        ring.set_waiter(fd, False)
        sample = ring_core.ring_reserve(ring.state, 8)
        ring_core.ring_commit(ring.state, sample, flags, False)
        assert is_ready(fd, 1) is ready, "adaptive: only the record the consumer is at wakes it"
    ring.remove_waiter(fd)
    assert ring.add_waiter() == fd
    assert is_ready(fd, 1), "there is data: a new waiter knows"


def test_waiters_of_a_user_ring_buffer(user_ring):
    fd = user_ring.add_waiter()
    assert is_ready(fd, 4), "there is room"
    user_ring.set_waiter(fd, False)
    assert not is_ready(fd, 4)
    raw.store64(user_ring.ring.producer, 8)
    assert drain(user_ring)[0] == 1
    assert is_ready(fd, 4)


@pytest.mark.parametrize("size", [0, 1, 2048, 4095, 12288, 2**31 + 4096])
def test_sizes_that_are_refused(seam, size):
    for kind in (uapi.BPF_MAP_TYPE_RINGBUF, uapi.BPF_MAP_TYPE_USER_RINGBUF):
        assert seam.create(kind, 0, 0, size) == "EINVAL"


@pytest.mark.parametrize("flags", [1, 8, 16, 1 << 10, 1 << 13, 1 << 19])
def test_flags_that_are_refused(seam, flags):
    for kind in (uapi.BPF_MAP_TYPE_RINGBUF, uapi.BPF_MAP_TYPE_USER_RINGBUF):
        assert seam.create(kind, 0, 0, 4096, flags) == "EINVAL"


@pytest.mark.parametrize("kind", [uapi.BPF_MAP_TYPE_RINGBUF, uapi.BPF_MAP_TYPE_USER_RINGBUF])
def test_keys_and_values_are_refused(seam, kind):
    assert seam.create(kind, 4, 0, 4096) == "EINVAL"
    assert seam.create(kind, 0, 4, 4096) == "EINVAL"


@pytest.mark.parametrize("kind", [uapi.BPF_MAP_TYPE_RINGBUF, uapi.BPF_MAP_TYPE_USER_RINGBUF])
@pytest.mark.parametrize("offset", [0, 4096, 8192, 6 * 4096])
@pytest.mark.parametrize("length", [100, 4096, 8192, 5 * 4096, 6 * 4096, 7 * 4096])
@pytest.mark.parametrize("prot", [mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE])
def test_mmap(seam, kind, offset, length, prot):
    from beespace.errors import SyscallError, errno_name

    fd = seam.create(kind, 0, 0, 8192)
    producer, user = kind == uapi.BPF_MAP_TYPE_RINGBUF, kind == uapi.BPF_MAP_TYPE_USER_RINGBUF
    whole = -(-length // 4096) * 4096
    want = "OK"
    if prot & mmap.PROT_WRITE and ((producer and (offset or whole != 4096)) or (user and not offset)):
        want = "EPERM"
    elif offset + whole > 6 * 4096:
        want = "EINVAL"
    try:
        view = seam.kernel.mmap(fd, length, prot, offset)
        got = "OK"
        assert view.nbytes == length
        assert view.readonly is not bool(prot & mmap.PROT_WRITE)
    except SyscallError as error:
        got = errno_name(error.errno)
    assert got == want
