"""How programs are compiled."""

from __future__ import annotations

from beespace.values import frozen

__all__ = ["JitOptions"]


@frozen
class JitOptions:
    """Options of the engine "jit".

    :ivar opt_level: of LLVM, 0 to 3.
    :ivar count_insns: keep ``insn_count`` and ``last_insn_idx`` as the interpreter does; costs most of the speed.
    :ivar trace_calls: every call goes through the engine, so that a sink sees it; nothing is inlined, and stack frames
        have the addresses they have in the interpreter.
    :ivar hardened: every access is checked against guest memory, every loop counts instructions up to the run's
        ``insn_limit``; takes unverified programs too. Faults are GuestFaults, as in the interpreter.
    :ivar cache: keep code on disk, see jit/cache.py.
    """

    opt_level: int = 3
    count_insns: bool = False
    trace_calls: bool = False
    hardened: bool = False
    cache: bool = True
