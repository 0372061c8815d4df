"""One program on one kernel: verdict, message, results; and the comparison of two."""

from __future__ import annotations

import ctypes
import re
from random import Random

from beespace.errors import SyscallError, Unsupported, VerifierError, errno_name
from beespace.isa import encode_insns
from beespace.kernel.seam import BpfKernel
from beespace.testing.fuzz.emit import Emitted
from beespace.testing.fuzz.program import MAPS, FuzzMap
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import MapCreateAttr, MapElemAttr, ProgLoadAttr, ProgTestRunAttr
from beespace.values import frozen

__all__ = [
    "LOG_BYTES",
    "Bench",
    "Difference",
    "Outcome",
    "compare",
    "inputs_of",
    "judge",
    "outcome_of_refusal",
    "processed",
]

LOG_BYTES = 1 << 16
_TAIL = re.compile(r"processed (\d+) insns ")
_PERCPU = {uapi.BPF_MAP_TYPE_PERCPU_ARRAY, uapi.BPF_MAP_TYPE_PERCPU_HASH}


@frozen
class Outcome:
    """What a kernel made of a program.

    :ivar verdict: "accepted", "rejected" or "unsupported".
    :ivar message: the log's last line before the statistics; what is unsupported.
    :ivar runs: for each input: (retval, data_out), or the errno name of a run that failed.
    :ivar maps: contents after all runs, entries sorted by key.
    """

    verdict: str
    errno: str = ""
    message: str = ""
    processed: int = -1
    runs: tuple[tuple[int, bytes] | str, ...] = ()
    maps: tuple[tuple[str, tuple[tuple[bytes, bytes], ...]], ...] = ()
    log: str = ""


@frozen
class Difference:
    """How two outcomes differ.

    :ivar kind: "unsound" (ours accepts what the kernel rejects), "stricter" (the reverse), "unsupported", "message"
        (both reject, in other words), "result" (both accept and run, results differ).
    """

    kind: str
    detail: str


def inputs_of(seed: int, count: int = 3) -> tuple[bytes, ...]:
    """Packets of the program with *seed*; the first is zeroes behind the Ethernet header."""
    rng = Random(seed ^ 0x5EED)
    header = bytes(12) + b"\x88\xb5"  # an ethertype for local experiments: no IP header is parsed
    return tuple(header + (bytes(50) if i == 0 else rng.randbytes(rng.choice((8, 20, 50, 100)))) for i in range(count))


class Bench:
    """Maps of its own on one kernel, in which programs are loaded and run."""

    def __init__(self, kernel: BpfKernel) -> None:
        self.kernel = kernel
        self.cpus = kernel.features.cpus

    def outcome(self, program: Emitted, seed: int, *, runs: int = 3, log_level: int = 1) -> Outcome:
        """Load *program* and, when it is accepted, run it on the inputs of *seed*."""
        fds: list[int] = []
        try:
            for fuzz_map in MAPS:
                attr = MapCreateAttr(
                    map_type=fuzz_map.map_type,
                    key_size=fuzz_map.key_size,
                    value_size=fuzz_map.value_size,
                    max_entries=fuzz_map.max_entries,
                )
                fds.append(self.kernel.bpf(uapi.BPF_MAP_CREATE, attr.pack()))
            loaded = self._load(program, tuple(fds), log_level)
            if isinstance(loaded, Outcome):
                return loaded
            fd, log = loaded
            fds.append(fd)
            self._fill(fds[0], seed)
            results = tuple(self._run(fd, program.prog_type, packet) for packet in inputs_of(seed, runs))
            maps = tuple((m.name, self._dump(map_fd, m)) for m, map_fd in zip(MAPS, fds[: len(MAPS)], strict=True))
            return Outcome("accepted", processed=processed(log), runs=results, maps=maps, log=log)
        finally:
            for fd in reversed(fds):
                self.kernel.close(fd)

    def _load(self, program: Emitted, fds: tuple[int, ...], log_level: int) -> tuple[int, str] | Outcome:
        code = ctypes.create_string_buffer(encode_insns(program.with_fds(fds)))
        license_text = ctypes.create_string_buffer(b"GPL")
        log = ctypes.create_string_buffer(LOG_BYTES if log_level == 1 else 64 * LOG_BYTES)
        attr = ProgLoadAttr(
            prog_type=program.prog_type,
            insn_cnt=len(program.insns),
            insns=ctypes.addressof(code),
            license=ctypes.addressof(license_text),
            log_level=log_level or 4,
            log_size=len(log),
            log_buf=ctypes.addressof(log),
        )
        try:
            fd = self.kernel.bpf(uapi.BPF_PROG_LOAD, attr.pack())
        except Unsupported as err:
            return Outcome("unsupported", message=err.feature)
        except VerifierError as err:
            text = err.log or log.value.decode()
            return outcome_of_refusal(errno_name(err.errno), text)
        except SyscallError as err:
            text = log.value.decode()
            return outcome_of_refusal(errno_name(err.errno or 0), text)
        return fd, log.value.decode()

    def _fill(self, fd: int, seed: int) -> None:
        rng = Random(seed ^ 0xF111)
        for index in range(MAPS[0].max_entries):
            key = ctypes.create_string_buffer(index.to_bytes(4, "little"), 4)
            value = ctypes.create_string_buffer(rng.randbytes(MAPS[0].value_size), MAPS[0].value_size)
            attr = MapElemAttr(map_fd=fd, key=ctypes.addressof(key), value=ctypes.addressof(value))
            self.kernel.bpf(uapi.BPF_MAP_UPDATE_ELEM, attr.pack())

    def _run(self, fd: int, prog_type: int, packet: bytes) -> tuple[int, bytes] | str:
        data = ctypes.create_string_buffer(packet, len(packet))
        out = ctypes.create_string_buffer(4096)
        attr = ProgTestRunAttr(
            prog_fd=fd,
            data_in=ctypes.addressof(data),
            data_size_in=len(packet),
            data_out=ctypes.addressof(out),
            data_size_out=len(out),
        )
        ctx = None
        if prog_type != uapi.BPF_PROG_TYPE_XDP:  # mark and cb[] are the scalars nobody knows beforehand
            rng = Random(packet)
            mark = rng.choice((bytes(4), b"\xff" * 4, rng.randbytes(4)))
            ctx = ctypes.create_string_buffer((bytes(8) + mark + bytes(36) + rng.randbytes(20)).ljust(192, b"\0"), 192)
            attr.ctx_in, attr.ctx_size_in = ctypes.addressof(ctx), 192
        raw = attr.pack()
        try:
            self.kernel.bpf(uapi.BPF_PROG_TEST_RUN, raw)
        except SyscallError as err:
            return errno_name(err.errno or 0)
        done = ProgTestRunAttr.unpack(raw)
        return done.retval, out.raw[: done.data_size_out]

    def _value_bytes(self, fuzz_map: FuzzMap) -> int:
        size = fuzz_map.value_size
        return -(-size // 8) * 8 * self.cpus if fuzz_map.map_type in _PERCPU else size

    def _which_cpu_does_not_matter(self, value: bytes, fuzz_map: FuzzMap) -> bytes:
        if fuzz_map.map_type not in _PERCPU:
            return value
        stride = len(value) // self.cpus
        copies = sorted((value[i : i + stride] for i in range(0, len(value), stride)), reverse=True)
        return b"".join(copies).rstrip(b"\0")

    def _dump(self, fd: int, fuzz_map: FuzzMap) -> tuple[tuple[bytes, bytes], ...]:
        entries: list[tuple[bytes, bytes]] = []
        key_size = fuzz_map.key_size
        key, next_key = None, ctypes.create_string_buffer(key_size)
        value = ctypes.create_string_buffer(self._value_bytes(fuzz_map))
        while True:
            attr = MapElemAttr(map_fd=fd, key=ctypes.addressof(key) if key else 0, value=ctypes.addressof(next_key))
            try:
                self.kernel.bpf(uapi.BPF_MAP_GET_NEXT_KEY, attr.pack())
            except SyscallError as err:
                if errno_name(err.errno or 0) != "ENOENT":
                    raise
                return tuple(sorted(entries))
            key = ctypes.create_string_buffer(next_key.raw, key_size)
            attr = MapElemAttr(map_fd=fd, key=ctypes.addressof(key), value=ctypes.addressof(value))
            self.kernel.bpf(uapi.BPF_MAP_LOOKUP_ELEM, attr.pack())
            entries.append((key.raw, self._which_cpu_does_not_matter(value.raw, fuzz_map)))


def outcome_of_refusal(errno: str, log: str) -> Outcome:
    """A program that did not load. :param errno: its name."""
    return Outcome("rejected", errno, _message(log), processed(log), log=log)


def processed(log: str) -> int:
    """Instructions the verifier looked at, from the last line of its log; -1 without that line."""
    found = _TAIL.search(log)
    return int(found.group(1)) if found else -1


def _message(log: str) -> str:
    lines = [line for line in log.splitlines() if line and not _TAIL.match(line)]
    return lines[-1] if lines else ""


def _general(message: str) -> str:
    return re.sub(r"-?\d+", "N", message)


# Rejections for cost, not for safety: which of the two gives up first is no question of soundness.
_COST = re.compile(r"too (large|complex|many)|complexity|BPF program is too large")


def compare(ours: Outcome, kernels: Outcome) -> Difference | None:
    """The most serious difference between a simulated and the real kernel's outcome."""
    if ours.verdict == "unsupported":
        return Difference("unsupported", ours.message)
    if ours.verdict != kernels.verdict:
        if ours.verdict == "accepted":
            kind = "cost" if _COST.search(kernels.message) else "unsound"
            return Difference(kind, f"the kernel says: {kernels.message} ({kernels.errno})")
        return Difference("stricter", f"we say: {ours.message} ({ours.errno})")
    if ours.verdict == "rejected":
        if _general(ours.message) != _general(kernels.message) or ours.errno != kernels.errno:
            return Difference("message", f"{ours.message} ({ours.errno}) | {kernels.message} ({kernels.errno})")
        return None
    for number, (mine, theirs) in enumerate(zip(ours.runs, kernels.runs, strict=True)):
        if mine != theirs:
            return Difference("result", f"input {number}: {_show(mine)} | {_show(theirs)}")
    if ours.maps != kernels.maps:
        return Difference("result", "map contents")
    return None


def _show(run: tuple[int, bytes] | str) -> str:
    return run if isinstance(run, str) else f"r0={run[0]:#x} data={run[1].hex()}"


def judge(ours: Bench, kernels: Bench, program: Emitted, seed: int) -> tuple[Difference | None, Outcome, Outcome]:
    """Both outcomes and their difference."""
    mine, theirs = ours.outcome(program, seed), kernels.outcome(program, seed)
    return compare(mine, theirs), mine, theirs
