"""Logs read, states put into words, refusals explained."""

import re

import pytest

from beespace.debug.explain import RULES, as_json, as_text, explain, read_trace, sarif
from beespace.debug.explain.facts import describe, origin_of, range_of
from beespace.debug.explain.steps import registers

FAILING = """\
0: R1=ctx() R10=fp0
; __u32 key = ctx->mark; @ a.c:10
0: (61) r1 = *(u32 *)(r1 +8)          ; R1=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
1: (63) *(u32 *)(r10 -4) = r1         ; R1=scalar(id=1) R10=fp0 fp-8=mmmm????
; v = bpf_map_lookup_elem(&m, &key); @ a.c:11
2: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=2,map=m,ks=4,vs=8)
3: (bf) r6 = r0            ; R0=map_value_or_null(id=2,map=m,ks=4,vs=8) R6=map_value_or_null(id=2,map=m,ks=4,vs=8)
; if (key > 4) @ a.c:12
4: (25) if r7 > 0x4 goto pc+1         ; R7=4
; return *v; @ a.c:14
6: (79) r0 = *(u64 *)(r6 +0)
R6 invalid mem access 'map_value_or_null'
processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""


def test_the_path_and_what_is_known_of_it():
    trace = read_trace(FAILING)
    assert [step.insn_idx for step in trace.steps] == [0, 1, 2, 3, 4, 6]
    assert trace.entry == {"R1": "ctx()", "R10": "fp0"}
    assert trace.messages == ("R6 invalid mem access 'map_value_or_null'",)
    assert trace.processed == 7
    assert str(trace.last.source) == "a.c:14"
    assert trace.known("R7") == "4"
    assert trace.known("fp-8") == "mmmm????"
    assert trace.known("R9") == ""


def test_where_a_value_was_made_is_followed_through_moves():
    origin = origin_of(read_trace(FAILING), 6)
    assert (origin.what, origin.call, origin.step.insn_idx) == ("call", "bpf_map_lookup_elem", 2)


def test_an_explanation_names_line_path_origin_and_fix():
    explained = explain(FAILING)
    assert explained.rule == "unchecked-null"
    assert "what bpf_map_lookup_elem() returned at line 11" in explained.why
    (branch,) = explained.path
    assert (branch.insn_idx, branch.taken, str(branch.source), str(branch.to)) == (4, True, "a.c:12", "a.c:14")
    text = as_text("prog", explained)
    assert "at a.c:14" in text
    assert "a.c:12: if (key > 4)  -> line 14" in text
    assert text.endswith("R6 invalid mem access 'map_value_or_null'")


def test_json_and_sarif_carry_the_path():
    explained = explain(FAILING)
    assert as_json(explained)["path"][0]["to"] == {"file": "a.c", "line": 14, "text": "return *v;"}
    log = sarif([("a.bpf.o", "prog", explained)])
    (run,) = log["runs"]
    (result,) = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][0]["id"] == "unchecked-null"
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 14
    flow = result["codeFlows"][0]["threadFlows"][0]["locations"]
    lines = [step["location"]["physicalLocation"]["region"]["startLine"] for step in flow]
    assert lines == [10, 11, 12, 14]


def test_in_a_log_of_all_paths_finished_ones_are_left_out():
    log = (
        "0: R1=ctx() R10=fp0\n0: (b7) r0 = 0   ; R0=0\n1: (15) if r1 == 0x0 goto pc+2 ; R1=ctx()\n"
        "2: (b7) r0 = 1   ; R0=1\n3: (95) exit\n\n"
        "from 1 to 4: R0=0 R1=ctx() R10=fp0\n4: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'scalar'\n"
    )
    explained = explain(log)
    assert [(branch.insn_idx, branch.taken) for branch in explained.path] == [(1, True)]
    assert read_trace(log).known("R0", before=2) == "0"
    assert explained.rule == "not-a-pointer"


def test_a_message_without_a_line_of_its_own():
    log = (
        "5: (04) w2 += 1   ; R2=scalar()\n"
        "9: (ce) if w2 s< w1 goto pc-5 infinite loop detected at insn 5\ncur state: R2=1\n"
    )
    explained = explain(log)
    assert (explained.rule, explained.message) == ("infinite-loop", "infinite loop detected at insn 5")
    assert explained.insn == "(ce) if w2 s< w1 goto pc-5"


def test_frames_keep_their_registers_apart():
    log = (
        "0: R1=ctx() R10=fp0\n0: (b7) r6 = 5 ; R6=5\n1: (85) call pc+1\n"
        "caller:\n R6=5 R10=fp0\ncallee:\n frame1: R1=ctx() R10=fp0\n"
        "3: frame1: R1=ctx() R10=fp0\n3: (b7) r6 = 7 ; frame1: R6=7\n4: (95) exit\n"
        "returning from callee:\n frame1: R0=1\n"
        "to caller at 2:\n R0=1 R6=5\n2: (79) r0 = *(u64 *)(r6 +0)\nR6 invalid mem access 'scalar'\n"
    )
    trace = read_trace(log)
    assert [step.frame for step in trace.steps] == [0, 0, 1, 1, 0]
    assert trace.known("R6", before=4, frame=0) == "5"


def test_a_message_that_no_rule_knows_stands_for_itself():
    explained = explain("something new happened\n")
    assert (explained.rule, explained.title, explained.fix) == ("", "something new happened", "")
    assert "something new happened" in as_text("p", explained)
    assert explain("", "no log").message == "no log"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("scalar()", "any number"),
        ("scalar(umin=4,umax=9)", "a number from 4 to 9"),
        ("scalar(smin=smin32=-5,smax=smax32=7)", "a number from -5 to 7"),
        ("scalar(smin=0xffffffff80000000,smax=0x7fffffff)", "any signed 32-bit number (-2147483648 to 2147483647)"),
        ("P3", "the number 3"),
        ("fp-16", "points to this function's stack at fp-16"),
        ("map_value(map=m,ks=4,vs=8,off=4)", "points to a value of map m (8 bytes), 4 bytes in"),
        ("rcu_ptr_or_null_task_struct(id=3)", "points to struct task_struct, or is NULL"),
        ("pkt_end()", "the end of the packet"),
    ],
)
def test_states_in_words(state, words):
    assert describe(state) == words


def test_ranges_only_of_numbers():
    assert range_of("ctx()") is None
    assert range_of("scalar(umax=3)") == (0, 3)
    assert registers("frame1: R1_w=P0 R2=mem(sz=8) fp-8_w=00000000 refs=2") == {
        "R1": "P0",
        "R2": "mem(sz=8)",
        "fp-8": "00000000",
    }


def test_rules_have_distinct_names_and_sound_patterns():
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z-]+", name) for name in names)
    assert len(RULES) >= 40
