"""Expectations of the kernel's selftests: tags, messages, comparison with a record."""

import pytest

from beespace.btf.build import BtfBuilder
from beespace.testing.annotated import (
    Expectation,
    Outcome,
    OutcomeTable,
    RecordedOutcome,
    expectations,
    missing_message,
)
from beespace.testing.conformance import Judged
from beespace.uapi import bpf as uapi


def tagged(*tags):
    btf = BtfBuilder()
    func = btf.add_func("prog", btf.add_func_proto(0))
    for tag in tags:
        btf.add_decl_tag(f"comment:test_{tag}", func)
    return expectations(btf.to_btf()).get("prog")


def test_tags_of_a_program():
    found = tagged(
        "expect_failure", "expect_success_unpriv", "expect_msg=0=first", "expect_msg=12=second {{[0-9]+}}",
        "expect_msg_unpriv=3=other", "retval=-7", "log_level=2", "arch=X86_64",
    )  # fmt: skip
    assert (found.succeeds, found.succeeds_unpriv, found.retval) == (False, True, -7)
    assert found.messages == ("first", "second {{[0-9]+}}")
    assert (found.level, found.arches) == (2, ("X86_64",))


@pytest.mark.parametrize(
    ("tags", "flags"),
    [
        ((), 132),
        (("prog_flags=BPF_F_STRICT_ALIGNMENT",), 133),
        (("prog_flags=!BPF_F_TEST_REG_INVARIANTS",), 4),
        (("prog_flags=0x8",), 140),
    ],
)
def test_flags_a_program_is_loaded_with(tags, flags):
    assert tagged("expect_success", *tags).prog_flags == flags


def test_there_is_always_a_log():
    assert tagged("expect_success").level == 1
    assert tagged("expect_success", "log_level=4").level == 5


@pytest.mark.parametrize(
    ("patterns", "missing"),
    [
        (("r0 = 1", "R0=1"), None),
        (("R0=1", "r0 = 1"), "r0 = 1"),  # in this order
        (("R{{[0-9]}}=1",), None),
        (("(b7)",), None),  # no expression: parentheses stand for themselves
        (("r0 = {{.}} R0",), "r0 = {{.}} R0"),
        (("{{^r0 = 1$}}",), None),
        (("0{{.*}}exit",), "0{{.*}}exit"),  # not across lines
    ],
)
def test_messages_in_a_log(patterns, missing):
    assert missing_message("0: (b7)\nr0 = 1\n; R0=1\n1: exit\n", patterns) == missing


def judged(verdict):
    return Judged("a.bpf.o", "prog", verdict, insns_processed=5, states=1)


def outcome(one, record):
    table = OutcomeTable()
    table.add(one, record)
    return table


def test_a_message_that_both_lack_agrees():
    expected = Expectation("prog", succeeds=False, messages=("gone",))
    table = outcome(Outcome(judged("failure"), expected, "gone"), RecordedOutcome("failure", "gone", 5, 1))
    assert table.counts["messages agree"] == 1
    assert not table.disagreements


def test_a_message_that_one_lacks_does_not():
    expected = Expectation("prog", succeeds=False, messages=("there",))
    table = outcome(Outcome(judged("failure"), expected, "there"), RecordedOutcome("failure", "", 5, 2))
    assert table.counts["messages agree"] == 0
    assert table.counts["insns agree"] == 1
    assert table.counts["states agree"] == 0
    assert "message missing: 'there'" in table.disagreements[0]


def test_a_wrong_return_value_is_listed():
    expected = Expectation("prog", succeeds=True, retval=1)
    one = Outcome(judged("success"), expected, None, "wrong: 0, expected 1")
    table = outcome(one, RecordedOutcome("success", "", 5, 1))
    assert table.counts["run wrong"] == 1
    assert table.disagreements == ["a.bpf.o prog: run wrong: 0, expected 1"]


def test_default_flags_are_the_test_loaders():
    assert tagged("expect_success").prog_flags == uapi.BPF_F_TEST_RND_HI32 | uapi.BPF_F_TEST_REG_INVARIANTS
