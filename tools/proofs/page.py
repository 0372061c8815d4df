"""docs/explanation/proofs.md, from what is recorded of the last full run (results.py)."""

from __future__ import annotations

from typing import Any

from proofs.obligations import NOT_PROVEN, OBLIGATIONS

__all__ = ["SURVIVORS", "render"]

# Mutants of the recorded run that are a change and survive: why that is no danger.
SURVIVORS: dict[tuple[str, str], str] = {
    ("shift_is_known", ".smax_value -> .umax_value"): (
        "all ranges of a known number are that number; that the signed ones are looked at too (as the kernel does) adds"
        " nothing to the unsigned ones, which alone make the shift sound"
    ),
}

INTRODUCTION = """\
# What is proven of the number domain

<!-- Written by `make proofs-page`: do not edit. -->

The verifier says what a register may hold: bits known and unknown (a *tnum*), and ranges as u64, s64, u32 and s32.
Most historical vulnerabilities of BPF verifiers are wrong arithmetic on these five domains. `beespace.verifier.numbers`
is that arithmetic, and nothing else; it is written so that the file that Cython compiles is also the file that is
proven.

## How

The operators use `+ - * & | ^ ~` and a dozen primitives (`ult`, `slt`, `sel`, `lshr`, ...), and no control flow on
data (a test holds that style). `tools/proofs` loads the file, replaces the primitives by z3's, and runs the operators
on symbols. For each operator it shows: **whatever words the operands admit, the result admits what the instruction
computes of them**. One clause for each bound of the result, one that its 32-bit fields are 32-bit; assumptions that
cannot be met would be an error.

* The bounds sync is shown step by step: the state is forgotten at each call of a step but for what the step before
  preserves. Operators are then shown without the sync that ends them: it keeps every word.
* A shift by a known number is shown for each number.
* `tnum_mul` loops: shown is that a step keeps *p + x·y* for some *p* that the sum admits, and that the loop ends with
  *x* = 0.
* Ranges of products are shown over the integers, with the order of products as lemmas; there the same function runs on
  z3's integers. No solver multiplies 64 by 64 bits.
* `tnum_step` is shown to be the smallest member above a word; where it is used, that is all that is assumed of it.
* Division and modulo, signed or not, are not tracked, as in Linux 6.18: the result is any word, which is shown too.
* The three functions that decide on data are shown apart. `alu` picks between proven ones (tried on every case of what
  it looks at), `tnum_mul` and `reg_width` are loops (above; and path by path).
* `if may(c)` skips a piece. A skipped step of the sync is a step that keeps every word; the one in `tnum_mul_step` is
  shown. That skipping changes nothing at all is tested (`tests/proofs/test_guards_change_nothing.py`).
* The jump that `branch` does not decide is refined by `refine`: all eleven, in 64 and in 32 bits, both sides, both
  registers. Linked registers are `linked`: any 32-bit constant.

Not covered by this: that the right operator is called with the right operands, pruning, precision tracking, spills,
aliasing of registers. Other tests answer for those. Trusted are z3, Cython and the C compiler, the primitives (a page
of code, compared with Python's integers by tests), and the statements of what each instruction computes
(`tools/proofs/obligations.py`).

## Commands

| | |
|---|---|
| `make proofs-quick` | 8 bits and a part of the exhaustive run: before a commit |
| `make proofs` | 64 bits, every pair of 5-bit states, historical bugs: in CI (`make test`) |
| `make mutants` | seeded changes of the source |
| `make proofs-page` | all of these and the running kernel; writes this page |
| `make bench` | among others, what an operation costs |

The functions are those of kernel/bpf/tnum.c and of kernel/bpf/verifier.c around `adjust_scalar_min_max_vals()`,
`reg_bounds_sync()`, `is_branch_taken()` and `regs_refine_cond_op()`, under the same names.
"""


def render(found: dict[str, Any], precision: dict[str, dict[str, int]]) -> str:
    """The page: *found* is results.json, *precision* the figures of all states in figures.json."""
    parts = (
        INTRODUCTION.splitlines(),
        what(),
        proofs(found),
        exhaustive(found, precision),
        kernel(found["oracle"]),
        bugs(found["historical"]),
        mutants(found["mutants"]),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def what() -> list[str]:
    lines = [
        "",
        "## What is proven of each function",
        "",
        "All that other modules may call, and the groups of obligations that answer for it. A test demands an entry for"
        " each name, that the groups run the function, and that every other operator of the module is run by one.",
        "",
        "| function | groups |",
        "|---|---|",
    ]
    for name, groups in sorted(OBLIGATIONS.items()):
        shown = ", ".join(groups) if len(groups) < 6 else f"{', '.join(groups[:3])}, ... ({len(groups)} groups)"
        lines.append(f"| `{name}` | {shown} |")
    lines += [f"| `{name}` | none: {why} |" for name, why in NOT_PROVEN.items()]
    return lines


def proofs(found: dict[str, Any]) -> list[str]:
    lines = ["", "## Proofs", ""]
    for width, command in ((64, "make proofs"), (8, "make proofs-quick")):
        run = found[f"proofs {width}"]
        clauses = sum(clauses for clauses, _ in run["groups"].values())
        cpu = sum(seconds for _, seconds in run["groups"].values())
        state = "all proven" if not run["failed"] else f"**{run['failed']} not proven**"
        lines.append(
            f"* {width} bits (`{command}`): {clauses:,} clauses of {len(run['groups'])} groups, {state}; {cpu:.0f} s of"
            f" CPU time, {run['seconds']} s on the clock with two processes on a machine that had other work."
        )
    lines += ["", "| group | clauses | CPU s, 64 bits | CPU s, 8 bits |", "|---|--:|--:|--:|"]
    narrow = found["proofs 8"]["groups"]
    for group, (clauses, seconds) in found["proofs 64"]["groups"].items():
        lines.append(f"| {group} | {clauses} | {seconds:.2f} | {narrow[group][1]:.2f} |")
    return lines


def exhaustive(found: dict[str, Any], every: dict[str, dict[str, int]]) -> list[str]:
    precision = {name: f for name, f in every.items() if not name.startswith("step ")}
    steps = len(every) - len(precision)
    cases = sum(f["cases"] for f in precision.values())
    unsound = sum(f["unsound"] for f in precision.values())
    lines = [
        "",
        "## Every pair of states at 5 bits",
        "",
        f"{cases:,} cases of {len(precision)} operations, {unsound} unsound (`make proofs`,"
        f" {found['exhaustive seconds']} s on the clock). States: all tnums, all unsigned and all signed ranges, in"
        " pairs; for operations of one operand also their combinations. *Exact* counts the cases where the result"
        " admits no word that cannot come out (for `tnum_*`: where it is the best tnum); *surplus* is how many more"
        " words results admit than can come out, over all cases. For jumps (`branch`), exact counts those decided as"
        " well as can be. The figures are recorded in `tests/proofs/figures.json`: other ones fail."
        f" So are those of {steps} functions on their own (each step of the sync, each refinement, ...) on 60,000"
        " states of 8-bit words whose domains have told each other nothing: what one step loses another may find in"
        " the whole.",
        "",
        "| operation | cases | exact | surplus |",
        "|---|--:|--:|--:|",
    ]
    for name, f in precision.items():
        if not name.startswith(("tnum_step", "linked")):
            surplus = "" if name.startswith("branch") else f"{100 * (f['admitted'] / max(f['possible'], 1) - 1):.1f} %"
            lines.append(f"| {name} | {f['cases']:,} | {100 * f['exact'] / f['cases']:.1f} % | {surplus} |")
    return lines


def kernel(oracle: dict[str, Any]) -> list[str]:
    differ = oracle["differences"]
    listed = ", ".join(f"{count} {kind}" for kind, count in differ.items()) or "none, neither looser nor tighter"
    return [
        "",
        "## The running kernel",
        "",
        f"`python tools/numbers_oracle.py --programs {oracle['asked']} --seed {oracle['seed']}` (as root): random"
        " programs of one operation, loaded at log level 2; every range and tnum that the kernel prints is compared."
        f" Linux {oracle['kernel']}: {oracle['programs']:,} programs, {oracle['states']:,} states,"
        f" {oracle['registers']:,} registers. Differences: {listed}.",
        "",
        "300 such programs with what 6.18.44 printed are recorded and are a test.",
    ]


def bugs(history: list[dict[str, str]]) -> list[str]:
    noticed = sum(bool(bug["proofs"] or bug["others"]) for bug in history)
    proofs_see = sum(bool(bug["proofs"]) for bug in history)
    lines = [
        "",
        "## Historical bugs",
        "",
        f"{len(history)} bugs that Linux has had, put back into the source one at a time (`make proofs`): {noticed}"
        f" noticed, {proofs_see} of them refuted by the proofs at 8 bits.",
        "",
        "| bug | in | first noticed by |",
        "|---|---|---|",
    ]
    for bug in history:
        how = f"proof of {bug['proofs']}" if bug["proofs"] else f"not by a proof; {bug['others']}"
        lines.append(f"| {bug['bug']} | `{bug['function']}` | {how} |")
    lines += [
        "",
        "(CVE-2025-39748 is not unsound in itself: it leaves contradictory bounds on a path that cannot happen.)",
    ]
    return lines


def mutants(run: dict[str, Any]) -> list[str]:
    real = run["count"] - len(run["equivalent"])
    killed = real - len(run["survivors"])
    lines = [
        "",
        "## Mutants",
        "",
        f"`make mutants`: {run['count']} changes of the operators, drawn with seed {run['seed']}: an operator,"
        " comparison, constant, field or argument exchanged, a statement deleted. Of these"
        f" {len(run['equivalent'])} are no change: z3 proves at 8 bits that the changed function gives what the"
        " original gives, for all states (`tools/proofs/equivalent.py`). Of the other"
        f" {real}, {killed} are noticed ({100 * killed / real:.1f} %), by:",
        "",
    ]
    lines += [f"* {how}: {count}" for how, count in run["noticed by"].items()]
    lines += ["", "| survives | change | why |", "|---|---|---|"]
    for function, line, change in run["survivors"]:
        lines.append(f"| `{function}`, line {line} | `{change}` | {SURVIVORS.get((function, change), '**?**')} |")
    for function, line, change in run["equivalent"]:
        lines.append(f"| `{function}`, line {line} | `{change}` | no change: proven equal |")
    return lines
