"""Calls of kfuncs: who may call them where, what their arguments are, what they return."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from beespace import Kernel, LinuxKernel
from beespace.testing.conformance import judge_object
from beespace.testing.seamcalls import SeamCalls
from beespace.uapi import bpf as uapi

TC, XDP, SYSCALL, KPROBE = (
    uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_PROG_TYPE_XDP, uapi.BPF_PROG_TYPE_SYSCALL, uapi.BPF_PROG_TYPE_KPROBE,
)  # fmt: skip
END = "r0 = 0\nexit"


@dataclass(frozen=True)
class Case:
    """A program: the message of its refusal (or "ok"), and what else its log contains."""

    name: str
    source: str
    expect: str
    log: str = ""
    prog_type: int = TC

    def __str__(self):
        return self.name


def kfunc(name, *args):
    """``kfunc("f", "r10 - 8", "5")``: set R1.. and call. "r10 - 8" takes two instructions."""
    lines = []
    for regno, arg in enumerate(args, 1):
        base, sign, off = arg.partition(" - ")
        lines += [f"r{regno} = {base}"] + ([f"r{regno} += -{off}"] if sign else [])
    return "\n".join([*lines, f"call kfunc:bpf_{name}"]) + "\n"


ITER = "r10 - 8"
NUM_NEW = kfunc("iter_num_new", ITER, "0", "10")
NUM_NEXT, NUM_DESTROY = kfunc("iter_num_next", ITER), kfunc("iter_num_destroy", ITER)
LOOP = f"{NUM_NEW}again:\n{NUM_NEXT}if r0 == 0 goto out\n"
SKB = "r6 = r1\n"
DYNPTR = SKB + kfunc("dynptr_from_skb", "r6", "0", "r10 - 16")
FIRST_TASK = kfunc("task_from_pid", "1")
SAVE = kfunc("local_irq_save", "r10 - 8")
RESTORE = kfunc("local_irq_restore", "r10 - 8")

CASES = [
    Case("kfunc of another program type", kfunc("cpumask_create") + END,
         "calling kernel function bpf_cpumask_create is not allowed"),
    Case("kfunc that sleeps", kfunc("copy_from_user_str", "r10 - 8", "8", "0", "0") + END,
         "program must be sleepable to call sleepable kfunc bpf_copy_from_user_str"),
    Case("weak kfunc that is not there", "r0 = 1\nif r0 == 1 goto out\n.insn 0x85, 0, 2, 0, 0\nout:\n" + END, "ok"),
    Case("metadata kfunc without a device", SKB + kfunc("xdp_metadata_rx_hash", "r6", "r10 - 8", "r10 - 16") + END,
         "metadata kfuncs require device-bound program", prog_type=XDP),
    # iterators
    Case("loop over numbers", LOOP + "r1 = *(u32 *)(r0 + 0)\ngoto again\nout:\n" + NUM_DESTROY + END, "ok",
         "fp-8=iter_num(ref_id=1,state=active,depth=0)"),
    Case("element is read-only", LOOP + "*(u32 *)(r0 + 0) = 1\ngoto again\nout:\n" + NUM_DESTROY + END,
         "R0 cannot write into rdonly_mem"),
    Case("element is as large as its type", LOOP + "r1 = *(u64 *)(r0 + 0)\ngoto again\nout:\n" + NUM_DESTROY + END,
         "R0 min value is outside of the allowed memory range", "mem_size=4 off=0 size=8"),
    Case("iterator that is not destroyed", NUM_NEW + END,
         "BPF_EXIT instruction in main prog would lead to reference leak", "Unreleased reference id=1 alloc_insn=4"),
    Case("iterator that was never made", NUM_NEXT + END, "expected an initialized iter_num as arg #0"),
    Case("iterator made twice", NUM_NEW + NUM_NEW + END, "expected uninitialized iter_num as arg #0"),
    Case("iterator that is not on the stack", kfunc("iter_num_new", "r1", "0", "1").replace("r1 = r1\n", "") + END,
         "arg#0 expected pointer to an iterator on stack"),
    Case("iterator at an odd place", kfunc("iter_num_new", "r10 - 12", "0", "1") + END,
         "expected uninitialized iter_num as arg #0", "cannot pass in iter at an offset=-12"),
    Case("bytes of an iterator are not the program's",
         NUM_NEW + "*(u64 *)(r10 - 8) = 0\n" + NUM_NEXT + END, "expected an initialized iter_num as arg #0"),
    Case("number that is an address", kfunc("iter_num_new", ITER, "r10", "1") + END, "R2 is not a scalar"),
    Case("sum of a loop is unknown",
         "r6 = 0\n" + LOOP + "r6 += 1\ngoto again\nout:\n" + NUM_DESTROY + "r0 = r6\nexit", "ok", "R6=scalar()"),
    # sections
    Case("RCU section", kfunc("rcu_read_lock") + kfunc("rcu_read_unlock") + END, "ok"),
    Case("RCU section in another", kfunc("rcu_read_lock") * 2 + END,
         "nested rcu read lock (kernel function bpf_rcu_read_lock)"),
    Case("end of no RCU section", kfunc("rcu_read_unlock") + END,
         "unmatched rcu read unlock (kernel function bpf_rcu_read_unlock)"),
    Case("RCU section without end", kfunc("rcu_read_lock") + END,
         "BPF_EXIT instruction in main prog cannot be used inside bpf_rcu_read_lock-ed region"),
    Case("sleeping in an RCU section",
         kfunc("rcu_read_lock") + kfunc("copy_from_user_str", "r10 - 8", "8", "0", "0") + END,
         "kernel func bpf_copy_from_user_str is sleepable within rcu_read_lock region", prog_type=SYSCALL),
    Case("preemption off and on", kfunc("preempt_disable") * 2 + kfunc("preempt_enable") * 2 + END, "ok"),
    Case("preemption on before off", kfunc("preempt_enable") + END,
         "unmatched attempt to enable preemption (kernel function bpf_preempt_enable)"),
    Case("preemption stays off", kfunc("preempt_disable") + END,
         "BPF_EXIT instruction in main prog cannot be used inside bpf_preempt_disable-ed region"),
    Case("sleeping without preemption",
         kfunc("preempt_disable") + kfunc("copy_from_user_str", "r10 - 8", "8", "0", "0") + END,
         "kernel func bpf_copy_from_user_str is sleepable within non-preemptible region", prog_type=SYSCALL),
    Case("interrupts off and on", SAVE + RESTORE + END, "ok", "fp-8=ffffffff"),
    Case("interrupts stay off", SAVE + END,
         "BPF_EXIT instruction in main prog cannot be used inside bpf_local_irq_save-ed region"),
    Case("flags that were never saved", RESTORE + END, "expected an initialized irq flag as arg#0"),
    Case("interrupts restored out of order",
         SAVE + kfunc("local_irq_save", "r10 - 16") + RESTORE + END,
         "cannot restore irq state out of order, expected id=2 acquired at insn_idx=5"),
    Case("sleeping without interrupts",
         SAVE + kfunc("copy_from_user_str", "r10 - 16", "8", "0", "0") + END,
         "kernel func bpf_copy_from_user_str is sleepable within IRQ-disabled region", prog_type=SYSCALL),
    # objects
    Case("task has to be given back", FIRST_TASK + END,
         "BPF_EXIT instruction in main prog would lead to reference leak", prog_type=SYSCALL),
    Case("task that may be NULL", FIRST_TASK + kfunc("task_release", "r0") + END,
         "Possibly NULL pointer passed to trusted arg0", prog_type=SYSCALL),
    Case("task given back",
         FIRST_TASK + "if r0 == 0 goto out\n" + kfunc("task_release", "r0") + "out:\n" + END, "ok",
         "R0=ptr_or_null_task_struct(id=2,ref_obj_id=2) refs=2", SYSCALL),
    Case("task given back twice",
         FIRST_TASK + "if r0 == 0 goto out\nr6 = r0\n" + kfunc("task_release", "r0") + kfunc("task_release", "r6")
         + "out:\n" + END,
         "arg#0 pointer type STRUCT task_struct must point to scalar, or struct with scalar", prog_type=SYSCALL),
    Case("middle of a task",
         FIRST_TASK + "if r0 == 0 goto out\nr1 = r0\nr1 += 8\ncall kfunc:bpf_task_release\nout:\n" + END,
         "R1 must have zero offset when passed to release func or trusted arg to kfunc", prog_type=SYSCALL),
    Case("task for a cpumask",
         FIRST_TASK + "if r0 == 0 goto out\n" + kfunc("cpumask_release", "r0") + "out:\n" + END,
         "kernel function bpf_cpumask_release args#0 expected pointer to STRUCT bpf_cpumask but R1 has a pointer to "
         "STRUCT task_struct", prog_type=SYSCALL),
    Case("cpumask as the struct it begins with",
         kfunc("cpumask_create") + "if r0 == 0 goto out\nr6 = r0\n" + kfunc("cpumask_first", "r6")
         + kfunc("cpumask_release", "r6") + "out:\n" + END, "ok", prog_type=SYSCALL),
    Case("number for a task", kfunc("task_release", "5") + END,
         "arg#0 pointer type STRUCT task_struct must point to scalar, or struct with scalar", prog_type=SYSCALL),
    # casts
    Case("cast to a struct",
         "r1 = r10\nr2 = {task_struct}\ncall kfunc:bpf_rdonly_cast\n"
         "r0 = *(u32 *)(r0 + 64)\n" + END, "ok", "R0=untrusted_ptr_task_struct()"),
    Case("cast to nothing", "r2 = 0\ncall kfunc:bpf_rdonly_cast\nr0 = *(u64 *)(r0 + 4096)\n" + END, "ok",
         "R0=rdonly_untrusted_mem(sz=0)"),
    Case("cast to something unknown", "r2 = r1\ncall kfunc:bpf_rdonly_cast\n" + END, "R2 is not a scalar"),
    Case("cast to a type that is not there", "r2 = 0x7fffffff\ncall kfunc:bpf_rdonly_cast\n" + END,
         "Unknown type ID 2147483647 passed to kfunc bpf_rdonly_cast"),
    Case("the kernel's context", kfunc("cast_to_kern_ctx", "r1").replace("r1 = r1\n", "") + END, "ok",
         "R0=trusted_ptr_sk_buff("),
    Case("the kernel's context of something else", kfunc("cast_to_kern_ctx", "r10") + END,
         "arg#0 expected pointer to ctx, but got fp"),
    # dynptrs and memory
    Case("slice of a packet",
         DYNPTR + kfunc("dynptr_slice", "r10 - 16", "0", "0", "4")
         + "if r0 == 0 goto out\nr0 = *(u32 *)(r0 + 0)\nout:\n" + END, "ok", "R0=rdonly_mem_or_null"),
    Case("slice is read-only",
         DYNPTR + kfunc("dynptr_slice", "r10 - 16", "0", "0", "4") + "if r0 == 0 goto out\n*(u32 *)(r0 + 0) = 1\nout:\n"
         + END, "R0 cannot write into rdonly_mem"),
    Case("slice of unknown size",
         DYNPTR + "r4 = *(u32 *)(r6 + 0)\nr1 = r10\nr1 += -16\nr2 = 0\nr3 = 0\ncall kfunc:bpf_dynptr_slice\n" + END,
         "R4 must be a known constant"),
    Case("slice that may be NULL",
         DYNPTR + kfunc("dynptr_slice", "r10 - 16", "0", "0", "4") + "r0 = *(u32 *)(r0 + 0)\n" + END,
         "R0 invalid mem access 'rdonly_mem_or_null'"),
    Case("buffer that is too small",
         DYNPTR + kfunc("dynptr_slice", "r10 - 16", "0", "r10 - 24", "16") + END,
         "arg#2 arg#3 memory, len pair leads to invalid memory access", prog_type=TC),
    Case("slice of no dynptr", kfunc("dynptr_slice", "r10 - 16", "0", "0", "4") + END,
         "Expected an initialized dynptr as arg #0"),
    Case("dynptr from something that is no packet", kfunc("dynptr_from_skb", "r10", "0", "r10 - 16") + END,
         "arg#0 expected pointer to ctx, but got fp"),
    Case("string that is no string", kfunc("strlen", "1") + END, "ok"),
    # exceptions
    Case("throwing ends the program", kfunc("throw", "0") + END, "ok"),
    Case("throwing while something is held", NUM_NEW + kfunc("throw", "0") + END,
         "bpf_throw would lead to reference leak"),
    Case("throwing with preemption off", kfunc("preempt_disable") + kfunc("throw", "0") + END,
         "bpf_throw cannot be used inside bpf_preempt_disable-ed region"),
]  # fmt: skip

_CALL = re.compile(r"call kfunc:(\w+)")


def _load(case, calls):
    btf = calls.kernel.btf_vmlinux()
    ids = {name: btf.find(name, uapi.BTF_KIND_FUNC) for name in _CALL.findall(case.source)}
    missing = [name for name, btf_id in ids.items() if not btf_id]
    if missing:
        pytest.skip(f"this kernel has no {', '.join(missing)}")
    source = case.source.replace("{task_struct}", str(btf.find("task_struct", uapi.BTF_KIND_STRUCT)))
    return calls.load(case.prog_type, source, log_level=2, log_size=1 << 16, kfuncs=ids)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_call(case, seam):
    fd = _load(case, seam)
    assert isinstance(fd, int) == (case.expect == "ok"), seam.log
    log = re.sub(r"R(\d+)_w=", r"R\1=", seam.log)
    assert case.expect == "ok" or case.expect in log, log
    assert case.log in log, log


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES, ids=str)
def test_log_is_the_kernels(case, linux_kernel, vmlinux):
    with Kernel(btf_vmlinux=vmlinux) as kernel:
        ours, theirs = SeamCalls(kernel), SeamCalls(linux_kernel)
        _load(case, ours)
        _load(case, theirs)
        theirs.close_all()
        ours.close_all()
    assert _lines(ours.log) == _lines(theirs.log)


def _lines(log):
    # without times and addresses
    lines = (_ADDRESS.sub(r"\1", line) for line in log.splitlines() if "usec" not in line)
    return [re.sub(" +", " ", line) for line in lines]


PROGRAMS = Path(__file__).parents[2] / "programs" / "kfuncs.bpf.o"
NAMES = (
    "ok_list", "ok_list_front", "ok_tree", "ok_percpu_object", "ok_resilient_lock", "ok_two_resilient_locks", "ok_work",
    "ok_strings", "ok_elements", "ok_where_it_is_not_there", "ok_task_work", "ok_pull", "ok_throw_in_global_function",
)  # fmt: skip
REFUSED = {
    "bad_plain_front_after_unlock": "R6 invalid mem access 'scalar'",
    "bad_list_without_lock": "bpf_spin_lock at off=0 must be held for bpf_list_head",
    "bad_list_with_the_lock_of_another": "bpf_spin_lock at off=0 must be held for bpf_list_head",
    "bad_item_that_is_kept": "BPF_EXIT instruction in main prog would lead to reference leak",
    "bad_item_after_drop": "R6 invalid mem access 'scalar'",
    "bad_tree_of_others": "operation on bpf_rb_root expects arg#1 bpf_rb_node at offset=8 in struct plain",
    "bad_left_of_something_else": "bpf_rbtree_left can only take non-owning or refcounted bpf_rb_node pointer",
    "bad_refcount_of_plain": "arg#0 doesn't point to a type with bpf_refcount field",
    "bad_percpu_object_with_a_node": "bpf_percpu_obj_new type ID argument must not contain special fields",
    "bad_percpu_object_dropped_as_another": "arg#0 expected for bpf_percpu_obj_drop_impl()",
    "bad_unlock_of_what_may_not_be_locked": "bpf_res_spin_unlock without taking a lock",
    "bad_resilient_locks_out_of_order": "bpf_res_spin_unlock cannot be out of order",
    "bad_same_resilient_lock_twice": "Acquiring the same lock again, AA deadlock detected",
    "bad_flags_of_a_lock_restored_by_others": "irq flag acquired by native kfuncs cannot be restored with lock kfuncs",
    "bad_work_of_another_map": "workqueue pointer in R1 map_uid=0 doesn't match map pointer in R2 map_uid=0",
    "bad_work_that_returns_1": "At async callback return the register R0 has smin=1 smax=1 should have been in [0, 0]",
    "bad_work_that_is_no_work": "off 16 doesn't point to 'struct bpf_wq' that is at 0",
    "bad_task_work_of_another_map": "bpf_task_work pointer in R2 map_uid=0 doesn't match map pointer in R3 map_uid=0",
    "bad_packet_after_pull": "R7 invalid mem access 'scalar'",
    "bad_throw_in_callback": "bpf_throw kfunc (insn ",
    "bad_elements_of_no_map": "arg#0 pointer type STRUCT bpf_map must point to scalar, or struct with scalar",
    "bad_where_it_is_not_there": "invalid func unknown#200200000",
}


@pytest.mark.parametrize("name", [*NAMES, *REFUSED])
def test_program_in_c(name):
    (judged,) = judge_object(PROGRAMS, progs=(name,))
    assert judged.verdict == ("failure" if name in REFUSED else "success"), judged.message
    assert judged.message.startswith(REFUSED.get(name, ""))


@pytest.mark.oracle
@pytest.mark.parametrize("name", [*NAMES, *REFUSED])
def test_log_of_a_program_in_c_is_the_kernels(name, linux_kernel, vmlinux):
    (ours,) = judge_object(PROGRAMS, lambda: Kernel(btf_vmlinux=vmlinux), progs=(name,), log_level=2)
    (theirs,) = judge_object(PROGRAMS, LinuxKernel, progs=(name,), log_level=2)
    assert _lines(ours.log) == _lines(theirs.log)


_ADDRESS = re.compile(r"(\(18\) r\d+ = )0x[0-9a-f]+")
