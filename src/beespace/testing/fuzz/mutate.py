"""Programs of real objects, changed a little: the second source of fuzzing.

Generated programs have the shapes that the generator knows; compiled ones have those that people write. An object is
loaded once on each kernel, with its maps and relocations; a mutant is its program with one to three instructions
changed in place, so that jumps, calls and references to maps stay where they are.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from beespace.decl import Caps
from beespace.errors import InputError, SyscallError, Unsupported, VerifierError, errno_name
from beespace.isa import Insn, encode_insns
from beespace.testing.fuzz.judge import LOG_BYTES, Outcome, inputs_of, outcome_of_refusal, processed
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import ProgLoadAttr, ProgTestRunAttr
from beespace.values import frozen

__all__ = ["MUTABLE_TYPES", "CorpusBench", "Edit", "apply_edits", "find_corpus", "mutations"]

_EDGES = (0, 1, -1, 2, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 4095, 0x7FFF, -0x8000, 2**31 - 1, -(2**31))
_SIZES = (0x00, 0x08, 0x10, 0x18)
_ALU_OPS = (0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xA0, 0xB0, 0xC0)
_JMP_OPS = (0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xA0, 0xB0, 0xC0, 0xD0)
_NOP = Insn(0x05, 0, 0, 0, 0)  # goto +0
# What these return, or where they send the packet, is no property of the program.
_UNPREDICTABLE = {
    getattr(uapi, "BPF_FUNC_" + name)
    for name in """
    ktime_get_ns ktime_get_boot_ns ktime_get_coarse_ns ktime_get_tai_ns jiffies64 get_prandom_u32 get_smp_processor_id
    get_numa_node_id get_current_pid_tgid get_current_uid_gid get_current_comm get_current_task get_current_task_btf
    get_current_cgroup_id get_current_ancestor_cgroup_id get_stackid get_stack get_hash_recalc get_socket_cookie
    get_netns_cookie trace_printk trace_vprintk fib_lookup redirect redirect_map clone_redirect timer_start
    """.split()
}
_ADDRESSES = re.compile(r"leak|pointer|prohibited")  # what the verifier says of addresses used as numbers
_RUN_TYPES = (uapi.BPF_PROG_TYPE_XDP, uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_PROG_TYPE_SOCKET_FILTER)
MUTABLE_TYPES = frozenset(_RUN_TYPES) | {
    uapi.BPF_PROG_TYPE_KPROBE,
    uapi.BPF_PROG_TYPE_TRACEPOINT,
    uapi.BPF_PROG_TYPE_RAW_TRACEPOINT,
    uapi.BPF_PROG_TYPE_PERF_EVENT,
    uapi.BPF_PROG_TYPE_CGROUP_SKB,
    uapi.BPF_PROG_TYPE_CGROUP_SOCK,
    uapi.BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
    uapi.BPF_PROG_TYPE_SOCK_OPS,
    uapi.BPF_PROG_TYPE_SK_LOOKUP,
}  # those that need no target in BTF; the first three are run, too


@frozen
class Edit:
    """One instruction's new fields; those that are None stay."""

    at: int
    code: int | None = None
    dst: int | None = None
    src: int | None = None
    off: int | None = None
    imm: int | None = None

    def __str__(self) -> str:
        fields = ("code", self.code), ("dst", self.dst), ("src", self.src), ("off", self.off), ("imm", self.imm)
        return f"{self.at}: " + " ".join(f"{name}={value:#x}" for name, value in fields if value is not None)

    def apply(self, insn: Insn) -> Insn:
        """The changed instruction."""
        pairs = zip(("code", "dst_reg", "src_reg", "off", "imm"), (self.code, self.dst, self.src, self.off, self.imm))  # noqa: B905
        return insn._replace(**{name: value for name, value in pairs if value is not None})


def find_corpus(folders: Sequence[Path]) -> list[Path]:
    """Every ``*.bpf.o`` below *folders* (or named there), sorted."""
    found: set[Path] = set()
    for folder in folders:
        found.update(folder.rglob("*.bpf.o") if folder.is_dir() else [folder])
    return sorted(found)


def apply_edits(insns: Sequence[Insn], edits: Sequence[Edit]) -> tuple[Insn, ...]:
    """*insns* with all *edits* carried out."""
    changed = list(insns)
    for edit in edits:
        changed[edit.at] = edit.apply(changed[edit.at])
    return tuple(changed)


def mutations(insns: Sequence[Insn], rng: Random) -> tuple[Edit, ...]:
    """One to three edits at different instructions; calls, exits and loads of 64-bit constants stay as they are."""
    fixed = {idx + step for idx, insn in enumerate(insns) if insn.code == 0x18 for step in (0, 1)}
    places = [idx for idx, insn in enumerate(insns) if idx not in fixed and insn.code not in (0x85, 0x8D, 0x95, 0x06)]
    if not places:
        return ()
    chosen = rng.sample(places, min(len(places), rng.choice((1, 1, 1, 2, 3))))
    return tuple(_edit(idx, insns[idx], rng) for idx in chosen)


def _edit(at: int, insn: Insn, rng: Random) -> Edit:
    kind = insn.code & 7
    if rng.random() < 0.15:
        return Edit(at, *_NOP)
    if kind in (4, 7):  # ALU
        return rng.choice((_other_operand, _other_alu_op, _other_width))(at, insn, rng)
    if kind in (5, 6):  # JMP
        if insn.code in (0x05, 0x06, 0xE5):
            return Edit(at, *_NOP)
        return rng.choice((_other_operand, _other_operand, _other_jmp_op, _other_width))(at, insn, rng)
    return rng.choice((_other_offset, _other_offset, _other_size, _other_base))(at, insn, rng)


def _other_operand(at: int, insn: Insn, rng: Random) -> Edit:
    if insn.code & 8:
        return Edit(at, src=rng.randrange(10))
    return Edit(
        at, imm=rng.choice((rng.choice(_EDGES), insn.imm + rng.choice((-1, 1)), insn.imm ^ 1 << rng.randrange(31)))
    )


def _other_alu_op(at: int, insn: Insn, rng: Random) -> Edit:
    return Edit(at, code=insn.code & 0x0F | rng.choice(_ALU_OPS))


def _other_jmp_op(at: int, insn: Insn, rng: Random) -> Edit:
    return Edit(at, code=insn.code & 0x0F | rng.choice(_JMP_OPS))


def _other_width(at: int, insn: Insn, rng: Random) -> Edit:
    return Edit(at, code=insn.code ^ 3)  # ALU 4, ALU64 7; JMP 5, JMP32 6


def _other_offset(at: int, insn: Insn, rng: Random) -> Edit:
    return Edit(at, off=max(-0x8000, min(0x7FFF, insn.off + rng.choice((-64, -8, -4, -1, 1, 2, 4, 8, 16, 64, 512)))))


def _other_size(at: int, insn: Insn, rng: Random) -> Edit:
    return Edit(at, code=insn.code & ~0x18 | rng.choice(_SIZES))


def _other_base(at: int, insn: Insn, rng: Random) -> Edit:
    reg = rng.randrange(11)
    return Edit(at, src=reg) if insn.code & 7 == 1 else Edit(at, dst=reg)


class CorpusBench:
    """One program of an object on one kernel, with the object's maps, as it is handed to bpf(2).

    :raises BpfError: the object cannot be loaded, or not without its BTF: it is of no use then.
    """

    def __init__(self, kernel: Any, path: Path, name: str) -> None:
        self.kernel, self.path, self.name = kernel, path, name
        obj = kernel.open(path)
        for prog in obj.progs:
            prog.autoload = prog.name == name
        obj.load()
        self._obj = obj  # keeps the maps
        self._prog = next(prog for prog in obj.progs if prog.name == name)
        self.insns: tuple[Insn, ...] = self._prog.insns  # references to maps carry this kernel's fds
        self.prog_type: int = self._prog.prog_type
        calls = {insn.imm for insn in self.insns if insn.code == 0x85 and insn.src_reg == 0}
        self.can_run = self.prog_type in _RUN_TYPES and not calls & _UNPREDICTABLE
        unchanged = self.outcome((), 0)
        if unchanged.verdict != "accepted":
            raise InputError(f"{path.name}:{name} does not load alone", expected="accepted", found=unchanged.message)

    def leaks_pointers(self, edits: Sequence[Edit]) -> bool:
        """Of a simulated kernel: whether the mutant's results may be addresses, which no two kernels share.

        A loader without CAP_PERFMON may not load such programs, so the verifier is asked in the name of one.
        """
        caps = self.kernel.caps
        self.kernel.caps = Caps(sys_admin=False, perfmon=False)
        try:
            return bool(_ADDRESSES.search(self.outcome(edits, 0).message))
        finally:
            self.kernel.caps = caps

    def outcome(self, edits: Sequence[Edit], seed: int) -> Outcome:
        """Verdict on the mutant, and its runs on the inputs of *seed* when it is accepted."""
        insns = apply_edits(self.insns, edits)
        code, license_text = ctypes.create_string_buffer(encode_insns(insns)), ctypes.create_string_buffer(b"GPL")
        log = ctypes.create_string_buffer(16 * LOG_BYTES)
        attr = ProgLoadAttr(
            prog_type=self.prog_type,
            expected_attach_type=self._prog.expected_attach_type,
            insn_cnt=len(insns),
            insns=ctypes.addressof(code),
            license=ctypes.addressof(license_text),
            log_level=1,
            log_size=len(log),
            log_buf=ctypes.addressof(log),
        )
        try:
            fd = self.kernel.bpf(uapi.BPF_PROG_LOAD, attr.pack())
        except Unsupported as err:
            return Outcome("unsupported", message=err.feature)
        except VerifierError as err:
            return outcome_of_refusal(errno_name(err.errno), err.log or log.value.decode())
        except SyscallError as err:
            return outcome_of_refusal(errno_name(err.errno or 0), log.value.decode())
        text = log.value.decode()
        try:
            runs = [self._run(fd, packet) for packet in inputs_of(seed)] if self.can_run else []
        except Unsupported as err:
            return Outcome("unsupported", message=err.feature)
        finally:
            self.kernel.close(fd)
        return Outcome("accepted", processed=processed(text), runs=tuple(runs), log=text)

    def _run(self, fd: int, packet: bytes) -> tuple[int, bytes] | str:
        data, out = ctypes.create_string_buffer(packet, len(packet)), ctypes.create_string_buffer(4096)
        attr = ProgTestRunAttr(
            prog_fd=fd,
            data_in=ctypes.addressof(data),
            data_size_in=len(packet),
            data_out=ctypes.addressof(out),
            data_size_out=len(out),
        ).pack()
        try:
            self.kernel.bpf(uapi.BPF_PROG_TEST_RUN, attr)
        except SyscallError as err:
            return errno_name(err.errno or 0)
        done = ProgTestRunAttr.unpack(attr)
        return done.retval, out.raw[: done.data_size_out]
