"""Instructions as the verifier walks them: decoded once, with what is noted about each.

:see: include/linux/bpf_verifier.h:struct bpf_insn_aux_data
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from beespace.isa.insn import Insn
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.verifier.obligations import Obligation

__all__ = ["BPF_NOSPEC", "LD_IMM64", "InsnRec", "insn_successors", "predecode"]

U64 = 0xFFFF_FFFF_FFFF_FFFF
LD_IMM64 = uapi.BPF_LD | uapi.BPF_IMM | uapi.BPF_DW
BPF_NOSPEC = 0xC0
_SIZES = {uapi.BPF_B: 1, uapi.BPF_H: 2, uapi.BPF_W: 4, uapi.BPF_DW: 8}


class InsnRec:
    """An instruction, and ``struct bpf_insn_aux_data``.

    :ivar cls: BPF_CLASS(code); ``op`` BPF_OP, ``mode`` BPF_MODE; ``size`` bytes accessed.
    :ivar is_x: the second operand is a register. ``is32``: class ALU or JMP32.
    :ivar value: ``imm`` sign-extended to u64; of LD_IMM64 all 64 bits.
    :ivar target: where a jump goes.
    :ivar obligations: what must hold before it, in the order the kernel asks.
    :ivar prune_point: states are compared and kept here; ``force_checkpoint`` always kept.
    :ivar jmp_point: may be reached other than from the insn before it.
    :ivar live_regs: registers (bit n: Rn) that may be read from here on.
    :ivar imm_reg: RegState of the constant operand, made when first needed.
    :ivar scc: strongly connected component of the flow graph it is in, 0 for none.
    :ivar ptr_type: type of the pointer an access went through.
    :ivar map_key: constant key of a tail call: None not seen, -1 not constant.
    """

    def __init__(self, idx: int, insn: Insn) -> None:
        code = insn.code
        self.idx = idx
        self.insn = insn
        self.code = code
        self.dst = insn.dst_reg
        self.src = insn.src_reg
        self.off = insn.off
        self.imm = insn.imm
        self.value = insn.imm & U64
        self.cls = code & 7
        self.op = code & 0xF0
        self.mode = code & 0xE0
        self.size = _SIZES[code & 0x18]
        self.is_x = code & uapi.BPF_X != 0
        self.is32 = self.cls in (uapi.BPF_ALU, uapi.BPF_JMP32)
        self.is_jump = self.cls in (uapi.BPF_JMP, uapi.BPF_JMP32)
        self.is_ld_imm64 = code == LD_IMM64
        call = code == uapi.BPF_JMP | uapi.BPF_CALL
        self.is_helper_call = call and insn.src_reg == 0
        self.is_pseudo_call = call and insn.src_reg == uapi.BPF_PSEUDO_CALL
        self.is_kfunc_call = call and insn.src_reg == uapi.BPF_PSEUDO_KFUNC_CALL
        self.is_pseudo_func = self.is_ld_imm64 and insn.src_reg == uapi.BPF_PSEUDO_FUNC
        self.is_may_goto = code == uapi.BPF_JMP | uapi.BPF_JCOND and insn.src_reg == uapi.BPF_MAY_GOTO
        self.target = idx + 1 + (insn.imm if code == uapi.BPF_JMP32 | uapi.BPF_JA else insn.off)
        self.obligations: tuple[Obligation, ...] = ()
        # what the verifier notes
        self.seen = False
        self.prune_point = False
        self.jmp_point = False
        self.force_checkpoint = False
        self.calls_callback = False
        self.is_iter_next = False
        self.live_regs = 0
        self.imm_reg: Any = None
        self.scc = 0
        self.ptr_type = uapi.NOT_INIT
        self.nospec = False
        self.nospec_result = False
        self.alu_state = 0
        self.alu_limit = 0
        self.zext_dst = False
        self.ctx_field: Any = None
        self.map: Any = None  # LD_IMM64 of a map
        self.map_off = 0  # and of an address in its value
        self.btf_var: tuple[int, Any, int, int, str] | None = None  # ksym: reg type, btf, btf_id, mem_size, name
        self.map_ptrs: tuple[Any, ...] = ()
        self.map_key: int | None = None
        self.storage_get_func_atomic = False
        self.arg_prog = False
        self.call_with_percpu_alloc_ptr = False
        self.kptr_struct_meta: Any = None
        self.insert_off = 0
        self.obj_new_size = 0
        self.fastcall_pattern = False
        self.fastcall_spills_num = 0
        self.loop_inline: bool | None = None  # bpf_loop: None not seen, else fit for inlining
        self.loop_callback = -1
        self.callback_subprogno = -1
        self.branch_taken = 0  # of a conditional jump: bit 0 fell through, bit 1 jumped


def predecode(insns: tuple[Insn, ...]) -> list[InsnRec]:
    """One record for each slot."""
    recs = [InsnRec(idx, insn) for idx, insn in enumerate(insns)]
    for rec, second in pairwise(recs):
        if rec.is_ld_imm64:
            rec.value = (second.imm & 0xFFFF_FFFF) << 32 | rec.imm & 0xFFFF_FFFF
    return recs


def insn_successors(rec: InsnRec) -> tuple[int, ...]:
    """Where control may go inside the subprogram (a call comes back to the next insn).

    :see: kernel/bpf/liveness.c:bpf_insn_successors
    """
    if not rec.is_jump or rec.op == uapi.BPF_CALL:
        return (rec.idx + (2 if rec.is_ld_imm64 else 1),)
    if rec.op == uapi.BPF_EXIT:
        return ()
    if rec.op == uapi.BPF_JA:
        return (rec.target,)
    return (rec.idx + 1, rec.target)
