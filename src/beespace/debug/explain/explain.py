"""A refusal explained: the rule that knows its message, the path in C, what was known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from beespace.debug.explain import rules_calls, rules_control, rules_memory
from beespace.debug.explain.facts import describe
from beespace.debug.explain.rules import Advice, Case
from beespace.debug.explain.steps import Step, Trace, read_trace
from beespace.errors import SourceLine
from beespace.values import frozen

__all__ = ["RULES", "Decision", "Explanation", "Fact", "as_json", "explain"]

RULES = (*rules_memory.RULES, *rules_control.RULES, *rules_calls.RULES)


@frozen
class Decision:
    """A branch on the path: at *source*, instruction *insn_idx*, and where it went on."""

    insn_idx: int
    insn: str
    taken: bool
    source: SourceLine | None
    to: SourceLine | None

    def __str__(self) -> str:
        went = "jumped" if self.taken else "fell through"
        if self.source is None:
            return f"insn {self.insn_idx}: {self.insn[5:]}  -> {went}"
        if self.to is not None and self.to.line != self.source.line:
            went = f"line {self.to.line}"
        return f"{self.source}: {self.source.text}  -> {went}"


@frozen
class Fact:
    """What was known of a register or stack slot: as in the log, and in words."""

    name: str
    state: str
    words: str


@frozen
class Explanation:
    """Why a program was refused.

    :ivar rule: name of the kind of refusal, "" when none is known (then the message stands for itself).
    :ivar title: it in a few words.
    :ivar message: the verifier's, verbatim (all lines of it).
    :ivar path: branches that led there, in order; :ivar visited: the source lines on the way.
    :ivar known: what was known of the registers that the refused instruction uses.
    """

    rule: str
    title: str
    message: str
    why: str
    fix: str
    source: SourceLine | None
    insn_idx: int
    insn: str
    path: tuple[Decision, ...]
    known: tuple[Fact, ...]
    visited: tuple[SourceLine, ...]


_JUMP = re.compile(r"\([0-9a-f]{2}\) (?:if .* goto|may_goto) pc([+-]\d+)")
_ONLY_WRITTEN = re.compile(r"(?<=\) )[rw]\d+ = ")
_REGISTER = re.compile(r"\b[rw](\d+)\b")


def explain(log: str, message: str = "") -> Explanation:
    """Explain the refusal at the end of a verifier's log.

    :param log: of level 1 or 2, from beespace or any kernel.
    :param message: the verdict, if the log is empty or ends with something else.
    """
    trace = read_trace(log)
    said = "\n".join(trace.messages) or message
    rule, advice = _advise(trace, said)
    last = trace.last
    return Explanation(
        rule[0],
        rule[1],
        said,
        advice.why,
        advice.fix,
        last.source if last else None,
        last.insn_idx if last else -1,
        last.insn if last else "",
        tuple(_decisions(trace.steps)),
        tuple(_facts(trace, said)),
        tuple(_visited(trace.steps)),
    )


def _advise(trace: Trace, said: str) -> tuple[tuple[str, str], Advice]:
    # the last line is the verdict; lines before it give numbers
    verdict = said.rsplit("\n", 1)[-1]
    for text in (verdict, said):
        for rule in RULES:
            multi = "\\n" in rule.pattern.pattern
            match = rule.pattern.search(said if multi else text)
            if match:
                return (rule.name, rule.title), rule.advise(Case(trace, match))
    return ("", verdict), Advice("", "")


def _decisions(steps: Sequence[Step]) -> list[Decision]:
    found: list[Decision] = []
    for step, after in pairwise(steps):
        match = _JUMP.match(step.insn)
        if match and after.frame == step.frame:
            taken = after.insn_idx == step.insn_idx + 1 + int(match.group(1))
            found.append(Decision(step.insn_idx, step.insn, taken, step.source, after.source))
    return found


def _visited(steps: Sequence[Step]) -> list[SourceLine]:
    lines: list[SourceLine] = []
    for step in steps:
        if step.source is not None and (not lines or lines[-1] != step.source):
            lines.append(step.source)
    return lines


def _facts(trace: Trace, said: str) -> list[Fact]:
    if trace.last is None:
        return []
    before = len(trace.steps) - 1
    text = trace.last.insn
    read = _ONLY_WRITTEN.sub("", text)
    names = list(dict.fromkeys(f"R{number}" for number in _REGISTER.findall(read)))
    if text.startswith("(85)"):
        names = [f"R{number}" for number in range(1, 6)]
    facts = []
    for name in names:
        state = trace.known(name, before)
        # a comparison proves bytes for all copies of a packet pointer, but prints only one: the message has the number
        if proven := re.search(rf"{name}\(id=\d+,off=-?\d+,r=(-?\d+)\)", said):
            state = re.sub(r"\br=-?\d+", f"r={proven.group(1)}", state)
        if state and not (state.startswith("pkt") and "mem access 'scalar'" in said):  # it was, once
            facts.append(Fact(name, state, describe(state)))
    return facts


def as_json(explanation: Explanation) -> Mapping[str, object]:
    """*explanation* as JSON values."""

    def at(source: SourceLine | None) -> object:
        return None if source is None else {"file": source.file, "line": source.line, "text": source.text}

    return {
        "rule": explanation.rule,
        "title": explanation.title,
        "message": explanation.message,
        "why": explanation.why,
        "fix": explanation.fix,
        "source": at(explanation.source),
        "insn_idx": explanation.insn_idx,
        "insn": explanation.insn,
        "path": [
            {"insn_idx": d.insn_idx, "insn": d.insn, "taken": d.taken, "source": at(d.source), "to": at(d.to)}
            for d in explanation.path
        ],
        "known": [{"name": f.name, "state": f.state, "words": f.words} for f in explanation.known],
    }
