"""Maps of maps and program arrays, queues, stacks and bloom filters, on the simulated and on the real kernel."""

import pytest

from beespace.testing.seamcalls import Buf, SeamCalls, u32, u64
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import MapElemAttr

ARRAY, HASH, PROG_ARRAY = uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_MAP_TYPE_HASH, uapi.BPF_MAP_TYPE_PROG_ARRAY
ARRAY_OF, HASH_OF = uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS, uapi.BPF_MAP_TYPE_HASH_OF_MAPS
QUEUE, STACK, BLOOM = uapi.BPF_MAP_TYPE_QUEUE, uapi.BPF_MAP_TYPE_STACK, uapi.BPF_MAP_TYPE_BLOOM_FILTER
XDP, SYSCALL = uapi.BPF_PROG_TYPE_XDP, uapi.BPF_PROG_TYPE_SYSCALL
RETURN = "r0 = {}\nexit"


@pytest.mark.parametrize("outer_type", [ARRAY_OF, HASH_OF])
def test_creation_of_maps_of_maps(seam, outer_type):
    inner = seam.create(ARRAY, 4, 8, 4)
    assert seam.create(outer_type, 4, 4, 2, inner_map_fd=9999) == "EBADF"
    assert seam.create(outer_type, 4, 8, 2, inner_map_fd=inner) == "EINVAL"
    assert seam.create(outer_type, 4, 4, 0, inner_map_fd=inner) == "EINVAL"
    assert seam.create(outer_type, 4, 4, 2, uapi.BPF_F_MMAPABLE, inner_map_fd=inner) == "EINVAL"
    outer = seam.create(outer_type, 4, 4, 2, inner_map_fd=inner)
    assert seam.create(outer_type, 4, 4, 2, inner_map_fd=outer) == "EINVAL"
    assert seam.create(outer_type, 4, 4, 2, inner_map_fd=seam.create(PROG_ARRAY, 4, 4, 1)) == "ENOTSUPP"
    assert seam.create(outer_type, 4, 4, 2, inner_map_fd=seam.load(XDP, RETURN.format(2))) == "EINVAL"
    flags = "EINVAL" if outer_type == ARRAY_OF else None
    refused = seam.create(outer_type, 4, 4, 2, uapi.BPF_F_RDONLY_PROG, inner_map_fd=inner)
    assert refused == flags or isinstance(refused, int)


@pytest.mark.parametrize("outer_type", [ARRAY_OF, HASH_OF])
def test_user_space_stores_fds_and_reads_ids(seam, outer_type):
    a, b = seam.create(ARRAY, 4, 8, 4), seam.create(ARRAY, 4, 8, 4)
    outer = seam.create(outer_type, 4, 4, 2, inner_map_fd=a)
    assert seam.lookup(outer, u32(0)) == "ENOENT"
    assert seam.update(outer, u32(0), u32(a)) == 0
    assert seam.lookup(outer, u32(0)) == u32(seam.info(a).id)
    assert seam.update(outer, u32(0), u32(b)) == 0
    assert seam.lookup(outer, u32(0)) == u32(seam.info(b).id)
    assert seam.update(outer, u32(0), u32(9999)) == "EBADF"
    assert seam.update(outer, u32(0), u32(outer)) == "EINVAL"
    assert seam.update(outer, u32(7), u32(a)) == ("E2BIG" if outer_type == ARRAY_OF else 0)
    noexist = seam.update(outer, u32(0), u32(a), uapi.BPF_NOEXIST)
    assert noexist == ("EINVAL" if outer_type == ARRAY_OF else "EEXIST")
    assert seam.lookup_and_delete(outer, u32(0)) == "ENOTSUPP"
    assert seam.delete(outer, u32(0)) == 0
    assert seam.delete(outer, u32(0)) == "ENOENT"
    assert seam.delete(outer, u32(9)) == ("E2BIG" if outer_type == ARRAY_OF else "ENOENT")


@pytest.mark.parametrize("outer_type", [ARRAY_OF, HASH_OF])
@pytest.mark.parametrize(
    ("shape", "flags", "fits"),
    [
        ((ARRAY, 4, 8, 4), 0, True),
        ((ARRAY, 4, 8, 5), 0, False),
        ((ARRAY, 4, 16, 4), 0, False),
        ((HASH, 4, 8, 4), 0, False),
        ((ARRAY, 4, 8, 4), uapi.BPF_F_MMAPABLE, False),
        ((ARRAY, 4, 8, 4), uapi.BPF_F_RDONLY, True),
        ((ARRAY, 4, 8, 4), uapi.BPF_F_INNER_MAP, False),
    ],
)
def test_inner_maps_match_the_template(seam, outer_type, shape, flags, fits):
    template = seam.create(ARRAY, 4, 8, 4)
    outer = seam.create(outer_type, 4, 4, 2, inner_map_fd=template)
    inner = seam.create(*shape, flags)
    assert seam.update(outer, u32(1), u32(inner)) == (0 if fits else "EINVAL")


def test_inner_arrays_of_any_size(seam):
    template = seam.create(ARRAY, 4, 8, 4, uapi.BPF_F_INNER_MAP)
    outer = seam.create(ARRAY_OF, 4, 4, 2, inner_map_fd=template)
    assert seam.update(outer, u32(0), u32(seam.create(ARRAY, 4, 8, 77, uapi.BPF_F_INNER_MAP))) == 0
    assert seam.update(outer, u32(1), u32(seam.create(ARRAY, 4, 8, 4))) == "EINVAL"


def test_inner_hash_maps_of_any_size(seam):
    outer = seam.create(HASH_OF, 4, 4, 2, inner_map_fd=seam.create(HASH, 4, 8, 4))
    assert seam.update(outer, u32(0), u32(seam.create(HASH, 4, 8, 77))) == 0
    assert seam.update(outer, u32(1), u32(seam.create(HASH, 4, 8, 4, uapi.BPF_F_NO_PREALLOC))) == "EINVAL"


def test_an_outer_map_keeps_its_inner_maps(seam):
    inner = seam.create(ARRAY, 4, 8, 4)
    outer = seam.create(ARRAY_OF, 4, 4, 2, inner_map_fd=inner)
    seam.update(inner, u32(3), u64(33))
    seam.update(outer, u32(0), u32(inner))
    number = seam.info(inner).id
    seam.close(inner)
    again = seam.fd_by_id(uapi.BPF_MAP_GET_FD_BY_ID, number)
    assert seam.lookup(again, u32(3)) == u64(33)
    seam.close(again)
    seam.delete(outer, u32(0))
    for _ in range(100):  # the kernel frees it after a grace period
        gone = seam.fd_by_id(uapi.BPF_MAP_GET_FD_BY_ID, number)
        if gone == "ENOENT":
            break
        seam.close(gone)
    assert gone == "ENOENT"


def test_batches_of_maps_of_maps(seam):
    maps = [seam.create(ARRAY, 4, 8, 4) for _ in range(3)]
    for outer_type in (ARRAY_OF, HASH_OF):
        outer = seam.create(outer_type, 4, 4, 3, inner_map_fd=maps[0])
        assert seam.batch(uapi.BPF_MAP_UPDATE_BATCH, outer, keys=u32(0, 1, 2), values=u32(*maps), count=3)[:2] == (0, 3)
        ret, count, keys, values, _ = seam.batch(
            uapi.BPF_MAP_LOOKUP_BATCH, outer, keys=bytes(16), values=bytes(16), count=4
        )
        assert (ret, count) == ("ENOENT", 3)
        pairs = {keys[i : i + 4]: values[i : i + 4] for i in range(0, 12, 4)}
        assert pairs == {u32(i): u32(seam.info(fd).id) for i, fd in enumerate(maps)}
        deleted = seam.batch(uapi.BPF_MAP_DELETE_BATCH, outer, keys=u32(0), count=1)[0]
        assert deleted == ("ENOTSUPP" if outer_type == ARRAY_OF else 0)


LOOKUP_IN_TWO_STEPS = """
    *(u32 *)(r10 - 4) = 1
    r2 = r10
    r2 += -4
    r1 = map:outer ll
    call bpf_map_lookup_elem
    if r0 == 0 goto none
    *(u32 *)(r10 - 4) = 3
    r2 = r10
    r2 += -4
    r1 = r0
    call bpf_map_lookup_elem
    if r0 == 0 goto none
    r0 = *(u64 *)(r0 + 0)
    exit
none:
    r0 = 99
    exit
"""


@pytest.mark.parametrize("outer_type", [ARRAY_OF, HASH_OF])
def test_programs_look_up_in_two_steps(seam, outer_type):
    inner = seam.create(ARRAY, 4, 8, 4)
    outer = seam.create(outer_type, 4, 4, 2, inner_map_fd=inner)
    fd = seam.load(SYSCALL, LOOKUP_IN_TWO_STEPS, {"outer": outer})
    assert seam.run(fd).retval == 99
    seam.update(inner, u32(3), u64(1234))
    seam.update(outer, u32(1), u32(inner))
    assert seam.run(fd).retval == 1234


def test_prog_array_creation(seam):
    assert seam.create(PROG_ARRAY, 4, 8, 2) == "EINVAL"
    assert seam.create(PROG_ARRAY, 4, 4, 0) == "EINVAL"
    assert seam.create(PROG_ARRAY, 4, 4, 2, uapi.BPF_F_RDONLY_PROG) == "EINVAL"
    assert isinstance(seam.create(PROG_ARRAY, 4, 4, 2, uapi.BPF_F_RDONLY), int)


def test_prog_array_elements(seam):
    fd = seam.create(PROG_ARRAY, 4, 4, 2)
    prog = seam.load(XDP, RETURN.format(2))
    assert seam.lookup(fd, u32(0)) == "ENOENT"
    assert seam.update(fd, u32(0), u32(prog)) == 0
    assert len(seam.lookup(fd, u32(0))) == 4
    assert seam.update(fd, u32(2), u32(prog)) == "E2BIG"
    assert seam.update(fd, u32(0), u32(prog), uapi.BPF_EXIST) == "EINVAL"
    assert seam.update(fd, u32(0), u32(9999)) == "EBADF"
    assert seam.update(fd, u32(0), u32(fd)) == "EINVAL"
    assert seam.keys(fd) == [u32(0), u32(1)]
    assert seam.delete(fd, u32(1)) == "ENOENT"
    assert seam.delete(fd, u32(0)) == 0
    assert seam.lookup(fd, u32(0)) == "ENOENT"


def test_a_prog_array_takes_programs_of_one_kind(seam):
    fd = seam.create(PROG_ARRAY, 4, 4, 2)
    assert seam.update(fd, u32(0), u32(seam.load(XDP, RETURN.format(2)))) == 0
    assert seam.update(fd, u32(1), u32(seam.load(SYSCALL, RETURN.format(2)))) == "EINVAL"
    frags = seam.load(XDP, RETURN.format(2), prog_flags=uapi.BPF_F_XDP_HAS_FRAGS)
    assert seam.update(fd, u32(1), u32(frags)) == "EINVAL"
    devmap = seam.load(XDP, RETURN.format(2), expected_attach_type=uapi.BPF_XDP_DEVMAP)
    assert seam.update(fd, u32(1), u32(devmap)) == "EINVAL"
    assert seam.update(fd, u32(1), u32(seam.load(XDP, RETURN.format(1)))) == 0


TAIL_CALL = """
    r6 = r1
    r1 = r6
    r2 = map:progs ll
    r3 = {index}
    call bpf_tail_call
    r0 = {otherwise}
    exit
"""


def test_the_first_program_decides_for_the_array(seam):
    fd = seam.create(PROG_ARRAY, 4, 4, 2)
    assert isinstance(seam.load(XDP, TAIL_CALL.format(index=0, otherwise=1), {"progs": fd}), int)
    source = TAIL_CALL.format(index=0, otherwise=1)
    assert seam.load(uapi.BPF_PROG_TYPE_SCHED_CLS, source, {"progs": fd}) == "EINVAL"


def test_tail_calls(seam):
    fd = seam.create(PROG_ARRAY, 4, 4, 3)
    first = seam.load(XDP, TAIL_CALL.format(index=1, otherwise=2), {"progs": fd})
    packet = bytes(64)
    assert seam.run(first, data=packet).retval == 2
    seam.update(fd, u32(1), u32(seam.load(XDP, TAIL_CALL.format(index=2, otherwise=3), {"progs": fd})))
    assert seam.run(first, data=packet).retval == 3
    seam.update(fd, u32(2), u32(seam.load(XDP, RETURN.format(4))))
    assert seam.run(first, data=packet).retval == 4
    seam.delete(fd, u32(1))
    assert seam.run(first, data=packet).retval == 2


def test_tail_calls_end_after_33(seam):
    fd, counter = seam.create(PROG_ARRAY, 4, 4, 1), seam.create(ARRAY, 4, 8, 1)
    count = "r1 = map_value:counter ll\nr2 = *(u64 *)(r1 + 0)\nr2 += 1\n*(u64 *)(r1 + 0) = r2\n"
    source = "r7 = r1\n" + count + "r1 = r7\n" + TAIL_CALL.format(index=0, otherwise=2)
    prog = seam.load(XDP, source, {"progs": fd, "counter": counter})
    seam.update(fd, u32(0), u32(prog))
    assert seam.run(prog, data=bytes(64)).retval == 2
    assert seam.lookup(counter, u32(0)) == u64(34)
    seam.delete(fd, u32(0))


def test_closing_the_array_empties_it(seam):
    fd = seam.create(PROG_ARRAY, 4, 4, 1)
    first = seam.load(XDP, TAIL_CALL.format(index=0, otherwise=2), {"progs": fd})
    seam.update(fd, u32(0), u32(seam.load(XDP, RETURN.format(4))))
    number = seam.info(fd).id
    again = seam.fd_by_id(uapi.BPF_MAP_GET_FD_BY_ID, number)
    seam.close(fd)
    assert seam.run(first, data=bytes(64)).retval == 4
    seam.close(again)
    for _ in range(10_000):  # the kernel empties it from a work queue
        if seam.run(first, data=bytes(64)).retval == 2:
            break
    assert seam.run(first, data=bytes(64)).retval == 2


@pytest.mark.parametrize(
    ("key", "value", "entries", "flags", "err"),
    [
        (4, 4, 4, 0, "EINVAL"),
        (0, 0, 4, 0, "EINVAL"),
        (0, 4, 0, 0, "EINVAL"),
        (0, 4, 4, uapi.BPF_F_NO_PREALLOC, "EINVAL"),
        (0, (1 << 22) + 1, 1, 0, "E2BIG"),
    ],
)
@pytest.mark.parametrize("map_type", [QUEUE, STACK])
def test_refused_queues(seam, map_type, key, value, entries, flags, err):
    assert seam.create(map_type, key, value, entries, flags) == err


@pytest.mark.parametrize("map_type", [QUEUE, STACK])
def test_queue_and_stack(seam, map_type):
    fd = seam.create(map_type, 0, 4, 3)
    assert seam.lookup(fd, None) == "ENOENT"
    assert seam.lookup_and_delete(fd, None) == "ENOENT"
    for i in range(3):
        assert seam.update(fd, None, u32(i)) == 0
    assert seam.update(fd, None, u32(9)) == "E2BIG"
    assert seam.update(fd, None, u32(9), uapi.BPF_NOEXIST) == "EINVAL"
    assert seam.update(fd, None, u32(9), 3) == "EINVAL"
    assert seam.update(fd, None, u32(3), uapi.BPF_EXIST) == 0
    order = [1, 2, 3] if map_type == QUEUE else [3, 2, 1]
    assert seam.lookup(fd, None) == u32(order[0])
    assert [seam.lookup_and_delete(fd, None) for _ in range(4)] == [*(u32(i) for i in order), "ENOENT"]
    for i in range(20):
        assert seam.update(fd, None, u32(i), uapi.BPF_EXIST) == 0
    order = [17, 18, 19] if map_type == QUEUE else [19, 18, 17]
    assert [seam.lookup_and_delete(fd, None) for _ in range(3)] == [u32(i) for i in order]
    assert seam.lookup(fd, u32(1)) == "EINVAL"  # a key where there is none
    assert seam.bpf(uapi.BPF_MAP_DELETE_ELEM, MapElemAttr(fd)) == "EINVAL"
    assert seam.lookup_and_delete(fd, None, uapi.BPF_F_LOCK) == "EINVAL"
    assert seam.next_key(fd, None) == "EINVAL"
    assert seam.batch(uapi.BPF_MAP_LOOKUP_BATCH, fd, count=1)[0] == "ENOTSUPP"


@pytest.mark.parametrize(
    ("key", "value", "entries", "extra", "err"),
    [(4, 4, 4, 0, "EINVAL"), (0, 0, 4, 0, "EINVAL"), (0, 4, 0, 0, "EINVAL"), (0, 4, 4, 16, "EINVAL"),
     (0, (1 << 22) + 1, 1, 0, "E2BIG")],
)  # fmt: skip
def test_refused_bloom_filters(seam, key, value, entries, extra, err):
    assert seam.create(BLOOM, key, value, entries, map_extra=extra) == err


def contains(seam, fd, value):
    buf = Buf(value)
    return seam.bpf(uapi.BPF_MAP_LOOKUP_ELEM, MapElemAttr(fd, 0, buf.address))


@pytest.mark.parametrize("extra", [0, 1, 3, 15])
@pytest.mark.parametrize("size", [3, 4, 8, 13])
def test_bloom_filters_find_what_was_pushed(seam, extra, size):
    fd = seam.create(BLOOM, 0, size, 50, uapi.BPF_F_ZERO_SEED, map_extra=extra)
    values = [(i * 40503).to_bytes(4, "little").ljust(size, b"x")[:size] for i in range(50)]
    for value in values:
        assert seam.update(fd, None, value) == 0
    assert all(contains(seam, fd, value) == 0 for value in values)
    assert seam.update(fd, None, values[0], uapi.BPF_EXIST) == "EINVAL"
    assert seam.bpf(uapi.BPF_MAP_DELETE_ELEM, MapElemAttr(fd)) == "EOPNOTSUPP"
    assert seam.next_key(fd, None) == "EOPNOTSUPP"


@pytest.mark.oracle
def test_false_positives_are_the_kernels(kernel, linux_kernel):
    found = []
    for calls in (SeamCalls(kernel), SeamCalls(linux_kernel)):
        fd = calls.create(BLOOM, 0, 4, 20, uapi.BPF_F_ZERO_SEED, map_extra=2)
        for i in range(20):
            calls.update(fd, None, u32(i))
        found.append([i for i in range(500) if contains(calls, fd, u32(i)) == 0])
        calls.close_all()
    assert found[0] == found[1]
    assert len(found[0]) > 20
