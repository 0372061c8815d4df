"""`beespace dump xlated|jited|btf|maps`: what became of an object, in bpftool's formats."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beespace.cli.kernels import Backend, open_kernel
from beespace.cli.main import reports_errors
from beespace.errors import InputError

if TYPE_CHECKING:
    from beespace.api import Object, Program

__all__ = ["register"]

_dump = typer.Typer(help="Show instructions, machine code, types or maps of an object.", no_args_is_help=True)


class BtfFormat(StrEnum):
    """``--format`` of ``dump btf``."""

    c = "c"
    raw = "raw"
    json = "json"


_Object = Annotated[Path, typer.Argument(metavar="OBJECT", help=".bpf.o file")]
_Prog = Annotated[str | None, typer.Argument(help="program; all when left out")]
_Backend = Annotated[Backend, typer.Option(help="whose kernel")]


def _programs(obj: Object, name: str | None) -> list[Program]:
    chosen = [prog for prog in obj.progs if name in (None, prog.name)]
    if not chosen:
        names = " or ".join(prog.name for prog in obj.progs)
        raise InputError(f"no program {name!r}", path=str(obj.name), expected=names, found=name)
    for prog in obj.progs:
        prog.autoload = prog in chosen
    obj.load()
    return chosen


@_dump.command()
@reports_errors
def xlated(
    path: _Object,
    prog: _Prog = None,
    opcodes: Annotated[bool, typer.Option(help="with the bytes of each instruction")] = False,
    linum: Annotated[bool, typer.Option(help="with file and line")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    backend: _Backend = Backend.sim,
) -> None:
    """Instructions as the verifier left them (`bpftool prog dump xlated`)."""
    with open_kernel(backend) as kernel:
        chosen = _programs(kernel.open(path), prog)
        if as_json:
            print(
                json.dumps(
                    {each.name: each.dump_xlated_records(opcodes=opcodes, linum=linum) for each in chosen}, indent=1
                )
            )
            return
        for each in chosen:
            if len(chosen) > 1:
                print(f"{each.name}:")
            print(each.dump_xlated(opcodes=opcodes, linum=linum), end="")


@_dump.command()
@reports_errors
def jited(path: _Object, prog: _Prog = None) -> None:
    """Machine code that LLVM made, as assembly."""
    with open_kernel(Backend.sim, engine="jit") as kernel:
        for each in _programs(kernel.open(path), prog):
            print(f"{each.name}:")
            print(each.dump_jited())


@_dump.command()
@reports_errors
def btf(
    path: Annotated[str, typer.Argument(metavar="FILE", help="object, raw BTF file, or 'vmlinux'")],
    form: Annotated[BtfFormat, typer.Option("--format", help="c, raw or json")] = BtfFormat.c,
) -> None:
    """Types (`bpftool btf dump file`); as C, the output compiles."""
    from beespace.btf import Btf, c_dump, dump_json, dump_raw, open_btf

    types = Btf.vmlinux() if path == "vmlinux" else open_btf(path)
    match form:
        case BtfFormat.c:
            print(c_dump(types), end="")
        case BtfFormat.raw:
            print(dump_raw(types), end="")
        case BtfFormat.json:
            print(dump_json(types))


@_dump.command()
@reports_errors
def maps(
    path: _Object,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
) -> None:
    """The maps an object declares: type, sizes, entries, flags."""
    from beespace.cli.tables import table
    from beespace.uapi.enums import names

    types = names("bpf_map_type")
    with open_kernel(Backend.sim) as kernel:
        obj = kernel.open(path)
        records = [
            {
                "name": each.name,
                "type": types.get(each.map_type, str(each.map_type)).removeprefix("BPF_MAP_TYPE_").lower(),
                "key_size": each.key_size,
                "value_size": each.value_size,
                "max_entries": each.max_entries,
                "flags": f"{each.map_flags:#x}",
            }
            for each in obj.maps
        ]
    if as_json:
        print(json.dumps(records, indent=1))
    elif records:
        rows = [[str(value) for value in record.values()] for record in records]
        table(f"{path.name}: {len(records)} maps", list(records[0]), rows)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_dump, name="dump")
