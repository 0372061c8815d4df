"""What the kernel's selftests expect of themselves: ``__success``, ``__msg()``, ``__retval()``, read from an object.

The expectations are declaration tags (``btf_decl_tag("comment:test_...")``) on the programs' functions.

:see: tools/testing/selftests/bpf/test_loader.c
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beespace.errors import BpfError, InternalError, Unsupported
from beespace.testing.conformance import Judged, judge_prog
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.btf import Btf

__all__ = [
    "POINTER_VALUE",
    "TEST_DATA_LEN",
    "Expectation",
    "Outcome",
    "OutcomeTable",
    "RecordedOutcome",
    "expectations",
    "missing_message",
    "read_tests",
    "try_object",
]

POINTER_VALUE = 0xCAFE4A11  # a return value that cannot be foretold
TEST_DATA_LEN = 64  # bytes of the packet that a program is run with
_PREFIX = "comment:test_"
_DEFAULT_FLAGS = uapi.BPF_F_TEST_RND_HI32 | uapi.BPF_F_TEST_REG_INVARIANTS
_FLAGS = {
    name: getattr(uapi, name)
    for name in (
        "BPF_F_STRICT_ALIGNMENT",
        "BPF_F_ANY_ALIGNMENT",
        "BPF_F_TEST_RND_HI32",
        "BPF_F_TEST_STATE_FREQ",
        "BPF_F_SLEEPABLE",
        "BPF_F_XDP_HAS_FRAGS",
        "BPF_F_TEST_REG_INVARIANTS",
    )
}
_NUMBERED = re.compile(r"(expect_msg|expect_msg_unpriv|expect_xlated|expect_xlated_unpriv)=(?:\d+=)?(.*)", re.DOTALL)
_SYMBOLS = {"INT_MIN": -(1 << 31), "POINTER_VALUE": POINTER_VALUE, "TEST_DATA_LEN": TEST_DATA_LEN}


@dataclass(slots=True)
class Expectation:
    """``struct test_spec``, as a privileged loader tests it.

    :ivar succeeds: the program is accepted; None: nothing is expected of it.
    :ivar messages: patterns in the log, in this order; ``{{...}}`` in them are regular expressions.
    :ivar retval: what a run with an empty packet returns (s32), None for no run.
    :ivar auxiliary: other programs of the object need it: it is loaded with each of them.
    :ivar arches: architectures it is for, empty for all.
    """

    prog: str
    succeeds: bool | None = None
    succeeds_unpriv: bool | None = None
    messages: tuple[str, ...] = ()
    xlated: tuple[str, ...] = ()
    retval: int | None = None
    prog_flags: int = _DEFAULT_FLAGS
    log_level: int = 0
    auxiliary: bool = False
    arches: tuple[str, ...] = ()

    def add(self, tag: str) -> None:
        """Take in one tag, without ``comment:test_``."""
        name, _, value = tag.partition("=")
        numbered = _NUMBERED.fullmatch(tag)
        if numbered is not None and numbered[1] == "expect_msg":
            self.messages += (numbered[2],)
        elif numbered is not None and numbered[1] == "expect_xlated":
            self.xlated += (numbered[2],)
        elif name in ("expect_success", "expect_failure"):
            self.succeeds = name == "expect_success"
        elif name in ("expect_success_unpriv", "expect_failure_unpriv"):
            self.succeeds_unpriv = name == "expect_success_unpriv"
        elif name == "retval":
            self.retval = _SYMBOLS[value] if value in _SYMBOLS else int(value, 0)
        elif name == "log_level":
            self.log_level = int(value, 0)
        elif name == "prog_flags":
            flag = _FLAGS.get(value.removeprefix("!")) or int(value.removeprefix("!"), 0)
            self.prog_flags = self.prog_flags & ~flag if value.startswith("!") else self.prog_flags | flag
        elif name == "auxiliary":
            self.auxiliary = True
        elif name == "arch":
            self.arches += (value,)

    @property
    def level(self) -> int:
        """Log level to load it with: there is always a log to search."""
        return self.log_level if self.log_level & 3 else self.log_level | 1


def expectations(btf: Btf) -> dict[str, Expectation]:
    """What an object with these types expects of its programs, by name."""
    found: dict[str, Expectation] = {}
    for type_id, t in btf.types():
        if t.kind != uapi.BTF_KIND_FUNC:
            continue
        for index, tag in btf.decl_tags(type_id):
            if index == -1 and tag.startswith(_PREFIX):
                found.setdefault(t.name, Expectation(t.name)).add(tag.removeprefix(_PREFIX))
    return found


def missing_message(log: str, patterns: Iterable[str]) -> str | None:
    """The first of the patterns that the log does not have after the ones before it; None: it has them all."""
    at = 0
    for pattern in patterns:
        match = _compiled(pattern).search(log, at)
        if match is None:
            return pattern
        at = match.end()
    return None


def _compiled(pattern: str) -> re.Pattern[str]:
    # Text, with POSIX extended regular expressions between double braces.
    parts = re.split(r"\{\{(.*?)\}\}", pattern, flags=re.DOTALL)
    text = "".join(_posix(part) if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return re.compile(text, re.MULTILINE)  # REG_NEWLINE


_CLASSES = {"alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "digit": "0-9", "space": r"\s", "xdigit": "0-9a-fA-F"}


def _posix(expression: str) -> str:
    for name, chars in _CLASSES.items():
        expression = expression.replace(f"[:{name}:]", chars)
    return expression


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one program's expectations.

    :ivar missing: the message that the log lacks, None when it has them all.
    :ivar run: "" when it was not to be run, "right", "wrong: ...", "unsupported: ...".
    """

    judged: Judged
    expected: Expectation
    missing: str | None
    run: str = ""


def try_object(
    path: Path, make_kernel: Callable[[], Any], *, progs: Iterable[str] | None = None
) -> list[Outcome]:  # fmt: skip
    """Load (and run) each program that expects something, as the kernel's test loader does."""
    wanted = None if progs is None else set(progs)
    with make_kernel() as kernel:
        obj = kernel.open(path)
        expected = expectations(obj.btf) if obj.btf is not None else {}
        names = [prog.name for prog in obj.progs]
    helpers = {one.prog for one in expected.values() if one.auxiliary}
    return [
        _test(path, expected[name], helpers, make_kernel)
        for name in names
        if name in expected and (wanted is None or name in wanted) and expected[name].succeeds is not None
    ]


def _test(path: Path, expected: Expectation, helpers: set[str], make_kernel: Callable[[], Any]) -> Outcome:
    run = ""

    def prepare(obj: Any) -> None:
        for prog in obj.progs:
            prog.autoload = prog.name == expected.prog or prog.name in helpers
        obj.progs[expected.prog].flags |= expected.prog_flags

    def after(obj: Any) -> None:
        nonlocal run
        if expected.retval is not None:
            run = _run(obj.progs[expected.prog], expected.retval)

    judged = judge_prog(path, expected.prog, make_kernel, expected.level, prepare=prepare, after=after)
    return Outcome(judged, expected, missing_message(judged.log, expected.messages), run)


def _run(prog: Any, retval: int) -> str:
    data = None if prog.prog_type == uapi.BPF_PROG_TYPE_SYSCALL else bytes(TEST_DATA_LEN)
    try:
        got = prog.run(data).retval
    except Unsupported as err:
        return f"unsupported: {err.feature}"
    except (BpfError, InternalError) as err:
        return f"wrong: {str(err).splitlines()[0]}"
    if retval in (got, POINTER_VALUE) or retval & 0xFFFFFFFF == got & 0xFFFFFFFF:
        return "right"
    return f"wrong: {got}, expected {retval}"


@dataclass(frozen=True, slots=True)
class RecordedOutcome:
    """What a kernel made of a program's expectations.

    :ivar missing: the message that the kernel's log lacked, "" when it had them all.
    """

    verdict: str
    missing: str
    insns: int
    states: int


def read_tests(path: Path) -> dict[tuple[str, str], RecordedOutcome]:
    """Rows of a table of recorded tests that have a verdict, by (object's base name, program)."""
    with path.open(newline="") as file:
        return {
            (Path(row["file"]).name, row["prog"]): RecordedOutcome(
                row["kernel618"], row["first_missing_msg"], int(row["insns"] or 0), int(row["states"] or 0)
            )
            for row in csv.DictReader(file)
            if row["kernel618"] in ("success", "failure")
        }


@dataclass(slots=True)
class OutcomeTable:
    """Agreement of tests with a record."""

    counts: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)

    def add(self, one: Outcome, record: RecordedOutcome) -> None:
        """Count one program."""
        judged, counts = one.judged, self.counts
        counts["programs"] += 1
        where = f"{judged.file} {judged.prog}"
        if judged.verdict == record.verdict:
            counts["verdicts agree"] += 1
        else:
            self.note(where, f"{judged.verdict} ({judged.message}), kernel {record.verdict}")
        if (one.expected.succeeds is not None) and one.expected.messages and self._expected(one, record):
            counts["with messages"] += 1
            found, found_there = one.missing is None and judged.verdict == record.verdict, not record.missing
            if found == found_there:
                counts["messages agree"] += 1
            else:
                said = "message found, not in the kernel's log" if found else f"message missing: {one.missing!r}"
                self.note(where, f"{said} ({judged.verdict}: {judged.message})")
        if judged.verdict == record.verdict and judged.insns_processed >= 0:
            counts["with figures"] += 1
            counts["insns agree"] += judged.insns_processed == record.insns
            counts["states agree"] += judged.states == record.states
        if one.expected.retval is not None and record.verdict == "success":
            counts["to run"] += 1
            counts["run " + (one.run.partition(":")[0] or "not loaded")] += 1
            if one.run != "right":
                self.note(where, f"run {one.run or 'not loaded'}")

    @staticmethod
    def _expected(one: Outcome, record: RecordedOutcome) -> bool:
        # Messages are compared only where the kernel's verdict was the expected one.
        return (record.verdict == "success") == one.expected.succeeds

    def note(self, where: str, what: str) -> None:
        """Remember a difference."""
        self.disagreements.append(f"{where}: {what}")
