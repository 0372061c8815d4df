"""Which bytes of union bpf_attr the running kernel reads for each command (CHECK_ATTR)."""

import errno

import pytest

from beespace.errors import SyscallError
from beespace.uapi import attr, bpf, enums

BAD_FD = 0x7FFFFFFF
BAD_ID = 0xFFFFFFF0
# What makes the kernel answer something else than EINVAL, without changing anything.
BASE = {
    bpf.BPF_MAP_CREATE: attr.MapCreateAttr(map_type=bpf.BPF_MAP_TYPE_ARRAY, key_size=4, value_size=4, max_entries=1),
    bpf.BPF_PROG_LOAD: attr.ProgLoadAttr(prog_type=bpf.BPF_PROG_TYPE_XDP, insn_cnt=1),
    bpf.BPF_OBJ_GET: attr.ObjPinAttr(pathname=1),
    bpf.BPF_PROG_ATTACH: attr.ProgAttachAttr(attach_bpf_fd=BAD_FD, attach_type=bpf.BPF_SK_LOOKUP),
    bpf.BPF_PROG_DETACH: attr.ProgAttachAttr(attach_bpf_fd=BAD_FD, attach_type=bpf.BPF_CGROUP_INET_INGRESS),
    bpf.BPF_PROG_TEST_RUN: attr.ProgTestRunAttr(prog_fd=BAD_FD),
    bpf.BPF_PROG_GET_NEXT_ID: attr.GetIdAttr(start_id=BAD_ID & 0x7FFFFFFF),
    bpf.BPF_MAP_GET_NEXT_ID: attr.GetIdAttr(start_id=BAD_ID & 0x7FFFFFFF),
    bpf.BPF_BTF_GET_NEXT_ID: attr.GetIdAttr(start_id=BAD_ID & 0x7FFFFFFF),
    bpf.BPF_LINK_GET_NEXT_ID: attr.GetIdAttr(start_id=BAD_ID & 0x7FFFFFFF),
    bpf.BPF_PROG_GET_FD_BY_ID: attr.GetIdAttr(start_id=BAD_ID),
    bpf.BPF_MAP_GET_FD_BY_ID: attr.GetIdAttr(start_id=BAD_ID),
    bpf.BPF_BTF_GET_FD_BY_ID: attr.GetIdAttr(start_id=BAD_ID),
    bpf.BPF_LINK_GET_FD_BY_ID: attr.GetIdAttr(start_id=BAD_ID),
    bpf.BPF_OBJ_GET_INFO_BY_FD: attr.GetInfoAttr(bpf_fd=BAD_FD),
    bpf.BPF_PROG_QUERY: attr.ProgQueryAttr(target_fd=BAD_FD, attach_type=bpf.BPF_CGROUP_INET_INGRESS),
    bpf.BPF_RAW_TRACEPOINT_OPEN: attr.RawTracepointOpenAttr(prog_fd=BAD_FD),
    bpf.BPF_BTF_LOAD: attr.BtfLoadAttr(btf=1, btf_size=24),
    bpf.BPF_TASK_FD_QUERY: attr.TaskFdQueryAttr(pid=BAD_FD, fd=BAD_FD),
    bpf.BPF_LINK_CREATE: attr.LinkCreateAttr(prog_fd=BAD_FD),
    bpf.BPF_LINK_UPDATE: attr.LinkUpdateAttr(link_fd=BAD_FD),
    bpf.BPF_ITER_CREATE: attr.IterCreateAttr(link_fd=BAD_FD),
    bpf.BPF_LINK_DETACH: attr.LinkDetachAttr(link_fd=BAD_FD),
    bpf.BPF_PROG_BIND_MAP: attr.ProgBindMapAttr(prog_fd=BAD_FD, map_fd=BAD_FD),
    bpf.BPF_TOKEN_CREATE: attr.TokenCreateAttr(bpffs_fd=BAD_FD),
    bpf.BPF_PROG_STREAM_READ_BY_FD: attr.ProgStreamReadAttr(prog_fd=BAD_FD, stream_id=1),
    bpf.BPF_MAP_LOOKUP_BATCH: attr.MapBatchAttr(map_fd=BAD_FD),
    bpf.BPF_MAP_LOOKUP_AND_DELETE_BATCH: attr.MapBatchAttr(map_fd=BAD_FD),
    bpf.BPF_MAP_UPDATE_BATCH: attr.MapBatchAttr(map_fd=BAD_FD),
    bpf.BPF_MAP_DELETE_BATCH: attr.MapBatchAttr(map_fd=BAD_FD),
    **dict.fromkeys(
        (
            bpf.BPF_MAP_LOOKUP_ELEM,
            bpf.BPF_MAP_UPDATE_ELEM,
            bpf.BPF_MAP_DELETE_ELEM,
            bpf.BPF_MAP_GET_NEXT_KEY,
            bpf.BPF_MAP_LOOKUP_AND_DELETE_ELEM,
            bpf.BPF_MAP_FREEZE,
        ),
        attr.MapElemAttr(map_fd=BAD_FD),
    ),
}
# EINVAL also for a bad fd, or a success would switch statistics on: only their refusals are asked for.
REFUSALS_ONLY = {
    bpf.BPF_OBJ_PIN: attr.ObjPinAttr(pathname=1, bpf_fd=BAD_FD),
    bpf.BPF_ENABLE_STATS: attr.EnableStatsAttr(),
}


def answer(kernel, cmd, raw):
    try:
        kernel.close(kernel.bpf(cmd, bytearray(raw)))
    except SyscallError as error:
        return error.errno
    return 0


@pytest.mark.oracle
@pytest.mark.parametrize("cmd", attr.COMMANDS, ids=lambda cmd: enums.name_of("bpf_cmd", cmd))
def test_the_kernel_refuses_bytes_beyond_the_last_field(linux_kernel, cmd):
    end = attr.COMMANDS[cmd][1]
    base = (BASE.get(cmd) or REFUSALS_ONLY[cmd]).pack().ljust(attr.BPF_ATTR_SIZE, b"\0")
    if cmd in BASE:
        assert answer(linux_kernel, cmd, base) != errno.EINVAL
    for off in range(end, attr.BPF_ATTR_SIZE):
        raw = bytearray(base)
        raw[off] = 1
        assert answer(linux_kernel, cmd, raw) == errno.EINVAL, off
    assert answer(linux_kernel, cmd, base + b"\1") == errno.E2BIG
