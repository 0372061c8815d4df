"""Map types as declared, compared with what the running kernel creates and lets helpers use."""

import contextlib
import ctypes
import os
import struct

import pytest

import livekernel
from beespace.decl import Program
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from livekernel import insn

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(bool(livekernel.available()), reason=livekernel.available() or "available"),
]

REGISTRY = linux_registry()
EXIT = insn(0xB7) + insn(0x95)
LOCAL_STORAGE = {"sk_storage", "inode_storage", "task_storage", "cgrp_storage"}
# key_size, value_size, max_entries; 4, 4, 1 otherwise
SHAPES = {
    "array": (4, 8, 1),
    "stack_trace": (4, 32, 1),
    "lpm_trie": (8, 4, 1),
    "cgroup_storage": (16, 8, 0),
    "percpu_cgroup_storage": (16, 8, 0),
    "reuseport_sockarray": (4, 8, 1),
    "queue": (0, 4, 1),
    "stack": (0, 4, 1),
    "ringbuf": (0, 0, 4096),
    "user_ringbuf": (0, 0, 4096),
    "bloom_filter": (0, 4, 1),
    "arena": (0, 0, 1),
    **dict.fromkeys(LOCAL_STORAGE, (4, 4, 0)),
}
NUMA_NO_NODE = -1
# Flags that are about the creating call, not about the type: BTF of a struct_ops value, token, path.
CALL_FLAGS = uapi.BPF_F_VTYPE_BTF_OBJ_FD | uapi.BPF_F_TOKEN_FD | uapi.BPF_F_PATH_FD
CREATABLE = sorted(m.name for m in REGISTRY.map_types.values() if m.name != "struct_ops")
BY_NAME = {m.name: m for m in REGISTRY.map_types.values()}


@pytest.fixture(scope="module")
def int_btf():
    """A BTF object whose type 1 is ``int``."""
    types = struct.pack("<IIII", 1, 1 << 24, 4, 1 << 24 | 32)
    data = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), 5) + types + b"\0int\0"
    buffer = ctypes.create_string_buffer(data, len(data))
    attr = bytearray(32)
    struct.pack_into("<QQI", attr, 0, ctypes.addressof(buffer), 0, len(data))
    fd = livekernel.bpf(18, attr)
    yield fd
    os.close(fd)


def create(map_type, flags, int_btf):
    key_size, value_size, max_entries = SHAPES.get(map_type.name, (4, 4, 1))
    attr = bytearray(72)
    with contextlib.ExitStack() as stack:
        inner = 0
        if map_type.name.endswith("_of_maps"):
            inner = livekernel.bpf(livekernel.BPF_MAP_CREATE, struct.pack("<5I", uapi.BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0))
            stack.callback(os.close, inner)
        struct.pack_into("<6Ii", attr, 0, map_type.id, key_size, value_size, max_entries, flags, inner, NUMA_NO_NODE)
        if map_type.name in LOCAL_STORAGE:
            struct.pack_into("<3I", attr, 48, int_btf, 1, 1)
        return livekernel.bpf(livekernel.BPF_MAP_CREATE, attr)


def is_created(map_type, flags, int_btf):
    try:
        os.close(create(map_type, flags, int_btf))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", CREATABLE)
def test_flags_that_creation_accepts_are_the_kernels(name, int_btf):
    map_type = BY_NAME[name]
    accepted = map_type.required_flags
    for bit in range(20):
        if not 1 << bit & (map_type.required_flags | CALL_FLAGS):
            accepted |= 1 << bit if is_created(map_type, map_type.required_flags | 1 << bit, int_btf) else 0
    assert hex(accepted) == hex(map_type.create_flags & ~CALL_FLAGS)


@pytest.mark.parametrize("name", CREATABLE)
def test_required_flags_are_required(name, int_btf):
    map_type = BY_NAME[name]
    assert is_created(map_type, map_type.required_flags, int_btf)
    assert not map_type.required_flags or not is_created(map_type, 0, int_btf)


@pytest.mark.parametrize("name", CREATABLE)
def test_sleepable_programs_may_use_the_types_the_kernel_lets_them(name, int_btf):
    map_type = BY_NAME[name]
    fd = create(map_type, map_type.required_flags, int_btf)
    try:
        program = insn(0x18, 1, uapi.BPF_PSEUDO_MAP_FD, 0, fd) + insn(0) + EXIT
        verdict = livekernel.load(uapi.BPF_PROG_TYPE_SYSCALL, program, flags=uapi.BPF_F_SLEEPABLE)
        assert ("Sleepable programs can only use" not in verdict.log) == map_type.sleepable
    finally:
        os.close(fd)


# Program types that between them may call every helper that takes a map.
CALLERS = (
    uapi.BPF_PROG_TYPE_SCHED_CLS,
    uapi.BPF_PROG_TYPE_XDP,
    uapi.BPF_PROG_TYPE_SOCK_OPS,
    uapi.BPF_PROG_TYPE_SK_SKB,
    uapi.BPF_PROG_TYPE_SK_MSG,
    uapi.BPF_PROG_TYPE_SK_REUSEPORT,
    uapi.BPF_PROG_TYPE_CGROUP_DEVICE,
    uapi.BPF_PROG_TYPE_RAW_TRACEPOINT,
)
# 64 zeroed bytes of stack at r7, the context in r6
PROLOGUE = insn(0xBF, 6, 1) + b"".join(insn(0x7A, 10, 0, -off) for off in range(8, 72, 8)) + insn(0xBF, 7, 10)
PROLOGUE += insn(0x07, 7, imm=-64 & 0xFFFFFFFF)


def is_compatible(map_type, proto, prog):
    """check_map_func_compatibility() by declaration."""
    only = map_type.only_helpers
    if only is not None and proto.func_id not in only:
        return map_type.may_update is not None and map_type.may_update(prog, proto.func_id)
    return proto.only_map_types is None or map_type.id in proto.only_map_types


def argument(reg, arg, map_fd):
    """Code that leaves an argument of the wanted kind in a register, or None."""
    match arg & 0xFF:
        case uapi.ARG_CONST_MAP_PTR:
            return insn(0x18, reg, uapi.BPF_PSEUDO_MAP_FD, 0, map_fd) + insn(0)
        case uapi.ARG_PTR_TO_CTX:
            return insn(0xBF, reg, 6)
        case uapi.ARG_PTR_TO_MAP_KEY | uapi.ARG_PTR_TO_MAP_VALUE | uapi.ARG_PTR_TO_MEM:
            return insn(0xBF, reg, 7)
        case uapi.ARG_CONST_SIZE | uapi.ARG_CONST_SIZE_OR_ZERO | uapi.ARG_CONST_ALLOC_SIZE_OR_ZERO:
            return insn(0xB7, reg, imm=8)
        case uapi.ARG_ANYTHING:
            return insn(0xB7, reg)
        case _:
            return None


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CREATABLE if name != "arena"])  # needs an address before use
def test_helpers_take_the_maps_the_kernel_lets_them_take(name, int_btf):
    map_type = BY_NAME[name]
    fd = create(map_type, map_type.required_flags, int_btf)
    compared, different = 0, []
    try:
        for prog_type in CALLERS:
            prog = Program("probe", prog_type, ())
            for func_id in range(1, 212):
                proto = REGISTRY.func_proto(prog_type, func_id, prog)
                if proto is None or uapi.ARG_CONST_MAP_PTR not in proto.args:
                    continue
                args = [argument(i, arg, fd) for i, arg in enumerate(proto.args, 1)]
                if None in args:
                    continue
                program = PROLOGUE + b"".join(args) + insn(0x85, imm=func_id) + EXIT
                verdict = livekernel.load(prog_type, program)
                refused = f"cannot pass map_type {map_type.id} into func" in verdict.log
                if verdict.errno and not refused:
                    continue  # refused for another argument, before or after maps and helpers are compared
                compared += 1
                if refused == is_compatible(map_type, proto, prog):
                    different.append((prog_type, proto.name, "refused" if refused else "accepted"))
    finally:
        os.close(fd)
    assert not different
    assert compared > 20
