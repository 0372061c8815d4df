"""What the last full run found, recorded: tests/proofs/results.json, from which the page of documentation is made."""

from __future__ import annotations

import collections
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proofs.mutants import Verdict
    from proofs.prove import Outcome

__all__ = ["FILE", "of_historical", "of_mutants", "of_proofs", "read", "write"]

FILE = Path(__file__).parents[2] / "tests" / "proofs" / "results.json"


def read() -> dict[str, Any]:
    """All that is recorded."""
    found: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return found


def write(found: dict[str, Any]) -> None:
    """Record *found* in place of what was recorded of the same parts."""
    FILE.write_text(json.dumps(read() | found, indent=1) + "\n")


def of_proofs(outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    """Clauses and seconds of CPU time for each group; *seconds* are on the clock."""
    groups = {o.group: [o.clauses, round(o.seconds, 2)] for o in outcomes}
    return {"seconds": round(seconds), "failed": sum(len(o.failures) for o in outcomes), "groups": groups}


def of_historical(verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    """Each bug, and by what it was noticed: the refuted clause, or else what another check said."""
    return [
        {
            "bug": v.mutant.change,
            "function": v.mutant.function,
            "proofs": v.proofs,
            "others": (v.recorded or v.exhaustive)[:100],
        }
        for v in verdicts
    ]


def of_mutants(verdicts: Sequence[Verdict], seed: int) -> dict[str, Any]:
    """How many were noticed by whom first, and the survivors."""
    first: collections.Counter[str] = collections.Counter()
    for v in verdicts:
        if v.crash:
            first["it does not run"] += 1
        elif v.exhaustive:
            unsound = "unsound" in v.exhaustive
            first["exhaustive run, unsound" if unsound else "exhaustive run, other figures"] += 1
        elif v.recorded:
            first["what the kernel printed"] += 1
        elif v.proofs:
            first["proofs at 8 bits"] += 1
    alive = [v for v in verdicts if not v.killed]
    equivalent = [[v.mutant.function, v.mutant.line, v.mutant.change] for v in alive if v.equivalent]
    survivors = [[v.mutant.function, v.mutant.line, v.mutant.change] for v in alive if not v.equivalent]
    noticed = dict(sorted(first.items()))
    return {
        "seed": seed, "count": len(verdicts), "noticed by": noticed, "equivalent": equivalent, "survivors": survivors,
    }  # fmt: skip
