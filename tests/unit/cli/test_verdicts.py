"""Verdicts in several processes, kept between runs, and counted by line."""

from pathlib import Path

import pytest

from beespace.cli.kernels import Backend
from beespace.cli.verdicts import Task, VerdictCache, tasks, verdicts
from beespace.debug.hot import hot_lines_of_log

PROGRAMS = Path(__file__).parents[2] / "programs"
FLOWS = Path(__file__).parents[3] / "examples/flows/flows.bpf.o"


def todo(*paths, **options):
    return list(tasks(paths, None, Backend.sim, 5, options.get("hot", False)))


def test_a_second_run_takes_verdicts_from_the_cache(tmp_path, monkeypatch):
    cache = VerdictCache(tmp_path)
    first = verdicts(todo(PROGRAMS / "rejected.bpf.o", hot=True), 1, cache)
    assert {one.judged.verdict for one in first} == {"success", "failure"}
    monkeypatch.setattr("beespace.cli.verdicts._judge", lambda task: pytest.fail("verified again"))
    assert verdicts(todo(PROGRAMS / "rejected.bpf.o", hot=True), 1, cache) == first


def test_another_object_or_option_is_another_entry(tmp_path):
    cache = VerdictCache(tmp_path)
    copy = tmp_path / "copy.bpf.o"
    copy.write_bytes((PROGRAMS / "rejected.bpf.o").read_bytes())
    (task, *_) = todo(copy)
    cache.put(task, verdicts([task], 1, None)[0])
    assert cache.get(task) is not None
    assert cache.get(Task(task.path, task.prog, Backend.sim, 1)) is None
    assert cache.get(Task(task.path, task.prog, Backend.linux, 5)) is None
    copy.write_bytes(copy.read_bytes() + b"\0")
    assert cache.get(task) is None


def test_a_damaged_entry_is_no_entry(tmp_path):
    cache = VerdictCache(tmp_path)
    (task, *_) = todo(PROGRAMS / "rejected.bpf.o")
    cache.put(task, verdicts([task], 1, None)[0])
    (entry,) = tmp_path.iterdir()
    entry.write_text('{"judged": {}}')
    assert cache.get(task) is None


@pytest.mark.slow
def test_several_processes_say_the_same_in_the_same_order():
    work = todo(PROGRAMS / "rejected.bpf.o", PROGRAMS / "subprogs.bpf.o")
    assert verdicts(work, 2, None) == verdicts(work, 1, None)


def test_what_cannot_be_read_is_a_verdict_of_its_own(tmp_path):
    bad = tmp_path / "bad.bpf.o"
    bad.write_bytes(b"no object")
    (one,) = verdicts(todo(bad), 1, None)
    assert one.judged.verdict == "error"


def test_counts_by_line_add_up_to_what_was_processed():
    for one in verdicts(todo(FLOWS, hot=True), 1, None):
        assert sum(line.count for line in one.hot) == one.judged.insns_processed
        assert all(line.source.file.endswith("flows.bpf.c") and line.count >= line.insns for line in one.hot)


def test_counts_out_of_a_log():
    log = (
        "; a @ x.c:1\n0: (b7) r0 = 0\n1: (15) if r1 == 0x0 goto pc-2\n; b @ x.c:2\n2: (95) exit\n\nfrom 1 to 0: safe\n"
    )
    assert [(str(line.source), line.count, line.insns) for line in hot_lines_of_log(log)] == [
        ("x.c:1", 3, 2),
        ("x.c:2", 1, 1),
    ]


@pytest.mark.oracle
def test_the_running_kernels_log_gives_the_same_counts(linux_kernel):
    work = list(tasks([FLOWS], None, Backend.linux, 5, True))
    ours = verdicts(todo(FLOWS, hot=True), 1, None)
    for one, other in zip(verdicts(work, 1, None), ours, strict=True):
        assert [(line.source.line, line.count) for line in one.hot] == [
            (line.source.line, line.count) for line in other.hot
        ]
