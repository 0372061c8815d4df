"""What a run is: the context every helper receives, and what an engine must offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from beespace.decl.prog import XlatedProgram
    from beespace.mem import AddressSpace

__all__ = ["Engine", "Executable", "RunContext"]


class RunContext(Protocol):
    """One run of a program on one CPU: the first argument of every helper and kfunc.

    ``pending`` holds an exception raised by a Python helper until the engine has left the program; engines test
    ``aborted`` after each call and return.
    """

    kernel: Any  # the Kernel; typed in kernel/, opaque here
    cpu: int
    ctx: int  # address of the kernel-side context
    mem: AddressSpace
    program: XlatedProgram
    stack: int  # address of the lowest byte of the run's stack region
    stack_bytes: int
    pending: BaseException | None
    aborted: bool
    tail_calls: int  # tail calls done so far, limit MAX_TAIL_CALL_CNT
    invoke: Callable[..., int]  # invoke(text_address, r1..r5) -> r0: runs a callback subprogram

    def ktime_ns(self, clock: int) -> int: ...
    def prandom_u32(self) -> int: ...
    def printk(self, text: str) -> None: ...


class Executable(Protocol):
    """A program an engine has prepared."""

    insn_count: int  # instructions executed by the last run that counted
    last_insn_idx: int

    def run(self, run: RunContext, ctx: int) -> int:
        """Execute with R1 = *ctx*; R0 as u64. Exceptions of Python helpers are re-raised here."""
        ...


class Engine(Protocol):
    """interp or jit."""

    name: str

    def prepare(self, prog: XlatedProgram) -> Executable: ...
