"""The entry: a program and the contracts in, a verified program out, or why not.

:see: kernel/bpf/verifier.c:bpf_check
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from beespace.decl.prog import Program, VerifiedProgram
from beespace.decl.registry import Registry
from beespace.errors import SourceLine, Unsupported, VerifierError
from beespace.verifier.attach import check_attach_target
from beespace.verifier.btfinfo import check_btf_info, check_btf_info_early
from beespace.verifier.cfg import (
    add_subprog_and_kfunc,
    check_cfg,
    check_subprogs,
    compute_live_registers,
    compute_postorder,
    compute_scc,
)
from beespace.verifier.env import Env, Reject, VerifierOptions, VerifyEvent
from beespace.verifier.explore import do_check_main, do_check_subprogs
from beespace.verifier.fastcall import mark_fastcall_patterns, removable_spills_fills
from beespace.verifier.kfuncmeta import check_kfuncs_found, resolve_kfunc_flags
from beespace.verifier.liveness import Liveness
from beespace.verifier.log import BPF_LOG_STATS
from beespace.verifier.maxstack import check_max_stack_depth
from beespace.verifier.obligations import obligations_of
from beespace.verifier.printer import find_linfo, insn_text, reg_text
from beespace.verifier.resolve import resolve_insns
from beespace.verifier.rewrite import verified_program

__all__ = ["verify"]

_E2BIG = 7
_MAX_PRIVILEGED, _MAX_UNPRIVILEGED = 1_000_000, 4096


def verify(
    program: Program,
    registry: Registry,
    *,
    log_level: int = 0,
    sink: Callable[[VerifyEvent], None] | None = None,
    options: VerifierOptions | None = None,
) -> VerifiedProgram:
    """Prove that *program* cannot harm the kernel that *registry* describes.

    Whatever its instructions are, the program is accepted or refused, within the limits of *options*.

    :param log_level: bits BPF_LOG_LEVEL1, BPF_LOG_LEVEL2, BPF_LOG_STATS; the log is in the result or the error.
    :param sink: called with each step of the walk.
    :raises VerifierError: the program is refused.
    :raises Unsupported: the program uses what is not modelled.
    :see: kernel/bpf/verifier.c:bpf_check
    """
    env = Env(program, registry, log_level, options or VerifierOptions(), sink)
    try:
        nops = _check(env)
    except Reject as err:
        _print_stats(env, tuple(sub.stack_depth for sub in env.subprogs))
        raise _error(env, err) from None
    result = verified_program(env, nops)
    _print_stats(env, result.stack_depths)
    return replace(result, log=env.log.text())


def _check(env: Env) -> set[int]:
    program = env.program
    limit = _MAX_PRIVILEGED if env.bpf_capable else _MAX_UNPRIVILEGED
    if not 0 < len(env.insns) <= limit:
        raise Reject(_E2BIG, "")
    ptype = env.registry.prog_types.get(program.prog_type)
    if ptype is None:
        raise Unsupported(f"program type {program.prog_type}")
    env.ptype = ptype
    check_btf_info_early(env)
    add_subprog_and_kfunc(env)
    check_subprogs(env)
    check_btf_info(env)
    resolve_insns(env)
    for rec in env.insns:
        rec.obligations = obligations_of(rec)
    check_cfg(env)
    compute_postorder(env)
    env.liveness = Liveness(env)
    check_attach_target(env)
    if env.prog_type != env.prog_type_loaded:
        resolve_kfunc_flags(env)
    compute_scc(env)
    compute_live_registers(env)
    mark_fastcall_patterns(env)
    env.walking = True
    do_check_main(env)
    do_check_subprogs(env)
    env.walking = False
    nops = removable_spills_fills(env)
    check_max_stack_depth(env)
    check_kfuncs_found(env)
    return nops


def _print_stats(env: Env, stack_depths: tuple[int, ...]) -> None:
    if env.log_level & BPF_LOG_STATS:
        depths = "+".join(map(str, stack_depths))
        env.verbose(f"verification time {env.options.verification_time} usec\nstack depth {depths}\n")
    if env.log_level:
        env.verbose(
            f"processed {env.insn_processed} insns (limit {_MAX_PRIVILEGED})"
            f" max_states_per_insn {env.max_states_per_insn} total_states {env.total_states}"
            f" peak_states {env.peak_states} mark_read {env.longest_mark_read_walk}\n"
        )


def _error(env: Env, err: Reject) -> VerifierError:
    idx = env.insn_idx if env.walking and env.insn_idx < len(env.insns) else -1
    insn, source = "", None
    states: tuple[str, ...] = ()
    path: tuple[int, ...] = ()
    if idx >= 0:
        insn = insn_text(env, idx)
        line = find_linfo(env, idx)
        if line is not None:
            source = SourceLine(line.file_name, line.line_num, line.line_col, line.line.strip())
        states = _states(env, idx)
        path = _path(env)
    message = err.message or env.log.last_line()
    return VerifierError(
        message,
        errno=err.errno,
        insn_idx=idx,
        insn=insn,
        source=source,
        states=states,
        path=path,
        log=env.log.text(),
        prog_name=env.program.name,
    )


def _states(env: Env, idx: int) -> tuple[str, ...]:
    # The registers that the insn names, as the log has them.
    rec = env.insns[idx]
    frame = env.cur.frames[-1]
    numbers = dict.fromkeys((rec.dst, rec.src) if rec.is_x or rec.cls in (1, 3) else (rec.dst,))
    if rec.is_jump and rec.op == 0x80:
        numbers = dict.fromkeys(range(1, 6))
    shown = ((regno, frame.regs[regno]) for regno in numbers if regno < 11)
    return tuple(f"R{regno}={reg_text(reg, frame.frameno)}" for regno, reg in shown if reg.type)


def _path(env: Env) -> tuple[int, ...]:
    # The insns that the path reached by a jump, oldest first, and where it stopped.
    taken = [env.insn_idx]
    state = env.cur
    while True:
        entry = state.history
        while entry is not None:
            taken.append(entry.idx)
            entry = entry.prev
        if state.parent is None:
            break
        state = state.parent.state
    return tuple(dict.fromkeys(reversed(taken)))
