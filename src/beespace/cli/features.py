"""`beespace features`: what a kernel has, as `bpftool feature probe` asks it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from beespace.cli.kernels import Backend, open_kernel
from beespace.cli.main import reports_errors

if TYPE_CHECKING:
    from beespace.api.features import ProbedFeatures

__all__ = ["register"]


@reports_errors
def features(
    backend: Annotated[Backend, typer.Option(help="kernel to ask")] = Backend.linux,
    prog_type: Annotated[list[str] | None, typer.Option("--type", help="name the helpers of this type")] = None,
    kfuncs: Annotated[bool, typer.Option(help="ask for kfuncs too (some seconds)")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable, with all helpers")] = False,
) -> None:
    """Ask a kernel for its program types, map types, helpers of each program type, and instruction sets.

    Programs are loaded and maps created, and closed at once; nothing is attached or run.
    """
    from beespace.api.features import probe_features

    with open_kernel(backend) as kernel:
        found = probe_features(kernel, kfuncs=kfuncs)
    if as_json:
        print(json.dumps(found.as_json(), indent=1))
    else:
        _print(found, prog_type or [])


def _print(found: ProbedFeatures, shown_types: list[str]) -> None:
    for name, value in found.system.items():
        print(f"{name} = {'cannot be read' if value is None else value}")
    _print_answers("program types", found.prog_types)
    _print_answers("map types", found.map_types)
    _print_answers("verifier and instructions", found.misc)
    print("helpers of program types")
    _print_words(f"{name} {len(helpers)}" for name, helpers in found.helpers.items())
    if found.kfuncs:
        print("kfuncs of program types")
        _print_words(f"{name} {len(kfuncs)}" for name, kfuncs in found.kfuncs.items())
    for name in shown_types:
        print(f"helpers of {name}")
        _print_words(found.helpers.get(name, ()))
        if found.kfuncs:
            print(f"kfuncs of {name}")
            _print_words(found.kfuncs.get(name, ()))


def _print_answers(title: str, answers: Mapping[str, bool | None]) -> None:
    present = [name for name, answer in answers.items() if answer]
    print(f"{title}: {len(present)} of {len(answers)}")
    _print_words(present)
    for text, value in (("absent", False), ("not told (EPERM)", None)):
        missing = [name for name, answer in answers.items() if answer is value]
        if missing:
            print(f"  {text}: {', '.join(missing)}")


def _print_words(words: Iterable[str]) -> None:
    print(textwrap.fill(", ".join(words) or "none", 110, initial_indent="  ", subsequent_indent="  "))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(features)
