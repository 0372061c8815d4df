"""Expansion of a verified program: context accesses, packet loads, hidden arguments, addresses; jumps follow.

:see: kernel/bpf/verifier.c:convert_ctx_accesses, do_misc_fixups, fixup_kfunc_call
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beespace.decl.prog import FuncInfo, InsnAux, LineInfo, SubprogInfo, XlatedProgram
from beespace.errors import InternalError, Unsupported, VerifierError
from beespace.isa import LD_IMM64, Insn
from beespace.uapi import bpf as uapi
from beespace.xlate.ctx import convert_ctx_access
from beespace.xlate.tag import calc_tag

if TYPE_CHECKING:
    from beespace.decl.func import FuncProto
    from beespace.decl.kfunc import KfuncProto
    from beespace.decl.map import MapLayout, MapMeta
    from beespace.decl.prog import VerifiedProgram
    from beespace.decl.registry import Registry

__all__ = ["raw", "xlate"]

_CALL = uapi.BPF_JMP | uapi.BPF_CALL
_MOV64_K = uapi.BPF_ALU64 | uapi.BPF_MOV | uapi.BPF_K
_MOV64_X = uapi.BPF_ALU64 | uapi.BPF_MOV | uapi.BPF_X
_MOV32_X = uapi.BPF_ALU | uapi.BPF_MOV | uapi.BPF_X
_CAST_KERN = 1  # imm of ADDR_SPACE_CAST: to address space 0, from 1
_INSN_BYTES = 8
_JUMPS = (uapi.BPF_JMP, uapi.BPF_JMP32)
_MAY_CHANGE = frozenset(
    {_CALL, _MOV64_X}
    | {uapi.BPF_LD | mode | size for mode in (uapi.BPF_ABS, uapi.BPF_IND) for size in (0x00, 0x08, 0x10)}
)

# kfuncs whose second last argument is a node's offset, by the register it goes into
_NODE_OFFSET = {
    "bpf_list_push_front_impl": uapi.BPF_REG_4,
    "bpf_list_push_back_impl": uapi.BPF_REG_4,
    "bpf_rbtree_add_impl": uapi.BPF_REG_5,
}
_SIZED = ("bpf_obj_new_impl", "bpf_percpu_obj_new_impl")

_Pair = tuple[Insn, InsnAux]


def xlate(
    verified: VerifiedProgram,
    registry: Registry,
    *,
    map_layout: Callable[[MapMeta], MapLayout],
    text: int = 0,
    symbol_address: Callable[[int, str], int] | None = None,
) -> XlatedProgram:
    """Make *verified* ready for an engine.

    :param map_layout: where a map's descriptor and values are.
    :param text: guest address of the first instruction; function pointers are ``text + 8 * insn_idx``.
    :param symbol_address: (BTF type id, name) of a kernel variable -> its guest address.
    :raises Unsupported: the program uses what does not exist at run time.
    """
    return _Xlate(verified, registry, map_layout, text, symbol_address).program()


def raw(
    insns: Sequence[Insn],
    *,
    name: str = "raw",
    prog_type: int = uapi.BPF_PROG_TYPE_UNSPEC,
    calls: Mapping[int, FuncProto | KfuncProto] | None = None,
    imm64: Mapping[int, int] | None = None,
    subprogs: Sequence[SubprogInfo] = (),
    text: int = 0,
) -> XlatedProgram:
    """An unverified program, as it is. Only the interpreter runs it.

    :param calls: by insn_idx: what a helper or kfunc call calls; ``imm64``: what a pseudo LD_IMM64 loads.
    """
    return XlatedProgram(
        verified=None,
        name=name,
        prog_type=prog_type,
        insns=tuple(insns),
        subprogs=tuple(subprogs) or (SubprogInfo(0, name=name),),
        imm64=dict(imm64 or {}),
        calls=dict(calls or {}),
        origin=tuple(range(len(insns))),
        text=text,
        tag=calc_tag(insns),
    )


# One translation. Every instruction expands to a sequence; afterwards all positions are known and jumps are rewritten.
class _Xlate:
    def __init__(
        self,
        verified: VerifiedProgram,
        registry: Registry,
        map_layout: Callable[[MapMeta], MapLayout],
        text: int,
        symbol_address: Callable[[int, str], int] | None,
    ) -> None:
        self.verified = verified
        self.prog = verified.program
        self.registry = registry
        self.map_layout = map_layout
        self.text = text
        self.symbol_address = symbol_address
        self.prog_type = registry.prog_types.get(self.prog.prog_type)
        self.layouts: dict[MapMeta, MapLayout] = {}
        self.call_of: dict[int, FuncProto | KfuncProto] = {}  # by insn_idx of the verified program
        self.arena = next((m for m in verified.used_maps if m.map_type == uapi.BPF_MAP_TYPE_ARENA), None)

    def program(self) -> XlatedProgram:
        verified = self.verified
        expanded = self._expansions()
        start = _positions(len(verified.insns), expanded)
        insns: list[Insn] = []
        auxs: list[InsnAux] = []
        origin: list[int] = []
        imm64: dict[int, int] = {}
        calls: dict[int, Any] = {}
        value_off: int | None = None
        for idx, insn in enumerate(verified.insns):
            aux = verified.aux[idx]
            came_from = verified.origin[idx] if verified.origin else idx
            sequence = expanded.get(idx)
            if sequence is not None:
                insns.extend(each for each, _ in sequence)
                auxs.extend(each for _, each in sequence)
                origin.extend([came_from] + [-1] * (len(sequence) - 1))
            else:
                if value_off is not None:  # the second slot of a map's LD_IMM64
                    insn, value_off = insn._replace(imm=value_off), None
                elif insn.code == LD_IMM64 and aux.imm64 is not None:
                    imm64[start[idx]] = self._address(aux.imm64, start)
                    insn = self._shown(insn, aux.imm64, start, idx)
                    value_off = int(aux.imm64[2]) if aux.imm64[0] in ("map", "map_value") else None
                elif expanded and insn.code & 7 in _JUMPS:
                    insn = _retarget(insn, idx, start)
                insns.append(insn)
                auxs.append(aux)
                origin.append(came_from)
            if idx in self.call_of:
                calls[len(insns) - 1] = self.call_of[idx]
        return XlatedProgram(
            verified=verified,
            name=self.prog.name,
            prog_type=self.prog.prog_type,
            insns=tuple(insns),
            subprogs=tuple(
                subprog if start[subprog.start] == subprog.start else replace(subprog, start=start[subprog.start])
                for subprog in verified.subprogs
            ),
            imm64=imm64,
            calls=calls,
            maps={layout.descriptor: layout for layout in self.layouts.values()},
            map_layouts=self.layouts,
            aux=tuple(auxs),
            origin=tuple(origin),
            line_info=tuple(
                LineInfo(start[line.insn_off], line.file_name, line.line, line.line_num, line.line_col)
                for line in verified.line_info
            ),
            func_info=tuple(FuncInfo(start[func.insn_off], func.type_id) for func in verified.func_info),
            text=self.text,
            arena=(self._layout(self.arena).values, self.arena.arena_vm_start) if self.arena else (0, 0),
            tag=calc_tag(self.prog.insns, "sha256" if self.registry.features.has("6.18", "") else "sha1"),
        )

    # insn_idx -> what an instruction becomes, of those that change.
    def _expansions(self) -> dict[int, tuple[_Pair, ...]]:
        found: dict[int, tuple[_Pair, ...]] = {}
        second = False
        for idx, insn in enumerate(self.verified.insns):
            aux = self.verified.aux[idx]
            # cheap questions first: most instructions stay
            if not second and (aux.ctx_field is not None or insn.code in _MAY_CHANGE):
                sequence = self._expand(idx, insn, aux)
                if len(sequence) > 1 or sequence[0][0] is not insn:
                    found[idx] = sequence
            second = not second and insn.code == LD_IMM64
        return found

    # The last instruction of a sequence takes the original's place (calls are looked up there).
    def _expand(self, idx: int, insn: Insn, aux: InsnAux) -> tuple[_Pair, ...]:
        if insn.code == _CALL and insn.src_reg != uapi.BPF_PSEUDO_CALL:
            return self._call(idx, insn, aux)
        if aux.ctx_field is not None:
            return _with_aux(aux, convert_ctx_access(insn, aux.ctx_field))
        if insn.code & 7 == uapi.BPF_LD and insn.code & 0xE0 in (uapi.BPF_ABS, uapi.BPF_IND):
            if self.prog_type is None or self.prog_type.gen_ld_abs is None:
                raise Unsupported(f"LD_ABS and LD_IND in programs of type {self.prog.prog_type}")
            return _with_aux(InsnAux(seen=True), self.prog_type.gen_ld_abs(insn))
        if insn.code == _MOV64_X and insn.off == uapi.BPF_ADDR_SPACE_CAST and self._drops_upper_half(insn):
            return ((Insn(_MOV32_X, insn.dst_reg, insn.src_reg, 0, 0), aux),)
        return ((insn, aux),)

    def _drops_upper_half(self, insn: Insn) -> bool:
        no_user = self.arena is not None and self.arena.map_flags & uapi.BPF_F_NO_USER_CONV
        return insn.imm == _CAST_KERN or bool(no_user)

    def _call(self, idx: int, insn: Insn, aux: InsnAux) -> tuple[_Pair, ...]:
        if insn.src_reg == 0:
            proto = self.registry.func_proto(self.prog.prog_type, insn.imm, self.prog)
            if proto is None:
                raise InternalError(f"verified call of helper {insn.imm}, which has no prototype")
            self.call_of[idx] = proto
            return ((insn, aux),)
        name = self._kfunc_name(insn)
        if name == "bpf_rdonly_cast":
            return ((Insn(_MOV64_X, uapi.BPF_REG_0, uapi.BPF_REG_1, 0, 0), aux),)
        kfunc = self.registry.kfuncs.get(name)
        if kfunc is None:
            raise Unsupported(f"kfunc {name}()")
        self.call_of[idx] = kfunc
        hidden: list[Insn] = []
        if name in _SIZED:
            hidden.append(Insn(_MOV64_K, uapi.BPF_REG_1, 0, 0, aux.obj_new_size))
        elif name in _NODE_OFFSET:
            hidden.append(Insn(_MOV64_K, _NODE_OFFSET[name], 0, 0, aux.insert_off))
        return (*((each, InsnAux(seen=True)) for each in hidden), (insn, aux))

    def _kfunc_name(self, insn: Insn) -> str:
        btf = self.registry.btf_vmlinux
        if insn.off:  # index into fd_array: a module's BTF
            if self.prog.resolve_btf is None:
                raise InternalError(f"kfunc call with off {insn.off}, but no fd_array")
            btf = self.prog.resolve_btf(insn.off)
        if btf is None:
            raise InternalError("verified kfunc call without BTF of the kernel")
        return btf.name_of(insn.imm)

    def _layout(self, meta: MapMeta) -> MapLayout:
        found = self.layouts.get(meta)
        if found is None:
            found = self.layouts[meta] = self.map_layout(meta)
        return found

    # As BPF_OBJ_GET_INFO_BY_FD shows LD_IMM64: maps by id.
    def _shown(self, insn: Insn, loaded: tuple[str, Any, Any], start: list[int], idx: int) -> Insn:
        match loaded:
            case ("map", meta, _):
                return insn._replace(src_reg=uapi.BPF_PSEUDO_MAP_FD, imm=meta.id)
            case ("map_value", meta, _):
                return insn._replace(src_reg=uapi.BPF_PSEUDO_MAP_VALUE, imm=meta.id)
            case ("func", subprogno, _):
                return insn._replace(imm=start[self.verified.subprogs[int(subprogno)].start] - start[idx] - 1)
            case _:
                return insn

    def _address(self, loaded: tuple[str, Any, Any], start: list[int]) -> int:
        match loaded:
            case ("map", meta, _):
                return self._layout(meta).descriptor
            case ("map_value", meta, off):
                layout = self._layout(meta)
                if not layout.values:
                    raise Unsupported(f"direct value of map {meta.name}")
                return layout.values + int(off)
            case ("func", subprogno, _):
                return self.text + _INSN_BYTES * start[self.verified.subprogs[int(subprogno)].start]
            case ("btf", type_id, name):
                if self.symbol_address is None:
                    raise Unsupported(f"kernel symbol {name}")
                return self.symbol_address(int(type_id), str(name))
            case _:
                raise InternalError(f"LD_IMM64 of {loaded!r}")


# New insn_idx of each instruction, and of the end.
def _positions(count: int, expanded: Mapping[int, tuple[_Pair, ...]]) -> list[int]:
    if not expanded:
        return list(range(count + 1))
    start, at = [], 0
    for idx in range(count):
        start.append(at)
        at += len(expanded[idx]) if idx in expanded else 1
    start.append(at)
    return start


def _with_aux(aux: InsnAux, insns: tuple[Insn, ...]) -> tuple[_Pair, ...]:
    first, *rest = insns
    return ((first, aux), *((each, InsnAux(seen=True)) for each in rest))


# A jump or subprogram call whose source and target have moved.
def _retarget(insn: Insn, idx: int, start: list[int]) -> Insn:
    cls, op = insn.code & 7, insn.code & 0xF0
    if cls not in (uapi.BPF_JMP, uapi.BPF_JMP32) or op == uapi.BPF_EXIT:
        return insn
    here = start[idx] + 1
    if op == uapi.BPF_CALL:
        return insn._replace(imm=start[idx + 1 + insn.imm] - here) if insn.src_reg == uapi.BPF_PSEUDO_CALL else insn
    if cls == uapi.BPF_JMP32 and op == uapi.BPF_JA:
        return insn._replace(imm=start[idx + 1 + insn.imm] - here)
    off = start[idx + 1 + insn.off] - here
    if not -0x8000 <= off <= 0x7FFF:
        raise VerifierError(
            f"insn {idx} cannot be patched due to 16-bit range", errno=errno.ERANGE, insn_idx=idx
        )  # fmt: skip
    return insn._replace(off=off)
