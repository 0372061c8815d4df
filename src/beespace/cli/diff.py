"""`beespace diff`: an object on the simulated and on the real kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beespace.cli.kernels import Backend, open_kernel
from beespace.cli.main import EXIT_NO, EXIT_UNSUPPORTED, reports_errors
from beespace.cli.tables import table
from beespace.errors import InputError

if TYPE_CHECKING:
    from beespace.api import Object

__all__ = ["register"]

_SHOWN = 100  # characters of a value in the table


@reports_errors
def diff(
    path: Annotated[Path, typer.Argument(metavar="OBJECT", help=".bpf.o file")],
    prog: Annotated[list[str] | None, typer.Option(help="only these programs")] = None,
    pcap: Annotated[Path | None, typer.Option(help="run on the packets of a capture")] = None,
    data: Annotated[list[str] | None, typer.Option(help="run on a packet of hexadecimal text; may be repeated")] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="MAP[.FIELD]", help="leave out a map, or a field of its values (times); may be repeated"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    everything: Annotated[bool, typer.Option("--all", help="show what is equal too")] = False,
) -> None:
    """Compare verdict, log statistics, return values, data, contexts and map contents on both kernels.

    0: no difference; 1: differences; 3: something is not modelled; 4: bpf(2) is not allowed.
    """
    from beespace.api.pcap import read_capture
    from beespace.testing.differ import diff_object

    inputs: list[tuple[bytes | None, bytes | None]] = [(bytes.fromhex(text), None) for text in data or []]
    if pcap is not None:
        inputs += [(packet.data, None) for packet in read_capture(str(pcap))]
    with open_kernel(Backend.linux) as linux:
        cpus = linux.features.cpus
        spans = _spans(linux.open(path), [text for text in ignore or [] if "." in text])

    def without_ignored(map_name: str, value: bytes) -> bytes:
        for start, end in spans.get(map_name, ()):
            value = value[:start] + bytes(end - start) + value[end:]
        return value

    results = diff_object(
        path,
        lambda: open_kernel(Backend.sim, cpus=cpus),
        lambda: open_kernel(Backend.linux),
        progs=prog,
        inputs=inputs,
        ignore_maps=[text for text in ignore or [] if "." not in text],
        volatile_fields=without_ignored,
    )
    if as_json:
        print(json.dumps([_record(each, everything) for each in results], indent=1))
    else:
        for each in results:
            if each.unsupported:
                print(f"{each.prog}: unsupported: {each.unsupported}")
                continue
            equal = len(each.lines) - len(each.differences)
            print(f"{each.prog}: {equal} equal, {len(each.differences)} different")
            rows = [[line.what, line.ours[:_SHOWN], line.kernels[:_SHOWN]] for line in each.lines]
            shown = [row for row, line in zip(rows, each.lines, strict=True) if everything or not line.equal]
            if shown:
                table("", ["what", "simulated", "kernel"], shown)
    if any(each.differences for each in results):
        raise typer.Exit(EXIT_NO)
    if any(each.unsupported for each in results):
        raise typer.Exit(EXIT_UNSUPPORTED)


def _spans(obj: Object, fields: list[str]) -> dict[str, list[tuple[int, int]]]:
    # map -> byte ranges of its values, of fields given as MAP.FIELD
    spans: dict[str, list[tuple[int, int]]] = {}
    for text in fields:
        name, _, path = text.partition(".")
        found = next((each for each in obj.maps if each.name == name), None)
        if found is None or found.btf is None or not found.spec.value_type_id:
            raise InputError("--ignore", expected="a map whose values have BTF", found=name)
        field = found.btf.field(found.spec.value_type_id, path)
        start = field.byte_off
        spans.setdefault(name, []).append((start, start + found.btf.size(field.type_id)))
    return spans


def _record(each: object, everything: bool) -> dict[str, object]:
    from beespace.testing.differ import Comparison

    assert isinstance(each, Comparison)
    lines = each.lines if everything else each.differences
    return {
        "prog": each.prog,
        "unsupported": each.unsupported or None,
        "compared": len(each.lines),
        "lines": [{"what": line.what, "simulated": line.ours, "kernel": line.kernels} for line in lines],
    }


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(diff)
