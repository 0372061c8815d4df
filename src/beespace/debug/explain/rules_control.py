"""Refusals about control: values never set, loops, size, returns, what the loader could not resolve."""

from __future__ import annotations

from beespace.debug.explain.rules import Advice, Case, Rule, collector

__all__ = ["RULES"]

RULES: list[Rule] = []
rule = collector(RULES)


@rule(
    "stack-size",
    "the stack is too small",
    r"combined stack size of (?P<calls>\d+) calls is (?P<size>\d+)\. Too large"
    r"|stack size of \w+ is (?P<size2>\d+)\. Too large|the call stack of (?P<frames>\d+) frames is too deep",
)
def _stack_size(case: Case) -> Advice:
    if case.group("frames"):
        return Advice(
            f"{case.group('frames')} functions are nested; 8 frames are the limit.",
            "Mark small functions __always_inline, or turn recursion-like chains into a loop or tail calls.",
        )
    return Advice(
        f"The frames on this chain of calls take {case.group('size') or case.group('size2')} bytes; 512 are there (256 "
        "where tail calls follow).",
        "Move large locals into a per-CPU array map with one element, or split the chain with tail calls.",
    )


@rule("uninitialised", "a value is used that was never set", r"R(?P<reg>\d+) !read_ok")
def _read_ok(case: Case) -> Advice:
    if case.group("reg") == "0" and case.step is not None and case.step.insn.startswith("(95)"):
        return Advice(
            "The program (or function) ends without a return value on this path.",
            "Return a value on every path.",
        )
    origin = case.origin(case.group("reg"))
    if origin is not None and origin.what == "clobbered":
        return Advice(
            f"R{case.group('reg')} does not survive the call of {origin.call}(): a call leaves only R6-R9.",
            "In C the compiler takes care of this; in inline assembly name the clobbered registers.",
        )
    return Advice(
        f"R{case.group('reg')} has no value on this path: a variable that is set only on another one, an argument the "
        "caller does not pass, or undefined behaviour that the compiler made use of.",
        "Initialise the variable where it is declared; compile with -Wall -Wextra and look at its warnings.",
    )


@rule(
    "infinite-loop", "a loop has no end", r"infinite loop detected at insn (?P<idx>\d+)|back-edge from insn \d+ to \d+"
)
def _loop(case: Case) -> Advice:
    return Advice(
        "The verifier came to the same instruction with a state that nothing distinguishes from an earlier one: what "
        "ends the loop is not bounded by anything it knows.",
        "Give the loop a constant bound (for (i = 0; i < 64 && i < n; i++)), or use bpf_for(i, 0, n), bpf_loop() or "
        "the can_loop macro, which bound it at run time.",
    )


@rule(
    "too-complex",
    "the program has too many paths",
    r"BPF program is too large\. Processed (?P<insns>\d+) insn|The sequence of (?P<jumps>\d+) jumps is too complex"
    r"|too many states|program too large",
)
def _complex(case: Case) -> Advice:
    what = f"{case.group('insns')} instructions were checked" if case.group("insns") else "Too many branches are open"
    return Advice(
        f"{what} without an end: the paths through the program multiply, usually in a loop whose every turn differs.",
        "Find the line with `beespace verify --hot`. Then: make the loop bpf_loop() or bpf_for() (its body is checked "
        "once), move the body into a global (non-static) function (checked once, on its own), bound its turns, or make "
        "differing values equal (a variable that counts but is used only at the end).",
    )


@rule(
    "return-value",
    "the return value is outside of the allowed range",
    r"(?P<at>At program exit|At callback return|At async callback return|At subprogram exit) the register "
    r"R(?P<reg>\d+) "
    r"has (?P<has>.*?) should have been in \[(?P<low>-?\d+), (?P<high>-?\d+)\]",
)
def _return(case: Case) -> Advice:
    return Advice(
        f"R{case.group('reg')} has {case.group('has').strip()}; programs of this type (or callbacks) may only return "
        f"{case.group('low')} to {case.group('high')}.",
        "Return constants of that range. What is computed (error codes from helpers too) must be mapped to them: "
        "return err ? 0 : 1;",
    )


@rule("unreachable", "instructions can never be reached", r"unreachable insn (?P<idx>\d+)")
def _unreachable(case: Case) -> Advice:
    return Advice(
        f"No path leads to instruction {case.group('idx')}.",
        "Compilers do not make these; look at inline or hand-written assembly, and at functions that nothing calls.",
    )


@rule(
    "missing-exit",
    "the program runs past its end",
    r"last insn is not an exit or jmp|jump out of range from insn (?P<idx>\d+)|fell through",
)
def _missing_exit(case: Case) -> Advice:
    return Advice(
        "Control may run out of the function's instructions.",
        "The compiler found undefined behaviour on this way and ended the function there (no return statement, a NULL "
        "dereference, division by a constant zero, __builtin_unreachable). Compile with -Wall and mend what it names.",
    )


@rule(
    "co-re",
    "a CO-RE relocation did not find its field or type",
    r"invalid func unknown#195896080",
)
def _core(case: Case) -> Advice:
    return Advice(
        "The loader could not relocate this instruction: the kernel's BTF has no such field, type or value. It was "
        "replaced by a call that cannot be, and this path reaches it.",
        "Guard the access with bpf_core_field_exists() (bpf_core_type_exists(), bpf_core_enum_value_exists()): the "
        "verifier then never walks it. The loader's log names the relocation.",
    )


@rule(
    "unresolved",
    "a kfunc, map or symbol is missing",
    r"invalid func unknown#(?P<poison>\d+)|ldimm64 failed to find the address for kernel symbol '(?P<symbol>[^']+)'"
    r"|fd (?P<fd>-?\d+) is not pointing to valid bpf_map",
)
def _unresolved(case: Case) -> Advice:
    what = f"Kernel symbol {case.group('symbol')}" if case.group("symbol") else "What this instruction refers to"
    return Advice(
        f"{what} is not there in this kernel, or the loader did not create it.",
        "For weak externs test first: if (bpf_ksym_exists(f)). For maps look at what the loader says about their "
        "creation; for symbols at the kernel's configuration and modules.",
    )


@rule("division", "a division by the constant zero", r"^div by zero$")
def _division(case: Case) -> Advice:
    return Advice(
        "The divisor is the constant 0. (A divisor that is 0 only at run time is allowed: the result is 0.)",
        "Correct the constant.",
    )


@rule(
    "global-function",
    "a global function is called with what it does not take",
    r"Caller passes invalid args into func#(?P<number>\d+)(?: \('(?P<name>\w+)'\))?",
)
def _global(case: Case) -> Advice:
    return Advice(
        f"{case.group('name') or 'The function'}() is global: it is checked alone, for any arguments its prototype "
        "allows, and the caller must pass such: the context, numbers, or pointers to memory of the parameter's type.",
        "Make it static (then it is checked with its callers), or tag its parameters (__arg_ctx, __arg_nonnull, "
        "__arg_trusted, __arg_nullable) and pass the whole object.",
    )
