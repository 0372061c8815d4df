"""Make a program small while it keeps showing the same difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from beespace.testing.fuzz.program import FuzzProgram, Node

__all__ = ["shrink"]


def _without_each(block: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
    # everything first, then halves .. single statements, then inside of statements
    size = len(block)
    step = size
    while step >= 1:
        for start in range(0, size, step):
            yield block[:start] + block[start + step :]
        step //= 2
    for at, node in enumerate(block):
        for inner in node.blocks:
            yield block[:at] + inner + block[at + 1 :]
        for number, inner in enumerate(node.blocks):
            for smaller in _without_each(inner):
                blocks = (*node.blocks[:number], smaller, *node.blocks[number + 1 :])
                yield (*block[:at], replace(node, blocks=blocks), *block[at + 1 :])


def _candidates(program: FuzzProgram) -> Iterator[FuzzProgram]:
    for body in _without_each(program.body):
        yield replace(program, body=body)
    for number, sub in enumerate(program.subprogs):
        for smaller in _without_each(sub):
            yield replace(program, subprogs=(*program.subprogs[:number], smaller, *program.subprogs[number + 1 :]))


def shrink(program: FuzzProgram, still_fails: Callable[[FuzzProgram], bool], *, attempts: int = 2000) -> FuzzProgram:
    """The smallest program found from which every single removal loses the difference.

    :param still_fails: whether a candidate shows the difference that matters.
    :param attempts: candidates to try at most.
    """
    progress = True
    while progress and attempts > 0:
        progress = False
        for candidate in _candidates(program):
            attempts -= 1
            if attempts <= 0:
                break
            if candidate.size() < program.size() and still_fails(candidate):
                program, progress = candidate, True
                break
    return program
