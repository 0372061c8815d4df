"""`beespace verify`: the verdict on each program of objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beespace.cli.kernels import Backend
from beespace.cli.main import EXIT_NO, EXIT_UNSUPPORTED, reports_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beespace.debug.hot import HotLine
    from beespace.testing.conformance import Judged

__all__ = ["register"]

_HOT_LINES = 25
_CSV_COLUMNS = (
    "file_name,prog_name,verdict,duration,total_insns,total_states,peak_states,max_states_per_insn,mark_read_max_len"
)


@reports_errors
def verify(
    objects: Annotated[list[Path], typer.Argument(help=".bpf.o files (or .bpf.c where clang is installed)")],
    prog: Annotated[list[str] | None, typer.Option(help="only these programs")] = None,
    log: Annotated[bool, typer.Option("--log", help="print the verifier's log")] = False,
    log_level: Annotated[int, typer.Option(help="1 what led to the error, 2 every instruction, 4 statistics")] = 1,
    backend: Annotated[Backend, typer.Option(help="whose verifier")] = Backend.sim,
    explain: Annotated[
        bool, typer.Option("--explain", help="say why, along which path, and what would fix it")
    ] = False,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="explanations as SARIF, the path as code flow")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="veristat's columns")] = False,
    hot: Annotated[bool, typer.Option("--hot", help="how many instructions each C line costs")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="processes that verify")] = 1,
    cache: Annotated[bool, typer.Option(help="take verdicts of unchanged objects from the cache")] = True,
) -> None:
    """Say of every program whether the kernel would accept it, and why not.

    Programs are loaded one at a time with all maps of their object, as veristat does. 0: all accepted; 1: one is
    rejected; 3: one needs something that is not modelled.
    """
    from beespace.cli.verdicts import VerdictCache, tasks, verdicts

    level = log_level | 4 if log or log_level != 1 else 4 | 1
    found = verdicts(list(tasks(objects, prog, backend, level, hot)), jobs, VerdictCache() if cache else None)
    judged = [one.judged for one in found]
    if as_sarif:
        _print_sarif(judged)
    elif as_json:
        print(json.dumps([_record(one, explain) for one in judged], indent=1))
    elif as_csv:
        _print_csv(judged)
    else:
        for verdict in found:
            _print_one(verdict.judged, log, explain)
            if hot:
                _print_hot(verdict.judged, verdict.hot)
    kinds = {one.verdict for one in judged}
    if kinds & {"failure", "error"}:
        raise typer.Exit(EXIT_NO)
    if "unsupported" in kinds:
        raise typer.Exit(EXIT_UNSUPPORTED)


def _record(one: Judged, explained: bool) -> dict[str, object]:
    from beespace.debug.explain import as_json, explain

    more = {"explanation": as_json(explain(one.log, one.message))} if explained and one.verdict == "failure" else {}
    return more | {
        "file": one.file,
        "prog": one.prog,
        "verdict": one.verdict,
        "message": one.message,
        "insns_processed": one.insns_processed,
        "total_states": one.states,
    }


def _print_csv(judged: list[Judged]) -> None:
    print(_CSV_COLUMNS)
    for one in judged:
        numbers = (one.duration_us, max(one.insns_processed, 0), max(one.states, 0), max(one.peak_states, 0))
        rest = (max(one.max_states_per_insn, 0), max(one.mark_read, 0))
        print(",".join(map(str, (one.file, one.prog, one.verdict, *numbers, *rest))))


def _print_sarif(judged: list[Judged]) -> None:
    from beespace.debug.explain import explain, sarif

    refused = [(one.file, one.prog, explain(one.log, one.message)) for one in judged if one.verdict == "failure"]
    print(json.dumps(sarif(refused), indent=1))


def _print_one(one: Judged, log: bool, explained: bool) -> None:
    from beespace.debug.explain import as_text, explain

    if log and one.log:
        print(one.log, end="" if one.log.endswith("\n") else "\n")
    where = f"{one.file} {one.prog}".rstrip()
    if one.verdict == "success":
        print(f"{where}: accepted ({one.insns_processed} insns processed, {one.states} states)")
    elif explained and one.verdict == "failure":
        print(as_text(where, explain(one.log, one.message)))
    else:
        print(f"{where}: {one.verdict}: {one.summary or one.message}")


def _print_hot(one: Judged, lines: Sequence[HotLine]) -> None:
    from beespace.cli.tables import table

    total = sum(line.count for line in lines)
    rows = []
    for line in lines[:_HOT_LINES]:
        share = line.count / total
        where = f"{Path(line.source.file).name}:{line.source.line}"
        bar = "█" * max(1, round(20 * share))
        rows.append([str(line.count), f"{share:.1%}", bar, str(line.insns), where, line.source.text])
    header = ["processed", "share", "", "insns", "line", "source"]
    table(f"{one.prog}: {total} instructions processed", header, rows)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)
