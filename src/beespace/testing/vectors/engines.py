"""Vectors on an engine alone: programs that need nothing but memory (Vector.is_standalone)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from beespace.isa import assemble
from beespace.testing.engines import BareRun, trusted
from beespace.testing.vectors import MEMORY_BYTES, Mismatch, Vector, vectors

if TYPE_CHECKING:
    from beespace.decl import Engine
    from beespace.decl.prog import XlatedProgram

__all__ = ["check_engine_conforms", "program_of", "run_on_engine"]

_R2_IS_SIZE = f"r2 = {MEMORY_BYTES}\n"  # engines set R1 alone


def program_of(vector: Vector) -> XlatedProgram:
    """The program of a standalone vector, for Engine.prepare(). It passes for verified."""
    return trusted(assemble(_R2_IS_SIZE + vector.asm).insns)


def run_on_engine(engine: Engine, vector: Vector) -> Iterator[Mismatch]:
    """Run all cases of a standalone vector: what did not come out as it must."""
    run = BareRun()
    try:
        executable = engine.prepare(program_of(vector))
        memory = run.mem.alloc(MEMORY_BYTES, name="memory of vectors")
        for case in vector.cases:
            run.mem.write(memory.base, case.memory)
            r0 = run.execute(executable, memory.base)
            if mismatch := vector.check(case, r0, run.mem.read(memory.base, MEMORY_BYTES)):
                yield mismatch
    finally:
        run.mem.close()


def check_engine_conforms(engine: Engine) -> None:
    """Run every standalone vector on *engine*.

    :raises AssertionError: with the first mismatches.
    """
    wrong = [m for vector in vectors() if vector.is_standalone for m in run_on_engine(engine, vector)]
    if wrong:
        raise AssertionError(f"{engine.name}: {len(wrong)} mismatches\n" + "\n".join(map(str, wrong[:20])))
