"""The refusals that people meet: what the message means, and what would satisfy the verifier.

Each rule has the message (kernel/bpf/verifier.c) as a pattern and a function that says why and how to mend it, from
the match and the path. Rules are tried in order; the first that matches the end of the log explains.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from beespace.debug.explain.facts import Origin, origin_of
from beespace.debug.explain.steps import Step, Trace
from beespace.values import frozen

__all__ = ["Advice", "Case", "Rule", "call_name", "collector"]


@frozen
class Advice:
    """*why* the verifier refuses and what would *fix* it: sentences."""

    why: str
    fix: str


@frozen
class Case:
    """What a rule looks at.

    :ivar match: of the rule's pattern in the messages.
    """

    trace: Trace
    match: re.Match[str]

    def group(self, name: str) -> str:
        """A group of the pattern, "" when it took no part."""
        return self.match.groupdict().get(name) or ""

    def number(self, name: str) -> int:
        """A group of the pattern as a number."""
        return int(self.group(name), 0)

    @property
    def step(self) -> Step | None:
        """The refused instruction."""
        return self.trace.last

    def known(self, register: str) -> str:
        """What is known of register number *register* when the instruction is reached, as in the log."""
        last = len(self.trace.steps) - 1
        return self.trace.known(f"R{register}", max(last, 0))

    def origin(self, register: str) -> Origin | None:
        """Where the value of register number *register* was made."""
        return origin_of(self.trace, int(register))

    def displacement(self, register: str) -> int:
        """The constant that the refused load or store adds to *register*; 0 for other instructions."""
        match = re.search(rf"\(r{register} ([+-]\d+)\)", self.step.insn) if self.step is not None else None
        return int(match.group(1)) if match else 0

    def last_call(self, since: Step) -> str:
        """The last call after *since*: "bpf_xdp_adjust_head() at line 15"; "" if there was none."""
        for step in reversed(self.trace.steps[:-1]):
            if step is since:
                break
            if name := call_name(step):
                return f"{name}()" + (f" at line {step.source.line}" if step.source and step.source.line else "")
        return ""

    def made(self, register: str, otherwise: str = "the value") -> str:
        """The value of a register by its origin: "what bpf_map_lookup_elem() returned at line 24"."""
        origin = self.origin(register)
        if origin is None:
            return otherwise
        at = f" at line {origin.step.source.line}" if origin.step.source and origin.step.source.line else ""
        match origin.what:
            case "call":
                name = origin.call if origin.call.startswith("the ") else f"{origin.call}()"
                return f"what {name} returned{at}"
            case "load":
                return f"the value loaded{at}"
            case "arithmetic":
                return f"the value computed{at}"
            case _:
                return f"the value set{at}"


@frozen
class Rule:
    """:ivar title: the refusal in a few words; :ivar pattern: found in the messages joined by newlines."""

    name: str
    title: str
    pattern: re.Pattern[str]
    advise: Callable[[Case], Advice]


Adviser = Callable[[Case], Advice]


def collector(rules: list[Rule]) -> Callable[[str, str, str], Callable[[Adviser], Adviser]]:
    """A decorator ``rule(name, title, pattern)`` that adds what it decorates to *rules*."""

    def rule(name: str, title: str, pattern: str) -> Callable[[Adviser], Adviser]:
        def add(advise: Adviser) -> Adviser:
            rules.append(Rule(name, title, re.compile(pattern, re.MULTILINE), advise))
            return advise

        return add

    return rule


def call_name(step: Step | None) -> str:
    """The helper or kfunc that *step* calls, "" if it calls none."""
    match = re.match(r"\(85\) call (\w+)#", step.insn) if step is not None else None
    return match.group(1) if match else ""
