"""Helper contracts, compared with the running kernel's own ``struct bpf_func_proto``."""

import pytest

import livekernel
from beespace.btf import Btf
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from livekernel import insn

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.slow,
    pytest.mark.skipif(bool(livekernel.available()), reason=livekernel.available() or "available"),
]

REGISTRY = linux_registry()
HELPERS = REGISTRY.helpers
FUNCTIONS = {name: proto.ref.rpartition(":")[2] for name, proto in HELPERS.items()}
# Not in this kernel: no error injection, no infrared receivers; lockdown leaves bpf_probe_write_user() unreferenced;
# the tail call has no function (BPF_PTR_POISON).
ABSENT = {
    "bpf_override_return",
    "bpf_probe_write_user",
    "bpf_rc_repeat",
    "bpf_rc_keydown",
    "bpf_rc_pointer_rel",
    "bpf_tail_call",
}


@pytest.fixture(scope="module")
def memory():
    with livekernel.KernelMemory() as memory:
        yield memory


@pytest.fixture(scope="module")
def live(memory):
    return livekernel.func_protos(memory, set(FUNCTIONS.values()))


@pytest.fixture(scope="module")
def btf():
    return Btf.vmlinux()


def contract(proto):
    args = proto.args
    while args and args[-1] == uapi.ARG_DONTCARE:
        args = args[:-1]
    return (proto.gpl_only, proto.pkt_access, proto.might_sleep, proto.allow_fastcall, proto.ret, tuple(args))


@pytest.mark.parametrize("name", sorted(set(HELPERS) - ABSENT))
def test_contract_is_the_kernels(name, live):
    proto = HELPERS[name]
    candidates = live.get(FUNCTIONS[name], ())
    assert contract(proto) in [contract(candidate) for candidate in candidates]


@pytest.mark.parametrize("name", sorted(set(HELPERS) - ABSENT))
def test_sizes_and_structs_of_arguments_are_the_kernels(name, live, memory, btf):
    proto = HELPERS[name]
    candidate = next(c for c in live[FUNCTIONS[name]] if contract(c) == contract(proto))
    for i, arg in enumerate(candidate.args):
        word = candidate.extra[i]
        if arg & uapi.MEM_FIXED_SIZE:
            assert proto.arg_sizes[i] == word
        elif arg & 0xFF == uapi.ARG_PTR_TO_BTF_ID and word >> 40 == 0xFFFFFF:
            assert proto.arg_btf_ids[i] == btf.name_of(memory.u32(word))
    if candidate.ret_btf_id >> 40 == 0xFFFFFF:
        assert proto.ret_btf_id == btf.name_of(memory.u32(candidate.ret_btf_id))
    assert bool(proto.allowed) == bool(candidate.allowed)


# program type -> (offset of data, of data_end, size of a load) in its context
PACKETS = {
    uapi.BPF_PROG_TYPE_SCHED_CLS: (76, 80, 4),
    uapi.BPF_PROG_TYPE_XDP: (0, 4, 4),
    uapi.BPF_PROG_TYPE_LWT_XMIT: (76, 80, 4),
    uapi.BPF_PROG_TYPE_LWT_IN: (76, 80, 4),
    uapi.BPF_PROG_TYPE_LWT_SEG6LOCAL: (76, 80, 4),
    uapi.BPF_PROG_TYPE_SK_SKB: (76, 80, 4),
    uapi.BPF_PROG_TYPE_SK_MSG: (0, 8, 8),
}


def argument(reg, arg):
    """Code that leaves an argument of the wanted kind in a register (r6: context, r7: 64 zeroed bytes), or None."""
    match arg & uapi.BPF_BASE_TYPE_MASK:
        case uapi.ARG_PTR_TO_CTX:
            return insn(0xBF, reg, 6)
        case uapi.ARG_PTR_TO_MEM:
            return insn(0xBF, reg, 7)
        case uapi.ARG_CONST_SIZE | uapi.ARG_CONST_SIZE_OR_ZERO:
            return insn(0xB7, reg, imm=8)
        case uapi.ARG_ANYTHING:
            return insn(0xB7, reg)
        case _:
            return None


@pytest.mark.parametrize("prog_type", PACKETS)
def test_helpers_that_move_the_packet_are_the_kernels(prog_type):
    data, end, size = PACKETS[prog_type]
    load = 0x79 if size == 8 else 0x61
    prologue = insn(0xBF, 6, 1) + b"".join(insn(0x7A, 10, 0, -off) for off in range(8, 72, 8))
    prologue += insn(0xBF, 7, 10) + insn(0x07, 7, imm=-64 & 0xFFFFFFFF)
    prologue += insn(load, 8, 6, data) + insn(load, 9, 6, end) + insn(0xBF, 0, 8) + insn(0x07, 0, imm=8)
    prologue += insn(0x3D, 9, 0, 2) + insn(0xB7) + insn(0x95)  # if data_end >= data + 8, go on
    compared, different = 0, []
    for func_id in range(1, 212):
        proto = REGISTRY.func_proto(prog_type, func_id)
        args = [argument(i, arg) for i, arg in enumerate(proto.args, 1)] if proto is not None else [None]
        if None in args:
            continue
        program = prologue + b"".join(args) + insn(0x85, imm=func_id) + insn(0x71, 0, 8) + insn(0xB7) + insn(0x95)
        verdict = livekernel.load(prog_type, program)
        moved = "R8 invalid mem access 'scalar'" in verdict.log
        if verdict.errno and not moved:
            continue  # refused for an argument
        compared += 1
        if moved != proto.changes_pkt_data:
            different.append(proto.name)
    assert not different
    assert compared > 30
