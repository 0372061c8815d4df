"""Function and line records against the program they describe.

:see: kernel/bpf/verifier.c:check_btf_func_early, check_btf_func, check_btf_line
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.btf.types import Enum, Enum64, Func, FuncProto, Int
from beespace.verifier.env import EINVAL

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.verifier.env import Env

__all__ = ["check_btf_info", "check_btf_info_early"]


def _has_info(env: Env) -> bool:
    return bool(env.program.func_info or env.program.line_info)


def _check_abnormal_return(env: Env) -> None:
    for sub in env.subprogs[1:]:
        if sub.has_ld_abs:
            env.reject(EINVAL, "LD_ABS is not allowed in subprogs without BTF")
        if sub.has_tail_call:
            env.reject(EINVAL, "tail_call is not allowed in subprogs without BTF")


def check_btf_info_early(env: Env) -> None:
    """Records in order, each for a function."""
    btf = env.btf
    previous = 0
    for i, info in enumerate(env.program.func_info):
        if i == 0 and info.insn_off:
            env.refuse_at_line_end(EINVAL, f"nonzero insn_off {info.insn_off} for the first func info record")
        if i and info.insn_off <= previous:
            env.refuse_at_line_end(
                EINVAL, f"same or smaller insn offset ({info.insn_off}) than previous func info record ({previous})"
            )
        if btf is None or not 0 < info.type_id < btf.nr_types or not isinstance(btf.type(info.type_id), Func):
            env.refuse_at_line_end(EINVAL, f"invalid type id {info.type_id} in func info")
        previous = info.insn_off


def check_btf_info(env: Env) -> None:
    """A record for each subprogram, and a source line where each begins."""
    if not env.program.func_info:
        _check_abnormal_return(env)
    else:
        _check_functions(env)
    if _has_info(env):
        _check_lines(env)


def _check_functions(env: Env) -> None:
    infos, btf = env.program.func_info, env.btf
    assert btf is not None
    if len(infos) != len(env.subprogs):
        env.reject(EINVAL, "number of funcs in func_info doesn't match number of subprogs")
    for i, (info, sub) in enumerate(zip(infos, env.subprogs, strict=True)):
        if sub.start != info.insn_off:
            env.reject(EINVAL, "func_info BTF section doesn't match subprog layout in BPF program")
        func = btf.type(info.type_id)
        assert isinstance(func, Func)
        sub.type_id = info.type_id
        sub.name = func.name
        sub.linkage = func.linkage
        if i == 0 or not (sub.has_ld_abs or sub.has_tail_call) or _returns_scalar(btf, func):
            continue
        what = "LD_ABS" if sub.has_ld_abs else "tail_call"
        env.reject(EINVAL, f"{what} is only allowed in functions that return 'int'.")


def _returns_scalar(btf: Btf, func: Func) -> bool:
    proto = btf.type(func.type)
    assert isinstance(proto, FuncProto)
    if proto.type == 0:
        return False
    result = btf.type(btf.skip_mods_and_typedefs(proto.type))
    return isinstance(result, (Enum, Enum64)) or (isinstance(result, Int) and result.size <= 8)


def _check_lines(env: Env) -> None:
    lines = env.program.line_info
    if not lines:
        return
    count = len(env.insns)
    previous = 0
    s = 0
    for i, line in enumerate(lines):
        off = line.insn_off
        if (i and off <= previous) or off >= count:
            env.reject(EINVAL, f"Invalid line_info[{i}].insn_off:{off} (prev_offset:{previous} prog->len:{count})")
        if env.insns[off].code == 0:
            env.reject(EINVAL, f"Invalid insn code at line_info[{i}].insn_off")
        if s < len(env.subprogs):
            if off == env.subprogs[s].start:
                s += 1
            elif env.subprogs[s].start < off:
                env.reject(EINVAL, f"missing bpf_line_info for func#{s}")
        previous = off
    if s != len(env.subprogs):
        env.reject(EINVAL, f"missing bpf_line_info for {len(env.subprogs) - s} funcs starting from func#{s}")
    env.line_info = lines
