"""Programs on BTF types (tracing, struct_ops): helpers they may call and fields they may write, by the running kernel.

fentry, fexit, fmod_ret and lsm programs are refused before the verifier on the reference machine (lockdown).
"""

import pytest

import livekernel
from beespace.btf import Btf
from beespace.decl import Program
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from livekernel import insn

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.slow,
    pytest.mark.skipif(bool(livekernel.available()), reason=livekernel.available() or "available"),
]

REGISTRY = linux_registry()
EXIT = insn(0xB7) + insn(0x95)
SIZES = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}
CONFIGURED_OUT = {uapi.BPF_FUNC_override_return, uapi.BPF_FUNC_probe_write_user}
# (program type, attach type or member of struct_ops, what it attaches to, flags)
TRACING, STRUCT_OPS = uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_PROG_TYPE_STRUCT_OPS
PROGRAMS = [
    (TRACING, uapi.BPF_TRACE_RAW_TP, "btf_trace_sched_switch", 0),
    (TRACING, uapi.BPF_TRACE_ITER, "bpf_iter_task", 0),
    (TRACING, uapi.BPF_TRACE_ITER, "bpf_iter_tcp", 0),
    (TRACING, uapi.BPF_TRACE_ITER, "bpf_iter_unix", 0),
    (TRACING, uapi.BPF_TRACE_ITER, "bpf_iter_bpf_map_elem", uapi.BPF_F_SLEEPABLE),
    (STRUCT_OPS, "ssthresh", "tcp_congestion_ops", 0),
    (STRUCT_OPS, "release", "tcp_congestion_ops", 0),
    (STRUCT_OPS, "init", "tcp_congestion_ops", 0),
    (STRUCT_OPS, "test_1", "bpf_dummy_ops", 0),
    (STRUCT_OPS, "test_sleepable", "bpf_dummy_ops", uapi.BPF_F_SLEEPABLE),
]


@pytest.fixture(scope="module")
def btf():
    return Btf.vmlinux()


def member(btf, struct, name):
    """Index of a member: what struct_ops programs have as expected attach type."""
    return [m.name for m in btf.members(btf.find(struct))].index(name)


@pytest.mark.parametrize(("prog_type", "at", "name", "flags"), PROGRAMS, ids=str)
def test_helpers_of_a_program_on_btf_are_the_kernels(prog_type, at, name, flags, btf):
    kind = {TRACING: uapi.BTF_KIND_FUNC, STRUCT_OPS: uapi.BTF_KIND_STRUCT}[prog_type]
    btf_id = btf.find(name, uapi.BTF_KIND_TYPEDEF if name.startswith("btf_trace_") else kind)
    at = member(btf, name, at) if prog_type == STRUCT_OPS else at
    prog = Program(
        "probe", prog_type, (), expected_attach_type=at, prog_flags=flags, attach_btf=btf, attach_btf_id=btf_id
    )
    kernel, ours, not_here, ours_not_here = set(), set(), set(), set()
    for func_id in range(1, 212):
        call = insn(0x85, imm=func_id) + EXIT
        log = livekernel.load(prog_type, call, attach_type=at, flags=flags, attach_btf_id=btf_id).log
        assert log
        if "cannot use helper" not in log and "unknown func" not in log:
            kernel.add(func_id)
        if "helper call is not allowed in probe" in log:
            not_here.add(func_id)
        proto = REGISTRY.func_proto(prog_type, func_id, prog)
        if proto is not None:
            ours.add(func_id)
            if proto.allowed is not None and not proto.allowed(prog):
                ours_not_here.add(func_id)
    assert ours - CONFIGURED_OUT == kernel - CONFIGURED_OUT
    assert ours_not_here == not_here


def writes(btf, ops, at, struct, sizes=SIZES, step=1):
    """Messages (kernel's log, ours) of every store through argument 0 of a member, where either refuses or accepts."""
    access = REGISTRY.struct_ops[ops].btf_struct_access
    for off in range(0, btf.size(btf.find(struct)) + 8, step):
        for size in sizes:
            store = insn(0x79, 1, 1, 0) + insn(0x62 & ~0x18 | SIZES[size], 1, 0, off) + EXIT
            verdict = livekernel.load(STRUCT_OPS, store, attach_type=member(btf, ops, at), attach_btf_id=btf.find(ops))
            yield off, size, verdict, access(btf, struct, off, size)


@pytest.mark.parametrize(
    ("ops", "at", "struct"),
    [("tcp_congestion_ops", "cong_avoid", "tcp_sock"), ("bpf_dummy_ops", "test_2", "bpf_dummy_ops_state")],
)
def test_fields_a_struct_ops_program_may_write_are_the_kernels(ops, at, struct, btf):
    different = []
    for off, size, verdict, message in writes(btf, ops, at, struct):
        if (verdict.errno == 0) != (message is None) or (message and message not in verdict.log):
            different.append((off, size, verdict.log[-160:], message))
    assert not different


def test_members_that_may_sleep_are_the_kernels(btf):
    # check_member() is called when a program is loaded: the verdict for each member of bpf_dummy_ops.
    ops = REGISTRY.struct_ops["bpf_dummy_ops"]
    for index, m in enumerate(btf.members(btf.find("bpf_dummy_ops"))):
        verdict = livekernel.load(
            STRUCT_OPS, EXIT, attach_type=index, attach_btf_id=btf.find("bpf_dummy_ops"), flags=uapi.BPF_F_SLEEPABLE
        )
        assert (verdict.errno == 0) == (m.name in ops.sleepable), m.name
