"""`beespace run`: a program on a packet, a context or a capture."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from beespace.cli.kernels import Backend, open_kernel
from beespace.cli.main import EXIT_INPUT, reports_errors
from beespace.cli.tables import map_records, map_table, table
from beespace.errors import InputError
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.api import LinuxKernel, Object, Program
    from beespace.api.kernels import Kernel
    from beespace.api.pcap import CapturedPacket
    from beespace.decl.events import Event

__all__ = ["register", "verdict_name"]

_TC = {
    -1: "TC_ACT_UNSPEC", 0: "TC_ACT_OK", 1: "TC_ACT_RECLASSIFY", 2: "TC_ACT_SHOT", 3: "TC_ACT_PIPE", 4: "TC_ACT_STOLEN",
    5: "TC_ACT_QUEUED", 6: "TC_ACT_REPEAT", 7: "TC_ACT_REDIRECT", 8: "TC_ACT_TRAP",
}  # fmt: skip
_XDP = {
    getattr(uapi, name): name for name in ("XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT")
}  # fmt: skip
_VERDICTS = {uapi.BPF_PROG_TYPE_XDP: _XDP, uapi.BPF_PROG_TYPE_SCHED_CLS: _TC, uapi.BPF_PROG_TYPE_SCHED_ACT: _TC}


def verdict_name(prog_type: int, retval: int) -> str:
    """``XDP_PASS`` for 2 of an XDP program; the number where values have no names."""
    signed = (retval ^ 0x8000_0000) - 0x8000_0000
    return _VERDICTS.get(prog_type, {}).get(signed, str(signed))


@reports_errors
def run(
    path: Annotated[Path, typer.Argument(metavar="OBJECT", help=".bpf.o file (or .bpf.c where clang is installed)")],
    prog: Annotated[str | None, typer.Argument(help="program; may be left out when there is only one")] = None,
    pcap: Annotated[Path | None, typer.Option(help="run on every packet of a capture (pcap or pcapng)")] = None,
    data: Annotated[str | None, typer.Option(help="packet: hexadecimal text, or @FILE")] = None,
    ctx: Annotated[str | None, typer.Option(help="context: hexadecimal text, or @FILE")] = None,
    repeat: Annotated[int, typer.Option(help="how often each packet")] = 1,
    assign: Annotated[list[str] | None, typer.Option("--set", metavar="VAR=VALUE", help="global before load")] = None,
    maps: Annotated[
        list[str] | None, typer.Option("--map", help="show these maps (default: all that have entries)")
    ] = None,
    backend: Annotated[Backend, typer.Option(help="sim or linux (BPF_PROG_TEST_RUN; needs CAP_BPF)")] = Backend.sim,
    engine: Annotated[str | None, typer.Option(help="interp, jit or auto (simulated kernel)")] = None,
    seed: Annotated[int | None, typer.Option(help="seed of the simulated kernel")] = None,
    write: Annotated[Path | None, typer.Option(help="write packets and verdicts as pcapng")] = None,
    advance: Annotated[float, typer.Option(help="let so many simulated seconds pass afterwards")] = 0,
    timeline: Annotated[bool, typer.Option("--timeline", help="what timers and work did, and when")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="one line for each packet")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
) -> None:
    """Run a program and show what it returned, printed and left in its maps.

    With --pcap the simulated clock follows the capture: the program sees the time between packets.
    """
    with open_kernel(backend, seed=seed, engine=engine) as kernel:
        obj = kernel.open(path)
        chosen = _pick(obj, prog)
        for each in obj.progs:
            each.autoload = each is chosen
        for text in assign or []:
            _assign(obj, text)
        obj.load()
        from beespace.api.kernels import Kernel as SimulatedKernel

        if (timeline or advance) and not isinstance(kernel, SimulatedKernel):
            raise InputError("--advance and --timeline need simulated time", found=f"--backend {backend.value}")
        watched: AbstractContextManager[list[Event]] = nullcontext([])
        if isinstance(kernel, SimulatedKernel):
            watched = kernel.timeline()
        with watched as events:
            if pcap is not None:
                report = _run_capture(kernel, chosen, pcap, repeat, write, verbose and not as_json)
            else:
                report = _run_once(chosen, _bytes(data, "--data"), _bytes(ctx, "--ctx"), repeat)
            if advance and isinstance(kernel, SimulatedKernel):
                kernel.advance(seconds=advance)
        if timeline:
            report["timeline"] = [str(event) for event in events]
        _show(obj, chosen, report, maps, as_json)


def _pick(obj: Object, name: str | None) -> Program:
    names = [each.name for each in obj.progs]
    if name is None and len(names) == 1:
        name = names[0]
    for each in obj.progs:
        if each.name == name:
            return each
    wanted = f"no program {name!r}" if name else "which program?"
    raise InputError(wanted, path=str(obj.name), expected=" or ".join(names) or "a program", found=name)


def _assign(obj: Object, text: str) -> None:
    from beespace.api import Variables

    name, equals, value = text.partition("=")
    if not equals:
        raise InputError("--set takes VAR=VALUE", found=text)
    try:
        number: object = int(value, 0)
    except ValueError:
        number = value
    for bpf_map in obj.maps:
        if bpf_map.spec.is_internal and name.strip() in (variables := Variables(bpf_map, obj.codecs.btf)):
            setattr(variables, name.strip(), number)
            return
    raise InputError("--set names no global variable", path=str(obj.name), found=name)


def _bytes(text: str | None, option: str) -> bytes | None:
    if text is None:
        return None
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_bytes()
        except OSError as err:
            raise InputError(f"{option}: {err.strerror}", path=text[1:]) from None
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InputError(f"{option} is hexadecimal text or @FILE", found=text[:40]) from None


def _run_once(prog: Program, data: bytes | None, ctx: bytes | None, repeat: int) -> dict[str, Any]:
    result = prog.run(data, ctx=ctx, repeat=repeat)
    return {
        "runs": [
            {
                "retval": result.retval,
                "verdict": verdict_name(prog.prog_type, result.retval),
                "data_out": result.data.hex() if result.data is not None else None,
                "ctx_out": str(result.ctx) if result.ctx is not None else None,
            }
        ],
        "duration_ns": result.duration_ns,
        "printk": list(result.printk),
    }


def _packets(pcap: Path) -> Iterator[CapturedPacket]:
    # A progress bar on a terminal, for captures that take a while.
    from rich.console import Console
    from rich.progress import Progress

    from beespace.api.pcap import read_capture

    capture = read_capture(str(pcap))
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(pcap.name, total=capture.total_bytes)
        for packet in capture:
            yield packet
            bar.update(task, completed=capture.position)


def _run_capture(
    kernel: Kernel | LinuxKernel, prog: Program, pcap: Path, repeat: int, write: Path | None, verbose: bool
) -> dict[str, Any]:
    from beespace.api.pcap import PcapngWriter

    pipeline = getattr(kernel, "pipeline", None)
    if repeat == 1 and write is None and not verbose and pipeline is not None and pipeline.engine.name != "interp":
        return _run_whole_capture(kernel, prog, pcap)
    runs: list[dict[str, Any]] = []
    printk: list[str] = []
    out = write.open("wb") if write is not None else None
    writer = PcapngWriter(out, hook=_hook(prog)) if out is not None else None
    advance = getattr(kernel, "advance", None)  # only simulated time can be told to follow a capture
    last_ns: int | None = None
    try:
        for number, packet in enumerate(_packets(pcap), 1):
            if advance is not None and last_ns is not None and packet.timestamp_ns > last_ns:
                advance(ns=packet.timestamp_ns - last_ns)
            last_ns = packet.timestamp_ns
            result = prog.run(packet.data, repeat=repeat)
            verdict = verdict_name(prog.prog_type, result.retval)
            runs.append({"packet": number, "bytes": packet.length, "retval": result.retval, "verdict": verdict})
            printk += result.printk
            if verbose:
                print(f"{number:6} {packet.timestamp_ns / 1e9:.6f} {packet.length:5} bytes {verdict}")
            if writer is not None:
                writer.write(packet, result.retval)
    finally:
        if out is not None:
            out.close()
    return {"runs": runs, "printk": printk}


# All of it at once, which lets compiled programs run without Python in between.
def _run_whole_capture(kernel: Any, prog: Program, pcap: Path) -> dict[str, Any]:
    from beespace.api.pcap import read_packets

    captured = read_packets(str(pcap), kernel.clock.now_ns())
    before = len(kernel.trace_pipe)
    result = prog.run_many(captured.packets)
    names = {retval: verdict_name(prog.prog_type, retval) for retval in set(result.retvals)}
    runs = [
        {"packet": number, "bytes": length, "retval": retval, "verdict": names[retval]}
        for number, (length, retval) in enumerate(zip(captured.wire_lengths, result.retvals, strict=True), 1)
    ]
    return {"runs": runs, "printk": [line.text for line in kernel.trace_pipe[before:]]}


def _hook(prog: Program) -> str:
    return "xdp" if prog.prog_type == uapi.BPF_PROG_TYPE_XDP else "tc"


def _show(obj: Object, prog: Program, report: dict[str, Any], maps: list[str] | None, as_json: bool) -> None:
    names = [each.name for each in obj.maps]
    for name in maps or []:
        if name not in names:
            raise InputError(f"no map {name!r}", path=str(obj.name), expected=" or ".join(names), found=name)
    shown = [each for each in obj.maps if (each.name in maps if maps else not each.name.startswith("."))]
    if as_json:
        record = {"program": prog.name, **report, "maps": {each.name: map_records(each) for each in shown}}
        print(json.dumps(record, indent=1))
        return
    runs = report["runs"]
    if "packet" in (runs[0] if runs else {}):
        counts = Counter(run["verdict"] for run in runs)
        sizes: Counter[str] = Counter()
        for run in runs:
            sizes[run["verdict"]] += run["bytes"]
        rows = [[verdict, str(number), str(sizes[verdict])] for verdict, number in counts.most_common()]
        table(f"{prog.name}: {len(runs)} packets", ["verdict", "packets", "bytes"], rows)
    else:
        for run in runs:
            print(f"{prog.name} returned {run['verdict']}")
            for name in ("data_out", "ctx_out"):
                if run[name]:
                    print(f"{name} {run[name]}")
    for line in report["printk"]:
        print(line)
    for line in report.get("timeline", ()):
        print(line)
    for each in shown:
        map_table(each, always=bool(maps))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


assert EXIT_INPUT == 2  # typer's own exit code for wrong usage is the same
