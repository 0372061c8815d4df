"""Many packets through one program: Program.run_many() and ``beespace run --pcap``."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from beespace.errors import InputError, InternalError
from beespace.mem.mapping import buffer_address
from beespace.sim import CLOCK_MONOTONIC, RealHost
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.kernel.kernel import Kernel
    from beespace.kernel.packets import PacketRunner
    from beespace.kernel.prog import BpfProg

__all__ = ["BatchResult", "PacketData", "Packets", "run_batch", "split"]


class Packets(Sequence[memoryview]):
    """Packets that lie in one buffer, which is neither copied nor changed.

    :param buffer: bytes, a mapped file, a numpy array: whatever has the buffer protocol, in one piece.
    :param offsets: where each packet starts, ``array("Q")``; ``lengths`` its bytes, ``array("I")``.
    :ivar shortest: bytes of the shortest packet, ``longest`` of the longest.
    :param times_ns: when each packet comes: CLOCK_MONOTONIC of the simulated kernel, ``array("Q")``; never going back.
    """

    def __init__(
        self, buffer: Any, offsets: array[int], lengths: array[int], times_ns: array[int] | None = None
    ) -> None:
        self.view = memoryview(buffer).cast("B")
        self.offsets, self.lengths, self.times_ns = offsets, lengths, times_ns
        if (offsets.typecode, lengths.typecode) != ("Q", "I") or len(offsets) != len(lengths):
            raise InputError("offsets and lengths of packets", expected='array("Q") and array("I") of the same length')
        if times_ns is not None and (times_ns.typecode != "Q" or len(times_ns) != len(lengths)):
            raise InputError("times of packets", expected='array("Q") of the length of lengths')
        self.shortest, self.longest = min(lengths, default=0), max(lengths, default=0)
        if max(map(int.__add__, offsets, lengths), default=0) > self.view.nbytes:
            raise InputError("a packet ends behind its buffer", expected=f"{self.view.nbytes} bytes")

    @classmethod
    def of(cls, packets: Iterable[Any]) -> Packets:
        """A copy of *packets*, one behind the other."""
        if isinstance(packets, cls):
            return packets
        pieces = list(packets)
        lengths = array("I", map(len, pieces))
        offsets = array("Q", accumulate(lengths, initial=0))
        offsets.pop()
        return cls(b"".join(pieces), offsets, lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        start = self.offsets[index]
        return self.view[start : start + self.lengths[index]]

    @property
    def address(self) -> int:
        """Of the buffer."""
        return buffer_address(self.view)


class PacketData(Sequence[memoryview]):
    """Packets as programs left them: views into the memory that was written."""

    def __init__(self, parts: list[tuple[memoryview, array[int]]]) -> None:
        self._parts = parts
        self._starts = list(accumulate((len(offsets) - 1 for _, offsets in parts), initial=0))

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        part = max(number for number, start in enumerate(self._starts[:-1]) if start <= index)
        view, offsets = self._parts[part]
        at = index - self._starts[part]
        return view[offsets[at] : offsets[at + 1]]


@frozen
class BatchResult:
    """What run_many() gave.

    :ivar retvals: R0 of each packet as ``int`` (s32), ``array("i")``; it has the buffer protocol (numpy).
    :ivar data: each packet afterwards, when they were asked for.
    """

    retvals: array[int]
    data: Sequence[memoryview] | None = None

    def __iter__(self) -> Iterator[int]:
        return iter(self.retvals)

    def __len__(self) -> int:
        return len(self.retvals)

    def __repr__(self) -> str:
        return f"BatchResult({len(self.retvals)} packets)"


def split(count: int, parts: int) -> list[tuple[int, int]]:
    """0 .. *count* in *parts* ranges of nearly the same length."""
    bounds = [count * part // parts for part in range(parts + 1)]
    return list(pairwise(bounds))


def run_batch(kernel: Kernel, prog: BpfProg, packets: Packets, threads: int, want_data: bool) -> BatchResult | None:
    """Packets through compiled code, without the GIL; None when some have to take the long way.

    Thread *n* has the *n*-th share of the packets and is CPU *n*; a single one is the caller's CPU.
    """
    plan = prog.prog_type.packet_plan
    if plan is None or not len(packets):
        return None
    if packets.shortest < plan.min_bytes or packets.longest > plan.max_bytes:
        return None
    if packets.times_ns is not None and (kernel.events.next() is not None or kernel.deferred.workqueue.ready()):
        return None  # something may happen between two packets
    prog.executable(kernel).expect(len(packets))
    runners: list[PacketRunner] = []
    reader = kernel.deferred.rcu.read_lock()
    try:
        for _ in range(threads):
            runner = kernel.runs.take_runner(prog)
            if runner is None:
                return None
            runners.append(runner)
        return _run(kernel, packets, runners, want_data)
    finally:
        for runner in runners:
            kernel.runs.put_runner(runner)
        kernel.deferred.rcu.read_unlock(reader)


def _run(kernel: Kernel, packets: Packets, runners: list[PacketRunner], want_data: bool) -> BatchResult:
    count = len(packets)
    retvals = array("i", bytes(4 * count))
    parts: list[tuple[memoryview, array[int]]] = []
    jobs: list[Callable[[], None]] = []
    for number, (first, last) in enumerate(split(count, len(runners))):
        runner = runners[number]
        runner.set_cpu(number if len(runners) > 1 else kernel.current_cpu)
        room = sum(packets.lengths[first:last]) + runner.max_out if want_data else 0
        out, out_offsets = bytearray(room), array("Q", bytes(8 * (last - first + 1) if want_data else 0))
        parts.append((memoryview(out), out_offsets))
        jobs.append(_job(kernel, runner, packets, retvals, first, last, out, out_offsets))
    if len(jobs) == 1:
        jobs[0]()
    else:
        host = kernel.host or RealHost()
        with kernel.parallel():
            threads = [host.start_thread(job, f"beespace cpu {number}") for number, job in enumerate(jobs)]
            for thread in threads:
                thread.join()
    return BatchResult(retvals, PacketData(parts) if want_data else None)


def _job(
    kernel: Kernel,
    runner: PacketRunner,
    packets: Packets,
    retvals: array[int],
    first: int,
    last: int,
    out: bytearray,
    out_offsets: array[int],
) -> Callable[[], None]:
    now_ns = kernel.clock.now_ns(CLOCK_MONOTONIC)

    def job() -> None:
        times = packets.times_ns
        done = runner.run_range(
            packets.address,
            packets.offsets.buffer_info()[0] + 8 * first,
            packets.lengths.buffer_info()[0] + 4 * first,
            times.buffer_info()[0] + 8 * first if times is not None else 0,
            retvals.buffer_info()[0] + 4 * first,
            buffer_address(out) if out else 0,
            len(out),
            out_offsets.buffer_info()[0] if out else 0,
            0,
            last - first,
            now_ns,
        )
        if done != last - first:
            raise InternalError(f"packet {first + done} of a batch did not run")

    return job
