"""Programs that attach to BTF types: what they may attach to, what their context holds, what they may return."""

from dataclasses import dataclass

import pytest

from beespace.btf import bundled_btf
from beespace.decl import Program
from beespace.errors import VerifierError
from beespace.isa import assemble
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from beespace.verifier import verify

TRACING, LSM, STRUCT_OPS = uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_PROG_TYPE_LSM, uapi.BPF_PROG_TYPE_STRUCT_OPS
TP, ITER, FENTRY, FEXIT = uapi.BPF_TRACE_RAW_TP, uapi.BPF_TRACE_ITER, uapi.BPF_TRACE_FENTRY, uapi.BPF_TRACE_FEXIT
FMOD, MAC, CGROUP = uapi.BPF_MODIFY_RETURN, uapi.BPF_LSM_MAC, uapi.BPF_LSM_CGROUP
TYPEDEF, FUNC, STRUCT = uapi.BTF_KIND_TYPEDEF, uapi.BTF_KIND_FUNC, uapi.BTF_KIND_STRUCT
RETURN_0 = "r0 = 0\nexit"


@dataclass(frozen=True)
class Case:
    """A program on a target: the message of its refusal (or "ok"), and what else its log contains."""

    name: str
    prog_type: int
    attach_type: int
    target: str
    kind: int
    source: str
    expect: str
    log: str = ""
    flags: int = 0
    license: str = "GPL"

    def __str__(self):
        return self.name


def load(off, then=RETURN_0, size=64):
    return f"r2 = *(u{size} *)(r1 + {off})\n{then}"


DEREF = "r0 = *(u32 *)(r2 + 0)\n" + RETURN_0

# These may be asked of the running kernel, too.
ON_BOTH = [
    Case("tracepoint argument is trusted", TRACING, TP, "btf_trace_sched_wakeup", TYPEDEF, load(0, DEREF), "ok",
         "R2=trusted_ptr_task_struct("),
    Case("tracepoint argument that may be NULL", TRACING, TP, "btf_trace_kfree_skb", TYPEDEF, load(24, DEREF),
         "R2 invalid mem access 'trusted_ptr_or_null_'"),
    Case("pointer to void is a number", TRACING, TP, "btf_trace_kfree_skb", TYPEDEF, load(8, DEREF),
         "R2 invalid mem access 'scalar'"),
    Case("part of a scalar argument", TRACING, TP, "btf_trace_kfree_skb", TYPEDEF, load(16, size=32), "ok"),
    Case("part of a pointer", TRACING, TP, "btf_trace_kfree_skb", TYPEDEF, load(0, size=32),
         "invalid bpf_context access off=0 size=4", "func 'kfree_skb' size 4 must be 8"),
    Case("argument that is not there", TRACING, TP, "btf_trace_kfree_skb", TYPEDEF, load(32),
         "invalid bpf_context access off=32 size=8", "func 'kfree_skb' doesn't have 5-th argument"),
    Case("middle of an argument", TRACING, TP, "btf_trace_kfree_skb", TYPEDEF, load(4, size=32),
         "invalid bpf_context access off=4 size=4", "func 'kfree_skb' offset 4 is not multiple of 8"),
    Case("tracepoint program that sleeps", TRACING, TP, "btf_trace_kfree_skb", TYPEDEF, RETURN_0,
         "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable",
         flags=uapi.BPF_F_SLEEPABLE),
    Case("tracepoint by a function", TRACING, TP, "bpf_iter_task", FUNC, RETURN_0, "* is not a typedef"),
    Case("any return value at a tracepoint", TRACING, TP, "btf_trace_kfree_skb", TYPEDEF, "r0 = 77\nexit", "ok"),
    Case("iterator's object may be NULL", TRACING, ITER, "bpf_iter_task", FUNC, load(8, DEREF),
         "R2 invalid mem access 'trusted_ptr_or_null_'"),
    Case("iterator's meta is trusted", TRACING, ITER, "bpf_iter_task", FUNC, load(0, RETURN_0), "ok",
         "R2=trusted_ptr_bpf_iter_meta("),
    Case("iterator's value is a buffer", TRACING, ITER, "bpf_iter_bpf_map_elem", FUNC, load(24), "ok",
         "R2=buf_or_null("),
    Case("iterator's key may be NULL", TRACING, ITER, "bpf_iter_bpf_map_elem", FUNC, load(16, DEREF),
         "R2 invalid mem access 'rdonly_buf_or_null'"),
    Case("iterator's value may be NULL", TRACING, ITER, "bpf_iter_bpf_map_elem", FUNC, load(24, DEREF),
         "R2 invalid mem access 'buf_or_null'"),
    Case("iterator that sleeps", TRACING, ITER, "bpf_iter_task", FUNC, RETURN_0, "ok", flags=uapi.BPF_F_SLEEPABLE),
    Case("iterator returns 0 or 1", TRACING, ITER, "bpf_iter_task", FUNC, "r0 = 2\nexit",
         "At program exit the register R0 has smin=2 smax=2 should have been in [0, 1]"),
    Case("iterator by a typedef", TRACING, ITER, "btf_trace_kfree_skb", TYPEDEF, RETURN_0, "* is not a function"),
    Case("no target", TRACING, TP, "", 0, RETURN_0, "Tracing programs must provide btf_id"),
    Case("struct_ops argument that may be NULL", STRUCT_OPS, 0, "bpf_dummy_ops", STRUCT, load(0, DEREF),
         "R2 invalid mem access 'trusted_ptr_or_null_'"),
    Case("struct_ops argument may be written", STRUCT_OPS, 0, "bpf_dummy_ops", STRUCT,
         load(0, "if r2 == 0 goto out\n*(u32 *)(r2 + 0) = 7\nout:\n" + RETURN_0), "ok"),
    Case("struct_ops member that must not sleep", STRUCT_OPS, 0, "bpf_dummy_ops", STRUCT, RETURN_0,
         "attach to unsupported member test_1 of struct bpf_dummy_ops", flags=uapi.BPF_F_SLEEPABLE),
    Case("struct_ops member that may sleep", STRUCT_OPS, 2, "bpf_dummy_ops", STRUCT, RETURN_0, "ok",
         flags=uapi.BPF_F_SLEEPABLE),
    Case("struct_ops member that is not there", STRUCT_OPS, 99, "bpf_dummy_ops", STRUCT, RETURN_0,
         "attach to invalid member idx 99 of struct bpf_dummy_ops"),
    Case("struct_ops member that is no function", STRUCT_OPS, 11, "tcp_congestion_ops", STRUCT, RETURN_0,
         "attach to invalid member *(@idx 11) of struct tcp_congestion_ops"),
    Case("struct_ops argument of another type than declared", STRUCT_OPS, 0, "tcp_congestion_ops", STRUCT,
         load(0, DEREF), "ok", "R2=trusted_ptr_tcp_sock("),
    Case("struct_ops demands GPL", STRUCT_OPS, 0, "bpf_dummy_ops", STRUCT, RETURN_0,
         "struct ops programs must have a GPL compatible license", license="Apache"),
    Case("struct_ops of a struct that is none", STRUCT_OPS, 0, "task_struct", STRUCT, RETURN_0,
         "* is not a supported struct"),
]  # fmt: skip

# The reference machine refuses these before its verifier looks at them.
BY_SOURCE = [
    Case("fentry argument is not trusted", TRACING, FENTRY, "vfs_read", FUNC, load(0, DEREF), "ok", "R2=ptr_file("),
    Case("fentry sees no return value", TRACING, FENTRY, "vfs_read", FUNC, load(32),
         "invalid bpf_context access off=32 size=8", "func 'vfs_read' doesn't have 5-th argument"),
    Case("fexit sees the return value", TRACING, FEXIT, "vfs_read", FUNC, load(32), "ok"),
    Case("fentry returns 0", TRACING, FENTRY, "vfs_read", FUNC, "r0 = 1\nexit",
         "At program exit the register R0 has smin=1 smax=1 should have been in [0, 0]"),
    Case("fentry of an ordinary function does not sleep", TRACING, FENTRY, "vfs_read", FUNC, RETURN_0,
         "vfs_read is not sleepable", flags=uapi.BPF_F_SLEEPABLE),
    Case("fentry of a test function sleeps", TRACING, FENTRY, "bpf_fentry_test1", FUNC, RETURN_0, "ok",
         flags=uapi.BPF_F_SLEEPABLE),
    Case("fmod_ret where errors may be injected", TRACING, FMOD, "bpf_modify_return_test", FUNC, "r0 = 9\nexit", "ok"),
    Case("fmod_ret elsewhere", TRACING, FMOD, "vfs_read", FUNC, RETURN_0, "vfs_read() is not modifiable"),
    Case("fexit of a function that does not return", TRACING, FEXIT, "do_exit", FUNC, RETURN_0,
         "Attaching fexit/fmod_ret to __noreturn function 'do_exit' is rejected."),
    Case("LSM argument is trusted", LSM, MAC, "bpf_lsm_file_open", FUNC, load(0, DEREF), "ok",
         "R2=trusted_ptr_file("),
    Case("LSM argument of an object that dies", LSM, MAC, "bpf_lsm_task_free", FUNC, load(0, DEREF), "ok",
         "R2=ptr_task_struct("),
    Case("LSM returns an error or 0", LSM, MAC, "bpf_lsm_file_open", FUNC, "r0 = 1\nexit",
         "At program exit the register R0 has smin=1 smax=1 should have been in [-4095, 0]"),
    Case("32 bits of LSM's return value count", LSM, MAC, "bpf_lsm_file_open", FUNC, "w0 = -1\nexit", "ok"),
    Case("void LSM hook may return anything", LSM, MAC, "bpf_lsm_task_free", FUNC, "r0 = 1\nexit", "ok"),
    Case("LSM return value of programs before", LSM, MAC, "bpf_lsm_file_open", FUNC,
         "r0 = *(u64 *)(r1 + 8)\nexit", "ok", "R0=scalar(smin=smin32=-4095,smax=smax32=0)"),
    Case("void LSM hook of a cgroup", LSM, CGROUP, "bpf_lsm_task_free", FUNC, "r0 = 0\nexit",
         "At program exit the register R0 has smin=0 smax=0 should have been in [1, 1]",
         "Note, BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!"),
    Case("LSM hook of a cgroup returns 0 or 1", LSM, CGROUP, "bpf_lsm_socket_bind", FUNC, "r0 = 2\nexit",
         "At program exit the register R0 has smin=2 smax=2 should have been in [0, 1]"),
    Case("LSM demands GPL", LSM, MAC, "bpf_lsm_file_open", FUNC, RETURN_0,
         "LSM programs must have a GPL compatible license", license="Apache"),
    Case("LSM on a function that is no hook", LSM, MAC, "vfs_read", FUNC, RETURN_0,
         "* points to wrong type name vfs_read"),
    Case("LSM hook that does not sleep", LSM, MAC, "bpf_lsm_file_permission", FUNC, RETURN_0,
         "bpf_lsm_file_permission is not sleepable", flags=uapi.BPF_F_SLEEPABLE),
    Case("LSM hook that sleeps", LSM, MAC, "bpf_lsm_file_open", FUNC, RETURN_0, "ok", flags=uapi.BPF_F_SLEEPABLE),
]  # fmt: skip


def _matches(expect, message):
    return all(part in message for part in expect.split("*"))


@pytest.mark.parametrize("case", ON_BOTH, ids=str)
def test_program_on_a_target_of_both_kernels(case, seam, vmlinux):
    fd = seam.load(
        case.prog_type,
        case.source,
        license_=case.license.encode(),
        log_level=2,
        log_size=1 << 16,
        expected_attach_type=case.attach_type,
        attach_btf_id=vmlinux.find(case.target, case.kind) if case.target else 0,
        prog_flags=case.flags,
    )
    assert isinstance(fd, int) == (case.expect == "ok"), seam.log
    assert case.expect == "ok" or _matches(case.expect, seam.log)
    assert case.log in seam.log.replace("_w=", "=")


@pytest.mark.parametrize("case", ON_BOTH + BY_SOURCE, ids=str)
def test_program_on_a_bundled_target(case):
    btf = bundled_btf()
    btf_id = btf.find(case.target, case.kind) if case.target else 0
    if case.target and not btf_id:
        pytest.skip(f"{case.target} is not bundled")
    program = Program(
        "p",
        case.prog_type,
        assemble(case.source).insns,
        license=case.license,
        gpl_compatible=case.license == "GPL",
        expected_attach_type=case.attach_type,
        prog_flags=case.flags,
        attach_btf_id=btf_id,
        attach_btf=btf if btf_id else None,
    )
    registry = linux_registry(btf_vmlinux=btf)
    if case.expect == "ok":
        assert case.log in verify(program, registry, log_level=2).log
    else:
        with pytest.raises(VerifierError) as refused:
            verify(program, registry, log_level=2)
        assert _matches(case.expect, refused.value.message)
        assert case.log in refused.value.log
