"""Flow of control before anything is walked: subprograms, reachability, where to prune, loops, live registers.

:see: kernel/bpf/verifier.c:add_subprog_and_kfunc, check_subprogs, check_cfg, compute_scc, compute_live_registers
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.env import EINVAL, EPERM, Subprog
from beespace.verifier.insns import InsnRec, insn_successors
from beespace.verifier.kfuncmeta import add_kfunc_call, find_kfunc
from beespace.verifier.log import BPF_LOG_LEVEL2
from beespace.verifier.printer import insn_text, verbose_linfo
from beespace.verifier.special import (
    ASYNC_CALLBACK_HELPERS,
    ASYNC_CALLBACK_KFUNCS,
    SYNC_CALLBACK_HELPERS,
    SYNC_CALLBACK_KFUNCS,
)

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = [
    "add_subprog_and_kfunc",
    "check_cfg",
    "check_subprogs",
    "compute_live_registers",
    "compute_postorder",
    "compute_scc",
    "is_async_callback_call",
    "is_sync_callback_call",
]

_E2BIG = 7
BPF_MAX_SUBPROGS = 256


def is_sync_callback_call(env: Env, rec: InsnRec) -> bool:
    """A call that runs a callback before it returns."""
    if rec.is_helper_call:
        return rec.imm in SYNC_CALLBACK_HELPERS
    return rec.is_kfunc_call and _kfunc_name(env, rec) in SYNC_CALLBACK_KFUNCS


def is_async_callback_call(env: Env, rec: InsnRec) -> bool:
    """A call that has a callback run later."""
    if rec.is_helper_call:
        return rec.imm in ASYNC_CALLBACK_HELPERS
    return rec.is_kfunc_call and _kfunc_name(env, rec) in ASYNC_CALLBACK_KFUNCS


def _kfunc_name(env: Env, rec: InsnRec) -> str:
    meta = find_kfunc(env, rec)
    return meta.name if meta is not None and meta.special else ""


def add_subprog_and_kfunc(env: Env) -> None:
    """Find the subprograms by the calls and function pointers that name them, and look up the kfuncs."""
    starts = {0}
    for rec in env.insns:
        if not (rec.is_pseudo_func or rec.is_pseudo_call or rec.is_kfunc_call):
            continue
        if not env.bpf_capable:
            env.reject(EPERM, "loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN")
        if rec.is_kfunc_call:
            add_kfunc_call(env, rec.imm, rec.off)
        else:
            _add_subprog(env, starts, rec.idx + rec.imm + 1)
    exception_cb = _exception_callback(env)
    if exception_cb:
        _add_subprog(env, starts, exception_cb)
    ordered = sorted(starts)
    ends = [*ordered[1:], len(env.insns)]
    env.subprogs = [Subprog(start, end) for start, end in zip(ordered, ends, strict=True)]
    if exception_cb:
        env.exception_callback_subprog = ordered.index(exception_cb)
        sub = env.subprogs[env.exception_callback_subprog]
        sub.is_cb = sub.is_async_cb = sub.is_exception_cb = True
    if env.log_level & BPF_LOG_LEVEL2:
        for i, start in enumerate(ordered):
            env.verbose(f"func#{i} @{start}\n")


def _add_subprog(env: Env, starts: set[int], off: int) -> None:
    if not 0 <= off < len(env.insns):
        env.reject(EINVAL, "call to invalid destination")
    if off not in starts and len(starts) >= BPF_MAX_SUBPROGS:
        env.reject(_E2BIG, "too many subprograms")
    starts.add(off)


def _exception_callback(env: Env) -> int:
    # The insn of the function that the main program's "exception_callback:" declaration tag names, 0 for none.
    btf, infos = env.btf, env.program.func_info
    if btf is None or not infos:
        return 0
    tags = [tag for index, tag in btf.decl_tags(infos[0].type_id) if index == -1]
    names = [tag.partition(":")[2] for tag in tags if tag.startswith("exception_callback:")]
    if not names:
        return 0
    if len(names) > 1:
        env.reject(EINVAL, "multiple exception callback tags for main subprog")
    func_id = btf.find(names[0], uapi.BTF_KIND_FUNC) if _has_func(env, names[0]) else 0
    if not func_id:
        env.reject(EINVAL, f"exception callback '{names[0]}' could not be found in BTF")
    func = btf.type(func_id)
    if func.linkage != uapi.BTF_FUNC_GLOBAL:  # type: ignore[union-attr]  # a Func
        env.reject(EINVAL, f"exception callback '{names[0]}' must have global linkage")
    for info in infos:
        if info.type_id == func_id:
            if info.insn_off == 0:
                env.reject(EINVAL, "main prog cannot be an exception callback")
            return info.insn_off
    env.reject(EINVAL, "exception callback type id not found in func_info")


def _has_func(env: Env, name: str) -> bool:
    assert env.btf is not None
    return bool(env.btf.find_all(name, uapi.BTF_KIND_FUNC))


def check_subprogs(env: Env) -> None:
    """Jumps stay inside their subprogram, and no subprogram falls into the next."""
    for sub in env.subprogs:
        for rec in env.insns[sub.start : sub.end]:
            if rec.is_helper_call and rec.imm == uapi.BPF_FUNC_tail_call:
                sub.has_tail_call = sub.tail_call_reachable = True
            if rec.cls == uapi.BPF_LD and rec.mode in (uapi.BPF_ABS, uapi.BPF_IND):
                sub.has_ld_abs = True
            jumps = rec.is_jump and rec.op not in (uapi.BPF_EXIT, uapi.BPF_CALL)
            if jumps and not sub.start <= rec.target < sub.end:
                env.reject(EINVAL, f"jump out of range from insn {rec.idx} to {rec.target}")
        last = env.insns[sub.end - 1].code
        if last not in (uapi.BPF_JMP | uapi.BPF_EXIT, uapi.BPF_JMP32 | uapi.BPF_JA, uapi.BPF_JMP | uapi.BPF_JA):
            env.reject(EINVAL, "last insn is not an exit or jmp")


_DISCOVERED, _EXPLORED = 1, 2


class _Walk:
    # Depth first over the whole program, calls included: what is reached, which edges go back.

    def __init__(self, env: Env) -> None:
        self.env = env
        self.state = [0] * len(env.insns)
        self.next_edge = [0] * len(env.insns)
        self.edges: list[tuple[int, ...] | None] = [None] * len(env.insns)

    def walk(self, start: int) -> None:
        stack = [start]
        self.state[start] = _DISCOVERED
        while stack:
            t = stack[-1]
            edges = self.edges[t]
            if edges is None:
                edges = self.edges[t] = _visit(self.env, self.env.insns[t])
            if self.next_edge[t] == len(edges):
                rec = self.env.insns[t]
                if rec.is_pseudo_call or rec.is_pseudo_func:
                    _merge_callee_effects(self.env, t, edges[1])
                self.state[t] = _EXPLORED
                stack.pop()
                continue
            self.push(t, edges[self.next_edge[t]], stack)

    def push(self, t: int, w: int, stack: list[int]) -> None:
        env = self.env
        branch = self.next_edge[t] == 1
        self.next_edge[t] += 1
        if not 0 <= w < len(env.insns):
            verbose_linfo(env, t, f"{t}: ")
            env.reject(EINVAL, f"jump out of range from insn {t} to {w}")
        if branch:
            env.insns[w].prune_point = env.insns[w].jmp_point = True
        if self.state[w] == 0:
            self.state[w] = _DISCOVERED
            stack.append(w)
        elif self.state[w] == _DISCOVERED and not env.bpf_capable:
            verbose_linfo(env, t, f"{t}: ")
            verbose_linfo(env, w, f"{w}: ")
            env.reject(EINVAL, f"back-edge from insn {t} to {w}")


def _merge_callee_effects(env: Env, t: int, w: int) -> None:
    # What a callee may do, its caller may do.
    caller, callee = env.subprog_containing(t), env.subprog_containing(w)
    caller.changes_pkt_data |= callee.changes_pkt_data
    caller.might_sleep |= callee.might_sleep


def _visit(env: Env, rec: InsnRec) -> tuple[int, ...]:
    # Edges of an insn in the order they are walked; notes where states are compared and kept.
    t = rec.idx
    if rec.is_pseudo_func:
        return _visit_call(env, rec, True)
    if not rec.is_jump:
        return (t + (2 if rec.is_ld_imm64 else 1),)
    if rec.op == uapi.BPF_EXIT:
        return ()
    if rec.op == uapi.BPF_CALL:
        _note_call(env, rec)
        return _visit_call(env, rec, rec.src == uapi.BPF_PSEUDO_CALL)
    if rec.op == uapi.BPF_JA:
        if rec.is_x:
            env.reject(EINVAL, "BPF_JA uses reserved fields")
        if 0 <= rec.target < len(env.insns):
            env.insns[rec.target].prune_point = env.insns[rec.target].jmp_point = True
        return (rec.target,)
    rec.prune_point = True
    if rec.is_may_goto:
        rec.force_checkpoint = True
    return (t + 1, rec.target)


def _visit_call(env: Env, rec: InsnRec, visit_callee: bool) -> tuple[int, ...]:
    after = rec.idx + (2 if rec.is_ld_imm64 else 1)
    if after < len(env.insns):
        env.insns[after].prune_point = env.insns[after].jmp_point = True
    if not visit_callee:
        return (after,)
    rec.prune_point = True
    return (after, rec.idx + rec.imm + 1)


def _note_call(env: Env, rec: InsnRec) -> None:
    sub = env.subprog_containing(rec.idx)
    if is_async_callback_call(env, rec):
        rec.prune_point = True
    if is_sync_callback_call(env, rec):
        rec.calls_callback = rec.force_checkpoint = rec.prune_point = rec.jmp_point = True
    if rec.is_helper_call:
        proto = env.registry.func_proto(env.prog_type, rec.imm, env.program)
        if proto is not None:
            sub.might_sleep |= proto.might_sleep
            sub.changes_pkt_data |= proto.changes_pkt_data
    elif rec.is_kfunc_call:
        meta = find_kfunc(env, rec)
        if meta is not None:
            if meta.is_iter_next:
                rec.prune_point = rec.force_checkpoint = rec.is_iter_next = True
            sub.might_sleep |= meta.is_sleepable
            sub.changes_pkt_data |= meta.changes_pkt


def check_cfg(env: Env) -> None:
    """Every insn is reached, none in the middle of LD_IMM64; without CAP_BPF there are no loops."""
    walk = _Walk(env)
    walk.walk(0)
    if env.exception_callback_subprog:
        start = env.subprogs[env.exception_callback_subprog].start
        if walk.state[start] != _EXPLORED:
            walk.walk(start)
    idx = 0
    while idx < len(env.insns):
        if walk.state[idx] != _EXPLORED:
            env.reject(EINVAL, f"unreachable insn {idx}")
        if env.insns[idx].is_ld_imm64:
            if walk.state[idx + 1]:
                env.reject(EINVAL, f"jump into the middle of ldimm64 insn {idx}")
            idx += 1
        idx += 1
    env.changes_pkt_data = env.subprogs[0].changes_pkt_data


def compute_postorder(env: Env) -> None:
    """``Subprog.postorder``: its insns, each after those that may follow it (loops apart)."""
    seen = [False] * len(env.insns)
    for sub in env.subprogs:
        stack = [sub.start]
        seen[sub.start] = True
        done: set[int] = set()
        while stack:
            top = stack[-1]
            if top in done:
                sub.postorder.append(top)
                stack.pop()
                continue
            for succ in insn_successors(env.insns[top]):
                if not seen[succ]:
                    stack.append(succ)
                    seen[succ] = True
            done.add(top)


def compute_scc(env: Env) -> None:
    """``InsnRec.scc``: numbers the loops (Tarjan's strongly connected components, with an explicit stack)."""
    count = len(env.insns)
    off_stack = count + 1
    pre, low = [0] * count, [0] * count
    next_pre = next_scc = 1
    for root in range(count):
        if pre[root]:
            continue
        stack: list[int] = []
        dfs = [root]
        while dfs:
            w = dfs[-1]
            if not pre[w]:
                pre[w] = low[w] = next_pre
                next_pre += 1
                stack.append(w)
            successors = [s for s in insn_successors(env.insns[w]) if s < count]
            fresh = -1
            for s in successors:
                if not pre[s]:
                    fresh = s
                    break
                low[w] = min(low[w], low[s])
            if fresh >= 0:
                dfs.append(fresh)
                continue
            dfs.pop()
            if low[w] < pre[w]:
                continue
            is_loop = stack[-1] != w or w in successors
            while True:
                t = stack.pop()
                low[t] = off_stack
                if is_loop:
                    env.insns[t].scc = next_scc
                if t == w:
                    break
            next_scc += is_loop


def _use_def(env: Env, rec: InsnRec) -> tuple[int, int]:
    # Registers read and written by an insn, as bit masks.
    src, dst = 1 << rec.src, 1 << rec.dst
    match rec.cls:
        case uapi.BPF_LD:
            return (0, dst) if rec.is_ld_imm64 else (0xFFFF, 0)
        case uapi.BPF_LDX:
            return src, dst
        case uapi.BPF_ST:
            return dst, 0
        case uapi.BPF_STX:
            return _use_def_stx(rec, src, dst)
        case uapi.BPF_ALU | uapi.BPF_ALU64:
            if rec.op == uapi.BPF_END:
                return dst, dst
            if rec.op == uapi.BPF_MOV:
                return (src if rec.is_x else 0), dst
            return dst | (src if rec.is_x else 0), dst
        case _:
            return _use_def_jump(env, rec, src, dst)


def _use_def_stx(rec: InsnRec, src: int, dst: int) -> tuple[int, int]:
    if rec.mode != uapi.BPF_ATOMIC:
        return dst | src, 0
    if rec.imm == uapi.BPF_CMPXCHG:
        return 1 | src | dst, 1
    if rec.imm == uapi.BPF_LOAD_ACQ:
        return src, dst
    if rec.imm == uapi.BPF_STORE_REL:
        return dst | src, 0
    return dst | src, src if rec.imm & uapi.BPF_FETCH else 0


def _use_def_jump(env: Env, rec: InsnRec, src: int, dst: int) -> tuple[int, int]:
    if rec.op in (uapi.BPF_JA, uapi.BPF_JCOND):
        return 0, 0
    if rec.op == uapi.BPF_EXIT:
        return 1, 0
    if rec.op == uapi.BPF_CALL:
        params = _num_params(env, rec)
        return (0x3E if params is None else (1 << params + 1) - 2), 0x3F
    return dst | (src if rec.is_x else 0), 0


def _num_params(env: Env, rec: InsnRec) -> int | None:
    if rec.is_helper_call:
        proto = env.registry.func_proto(env.prog_type, rec.imm, env.program)
        return len(proto.args) if proto is not None else None
    if rec.is_kfunc_call:
        meta = find_kfunc(env, rec)
        return len(meta.params) if meta is not None and meta.flags is not None else None
    return None


def compute_live_registers(env: Env) -> None:
    """``InsnRec.live_regs``, by iteration until nothing changes."""
    count = len(env.insns)
    use_def = [_use_def(env, rec) for rec in env.insns]
    live_in, live_out = [0] * count, [0] * count
    order = [idx for sub in env.subprogs for idx in sub.postorder]
    successors = {idx: insn_successors(env.insns[idx]) for idx in order}
    changed = True
    while changed:
        changed = False
        for idx in order:
            out = 0
            for s in successors[idx]:
                out |= live_in[s]
            use, define = use_def[idx]
            new = out & ~define | use
            if out != live_out[idx] or new != live_in[idx]:
                live_out[idx], live_in[idx] = out, new
                changed = True
    for rec, live in zip(env.insns, live_in, strict=True):
        rec.live_regs = live
    if env.log_level & BPF_LOG_LEVEL2:
        _print_live_registers(env)


def _print_live_registers(env: Env) -> None:
    env.verbose("Live regs before insn:\n")
    skip = False
    for rec in env.insns:
        if skip:
            skip = False
            continue
        scc = f"{rec.scc:3d} " if rec.scc else "    "
        live = "".join(str(i) if rec.live_regs >> i & 1 else "." for i in range(10))
        env.verbose(f"{scc}{rec.idx:3d}: {live} {insn_text(env, rec.idx)}\n")
        skip = rec.is_ld_imm64
