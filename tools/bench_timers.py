"""A million bpf_timers: what arming, cancelling and firing take, on the simulated and on the running kernel.

    python tools/bench_timers.py [--timers N] [--linux-timers N] [--engine interp|jit]

Rates are of programs that do it in a loop. Fired: simulated, how many callbacks run in a second when all are due at
once; on the running kernel, from the first to the last of them. Memory: resident, of this process. Latency: callbacks
that tell how late they are, one timer every millisecond.
"""

from __future__ import annotations

import argparse
import struct
import time
from pathlib import Path
from typing import Any

import beespace
from beespace.api import compile_c
from beespace.errors import BpfError

SOURCE = Path(__file__).parents[1] / "tests" / "bench" / "timers" / "timers.bpf.c"
CHUNK = 1000  # timers in one run
BURST = 64
FAR_NS = 3600 * 10**9


class Bench:
    """The programs on one kernel."""

    def __init__(self, kernel: Any, data: bytes, timers: int) -> None:
        self.kernel, self.timers = kernel, timers
        self.obj = kernel.load(data)

    def each(self, prog: str, nsecs: int = 0, step: int = 0) -> float:
        """Timers a second."""
        program = self.obj.progs[prog]
        failed = int(self.obj.bss.failed)
        start = time.perf_counter()
        for first in range(0, self.timers, CHUNK):
            count = min(CHUNK, self.timers - first)
            program.run(ctx=struct.pack("<IIQQ", first, count, nsecs + first * step, step))
        taken = time.perf_counter() - start
        refused = int(self.obj.bss.failed) - failed
        if refused:
            print(f"    ({prog}: {refused} refused)")
        return (self.timers - refused) / taken

    def init_all(self) -> float:
        """bpf_timer_init() of all, in bursts that the real allocator bears; pauses do not count."""
        program, taken, first = self.obj.progs.init, 0.0, 0
        while first < self.timers:
            failed = int(self.obj.bss.failed)
            count = min(BURST, self.timers - first)
            start = time.perf_counter()
            program.run(ctx=struct.pack("<IIQQ", first, count, 0, 0))
            taken += time.perf_counter() - start
            if int(self.obj.bss.failed) == failed:
                first += count
            else:
                time.sleep(0.002)  # what was refused is tried again, what exists is busy
        return self.timers / taken


def resident() -> int:
    """Bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def percentiles(hist: list[int]) -> str:
    """p50, p99, maximum of late_cb's histogram, us."""
    total, seen, out = sum(hist), 0, {}
    for at, count in enumerate(hist):
        seen += count
        low = at if at < 4 else (4 + at % 4) << (at // 4 - 1)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            if name not in out and total and seen >= share * total:
                out[name] = ((low + 1) << 6) / 1000
    return ", ".join(f"{name} {value:.1f} us" for name, value in out.items()) + f" of {total}"


def simulated(data: bytes, timers: int, engine: str) -> None:
    """All figures of the simulated kernel."""
    print(f"simulated, {engine}, {timers} timers")
    with beespace.Kernel(cpus=2, engine=engine) as kernel:
        bench = Bench(kernel, data, timers)
        for prog in ("init", "arm", "cancel"):  # compiles
            bench.obj.progs[prog].run(ctx=bytes(24))
        before = resident()
        print(f"  init    {bench.each('init'):12,.0f} /s")
        print(f"  arm     {bench.each('arm', FAR_NS, 7):12,.0f} /s  (set_callback and start)")
        print(f"  memory  {(resident() - before) / timers:12.0f} bytes a timer")
        print(f"  cancel  {bench.each('cancel'):12,.0f} /s")
        bench.each("arm", 1000)
        start = time.perf_counter()
        kernel.advance(us=1)
        print(f"  fire    {int(bench.obj.bss.fired) / (time.perf_counter() - start):12,.0f} /s")


def real_time(data: bytes, engine: str) -> None:
    """How late callbacks are in real time."""
    with beespace.Kernel(cpus=2, engine=engine, time="real") as kernel:
        bench = Bench(kernel, data, 2000)
        bench.each("init")
        bench.each("late", 10**8, 10**6)
        kernel.wait_until(lambda: int(bench.obj.bss.fired) == 2000, seconds=10)
        print(f"  latency {percentiles([int(n) for n in bench.obj.bss.hist])}  (real time)")


def linux(data: bytes, timers: int) -> None:
    """The same on the running kernel."""
    kernel = beespace.LinuxKernel()
    print(f"Linux {kernel.release()}, {timers} timers")
    bench = Bench(kernel, data, timers)
    print(f"  init    {bench.init_all():12,.0f} /s")
    print(f"  arm     {bench.each('arm', FAR_NS, 7):12,.0f} /s  (set_callback and start)")
    print(f"  cancel  {bench.each('cancel'):12,.0f} /s")
    bench.each("arm", 2 * 10**9)
    time.sleep(4)
    fired, span = int(bench.obj.bss.fired), int(bench.obj.bss.last_ns) - int(bench.obj.bss.first_ns)
    print(f"  fire    {fired / (span / 1e9):12,.0f} /s  ({fired} within {span / 1e6:.1f} ms)")
    bench.obj.close()
    late = Bench(kernel, data, 2000)
    late.init_all()
    late.each("late", 10**8, 10**6)
    time.sleep(2.5)
    print(f"  latency {percentiles([int(n) for n in late.obj.bss.hist])}")
    late.obj.close()


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timers", type=int, default=1_000_000)
    parser.add_argument("--linux-timers", type=int, default=5000)
    parser.add_argument("--engine", default="jit", choices=("interp", "jit"))
    args = parser.parse_args()
    data = compile_c(SOURCE)
    simulated(data, args.timers, args.engine)
    real_time(data, args.engine)
    try:
        linux(data, args.linux_timers)
    except BpfError as error:
        print(f"  not measured: {error}")


if __name__ == "__main__":
    main()
