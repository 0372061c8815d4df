"""A loaded program's instructions, as the kernel tells them: what ``bpftool prog dump xlated`` starts from.

:see: tools/bpf/bpftool/prog.c:do_dump, tools/bpf/bpftool/xlated_dumper.c
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.api.calls import Buffer, text
from beespace.btf import Btf, decode_func_info, decode_line_info
from beespace.decl.prog import FuncInfo, LineInfo, Program, SubprogInfo, VerifiedProgram, XlatedProgram
from beespace.isa import Insn, decode_insns
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import BpfFuncInfo, BpfLineInfo, ProgInfo
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.api.calls import Calls, LoadingKernel

__all__ = ["read_xlated"]

_CALL = 0x85
_FUNC_KINDS = (0, uapi.BPF_PSEUDO_KFUNC_CALL)


@frozen
class _Callee:
    # stands for a FuncProto or KfuncProto, of which a dump shows the name
    name: str


def read_xlated(kernel: LoadingKernel, calls: Calls, fd: int) -> XlatedProgram:
    """The program behind *fd*, with what BPF_OBJ_GET_INFO_BY_FD says of it; it cannot be run.

    :raises SyscallError: EPERM without CAP_BPF.
    """
    sizes = calls.prog_info(fd)
    insns, functions, lines = (
        Buffer(sizes.xlated_prog_len),
        Buffer(sizes.nr_func_info * BpfFuncInfo.SIZE),
        Buffer(sizes.nr_line_info * BpfLineInfo.SIZE),
    )
    ask = ProgInfo(xlated_prog_len=insns.size, xlated_prog_insns=insns.address)
    if functions.size:
        ask.nr_func_info, ask.func_info, ask.func_info_rec_size = (
            sizes.nr_func_info,
            functions.address,
            BpfFuncInfo.SIZE,
        )
    if lines.size:
        ask.nr_line_info, ask.line_info, ask.line_info_rec_size = sizes.nr_line_info, lines.address, BpfLineInfo.SIZE
    info = calls.prog_info(fd, ask)
    btf = calls.btf_by_id(info.btf_id) if info.btf_id else None
    code = decode_insns(insns.data)
    func_info = tuple(FuncInfo(f.insn_off, f.type_id) for f in decode_func_info(functions.data, BpfFuncInfo.SIZE))
    line_info = _lines(btf, lines.data)
    name = text(info.name)
    subprogs = tuple(SubprogInfo(f.insn_off, name=btf.name_of(f.type_id) if btf else "") for f in func_info)
    program = Program(name=name, prog_type=info.type, insns=code, btf=btf)
    return XlatedProgram(
        verified=VerifiedProgram(program, code, (), subprogs),
        name=name,
        prog_type=info.type,
        insns=code,
        subprogs=subprogs,
        calls=_callees(kernel, code),
        line_info=line_info,
        func_info=func_info,
        tag=info.tag,
    )


def _lines(btf: Btf | None, data: bytes) -> tuple[LineInfo, ...]:
    if btf is None:
        return ()
    return tuple(
        LineInfo(r.insn_off, btf.str_at(r.file_name_off), btf.str_at(r.line_off), r.line_num, r.column)
        for r in decode_line_info(data, BpfLineInfo.SIZE)
    )


def _callees(kernel: LoadingKernel, insns: tuple[Insn, ...]) -> dict[int, _Callee]:
    found = {}
    for idx, insn in enumerate(insns):
        if insn.code == _CALL and insn.src_reg in _FUNC_KINDS:
            name = kernel.callee_name(insn)
            if name is not None:
                found[idx] = _Callee(name)
    return found
