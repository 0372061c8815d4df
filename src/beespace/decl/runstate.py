"""What the engines keep of a run: native words that compiled programs read and write, and the pending exception."""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

from typing import TYPE_CHECKING

import cython

if TYPE_CHECKING:
    from beespace.mem import AddressSpace

if not cython.compiled:
    import ctypes

    from beespace.decl.runwords import Words

__all__ = ["RunState"]


@cython.cclass
class RunState:
    """Base of every RunContext: one run on one CPU, as the engines see it.

    Not shared between threads; a helper that starts another program (not a callback) does it on another RunState.

    :ivar address: of the words (runwords.py), the first argument of all compiled code.
    :ivar mem: guest memory; to be set before the first run.
    :ivar aborted: set to make compiled code leave after the call it is in; engines set it with ``pending``.
    :ivar pending: exception of a Python helper or kfunc on its way out of native frames.
    :ivar targets: keeps what the run has tail-called alive until it ends.
    :ivar apart: other threads may run Python while compiled code runs: maps take their locks.
    :ivar sp: lowest byte of the stack region in use; engines put their frames below and restore it.
    :ivar insn_limit: instructions after which the interpreter gives up on an unverified program, 0 for none.
    """

    def __init__(self, *, cpu: int = 0, stack: int = 0, stack_bytes: int = 0, mem: AddressSpace | None = None) -> None:
        if not cython.compiled:
            self.words = Words()
            self.words.owner = id(self)
        else:
            self.words.owner = cython.cast(cython.size_t, cython.cast(cython.p_void, self))
        self.words.cpu = cpu
        self.words.stack = stack
        self.words.sp = stack + stack_bytes
        self.stack_bytes = stack_bytes
        self.pending = None
        self.targets = None
        self.apart = False
        if mem is not None:
            self.mem = mem

    @property
    def address(self) -> int:
        if cython.compiled:
            return cython.cast(cython.size_t, cython.address(self.words))
        else:
            return ctypes.addressof(self.words)

    @property
    def mem(self) -> AddressSpace:
        return self._mem

    @mem.setter
    def mem(self, space: AddressSpace) -> None:
        self._mem = space
        if cython.compiled:
            self.words.mem = cython.cast(cython.size_t, cython.cast(cython.p_void, space))
        else:
            self.words.mem = id(space)

    @property
    def aborted(self) -> bool:
        return self.words.aborted != 0

    @aborted.setter
    def aborted(self, value: bool) -> None:
        self.words.aborted = value

    @property
    def cpu(self) -> int:
        return self.words.cpu

    @cpu.setter
    def cpu(self, value: int) -> None:
        self.words.cpu = value

    @property
    def stack(self) -> int:
        return self.words.stack

    @property
    def sp(self) -> int:
        return self.words.sp

    @sp.setter
    def sp(self, value: int) -> None:
        self.words.sp = value

    @property
    def tail_calls(self) -> int:
        return self.words.tail_calls

    @tail_calls.setter
    def tail_calls(self, value: int) -> None:
        self.words.tail_calls = value

    @property
    def insn_count(self) -> int:
        return self.words.insn_count

    @insn_count.setter
    def insn_count(self, value: int) -> None:
        self.words.insn_count = value

    @property
    def last_insn_idx(self) -> int:
        return self.words.last_insn_idx

    @last_insn_idx.setter
    def last_insn_idx(self, value: int) -> None:
        self.words.last_insn_idx = value

    @property
    def insn_limit(self) -> int:
        return self.words.insn_limit

    @insn_limit.setter
    def insn_limit(self, value: int) -> None:
        self.words.insn_limit = value
