"""Our verdicts beside those that a kernel gave: whole objects, one program at a time, as veristat loads them."""

from __future__ import annotations

import csv
import re
import resource
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import field, replace
from pathlib import Path
from typing import Any

import beespace
from beespace.errors import BpfError, InternalError, SyscallError, Unsupported, VerifierError, errno_name
from beespace.uapi import bpf as uapi
from beespace.values import frozen, mutable

__all__ = ["Disagreement", "Judged", "Table", "judge_object", "judge_prog", "log_stats", "message_of", "read_verdicts"]


@frozen
class Judged:
    """One program's verdict.

    :ivar verdict: "success", "failure", "unsupported", or "error" (the object could not be brought to the verifier).
    """

    file: str
    prog: str
    verdict: str
    message: str = ""
    insns_processed: int = -1
    states: int = -1
    log: str = ""
    summary: str = ""  # the error as text of a few lines, "" when the message says it all
    peak_states: int = -1
    max_states_per_insn: int = -1
    mark_read: int = -1
    duration_us: int = 0


@frozen
class Recorded:
    """One row of a table of recorded verdicts."""

    file: str
    prog: str
    verdict: str
    insns_processed: int
    message: str


@frozen
class Disagreement:
    """A program on which we and the record differ; ``unsound`` when we accept what the kernel refuses."""

    judged: Judged
    recorded: Recorded

    @property
    def unsound(self) -> bool:
        """We accept, the kernel does not."""
        return self.judged.verdict == "success" and self.recorded.verdict == "failure"


@mutable
class Table:
    """Agreement over many programs."""

    counts: Counter[str] = field(default_factory=Counter)
    disagreements: list[Disagreement] = field(default_factory=list)

    def add(self, judged: Judged, recorded: Recorded) -> None:
        """Count one program."""
        self.counts["programs"] += 1
        if judged.verdict == recorded.verdict:
            self.counts["agree"] += 1
            return
        self.counts[f"{judged.verdict}, kernel {recorded.verdict}"] += 1
        self.disagreements.append(Disagreement(judged, recorded))


def read_verdicts(path: Path) -> dict[tuple[str, str], Recorded]:
    """Rows of a table of verdicts with a verdict, keyed by (object's base name, program)."""
    with path.open(newline="") as file:
        return {
            (Path(row["file"]).name, row["prog"]): Recorded(
                Path(row["file"]).name,
                row["prog"],
                row["verdict"],
                int(row["insns_processed"] or 0),
                row.get("message", ""),
            )
            for row in csv.DictReader(file)
            if row["verdict"] in ("success", "failure")
        }


_STATS = re.compile(
    r"processed (\d+) insns \(limit \d+\) max_states_per_insn (\d+) "
    r"total_states (\d+) peak_states (\d+) mark_read (\d+)"
)
_TIME = re.compile(r"verification time (\d+) usec")


def log_stats(log: str) -> tuple[int, int]:
    """(insns processed, total states) from the last line of a verifier's log; -1 where it has none."""
    found = _STATS.search(log)
    return (int(found.group(1)), int(found.group(3))) if found else (-1, -1)


def message_of(log: str) -> str:
    """The line that says why: the last one before the statistics."""
    lines = [line for line in log.splitlines() if line and not line.startswith(_AFTER_MESSAGE)]
    return lines[-1] if lines else ""


_AFTER_MESSAGE = ("processed ", "verification time ", "stack depth ")


# What veristat does before it loads a single program: maps of usable sizes, nothing pinned.
def _fix_maps(obj: Any) -> None:
    for bpf_map in obj.maps:
        if bpf_map.pin_path:
            bpf_map.pin_path = None
        match bpf_map.map_type:
            case uapi.BPF_MAP_TYPE_RINGBUF | uapi.BPF_MAP_TYPE_USER_RINGBUF if bpf_map.max_entries == 0:
                bpf_map.max_entries = resource.getpagesize()
            case uapi.BPF_MAP_TYPE_PERF_EVENT_ARRAY:
                bpf_map.key_size = bpf_map.key_size or 4
                bpf_map.value_size = bpf_map.value_size or 4
            case uapi.BPF_MAP_TYPE_STACK_TRACE if bpf_map.value_size == 0:
                bpf_map.value_size = 127 * 8
            case _:
                pass
        if bpf_map.max_entries == 0 and bpf_map.map_type not in _NO_ENTRIES:
            bpf_map.max_entries = 1


# Programs that are not loaded are no elements of program arrays and no members of struct_ops.
def _forget_unloaded(obj: Any) -> None:
    loaded = {prog.name for prog in obj.progs if prog.autoload}
    for bpf_map in obj.maps:
        bpf_map.keep_only(loaded)
        if bpf_map.spec.struct_ops is not None and not bpf_map.spec.struct_ops.progs:
            bpf_map.autocreate = False


_NO_ENTRIES = {
    uapi.BPF_MAP_TYPE_SK_STORAGE,
    uapi.BPF_MAP_TYPE_INODE_STORAGE,
    uapi.BPF_MAP_TYPE_TASK_STORAGE,
    uapi.BPF_MAP_TYPE_CGRP_STORAGE,
    uapi.BPF_MAP_TYPE_STRUCT_OPS,
}


def judge_object(
    path: Path,
    make_kernel: Callable[[], Any] = lambda: beespace.Kernel(),
    *,
    progs: Iterable[str] | None = None,
    log_level: int = 0,
) -> list[Judged]:
    """The verdict on each program of an object: for every one a fresh load with only that program and all maps."""
    wanted = None if progs is None else set(progs)
    try:
        with make_kernel() as kernel:
            names = [prog.name for prog in kernel.open(path).progs]
    except BpfError as err:
        return [Judged(path.name, "", "error", str(err).splitlines()[0])]
    return [_judge(path, name, make_kernel, log_level) for name in names if wanted is None or name in wanted]


def _judge(path: Path, name: str, make_kernel: Callable[[], Any], log_level: int) -> Judged:
    def prepare(obj: Any) -> None:
        for prog in obj.progs:
            prog.autoload = prog.name == name

    return judge_prog(path, name, make_kernel, log_level or 4, prepare=prepare)


def judge_prog(
    path: Path,
    name: str,
    make_kernel: Callable[[], Any],
    log_level: int,
    *,
    prepare: Callable[[Any], None],
    after: Callable[[Any], None] | None = None,
) -> Judged:
    """The verdict on one program of an object.

    :param prepare: told the open object, chooses what is loaded.
    :param after: told the object when it is loaded.
    """
    with make_kernel() as kernel:
        try:
            obj = kernel.open(path)
            _fix_maps(obj)
            prepare(obj)
            _forget_unloaded(obj)
            chosen = next(prog for prog in obj.progs if prog.name == name)
            chosen.log_level = log_level
            obj.load()
        except VerifierError as err:
            return replace(_judged(path, name, "failure", err.log), message=err.message, summary=str(err))
        except Unsupported as err:
            return Judged(path.name, name, "unsupported", err.feature)
        except SyscallError as err:
            return Judged(path.name, name, "error", f"{err.what}: {errno_name(err.errno or 0)}")
        except (BpfError, InternalError) as err:
            return Judged(path.name, name, "error", str(err).splitlines()[0])
        except (TimeoutError, KeyboardInterrupt):
            raise
        except Exception as err:  # a bug of ours: one line of the table, not the end of it
            return Judged(path.name, name, "error", f"crash: {type(err).__name__}: {err}")
        if after is not None:
            after(obj)
        return _judged(path, name, "success", chosen.log)


def _judged(path: Path, name: str, verdict: str, log: str) -> Judged:
    # the statistics of a verification stand in its log, on either kernel
    stats = _STATS.search(log)
    time = _TIME.search(log)
    insns, per_insn, total, peak, mark_read = map(int, stats.groups()) if stats else (-1, -1, -1, -1, -1)
    return Judged(
        path.name,
        name,
        verdict,
        insns_processed=insns,
        states=total,
        log=log,
        peak_states=peak,
        max_states_per_insn=per_insn,
        mark_read=mark_read,
        duration_us=int(time.group(1)) if time else 0,
    )
