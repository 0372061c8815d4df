"""How fast we verify beside the kernel: the same objects, verified by both in one run, logs off.

    python tools/bench_verifier.py [OBJECTS...] [--min-insns 1000] [--rounds 3] [--top N]

OBJECTS are files or folders; without any, the programs of tests/programs and the examples (few are large: the figures
then say little). Of each program the least time of the rounds counts, on both sides: for us the processor time inside
verify(), for the kernel the processor time of BPF_PROG_LOAD or, where that is less, the "verification time" of its
statistics (BPF_LOG_STATS), which counts waiting on a busy machine too. Programs on which the two walk different numbers
of instructions are compared by instructions per second. Without bpf(2) only our side is measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track

import beespace
from beespace.btf import Btf
from beespace.decl.prog import VerifiedProgram
from beespace.errors import BpfError
from beespace.kernel import Pipeline
from beespace.testing.conformance import Judged, judge_object
from beespace.uapi.bpf import BPF_PROG_LOAD
from beespace.verifier import verify

ROOT = Path(__file__).resolve().parents[1]


class Stopwatch:
    """verify(), and the processor time of its last call."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def verify(self, *args: Any, **kwargs: Any) -> VerifiedProgram:
        start = time.process_time()
        try:
            return verify(*args, **kwargs)
        finally:
            self.seconds = time.process_time() - start


class TimedLinux(beespace.LinuxKernel):
    """The running kernel; processor seconds of its last BPF_PROG_LOAD."""

    seconds = 0.0

    def bpf(self, cmd: int, attr: bytearray) -> int:
        start = time.thread_time()
        try:
            return super().bpf(cmd, attr)
        finally:
            if cmd == BPF_PROG_LOAD:
                TimedLinux.seconds = time.thread_time() - start


def objects(paths: list[Path]) -> list[Path]:
    found = []
    for path in paths or [ROOT / "tests/programs", ROOT / "examples"]:
        found += sorted(path.rglob("*.bpf.o")) if path.is_dir() else [path]
    return found


def percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def summary(values: list[float]) -> str:
    low, high = percentile(values, 0.05), percentile(values, 0.95)
    return f"median {statistics.median(values):7.2f}  p5 {low:6.2f}  p95 {high:6.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objects", type=Path, nargs="*")
    parser.add_argument("--min-insns", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--top", type=int, default=15, help="slowest programs shown")
    args = parser.parse_args()
    btf = Btf.vmlinux() if Path("/sys/kernel/btf/vmlinux").exists() else None
    watch = Stopwatch()

    def sim() -> object:
        pipeline = Pipeline(verify=watch.verify)
        return beespace.Kernel(btf_vmlinux=btf, pipeline=pipeline) if btf else beespace.Kernel(pipeline=pipeline)

    kernel = has_kernel()
    rows = []
    for path in track(objects(args.objects), description="verifying"):
        rows += measure(path, sim, watch, args.min_insns, args.rounds, kernel)
    if not rows:
        print(f"no program above {args.min_insns} processed instructions", file=sys.stderr)
        return 1
    report(rows, args.top, kernel)
    return 0


def has_kernel() -> bool:
    try:
        with beespace.LinuxKernel() as kernel:
            kernel.open(ROOT / "examples/flows/flows.bpf.o").load()
    except (BpfError, OSError):
        return False
    return True


@dataclass
class Row:
    name: str
    insns: int
    seconds: float
    kernel_insns: int = 0
    kernel_seconds: float = 0.0

    def speed(self) -> float:
        return self.insns / self.seconds / 1e6

    def kernel_speed(self) -> float:
        return self.kernel_insns / self.kernel_seconds / 1e6 if self.kernel_seconds else 0.0

    def ratio(self) -> float:
        return self.speed() / self.kernel_speed() if self.kernel_seconds else 0.0


def measure(
    path: Path, sim: Callable[[], Any], watch: Stopwatch, min_insns: int, rounds: int, kernel: bool
) -> list[Row]:  # fmt: skip
    rows = []
    names = [one.prog for one in judge_object(path, sim) if one.insns_processed >= min_insns]
    for name in names:
        ours: list[float] = []
        theirs: list[float] = []
        judged = theirs_judged = Judged(path.name, name, "")
        for _ in range(rounds):
            (judged,) = judge_object(path, sim, progs=[name])
            ours.append(watch.seconds)
            if kernel:
                (theirs_judged,) = judge_object(path, TimedLinux, progs=[name])
                if theirs_judged.duration_us > 0:
                    theirs += [theirs_judged.duration_us / 1e6, TimedLinux.seconds]
        row = Row(f"{path.name} {name}", judged.insns_processed, min(ours))
        if theirs:
            row.kernel_insns, row.kernel_seconds = theirs_judged.insns_processed, min(theirs)
        rows.append(row)
    return rows


def group(insns: int) -> str:
    for limit, name in ((10_000, "1,000 .. 10,000"), (100_000, "10,000 .. 100,000")):
        if insns < limit:
            return name
    return "above 100,000"


def report(rows: list[Row], top: int, kernel: bool) -> None:
    for row in sorted(rows, key=lambda row: row.ratio() or row.speed())[:top]:
        line = f"{row.name:60.60} {row.insns:8} insns {row.speed():6.3f} M/s"
        if row.kernel_seconds:
            line += f"   kernel {row.kernel_insns:8} {row.kernel_speed():6.3f} M/s   ratio {row.ratio():5.2f}"
        print(line)
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.insns):
        groups.setdefault(group(row.insns), []).append(row)
    groups["all"] = rows
    for name, members in groups.items():
        print(f"\n{name} processed instructions, {len(members)} programs")
        print(f"    beespace, M insns/s  {summary([row.speed() for row in members])}")
        both = [row for row in members if row.kernel_seconds]
        if both:
            print(f"    kernel, M insns/s    {summary([row.kernel_speed() for row in both])}")
            print(f"    ratio to the kernel  {summary([row.ratio() for row in both])}")
    if not kernel:
        print("(no bpf(2) here: the kernel was not measured)")


sys.exit(main())
