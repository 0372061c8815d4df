"""Packets through a compiled program without Python in between: what batches and short test runs are made of.

The same as the program type's test_run does with a packet and no context (PacketPlan); for programs that never call
Python. The GIL is not held while packets run.
"""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cython

from beespace.errors import InternalError

if cython.compiled:
    from cython.cimports.beespace.decl.runstate import RunState
    from cython.cimports.beespace.kernel import packets as c
    from cython.cimports.beespace.mem.inline import copy, load32, load64, store32, store64
else:
    from beespace.decl.runstate import RunState
    from beespace.mem.raw import copy, load32, load64, store32, store64

from beespace.mem.raw import read_bytes, write_bytes

if TYPE_CHECKING:
    from beespace.decl.run import Executable
    from beespace.decl.testrun import PacketPlan
    from beespace.kernel.kernel import Kernel
    from beespace.kernel.prog import BpfProg
    from beespace.mem import Region

__all__ = ["PacketRunner", "index_pcap"]

_U32 = cython.declare(cython.ulonglong, 0xFFFFFFFF)


@cython.final
@cython.cclass
class PacketRunner:
    """A program with a frame, a context and a stack of its own; one thread at a time.

    :param executable: what the program is at the moment; it never calls Python.
    :ivar regions: the memory, for who made the runner.
    """

    def __init__(
        self, kernel: Kernel, prog: BpfProg, executable: Executable, plan: PacketPlan, run: Any, regions: list[Region]
    ) -> None:
        frame, ctx = regions[0], regions[1]
        self.prog = prog
        self.executable: Any = executable
        self.run = run
        self.regions = regions
        self.state: RunState = run
        self.entry = executable.entry
        self.words = run.address
        self.ctx = ctx.first
        self.start = frame.first + plan.headroom
        self.data = self.ctx + plan.data
        self.data_end = self.ctx + plan.data_end
        self.data_meta = self.ctx + plan.data_meta
        self.min_bytes = plan.min_bytes
        self.max_bytes = plan.max_bytes
        self.max_out = plan.frame_bytes
        for off, value in plan.words:
            store32(self.ctx + off, value)
        store64(self.ctx + plan.head, frame.first)
        store64(self.ctx + plan.end, frame.first + plan.frame_bytes - plan.tailroom)

    def set_cpu(self, cpu: cython.uint) -> None:
        """The CPU of run_range()."""
        self.state.words.cpu = cpu

    def run_one(self, data: bytes, cpu: cython.uint, now_ns: cython.ulonglong) -> tuple[int, bytes] | None:
        """Run on a copy of *data*: (R0 as s32, the packet afterwards). None: it is too short or too long."""
        size: cython.ulonglong = len(data)
        if size < self.min_bytes or size > self.max_bytes:
            return None
        write_bytes(self.start, data)
        self.state.words.cpu = cpu
        self.state.words.now = now_ns + 1
        r0: cython.ulonglong = self._enter(size) if cython.compiled else self._enter_slowly(size)
        if self.state.words.aborted:
            raise InternalError(f"program {self.prog.name!r} left in the middle")
        meta: cython.ulonglong = load64(self.data_meta)
        retval: cython.longlong = r0 & _U32
        if retval >= 0x80000000:
            retval -= 0x100000000
        return retval, read_bytes(meta, load64(self.data_end) - meta)

    def run_range(
        self,
        base: cython.ulonglong,
        offsets: cython.ulonglong,
        lengths: cython.ulonglong,
        times: cython.ulonglong,
        retvals: cython.ulonglong,
        out: cython.ulonglong,
        out_bytes: cython.ulonglong,
        out_offsets: cython.ulonglong,
        first: cython.Py_ssize_t,
        last: cython.Py_ssize_t,
        now_ns: cython.ulonglong,
    ) -> int:
        """Run packets *first* .. *last* - 1; the number of the first one that did not run.

        That is one that is too short or too long, or whose result does not fit any more.

        :param base: address of the packets; *offsets* (u64) and *lengths* (u32): addresses of where and how long.
        :param times: address of what CLOCK_MONOTONIC is for each packet (u64), 0: *now_ns* for all.
        :param retvals: address where R0 goes (u32).
        :param out: address where packets go afterwards, 0 if they are not wanted; *out_bytes* there are.
        :param out_offsets: address of u64: packet i is put between offsets i and i + 1; the first is there.
        """
        if cython.compiled:
            job: Any = cython.declare(c.Job)
            job.base = base
            job.offsets = offsets
            job.lengths = lengths
            job.times = times
            job.retvals = retvals
            job.out = out
            job.out_bytes = out_bytes
            job.out_offsets = out_offsets
            self.state.words.now = now_ns + 1
            with cython.nogil:
                first = self._loop(cython.address(job), first, last)
        else:
            first = self._loop_slowly(
                base, offsets, lengths, times, retvals, out, out_bytes, out_offsets, first, last, now_ns
            )
        if self.state.words.aborted:
            raise InternalError(f"program {self.prog.name!r} left in the middle")
        return first

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter(self, size: cython.ulonglong) -> cython.ulonglong:
        store64(self.data, self.start)
        store64(self.data_meta, self.start)
        store64(self.data_end, self.start + size)
        self.state.words.aborted = 0
        self.state.words.tail_calls = 0
        self.state.words.insn_count = 0
        return cython.cast(c.entry_fn, cython.cast(cython.size_t, self.entry))(self.words, self.ctx)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _loop(self, job: cython.pointer[c.Job], i: cython.Py_ssize_t, last: cython.Py_ssize_t) -> cython.Py_ssize_t:
        size: cython.ulonglong
        meta: cython.ulonglong
        at: cython.ulonglong = 0
        while i < last:
            size = load32(job.lengths + 4 * i)
            if size < self.min_bytes or size > self.max_bytes:
                return i
            copy(self.start, job.base + load64(job.offsets + 8 * i), size)
            if job.times:
                self.state.words.now = load64(job.times + 8 * i) + 1
            if job.out:
                # Before the program runs: room for whatever it makes of the packet.
                at = load64(job.out_offsets + 8 * i)
                if job.out_bytes - at < self.max_out:
                    return i
            store32(job.retvals + 4 * i, self._enter(size))
            if self.state.words.aborted:
                return i
            if job.out:
                meta = load64(self.data_meta)
                size = load64(self.data_end) - meta
                copy(job.out + at, meta, size)
                store64(job.out_offsets + 8 * (i + 1), at + size)
            i += 1
        return i

    # The same uncompiled.
    def _enter_slowly(self, size: int) -> int:
        store64(self.data, self.start)
        store64(self.data_meta, self.start)
        store64(self.data_end, self.start + size)
        r0: int = self.executable.run(self.run, self.ctx)
        return r0

    def _loop_slowly(
        self,
        base: int,
        offsets: int,
        lengths: int,
        times: int,
        retvals: int,
        out: int,
        out_bytes: int,
        out_offsets: int,
        i: int,
        last: int,
        now_ns: int,
    ) -> int:
        while i < last:
            size = load32(lengths + 4 * i)
            if not self.min_bytes <= size <= self.max_bytes:
                return i
            at = load64(out_offsets + 8 * i) if out else 0
            if out and out_bytes - at < self.max_out:
                return i
            copy(self.start, base + load64(offsets + 8 * i), size)
            self.state.words.now = (load64(times + 8 * i) if times else now_ns) + 1
            store32(retvals + 4 * i, self._enter_slowly(size))
            if out:
                meta = load64(self.data_meta)
                size = load64(self.data_end) - meta
                copy(out + at, meta, size)
                store64(out_offsets + 8 * (i + 1), at + size)
            i += 1
        return i


def index_pcap(
    base: cython.ulonglong,
    at: cython.ulonglong,
    end: cython.ulonglong,
    fraction_ns: cython.ulonglong,
    offsets: cython.ulonglong,
    lengths: cython.ulonglong,
    wire: cython.ulonglong,
    times: cython.ulonglong,
    start_ns: cython.ulonglong,
) -> tuple[int, int]:
    """The records of a pcap file in this machine's byte order: (how many, offset where the last one ends).

    :param base: address of the file; records are from offset *at* on, before offset *end*.
    :param fraction_ns: nanoseconds in a timestamp's fraction.
    :param offsets: address where the offset of each packet goes (u64), 0 to count only; *lengths* (u32): bytes
        that were captured, *wire* (u32): bytes on the wire, *times* (u64): *start_ns* and later by as
        much as the capture went on.
    """
    count: cython.longlong = 0
    captured: cython.ulonglong
    when: cython.ulonglong
    last: cython.ulonglong = 0
    while end - at >= 16:
        captured = load32(base + at + 8)
        if captured > end - at - 16:
            break
        if offsets:
            when = load32(base + at) * 1000000000 + load32(base + at + 4) * fraction_ns
            if count and when > last:
                start_ns += when - last
            last = when
            store64(offsets + 8 * count, at + 16)
            store32(lengths + 4 * count, captured)
            store32(wire + 4 * count, load32(base + at + 12))
            store64(times + 8 * count, start_ns)
        at += 16 + captured
        count += 1
    return count, at
