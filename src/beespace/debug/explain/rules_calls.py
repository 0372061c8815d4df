"""Refusals about calls: arguments, references, locks, what may be called where."""

from __future__ import annotations

from beespace.debug.explain.rules import Advice, Case, Rule, call_name, collector
from beespace.uapi.enums import name_of

__all__ = ["RULES"]

RULES: list[Rule] = []
rule = collector(RULES)


@rule(
    "unreleased",
    "a reference is not given back",
    r"Unreleased reference id=(?P<id>\d+) alloc_insn=(?P<insn>\d+)",
)
def _unreleased(case: Case) -> Advice:
    insn = case.number("insn")
    step = next((s for s in case.trace.steps if s.insn_idx == insn), None)
    source = f" at line {step.source.line}: {step.source.text}" if step is not None and step.source is not None else ""
    call = call_name(step)
    how = _RELEASES.get(call, "its release function")
    return Advice(
        f"{call + '()' if call else f'Instruction {insn}'}{source} took a reference, and this path ends without giving "
        "it back.",
        f"Call {how} on every path on which the pointer is not NULL, also where the program returns early.",
    )


_RELEASES = {
    "bpf_sk_lookup_tcp": "bpf_sk_release()",
    "bpf_sk_lookup_udp": "bpf_sk_release()",
    "bpf_skc_lookup_tcp": "bpf_sk_release()",
    "bpf_ringbuf_reserve": "bpf_ringbuf_submit() or bpf_ringbuf_discard()",
    "bpf_ringbuf_reserve_dynptr": "bpf_ringbuf_submit_dynptr() or bpf_ringbuf_discard_dynptr() (also when the "
    "reservation failed)",
    "bpf_obj_new_impl": "bpf_obj_drop(), or put the object into a list, a tree or a kptr field",
    "bpf_task_from_pid": "bpf_task_release()",
    "bpf_task_acquire": "bpf_task_release()",
    "bpf_cgroup_from_id": "bpf_cgroup_release()",
    "bpf_cgroup_acquire": "bpf_cgroup_release()",
    "bpf_cpumask_create": "bpf_cpumask_release()",
    "bpf_kptr_xchg": "the release function of the pointer's type (bpf_kptr_xchg() handed its reference to the program)",
    "bpf_ct_lookup": "bpf_ct_release()",
}


@rule(
    "reference-in-region",
    "a lock or section is still held",
    r"(?P<where>BPF_EXIT instruction in \w+ ?\w*|bpf_throw|tail_call|function calls) .*(?P<region>bpf_spin_lock|"
    r"bpf_rcu_read_lock|bpf_local_irq_save|bpf_preempt_disable|bpf_res_spin_lock)\S*",
)
def _region(case: Case) -> Advice:
    region = case.group("region")
    pair = {
        "bpf_spin_lock": "bpf_spin_unlock()",
        "bpf_res_spin_lock": "bpf_res_spin_unlock()",
        "bpf_rcu_read_lock": "bpf_rcu_read_unlock()",
        "bpf_local_irq_save": "bpf_local_irq_restore()",
        "bpf_preempt_disable": "bpf_preempt_enable()",
    }[region]
    return Advice(
        f"What {region}() began has not been ended on this path.",
        f"Call {pair} before this point on every path, also where the program returns early.",
    )


@rule(
    "call-under-lock",
    "a call is made while a lock is held",
    r"function calls are not allowed while holding a lock|calls are not allowed while holding a lock",
)
def _under_lock(case: Case) -> Advice:
    return Advice(
        "Between bpf_spin_lock() and bpf_spin_unlock() only few operations are allowed, so that a lock is never held "
        "long.",
        "Call before the lock is taken and keep the result in a variable, or unlock first.",
    )


@rule(
    "sleeps-in-atomic",
    "something that may sleep is called where sleeping is not allowed",
    r"(?P<what>[\w ()#]+?) (?:might|may) sleep in (?P<where>.*)"
    r"|(?:kernel func|sleepable helper|global functions that may sleep|helper call) ?(?P<func>\w*)#?\d* ?"
    r"(?:is sleepable within|might sleep in|are not allowed in|may sleep) (?P<region>.*)"
    r"|program must be sleepable to call sleepable kfunc (?P<kfunc>\w+)",
)
def _sleeps(case: Case) -> Advice:
    func = case.group("func") or case.group("kfunc")
    where = case.group("where") or case.group("region") or "a program that is not sleepable"
    return Advice(
        f"{func + '()' if func else 'The call'} may sleep; here is {where}.",
        "Call it outside of the lock or the RCU, preemption or interrupt section; or make the program sleepable "
        '(SEC("fentry.s/..."), SEC("lsm.s/..."), SEC("syscall")), or do the work in a bpf_wq callback.',
    )


@rule(
    "helper-not-allowed",
    "the program's type may not call this",
    r"program of this type cannot use helper (?P<helper>\w+)#\d+|unknown func (?P<helper2>\w+)#\d+"
    r"|calling kernel function (?P<kfunc>\w+) is not allowed",
)
def _helper(case: Case) -> Advice:
    name = case.group("helper") or case.group("helper2") or case.group("kfunc")
    return Advice(
        f"{name}() is not there for programs of this type (or attach type, or without the needed capability).",
        "See which program types have it (man 7 bpf-helpers, docs/reference/support.md), or move the work into a "
        "program of such a type and pass the result by a map.",
    )


@rule(
    "gpl", "a helper is for GPL programs only", r"cannot call GPL-restricted function from non-GPL compatible program"
)
def _gpl(case: Case) -> Advice:
    call = call_name(case.step)
    return Advice(
        f"{call + '()' if call else 'The function'} may be called only by programs under a licence compatible with the "
        "GPL.",
        'Declare one: char LICENSE[] SEC("license") = "GPL"; (or "Dual MIT/GPL", "Dual BSD/GPL").',
    )


@rule(
    "argument-type",
    "an argument is of the wrong kind",
    r"R(?P<reg>\d+) type=(?P<type>\w+) expected=(?P<expected>.+)",
)
def _argument(case: Case) -> Advice:
    reg = case.group("reg")
    return Advice(
        f"Argument {reg} of {call_name(case.step) or 'the function'}() must be {case.group('expected').strip()}; "
        f"{case.made(reg, 'this one')} is {case.group('type')}.",
        "Check the order of the arguments. Memory that a helper reads or fills must be the stack, a map value, checked "
        "packet bytes or similar; copy kernel memory to the stack first (bpf_probe_read_kernel).",
    )


@rule(
    "map-type",
    "this map's type does not go with this helper",
    r"cannot pass map_type (?P<type>\d+) into func (?P<func>\w+)#\d+",
)
def _map_type(case: Case) -> Advice:
    name = name_of("bpf_map_type", case.number("type"))
    return Advice(
        f"{case.group('func')}() does not work on maps of type {name}.",
        "Use the helper that belongs to the map's type, or another type of map.",
    )


@rule(
    "argument-arg",
    "an argument does not fit the function",
    r"^(?:arg#|R|args#)(?P<arg>\d+) (?P<text>.*(?:must|expected).*)$",
)
def _arg(case: Case) -> Advice:
    return Advice(
        f"Argument {case.group('arg')} of {call_name(case.step) or 'the function'}() {case.group('text').strip()}.",
        "Pass what the function's prototype asks for: a pointer that came from the kernel unmodified (trusted), one "
        "protected by bpf_rcu_read_lock(), or whose reference the program holds.",
    )


@rule(
    "dynptr",
    "a dynptr is used in the wrong state",
    r"Expected an? (?P<what>.*dynptr.*) as arg #(?P<arg>\d+)|Dynptr has to be an uninitialized dynptr"
    r"|cannot overwrite referenced dynptr|cannot pass in dynptr at an offset.*",
)
def _dynptr(case: Case) -> Advice:
    return Advice(
        "A dynptr must be made (bpf_dynptr_from_mem, bpf_ringbuf_reserve_dynptr, bpf_dynptr_from_skb, ...) "
        "exactly once "
        "before it is used, and not be used after it was submitted or discarded.",
        "Pass the address of the variable itself, made on every path that leads here, and do not copy or overwrite it.",
    )


@rule("iterator", "an iterator is used in the wrong state", r"expected an? (?:un)?initialized iter_\w+ as arg #\d+")
def _iterator(case: Case) -> Advice:
    return Advice(
        "An open-coded iterator is made with its _new function once, asked with _next, and ended with _destroy "
        "on every "
        "path.",
        "Use the bpf_for() or bpf_for_each() macros of bpf_helpers.h, which do all three.",
    )


@rule(
    "lock-and-object",
    "the lock that is held does not belong to the object",
    r"held lock and object are not in the same allocation"
    r"|bpf_spin_lock at off=(?P<off>\d+) must be held for (?P<what>\w+)"
    r"|bpf_spin_unlock of different lock|bpf_res_spin_unlock(?:_irqrestore)? .*(?:different|out of order).*",
)
def _lock_and_object(case: Case) -> Advice:
    return Advice(
        "A list head or tree root is used, or a lock released, while another lock (or none) is held: the lock must be "
        "in the same map value or allocated object, reached by the same pointer.",
        "Look the element up once and use that pointer for lock, root and unlock. A second lookup gives another "
        "identity, even of the same element.",
    )


@rule(
    "object-in-program-type",
    "a program of this type cannot use such a map field",
    r"(?P<type>tracing progs|socket filter progs) cannot use (?P<what>.+?) yet",
)
def _field_type(case: Case) -> Advice:
    return Advice(
        f"{case.group('type').capitalize()} may not use maps with {case.group('what')}.",
        "Move the work into a program of a type that may (for tracing: hand it over by a map or ring buffer), or use a "
        "map without that field.",
    )


@rule(
    "reference-argument",
    "the call wants an object that the program owns",
    r"arg (?P<arg>\d+) is an unacquired reference"
    r"|release (?:kernel )?function (?P<func>\w+) expects refcounted (?P<what>\S+)"
    r"|(?P<kfunc>\w+) can only take (?P<only>.*)|R\d+ has no valid kptr|cannot release unowned (?P<unowned>.*)",
)
def _reference(case: Case) -> Advice:
    return Advice(
        "Only an object whose reference the program acquired on this path, and has not given away since, can be "
        "released "
        "or handed over here.",
        "Acquire it first (the _acquire or _from_ function of its kind, or bpf_kptr_xchg() out of the map), test for "
        "NULL, and release it once.",
    )


@rule(
    "kfunc-argument",
    "an argument of a kernel function is of the wrong type",
    r"kernel function (?P<func>\w+) args#(?P<arg>\d+) expected pointer to (?P<want>.+?) but R(?P<reg>\d+) has a "
    r"pointer to "
    r"(?P<has>.+)",
)
def _kfunc_argument(case: Case) -> Advice:
    return Advice(
        f"Argument {case.number('arg') + 1} of {case.group('func')}() must point to {case.group('want')}; "
        f"{case.made(case.group('reg'), 'this pointer')} points to {case.group('has')}.",
        "Pass the structure itself. A pointer to a member counts only when the member is the structure's first; "
        "casts do not change what the verifier knows.",
    )
