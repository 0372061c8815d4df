"""Hostile programs without a verifier: host memory stays as it is, none hangs, each fault is reported.

    python tools/check_containment.py [--count N] [--seed N]

Each program (beespace.testing.hostile) runs in the interpreter and in hardened compiled code. The process dies, or this
ends with 1 and says which seed it was, when one of them changes what it may not, or returns another R0 than the other.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
from collections import Counter

from beespace.interp import Interp
from beespace.jit import Jit, JitOptions
from beespace.testing.hostile import INSN_LIMIT, Arena, Outcome, run_hostile


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    faulthandler.enable()
    engines = {
        "interp": Interp(),
        "jit, hardened": Jit(JitOptions(opt_level=0, hardened=True, cache=False)),
    }
    seeds = range(args.seed, args.seed + args.count)
    arena = Arena()
    found: dict[str, dict[int, Outcome]] = {}
    for name, engine in engines.items():
        started = time.monotonic()
        outcomes = found[name] = {}
        for first in range(seeds.start, seeds.stop, 10_000):
            run_hostile(engine, range(first, min(first + 10_000, seeds.stop)), outcomes.__setitem__, arena)
            print(
                f"# {name}: {len(outcomes)} programs, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True
            )
        faults = [outcome.fault for outcome in outcomes.values() if outcome.r0 is None]
        limited = sum("limit of" in fault for fault in faults)
        print(
            f"{name}: {len(outcomes)} programs, {len(faults)} faults reported, {limited} of them at {INSN_LIMIT} insns"
        )
        print("   ", ", ".join(f"{number} {text}" for text, number in _kinds(faults).most_common(8)))
    differ = [seed for seed in seeds if not _agree(*(outcomes[seed] for outcomes in found.values()))]
    print(f"host memory unchanged; {len(differ)} programs end in different ways")
    for seed in differ[:10]:
        print(f"  seed {seed}: {' | '.join(str(outcomes[seed]) for outcomes in found.values())}")
    return 1 if differ else 0


def _kinds(faults: list[str]) -> Counter[str]:
    return Counter(fault.split(" at ")[0] for fault in faults)


# Where a program faults may differ: compiled code looks for what cannot be executed before it starts.
def _agree(interpreted: Outcome, compiled: Outcome) -> bool:
    if compiled.r0 is None and any(text in compiled.fault for text in ("aligned", "addr_space_cast")):
        return True  # the interpreter takes any alignment, and what the kernel leaves undefined
    return interpreted.r0 == compiled.r0


if __name__ == "__main__":
    sys.exit(main())
