"""What the kernel printed for random programs, recorded: the oracle without a kernel.

``python -m proofs.recorded tests/unit/verifier/kernel_vectors.jsonl`` records (as root, on Linux 6.18).
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import livekernel
import numbers_oracle

__all__ = ["VECTORS", "first_difference", "read"]

VECTORS = Path(__file__).parents[2] / "tests" / "unit" / "verifier" / "kernel_vectors.jsonl"
_REG = re.compile(r"\bR(\d+)(?:_w)?=(P?scalar\([^()]*(?:\([^()]*\)[^()]*)*\)|P?-?(?:0x[0-9a-f]+|\d+)\b)")


def record(programs: int, seed: int) -> Iterator[dict[str, Any]]:
    """Programs with every state that the kernel printed and that had changed."""
    rng = random.Random(seed)
    while programs:
        prog, operation = numbers_oracle.random_program(rng)
        verdict = livekernel.load(1, b"".join(numbers_oracle.insn(*i) for i in prog), log_level=2)
        assert isinstance(verdict, livekernel.Verdict)
        if verdict.errno or ": safe" in verdict.log:
            continue
        programs -= 1
        live = {
            idx: "".join(map(str, sorted(regs))) for idx, regs in numbers_oracle.live_registers(verdict.log).items()
        }
        states = []
        for came_from, idx, text in numbers_oracle.log_lines(verdict.log):
            regs = {reg: value for reg, value in _REG.findall(text) if reg != "0"}
            states.append([came_from, idx, regs])
        yield {"operation": operation, "program": prog, "live": live, "states": states}


def read(path: Path = VECTORS) -> list[dict[str, Any]]:
    """The recorded programs."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def first_difference(vectors: list[dict[str, Any]]) -> str:
    """Where `numbers_oracle.n` first differs from the kernel, or ""."""
    for vector in vectors:
        live = {int(idx): {int(reg) for reg in regs} for idx, regs in vector["live"].items()}
        events = numbers_oracle.Machine([tuple(i) for i in vector["program"]], live).events()
        for came_from, idx, regs in vector["states"]:
            event = next(events, None)
            if event is None or (event.came_from, event.idx) != (came_from, idx):
                return f"{vector['operation']}: another path at {idx}"
            for reg, text in regs.items():
                theirs = numbers_oracle.parse_reg(text)
                if not numbers_oracle.same_print(event.regs[int(reg)].bounds, theirs):
                    return f"{vector['operation']} at {idx}: R{reg}={text}, ours {event.regs[int(reg)].bounds}"
        if next(events, None) is not None:
            return f"{vector['operation']}: one path more"
    return ""


if __name__ == "__main__":
    with Path(sys.argv[1]).open("w") as out:
        for vector in record(300, 618):
            out.write(json.dumps(vector, separators=(",", ":")) + "\n")
