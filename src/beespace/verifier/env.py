"""What one verification works with: the program, the contracts, counters, the log, and how it says no.

:see: include/linux/bpf_verifier.h:struct bpf_verifier_env
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from beespace.decl.prog import Program
from beespace.uapi import bpf as uapi
from beespace.values import frozen
from beespace.verifier.insns import InsnRec, predecode
from beespace.verifier.log import Log
from beespace.verifier.state import Checkpoint, FuncState, Hist, RegState, VerifierState

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.decl.func import FuncProto
    from beespace.decl.map import MapMeta
    from beespace.decl.prog import LineInfo, ProgType
    from beespace.decl.registry import Registry

__all__ = [
    "BPF_COMPLEXITY_LIMIT_INSNS",
    "BPF_COMPLEXITY_LIMIT_JMP_SEQ",
    "BPF_MAX_VAR_OFF",
    "BPF_MAX_VAR_SIZ",
    "EACCES",
    "EINVAL",
    "ENOTSUPP",
    "EPERM",
    "Env",
    "Reject",
    "Subprog",
    "SubprogArg",
    "VerifierOptions",
    "VerifyEvent",
]

EPERM, E2BIG, ENOENT, EACCES, EFAULT, EBUSY, EINVAL, EOPNOTSUPP, EPROTO, ENOTSUPP = 1, 7, 2, 13, 14, 16, 22, 95, 71, 524
BPF_COMPLEXITY_LIMIT_INSNS = 1_000_000
BPF_COMPLEXITY_LIMIT_JMP_SEQ = 8192
BPF_COMPLEXITY_LIMIT_STATES = 64
BPF_MAX_VAR_OFF = 1 << 29
BPF_MAX_VAR_SIZ = 1 << 29


class Reject(Exception):
    """The program is refused here; becomes a VerifierError. What was said is in the log."""

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(message)
        self.errno = errno
        self.message = message


@frozen
class VerifyEvent:
    """Something happened during verification: what a sink of verify() receives.

    :ivar what: "insn" (about to be checked), "branch" (a state was put aside), "pruned", "exit", "checkpoint".
    """

    what: str
    insn_idx: int
    state: VerifierState


@frozen
class VerifierOptions:
    """How to verify, beyond what the program asks for.

    :ivar insn_limit: instructions walked before the program is too large.
    :ivar prune: compare states (off: every path is walked to its end; for testing the pruning).
    :ivar log_limit: characters of log kept; of a longer one the end is kept, as with the kernel's buffer.
    :ivar verification_time: microseconds to print with BPF_LOG_STATS (nothing here looks at a clock).
    """

    insn_limit: int = BPF_COMPLEXITY_LIMIT_INSNS
    prune: bool = True
    log_limit: int = 1 << 26
    verification_time: int = 0


@frozen
class SubprogArg:
    """``struct bpf_subprog_arg_info``: what BTF says a parameter of a global function is."""

    arg_type: int  # enum bpf_arg_type with flags
    mem_size: int = 0
    btf_id: int = 0


class Subprog:
    """``struct bpf_subprog_info``."""

    def __init__(self, start: int, end: int = 0) -> None:
        self.start = start
        self.end = end
        self.name = ""
        self.type_id = 0  # of its BTF_KIND_FUNC, 0 without func_info
        self.linkage = 0
        self.stack_depth = 0
        self.postorder: list[int] = []
        self.fastcall_stack_off = 0
        self.keep_fastcall_stack = False
        self.has_tail_call = False
        self.tail_call_reachable = False
        self.has_ld_abs = False
        self.is_cb = False
        self.is_async_cb = False
        self.is_exception_cb = False
        self.changes_pkt_data = False
        self.might_sleep = False
        self.priv_stack: bool | None = None
        self.args: tuple[SubprogArg, ...] | None = None
        self.called = False
        self.verified = False
        self.unreliable = False

    @property
    def is_global(self) -> bool:
        """Verified on its own, for any arguments that match its prototype."""
        return self.type_id != 0 and self.linkage == uapi.BTF_FUNC_GLOBAL


class Env:
    """``struct bpf_verifier_env``: one verification."""

    def __init__(
        self,
        program: Program,
        registry: Registry,
        log_level: int,
        options: VerifierOptions,
        sink: Callable[[VerifyEvent], None] | None,
    ) -> None:
        caps = program.caps
        self.program = program
        self.registry = registry
        self.options = options
        self.sink = sink
        self.log = Log(log_level, options.log_limit)
        self.log_level = log_level
        self.btf: Btf | None = program.btf
        self.btf_vmlinux: Btf | None = registry.btf_vmlinux
        self.insns: list[InsnRec] = predecode(program.insns)
        self.subprogs: list[Subprog] = []
        self.line_info: tuple[LineInfo, ...] = ()
        self.used_maps: list[MapMeta] = []
        self.used_btfs: list[Btf] = []
        self.arena: MapMeta | None = None
        self.exception_callback_subprog = 0
        self.bpf_capable = caps.bpf
        self.allow_ptr_leaks = caps.perfmon
        self.allow_uninit_stack = caps.perfmon
        self.bypass_spec_v1 = self.bypass_spec_v4 = caps.perfmon  # or mitigations off, which is no profile
        flags = program.prog_flags
        self.sleepable = bool(flags & uapi.BPF_F_SLEEPABLE)
        self.strict_alignment = bool(flags & uapi.BPF_F_STRICT_ALIGNMENT) and not flags & uapi.BPF_F_ANY_ALIGNMENT
        self.test_state_freq = self.bpf_capable and bool(flags & uapi.BPF_F_TEST_STATE_FREQ)
        self.test_reg_invariants = bool(flags & uapi.BPF_F_TEST_REG_INVARIANTS)
        self.explore_alu_limits = False
        # walk
        self.walking = False
        self.cur: VerifierState = None  # type: ignore[assignment]  # set by explore.do_check_common()
        self.insn_idx = 0
        self.prev_insn_idx = -1
        self.hist_ent: Hist | None = None  # of the current insn
        self.id_gen = 0
        self.stack: list[Any] = []  # of paths.StackElem
        self.explored: dict[int, list[Checkpoint]] = {}
        # log
        self.scratched_regs = 0
        self.scratched_slots = 0
        self.prev_linfo: LineInfo | None = None
        self.prev_log_pos = 0
        self.prev_insn_print_pos = 0
        # counters
        self.insn_processed = 0
        self.jmps_processed = 0
        self.prev_insn_processed = 0
        self.prev_jmps_processed = 0
        self.total_states = 0
        self.peak_states = 0
        self.max_states_per_insn = 0
        self.longest_mark_read_walk = 0
        self.explored_states_size = 0
        self.free_list_size = 0
        self.num_backedges = 0
        # what the program was seen to do
        self.seen_direct_write = False
        self.seen_exception = False
        self.max_ctx_offset = 0
        self.max_pkt_offset = 0
        self.max_access: dict[str, int] = {}
        self.changes_pkt_data = False
        self.enforce_expected_attach_type = False
        self.prog_type = self.prog_type_loaded = program.prog_type  # EXT: that of its target, and EXT
        self.ptype: ProgType = None  # type: ignore[assignment]  # set by verify()
        self.attach: Any = None  # attach.AttachTarget
        self.protos: dict[int, FuncProto] = {}  # func_id -> what this program may call
        self.kfuncs: dict[tuple[int, int], Any] = {}  # (func_id, offset) -> kfuncs.KfuncMeta
        self.kfunc_params: dict[tuple[int, int], Any] = {}  # (func_id, id(Btf)) -> kfuncparams.KfuncParam, ...
        self.liveness: Any = None  # liveness.Liveness
        self.scc_visits: dict[tuple[int, ...], Any] = {}
        self.struct_metas: dict[int, Any] = {}  # id(Btf) -> {type id: BtfRecord}

    # -- saying no -------------------------------------------------------------------------------------------------

    def verbose(self, text: str) -> None:
        """Write *text* to the log."""
        self.log.write(text)

    def reject(self, errno: int, message: str) -> NoReturn:
        """Refuse the program with a message of the kernel's."""
        self.log.write(message + "\n")
        raise Reject(errno, message)

    def refuse(self, errno: int, message: str) -> NoReturn:
        """As reject(), the message being in the log already."""
        raise Reject(errno, message)

    def refuse_at_line_end(self, errno: int, message: str) -> NoReturn:
        """As reject(), for the messages that lack their newline in the kernel."""
        self.log.write(message)
        raise Reject(errno, message)

    def tell(self, what: str) -> None:
        """Send an event to the sink, which the caller has seen to be there."""
        assert self.sink is not None
        self.sink(VerifyEvent(what, self.insn_idx, self.cur))

    def bug(self, message: str) -> NoReturn:
        """verifier_bug(): what cannot be. The program is refused."""
        self.reject(EFAULT, f"verifier bug: {message}")

    # -- state -----------------------------------------------------------------------------------------------------

    def frame(self) -> FuncState:
        """The innermost frame."""
        return self.cur.frames[-1]

    def regs(self) -> list[RegState]:
        """Registers of the innermost frame."""
        f = self.cur.frames[-1]
        return f.regs

    def frame_of(self, reg: RegState) -> FuncState:
        """The frame a stack pointer points into, to be read."""
        return self.cur.frames[reg.frameno]

    def new_id(self) -> int:
        """An id no register has."""
        self.id_gen += 1
        return self.id_gen

    def in_sleepable(self) -> bool:
        """Is sleeping allowed, critical sections apart?"""
        return self.cur.in_sleepable

    def in_rcu_cs(self) -> bool:
        """Do RCU-protected objects stay where they are?"""
        cur = self.cur
        return cur.active_rcu_lock or cur.active_locks != 0 or not cur.in_sleepable

    def is_pointer_value(self, regno: int) -> bool:
        """Would using Rn as a number leak an address to a loader that may not see one?"""
        if self.allow_ptr_leaks:
            return False
        reg = self.regs()[regno]
        return reg.type != uapi.SCALAR_VALUE

    def subprog_at(self, insn_idx: int) -> int:
        """Number of the subprogram that starts at *insn_idx*, -1 for none (find_subprog())."""
        for i, sub in enumerate(self.subprogs):
            if sub.start == insn_idx:
                return i
        return -1

    def subprog_containing(self, insn_idx: int) -> Subprog:
        """The subprogram *insn_idx* belongs to."""
        found = self.subprogs[0]
        for sub in self.subprogs:
            if sub.start > insn_idx:
                break
            found = sub
        return found
