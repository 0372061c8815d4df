"""docs/explanation/proofs.md, from what a run found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proofs.exhaustive import Figure
    from proofs.mutants import Verdict
    from proofs.prove import Outcome

__all__ = ["render"]

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

Not covered by this: that the right operator is called with the right operands, pruning, precision tracking, spills,
aliasing of registers. Other tests answer for those. Trusted are z3, Cython and the C compiler, the primitives (a page
of code, compared with Python's integers by tests), and the statements of what each instruction computes
(`tools/proofs/obligations.py`).

## Commands

| | |
|---|---|
| `make proofs-quick` | 8 bits and a part of the exhaustive run: before a commit |
| `make proofs` | 64 bits, every pair of 5-bit states, historical bugs: in CI |
| `make mutants` | seeded changes of the source |
| `make proofs-page` | all of these; writes this page |
"""


def render(
    outcomes: dict[int, list[Outcome]],
    seconds: dict[int, float],
    figures: dict[str, Figure],
    history: Sequence[Verdict],
    mutants: Sequence[Verdict],
    explanations: Sequence[str],
    seed: int,
) -> str:
    """The page."""
    return "\n".join(
        [
            INTRODUCTION,
            *proofs(outcomes, seconds),
            *exhaustive(figures),
            *bugs(history),
            *seeded(mutants, explanations, seed),
        ]
    )


def proofs(outcomes: dict[int, list[Outcome]], seconds: dict[int, float]) -> list[str]:
    lines = ["## Proofs", ""]
    for width, found in outcomes.items():
        clauses, cpu = sum(o.clauses for o in found), sum(o.seconds for o in found)
        failed = sum(len(o.failures) for o in found)
        state = "all proven" if not failed else f"**{failed} not proven**"
        lines.append(
            f"* {width} bits: {clauses:,} clauses of {len(found)} operators, {state}; "
            f"{cpu:.0f} s of CPU time, {seconds[width]:.0f} s on two cores."
        )
    lines += ["", "| operator | clauses | seconds, 64 bits | seconds, 8 bits |", "|---|--:|--:|--:|"]
    narrow = {o.group: o for o in outcomes[8]}
    for o in outcomes[64]:
        lines.append(f"| {o.group} | {o.clauses} | {o.seconds:.2f} | {narrow[o.group].seconds:.2f} |")
    return lines


def exhaustive(figures: dict[str, Figure]) -> list[str]:
    cases = sum(f.cases for f in figures.values())
    unsound = sum(f.unsound for f in figures.values())
    lines = [
        "",
        "## Every pair of states at 5 bits",
        "",
        f"{cases:,} cases of {len(figures)} operations, {unsound} unsound. States: all tnums, all unsigned and all"
        " signed ranges (963), in pairs; for operations of one operand also their combinations. *Exact* counts the"
        " cases where the result admits no word that cannot come out (for `tnum_*`: where it is the best tnum);"
        " *surplus* is how many more words results admit than can come out, over all cases. For jumps (`branch`),"
        " exact counts those decided as well as can be.",
        "",
        "| operation | cases | exact | surplus |",
        "|---|--:|--:|--:|",
    ]
    for name, f in figures.items():
        if not name.startswith(("tnum_step", "linked")):
            surplus = "" if name.startswith("branch") else f"{100 * (f.admitted / max(f.possible, 1) - 1):.1f} %"
            lines.append(f"| {name} | {f.cases:,} | {100 * f.exact / f.cases:.1f} % | {surplus} |")
    return lines


def bugs(history: Sequence[Verdict]) -> list[str]:
    lines = [
        "",
        "## Historical bugs",
        "",
        "Put back into the source one at a time. Noticed by the proofs at 8 bits, by the exhaustive run, by what a"
        " kernel printed.",
        "",
        "| bug | proofs | exhaustive | recorded |",
        "|---|---|---|---|",
    ]
    for v in history:
        marks = " | ".join("noticed" if how else "" for how in (v.proofs, v.exhaustive, v.recorded))
        lines.append(f"| {v.mutant.change} | {marks} |")
    lines += [
        "",
        "(CVE-2025-39748 is not unsound in itself: it leaves contradictory bounds on a path that cannot happen.)",
    ]
    return lines


def seeded(mutants: Sequence[Verdict], explanations: Sequence[str], seed: int) -> list[str]:
    killed = [v for v in mutants if v.killed]
    lines = [
        "",
        "## Mutants",
        "",
        f"{len(mutants)} changes of the operators, drawn with seed {seed}: an operator, comparison, constant, field or"
        " argument exchanged, a statement deleted."
        f" {len(killed)} noticed ({100 * len(killed) / len(mutants):.1f} %). The survivors:",
        "",
        "| function | change | why it makes no difference |",
        "|---|---|---|",
    ]
    alive = [v for v in mutants if not v.killed]
    for v, why in zip(alive, explanations, strict=True):
        lines.append(f"| `{v.mutant.function}` | `{v.mutant.change}` | {why} |")
    return [*lines, ""]
