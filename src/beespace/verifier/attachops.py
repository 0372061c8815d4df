"""Programs that implement a member of a struct of function pointers.

:see: kernel/bpf/verifier.c:check_struct_ops_btf_id, kernel/bpf/bpf_struct_ops.c:prepare_arg_info
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.btf import Func, FuncProto, Ptr, Struct
from beespace.uapi import bpf as uapi
from beespace.verifier.attachctx import AttachTarget, CtxArg
from beespace.verifier.env import EINVAL, ENOTSUPP

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.decl.tables import StructOpsType
    from beespace.verifier.env import Env

__all__ = ["check_struct_ops"]

_U64 = 8
# How the kernel's stub of a member names arguments that are not just trusted pointers.
_SUFFIXES = {
    "__nullable": uapi.PTR_TO_BTF_ID | uapi.PTR_TRUSTED | uapi.PTR_MAYBE_NULL,
    "__ref": uapi.PTR_TO_BTF_ID | uapi.PTR_TRUSTED,
}


def check_struct_ops(env: Env) -> AttachTarget:
    """Find the member, and see whether the program may implement it."""
    program = env.program
    if not program.gpl_compatible:
        env.reject(EINVAL, "struct ops programs must have a GPL compatible license")
    btf, btf_id = program.attach_btf, program.attach_btf_id
    if btf is None or not btf_id:
        env.refuse(ENOTSUPP, env.log.last_line())
    struct = btf.type(btf_id)
    ops = env.registry.struct_ops.get(struct.name) if isinstance(struct, Struct) and btf.base is None else None
    if ops is None or not isinstance(struct, Struct):
        env.reject(ENOTSUPP, f"attach_btf_id {btf_id} is not a supported struct")
    index = program.expected_attach_type
    if index >= len(struct.members):
        env.reject(EINVAL, f"attach to invalid member idx {index} of struct {ops.name}")
    member = struct.members[index]
    proto = _func_proto(btf, member.type)
    if proto is None:
        env.reject(EINVAL, f"attach to invalid member {member.name}(@idx {index}) of struct {ops.name}")
    if member.name in ops.unsupported:
        env.reject(ENOTSUPP, f"attach to unsupported member {member.name} of struct {ops.name}")
    if env.sleepable and not ops.sleepable & {member.name, "*"}:
        env.reject(EINVAL, f"attach to unsupported member {member.name} of struct {ops.name}")
    args = _args(btf, ops, member.name, proto)
    if any(arg.refcounted for arg in args) and any(sub.has_tail_call for sub in env.subprogs):
        env.reject(EINVAL, "program with __ref argument cannot tail call")
    retyped = {
        btf.find(old, uapi.BTF_KIND_STRUCT): btf.find(new, uapi.BTF_KIND_STRUCT)
        for old, new in ops.retyped.items()
    }  # fmt: skip
    return AttachTarget(member.name, btf, proto, trusted=True, args=args, retyped=retyped, of_member=True)


def _func_proto(btf: Btf, type_id: int) -> FuncProto | None:
    # btf_type_resolve_func_ptr()
    ptr = btf.type(btf.skip_mods_and_typedefs(type_id))
    proto = btf.type(btf.skip_mods_and_typedefs(ptr.type)) if isinstance(ptr, Ptr) else None
    return proto if isinstance(proto, FuncProto) else None


def _args(btf: Btf, ops: StructOpsType, member: str, proto: FuncProto) -> tuple[CtxArg, ...]:
    found = {}
    stub = btf.type(btf.find(f"{ops.name}__{member}", uapi.BTF_KIND_FUNC))
    stub_proto = btf.type(stub.type) if isinstance(stub, Func) else None
    for i, param in enumerate(stub_proto.params if isinstance(stub_proto, FuncProto) else ()):
        suffix = next((suffix for suffix in _SUFFIXES if param.name.endswith(suffix)), None)
        ptr = btf.type(btf.skip_mods_and_typedefs(param.type))
        if suffix is not None and isinstance(ptr, Ptr):
            struct_id = btf.skip_mods_and_typedefs(ptr.type)
            found[i] = CtxArg(_offset(btf, proto, i), _SUFFIXES[suffix], btf, struct_id, suffix == "__ref")
    for (name, i), (reg_type, struct) in ops.arg_types.items():
        if name == member:
            refcounted = i in found and found[i].refcounted
            struct_id = btf.find(struct, uapi.BTF_KIND_STRUCT)
            found[i] = CtxArg(_offset(btf, proto, i), reg_type, btf, struct_id, refcounted)
    return tuple(found[i] for i in sorted(found))


def _offset(btf: Btf, proto: FuncProto, number: int) -> int:
    # btf_ctx_arg_offset()
    return sum((btf.size(param.type) + _U64 - 1) // _U64 * _U64 for param in proto.params[:number])
