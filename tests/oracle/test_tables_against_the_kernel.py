"""Tables of types and functions by name, compared with the running kernel's."""

import pytest

import livekernel
from beespace.btf import Btf
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from livekernel import insn

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(bool(livekernel.available()), reason=livekernel.available() or "available"),
]

REGISTRY = linux_registry()
RULES = REGISTRY.rules
EXIT = insn(0xB7) + insn(0x95)
SIZES = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}
# Functions this kernel is built without, of sets that list them under a configuration.
ABSENT = {
    "preempt_count_add",
    "preempt_count_sub",
    "rcu_read_unlock_strict",
    "__kunit_abort",
    "kunit_try_catch_throw",
    "__module_put_and_kthread_exit",
    "kthread_exit",
}


@pytest.fixture(scope="module")
def btf():
    return Btf.vmlinux()


@pytest.fixture(scope="module")
def memory():
    with livekernel.KernelMemory() as memory:
        yield memory


@pytest.fixture(scope="module")
def rodata(memory):
    return memory.rodata()


@pytest.mark.parametrize("suffix", ["rcu", "rcu_or_null", "trusted", "trusted_or_null"])
def test_trusted_fields_are_those_btf_emits(suffix, btf):
    emitted = {}
    ending = f"__safe_{suffix}"
    for type_id, btf_type in btf.types():
        if btf_type.kind == uapi.BTF_KIND_STRUCT and btf_type.name.endswith(ending):
            emitted[btf_type.name.removesuffix(ending)] = {m.name for m in btf.members(type_id)}
    assert getattr(RULES, f"safe_{suffix}") == emitted


def test_destructors_are_the_kernels(memory, btf):
    assert RULES.dtors == livekernel.dtor_kfuncs(memory, btf)


@pytest.mark.parametrize(
    "name",
    [
        "d_path_allow",
        "lsm_disabled",
        "lsm_sleepable",
        "lsm_untrusted",
        "lsm_bool",
        "lsm_current",
        "lsm_locked_sockopt",
        "lsm_unlocked_sockopt",
        "noreturn_deny",
    ],
)
def test_set_of_functions_is_one_of_the_kernels(name, btf, rodata):
    ids = {btf.find(func, uapi.BTF_KIND_FUNC) for func in getattr(RULES, name) - ABSENT}
    assert 0 not in ids
    assert livekernel.has_id_set(rodata[1], ids)


def test_functions_nothing_attaches_to_are_the_kernels(btf, rodata):
    ids = {btf.find(func, uapi.BTF_KIND_FUNC) for func in RULES.attach_deny - ABSENT}
    assert livekernel.has_id_set(rodata[1], ids | {0})  # BTF_ID_UNUSED keeps the set from being empty


def test_rcu_protected_types_are_the_kernels(btf, rodata):
    assert livekernel.has_id_set(rodata[1], {btf.find(t, uapi.BTF_KIND_STRUCT) for t in RULES.rcu_protected_types})


def test_nullable_arguments_of_tracepoints_are_the_kernels(rodata):
    start, data = rodata
    assert RULES.raw_tp_null_args == livekernel.raw_tp_null_args(start, data, "sched_pi_setprio")


REG_NAMES = {
    uapi.PTR_TO_BTF_ID_OR_NULL: "ptr_or_null_",
    uapi.PTR_TO_BTF_ID_OR_NULL | uapi.PTR_TRUSTED: "trusted_ptr_or_null_",
    uapi.PTR_TO_BUF | uapi.PTR_MAYBE_NULL: "buf_or_null",
    uapi.PTR_TO_BUF | uapi.PTR_MAYBE_NULL | uapi.MEM_RDONLY: "rdonly_buf_or_null",
}


@pytest.mark.parametrize("name", sorted(REGISTRY.iter_targets))
def test_iterator_contexts_have_the_kernels_types(name, btf):
    target = REGISTRY.iter_targets[name]
    func_id = btf.find(target.func, uapi.BTF_KIND_FUNC)
    for field, reg_type, struct in target.ctx_args:
        load = insn(0x79, 0, 1, btf.field(target.ctx_struct, field).byte_off) + EXIT
        verdict = livekernel.load(
            uapi.BPF_PROG_TYPE_TRACING, load, attach_type=uapi.BPF_TRACE_ITER, attach_btf_id=func_id, log_level=3
        )
        assert f"R0={REG_NAMES[reg_type]}{struct or ''}(" in verdict.log.replace("R0_w=", "R0=")


def test_every_iterator_of_the_kernel_is_declared(btf):
    found = set()
    for type_id, btf_type in btf.types():
        if btf_type.kind == uapi.BTF_KIND_FUNC and btf_type.name.startswith("bpf_iter_"):
            verdict = livekernel.load(
                uapi.BPF_PROG_TYPE_TRACING, EXIT, attach_type=uapi.BPF_TRACE_ITER, attach_btf_id=type_id
            )
            if not verdict.errno:
                found.add(btf_type.name.removeprefix("bpf_iter_"))
    assert found == set(REGISTRY.iter_targets)


def _socket(prefix, prog_type, attach_type=0):
    return prefix, prog_type, attach_type


# Programs that leave a pointer of the type in r1
SOCKET_POINTERS = {
    uapi.PTR_TO_SOCKET: _socket(insn(0x79, 1, 1, 0), uapi.BPF_PROG_TYPE_CGROUP_SOCKOPT, uapi.BPF_CGROUP_GETSOCKOPT),
    uapi.PTR_TO_SOCK_COMMON: _socket(
        insn(0x79, 1, 1, 168) + insn(0x55, 1, 0, 2) + EXIT, uapi.BPF_PROG_TYPE_SOCKET_FILTER
    ),
    uapi.PTR_TO_TCP_SOCK: _socket(
        insn(0x79, 1, 1, 0) + insn(0x85, imm=uapi.BPF_FUNC_tcp_sock) + insn(0x55, 0, 0, 2) + EXIT + insn(0xBF, 1, 0),
        uapi.BPF_PROG_TYPE_CGROUP_SOCKOPT,
        uapi.BPF_CGROUP_GETSOCKOPT,
    ),
}


@pytest.mark.parametrize("reg_type", SOCKET_POINTERS, ids=["sock", "sock_common", "tcp_sock"])
def test_loads_through_socket_pointers_get_the_kernels_verdict(reg_type):
    prefix, prog_type, attach_type = SOCKET_POINTERS[reg_type]
    different = []
    for off in range(124):
        for size, code in SIZES.items():
            program = prefix + insn(0x61 & ~0x18 | code, 0, 1, off) + EXIT
            verdict = livekernel.load(prog_type, program, attach_type=attach_type)
            ours = REGISTRY.pointer_fields[reg_type].access(off, size)
            if (verdict.errno == 0) != (ours is not None):
                different.append((off, size, verdict.log[-200:]))
    assert not different
