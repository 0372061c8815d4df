"""The program as it goes on from here: branches that never go one way hard-wired, what is never reached taken out.

:see: kernel/bpf/verifier.c:opt_hard_wire_dead_code_branches, opt_remove_dead_code, opt_remove_nops, sanitize_dead_code
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

from beespace.decl.prog import FuncInfo, InsnAux, LineInfo, SubprogInfo, VerifiedProgram
from beespace.isa.insn import Insn
from beespace.uapi import bpf as uapi
from beespace.verifier.insns import InsnRec

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["verified_program"]

_JA = uapi.BPF_JMP | uapi.BPF_JA
_JA32 = uapi.BPF_JMP32 | uapi.BPF_JA
_MAY_GOTO = uapi.BPF_JMP | uapi.BPF_JCOND
_MOV64_X = uapi.BPF_ALU64 | uapi.BPF_MOV | uapi.BPF_X
_ADDR_SPACE_CAST = 1
_TRAP = Insn(_JA, 0, 0, -1, 0)
_NOP = Insn(_JA, 0, 0, 0, 0)
_PROBED = frozenset(
    (
        uapi.PTR_TO_BTF_ID,
        uapi.PTR_TO_BTF_ID | uapi.PTR_UNTRUSTED,
        uapi.PTR_TO_BTF_ID | uapi.MEM_ALLOC | uapi.PTR_UNTRUSTED,
        uapi.PTR_TO_MEM | uapi.MEM_RDONLY | uapi.PTR_UNTRUSTED,
    )
)


def verified_program(env: Env, nops: set[int]) -> VerifiedProgram:
    """What the verifier hands on.

    :param nops: insns that do nothing.
    """
    inlined = _inline_loops(env)
    if env.bpf_capable:
        edit = _Edit(env, nops)
        edit.hard_wire_branches()
        edit.remove_dead_code()
        edit.remove_nops()
        return edit.result(inlined)
    edit = _Edit(env, nops)
    edit.trap_dead_code()
    return edit.result(inlined)


def _inline_loops(env: Env) -> set[int]:
    # Calls of bpf_loop() that become loops; their frames need room for three registers.
    found: set[int] = set()
    for sub in env.subprogs:
        calls = [
            rec.idx
            for rec in env.insns[sub.start : sub.end]
            if rec.is_helper_call and rec.imm == uapi.BPF_FUNC_loop and rec.loop_inline
        ]
        if calls and env.registry.features.jit:
            sub.stack_depth = ((sub.stack_depth + 7) & ~7) + 24
            found.update(calls)
    return found


class _Edit:
    # Instructions keep their old numbers until the end: jumps are old targets, removing is a mark.

    def __init__(self, env: Env, nops: set[int]) -> None:
        self.env = env
        self.insns = [_NOP if rec.idx in nops else rec.insn for rec in env.insns]
        self.targets: list[int | None] = [
            None if rec.idx in nops else _target(rec) for rec in env.insns
        ]  # fmt: skip
        for idx in nops:
            self.targets[idx] = idx + 1
        self.kept = [True] * len(self.insns)
        self.lines = list(env.line_info)
        self.subs = list(range(len(env.subprogs)))
        self.starts = [sub.start for sub in env.subprogs]

    def seen(self, idx: int) -> bool:
        return idx < len(self.env.insns) and self.env.insns[idx].seen

    def hard_wire_branches(self) -> None:
        for idx, rec in enumerate(self.env.insns):
            if not _is_cond_jump(rec) or self.targets[idx] is None:
                continue
            if not self.seen(idx + 1):
                target = rec.target
            elif not self.seen(rec.target):
                target = idx + 1
            else:
                continue
            self.insns[idx] = _NOP._replace(off=target - idx - 1)
            self.targets[idx] = target

    def trap_dead_code(self) -> None:
        for idx, rec in enumerate(self.env.insns):
            if not rec.seen:
                self.insns[idx] = _TRAP
                self.targets[idx] = idx

    def remove_dead_code(self) -> None:
        recs = self.env.insns
        idx = 0
        while idx < len(recs):
            if recs[idx].seen:
                idx += 1
                continue
            end = idx
            while end < len(recs) and not recs[end].seen:
                end += 1
            self.remove(idx, end)
            idx = end

    def remove_nops(self) -> None:
        idx = self.next_kept(0)
        while idx < len(self.insns):
            code = self.insns[idx].code
            may_goto = code == _MAY_GOTO and self.env.insns[idx].src == 0
            if (code != _JA and not may_goto) or not self.jumps_nowhere(idx):
                idx = self.next_kept(idx + 1)
                continue
            self.remove(idx, idx + 1)
            before = idx - 1
            while may_goto and before >= 0 and not self.kept[before]:
                before -= 1
            idx = before if may_goto and before >= 0 else self.next_kept(idx + 1)

    def next_kept(self, idx: int) -> int:
        while idx < len(self.kept) and not self.kept[idx]:
            idx += 1
        return idx

    def jumps_nowhere(self, idx: int) -> bool:
        target = self.targets[idx]
        return target is not None and target > idx and self.next_kept(idx + 1) >= target

    def remove(self, first: int, end: int) -> None:
        for i in range(first, end):
            self.kept[i] = False
        self.remove_subprogs(first, end)
        self.remove_lines(first, end)

    def remove_subprogs(self, first: int, end: int) -> None:
        # Subprograms that lie in the gap whole go, with their function records.
        after = self.next_kept(end)
        gone = []
        for at, number in enumerate(self.subs):
            following = self.starts[self.subs[at + 1]] if at + 1 < len(self.subs) else len(self.insns)
            if first <= self.starts[number] < end and following <= end:
                gone.append(number)
            elif first <= self.starts[number] < end:
                self.starts[number] = after
        self.subs = [number for number in self.subs if number not in gone]

    def remove_lines(self, first: int, end: int) -> None:
        # The first instruction behind the gap takes the last line of the gap over, unless it has its own.
        lines = self.lines
        low = bisect_left(lines, first, key=_insn_off)
        high = bisect_left(lines, end, lo=low, key=_insn_off)
        after = self.next_kept(end)
        heir: list[LineInfo] = []
        if low < high and after < len(self.insns) and (high == len(lines) or lines[high].insn_off != after):
            heir = [replace(lines[high - 1], insn_off=after)]
        lines[low:high] = heir

    def reserve_may_goto(self) -> None:
        # Count and start time of the loops that may_goto bounds.
        if not self.env.registry.features.jit:
            return
        for number in self.subs:
            sub = self.env.subprogs[number]
            if any(self.kept[rec.idx] and rec.is_may_goto for rec in self.env.insns[sub.start : sub.end]):
                sub.stack_depth += 16

    def result(self, inlined: set[int]) -> VerifiedProgram:
        self.reserve_may_goto()
        env = self.env
        new_idx = []
        count = 0
        for kept in self.kept:
            new_idx.append(count)
            count += kept
        new_idx.append(count)
        origin = [idx for idx, kept in enumerate(self.kept) if kept]
        insns = tuple(self.retargeted(idx, new_idx) for idx in origin)
        numbers = {old: new for new, old in enumerate(self.subs)}
        aux = tuple(_aux(env, env.insns[idx], numbers, idx in inlined) for idx in origin)
        infos = env.program.func_info
        return VerifiedProgram(
            program=env.program,
            insns=insns,
            aux=aux,
            subprogs=tuple(_subprog(env, number, new_idx[self.starts[number]]) for number in self.subs),
            used_maps=tuple(env.used_maps),
            line_info=tuple(replace(line, insn_off=new_idx[line.insn_off]) for line in self.lines),
            func_info=tuple(FuncInfo(new_idx[self.starts[n]], infos[n].type_id) for n in self.subs) if infos else (),
            insn_processed=env.insn_processed,
            total_states=env.total_states,
            peak_states=env.peak_states,
            max_states_per_insn=env.max_states_per_insn,
            mark_read=env.longest_mark_read_walk,
            stack_depths=tuple(env.subprogs[number].stack_depth for number in self.subs),
            log=env.log.text(),
            origin=tuple(origin) if len(origin) != len(env.insns) else (),
        )

    def retargeted(self, idx: int, new_idx: list[int]) -> Insn:
        insn, target = self.insns[idx], self.targets[idx]
        if target is None:
            return insn
        distance = new_idx[target] - new_idx[idx] - 1
        if insn.code == _JA32 or insn.code == uapi.BPF_JMP | uapi.BPF_CALL or insn.code & 7 == uapi.BPF_LD:
            return insn._replace(imm=distance)
        return insn._replace(off=distance)


def _insn_off(line: LineInfo) -> int:
    return line.insn_off


def _is_cond_jump(rec: InsnRec) -> bool:
    return rec.is_jump and rec.op not in (uapi.BPF_JA, uapi.BPF_EXIT, uapi.BPF_CALL)


def _target(rec: InsnRec) -> int | None:
    if rec.is_pseudo_call or rec.is_pseudo_func:
        return rec.idx + rec.imm + 1
    if rec.is_jump and rec.op not in (uapi.BPF_EXIT, uapi.BPF_CALL):
        return rec.target
    return None


def _subprog(env: Env, number: int, start: int) -> SubprogInfo:
    sub = env.subprogs[number]
    return SubprogInfo(
        start=start,
        stack_depth=sub.stack_depth,
        name=sub.name,
        is_global=sub.is_global,
        is_cb=sub.is_cb,
        is_async_cb=sub.is_async_cb,
        is_exception_cb=sub.is_exception_cb,
        has_tail_call=sub.has_tail_call,
        might_sleep=sub.might_sleep,
        changes_pkt_data=sub.changes_pkt_data,
        unreliable=sub.unreliable,
        type_id=sub.type_id,
    )


def _aux(env: Env, rec: InsnRec, numbers: dict[int, int], inline_loop: bool) -> InsnAux:
    taken = rec.branch_taken
    return InsnAux(
        seen=rec.seen,
        ptr_type=rec.ptr_type,
        ctx_field=rec.ctx_field,
        map_ptrs=rec.map_ptrs,
        map_key=-1 if rec.map_key is None else rec.map_key,
        imm64=_imm64(env, rec, numbers),
        zext_dst=rec.zext_dst,
        sanitize=rec.alu_state,
        alu_limit=rec.alu_limit,
        nospec=rec.nospec or rec.nospec_result,
        storage_get_func_atomic=rec.storage_get_func_atomic,
        is_iter_next=rec.is_iter_next,
        arg_prog=rec.arg_prog,
        fastcall=rec.fastcall_spills_num > 0,
        inline_bpf_loop=inline_loop,
        loop_callback_subprogno=numbers.get(rec.loop_callback, -1),
        kptr_struct_meta=rec.kptr_struct_meta,
        known_branch=taken - 1 if taken in (1, 2) else -1,
        arena_cast=rec.code == _MOV64_X and rec.off == _ADDR_SPACE_CAST,
        probe_mem=rec.cls == uapi.BPF_LDX and rec.ptr_type in _PROBED,
        obj_new_size=rec.obj_new_size,
        insert_off=rec.insert_off,
    )


def _imm64(env: Env, rec: InsnRec, numbers: dict[int, int]) -> tuple[str, object, object] | None:
    if not rec.is_ld_imm64 or rec.src == 0:
        return None
    if rec.is_pseudo_func:
        number = env.subprog_at(rec.idx + rec.imm + 1)
        return ("func", numbers[number], 0) if number in numbers else None
    if rec.btf_var is not None:
        return ("btf", rec.imm, rec.btf_var[4])
    if rec.src in (uapi.BPF_PSEUDO_MAP_VALUE, uapi.BPF_PSEUDO_MAP_IDX_VALUE):
        return ("map_value", rec.map, rec.map_off)
    return ("map", rec.map, 0)
