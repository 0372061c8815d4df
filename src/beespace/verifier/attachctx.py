"""The context of programs that attach to BTF types: one word for each argument of a function, typed by BTF.

:see: kernel/bpf/btf.c:btf_ctx_access
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from beespace.btf import Enum, Enum64, FuncProto, Int, Ptr, Struct, TypeTag, Union, Void
from beespace.btf.types import BtfType
from beespace.errors import Unsupported
from beespace.uapi import bpf as uapi
from beespace.verifier.argtags import is_ctx_type, kind_name
from beespace.verifier.regtypes import base_type, has_unsafe_modifiers, may_be_null

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.verifier.env import Env
    from beespace.verifier.state import RegState

__all__ = ["AttachTarget", "CtxAccess", "CtxArg"]

MAX_BPF_FUNC_ARGS = 12
MAX_BPF_FUNC_REG_ARGS = 5
_U64 = 8
_TAGS = {"user": uapi.MEM_USER, "percpu": uapi.MEM_PERCPU}
_NULLABLE = "__nullable"
_WITH_RETVAL = (uapi.BPF_LSM_MAC, uapi.BPF_LSM_CGROUP, uapi.BPF_TRACE_FEXIT)


@dataclass(slots=True)
class CtxArg:
    """``struct bpf_ctx_arg_aux``: what is known of an argument beside its BTF type.

    :ivar off: byte offset in the context.
    :ivar refcounted: the program gets a reference, which it must release or return.
    :ivar ref_obj_id: its id, while the program is walked.
    """

    off: int
    reg_type: int  # enum bpf_reg_type with flags
    btf: Btf
    btf_id: int
    refcounted: bool = False
    ref_obj_id: int = 0


@dataclass(frozen=True, slots=True)
class CtxAccess:
    """What a load of the context yields.

    :ivar ret_range: of a hook's return value, inclusive.
    """

    reg_type: int = uapi.SCALAR_VALUE
    btf: Btf | None = None
    btf_id: int = 0
    ref_obj_id: int = 0
    ret_range: tuple[int, int] | None = None


@dataclass(slots=True)
class AttachTarget:
    """The function or struct_ops member a program attaches to.

    :ivar name: of the function, tracepoint or member, ``attach_func_name``.
    :ivar btf: that describes it: the kernel's, a module's, or that of the program it belongs to.
    :ivar proto: ``attach_func_proto``; None when the types of a program's function are not to be relied on: five u64.
    :ivar is_tracepoint: the prototype begins with an argument that programs do not see.
    :ivar trusted: pointers among the arguments are PTR_TRUSTED.
    :ivar null_args: of a tracepoint, 4 bits for each argument: 1 may be NULL, 2 is not always a pointer.
    :ivar ret_range: what an LSM hook may return, None for anything.
    :ivar retyped: struct -> struct that an argument is taken for.
    :ivar of_member: it is a member of a struct_ops type.
    """

    name: str
    btf: Btf
    proto: FuncProto | None
    is_tracepoint: bool = False
    trusted: bool = False
    null_args: int = 0
    args: tuple[CtxArg, ...] = ()
    ret_range: tuple[int, int] | None = None
    retyped: Mapping[int, int] | None = None
    of_member: bool = False

    # -- what the program returns ------------------------------------------------------------------------------------

    def returns_void(self, env: Env) -> bool:
        """Does the hook return nothing? (Void LSM hooks for cgroups are not exempt from rules on R0.)"""
        if self.proto is None or self.proto.type:
            return False
        if self.of_member:
            return True
        return env.prog_type == uapi.BPF_PROG_TYPE_LSM

    def is_exempt(self, env: Env) -> bool:
        """Is R0 not looked at at all, because the hook returns nothing?"""
        return self.returns_void(env) and (
            self.of_member or env.program.expected_attach_type != uapi.BPF_LSM_CGROUP
        )  # fmt: skip

    def _returned_struct(self) -> int:
        # Type id of the struct that the hook returns a pointer to, 0 for none.
        if self.proto is None or not self.of_member:
            return 0
        ret = self.btf.type(self.btf.skip_mods_and_typedefs(self.proto.type))
        return self.btf.skip_mods_and_typedefs(ret.type) if isinstance(ret, Ptr) else 0

    def returns_kptr(self, env: Env, reg: RegState) -> bool:
        """Is *reg* an object that the program owns, of the type that the struct_ops member returns?"""
        struct_id = self._returned_struct()
        if not struct_id or reg.btf is None or not reg.ref_obj_id:
            return False
        return bool(reg.btf.type(reg.btf_id) is self.btf.type(struct_id))

    def return_limits(
        self, env: Env, limits: tuple[int, int] | None
    ) -> tuple[tuple[int, int] | None, bool, str]:  # fmt: skip
        """Range of R0, whether its low 32 bits count, and what to say beside the refusal.

        :param limits: of the program type.
        """
        attach_type = env.program.expected_attach_type
        if env.prog_type_loaded == uapi.BPF_PROG_TYPE_EXT:
            return None, False, ""
        if self.of_member:
            return ((0, 0) if self._returned_struct() else None), False, ""
        if env.prog_type == uapi.BPF_PROG_TYPE_LSM:
            if attach_type != uapi.BPF_LSM_CGROUP:
                return self.ret_range, True, ""
            if self.returns_void(env):
                note = "Note, BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!"
                return (1, 1), False, note
        return limits, False, ""

    def acquire_ctx_refs(self, env: Env, acquire: Callable[[Env, int], int]) -> None:
        """The program begins with the references that its arguments give it."""
        for arg in self.args:
            if arg.refcounted:
                arg.ref_obj_id = acquire(env, 0)

    # -- the context -------------------------------------------------------------------------------------------------

    def ctx_access(self, env: Env, off: int, size: int, write: bool) -> CtxAccess | None:
        """What a load of *size* bytes at *off* of the context yields; None: it is refused."""
        if off < 0 or off >= _U64 * MAX_BPF_FUNC_ARGS or write or off % size:
            return None
        access = _Access(env, self, off, size).check()
        if access is None or not self.retyped or base_type(access.reg_type) != uapi.PTR_TO_BTF_ID:
            return access
        if has_unsafe_modifiers(access.reg_type) or access.btf_id not in self.retyped:
            return access
        return replace(access, btf_id=self.retyped[access.btf_id])


class _Access:
    # One load of the context.

    def __init__(self, env: Env, target: AttachTarget, off: int, size: int) -> None:
        self.env = env
        self.target = target
        self.btf = target.btf
        self.off = off
        self.size = size
        self.arg = 0
        self.arg_name = ""

    def say(self, message: str) -> None:
        self.env.verbose(f"func '{self.target.name}' {message}\n")

    def check(self) -> CtxAccess | None:
        if self.off % _U64:
            self.say(f"offset {self.off} is not multiple of 8")
            return None
        proto = self.target.proto
        if proto is None:
            return self.untyped()
        is_retval, type_id = self.argument(proto)
        if type_id is None:
            return None
        t = self.btf.type(self.btf.skip_mods_and_typedefs(type_id))
        if _is_small_int(t) or isinstance(t, Enum | Enum64 | Struct | Union):
            return CtxAccess(ret_range=self.target.ret_range if is_retval else None)
        if not isinstance(t, Ptr):
            name = t.name or "(anon)"
            self.say(f"arg{self.arg} '{name}' has type {kind_name(t)}. Only pointer access is allowed")
            return None
        if self.size != _U64:
            self.say(f"size {self.size} must be 8")
            return None
        return self.pointer(t)

    def untyped(self) -> CtxAccess | None:
        # MAX_BPF_FUNC_REG_ARGS words, then the return value
        self.arg = self.off // _U64
        attach_type = self.env.program.expected_attach_type
        if self.arg < MAX_BPF_FUNC_REG_ARGS:
            return CtxAccess()
        if self.arg == MAX_BPF_FUNC_REG_ARGS and attach_type in _WITH_RETVAL:
            return CtxAccess()
        if self.arg > MAX_BPF_FUNC_REG_ARGS or attach_type != uapi.BPF_MODIFY_RETURN:
            self.say(f"doesn't have {self.arg + 1}-th argument")
        return None

    def argument(self, proto: FuncProto) -> tuple[bool, int | None]:
        # Is it the return value, and the type of the argument.
        self.arg = self.index(proto)
        params = proto.params[1:] if self.target.is_tracepoint else proto.params
        if self.arg < len(params):
            self.arg_name = params[self.arg].name
            return False, params[self.arg].type
        attach_type = self.env.program.expected_attach_type
        if self.arg == len(params):
            if attach_type in _WITH_RETVAL:
                return attach_type == uapi.BPF_LSM_MAC, proto.type
            if attach_type == uapi.BPF_MODIFY_RETURN:
                t = self.btf.type(self.btf.skip_mods_and_typedefs(proto.type))
                if _is_small_int(t):
                    return False, proto.type
                self.env.verbose(f"ret type {kind_name(t)} not allowed for fmod_ret\n")
                return False, None
        self.say(f"doesn't have {self.arg + 1}-th argument")
        return False, None

    def index(self, proto: FuncProto) -> int:
        # Number of the argument at the offset: a struct by value takes as many words as it needs.
        end = 0
        for i, param in enumerate(proto.params):
            end += self.words(param.type)
            if self.off < end:
                return i
        end += self.words(proto.type)
        return len(proto.params) + (self.off >= end)

    def words(self, type_id: int) -> int:
        t = self.btf.type(self.btf.skip_mods_and_typedefs(type_id))
        if isinstance(t, Ptr):
            return _U64
        return (getattr(t, "size", 0) + _U64 - 1) // _U64 * _U64

    def pointer(self, ptr: Ptr) -> CtxAccess | None:
        target = self.target
        arg = next((arg for arg in target.args if arg.off == self.off), None)
        if arg is not None and base_type(arg.reg_type) == uapi.PTR_TO_BUF and may_be_null(arg.reg_type):
            return CtxAccess(arg.reg_type)
        if isinstance(self.btf.type(self.btf.skip_mods_and_typedefs(ptr.type)), Void | Int):
            return CtxAccess()  # nothing to walk: as good as a number
        if arg is not None:
            return CtxAccess(arg.reg_type, arg.btf, arg.btf_id, arg.ref_obj_id if arg.refcounted else 0)
        reg_type = uapi.PTR_TO_BTF_ID
        if target.trusted:
            reg_type |= uapi.PTR_TRUSTED
        nibble = target.null_args >> 4 * self.arg
        if self.arg_name.endswith(_NULLABLE) or nibble & 1:
            reg_type |= uapi.PTR_MAYBE_NULL
        if self.env.program.attach_prog is not None:
            return self.of_program(ptr, reg_type)
        return self.struct(ptr, reg_type, bool(nibble & 2))

    def of_program(self, ptr: Ptr, reg_type: int) -> CtxAccess | None:
        # btf_translate_to_vmlinux(): the argument of another program's function must be that program's context
        env = self.env
        attach_prog = env.program.attach_prog
        assert attach_prog is not None
        if attach_prog.program.prog_type == uapi.BPF_PROG_TYPE_EXT and attach_prog.program.attach_prog is not None:
            attach_prog = attach_prog.program.attach_prog
        kind = env.registry.prog_types[attach_prog.program.prog_type]
        if not is_ctx_type(kind, self.btf, ptr):
            return None
        vmlinux = env.btf_vmlinux
        if vmlinux is None:
            raise Unsupported(f"struct {kind.kernel_ctx_struct} without the kernel's BTF")
        struct_id = vmlinux.find(kind.kernel_ctx_struct, uapi.BTF_KIND_STRUCT)
        return CtxAccess(reg_type, vmlinux, struct_id) if struct_id else None

    def struct(self, ptr: Ptr, reg_type: int, is_err: bool) -> CtxAccess | None:
        btf = self.btf
        tag = btf.type(ptr.type)
        if isinstance(tag, TypeTag):
            reg_type |= _TAGS.get(tag.name, 0)
        struct_id = btf.skip_mods_and_typedefs(ptr.type)
        t = btf.type(struct_id)
        if not isinstance(t, Struct | Union):
            self.say(f"arg{self.arg} type {kind_name(t)} is not a struct")
            return None
        self.say(f"arg{self.arg} has btf_id {struct_id} type {kind_name(t)} '{t.name or '(anon)'}'")
        if is_err:
            self.env.verbose(f"marking pointer arg{self.arg} as scalar as it may encode error")
            return CtxAccess()
        return CtxAccess(reg_type, btf, struct_id)


def _is_small_int(t: BtfType) -> bool:
    return isinstance(t, Int) and t.size <= _U64
