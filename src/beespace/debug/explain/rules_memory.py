"""Refusals about memory: pointers, bounds, the packet, the stack, the context."""

from __future__ import annotations

from beespace.debug.explain.facts import describe, range_of
from beespace.debug.explain.rules import Advice, Case, Rule, collector

__all__ = ["RULES"]

RULES: list[Rule] = []
rule = collector(RULES)


@rule(
    "unchecked-null",
    "a pointer that may be NULL is used",
    r"R(?P<reg>\d+) invalid mem access '(?P<type>\w+_or_null)\w*'"
    r"|R(?P<reg2>\d+) pointer arithmetic on (?P<type2>\w+_or_null)\w* prohibited, null-check it first",
)
def _null(case: Case) -> Advice:
    reg = case.group("reg") or case.group("reg2")
    what = case.made(reg, "the pointer")
    return Advice(
        f"On this path {what} has not been compared with NULL; it {describe(case.known(reg)) or 'may be NULL'}.",
        "Test the pointer before it is used, on every path: if (!p) return 0; The test must be on the same variable, "
        "after the call that returned it.",
    )


@rule(
    "null-argument",
    "a pointer that may be NULL is passed on",
    r"R(?P<reg>\d+) type=(?P<type>\w+_or_null\w*) expected=(?P<expected>.*)"
    r"|Possibly NULL pointer passed to (?:trusted |helper )?arg(?:ument )?#?(?P<arg>\d+)"
    r"|NULL pointer passed to trusted arg(?P<arg2>\d+)",
)
def _null_argument(case: Case) -> Advice:
    arg = case.group("arg") or case.group("arg2")
    reg = case.group("reg") or str(int(arg) + 1)
    return Advice(
        f"The call wants a valid pointer in argument {reg}; {case.made(reg, 'this one')} may be NULL on this path.",
        "Compare the pointer with NULL before the call and leave when it is.",
    )


@rule(
    "packet-bounds",
    "packet bytes are read that were not checked to be there",
    r"invalid access to packet(?: metadata)?, off=(?P<off>-?\d+) size=(?P<size>-?\d+), R(?P<reg>\d+)\(id=\d+,off=-?\d+,"
    r"r=(?P<range>-?\d+)\)",
)
def _packet(case: Case) -> Advice:
    # the message counts from the packet pointer's start; what is proven and what is needed are told from the register
    off, size, checked = case.number("off"), case.number("size"), case.number("range")
    start = off - case.displacement(case.group("reg"))
    off, checked = off - start, max(checked - start, 0)
    known = case.known(case.group("reg"))
    variable = "var_off" in known
    which = f"byte {off}" if size == 1 else f"bytes {off} to {off + size - 1}"
    why = f"The access needs {which} behind the pointer R{case.group('reg')}; "
    if checked == 0:
        why += "no comparison with data_end covers this pointer on this path."
    else:
        why += f"the comparison with data_end on this path proves {checked} bytes."
    fix = f"Compare before the access: if (p + {off + size} > data_end) return ...;"
    if variable:
        why += " The pointer has a variable part: a check made before that part was added, or on another copy of the "
        why += "pointer, does not count."
        fix = (
            "Add the variable part first, bounded (len &= 0xff, or if (len > MAX) return), then compare exactly this "
            f"pointer: if (p + {off + size} > data_end) return ...;"
        )
    elif checked == 0:
        fix += (
            " Helpers that may move the packet (bpf_skb_pull_data, bpf_xdp_adjust_head, ...) make earlier checks void."
        )
    return Advice(why, fix)


@rule(
    "pointer-range",
    "a number that may be negative or too large is added to a pointer",
    r"value (?P<value>-?\d+) makes (?P<type>\w+) pointer be out of bounds"
    r"|math between (?P<type2>\w+) pointer and (?P<what>-?\d+ is not allowed|register with unbounded min value.*)"
    r"|R(?P<reg>\d+) (?:unbounded|has unknown scalar).*pointer arithmetic",
)
def _pointer_range(case: Case) -> Advice:
    pointer = case.group("type") or case.group("type2") or "this"
    return Advice(
        f"The number added to the {pointer} pointer may be negative or very large, as far as the verifier knows.",
        "Bound it first, as an unsigned number: if (n > MAX) return 0; or n &= MAX; and keep the compiler from "
        "undoing it (use the checked variable itself).",
    )


@rule(
    "memory-bounds",
    "an access may lie outside of the object",
    r"invalid access to (?P<what>map value|memory|map key|\w+), (?:\w+_size|\w+)=(?P<have>\d+) off=(?P<off>-?\d+) "
    r"size=(?P<size>\d+)\nR(?P<reg>\d+) (?P<end>max|min) value is outside of the allowed memory range",
)
def _memory(case: Case) -> Advice:
    have, off, size = case.number("have"), case.number("off"), case.number("size")
    side = "reaches up to byte" if case.group("end") == "max" else "begins at byte"
    edge = off + size - 1 if case.group("end") == "max" else off
    known = describe(case.known(case.group("reg")))
    return Advice(
        f"The {case.group('what')} has {have} bytes; the access {side} {edge}."
        + (f" R{case.group('reg')} {known}." if known else ""),
        f"Bound the index so that the last byte is within {have}: if (i >= N) return 0; or i &= N - 1 for a power of "
        "two. The check must be on the variable that is used, unsigned, after its last change.",
    )


@rule(
    "memory-access-fixed",
    "an access lies outside of the object",
    r"invalid access to (?P<what>map value|memory|map key|\w+), (?:\w+_size|\w+)=(?P<have>\d+) off=(?P<off>-?\d+) "
    r"size=(?P<size>\d+)",
)
def _memory_fixed(case: Case) -> Advice:
    have, off, size = case.number("have"), case.number("off"), case.number("size")
    return Advice(
        f"{size} bytes at offset {off} are asked for; the {case.group('what')} has {have} bytes.",
        "Make the sizes agree: the map's value_size (or the memory's size argument) with the type that is read, or the "
        "size that is passed with the memory.",
    )


@rule(
    "unbounded-access",
    "an index has no upper bound",
    r"R(?P<reg>\d+) unbounded memory access, (?:make sure to bounds check|use)",
)
def _unbounded(case: Case) -> Advice:
    return Advice(
        f"The index or size in R{case.group('reg')} {_is(case.known(case.group('reg')))}: nothing on this path bounds "
        "it from above.",
        "Bound it: if (n > MAX) return 0; or n &= MAX; A bound that the compiler keeps in another register does not "
        'count; declare the variable volatile or use asm volatile ("" : "+r"(n)); between check and use if so.',
    )


@rule(
    "negative-index",
    "an index may be negative",
    r"R(?P<reg>\d+) min value is negative, (?:either use unsigned|use)",
)
def _negative(case: Case) -> Advice:
    return Advice(
        f"The index or size in R{case.group('reg')} {_is(case.known(case.group('reg')))}; it may be negative.",
        "Use an unsigned type, or check both ends: if (i < 0 || i >= N) return 0;",
    )


def _is(known: str) -> str:
    return f"is {describe(known)}" if range_of(known) is not None else (describe(known) or "is not known")


@rule("not-a-pointer", "a number is used as a pointer", r"R(?P<reg>\d+) invalid mem access '(?:scalar|inv)'")
def _scalar(case: Case) -> Advice:
    reg = case.group("reg")
    origin = case.origin(reg)
    if origin is not None and case.known(reg).startswith("pkt"):
        call = case.last_call(origin.step)
        return Advice(
            f"R{reg} pointed into the packet until {call or 'a call'} on this path: the packet may have moved, so that "
            "pointers into it and comparisons with data_end are void.",
            "Read ctx->data and ctx->data_end again after the call, and compare again.",
        )
    if origin is not None and origin.what == "clobbered":
        return Advice(
            f"R{reg} does not survive the call of {origin.call}().",
            "Read the pointer again after the call, and check it.",
        )
    why = f"R{reg} is {case.made(reg, 'a number')}, which the verifier takes for a number."
    if origin is not None and origin.what == "load" and "(61)" in origin.step.insn:
        why += " It was loaded with 32 bits: half a pointer."
    fix = (
        "Memory of the kernel that no BTF type describes is read with bpf_probe_read_kernel() (user memory with "
        "bpf_probe_read_user(), both with BPF_CORE_READ() for structures). A pointer that was stored in a map or cast "
        "to a number is a number from then on."
    )
    return Advice(why, fix)


@rule(
    "pointer-arithmetic",
    "pointers are computed with in a way the verifier does not follow",
    r"R(?P<reg>\d+) (?:pointer arithmetic on (?P<type>\w+) prohibited|pointer (?P<op>\S+) pointer prohibited"
    r"|bitwise operator (?P<bit>\S+) on pointer prohibited|32-bit pointer arithmetic prohibited"
    r"|pointer arithmetic with (?P<with>\S+) operator prohibited"
    r"|tried to \w+ (?:pointer from scalar|from different maps, paths or scalars).*)",
)
def _arithmetic(case: Case) -> Advice:
    known = describe(case.known(case.group("reg"))) or "is a pointer"
    return Advice(
        f"R{case.group('reg')} {known}; only adding and subtracting bounded numbers, in 64 bits, is followed for this "
        "kind of pointer.",
        "Do arithmetic on an index of type __u64 and add it to the pointer at the end; do not mask, multiply or cast "
        "pointers to 32 bits.",
    )


@rule(
    "modified-context",
    "the context pointer was moved",
    r"dereference of modified ctx ptr R(?P<reg>\d+) off=(?P<off>-?\d+)",
)
def _modified_ctx(case: Case) -> Advice:
    return Advice(
        f"The context must be accessed at its start plus a constant; R{case.group('reg')} was moved by "
        f"{case.group('off')} bytes before the access, usually because the compiler computed a field's address.",
        "Read the field in one place into a local variable (mark the read volatile, or use __builtin_preserve_access_"
        "index / BPF_CORE_READ), and do not pass &ctx->field around.",
    )


@rule(
    "context-access",
    "a field of the context is not accessible",
    r"invalid bpf_context access off=(?P<off>-?\d+) size=(?P<size>\d+)",
)
def _context(case: Case) -> Advice:
    return Advice(
        f"{case.group('size')} bytes at offset {case.group('off')} of the context may not be accessed by a program of "
        "this type and attach type (or not written, or not with this size).",
        "Look the field up in the program type's context (man 7 bpf-helpers, docs/reference of beespace); some fields "
        "are read-only, some only there for certain attach types, and all must be read with their own size.",
    )


@rule(
    "uninitialised-stack",
    "stack memory is read that was never written",
    r"invalid (?:indirect )?read from stack(?: R\d+)? off (?P<off>-?\d+)\+(?P<at>\d+) size (?P<size>\d+)"
    r"|invalid read from stack R\d+ off=?(?P<off2>-?\d+) size=?(?P<size2>\d+)",
)
def _stack(case: Case) -> Advice:
    off = case.group("off") or case.group("off2")
    at = f", byte {case.group('at')} of it," if case.group("at") else ""
    size = case.group("size") or case.group("size2")
    return Advice(
        f"{size} bytes of the stack at fp{off} are read{at} and no instruction on this path has written them. Padding "
        "between members counts, and so does a member that is set only on another path.",
        "Initialise the whole object: struct key k = {}; does not cover padding with every compiler, "
        "__builtin_memset(&k, 0, sizeof(k)) does; or make the padding explicit members.",
    )


@rule(
    "stack-bounds",
    "an access lies outside of the stack frame",
    r"invalid (?:unbounded )?variable-offset (?P<var>.*)stack|invalid (?:write to|zero-sized (?:read|write)|indirect "
    r"access to|access to) stack(?: R\d+)? off(?:=| )(?P<off>-?\d+)|invalid (?:write to|unbounded \S+) stack",
)
def _stack_bounds(case: Case) -> Advice:
    return Advice(
        "The access is outside of the 512 bytes below the frame pointer, or its index is not bounded.",
        "Bound the index of the local array (if (i >= N) return 0;), or put large buffers into a per-CPU array map.",
    )


@rule(
    "read-only",
    "memory is written that is read-only",
    r"write into map forbidden|cannot write into packet|R\d+ cannot write into (?P<what>\w+)|only read is supported"
    r"|the prog does not allow writes to packet data",
)
def _read_only(case: Case) -> Advice:
    return Advice(
        "This memory may be read but not written by this program: a frozen or read-only map (.rodata), packet data in "
        "a program type that may not change it, or a kernel structure.",
        "Write to a copy, or use the helper that changes it (bpf_skb_store_bytes for packets; maps without "
        "BPF_F_RDONLY_PROG).",
    )


@rule(
    "struct-access",
    "a structure is read where it has no member",
    r"access beyond (?P<kind>struct|union) (?P<name>\w+) at off (?P<off>\d+) size (?P<size>\d+)"
    r"|access beyond the end of member (?P<member>\w+) \(mend:\d+\) in struct (?P<name2>\w+)",
)
def _struct(case: Case) -> Advice:
    return Advice(
        f"struct {case.group('name') or case.group('name2')} of this kernel has no such member at that offset.",
        "The definition the program was compiled with differs from the kernel's: use vmlinux.h with CO-RE "
        "(preserve_access_index) so that offsets are relocated, and bpf_core_field_exists() where members differ.",
    )


@rule("misaligned", "an access is not aligned", r"misaligned (?P<what>.*?) (?:access )?off (?P<off>\S+)")
def _misaligned(case: Case) -> Advice:
    return Advice(
        f"The {case.group('what').strip()} access at {case.group('off')} is not a multiple of its size.",
        "Read single bytes and combine them, or copy with __builtin_memcpy to an aligned variable.",
    )


@rule(
    "leak",
    "a kernel address would be given away",
    r"R(?P<reg>\d+) leaks addr|R(?P<reg2>\d+) pointer comparison prohibited|leaks addr into|partial copy of pointer",
)
def _leak(case: Case) -> Advice:
    return Advice(
        "A pointer would be stored where user space can read it (or be compared, or returned): without "
        "CAP_PERFMON that "
        "is not allowed.",
        "Store what the pointer points to, or load the program with CAP_PERFMON.",
    )


@rule(
    "zero-size", "a size may be zero", r"R(?P<reg>\d+) invalid zero-sized read(?:: u64=\[(?P<low>\d+),(?P<high>\d+)\])?"
)
def _zero(case: Case) -> Advice:
    limits = f": {case.group('low')} to {case.group('high')} here" if case.group("high") else ""
    return Advice(
        f"The size in R{case.group('reg')} may be 0{limits}, and the function wants at least one byte.",
        "Check it before the call: if (!n) return 0;",
    )


@rule(
    "map-read",
    "the map may not be read or used so",
    r"read from map forbidden|(?P<what>bpf_\w+) cannot be accessed directly"
    r"|direct access to (?P<what2>bpf_\w+) is disallowed"
    r"|potential write to dynptr|dereference of modified (?P<what3>\w+) ptr",
)
def _map_read(case: Case) -> Advice:
    what = case.group("what") or case.group("what2") or case.group("what3") or "The object"
    return Advice(
        f"{what} is touched by a plain load or store (or a copy that covers it); only its own functions may.",
        "Leave the field out of memcpy and structure assignment; read and write the other members one by one.",
    )


@rule(
    "context-pointer",
    "the context pointer is used with an offset",
    r"negative offset ctx ptr R(?P<reg>\d+)|variable (?:ctx|ptr_)\w* access var_off"
    r"|same insn cannot be used with different pointers",
)
def _context_pointer(case: Case) -> Advice:
    return Advice(
        "The kernel rewrites this access, so one instruction must always access one field of one kind of object. The "
        "compiler merged two accesses into one or computed the address.",
        'Keep the compiler from merging: read into a volatile variable, put asm volatile ("" ::: "memory"); between '
        "the two ways, or split them into two functions marked __noinline.",
    )
