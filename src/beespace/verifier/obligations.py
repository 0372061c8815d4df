"""What must hold before an instruction: values that depend on the instruction alone.

They are made once for each instruction, in the order in which the kernel asks, and kept in ``InsnRec.obligations``;
``check.py`` decides whether a state entails them; ``transfer.py`` is then free to assume them. What depends on a
declaration (arguments of a call) is derived from it in ``args.py`` and ``kfunc_args.py``.
"""

from __future__ import annotations

from beespace.isa.check import check_fields, check_operand
from beespace.uapi import bpf as uapi
from beespace.verifier.insns import InsnRec

__all__ = ["ACCESS", "LEGAL", "NOT_POINTER", "READ", "WRITE", "Obligation", "obligations_of"]

LEGAL, READ, WRITE, NOT_POINTER, ACCESS = range(5)


class Obligation:
    """One demand of one instruction.

    :ivar tag: LEGAL (never holds: *message* says why), READ and WRITE of register *regno*, NOT_POINTER (the loader may
        not see addresses: *message* says what it tried), ACCESS to memory.
    :ivar off: of the instruction; ``size`` bytes.
    :ivar write: a store. ``value``: register stored or loaded, -1 for none.
    :ivar strict: must be aligned, whatever the machine can do.
    :ivar sign_extend: the value loaded is.
    """

    def __init__(
        self,
        tag: int,
        regno: int = -1,
        message: str = "",
        off: int = 0,
        size: int = 0,
        write: bool = False,
        value: int = -1,
        strict: bool = False,
        sign_extend: bool = False,
    ) -> None:
        self.tag = tag
        self.regno = regno
        self.message = message
        self.off = off
        self.size = size
        self.write = write
        self.value = value
        self.strict = strict
        self.sign_extend = sign_extend

    def words(self) -> str:
        """The demand as a sentence, for VerifierError.obligation."""
        match self.tag:
            case 1:
                return f"needs a value in R{self.regno}"
            case 2:
                return f"needs R{self.regno} to be writable"
            case 3:
                return f"needs R{self.regno} to hold a number"
            case 4:
                verb = "write" if self.write else "read"
                unit = "byte" if self.size == 1 else "bytes"
                return f"needs to {verb} {self.size} {unit} at R{self.regno}{self.off:+d}"
            case _:
                return "needs a legal encoding"


def obligations_of(rec: InsnRec) -> tuple[Obligation, ...]:
    """The demands of an instruction that has passed the first look (isa.check.check_insns())."""
    insn = rec.insn
    fields = check_fields(insn)
    match rec.cls:
        case uapi.BPF_ALU | uapi.BPF_ALU64:
            found = _alu(rec)
        case uapi.BPF_LDX:
            access = _access(rec, rec.src, False, rec.dst, sign_extend=rec.mode == uapi.BPF_MEMSX)
            found = [_read(rec.src), _write(rec.dst), access]
        case uapi.BPF_ST:
            found = [_read(rec.dst), _access(rec, rec.dst, True, -1)]
        case uapi.BPF_STX if rec.mode == uapi.BPF_MEM:
            found = [_read(rec.src), _read(rec.dst), _access(rec, rec.dst, True, rec.src)]
        case uapi.BPF_JMP | uapi.BPF_JMP32 if _is_conditional(rec):
            # the kernel looks at the first register before it looks at the fields
            found = [_read(rec.dst)]
            if fields is not None:
                found.append(Obligation(LEGAL, message=fields))
                fields = None
            if rec.is_x:
                found.append(_read(rec.src))
        case uapi.BPF_LD if rec.is_ld_imm64:
            found = [_write(rec.dst)]
        case _:
            found = []
    if fields is not None:
        found.insert(0, Obligation(LEGAL, message=fields))
    return tuple(found)


def _is_conditional(rec: InsnRec) -> bool:
    return rec.op not in (uapi.BPF_JA, uapi.BPF_CALL, uapi.BPF_EXIT, uapi.BPF_JCOND)


def _alu(rec: InsnRec) -> list[Obligation]:
    if rec.op in (uapi.BPF_END, uapi.BPF_NEG):
        leak = Obligation(NOT_POINTER, rec.dst, f"R{rec.dst} pointer arithmetic prohibited")
        return [_read(rec.dst), leak, _write(rec.dst)]
    if rec.op == uapi.BPF_MOV:
        return [_read(rec.src), _write(rec.dst)] if rec.is_x else [_write(rec.dst)]
    found = [_read(rec.src)] if rec.is_x else []
    found.append(_read(rec.dst))
    if operand := check_operand(rec.insn):
        found.append(Obligation(LEGAL, message=operand))
    found.append(_write(rec.dst))
    return found


def _read(regno: int) -> Obligation:
    return Obligation(READ, regno)


def _write(regno: int) -> Obligation:
    return Obligation(WRITE, regno)


def _access(rec: InsnRec, regno: int, write: bool, value: int, sign_extend: bool = False) -> Obligation:
    return Obligation(ACCESS, regno, off=rec.off, size=rec.size, write=write, value=value, sign_extend=sign_extend)
