"""Events per second through ring buffers, simulated and on the running kernel, in one run.

    python tools/bench_ringbuf.py [--seconds N]

A program fills a buffer (1 MiB), a consumer empties it; then user space fills one and a program drains it. Both are
timed together, round by round, the kernels in turn; printed are millions of events per second of the best rounds, and
the ratio. ``python``: RingBuffer.batch() and a look at each record's first bytes by numpy or struct; ``native``: the
consumer only moves the position, as a C consumer that does nothing would.
"""

from __future__ import annotations

import argparse
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import beespace
from beespace.api import ring_core

OBJECT = Path(__file__).parents[1] / "tests" / "programs" / "ringbuf.bpf.o"
SIZES = (16, 128, 1024)
RING = 1 << 20


class Bench:
    """One kernel."""

    def __init__(self, kernel: Any) -> None:
        self.obj = kernel.open(OBJECT)
        self.obj.maps.events.max_entries = RING
        self.obj.maps.commands.max_entries = RING
        self.obj.load()
        self.consumer = beespace.RingBuffer(self.obj.maps.events)
        self.producer = beespace.UserRingBuffer(self.obj.maps.commands)

    def produce(self, size: int) -> int:
        """Fill the buffer."""
        count = RING // (size + 8) - 1
        found: int = self.obj.progs[f"produce{size}"].run(ctx=struct.pack("<II", count, 0)).retval
        assert found == count
        return count

    def python(self, size: int) -> int:
        """Program to Python, in batches."""
        count = self.produce(size)
        records = self.consumer.batch()
        assert len(records) == count
        words = memoryview(records.data).cast("Q")
        step = size // 8
        assert words[step * (count - 1)] - words[0] == count - 1
        assert len(words[::step]) == count
        return count

    def each(self, size: int) -> int:
        """Program to Python, every record unpacked."""
        count = self.produce(size)
        unpack = struct.Struct("<Q").unpack_from
        last = 0
        for record in self.consumer.batch():
            (last,) = unpack(record)
        assert last
        return count

    def native(self, size: int) -> int:
        """Program to a native consumer that looks at headers only."""
        count = self.produce(size)
        port = self.consumer._rings[0].port
        out = self.consumer._rings[0]._out
        found = ring_core.ring_peek(port.consumer, port.producer, port.mask, count, out.buffer_info()[0])
        assert found == count
        ring_core.store_position(port.consumer, out[1])
        return count

    def drain(self, size: int) -> int:
        """User space to a program; only the drain is timed (see time_of)."""
        found: int = self.obj.progs.drain.run(ctx=struct.pack("<II", 0, 0)).retval
        return found

    def fill(self, size: int) -> int:
        """Fill the user ring buffer."""
        count = min(RING // (size + 8) - 1, 60_000)
        put, data = self.producer.put, bytes(size)
        for _ in range(count):
            put(data)
        return count


def rate(bench: Bench, what: str, size: int, seconds: float) -> float:
    """Events per second of the best round."""
    best, end = 0.0, time.perf_counter() + seconds
    work: Callable[[int], int] = getattr(bench, what)
    while time.perf_counter() < end:
        if what == "drain":
            bench.fill(size)
        start = time.perf_counter()
        count = work(size)
        best = max(best, count / (time.perf_counter() - start))
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure and kernel")
    args = parser.parse_args()
    linux = beespace.LinuxKernel()
    reason = linux.allowed()
    kernels = {"simulated": Bench(beespace.Kernel(cpus=2, engine="jit"))}
    if reason is None:
        kernels["linux"] = Bench(linux)
    else:
        print(f"no figures of the running kernel: {reason}")
    print(f"{'M events/s':24s}" + "".join(f"{name:>12s}" for name in kernels) + f"{'ratio':>8s}")
    for what in ("python", "each", "native", "fill", "drain"):
        for size in SIZES:
            rates = {}
            for name, bench in kernels.items():
                if what == "fill":
                    start = time.perf_counter()
                    count = bench.fill(size)
                    rates[name] = count / (time.perf_counter() - start)
                    while bench.drain(size):
                        pass
                else:
                    rates[name] = max(rate(bench, what, size, args.seconds / 4) for _ in range(4))
            row = "".join(f"{value / 1e6:12.2f}" for value in rates.values())
            ratio = f"{rates['simulated'] / rates['linux']:8.2f}" if "linux" in rates else ""
            print(f"{what:12s}{size:6d} bytes{row}{ratio}")


if __name__ == "__main__":
    main()
