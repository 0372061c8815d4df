"""The failing path out of a verifier's log: instructions in the order they were checked, with source and states.

A log of level 1 holds just the path that led to the refusal, because what belongs to finished paths is taken back. In
a log of level 2, which holds all paths, ``from 7 to 9:`` says that the walk went back to a branch; the path is cut
there. Works on the text of any kernel since 5.x, and on ours.

:see: kernel/bpf/log.c, kernel/bpf/verifier.c:do_check
"""

from __future__ import annotations

import re
from dataclasses import field

from beespace.api.verifier_log import SOURCE, source_line
from beespace.errors import SourceLine
from beespace.values import frozen, mutable

__all__ = ["Step", "Trace", "read_trace", "registers"]

_INSN = re.compile(r"(\d+): (\([0-9a-f]{2}\) .*)")
_AT = re.compile(r"(\d+): (?=frame\d+: |R\d+|fp-)")
_FROM = re.compile(r"from (\d+) to (\d+)(?: \(speculative execution\))?:\s*(.*)")
_STATE = re.compile(r"(?:cur state:|old state:)?\s*(?:frame\d+: ?)?(?:R\d+(?:_\w+)?=|fp-\d+(?:_\w+)?=|fp\d+=)")
_NOT_MESSAGES = re.compile(
    r"processed \d+ insns|verification time \d+ usec|stack depth |mark_precise: |(?:-- )?(?:BEGIN|END) PROG LOAD LOG|"
    r"(?:caller|callee|returning from callee|to caller at \d+):|propagating |\d+: safe$|Func#\d+ .*is safe for any|"
    r"Validating \S+ func#\d+|func#\d+ @\d+|Live regs before insn:|\s+\d+: [.\d]{10}"
)
# Written without a line of their own after an instruction that changed nothing.
_GLUED = re.compile(r"(infinite loop detected at insn \d+)")
_TOKEN = re.compile(r"(R\d+|fp-\d+)(?:_\w+)?=((?:[^\s(]|\((?:[^()]|\([^()]*\))*\))*)")
_FRAME = re.compile(r"frame(\d+):")


@mutable
class Step:
    """One instruction on the path.

    :ivar state: what was printed of registers and stack slots after it (``{"R0": "scalar()"}``).
    :ivar frame: number of its stack frame.
    :ivar walked: its other way is an earlier, finished path (only of a branch, only from logs of level 2).
    """

    insn_idx: int
    insn: str
    source: SourceLine | None = None
    state: dict[str, str] = field(default_factory=dict)
    frame: int = 0
    walked: bool = False


@frozen
class Trace:
    """The failing path of a log.

    :ivar steps: instructions in order; the last one was refused (unless the message came before the walk).
    :ivar entry: states that were printed before the first instruction.
    :ivar messages: what was said at the end, line by line; the last one is the verdict.
    :ivar processed: instructions the verifier processed in all, -1 if the log does not say.
    """

    steps: tuple[Step, ...]
    entry: dict[str, str]
    messages: tuple[str, ...]
    processed: int

    @property
    def last(self) -> Step | None:
        """The instruction that was refused."""
        return self.steps[-1] if self.steps else None

    def known(self, name: str, before: int | None = None, frame: int | None = None) -> str:
        """The newest text for register or slot *name* ("R1", "fp-8") before step number *before*; "" if none."""
        end = len(self.steps) if before is None else before
        frame = frame if frame is not None else (self.steps[end - 1].frame if end else 0)
        for step in reversed(self.steps[:end]):
            if step.frame == frame and name in step.state:
                return step.state[name]
            if step.frame < frame:
                break
        return self.entry.get(name, "") if frame == 0 else ""


def registers(text: str) -> dict[str, str]:
    """``R1=ctx() fp-8=mmmm????`` as a dict, in order.

    >>> registers("R1=map_value(map=m,ks=4,var_off=(0x0; 0x1ff)) fp-8=mmmm????")
    {'R1': 'map_value(map=m,ks=4,var_off=(0x0; 0x1ff))', 'fp-8': 'mmmm????'}
    """
    return {match.group(1): match.group(2) for match in _TOKEN.finditer(text)}


class _Reader:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.entry: dict[str, str] = {}
        self.messages: list[str] = []
        self.source: SourceLine | None = None
        self.processed = -1

    def line(self, line: str) -> None:
        if match := _INSN.match(line):
            self.insn(int(match.group(1)), match.group(2))
        elif match := _FROM.match(line):
            self.go_back(int(match.group(1)))
            self.states(match.group(3))
            self.messages.clear()
        elif match := SOURCE.match(line):
            self.source = source_line(match, self.source)
        elif match := _AT.match(line):
            self.states(line[match.end() :])
        elif _STATE.match(line.strip()):
            if not line.startswith(("cur state:", "old state:")):
                self.states(line)
        elif match := re.match(r"processed (\d+) insns", line):
            self.processed = int(match.group(1))
        elif _NOT_MESSAGES.match(line):
            if line.startswith("returning from callee") and self.steps:
                self.steps[-1].state = {}
        else:
            self.messages.append(line.strip())

    def insn(self, idx: int, rest: str) -> None:
        self.messages.clear()
        glued = _GLUED.search(rest)
        if glued:
            rest = rest[: glued.start()]
            self.messages.append(glued.group(1))
        # "text ; states" after it has been checked; "text 5: states" where two ways meet
        text, _, state = rest.partition(" ; ")
        if not state and (meets := re.search(r" \d+: (?=frame\d+: |R\d+)", text)):
            text, state = text[: meets.start()], text[meets.end() :]
        step = Step(idx, text.rstrip(), self.source)
        if self.steps:
            step.frame = self.steps[-1].frame
            if self.steps[-1].insn.startswith("(85) call pc"):
                step.frame += 1
            elif self.steps[-1].insn.startswith("(95) exit"):
                step.frame = max(0, step.frame - 1)
        self.steps.append(step)
        self.states(state)

    def states(self, text: str) -> None:
        found = registers(text)
        if not found:
            return
        if not self.steps:
            self.entry |= found
            return
        step = self.steps[-1]
        frame = _FRAME.search(text)
        if (
            frame is None
            or int(frame.group(1)) == step.frame
            or found.keys() & {"R0"}
            or int(frame.group(1)) == step.frame + 1
        ):
            step.state |= found

    def go_back(self, branch: int) -> None:
        for number in range(len(self.steps) - 1, -1, -1):
            step = self.steps[number]
            if step.insn_idx == branch and not step.walked:
                step.walked = True
                step.state = {}
                del self.steps[number + 1 :]
                return

    def done(self) -> Trace:
        return Trace(tuple(self.steps), self.entry, tuple(self.messages), self.processed)


def read_trace(log: str) -> Trace:
    """The failing path of *log* (level 1 or 2)."""
    reader = _Reader()
    for line in log.splitlines():
        # some messages lack their newline: statistics follow on the same line
        line = re.split(r"(?<=.)(?=processed \d+ insns \(limit)|(?<=.)(?=verification time \d+ usec)", line)[0]
        if line.strip():
            reader.line(line)
    return reader.done()
