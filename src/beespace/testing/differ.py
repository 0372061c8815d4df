"""The same object on two kernels: verdict, log, results, maps; every difference is reported.

Used by `beespace diff`, by ``pytest --bpf-backend=both`` and by the tests of the examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import field
from pathlib import Path
from typing import Any

from beespace.errors import SyscallError, Unsupported, VerifierError, errno_name
from beespace.testing.conformance import log_stats, message_of
from beespace.uapi import bpf as uapi
from beespace.values import frozen, mutable

__all__ = ["Comparison", "Line", "diff_object"]

_DUMPABLE = {
    uapi.BPF_MAP_TYPE_HASH,
    uapi.BPF_MAP_TYPE_ARRAY,
    uapi.BPF_MAP_TYPE_PERCPU_HASH,
    uapi.BPF_MAP_TYPE_PERCPU_ARRAY,
    uapi.BPF_MAP_TYPE_LRU_HASH,
    uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH,
}
_PERCPU = {uapi.BPF_MAP_TYPE_PERCPU_HASH, uapi.BPF_MAP_TYPE_PERCPU_ARRAY, uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH}


@frozen
class Line:
    """One thing that was compared: values as text, equal or not."""

    what: str
    ours: str
    kernels: str

    @property
    def equal(self) -> bool:
        """Whether both kernels say the same."""
        return self.ours == self.kernels


@mutable
class Comparison:
    """All that was compared for one program."""

    prog: str
    lines: list[Line] = field(default_factory=list)
    unsupported: str = ""  # what the simulated kernel does not model; nothing was compared then

    def compare(self, what: str, ours: object, kernels: object) -> None:
        """Add one line."""
        self.lines.append(Line(what, str(ours), str(kernels)))

    @property
    def differences(self) -> list[Line]:
        """The lines that are not equal."""
        return [line for line in self.lines if not line.equal]


@mutable
class _Loaded:
    # One kernel's side: the object and chosen program, or why not.
    verdict: str
    log: str = ""
    errno: str = ""
    obj: Any = None
    prog: Any = None


def _load(kernel: Any, path: Path, name: str, configure: Callable[[Any], None] | None) -> _Loaded:
    obj = kernel.open(path)
    for prog in obj.progs:
        prog.autoload = prog.name == name
    chosen = next(prog for prog in obj.progs if prog.name == name)
    chosen.log_level = 4 | 2
    if configure is not None:
        configure(obj)
    try:
        obj.load()
    except VerifierError as err:
        return _Loaded("rejected", err.log, errno_name(err.errno))
    except SyscallError as err:
        return _Loaded("refused", err.what, errno_name(err.errno or 0))
    return _Loaded("accepted", chosen.log, "", obj, chosen)


def diff_object(
    path: Path,
    make_sim: Callable[[], Any],
    make_linux: Callable[[], Any],
    *,
    progs: Iterable[str] | None = None,
    inputs: Iterable[tuple[bytes | None, bytes | None]] = (),
    configure: Callable[[Any], None] | None = None,
    ignore_maps: Iterable[str] = (),
    volatile_fields: Callable[[str, bytes], bytes] | None = None,
) -> list[Comparison]:
    """Compare every program of an object (or those named) on both kernels.

    :param inputs: (data, ctx) of the runs, in order, on one load, so that map contents accumulate.
    :param configure: called with the opened object before it is loaded, on both.
    :param ignore_maps: maps whose contents differ by nature.
    :param volatile_fields: ``(map name, value) -> value`` blanks what differs by nature (times).
    """
    data = list(inputs)
    with make_sim() as kernel:
        names = [prog.name for prog in kernel.open(path).progs]
    wanted = names if progs is None else [name for name in names if name in set(progs)]
    ignored = set(ignore_maps)
    results = []
    for name in wanted:
        comparison = Comparison(name)
        with ExitStack() as stack:
            sim, linux = stack.enter_context(make_sim()), stack.enter_context(make_linux())
            try:
                ours = _load(sim, path, name, configure)
            except Unsupported as err:
                comparison.unsupported = err.feature
                results.append(comparison)
                continue
            theirs = _load(linux, path, name, configure)
            _compare_verdicts(comparison, ours, theirs)
            if ours.prog is not None and theirs.prog is not None:
                with sim.on_cpu(0), linux.on_cpu(0):  # per-CPU values are compared: all runs on one
                    _compare_runs(comparison, ours, theirs, data)
                _compare_maps(comparison, ours, theirs, ignored, volatile_fields)
        results.append(comparison)
    return results


def _compare_verdicts(comparison: Comparison, ours: _Loaded, theirs: _Loaded) -> None:
    comparison.compare("verdict", f"{ours.verdict} {ours.errno}".strip(), f"{theirs.verdict} {theirs.errno}".strip())
    if ours.verdict == theirs.verdict == "rejected":
        comparison.compare("message", message_of(ours.log), message_of(theirs.log))
    for name, mine, kernels in zip(("insns processed", "total states"), log_stats(ours.log), log_stats(theirs.log)):  # noqa: B905
        comparison.compare(name, mine, kernels)


def _run(prog: Any, data: bytes | None, ctx: bytes | None) -> dict[str, str]:
    try:
        result = prog.run(data, ctx=ctx)
    except SyscallError as err:
        return {"run": errno_name(err.errno or 0)}
    return {
        "retval": str(result.retval),
        "data_out": result.data.hex() if result.data is not None else "",
        "ctx_out": str(result.ctx) if result.ctx is not None else "",
    }


def _compare_runs(
    comparison: Comparison, ours: _Loaded, theirs: _Loaded, inputs: list[tuple[bytes | None, bytes | None]]
) -> None:
    for number, (data, ctx) in enumerate(inputs, 1):
        mine, kernels = _run(ours.prog, data, ctx), _run(theirs.prog, data, ctx)
        for key in dict.fromkeys((*mine, *kernels)):
            comparison.compare(f"run {number} {key}", mine.get(key, ""), kernels.get(key, ""))


def _contents(bpf_map: Any, volatile: Callable[[str, bytes], bytes] | None) -> dict[str, str]:
    found = {}
    for key, values in bpf_map.items_bytes():
        copies = list(values)
        if volatile is not None:
            copies = [volatile(bpf_map.name, copy) for copy in copies]
        if bpf_map.map_type in _PERCPU:  # which CPU ran is the scheduler's business
            copies = sorted(copies, reverse=True)
        text = b"".join(copies).rstrip(b"\0").hex()
        found[key.hex()] = text
    return found


def _compare_maps(
    comparison: Comparison,
    ours: _Loaded,
    theirs: _Loaded,
    ignored: set[str],
    volatile: Callable[[str, bytes], bytes] | None,
) -> None:
    for mine, kernels in zip(ours.obj.maps, theirs.obj.maps, strict=True):
        if mine.name in ignored or mine.map_type not in _DUMPABLE:
            continue
        left, right = _contents(mine, volatile), _contents(kernels, volatile)
        for key in sorted(set(left) | set(right)):
            comparison.compare(f"{mine.name}[{key}]", left.get(key, "absent"), right.get(key, "absent"))
