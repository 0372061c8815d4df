"""Objects of bpf(2): ids, fds, info, pins, loading; on the simulated and on the real kernel."""

import struct
from pathlib import Path

import pytest

from beespace.btf import BtfBuilder, Member
from beespace.kernel import Kernel
from beespace.testing.seamcalls import Buf, SeamCalls, u32, u64
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import (
    BtfInfo,
    BtfLoadAttr,
    GetIdAttr,
    GetInfoAttr,
    MapCreateAttr,
    MapInfo,
    ObjPinAttr,
    ProgBindMapAttr,
    ProgInfo,
    ProgLoadAttr,
)

ARRAY, HASH = uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_MAP_TYPE_HASH
SOCKET, XDP, SYSCALL = uapi.BPF_PROG_TYPE_SOCKET_FILTER, uapi.BPF_PROG_TYPE_XDP, uapi.BPF_PROG_TYPE_SYSCALL
RETURN = "r0 = 2\nexit"


# -- attributes


@pytest.mark.parametrize("size", [0, 1, 4, 8, 12, 16, 20])
def test_short_attributes_are_zero_filled(seam, size):
    attr = bytearray(struct.pack("<5I", ARRAY, 4, 8, 3, 0)[:size])
    ret = attempt(seam, uapi.BPF_MAP_CREATE, attr)
    assert (ret == "EINVAL") if size < 16 else isinstance(ret, int)


def attempt(seam, cmd, attr):
    from beespace.errors import SyscallError, errno_name

    try:
        fd = seam.kernel.bpf(cmd, attr)
    except SyscallError as error:
        return errno_name(error.errno)
    seam._fds.append(fd)
    return fd


@pytest.mark.parametrize(
    ("size", "at", "err"),
    [(4096, None, None), (4097, None, "E2BIG"), (400, 399, "E2BIG"), (400, 150, "EINVAL"), (168, 167, "EINVAL")],
)
def test_unknown_bytes(seam, size, at, err):
    attr = bytearray(struct.pack("<5I", ARRAY, 4, 8, 3, 0)).ljust(size, b"\0")
    if at is not None:
        attr[at] = 1
    ret = attempt(seam, uapi.BPF_MAP_CREATE, attr)
    assert ret == err if err else isinstance(ret, int)


@pytest.mark.parametrize("cmd", [999, -1 % 2**31, 64])
def test_unknown_commands(seam, cmd):
    assert attempt(seam, cmd, bytearray(16)) == "EINVAL"


# -- ids and fds


@pytest.mark.parametrize(
    ("next_cmd", "fd_cmd", "make"),
    [
        (uapi.BPF_MAP_GET_NEXT_ID, uapi.BPF_MAP_GET_FD_BY_ID, lambda seam: seam.create(ARRAY, 4, 4, 1)),
        (uapi.BPF_PROG_GET_NEXT_ID, uapi.BPF_PROG_GET_FD_BY_ID, lambda seam: seam.load(SOCKET, RETURN)),
        (uapi.BPF_BTF_GET_NEXT_ID, uapi.BPF_BTF_GET_FD_BY_ID, lambda seam: load_btf(seam, small_btf())),
    ],
    ids=["map", "prog", "btf"],
)
def test_ids_grow_and_name_objects(seam, next_cmd, fd_cmd, make):
    first, second = make(seam), make(seam)
    ids = [object_id(seam, fd) for fd in (first, second)]
    assert ids[0] < ids[1]
    assert seam.next_id(next_cmd, ids[0]) == ids[1]
    assert seam.next_id(next_cmd, ids[0] - 1) == ids[0]
    assert seam.next_id(next_cmd, 2**31 - 1) == "EINVAL"
    assert seam.next_id(next_cmd, 2**31 - 2) == "ENOENT"
    again = seam.fd_by_id(fd_cmd, ids[0])
    assert object_id(seam, again) == ids[0]
    assert seam.fd_by_id(fd_cmd, 2**31 - 5) == "ENOENT"
    seam.close(first)
    assert object_id(seam, again) == ids[0]
    third = make(seam)
    assert object_id(seam, third) > ids[1]


def object_id(seam, fd):
    buf = Buf(8)
    assert seam.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(fd, 8, buf.address)) == 0
    _, number = struct.unpack("<II", bytes(buf))
    if number:
        return number
    buf = Buf(BtfInfo.SIZE)
    assert seam.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(fd, BtfInfo.SIZE, buf.address)) == 0
    return BtfInfo.unpack(bytes(buf)).id


def test_flags_of_fd_by_id(seam):
    number = seam.info(seam.create(ARRAY, 4, 4, 1)).id
    cmd = uapi.BPF_MAP_GET_FD_BY_ID
    assert seam.fd_by_id(cmd, number, uapi.BPF_F_RDONLY | uapi.BPF_F_WRONLY) == "EINVAL"
    assert seam.fd_by_id(cmd, number, 1) == "EINVAL"
    prog = object_id(seam, seam.load(SOCKET, RETURN))
    assert seam.bpf(uapi.BPF_PROG_GET_FD_BY_ID, GetIdAttr(prog, 0, 8)) == "EINVAL"


def test_commands_want_fds_of_their_kind(seam):
    bpf_map, prog, btf = seam.create(ARRAY, 4, 4, 1), seam.load(SOCKET, RETURN), load_btf(seam, small_btf())
    assert seam.freeze(prog) == "EINVAL"
    assert seam.freeze(btf) == "EINVAL"
    assert seam.run(bpf_map) == "EINVAL"
    assert seam.run(9999) == "EBADF"
    attr = MapCreateAttr(ARRAY, 4, 4, 1, btf_fd=bpf_map, btf_key_type_id=1, btf_value_type_id=1)
    assert seam.open(uapi.BPF_MAP_CREATE, attr) == "EINVAL"


def test_dup_shares_the_file(seam):
    fd = seam.create(ARRAY, 4, 4, 1)
    other = seam.kernel.dup(fd)
    seam._fds.append(other)
    assert seam.update(fd, u32(0), u32(7)) == 0
    seam.close(fd)
    assert seam.lookup(other, u32(0)) == u32(7)


# -- info


@pytest.mark.parametrize("size", [0, 4, 8, 40, MapInfo.SIZE, 4096])
def test_info_is_as_long_as_asked_for(seam, size):
    fd = seam.create(ARRAY, 4, 8, 3, map_name=b"name")
    buf = Buf(b"\0" * size)
    assert seam.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(fd, size, buf.address)) == 0
    written = min(size, MapInfo.SIZE)
    assert seam.after.info_len == written
    expected = bytes(seam.info(fd).pack())[:written].ljust(size, b"\0")
    assert bytes(buf) == expected


def test_refused_info(seam):
    fd = seam.create(ARRAY, 4, 8, 3)
    buf = Buf(b"\1" * 4097)
    assert seam.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(fd, 4097, buf.address)) == "E2BIG"
    assert seam.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(fd, 4096, buf.address)) == "E2BIG"
    assert seam.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(fd, 8, 16)) == "EFAULT"
    assert seam.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(9999, 8, buf.address)) == "EBADFD"


def prog_info(seam, fd, size=ProgInfo.SIZE, **fields):
    request = ProgInfo(**fields).pack()
    buf = Buf(bytes(request))
    ret = seam.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(fd, size, buf.address))
    return ProgInfo.unpack(bytes(buf)) if ret == 0 else ret


WITH_MAPS = """
    r1 = map:b ll
    r1 = map:a ll
    r0 = 2
    r1 = map_value:a+4 ll
    exit
"""


def test_program_info(seam):
    a, b = seam.create(ARRAY, 4, 8, 1), seam.create(HASH, 4, 8, 1)
    fd = seam.load(SOCKET, WITH_MAPS, {"a": a, "b": b}, prog_name=b"some_prog")
    info = prog_info(seam, fd)
    assert (info.type, info.name, info.gpl_compatible, info.created_by_uid) == (SOCKET, b"some_prog", 1, 0)
    assert info.nr_map_ids == 2
    assert info.xlated_prog_len == 8 * 8
    assert len(info.tag) == 8
    assert info.load_time > 0
    assert info.btf_id == 0
    assert (info.nr_func_info, info.nr_line_info, info.nr_jited_ksyms, info.nr_prog_tags) == (0, 0, 1, 1)
    ids, code, tags = Buf(8), Buf(64), Buf(8)
    info = prog_info(
        seam, fd, nr_map_ids=2, map_ids=ids.address, xlated_prog_len=64, xlated_prog_insns=code.address, nr_prog_tags=1,
        prog_tags=tags.address,
    )  # fmt: skip
    assert bytes(ids) == u32(seam.info(b).id, seam.info(a).id)
    assert bytes(tags) == info.tag
    words = struct.unpack("<8Q", bytes(code))
    assert [words[i] >> 32 for i in (0, 2)] == [seam.info(b).id, seam.info(a).id]
    assert (words[5] >> 32, words[6] >> 32) == (seam.info(a).id, 4)


@pytest.mark.oracle
def test_program_info_is_the_kernels(kernel, linux_kernel):
    seen = []
    for calls in (SeamCalls(kernel), SeamCalls(linux_kernel)):
        a, b = calls.create(ARRAY, 4, 8, 1), calls.create(HASH, 4, 8, 1)
        fd = calls.load(SOCKET, WITH_MAPS, {"a": a, "b": b}, prog_name=b"some_prog")
        info = prog_info(calls, fd)
        for field in ("id", "load_time", "jited_prog_len", "map_ids"):
            setattr(info, field, 0)
        seen.append(info)
        calls.close_all()
    assert seen[0] == seen[1]


def test_arrays_of_program_info_are_cut(seam):
    a, b = seam.create(ARRAY, 4, 8, 1), seam.create(HASH, 4, 8, 1)
    fd = seam.load(SOCKET, WITH_MAPS, {"a": a, "b": b})
    ids, code = Buf(b"\xee" * 8), Buf(b"\xee" * 64)
    info = prog_info(seam, fd, nr_map_ids=1, map_ids=ids.address, xlated_prog_len=16, xlated_prog_insns=code.address)
    assert (info.nr_map_ids, info.xlated_prog_len) == (2, 64)
    assert bytes(ids)[4:] == b"\xee" * 4
    assert bytes(code)[16:] == b"\xee" * 48
    assert prog_info(seam, fd, nr_map_ids=1, map_ids=16) == "EFAULT"
    assert prog_info(seam, fd, nr_func_info=1, func_info_rec_size=4) == "EINVAL"


# -- pins


@pytest.fixture
def folder(seam, request):
    kernel = seam.kernel
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    real = next((mount[1] for mount in mounts if mount[2] == "bpf"), "/sys/fs/bpf")
    path = f"{'/sys/fs/bpf' if isinstance(kernel, Kernel) else real}/beespace_test"
    try:
        kernel.mkdir(path)
    except OSError as error:
        pytest.skip(f"no BPF file system: {error}")
    made = []
    yield path, made
    for name in made:
        kernel.unlink(f"{path}/{name}")
    rmdir = getattr(kernel, "bpffs", None)
    if rmdir is not None:
        rmdir.rmdir(path)
    else:
        import os

        os.rmdir(path)


def test_pins(seam, folder):
    path, made = folder
    fd, prog = seam.create(ARRAY, 4, 4, 1), seam.load(SOCKET, RETURN)
    assert seam.pin(fd, f"{path}/map") == 0
    assert seam.pin(prog, f"{path}/prog") == 0
    made += ["map", "prog"]
    assert seam.pin(fd, f"{path}/map") == "EEXIST"
    assert seam.pin(fd, f"{path}/with.dot") == "EPERM"
    assert seam.pin(fd, f"{path}/no/folder") == "ENOENT"
    assert seam.pin(fd, "/tmp/beespace_pin") == "EPERM"
    assert seam.pin(9999, f"{path}/other") == "EINVAL"
    assert seam.get(f"{path}/none") == "ENOENT"
    seam.update(fd, u32(0), u32(9))
    number = seam.info(fd).id
    seam.close(fd)
    again = seam.get(f"{path}/map")
    assert seam.info(again).id == number
    assert seam.lookup(again, u32(0)) == u32(9)
    readonly = seam.get(f"{path}/map", uapi.BPF_F_RDONLY)
    assert seam.update(readonly, u32(0), u32(1)) == "EPERM"
    assert seam.get(f"{path}/map", uapi.BPF_F_RDONLY | uapi.BPF_F_WRONLY) == "EINVAL"
    assert isinstance(seam.get(f"{path}/prog"), int)
    assert isinstance(seam.get(f"{path}/prog", uapi.BPF_F_RDONLY), int)  # maps only have modes


def test_refused_pin_attributes(seam, folder):
    path, _ = folder
    fd, name = seam.create(ARRAY, 4, 4, 1), Buf(f"{path}/x".encode() + b"\0")
    pin, get = uapi.BPF_OBJ_PIN, uapi.BPF_OBJ_GET
    assert seam.bpf(pin, ObjPinAttr(name.address, fd, 8)) == "EINVAL"
    assert seam.bpf(pin, ObjPinAttr(name.address, fd, 0, 5)) == "EINVAL"
    assert seam.bpf(pin, ObjPinAttr(16, fd)) == "EFAULT"
    assert seam.bpf(get, ObjPinAttr(name.address, fd)) == "EINVAL"
    assert seam.bpf(get, ObjPinAttr(name.address, 0, 1)) == "EINVAL"


# -- BTF


def small_btf():
    builder = BtfBuilder()
    number = builder.add_int("int", 4, signed=True)
    builder.add_struct("pair", 8, [Member("a", number, 0), Member("b", number, 32)])
    return builder


def load_btf(seam, builder, **more):
    data = Buf(builder if isinstance(builder, bytes) else builder.build())
    attr = BtfLoadAttr(btf=data.address, btf_size=data.size, **more)
    return seam.open(uapi.BPF_BTF_LOAD, attr)


def test_btf_is_loaded_and_described(seam):
    raw = small_btf().build()
    fd = load_btf(seam, raw)
    data, name = Buf(b"\xee" * len(raw)), Buf(b"\xee" * 8)
    buf = Buf(bytes(BtfInfo(btf=data.address, btf_size=len(raw), name=name.address, name_len=8).pack()))
    assert seam.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(fd, BtfInfo.SIZE, buf.address)) == 0
    info = BtfInfo.unpack(bytes(buf))
    assert bytes(data) == raw
    assert (info.btf_size, info.name_len, info.kernel_btf) == (len(raw), 0, 0)
    assert bytes(name)[0] == 0


def test_refused_btf(seam):
    raw = small_btf().build()
    assert load_btf(seam, b"") == "EINVAL"
    assert load_btf(seam, b"x" * 24) == "EINVAL"
    assert load_btf(seam, raw[:-1]) == "EINVAL"
    assert load_btf(seam, raw, btf_flags=1) == "EINVAL"
    assert load_btf(seam, raw, btf_log_size=100) == "EINVAL"
    assert load_btf(seam, raw, btf_log_level=16) == "EINVAL"
    assert seam.open(uapi.BPF_BTF_LOAD, BtfLoadAttr(btf=16, btf_size=64)) == "EFAULT"
    assert seam.open(uapi.BPF_BTF_LOAD, BtfLoadAttr(btf=16, btf_size=(16 << 20) + 1)) == "E2BIG"


def test_maps_with_types(seam):
    btf = load_btf(seam, small_btf())
    fd = seam.create(HASH, 4, 8, 1, btf_fd=btf, btf_key_type_id=1, btf_value_type_id=2)
    info = seam.info(fd)
    assert (info.btf_key_type_id, info.btf_value_type_id) == (1, 2)
    assert info.btf_id == object_id(seam, btf)
    seam.close(btf)
    assert seam.info(fd).btf_id == info.btf_id
    btf = load_btf(seam, small_btf())
    types = {"btf_fd": btf}
    assert seam.create(HASH, 4, 8, 1, btf_key_type_id=2, btf_value_type_id=2, **types) == "EINVAL"
    assert seam.create(HASH, 4, 8, 1, btf_key_type_id=1, btf_value_type_id=1, **types) == "EINVAL"
    assert seam.create(HASH, 4, 8, 1, btf_key_type_id=1, btf_value_type_id=9, **types) == "EINVAL"
    assert seam.create(HASH, 4, 8, 1, btf_key_type_id=0, btf_value_type_id=2, **types) == "EINVAL"
    assert seam.create(ARRAY, 4, 8, 1, btf_key_type_id=0, btf_value_type_id=2, **types) == "EINVAL"
    assert isinstance(seam.create(ARRAY, 4, 8, 1, btf_key_type_id=1, btf_value_type_id=2, **types), int)


def locked_btf():
    builder = BtfBuilder()
    number = builder.add_int("int", 4, signed=True)
    word = builder.add_int("unsigned int", 4)
    lock = builder.add_struct("bpf_spin_lock", 4, [Member("val", word, 0)])
    builder.add_struct(
        "value", 12, [Member("before", number, 0), Member("lock", lock, 32), Member("after", number, 64)]
    )
    return builder


@pytest.mark.parametrize("map_type", [ARRAY, HASH])
def test_values_with_a_lock(seam, map_type):
    btf = load_btf(seam, locked_btf())
    types = {"btf_fd": btf, "btf_key_type_id": 1, "btf_value_type_id": 4}
    fd = seam.create(map_type, 4, 12, 4, **types)
    assert seam.update(fd, u32(1), u32(1, 2, 3)) == 0
    assert seam.lookup(fd, u32(1)) == u32(1, 0, 3)
    assert seam.update(fd, u32(1), u32(4, 5, 6), uapi.BPF_F_LOCK) == 0
    assert seam.lookup(fd, u32(1), uapi.BPF_F_LOCK) == u32(4, 0, 6)
    assert seam.update(fd, u32(2), u32(7, 8, 9), uapi.BPF_F_LOCK | uapi.BPF_NOEXIST) == (
        "EEXIST" if map_type == ARRAY else 0
    )
    assert seam.freeze(fd) == "ENOTSUPP"
    assert seam.create(map_type, 4, 12, 4, uapi.BPF_F_RDONLY_PROG, **types) == "EACCES"
    percpu = {ARRAY: uapi.BPF_MAP_TYPE_PERCPU_ARRAY, HASH: uapi.BPF_MAP_TYPE_PERCPU_HASH}[map_type]
    assert seam.create(percpu, 4, 12, 4, **types) == "EOPNOTSUPP"
    assert seam.create(uapi.BPF_MAP_TYPE_LRU_HASH, 4, 12, 4, **types) == "EOPNOTSUPP"


# -- programs


LOADS = [
    ({"insn_cnt": 0}, "E2BIG"),
    ({"insn_cnt": 1_000_001}, "E2BIG"),
    ({"insns": 16}, "EFAULT"),
    ({"license": 16}, "EFAULT"),
    ({"prog_flags": 1 << 20}, "EINVAL"),
    ({"prog_type": 0}, "EINVAL"),
    ({"prog_type": 999}, "EINVAL"),
    ({"prog_name": b"a b"}, "EINVAL"),
    ({"prog_name": b"x" * 16}, "EINVAL"),
    ({"log_level": 1, "log_buf": 0, "log_size": 128}, "EINVAL"),
    ({"log_level": 0, "log_buf": 4096, "log_size": 128}, "EINVAL"),
    ({"log_level": 16}, "EINVAL"),
    ({"prog_btf_fd": 9999}, None),
    ({"func_info_cnt": 1, "func_info_rec_size": 8, "prog_btf_fd": 9999}, "EBADF"),
    ({"attach_btf_id": 1}, "EINVAL"),
    ({"attach_prog_fd": 9999}, "EINVAL"),
    ({"expected_attach_type": 3}, None),
    ({"prog_type": uapi.BPF_PROG_TYPE_CGROUP_SKB, "expected_attach_type": 5}, "EINVAL"),
    ({"prog_type": SYSCALL, "expected_attach_type": 1}, "EINVAL"),
    ({"kern_version": 77}, None),
    ({"fd_array_cnt": 1}, "EFAULT"),
]


@pytest.mark.parametrize(("fields", "err"), LOADS, ids=lambda value: str(value))
def test_refused_loads(seam, fields, err):
    ret = seam.load(SOCKET, RETURN, **fields)
    assert ret == err if err else isinstance(ret, int), seam.log


@pytest.mark.parametrize("license_", [b"GPL", b"Dual BSD/GPL", b"MIT", b"", b"GPL v2", b"gpl", b"x" * 200])
def test_licences(seam, license_):
    fd = seam.load(SOCKET, RETURN, license_=license_)
    assert prog_info(seam, fd).gpl_compatible == (license_ in (b"GPL", b"Dual BSD/GPL", b"GPL v2"))


REJECTED = "r0 = *(u64 *)(r10 + 8)\nexit"


def test_logs_of_rejected_programs(seam):
    whole = seam.load(SOCKET, REJECTED, log_level=1, log_size=1 << 16)
    assert whole == "EACCES"
    log = seam.log
    assert "invalid read from stack" in log or "invalid" in log
    assert seam.after.log_true_size == len(log) + 1
    assert seam.load(SOCKET, REJECTED, log_level=1) == "EACCES"
    assert seam.after.log_true_size == len(log) + 1
    assert seam.load(SOCKET, REJECTED) == "EACCES"
    assert seam.after.log_true_size == 0
    assert seam.load(SOCKET, REJECTED, log_level=1, log_size=len(log) + 1) == "EACCES"
    assert seam.log == log
    assert seam.load(SOCKET, REJECTED, log_level=1, log_size=20) == "ENOSPC"
    assert seam.log == log[-19:]
    assert seam.after.log_true_size == len(log) + 1
    assert seam.load(SOCKET, REJECTED, log_level=1 | 8, log_size=20) == "ENOSPC"
    assert seam.log == log[:19]


def test_programs_keep_their_maps(seam):
    fd = seam.create(ARRAY, 4, 8, 1)
    number = seam.info(fd).id
    source = "r1 = map_value:m ll\nr0 = *(u64 *)(r1 + 0)\nexit"
    prog = seam.load(SYSCALL, source, {"m": fd})
    seam.update(fd, u32(0), u64(55))
    seam.close(fd)
    assert seam.run(prog).retval == 55
    again = seam.fd_by_id(uapi.BPF_MAP_GET_FD_BY_ID, number)
    seam.update(again, u32(0), u64(56))
    assert seam.run(prog).retval == 56


def test_bound_maps(seam):
    prog, fd = seam.load(SOCKET, RETURN), seam.create(ARRAY, 4, 8, 1)
    assert prog_info(seam, prog).nr_map_ids == 0
    bind = uapi.BPF_PROG_BIND_MAP
    assert seam.bpf(bind, ProgBindMapAttr(prog, fd)) == 0
    assert seam.bpf(bind, ProgBindMapAttr(prog, fd)) == 0
    assert prog_info(seam, prog).nr_map_ids == 1
    assert seam.bpf(bind, ProgBindMapAttr(prog, fd, 1)) == "EINVAL"
    assert seam.bpf(bind, ProgBindMapAttr(fd, fd)) == "EINVAL"
    assert seam.bpf(bind, ProgBindMapAttr(prog, 9999)) == "EBADF"


def test_fd_arrays(seam):
    a, b = seam.create(ARRAY, 4, 8, 1), seam.create(ARRAY, 4, 8, 1)
    fds = Buf(u32(a, b))
    source = ".insn 0x18 1 5 0 1\n.insn 0 0 0 0 0\nr0 = 0\nexit"  # r1 = fd_array[1]
    prog = seam.load(SOCKET, source, fd_array=fds.address)
    assert prog_info(seam, prog).nr_map_ids == 1
    prog = seam.load(SOCKET, source, fd_array=fds.address, fd_array_cnt=2)
    assert prog_info(seam, prog).nr_map_ids == 2
    assert seam.load(SOCKET, source, fd_array=16) == "EFAULT"
    bad = Buf(u32(a, 9999))
    assert seam.load(SOCKET, source, fd_array=bad.address) == "EBADF"
    assert seam.load(SOCKET, RETURN, fd_array=bad.address, fd_array_cnt=2) == "EBADF"
    assert ProgLoadAttr.SIZE == 168


# -- the simulated kernel alone


def test_several_kernels_do_not_see_each_other():
    with Kernel(cpus=1) as one, Kernel(cpus=3, seed=1) as two:
        a, b = SeamCalls(one), SeamCalls(two)
        fd = a.create(HASH, 4, 4, 4)
        assert b.create(ARRAY, 4, 8, 4) == fd
        a.update(fd, u32(1), u32(1))
        b.update(fd, u32(1), u64(2))
        assert (a.lookup(fd, u32(1)), b.lookup(fd, u32(1))) == (u32(1), u64(2))
        assert one.features.cpus == 1
        assert two.features.cpus == 3


def test_a_closed_kernel_says_so():
    from beespace.errors import InternalError

    kernel = Kernel()
    kernel.close()
    kernel.close()
    with pytest.raises(InternalError, match="closed"):
        kernel.bpf(uapi.BPF_MAP_CREATE, bytearray(16))


def test_leaks_are_reported_with_their_place():
    from beespace.errors import InternalError

    kernel = Kernel(trace_leaks=True)
    kernel.space.alloc(8, name="forgotten")
    with pytest.raises(InternalError, match=r"forgotten[\s\S]*test_leaks_are_reported_with_their_place"):
        kernel.close()


def test_a_kernel_works_in_a_forked_child(kernel):
    import os

    calls = SeamCalls(kernel)
    fd = calls.create(HASH, 4, 4, 4)
    calls.update(fd, u32(1), u32(5))
    child = os.fork()
    if child == 0:
        good = calls.lookup(fd, u32(1)) == u32(5) and calls.update(fd, u32(1), u32(6)) == 0
        good = good and calls.lookup(fd, u32(1)) == u32(6)
        os._exit(0 if good else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert calls.lookup(fd, u32(1)) == u32(5)  # each has its own copy


def test_the_same_seed_gives_the_same_addresses_and_order():
    def trace(seed):
        with Kernel(seed=seed) as kernel:
            calls = SeamCalls(kernel)
            fd = calls.create(HASH, 4, 4, 50)
            for i in range(50):
                calls.update(fd, u32(i), u32(i))
            descriptor = kernel.maps.get(calls.info(fd).id, "map").descriptor
            return calls.keys(fd), kernel.space.relative(descriptor), kernel.prandom_u32()

    assert trace(7) == trace(7)
    assert trace(7)[0] != trace(8)[0]


def test_capabilities_are_asked_for():
    from beespace.decl import Caps

    with Kernel(caps=Caps(False, False, False, False)) as kernel:
        calls = SeamCalls(kernel)
        assert calls.create(ARRAY, 4, 4, 1) == "EPERM"
        assert calls.load(XDP, RETURN) == "EPERM"
        assert calls.next_id(uapi.BPF_MAP_GET_NEXT_ID, 0) == "EPERM"
        assert load_btf(calls, small_btf()) == "EPERM"
