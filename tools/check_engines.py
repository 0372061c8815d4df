"""Interpreter against JIT against the running kernel: the same generated programs on the same packets.

    python tools/check_engines.py [--executions N] [--runs N] [--seed N] [--no-kernel]

Compared are R0, the packet afterwards and the contents of all maps. Exits with 1 at a mismatch, which is printed with
the seed of its program. Needs bpf(2), unless told to do without.
"""

from __future__ import annotations

import argparse
import sys
import time

import beespace
from beespace.jit import Jit, JitOptions
from beespace.kernel import Pipeline
from beespace.testing.fuzz.emit import emit
from beespace.testing.fuzz.judge import Bench, Outcome, compare
from beespace.testing.fuzz.program import generate

_RISK = 0.0  # no missing checks: programs that are accepted


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=200_000, help="on all engines together")
    parser.add_argument("--runs", type=int, default=100, help="of each program on each engine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-kernel", action="store_true")
    args = parser.parse_args()
    linux = None if args.no_kernel else beespace.LinuxKernel()
    cpus = linux.features.cpus if linux is not None else 2
    levels = (1, 3)
    engines: dict[str, Bench] = {"interp": Bench(beespace.Kernel(cpus=cpus))}
    for level in levels:
        options = JitOptions(opt_level=level, cache=False)
        engines[f"jit O{level}"] = Bench(beespace.Kernel(cpus=cpus, pipeline=Pipeline(engine=Jit(options))))
    if linux is not None:
        engines["kernel"] = Bench(linux)
    return _check(engines, args)


def _check(engines: dict[str, Bench], args: argparse.Namespace) -> int:
    executions = programs = rejected = mismatches = 0
    started = time.monotonic()
    seed = args.seed
    while executions < args.executions:
        program = emit(generate(seed, risk=_RISK))
        chosen = [name for name in engines if not name.startswith("jit") or int(name[-1]) == (1, 3)[seed % 2]]
        outcomes = {name: engines[name].outcome(program, seed, runs=args.runs) for name in chosen}
        expected = outcomes["interp"]
        if any(outcome.verdict != "accepted" for outcome in outcomes.values()):
            rejected += 1
        else:
            programs += 1
            executions += args.runs * len(chosen)
            for name in chosen[1:]:
                mismatches += _report(seed, name, expected, outcomes[name])
        seed += 1
        if seed % 100 == 0:
            print(f"# {executions} executions, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    print(f"{programs} programs, {executions} executions on {', '.join(engines)}: {mismatches} mismatches")
    print(f"{rejected} programs more that one of them did not accept; seeds {args.seed} to {seed - 1}")
    return 1 if mismatches else 0


def _report(seed: int, name: str, expected: Outcome, outcome: Outcome) -> int:
    difference = compare(expected, outcome)
    if difference is None:
        return 0
    print(f"seed {seed}: interp | {name}: {difference.kind}: {difference.detail}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
