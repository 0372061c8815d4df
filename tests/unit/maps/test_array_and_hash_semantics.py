"""Array and hash maps through bpf(2): every test runs on the simulated and on the real kernel."""

import mmap

import pytest

from beespace.errors import SyscallError, errno_name
from beespace.testing.seamcalls import SeamCalls, u32, u64
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import MapElemAttr

ARRAY, HASH = uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_MAP_TYPE_HASH
PERCPU_ARRAY, PERCPU_HASH = uapi.BPF_MAP_TYPE_PERCPU_ARRAY, uapi.BPF_MAP_TYPE_PERCPU_HASH
NO_PREALLOC = uapi.BPF_F_NO_PREALLOC
ANY, NOEXIST, EXIST, LOCK = uapi.BPF_ANY, uapi.BPF_NOEXIST, uapi.BPF_EXIST, uapi.BPF_F_LOCK
NUMA = {"numa_node": 0}

REFUSED = [
    (0, 4, 4, 1, 0, {}, "EINVAL"),
    (9999, 4, 4, 1, 0, {}, "EINVAL"),
    (ARRAY, 3, 4, 1, 0, {}, "EINVAL"),
    (ARRAY, 4, 0, 1, 0, {}, "EINVAL"),
    (ARRAY, 4, 4, 0, 0, {}, "EINVAL"),
    (ARRAY, 4, 2**31, 1, 0, {}, "E2BIG"),
    (ARRAY, 4, 4, 1, NO_PREALLOC, {}, "EINVAL"),
    (ARRAY, 4, 4, 1, uapi.BPF_F_ZERO_SEED, {}, "EINVAL"),
    (ARRAY, 4, 4, 1, uapi.BPF_F_PRESERVE_ELEMS, {}, "EINVAL"),
    (ARRAY, 4, 4, 1, uapi.BPF_F_RDONLY | uapi.BPF_F_WRONLY, {}, "EINVAL"),
    (ARRAY, 4, 4, 1, uapi.BPF_F_RDONLY_PROG | uapi.BPF_F_WRONLY_PROG, {}, "EINVAL"),
    (ARRAY, 4, 4, 1, 1 << 31, {}, "EINVAL"),
    (ARRAY, 4, 4, 1, 0, {"map_extra": 1}, "EINVAL"),
    (ARRAY, 4, 4, 1, 0, {"btf_key_type_id": 1}, "EINVAL"),
    (ARRAY, 4, 4, 1, 0, {"btf_key_type_id": 1, "btf_value_type_id": 1, "btf_fd": 999}, "EBADF"),
    (ARRAY, 4, 4, 1, 0, {"btf_vmlinux_value_type_id": 1}, "EINVAL"),
    (ARRAY, 4, 4, 1, 0, {"map_name": b"a b"}, "EINVAL"),
    (ARRAY, 4, 4, 1, 0, {"map_name": b"x" * 16}, "EINVAL"),
    (ARRAY, 4, 4, 1, uapi.BPF_F_NUMA_NODE, {"numa_node": 77}, "EINVAL"),
    (PERCPU_ARRAY, 4, 4, 1, uapi.BPF_F_MMAPABLE, {}, "EINVAL"),
    (PERCPU_ARRAY, 4, 4, 1, uapi.BPF_F_INNER_MAP, {}, "EINVAL"),
    (PERCPU_ARRAY, 4, 4, 1, uapi.BPF_F_NUMA_NODE, NUMA, "EINVAL"),
    (PERCPU_ARRAY, 4, 32769, 1, 0, {}, "E2BIG"),
    (HASH, 0, 4, 1, 0, {}, "EINVAL"),
    (HASH, 4, 0, 1, 0, {}, "EINVAL"),
    (HASH, 4, 4, 0, 0, {}, "EINVAL"),
    (HASH, 4, 1 << 22, 1, 0, {}, "E2BIG"),
    (HASH, 4, (1 << 22) - 4 - 48, 1, 0, {}, "E2BIG"),
    (HASH, 4, 4, 1, uapi.BPF_F_NO_COMMON_LRU, {}, "EINVAL"),
    (HASH, 4, 4, 1, uapi.BPF_F_MMAPABLE, {}, "EINVAL"),
    (HASH, 4, 4, (1 << 31) + 1, 0, {}, "E2BIG"),
    (PERCPU_HASH, 4, 4, 1, uapi.BPF_F_NUMA_NODE, NUMA, "EINVAL"),
    (PERCPU_HASH, 4, 32769, 1, 0, {}, "E2BIG"),
]


@pytest.mark.parametrize(("map_type", "key", "value", "entries", "flags", "more", "err"), REFUSED)
def test_refused_at_creation(seam, map_type, key, value, entries, flags, more, err):
    assert seam.create(map_type, key, value, entries, flags, **more) == err


ACCEPTED = [
    (ARRAY, 4, 1, 1, uapi.BPF_F_NUMA_NODE, NUMA),
    (ARRAY, 4, 4, 3, uapi.BPF_F_MMAPABLE | uapi.BPF_F_INNER_MAP, {}),
    (ARRAY, 4, 4, 1, uapi.BPF_F_RDONLY_PROG, {"map_name": b"a.b_C9"}),
    (PERCPU_ARRAY, 4, 32768, 1, uapi.BPF_F_RDONLY, {"map_name": b"x" * 15}),
    (HASH, 1, 4000, 1, uapi.BPF_F_ZERO_SEED | NO_PREALLOC, {}),
    (HASH, 300, 1, 5, uapi.BPF_F_NUMA_NODE, NUMA),
    (PERCPU_HASH, 5, 5, 5, uapi.BPF_F_WRONLY_PROG, {}),
]


@pytest.mark.parametrize(("map_type", "key", "value", "entries", "flags", "more"), ACCEPTED)
def test_accepted_and_described(seam, map_type, key, value, entries, flags, more):
    fd = seam.create(map_type, key, value, entries, flags, **more)
    info = seam.info(fd)
    assert (info.type, info.key_size, info.value_size, info.max_entries) == (map_type, key, value, entries)
    assert info.map_flags == flags & ~(uapi.BPF_F_RDONLY | uapi.BPF_F_WRONLY)
    assert info.name == more.get("map_name", b"")
    assert info.id > 0


def test_array_flags_and_bounds(seam):
    fd = seam.create(ARRAY, 4, 8, 3)
    assert seam.lookup(fd, u32(2)) == bytes(8)
    assert seam.lookup(fd, u32(3)) == "ENOENT"
    assert seam.update(fd, u32(1), u64(7)) == 0
    assert seam.update(fd, u32(1), u64(8), EXIST) == 0
    assert seam.update(fd, u32(1), u64(9), NOEXIST) == "EEXIST"
    assert seam.update(fd, u32(3), u64(9)) == "E2BIG"
    assert seam.update(fd, u32(3), u64(9), NOEXIST) == "E2BIG"
    assert seam.update(fd, u32(1), u64(9), 3) == "EINVAL"
    assert seam.update(fd, u32(9), u64(9), 8) == "EINVAL"
    assert seam.update(fd, u32(1), u64(9), LOCK) == "EINVAL"
    assert seam.lookup(fd, u32(1), LOCK) == "EINVAL"
    assert seam.lookup(fd, u32(1), EXIST) == "EINVAL"
    assert seam.lookup(fd, u32(1)) == u64(8)
    assert seam.delete(fd, u32(1)) == "EINVAL"
    assert seam.delete(fd, u32(9)) == "EINVAL"
    assert seam.lookup_and_delete(fd, u32(1)) == "ENOTSUPP"
    assert seam.lookup_and_delete(fd, u32(1), EXIST) == "EINVAL"


def test_array_keys(seam):
    fd = seam.create(ARRAY, 4, 8, 3)
    assert seam.keys(fd) == [u32(0), u32(1), u32(2)]
    assert seam.next_key(fd, u32(77)) == u32(0)
    assert seam.next_key(fd, u32(2)) == "ENOENT"


@pytest.mark.parametrize("size", [1, 5, 8, 13])
def test_array_values_do_not_overlap(seam, size):
    fd = seam.create(ARRAY, 4, size, 4)
    for i in range(4):
        assert seam.update(fd, u32(i), bytes([i + 1]) * size) == 0
    assert [seam.lookup(fd, u32(i)) for i in range(4)] == [bytes([i + 1]) * size for i in range(4)]


@pytest.mark.parametrize("flags", [0, NO_PREALLOC])
def test_hash_flags_and_room(seam, flags):
    fd = seam.create(HASH, 4, 8, 2, flags)
    assert seam.lookup(fd, u32(1)) == "ENOENT"
    assert seam.delete(fd, u32(1)) == "ENOENT"
    assert seam.update(fd, u32(1), u64(1), EXIST) == "ENOENT"
    assert seam.update(fd, u32(1), u64(1), NOEXIST) == 0
    assert seam.update(fd, u32(1), u64(2), NOEXIST) == "EEXIST"
    assert seam.update(fd, u32(1), u64(3), EXIST) == 0
    assert seam.update(fd, u32(1), u64(4), 3) == "EINVAL"
    assert seam.update(fd, u32(1), u64(4), LOCK) == "EINVAL"
    assert seam.update(fd, u32(2), u64(5)) == 0
    assert seam.update(fd, u32(3), u64(6)) == "E2BIG"
    assert seam.update(fd, u32(3), u64(6), EXIST) == "ENOENT"
    for i in range(10):  # a full map can still be updated
        assert seam.update(fd, u32(2), u64(i)) == 0
    assert seam.lookup(fd, u32(2)) == u64(9)
    assert seam.delete(fd, u32(1)) == 0
    assert seam.update(fd, u32(3), u64(6)) == 0
    assert seam.lookup_and_delete(fd, u32(3)) == u64(6)
    assert seam.lookup_and_delete(fd, u32(3)) == "ENOENT"
    assert sorted(seam.keys(fd)) == [u32(2)]


@pytest.mark.parametrize("key_size", [1, 2, 3, 4, 7, 8, 12, 13, 16, 17, 40])
@pytest.mark.parametrize("flags", [0, NO_PREALLOC | uapi.BPF_F_ZERO_SEED])
def test_hash_key_sizes(seam, key_size, flags):
    fd = seam.create(HASH, key_size, 3, 100, flags)
    keys = [(i * 7919).to_bytes(4, "little").ljust(key_size, b"\x5a")[-key_size:] for i in range(100)]
    keys = list(dict.fromkeys(keys))
    for i, key in enumerate(keys):
        assert seam.update(fd, key, bytes([i, i, 1])) == 0
    assert [seam.lookup(fd, key) for key in keys] == [bytes([i, i, 1]) for i in range(len(keys))]
    assert sorted(seam.keys(fd)) == sorted(keys)
    for key in keys[::2]:
        assert seam.delete(fd, key) == 0
    assert sorted(seam.keys(fd)) == sorted(keys[1::2])


@pytest.mark.oracle
@pytest.mark.parametrize("key_size", [1, 4, 5, 8, 12, 13, 16, 24, 25, 31])
@pytest.mark.parametrize("entries", [1, 7, 64])
def test_zero_seed_gives_the_kernels_order(kernel, linux_kernel, key_size, entries):

    orders = []
    for calls in (SeamCalls(kernel), SeamCalls(linux_kernel)):
        fd = calls.create(HASH, key_size, 4, entries, uapi.BPF_F_ZERO_SEED)
        for i in range(entries):
            assert calls.update(fd, (i * 2654435761 % 2**32).to_bytes(4, "big").ljust(key_size, b"k")[:key_size],
                                u32(i)) == 0  # fmt: skip
        calls.update(fd, calls.keys(fd)[0], u32(5))  # moves to the front of its bucket
        orders.append(calls.keys(fd))
        calls.close_all()
    assert orders[0] == orders[1]


def test_iteration_survives_deletion(seam):
    fd = seam.create(HASH, 4, 4, 10)
    for i in range(10):
        seam.update(fd, u32(i), u32(i))
    key, seen = None, []
    while isinstance(key := seam.next_key(fd, key), bytes):
        seen.append(key)
    first = seen[0]
    assert seam.delete(fd, first) == 0
    assert seam.next_key(fd, first) == seen[1]  # a missing key starts again


def test_percpu_array_rounds_up_and_keeps_the_padding(seam):
    cpus = seam.kernel.features.cpus
    fd = seam.create(PERCPU_ARRAY, 4, 5, 2)
    value = b"".join(bytes([c + 1]) * 8 for c in range(cpus))
    assert seam.update(fd, u32(1), value) == 0
    assert seam.lookup(fd, u32(1)) == value
    assert seam.lookup(fd, u32(0)) == bytes(8 * cpus)
    assert seam.lookup(fd, u32(2)) == "ENOENT"
    assert seam.update(fd, u32(2), value) == "E2BIG"
    assert seam.update(fd, u32(0), value, NOEXIST) == "EEXIST"
    assert seam.update(fd, u32(0), value, EXIST) == 0
    assert seam.update(fd, u32(0), value, 3) == "EINVAL"
    assert seam.update(fd, u32(0), value, LOCK) == "EINVAL"
    assert seam.delete(fd, u32(0)) == "EINVAL"


@pytest.mark.parametrize("flags", [0, NO_PREALLOC])
def test_percpu_hash(seam, flags):
    cpus = seam.kernel.features.cpus
    fd = seam.create(PERCPU_HASH, 4, 5, 2, flags)
    value = b"".join(bytes([c + 1]) * 5 + bytes(3) for c in range(cpus))
    assert seam.update(fd, u32(1), value, EXIST) == "ENOENT"
    assert seam.update(fd, u32(1), value, NOEXIST) == 0
    assert seam.lookup(fd, u32(1)) == value
    assert seam.update(fd, u32(1), bytes(8 * cpus), EXIST) == 0
    assert seam.lookup(fd, u32(1)) == bytes(8 * cpus)
    assert seam.update(fd, u32(2), value) == 0
    assert seam.update(fd, u32(3), value) == "E2BIG"
    assert seam.update(fd, u32(1), value, LOCK) == "EINVAL"
    assert seam.update(fd, u32(1), value, 3) == "EINVAL"
    assert seam.lookup_and_delete(fd, u32(2)) == value
    assert seam.delete(fd, u32(2)) == "ENOENT"
    assert seam.delete(fd, u32(1)) == 0
    assert seam.keys(fd) == []


def test_freeze(seam):
    fd = seam.create(HASH, 4, 4, 2)
    seam.update(fd, u32(1), u32(5))
    assert seam.freeze(fd) == 0
    assert seam.update(fd, u32(1), u32(6)) == "EPERM"
    assert seam.delete(fd, u32(1)) == "EPERM"
    assert seam.lookup_and_delete(fd, u32(1)) == "EPERM"
    assert seam.lookup(fd, u32(1)) == u32(5)
    assert seam.freeze(fd) == "EPERM"


@pytest.mark.parametrize("map_type", [ARRAY, HASH])
def test_fd_flags_restrict_user_space(seam, map_type):
    ro = seam.create(map_type, 4, 4, 2, uapi.BPF_F_RDONLY)
    assert seam.update(ro, u32(1), u32(1)) == "EPERM"
    assert seam.delete(ro, u32(1)) == "EPERM"
    assert seam.freeze(ro) == "EPERM"
    assert seam.next_key(ro, None) == (u32(0) if map_type == ARRAY else "ENOENT")
    wo = seam.create(map_type, 4, 4, 2, uapi.BPF_F_WRONLY)
    assert seam.update(wo, u32(1), u32(1)) == 0
    assert seam.lookup(wo, u32(1)) == "EPERM"
    assert seam.next_key(wo, None) == "EPERM"
    assert seam.lookup_and_delete(wo, u32(1)) == "EPERM"
    both = seam.fd_by_id(uapi.BPF_MAP_GET_FD_BY_ID, seam.info(wo).id)
    assert seam.lookup(both, u32(1)) == u32(1)
    only = seam.fd_by_id(uapi.BPF_MAP_GET_FD_BY_ID, seam.info(wo).id, uapi.BPF_F_RDONLY)
    assert seam.update(only, u32(1), u32(1)) == "EPERM"


def test_prog_access_flags_do_not_bind_user_space(seam):
    for flag in (uapi.BPF_F_RDONLY_PROG, uapi.BPF_F_WRONLY_PROG):
        fd = seam.create(ARRAY, 4, 4, 1, flag)
        assert seam.update(fd, u32(0), u32(3)) == 0
        assert seam.lookup(fd, u32(0)) == u32(3)


def test_mmap_of_an_array(seam):
    kernel = seam.kernel
    fd = seam.create(ARRAY, 4, 8, 4, uapi.BPF_F_MMAPABLE)
    view = kernel.mmap(fd, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE)
    view[8:16] = u64(77)
    assert seam.lookup(fd, u32(1)) == u64(77)
    assert seam.freeze(fd) == "EBUSY"
    del view
    assert seam.freeze(fd) == 0
    frozen = kernel.mmap(fd, mmap.PAGESIZE, mmap.PROT_READ)
    assert bytes(frozen[8:16]) == u64(77)
    del frozen


def mmap_error(kernel, *args):
    with pytest.raises(SyscallError) as caught:
        kernel.mmap(*args)
    return errno_name(caught.value.errno)


def test_refused_mmap(seam):
    kernel, page, both = seam.kernel, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE
    plain = seam.create(ARRAY, 4, 8, 4)
    assert mmap_error(kernel, plain, page, mmap.PROT_READ) == "EINVAL"
    assert mmap_error(kernel, seam.create(HASH, 4, 8, 4), page, mmap.PROT_READ) == "ENOTSUPP"
    assert mmap_error(kernel, seam.create(PERCPU_ARRAY, 4, 8, 4), page, mmap.PROT_READ) == "ENOTSUPP"
    fd = seam.create(ARRAY, 4, 8, 4, uapi.BPF_F_MMAPABLE)
    assert mmap_error(kernel, fd, 2 * page, mmap.PROT_READ) == "EINVAL"
    assert mmap_error(kernel, fd, page, mmap.PROT_READ, page) == "EINVAL"
    assert mmap_error(kernel, 9999, page, mmap.PROT_READ) == "EBADF"
    rodata = seam.create(ARRAY, 4, 8, 4, uapi.BPF_F_MMAPABLE | uapi.BPF_F_RDONLY_PROG)
    assert mmap_error(kernel, rodata, page, both) == "EACCES"
    readonly = seam.create(ARRAY, 4, 8, 4, uapi.BPF_F_MMAPABLE | uapi.BPF_F_RDONLY)
    assert mmap_error(kernel, readonly, page, both) == "EACCES"
    frozen = seam.create(ARRAY, 4, 8, 4, uapi.BPF_F_MMAPABLE)
    seam.freeze(frozen)
    assert mmap_error(kernel, frozen, page, both) == "EPERM"


def test_array_batches(seam):
    fd = seam.create(ARRAY, 4, 4, 5)
    keys, values = u32(0, 1, 2, 3, 4), u32(10, 11, 12, 13, 14)
    assert seam.batch(uapi.BPF_MAP_UPDATE_BATCH, fd, keys=keys, values=values, count=5)[:2] == (0, 5)
    ret, count, got_keys, got, out = seam.batch(
        uapi.BPF_MAP_LOOKUP_BATCH, fd, keys=bytes(12), values=bytes(12), count=3
    )
    assert (ret, count, got_keys, got, out[:4]) == (0, 3, keys[:12], values[:12], u32(2))
    ret, count, got_keys, got, _ = seam.batch(
        uapi.BPF_MAP_LOOKUP_BATCH, fd, keys=bytes(12), values=bytes(12), count=3, in_batch=out
    )
    assert (ret, count, got_keys[:8], got[:8]) == ("ENOENT", 2, keys[12:], values[12:])
    assert seam.batch(uapi.BPF_MAP_UPDATE_BATCH, fd, keys=u32(0, 9), values=u32(1, 2), count=2)[:2] == ("E2BIG", 1)
    assert seam.batch(uapi.BPF_MAP_DELETE_BATCH, fd, keys=u32(0), count=1)[0] == "ENOTSUPP"
    assert seam.batch(uapi.BPF_MAP_LOOKUP_AND_DELETE_BATCH, fd, keys=u32(0), values=u32(0), count=1)[0] == "ENOTSUPP"
    assert seam.batch(uapi.BPF_MAP_LOOKUP_BATCH, fd, count=0)[:2] == (0, 0)
    assert seam.batch(uapi.BPF_MAP_LOOKUP_BATCH, fd, count=1, elem_flags=1)[:2] == ("EINVAL", 1)
    assert seam.batch(uapi.BPF_MAP_LOOKUP_BATCH, fd, count=1, elem_flags=LOCK)[:2] == ("EINVAL", 1)
    assert seam.batch(uapi.BPF_MAP_UPDATE_BATCH, fd, count=1, elem_flags=2)[:2] == ("EINVAL", 1)


@pytest.mark.parametrize("flags", [0, NO_PREALLOC])
def test_hash_batches(seam, flags):
    fd = seam.create(HASH, 4, 4, 8, flags)
    keys, values = u32(1, 2, 3, 4, 5), u32(10, 20, 30, 40, 50)
    assert seam.batch(uapi.BPF_MAP_UPDATE_BATCH, fd, keys=keys, values=values, count=5)[:2] == (0, 5)
    ret, count, got_keys, got, _ = seam.batch(uapi.BPF_MAP_LOOKUP_BATCH, fd, keys=bytes(32), values=bytes(32), count=8)
    assert (ret, count) == ("ENOENT", 5)
    pairs = sorted((got_keys[i : i + 4], got[i : i + 4]) for i in range(0, 20, 4))
    assert pairs == sorted((keys[i : i + 4], values[i : i + 4]) for i in range(0, 20, 4))
    assert seam.batch(uapi.BPF_MAP_DELETE_BATCH, fd, keys=u32(1, 77), count=2)[:2] == ("ENOENT", 1)
    ret, count, got_keys, got, _ = seam.batch(
        uapi.BPF_MAP_LOOKUP_AND_DELETE_BATCH, fd, keys=bytes(32), values=bytes(32), count=8
    )
    assert (ret, count) == ("ENOENT", 4)
    assert seam.keys(fd) == []
    assert seam.batch(uapi.BPF_MAP_LOOKUP_BATCH, fd, keys=bytes(4), values=bytes(4), count=1)[:2] == ("ENOENT", 0)
    assert seam.batch(uapi.BPF_MAP_LOOKUP_BATCH, fd, count=1, flags=1)[:2] == ("EINVAL", 1)
    assert seam.batch(uapi.BPF_MAP_LOOKUP_BATCH, fd, count=1, in_batch=u32(8))[:2] == ("ENOENT", 0)


@pytest.mark.oracle
def test_zero_seed_batches_return_whole_buckets(kernel, linux_kernel):

    results = []
    for calls in (SeamCalls(kernel), SeamCalls(linux_kernel)):
        fd, trace, batch = calls.create(HASH, 4, 4, 16, uapi.BPF_F_ZERO_SEED), [], None
        for i in range(16):
            calls.update(fd, u32(i), u32(i))
        for count in (1, 2, 3, 4, 5, 6, 7, 8):
            result = calls.batch(
                uapi.BPF_MAP_LOOKUP_BATCH, fd, keys=bytes(64), values=bytes(64), count=count, in_batch=batch
            )
            trace.append(result)
            batch = result[4] if result[0] == 0 else batch
        results.append(trace)
        calls.close_all()
    assert results[0] == results[1]


def test_percpu_batches(seam):
    cpus = seam.kernel.features.cpus
    for map_type in (PERCPU_ARRAY, PERCPU_HASH):
        fd = seam.create(map_type, 4, 5, 2)
        values = b"".join(bytes([n + 1]) * 5 + bytes(3) for n in range(2 * cpus))
        assert seam.batch(uapi.BPF_MAP_UPDATE_BATCH, fd, keys=u32(0, 1), values=values, count=2)[:2] == (0, 2)
        ret, count, _, got, _ = seam.batch(
            uapi.BPF_MAP_LOOKUP_BATCH, fd, keys=bytes(12), values=bytes(len(values) * 2), count=3
        )
        assert (ret, count) == ("ENOENT", 2)
        size = 8 * cpus
        assert sorted((got[:size], got[size : 2 * size])) == sorted((values[:size], values[size:]))


def test_bad_pointers(seam):
    fd = seam.create(HASH, 4, 4, 2)
    assert seam.bpf(uapi.BPF_MAP_UPDATE_ELEM, MapElemAttr(fd, 0, 0)) == "EFAULT"
    assert seam.bpf(uapi.BPF_MAP_LOOKUP_ELEM, MapElemAttr(fd, 8, 8)) == "EFAULT"
    assert seam.bpf(uapi.BPF_MAP_DELETE_ELEM, MapElemAttr(fd, 2**64 - 4)) == "EFAULT"
    seam.update(fd, u32(1), u32(1))
    assert seam.bpf(uapi.BPF_MAP_GET_NEXT_KEY, MapElemAttr(fd, 0, 0)) == "EFAULT"


def test_bad_fds(seam):
    for cmd in (
        uapi.BPF_MAP_LOOKUP_ELEM,
        uapi.BPF_MAP_UPDATE_ELEM,
        uapi.BPF_MAP_DELETE_ELEM,
        uapi.BPF_MAP_GET_NEXT_KEY,
        uapi.BPF_MAP_LOOKUP_AND_DELETE_ELEM,
    ):
        assert seam.bpf(cmd, MapElemAttr(9999, 8)) == "EBADF"
    assert seam.freeze(9999) == "EBADF"
