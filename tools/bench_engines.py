"""Times the engines on tests/bench/progs, next to native code and the running kernel.

    python tools/bench_engines.py [--rounds N] [--trust] [--json FILE] [PROGRAM ...]

Everything runs interleaved in one process, many rounds; printed are minima in ns per run with the empty program
subtracted, and ratios of minima. Results are checked to agree. Needs clang with the BPF target; the kernel's column
needs bpf(2). With --trust programs are taken for verified, with the facts that engines use (this file's ``trust``).
At the end stand the targets of the project, each with the figure of this run.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import beespace
from beespace.decl import InsnAux, SubprogInfo, VerifiedProgram
from beespace.errors import BpfError, InternalError
from beespace.interp import Interp
from beespace.isa import LD_IMM64, is_ld_imm64
from beespace.jit import Jit, JitOptions
from beespace.kernel import Pipeline
from beespace.kernel.batch import Packets
from beespace.subsys.net.context import XDP, PacketContext
from beespace.uapi import bpf as uapi

BENCH = Path(__file__).parents[1] / "tests" / "bench"
CLANG = next((name for name in ("clang-19", "clang") if shutil.which(name)), "clang")
EMPTY = "empty"
COMPUTE = {"a1_prime", "a2_xorshift", "b1_sum8", "b2_copy", "c1_jhash", "c2_siphash", "d1_switch", "d2_sort"}
DEFAULT = tuple(sorted(path.stem for path in (BENCH / "progs").glob("*.c") if path.stem not in (EMPTY, "j_xdp")))
# The best peer's minimum over native's, measured once (llvmbpf, bpftime, rbpf, uBPF; docs/reference/speed.md).
PEERS = {
    "a1_prime": 1.0, "a2_xorshift": 1.0, "b1_sum8": 4.58, "b2_copy": 1.0, "c1_jhash": 0.97, "c2_siphash": 1.21,
    "d1_switch": 1.43, "d2_sort": 0.97, "e_array": 9.64, "f1_hash_lookup": 3.74, "f2_hash_lkup_upd": 5.0,
    "g_percpu": 9.31, "h_lru": 4.94, "i_ringbuf": 1.95, "j16_xdp": 1.64, "l_calls": 0.71, "n_timer": 1.11,
    "o1_strncmp": 7.2, "o2_snprintf": 1.0,
}  # fmt: skip
PACKET_BYTES = 1500
TARGET_NS = 2_000_000  # of one measurement

_TIMER = r"""
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "pkt.h"
static uint64_t now(void){
  struct timespec t; clock_gettime(CLOCK_MONOTONIC,&t); return t.tv_sec*1000000000ull+t.tv_nsec; }
uint64_t time_calls(uint64_t (*f)(uint64_t,uint64_t), uint64_t a, uint64_t b, uint64_t n, uint64_t *r0){
  uint64_t start=now(); for(uint64_t i=0;i<n;i++) *r0=f(a,b); return now()-start; }
void *low_page(void){ return mmap(0,1<<16,PROT_READ|PROT_WRITE,MAP_PRIVATE|MAP_ANONYMOUS|MAP_32BIT,-1,0); }
void packet(unsigned char *p){ mkpkt(p); }
"""


# --- programs taken for verified --------------------------------------------------------------------------------------


def trust(program: Any, registry: Any, *, log_level: int = 0) -> VerifiedProgram:
    """What the verifier would say of the benchmark programs: context loads, maps, callbacks. No checks at all."""
    aux = [InsnAux(seen=True) for _ in program.insns]
    ptype = registry.prog_types[program.prog_type]
    kinds: dict[int, Any] = {1: "ctx"}
    saved: set[int] = set()
    starts = {0: False}  # start -> is a callback
    maps = {}
    idx = 0
    while idx < len(program.insns):
        insn = program.insns[idx]
        cls = insn.code & 7
        if insn.code == 0x85 and insn.src_reg == uapi.BPF_PSEUDO_CALL:
            starts.setdefault(idx + 1 + insn.imm, False)
        elif insn.code == 0x85:
            first, second = kinds.get(1), kinds.get(2)
            if isinstance(first, tuple) and first[0] == "map":
                aux[idx].map_ptrs = (first[1],)
            if insn.imm == uapi.BPF_FUNC_loop and isinstance(second, tuple) and second[0] == "func":
                aux[idx].inline_bpf_loop, aux[idx].loop_callback_subprogno = True, second[1]
        elif is_ld_imm64(insn) and insn.src_reg in (uapi.BPF_PSEUDO_MAP_FD, uapi.BPF_PSEUDO_MAP_VALUE):
            meta = program.resolve_map(insn.imm, False)
            maps[meta] = None
            kind = "map" if insn.src_reg == uapi.BPF_PSEUDO_MAP_FD else "map_value"
            aux[idx].imm64 = (kind, meta, program.insns[idx + 1].imm)
            kinds[insn.dst_reg] = ("map", meta) if kind == "map" else None
        elif is_ld_imm64(insn) and insn.src_reg == uapi.BPF_PSEUDO_FUNC:
            starts[idx + 1 + insn.imm] = True
            kinds[insn.dst_reg] = ("func", idx + 1 + insn.imm)
        elif cls == uapi.BPF_LDX:
            if kinds.get(insn.src_reg) == "ctx" or insn.src_reg in saved:
                size = {0x10: 1, 0x08: 2, 0x00: 4, 0x18: 8}[insn.code & 0x18]
                aux[idx].ctx_field = ptype.ctx_access(insn.off, size, False)
                aux[idx].ptr_type = uapi.PTR_TO_CTX
            kinds[insn.dst_reg] = None
        elif insn.code == 0xBF:
            kinds[insn.dst_reg] = kinds.get(insn.src_reg)
            if kinds[insn.dst_reg] == "ctx" and insn.dst_reg >= 6:
                saved.add(insn.dst_reg)  # for good, in these programs
        if insn.code == 0x85:
            for reg in range(6):
                kinds[reg] = None
        idx += 2 if insn.code == LD_IMM64 else 1
    order = sorted(starts)
    for each in aux:
        if each.loop_callback_subprogno > 0:
            each.loop_callback_subprogno = order.index(each.loop_callback_subprogno)
    for idx, insn in enumerate(program.insns):
        if is_ld_imm64(insn) and insn.src_reg == uapi.BPF_PSEUDO_FUNC:
            aux[idx].imm64 = ("func", order.index(idx + 1 + insn.imm), 0)
    subprogs = tuple(SubprogInfo(start, name=f"f{start}", is_cb=starts[start]) for start in order)
    return VerifiedProgram(program, program.insns, tuple(aux), subprogs, used_maps=tuple(maps))


# --- what is measured -------------------------------------------------------------------------------------------------


class Timer:
    """C functions called in a loop."""

    def __init__(self, work: Path) -> None:
        source = work / "timer.c"
        source.write_text(_TIMER)
        subprocess.run([CLANG, "-O2", "-shared", "-fPIC", f"-I{BENCH}", source, "-o", work / "timer.so"], check=True)
        self.lib = ctypes.CDLL(str(work / "timer.so"))
        self.lib.time_calls.restype = ctypes.c_uint64
        self.lib.time_calls.argtypes = [ctypes.c_uint64] * 4 + [ctypes.c_void_p]
        self.lib.low_page.restype = ctypes.c_uint64

    def packet(self) -> bytes:
        """The packet that all programs get."""
        data = ctypes.create_string_buffer(PACKET_BYTES)
        self.lib.packet(data)
        return data.raw

    def calls(self, function: int, a: int, b: int, count: int) -> tuple[float, int]:
        """(ns of one call, what the last returned)."""
        r0 = ctypes.c_uint64()
        ns = self.lib.time_calls(function, a, b, count, ctypes.byref(r0))
        return ns / count, r0.value


class Native:
    """The C code compiled for the host."""

    def __init__(self, name: str, work: Path, timer: Timer) -> None:
        library = work / f"{name}.so"
        source = BENCH / "progs" / f"{name}.c"
        subprocess.run(
            [CLANG, "-O2", "-march=native", "-DNATIVE", "-shared", "-fPIC", "-w", source, "-o", library], check=True
        )
        self.lib, self.timer = ctypes.CDLL(str(library)), timer
        self.function = ctypes.cast(self.lib.prog, ctypes.c_void_p).value or 0
        page = timer.lib.low_page()  # struct xdp_md has 32-bit pointers
        ctypes.memmove(page + 4096, timer.packet(), PACKET_BYTES)
        ctx = (ctypes.c_uint32 * 3)(page + 4096, page + 4096 + PACKET_BYTES, page + 4096)
        ctypes.memmove(page, ctx, 12)
        self.ctx = page

    def run(self, count: int) -> tuple[float, int]:
        """(ns, r0)"""
        ns, r0 = self.timer.calls(self.function, self.ctx, 0, count)
        return ns, r0 & 0xFFFFFFFF

    def close(self) -> None:
        """Nothing to give back."""


class Simulated:
    """One of our engines in the simulated kernel."""

    def __init__(self, path: Path, timer: Timer, engine: Any, verify: bool) -> None:
        self.kernel = beespace.Kernel(pipeline=Pipeline(verify=None if verify else trust, engine=engine))
        self.obj = self.kernel.load(path)
        self.prog = next(prog for prog in self.kernel.progs.values() if prog.name == "prog")
        self.executable = self.prog.executable(self.kernel)
        self.prepare_ms = self._prepare_ms(engine)
        for map_ in self.obj.maps:  # as rt.h does
            if map_.map_type in (uapi.BPF_MAP_TYPE_HASH, uapi.BPF_MAP_TYPE_LRU_HASH):
                for key in range(1024):
                    map_[key] = key
        self.timer = timer
        frame = self.kernel.runs.borrow("frame", 4096)
        ctx = self.kernel.runs.borrow("xdp_md", XDP.size)
        packet = PacketContext(self.kernel.space, XDP, ctx.base, frame)
        data = timer.packet()
        start = frame.base + 256
        self.kernel.space.write(start, data)
        packet.place(frame.base, frame.base + 4096, start, start + len(data), start)
        self.ctx = ctx.base
        self._open = contextlib.ExitStack()
        self.run_context = self._open.enter_context(self.kernel.runs.run(self.prog, 0))

    def run(self, count: int) -> tuple[float, int]:
        """(ns, r0)"""
        started = time.perf_counter_ns()
        r0 = self.executable.repeat(self.run_context, self.ctx, count)
        return (time.perf_counter_ns() - started) / count, r0 & 0xFFFFFFFF

    def close(self) -> None:
        """Give everything back."""
        self._open.close()
        self.kernel.close()

    # CPU time: the machine is shared.
    def _prepare_ms(self, engine: Any) -> float:
        best = math.inf
        for _ in range(3):
            started = time.process_time()
            engine.prepare(self.prog.xlated)
            best = min(best, time.process_time() - started)
        return best * 1e3

    def entry_ns(self, call: Callable[[], object] | None = None) -> float:
        """ns of Executable.run() from Python (or of *call*), without the loop."""
        execute, run, ctx = self.executable.run, self.run_context, self.ctx
        empty = min(timeit.repeat(lambda: None, number=200, repeat=100))
        return (min(timeit.repeat(call or (lambda: execute(run, ctx)), number=200, repeat=300)) - empty) / 200 * 1e9


class Linux:
    """The running kernel: BPF_PROG_TEST_RUN."""

    def __init__(self, path: Path, timer: Timer) -> None:
        self.kernel = beespace.LinuxKernel()
        self.obj = self.kernel.load(path)
        self.prog = self.obj.progs.prog
        for map_ in self.obj.maps:
            if map_.map_type in (uapi.BPF_MAP_TYPE_HASH, uapi.BPF_MAP_TYPE_LRU_HASH):
                for key in range(1024):
                    map_[key] = key
        self.data = timer.packet()

    def close(self) -> None:
        """Give everything back."""
        self.kernel.close()

    def run(self, count: int) -> tuple[float, int]:
        """(ns, r0)"""
        result = self.prog.run(self.data, repeat=count)
        return result.duration_ns, result.retval & 0xFFFFFFFF


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", default=list(DEFAULT))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--trust", action="store_true", help="without beespace's verifier")
    parser.add_argument("--json", type=Path, help="write all times there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        _measure(args, Path(work))


def _build(name: str, work: Path) -> Path:
    path = work / f"{name}.bpf.o"
    include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    source = BENCH / "progs" / f"{name}.c"
    command = [CLANG, "-O2", "-g", "-target", "bpf", "-mcpu=v3", include, "-c", source, "-o", path]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return path


# The columns of one program; those that cannot run it are left out, with the reason.
def _columns(name: str, work: Path, timer: Timer, args: argparse.Namespace) -> dict[str, Any]:
    path = _build(name, work)
    makers = {
        "native": lambda: Native(name, work, timer),
        "kernel": lambda: Linux(path, timer),
        "jit": lambda: Simulated(path, timer, Jit(JitOptions(cache=False)), not args.trust),
        "interp": lambda: Simulated(path, timer, Interp(), not args.trust),
    }
    columns = {}
    for column, make in makers.items():
        try:
            columns[column] = made = make()
            made.run(1)
        except (BpfError, OSError, InternalError) as err:
            columns.pop(column, None)
            print(f"# {name}: no {column}: {str(err).splitlines()[0]}", file=sys.stderr)
    return columns


def _rounds(columns: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    counts = {}
    for column, made in columns.items():
        ns, _ = made.run(20)
        counts[column] = max(1, min(1_000_000, int(TARGET_NS / max(ns, 1))))
    times: dict[str, list[float]] = {column: [] for column in columns}
    results = {}
    for _ in range(rounds):
        for column, made in columns.items():
            ns, results[column] = made.run(counts[column])
            times[column].append(ns)
    if len(set(results.values())) > 1:
        print(f"# results differ: {results}", file=sys.stderr)
    return times


def _measure(args: argparse.Namespace, work: Path) -> None:
    timer = Timer(work)
    empty = _columns(EMPTY, work, timer, args)
    base = {column: min(times) for column, times in _rounds(empty, args.rounds).items()}
    head = ("program", "native", "kernel", "jit", "interp", "jit/nat", "jit/kern", "int/nat", "compile ms")
    print("".join(f"{word:>{16 if i == 0 else 11}}" for i, word in enumerate(head)))
    best: dict[str, dict[str, float]] = {}
    compile_ms = []
    records: list[dict[str, object]] = []
    for name in args.programs:
        columns = _columns(name, work, timer, args)
        times = _rounds(columns, args.rounds)
        best[name] = {c: max(min(t) - base.get(c, 0), 0.5) for c, t in times.items()}
        records += [
            {"program": name, "engine": c, "min_ns": min(t), "median_ns": statistics.median(t), "max_ns": max(t),
             "retval": columns[c].run(1)[1]}
            for c, t in times.items()
        ]  # fmt: skip
        for column in columns.values():
            column.close()
        row = [f"{best[name][c]:.1f}" if c in best[name] else "-" for c in ("native", "kernel", "jit", "interp")]
        for pair in (("jit", "native"), ("jit", "kernel"), ("interp", "native")):
            value = _ratio(best[name], *pair)
            row.append(f"{value:.2f}" if value is not None else "-")
        if "jit" in columns:
            compile_ms.append(columns["jit"].prepare_ms)
            row.append(f"{columns['jit'].prepare_ms:.1f}")
        print(f"{name:>16}" + "".join(f"{cell:>11}" for cell in row), flush=True)
    print("empty program, ns:", {column: round(ns, 1) for column, ns in base.items()})
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(records, indent=1) + "\n")
    print()
    _targets(best, compile_ms, empty)


def _ratio(best: dict[str, float], over: str, under: str) -> float | None:
    return best[over] / best[under] if over in best and under in best else None


def _mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values))) if values else math.nan


def _targets(best: dict[str, dict[str, float]], compile_ms: list[float], empty: dict[str, Any]) -> None:
    over_native = {name: value for name in best if (value := _ratio(best[name], "jit", "native")) is not None}
    over_kernel = {name: value for name in best if (value := _ratio(best[name], "jit", "kernel")) is not None}
    interp = [value for name in COMPUTE & set(best) if (value := _ratio(best[name], "interp", "native")) is not None]
    # Ring buffer and timers: the peers' maps have no locks, the kernel is what to compare with.
    behind = [
        n for n, r in over_native.items() if r > 1.05 * PEERS.get(n, math.inf) and n not in ("i_ringbuf", "n_timer")
    ]
    slower = [name for name, ratio in over_kernel.items() if ratio > 1]
    rows: list[tuple[str, str, float, float, str]] = [
        (
            "compute programs, jit over native",
            "<=",
            1.10,
            _mean([over_native[n] for n in COMPUTE & set(over_native)]),
            "",
        ),
        ("all programs, jit over the kernel's JIT", "<=", 0.25, _mean(list(over_kernel.values())), ""),
        ("programs slower than the kernel's JIT", "<=", 0, len(slower), " ".join(slower)),
        ("rows behind the best peer", "<=", 0, len(behind), " ".join(behind)),
        ("interp over native, compute programs", "<=", 40, _mean(interp), ""),
        ("compile, median ms (CPU time)", "<=", 20, statistics.median(compile_ms) if compile_ms else math.nan, ""),
    ]
    for name, text, target, count in (
        ("f1_hash_lookup", "hash lookup, ns", 2, 100),
        ("f2_hash_lkup_upd", "hash lookup + update, ns", 6, 100),
        ("i_ringbuf", "ring buffer record, ns", 3, 10),
    ):
        if "jit" in best.get(name, {}):
            scale = f"native {best[name]['native'] / count:.2f}" if "native" in best[name] else ""
            rows.append((text, "<=", target, best[name]["jit"] / count, scale))
    rows += _entry_rows(empty)
    print(f"{'target':<46}{'':>10}{'here':>10}")
    for text, sign, target, value, note in rows:
        verdict = "met" if value <= target else "missed"
        print(f"{text:<46}{sign + ' ' + format(target, 'g'):>10}{value:>10.2f}  {verdict:<7}{note}")


# What it costs to get into compiled code, by the empty program.
def _entry_rows(empty: dict[str, Any]) -> list[tuple[str, str, float, float, str]]:
    if "jit" not in empty or "interp" not in empty:
        return []
    jit, interp = empty["jit"], empty["interp"]
    prog = jit.obj.progs.prog
    packet = bytes(64)
    batch = Packets(packet, array("Q", bytes(8 * 10_000)), array("I", [64]) * 10_000)
    times = timeit.repeat(lambda: prog.run_many(batch), number=1, repeat=100)
    firsts = []
    engine = Interp()
    for _ in range(30):
        started = time.perf_counter()
        engine.prepare(interp.prog.xlated).run(interp.run_context, interp.ctx)
        firsts.append(time.perf_counter() - started)
    cached = Jit()
    cached.prepare(jit.prog.xlated)
    loads = []
    for _ in range(30):
        started = time.process_time()
        cached.prepare(jit.prog.xlated)
        loads.append(time.process_time() - started)
    return [
        ("entering compiled code, ns", "<=", 60, jit.entry_ns(), ""),
        ("Program.run() of a packet, ns", "<=", 2000, jit.entry_ns(lambda: prog.run(packet)), ""),
        ("a packet of 64 bytes in a batch, ns", "<=", 5, min(times) / 10_000 * 1e9, ""),
        ("first run, interpreted, us", "<=", 50, min(firsts) * 1e6, ""),
        ("from the code on disk, ms (CPU time)", "<=", 0.2, min(loads) * 1e3, ""),
    ]


if __name__ == "__main__":
    main()
