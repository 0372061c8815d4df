"""Parameters of functions as BTF and its ``arg:`` declaration tags describe them.

:see: kernel/bpf/btf.c:btf_prepare_func_args
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.btf import Enum, Enum64, Func, FuncProto, Fwd, Int, Ptr, Struct, Typedef, Union, Void
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi
from beespace.verifier.env import EINVAL, EOPNOTSUPP, Env, SubprogArg

if TYPE_CHECKING:
    from beespace.btf import Btf, BtfType
    from beespace.decl.prog import ProgType
    from beespace.verifier.env import Subprog

__all__ = ["BadArgs", "is_ctx_type", "is_prog_ctx_type", "kind_name", "prepare_func_args"]

_EFAULT = 14
MAX_BPF_FUNC_REG_ARGS = 5
_TAGS = frozenset(("ctx", "trusted", "untrusted", "nonnull", "nullable", "arena"))
_PROJECTIONS = (("__sk_buff", "sk_buff"), ("xdp_md", "xdp_buff"))
_KIND_NAMES = (
    "UNKNOWN", "INT", "PTR", "ARRAY", "STRUCT", "UNION", "ENUM", "FWD", "TYPEDEF", "VOLATILE", "CONST", "RESTRICT",
    "FUNC", "FUNC_PROTO", "VAR", "DATASEC", "FLOAT", "DECL_TAG", "TYPE_TAG", "ENUM64",
)  # fmt: skip


class BadArgs(Exception):
    """BTF does not say what the verifier needs; the log says why. Fatal only for global functions."""

    def __init__(self, errno: int) -> None:
        super().__init__(errno)
        self.errno = errno


def kind_name(t: BtfType) -> str:
    """``STRUCT`` (btf_type_str())."""
    return _KIND_NAMES[t.kind]


def prepare_func_args(env: Env, sub: Subprog) -> tuple[SubprogArg, ...]:
    """What the parameters of *sub* are, from its BTF.

    :raises BadArgs: no BTF, or types that are not supported.
    """
    if sub.args is None:
        sub.args = _Preparer(env, sub).prepare()
    return sub.args


class _Preparer:
    def __init__(self, env: Env, sub: Subprog) -> None:
        self.env = env
        self.sub = sub
        self.is_global = sub.is_global

    def fail(self, message: str, errno: int = EINVAL) -> BadArgs:
        self.env.verbose(message + "\n")
        return BadArgs(errno)

    def prepare(self) -> tuple[SubprogArg, ...]:
        env, sub = self.env, self.sub
        btf = env.btf
        if btf is None or not sub.type_id:
            raise BadArgs(EINVAL)
        func = btf.type(sub.type_id)
        assert isinstance(func, Func)
        proto = btf.type(func.type)
        assert isinstance(proto, FuncProto)
        if sub.unreliable:
            raise self.fail(f"Verifier bug in function {func.name}()", _EFAULT)
        if len(proto.params) > MAX_BPF_FUNC_REG_ARGS:
            if not self.is_global:
                raise BadArgs(EINVAL)
            raise self.fail(
                f"Global function {func.name}() with {len(proto.params)} > {MAX_BPF_FUNC_REG_ARGS} args. "
                "Buggy compiler."
            )
        ret = btf.type(btf.skip_mods_and_typedefs(proto.type))
        if not isinstance(ret, Int | Enum | Enum64):
            if not self.is_global:
                raise BadArgs(EINVAL)
            raise self.fail(f"Global function {func.name}() doesn't return scalar. Only those are supported.")
        return tuple(self.arg(btf, func, i, p.type) for i, p in enumerate(proto.params))

    def tags(self, btf: Btf, i: int) -> set[str]:
        found = set()
        for index, tag in btf.decl_tags(self.sub.type_id):
            if index != i or not tag.startswith("arg:"):
                continue
            if not self.is_global:
                raise self.fail(f"arg#{i} type tag is not supported in static functions", EOPNOTSUPP)
            name = tag.removeprefix("arg:")
            if name not in _TAGS:
                raise self.fail(f"arg#{i} has unsupported set of tags", EOPNOTSUPP)
            found.add(name)
        return found

    def arg(self, btf: Btf, func: Func, i: int, type_id: int) -> SubprogArg:
        tags = self.tags(btf, i)
        t = btf.type(btf.skip_mods_and_typedefs(type_id))
        if isinstance(t, Ptr):
            found = self.pointer(btf, i, t, tags)
            if found is not None:
                return found
        if tags:
            raise self.fail(f"arg#{i} has pointer tag, but is not a pointer type")
        if isinstance(t, Int | Enum | Enum64):
            return SubprogArg(uapi.ARG_ANYTHING)
        if not self.is_global:
            raise BadArgs(EINVAL)
        raise self.fail(f"Arg#{i} type {kind_name(t)} in {func.name}() is not supported yet.")

    def pointer(self, btf: Btf, i: int, t: Ptr, tags: set[str]) -> SubprogArg | None:
        invalid = f"arg#{i} has invalid combination of tags"
        if "ctx" in tags or is_prog_ctx_type(self.env, btf, t):
            if tags - {"ctx"}:
                raise self.fail(invalid)
            if "ctx" in tags:
                self.validate_ctx(btf, i, t)
            return SubprogArg(uapi.ARG_PTR_TO_CTX)
        if _is_dynptr(btf, t):
            if tags:
                raise self.fail(invalid)
            return SubprogArg(uapi.ARG_PTR_TO_DYNPTR | uapi.MEM_RDONLY)
        if "trusted" in tags:
            if "nonnull" in tags:
                raise self.fail(invalid)
            flags = uapi.PTR_TRUSTED | (uapi.PTR_MAYBE_NULL if "nullable" in tags else 0)
            return SubprogArg(uapi.ARG_PTR_TO_BTF_ID | flags, btf_id=self.kernel_type(btf, i, t))
        if "untrusted" in tags:
            return self.untrusted(btf, i, t, tags)
        if "arena" in tags:
            if tags - {"arena"}:
                raise self.fail(f"arg#{i} arena cannot be combined with any other tags")
            return SubprogArg(uapi.ARG_PTR_TO_ARENA)
        if not self.is_global:
            return None
        if "nullable" in tags:
            raise self.fail(invalid)
        return self.memory(btf, i, t, tags)

    def memory(self, btf: Btf, i: int, t: Ptr, tags: set[str]) -> SubprogArg:
        target_id = btf.skip_mods_and_typedefs(t.type)
        target = btf.type(target_id)
        try:
            if isinstance(target, Void | Fwd | Func | FuncProto):
                raise BtfError("no size")
            size = btf.size(target_id)
        except BtfError:
            raise self.fail(
                f"arg#{i} reference type('{kind_name(target)} {target.name}') size cannot be determined: -22"
            ) from None
        flags = 0 if "nonnull" in tags else uapi.PTR_MAYBE_NULL
        return SubprogArg(uapi.ARG_PTR_TO_MEM | flags, mem_size=size)

    def untrusted(self, btf: Btf, i: int, t: Ptr, tags: set[str]) -> SubprogArg:
        if tags - {"untrusted"}:
            raise self.fail(f"arg#{i} untrusted cannot be combined with any other tags")
        target = btf.type(btf.skip_mods_and_typedefs(t.type))
        if isinstance(target, Void | Int | Enum | Enum64):
            return SubprogArg(uapi.ARG_PTR_TO_MEM | uapi.MEM_RDONLY | uapi.PTR_UNTRUSTED)
        kern_id = self.kernel_type(btf, i, t)
        assert self.env.btf_vmlinux is not None
        kern = self.env.btf_vmlinux.type(kern_id)
        if not isinstance(kern, Struct | Union):
            raise self.fail(f"arg#{i} has type {kind_name(kern)} '', but only struct or primitive types are allowed")
        return SubprogArg(uapi.ARG_PTR_TO_BTF_ID | uapi.PTR_UNTRUSTED, btf_id=kern_id)

    def kernel_type(self, btf: Btf, i: int, t: Ptr) -> int:
        # btf_get_ptr_to_btf_id(): the kernel's struct of the same name
        target = btf.type(btf.skip_mods_and_typedefs(t.type))
        name = target.name.partition("___")[0]
        vmlinux = self.env.btf_vmlinux
        ids = vmlinux.find_all(name, target.kind) if vmlinux is not None and name else ()
        if len(ids) != 1:
            what = "has no matching" if not ids else "has multiple matching"
            word = "cannot be found" if not ids else "is ambiguous"
            raise self.fail(f"arg#{i} reference type('{kind_name(target)} {name}') {word}: {what} kernel type")
        return ids[0]

    def validate_ctx(self, btf: Btf, i: int, t: Ptr) -> None:
        env = self.env
        target_id = _skip_mods_to_typedef(btf, t.type)
        typedef = btf.type(target_id)
        prog_type = env.prog_type
        by_typedef = prog_type in (uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_PROG_TYPE_PERF_EVENT)
        if by_typedef and isinstance(typedef, Typedef) and typedef.name == "bpf_user_pt_regs_t":
            return
        target = btf.type(btf.skip_mods_and_typedefs(t.type))
        if isinstance(target, Void):
            return
        name = target.name
        if not name:
            raise self.fail(f"arg#{i} type doesn't have a name")
        if self.ctx_by_name(target, name):
            return
        wanted = _ctx_name(env.ptype)
        if not wanted:
            raise self.fail(f"arg#{i} should be void pointer")
        if not isinstance(target, Struct | Union) or name != wanted:
            raise self.fail(f"arg#{i} should be `struct {wanted} *`")

    def ctx_by_name(self, target: BtfType, name: str) -> bool:
        # What else stands for the context of some program types.
        env = self.env
        struct = isinstance(target, Struct | Union)
        u64 = isinstance(target, Int) and target.size == 8
        match env.prog_type:
            case uapi.BPF_PROG_TYPE_KPROBE | uapi.BPF_PROG_TYPE_PERF_EVENT:
                return struct and name == "pt_regs"
            case uapi.BPF_PROG_TYPE_RAW_TRACEPOINT | uapi.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
                return u64
            case uapi.BPF_PROG_TYPE_LSM | uapi.BPF_PROG_TYPE_STRUCT_OPS:
                return u64
            case uapi.BPF_PROG_TYPE_TRACEPOINT | uapi.BPF_PROG_TYPE_SYSCALL | uapi.BPF_PROG_TYPE_EXT:
                return True
            case uapi.BPF_PROG_TYPE_TRACING:
                attach = env.program.expected_attach_type
                if attach == uapi.BPF_TRACE_RAW_TP:
                    return u64 or (struct and name == "bpf_raw_tracepoint_args")
                if attach == uapi.BPF_TRACE_ITER:
                    return struct and name.startswith("bpf_iter__")
                return u64
            case _:
                return False


def _skip_mods_to_typedef(btf: Btf, type_id: int) -> int:
    return btf.skip_mods(type_id)


def _ctx_name(ptype: ProgType) -> str:
    # "xdp_md" of "struct xdp_md"; "" where the context is no struct
    return ptype.ctx_struct.removeprefix("struct ")


def is_prog_ctx_type(env: Env, btf: Btf, t: Ptr) -> bool:
    """Is the pointer one to the program's context, by the name of its type?"""
    return is_ctx_type(env.ptype, btf, t)


def is_ctx_type(ptype: ProgType, btf: Btf, t: Ptr) -> bool:
    """Is the pointer one to the context of programs of the type, by the name of what it points to?"""
    if ptype.id == uapi.BPF_PROG_TYPE_KPROBE:
        typedef = btf.type(_skip_mods_to_typedef(btf, t.type))
        if isinstance(typedef, Typedef) and typedef.name == "bpf_user_pt_regs_t":
            return True
    target = btf.type(btf.skip_mods_and_typedefs(t.type))
    if not isinstance(target, Struct | Union):
        return False
    wanted = _ctx_name(ptype)
    if not wanted:
        return False
    if target.name == wanted or (wanted, target.name) in _PROJECTIONS:
        return True
    return wanted == "bpf_user_pt_regs_t" and target.name == "pt_regs"


def _is_dynptr(btf: Btf, t: Ptr) -> bool:
    target = btf.type(btf.skip_mods_and_typedefs(t.type))
    return isinstance(target, Struct | Union | Fwd) and target.name == "bpf_dynptr"
