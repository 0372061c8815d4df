"""What a run is: the context every helper receives, and what an engine must offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from beespace.decl.prog import XlatedProgram
    from beespace.mem import AddressSpace

__all__ = ["BpfThrow", "Engine", "Executable", "RunContext"]


class BpfThrow(Exception):
    """What the kfunc bpf_throw() raises: the program ends, its exception callback (if any) decides R0.

    :param cookie: u64.
    """

    def __init__(self, cookie: int) -> None:
        super().__init__(cookie)
        self.cookie = cookie


class RunContext(Protocol):
    """One run of a program on one CPU: the first argument of every helper and kfunc.

    Implementations derive from RunState (decl/runstate.py), which holds what compiled code reads. ``pending`` holds an
    exception raised by a Python helper until the engine has left the program; compiled code tests ``aborted`` after
    each call and returns.

    :ivar invoke: ``(text_address, *args) -> r0``: finds the Executable that owns the address and calls its invoke().
    """

    kernel: Any  # the Kernel; typed in kernel/, opaque here
    address: int  # of the run's native words (RunState)
    cpu: int
    ctx: int  # address of the kernel-side context
    mem: AddressSpace
    program: XlatedProgram
    stack: int  # address of the lowest byte of the run's stack region
    stack_bytes: int
    pending: BaseException | None
    aborted: bool
    tail_calls: int  # tail calls done so far, limit MAX_TAIL_CALL_CNT
    insn_count: int  # instructions executed, by engines that count
    last_insn_idx: int
    invoke: Callable[..., int]  # invoke(text_address, r1..r5) -> r0: runs a callback subprogram

    def map_at(self, descriptor: int) -> Any:
        """The map object whose ``struct bpf_map`` is at guest address *descriptor*.

        :raises GuestFault: there is none (an unverified program passed something else).
        """
        ...

    def tail_call(self, prog_array: Any, index: int) -> Executable | None:
        """What bpf_tail_call() jumps to: the program in slot *index* of map object *prog_array*, if there is one."""
        ...

    def ktime_ns(self, clock: int) -> int: ...
    def prandom_u32(self) -> int: ...
    def printk(self, text: str) -> None: ...


class Executable(Protocol):
    """A program an engine has prepared. What a run counted is in its RunState (insn_count, last_insn_idx).

    :ivar entry: address of native code ``u64 (*)(run words, u64 ctx)``, 0 when there is none.
    :ivar is_native: that code never calls Python, as long as RunWords.now says what time it is.
    """

    program: XlatedProgram

    @property
    def entry(self) -> int: ...
    @property
    def is_native(self) -> bool: ...

    def run(self, run: RunContext, ctx: int) -> int:
        """Execute with R1 = *ctx*, tail calls counted from 0; R0 as u64. Exceptions of Python helpers are re-raised."""
        ...

    def expect(self, runs: int) -> None:
        """About that many runs are going to come: where there is a choice, the program may be made faster now."""
        ...

    def repeat(self, run: RunContext, ctx: int, count: int) -> int:
        """run() *count* times, at least once; R0 of the last."""
        ...

    def enter(self, run: RunContext, ctx: int) -> int:
        """As run(), in the middle of a run: the target of a tail call."""
        ...

    def invoke(self, run: RunContext, text_address: int, *args: int) -> int:
        """Execute the subprogram at *text_address* with R1.. = *args*; R0 as u64."""
        ...


class Engine(Protocol):
    """interp or jit."""

    name: str

    def prepare(self, prog: XlatedProgram) -> Executable: ...
