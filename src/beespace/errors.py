"""All exceptions of beespace.

::

    BpfError                 all conditions we expect and raise on purpose
      InputError             malformed file: path, section, byte offset, expected, found
        ElfError             the object file
        BtfError             type information
        CoreRelocError       a CO-RE relocation that no candidate satisfies
        PcapError            a capture
        AsmError             assembly text
      VerifierError          the program is rejected
      SyscallError           bpf(2) failed; also an OSError, with the errno the kernel gives
      GuestFault             an *unverified* program misbehaved
      Unsupported            not modelled; names the feature
    InternalError            our bug, including a fault in a verified program; never caught
"""

from __future__ import annotations

import errno as _errno
from dataclasses import dataclass, field
from typing import Any

from beespace.values import frozen

__all__ = [
    "AsmError",
    "BpfError",
    "BtfError",
    "CoreRelocError",
    "ElfError",
    "GuestFault",
    "InputError",
    "InternalError",
    "PcapError",
    "SyscallError",
    "Unsupported",
    "VerifierError",
    "errno_name",
]

ENOTSUPP = 524  # include/linux/errno.h: kernel-internal, reaches user space through bpf(2)


def errno_name(err: int) -> str:
    """Symbolic name of a (positive) errno, ``ENOTSUPP`` for the kernel's 524."""
    if err == ENOTSUPP:
        return "ENOTSUPP"
    if err == _errno.EOPNOTSUPP:  # Python prefers ENOTSUP, a name that the kernel does not use
        return "EOPNOTSUPP"
    return _errno.errorcode.get(err, str(err))


class BpfError(Exception):
    """A condition that beespace expects and raises on purpose."""


class InputError(BpfError):
    """A malformed input.

    :param message: what is wrong, with the offending value.
    :param path: file name, or ``None`` for data without one.
    :param section: ELF section or other part of the file.
    :param offset: byte offset in the section (or in the file when there is no section).
    :param expected: what would have been right.
    :param found: what was found.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        section: str | None = None,
        offset: int | None = None,
        expected: object = None,
        found: object = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.section = section
        self.offset = offset
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        where = [self.path] if self.path else []
        if self.section:
            where.append(f"section {self.section}")
        if self.offset is not None:
            where.append(f"offset {self.offset:#x}")
        text = f"{', '.join(where)}: {self.message}" if where else self.message
        if self.expected is not None or self.found is not None:
            text += f" (expected {self.expected}, found {self.found})"
        return text


class ElfError(InputError):
    """The object file is malformed, truncated or not a BPF object."""


class BtfError(InputError):
    """Type information is malformed, or does not say what is asked of it.

    :param errno: positive errno that bpf(2) gives for it.
    :param log: what BTF_LOAD writes into its log buffer.
    """

    def __init__(self, message: str, *, errno: int = _errno.EINVAL, log: str = "", **where: Any) -> None:
        super().__init__(message, **where)
        self.errno = errno
        self.log = log


class CoreRelocError(InputError):
    """A CO-RE relocation has no (or more than one) target; names type and field as libbpf does."""


class PcapError(InputError):
    """A capture file is malformed or truncated."""


class AsmError(InputError):
    """Assembly text that means nothing; ``line`` counts from 1."""

    def __init__(self, message: str, *, line: int, path: str | None = None) -> None:
        super().__init__(message, path=path)
        self.line = line

    def __str__(self) -> str:
        return f"{self.path or 'line '}{':' if self.path else ''}{self.line}: {self.message}"


@frozen
class SourceLine:
    """C source of an instruction, from .BTF.ext line info."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class VerifierError(BpfError):
    """The verifier rejects a program: structure first, text second.

    :param message: the kernel's message, verbatim.
    :param errno: positive errno of the rejection (EACCES, EINVAL, E2BIG, ...).
    :param insn_idx: 8-byte slot of the instruction, or -1.
    :param insn: its disassembly in the kernel's syntax.
    :param source: its C source line.
    :param states: registers and stack slots that matter, rendered as in the log.
    :param obligation: the failed obligation with its numbers, in words.
    :param path: instructions of the path that led there (branch decisions).
    :param log: the whole log, in the format of kernel/bpf/log.c.
    """

    def __init__(
        self,
        message: str,
        *,
        errno: int,
        insn_idx: int = -1,
        insn: str = "",
        source: SourceLine | None = None,
        states: tuple[str, ...] = (),
        obligation: str = "",
        path: tuple[int, ...] = (),
        log: str = "",
        prog_name: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errno = errno
        self.insn_idx = insn_idx
        self.insn = insn
        self.source = source
        self.states = states
        self.obligation = obligation
        self.path = path
        self.log = log
        self.prog_name = prog_name

    def __str__(self) -> str:
        where = str(self.source) if self.source else (f"insn {self.insn_idx}" if self.insn_idx >= 0 else "")
        prog = f"{self.prog_name}: " if self.prog_name else ""
        lines = [f"{prog}{where + ': ' if where else ''}{self.message} ({errno_name(self.errno)})"]
        if self.insn:
            text = f"  {self.insn_idx}: {self.insn}"
            lines.append(f"{text}      ; {self.source.text}" if self.source and self.source.text else text)
        lines.extend(f"  {state}" for state in self.states[:2])
        if self.obligation:
            lines.append(f"  {self.obligation}")
        return "\n".join(lines[:6])


class SyscallError(BpfError, OSError):
    """bpf(2) failed.

    :param err: positive errno.
    :param what: the command and its object, for example ``BPF_MAP_UPDATE_ELEM flows``.
    :param hint: what can be done about it, or "".
    :param log: the verifier's or BTF's log when the command has one.
    """

    def __init__(self, err: int, what: str, *, hint: str = "", log: str = "") -> None:
        super().__init__(err, what)
        self.what = what
        self.hint = hint
        self.log = log

    def __str__(self) -> str:
        text = f"{self.what}: {errno_name(self.errno or 0)}"
        return f"{text}: {self.hint}" if self.hint else text


@dataclass
class GuestFault(BpfError):
    """An unverified program misbehaved (a verified one that does is an InternalError).

    :ivar engine: "interp" or "jit".
    :ivar insn_idx: 8-byte slot, -1 when not known.
    :ivar address: guest address of the access, ``None`` when the fault is not an access.
    :ivar registers: r0..r10 at the fault.
    """

    message: str
    engine: str = "interp"
    insn_idx: int = -1
    address: int | None = None
    registers: tuple[int, ...] = field(default=())

    def __str__(self) -> str:
        at = f" at {self.address:#x}" if self.address is not None else ""
        return f"{self.engine}: insn {self.insn_idx}: {self.message}{at}"


class Unsupported(BpfError):
    """Something beespace does not model (yet).

    :param feature: what is missing, in the kernel's words.
    :param where: where to follow it: an issue, a page.
    """

    def __init__(self, feature: str, where: str = "docs/reference/support.md") -> None:
        super().__init__(feature)
        self.feature = feature
        self.where = where

    def __str__(self) -> str:
        return f"unsupported: {self.feature} (see {self.where})"


class InternalError(Exception):
    """A bug in beespace. Never caught; please report it with the program and the seed."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}\nThis is a bug in beespace: please report it with the program and the seed.")
