"""The walk: every instruction of every path that an earlier path does not cover.

:see: kernel/bpf/verifier.c:do_check, do_check_common, do_check_subprogs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi.bpf import BPF_EXIT
from beespace.verifier.check import check
from beespace.verifier.entry import entry_state
from beespace.verifier.env import EACCES, EINVAL, EPERM, Reject
from beespace.verifier.insns import InsnRec
from beespace.verifier.log import BPF_LOG_LEVEL, BPF_LOG_LEVEL2
from beespace.verifier.paths import pop_stack
from beespace.verifier.precision import push_history
from beespace.verifier.printer import insn_text, print_insn_state, print_verifier_state, verbose_linfo
from beespace.verifier.pruning import is_state_visited, update_branch_counts
from beespace.verifier.transfer import transfer

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["do_check_main", "do_check_subprogs"]

_E2BIG, _EFAULT = 7, 14
_RECOVERABLE = (EPERM, EACCES, EINVAL)
_ALL_SLOTS = (1 << 64) - 1


def do_check_main(env: Env) -> None:
    """Walk the main program."""
    _do_check_common(env, 0)


def do_check_subprogs(env: Env) -> None:
    """Walk each global function that is called, for any arguments that match its prototype."""
    if env.exception_callback_subprog:
        env.subprogs[env.exception_callback_subprog].called = True
    again = True
    while again:
        again = False
        for i, sub in enumerate(env.subprogs):
            if i == 0 or not sub.is_global or not sub.called or sub.verified:
                continue
            env.insn_idx = sub.start
            _do_check_common(env, i)
            if env.log_level & BPF_LOG_LEVEL:
                env.verbose(f"Func#{i} ('{sub.name}') is safe for any args that match its prototype\n")
            sub.verified = True
            again = True


def _do_check_common(env: Env, subprogno: int) -> None:
    env.prev_linfo = None
    env.insn_idx = env.subprogs[subprogno].start
    env.cur = entry_state(env, subprogno)
    _do_check(env)
    if not env.log_level & BPF_LOG_LEVEL2:
        env.log.reset(0)
    env.explored.clear()
    env.scc_visits.clear()
    env.stack.clear()
    env.free_list_size = 0


class _Walk:
    # do_check()'s local variables

    def __init__(self) -> None:
        self.prev_insn_idx = -1
        self.print_state = False


def _do_check(env: Env) -> None:
    walk = _Walk()
    insns = env.insns
    count = len(insns)
    limit = env.options.insn_limit
    while True:
        env.hist_ent = None
        env.prev_insn_idx = walk.prev_insn_idx
        idx = env.insn_idx
        if idx >= count:
            env.reject(_EFAULT, f"invalid insn idx {idx} insn_cnt {count}")
        rec = insns[idx]
        env.insn_processed += 1
        if env.insn_processed > limit:
            env.reject(_E2BIG, f"BPF program is too large. Processed {env.insn_processed} insn")
        cur = env.cur
        cur.last_insn_idx = env.prev_insn_idx
        cur.insn_idx = idx
        ends = rec.prune_point and _is_pruned(env, walk, idx)
        if not ends:
            if rec.jmp_point:
                push_history(env, 0)
            if env.log_level & BPF_LOG_LEVEL:
                _log_insn(env, walk, idx)
            if env.sink is not None:
                env.tell("insn")
            if not cur.speculative:
                rec.seen = True
            walk.prev_insn_idx = idx
            ends = _step(env, walk, rec)
        if ends and not _next_path(env, walk):
            return


def _step(env: Env, walk: _Walk, rec: InsnRec) -> bool:
    # One insn. True: the path has come to its end.
    cur = env.cur
    if cur.speculative and rec.nospec:
        return True
    liveness = env.liveness
    liveness.begin_insn(rec.idx)
    depth = len(cur.frames)
    if cur.speculative:
        try:
            ends = transfer(env, rec, check(env, rec.obligations))
        except Reject as err:
            if err.errno not in _RECOVERABLE:
                raise
            liveness.commit_insn()
            rec.nospec = True
            rec.alu_state = 0
            return True
    else:
        ends = transfer(env, rec, check(env, rec.obligations))
    liveness.commit_insn()
    if len(env.cur.frames) < depth and not ends and rec.is_jump and rec.op == BPF_EXIT:
        walk.print_state = True
    return ends or (cur.speculative and rec.nospec_result)


def _is_pruned(env: Env, walk: _Walk, idx: int) -> bool:
    if not is_state_visited(env, idx):
        return False
    if env.log_level & BPF_LOG_LEVEL:
        if walk.print_state:
            env.verbose(f"\nfrom {env.prev_insn_idx} to {idx}{_speculative(env)}: safe\n")
        else:
            env.verbose(f"{idx}: safe\n")
    if env.sink is not None:
        env.tell("pruned")
    return True


def _speculative(env: Env) -> str:
    return " (speculative execution)" if env.cur.speculative else ""


def _log_insn(env: Env, walk: _Walk, idx: int) -> None:
    cur = env.cur
    if env.log_level & BPF_LOG_LEVEL2 and walk.print_state:
        env.verbose(f"\nfrom {env.prev_insn_idx} to {idx}{_speculative(env)}:")
        print_verifier_state(env, cur, len(cur.frames) - 1, True)
        walk.print_state = False
    if env.scratched_regs or env.scratched_slots:
        print_insn_state(env, cur, len(cur.frames) - 1)
    verbose_linfo(env, idx, "; ")
    start = env.log.pos
    env.verbose(f"{idx}: {insn_text(env, idx)}\n")
    env.prev_insn_print_pos = env.log.pos - start
    env.prev_log_pos = env.log.pos


def _next_path(env: Env, walk: _Walk) -> bool:
    # The path has come to its end: go on with the one put aside last. False: there is none.
    env.scratched_regs, env.scratched_slots = 0x7FF, _ALL_SLOTS
    update_branch_counts(env, env.cur)
    liveness = env.liveness
    liveness.update()
    if env.sink is not None:
        env.tell("exit")
    elem = pop_stack(env, env.log_level & BPF_LOG_LEVEL2 == 0)
    if elem is None:
        return False
    env.cur = elem.state
    env.insn_idx = elem.insn_idx
    walk.prev_insn_idx = elem.prev_insn_idx
    walk.print_state = True
    return True
