"""Programs on their way from PROG_LOAD to the engines: Program, VerifiedProgram, XlatedProgram."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from beespace.decl.map import MapLayout, MapMeta
from beespace.decl.tables import StructAccess
from beespace.isa.insn import Insn
from beespace.values import frozen, mutable

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.decl.testrun import PacketPlan

__all__ = [
    "Allow",
    "Caps",
    "CtxField",
    "FuncInfo",
    "InsnAux",
    "LineInfo",
    "PointerFields",
    "ProgType",
    "Program",
    "SectionDef",
    "SubprogInfo",
    "VerifiedProgram",
    "XlatedProgram",
]


@frozen
class CtxField:
    """One field of a context or of a socket (``*_is_valid_access`` and ``*_convert_ctx_access`` of the kernel).

    Several rows may describe the same bytes under different conditions; an access is valid if one of them admits it.

    :ivar off: byte offset in the user-visible struct (``struct xdp_md``), ``size`` its bytes.
    :ivar access: "r", "rw", or "w" for a row that only adds a permission to write.
    :ivar reg_type: enum bpf_reg_type a full load yields (SCALAR_VALUE, PTR_TO_PACKET, ...), with flags. A
        sign-extending load of anything but a scalar is refused.
    :ivar elem: bytes of an array's element, 0 for a field that is no array.
    :ivar narrow: loads narrower than the element are allowed, anywhere inside it.
    :ivar wide: 8-byte accesses, aligned to 8 in the struct, are allowed (bpf_ctx_wide_access_ok).
    :ivar btf_struct: struct name for PTR_TO_BTF_ID fields.
    :ivar kernel_off: byte offset in the kernel-side context that runs see, ``kernel_size`` its bytes; None: not
        modelled at run time, a program that uses it is Unsupported by xlate.
    :ivar attach_types: expected attach types that may use the field; None for all.
    :ivar min_size: smallest load.
    :ivar read_sizes: sizes of loads, which must be at the field's start (instead of ``narrow``).
    :ivar write_sizes: sizes of stores; None: exactly the element.
    :ivar priv: needs CAP_BPF.
    :ivar store_limit: stores of this value or a larger one do nothing at run time, 0 for no limit.
    """

    name: str
    off: int
    size: int
    access: str = "r"
    reg_type: int = 1  # SCALAR_VALUE
    narrow: bool = True
    wide: bool = False
    btf_struct: str | None = None
    kernel_off: int | None = None
    kernel_size: int = 0
    attach_types: frozenset[int] | None = None
    min_size: int = 1
    write_sizes: tuple[int, ...] | None = None
    priv: bool = False
    elem: int = 0
    read_sizes: tuple[int, ...] | None = None
    store_limit: int = 0

    def admits(self, off: int, size: int, write: bool, ldsx: bool = False) -> bool:
        """Whether an access of *size* bytes at *off* of the struct is one this row allows (by shape alone)."""
        rel = off - self.off
        if rel < 0 or rel + size > self.size or off % size:
            return False
        if ("w" if write else "r") not in self.access or (ldsx and self.reg_type != 1):
            return False
        unit = self.elem or self.size
        if self.wide and size == 8:
            return True
        if write:
            return size in self.write_sizes if self.write_sizes is not None else size == unit
        if self.read_sizes is not None:
            return rel == 0 and size in self.read_sizes
        return size == unit or (self.narrow and self.min_size <= size < unit)


@frozen
class PointerFields:
    """What may be read through a pointer of *reg_type* that is not a BTF pointer (bpf_sock_is_valid_access() and kin).

    :ivar struct: user-visible struct, ``bpf_sock``.
    """

    reg_type: int  # enum bpf_reg_type: PTR_TO_SOCKET, PTR_TO_SOCK_COMMON, PTR_TO_TCP_SOCK, PTR_TO_XDP_SOCK
    struct: str
    fields: tuple[CtxField, ...]

    def access(self, off: int, size: int) -> CtxField | None:
        """The field that admits a load of *size* bytes at *off*; None: the load is invalid."""
        return next((field_ for field_ in self.fields if field_.admits(off, size, False)), None)


@frozen
class SectionDef:
    """A SEC() name of libbpf: ``xdp`` (exact), ``kprobe+`` (prefix followed by ``/extras``).

    :ivar flags: of SEC_EXP_ATTACH_OPT, SEC_ATTACHABLE, SEC_ATTACH_BTF, SEC_SLEEPABLE, SEC_XDP_FRAGS and SEC_USDT:
        subset of {"exp_attach_opt", "attachable", "attach_btf", "sleepable", "xdp_frags", "usdt"}.
        SEC_ATTACHABLE_OPT is both of the first two.
    """

    sec: str
    prog_type: int
    attach_type: int = 0
    flags: frozenset[str] = frozenset()


@frozen
class Allow:
    """A helper that a program type may call under a condition (the ``if`` and ``switch`` of its ``*_func_proto()``).

    :ivar proto: name of the FuncProto.
    :ivar attach_types: expected attach types that may; None: all.
    :ivar caps: fields of Caps the loader must have ("bpf", "perfmon").
    :ivar when: further condition on the program.
    """

    proto: str
    attach_types: frozenset[int] | None = None
    caps: tuple[str, ...] = ()
    when: Callable[[Program], bool] | None = None

    def holds(self, prog: Program) -> bool:
        """Whether *prog* may call it."""
        if self.attach_types is not None and prog.expected_attach_type not in self.attach_types:
            return False
        return all(getattr(prog.caps, cap) for cap in self.caps) and (self.when is None or self.when(prog))


_SAME_LAYOUT = ("u32", "u64", "pt_regs")  # kernel contexts that programs see under another name


@frozen
class ProgType:
    """A program type: context, helpers, limits.

    To add one: a record in a slice of ``subsys/`` with its context table, section names and ``protos``;
    ``tests/tables/test_prog_types.py`` compares it with the kernel's probes.

    :ivar ctx_struct: user-visible context struct, ``struct __sk_buff``; "" for none (syscall: raw memory).
    :ivar ctx_kind: "fields" (table below), "btf" (arguments of a BTF function: tracing, lsm, struct_ops, raw_tp
        with BTF), "raw" (u64 array: raw_tracepoint), "mem" (syscall: read-write memory of ``max_ctx_offset``).
    :ivar protos: the helper prototypes that the type may call, by name or as Allow rows; of several rows with the
        same helper id the first that holds counts, as in the kernel's switch statements.
    :ivar ret_range: inclusive range of R0 at exit, None for any; per attach type in ``ret_ranges``, where None is any.
    :ivar test_run: BPF_PROG_TEST_RUN: ``(TestRunRequest, TestRunEnv) -> TestRunResult`` (decl/testrun.py).
    :ivar packet_plan: what ``test_run`` does with a packet alone, for batches; None: each takes the long way.
    """

    id: int
    name: str  # "xdp", as bpftool prints it
    ctx_struct: str = ""
    kernel_ctx_struct: str = ""
    ctx_kind: str = "fields"
    ctx_size: int = 0  # bytes
    ctx_fields: tuple[CtxField, ...] = ()
    sections: tuple[SectionDef, ...] = ()
    protos: tuple[str | Allow, ...] = ()
    attach_types: tuple[int, ...] = ()
    ret_range: tuple[int, int] | None = None
    ret_ranges: Mapping[int, tuple[int, int] | None] = field(default_factory=dict)
    may_write_pkt: bool = False  # may_access_direct_pkt_data(..., BPF_WRITE)
    direct_pkt_access: bool = False
    net_admin: bool = False  # loading needs CAP_NET_ADMIN
    perfmon: bool = False  # loading needs CAP_PERFMON
    since: str = ""
    config: tuple[str, ...] = ()  # options it needs, see Features.configured()
    ref: str = ""
    test_run: Callable[..., Any] | None = None  # BPF_PROG_TEST_RUN; None: ENOTSUPP like the kernel
    packet_plan: PacketPlan | None = None
    sleepable: str = "never"  # "never", "may", "always": BPF_F_SLEEPABLE
    sleepable_attach_types: frozenset[int] | None = None  # which of them may be sleepable; None: all
    load_attach_types: frozenset[int] | None = None  # expected_attach_type that PROG_LOAD accepts; None: not looked at
    default_attach_type: int = 0  # what expected_attach_type 0 stands for
    pkt_access_any_helper: bool = False  # packet pointers may go to helpers without pkt_access
    btf_struct_access: StructAccess | None = None  # what programs may write in kernel structs; None: nothing
    # what LD_ABS and LD_IND become; the sequence may use R0-R5 and leaves by EXIT with R0 = 0 when the load fails
    gen_ld_abs: Callable[[Insn], tuple[Insn, ...]] | None = None  # None: not modelled at run time

    @property
    def converts_ctx(self) -> bool:
        """The kernel's context is another struct than the program's: accesses are rewritten (convert_ctx_access())."""
        return self.ctx_kind == "fields" and self.kernel_ctx_struct not in (self.ctx_struct, *_SAME_LAYOUT)

    def ctx_access(
        self,
        off: int,
        size: int,
        write: bool,
        *,
        attach_type: int = 0,
        cap_bpf: bool = True,
        ldsx: bool = False,
    ) -> CtxField | None:
        """The field that admits an access of *size* bytes at *off* of the context; None: the access is invalid.

        For types whose ``ctx_kind`` is "fields" or "raw".
        """
        for field_ in self.ctx_fields:
            if (
                field_.admits(off, size, write, ldsx)
                and (field_.attach_types is None or attach_type in field_.attach_types)
                and (cap_bpf or not field_.priv)
            ):
                return field_
        return None


@frozen
class Caps:
    """Capabilities of the loading task, as PROG_LOAD sees them."""

    bpf: bool = True
    perfmon: bool = True
    net_admin: bool = True
    sys_admin: bool = True


@frozen
class FuncInfo:
    """``struct bpf_func_info``: insn_off in 8-byte slots, type_id of a BTF_KIND_FUNC."""

    insn_off: int
    type_id: int


@frozen
class LineInfo:
    """``struct bpf_line_info``, resolved: insn_off in 8-byte slots."""

    insn_off: int
    file_name: str
    line: str  # the source text
    line_num: int
    line_col: int


@frozen(eq=False)
class Program:
    """What PROG_LOAD was given, with everything that fds referred to resolved by the kernel.

    :ivar resolve_map: fd (or, with BPF_PSEUDO_MAP_IDX, index into fd_array) -> MapMeta; raises SyscallError.
    :ivar resolve_btf: fd of a module BTF in fd_array -> Btf.
    """

    name: str
    prog_type: int
    insns: tuple[Insn, ...]
    license: str = "GPL"
    gpl_compatible: bool = True
    expected_attach_type: int = 0
    prog_flags: int = 0  # BPF_F_SLEEPABLE, BPF_F_STRICT_ALIGNMENT, BPF_F_XDP_HAS_FRAGS, ...
    attach_btf_id: int = 0
    attach_btf: Btf | None = None
    attach_prog: VerifiedProgram | None = None  # freplace / fentry on a program
    btf: Btf | None = None
    func_info: tuple[FuncInfo, ...] = ()
    line_info: tuple[LineInfo, ...] = ()
    resolve_map: Callable[[int, bool], MapMeta] | None = None
    resolve_btf: Callable[[int], Btf] | None = None
    caps: Caps = Caps()
    kern_version: int = 0
    dev_bound: bool = False

    @property
    def attach_name(self) -> str:
        """Name of the BTF type it attaches to: function, ``bpf_lsm_*`` hook, ``bpf_iter_*``, struct of struct_ops."""
        return self.attach_btf.name_of(self.attach_btf_id) if self.attach_btf is not None else ""


@mutable
class InsnAux:
    """``struct bpf_insn_aux_data``: facts the verifier leaves for xlate and the engines, one for each insn.

    :ivar ptr_type: enum bpf_reg_type through which a load or store goes (NOT_INIT: not visited or not a memory
        access); with flags.
    :ivar ctx_field: the context field of a PTR_TO_CTX access.
    :ivar map_ptrs: maps a helper call's map argument can be (several: the call stays generic).
    :ivar map_key: constant key of a lookup in an array, -1 when unknown.
    :ivar imm64: LD_IMM64 with a pseudo source: ("map", MapMeta, 0), ("map_value", MapMeta, off),
        ("func", subprogno, 0), ("btf", BTF type id, symbol name) for a ksym.
    :ivar callback_subprogno: subprogram a callback-calling call was checked with.
    """

    seen: bool = False
    ptr_type: int = 0
    ctx_field: CtxField | None = None
    map_ptrs: tuple[MapMeta, ...] = ()
    map_key: int = -1
    imm64: tuple[str, Any, Any] | None = None
    zext_dst: bool = False
    needs_zext: bool = False
    sanitize: int = 0  # Spectre v1 masking: alu_state
    alu_limit: int = 0
    nospec: bool = False
    storage_get_func_atomic: bool = False
    is_iter_next: bool = False
    arg_prog: bool = False
    call_imm: int = 0
    fastcall: bool = False
    inline_bpf_loop: bool = False
    loop_callback_subprogno: int = -1
    kptr_struct_meta: Any = None
    known_branch: int = -1  # 0/1: the only way this conditional jump ever went, -1: both
    arena_cast: bool = False
    probe_mem: bool = False  # load that must not fault: BPF_PROBE_MEM
    obj_new_size: int = 0  # bpf_obj_new, bpf_percpu_obj_new: bytes to allocate
    insert_off: int = 0  # bpf_list_push_*, bpf_rbtree_add: offset of the node in its object


@frozen
class SubprogInfo:
    """``struct bpf_subprog_info``. ``start`` in 8-byte slots, ``stack_depth`` in bytes."""

    start: int
    stack_depth: int = 0
    name: str = ""
    is_global: bool = False
    is_cb: bool = False
    is_async_cb: bool = False
    is_exception_cb: bool = False
    has_tail_call: bool = False
    might_sleep: bool = False
    changes_pkt_data: bool = False
    unreliable: bool = False  # its prototype is not what the verifier went by
    type_id: int = 0  # of its BTF_KIND_FUNC


@frozen(eq=False)
class VerifiedProgram:
    """An accepted program with what the verifier learnt.

    :ivar insns: as executed from here on: dead code removed, branches hard-wired, as ``do_misc_fixups`` receives it.
    :ivar origin: parallel to insns: insn_idx in Program.insns, -1 for what the verifier added; () when none moved.
    """

    program: Program
    insns: tuple[Insn, ...]
    aux: tuple[InsnAux, ...]  # parallel to insns
    subprogs: tuple[SubprogInfo, ...]
    used_maps: tuple[MapMeta, ...] = ()
    line_info: tuple[LineInfo, ...] = ()
    func_info: tuple[FuncInfo, ...] = ()
    insn_processed: int = 0
    total_states: int = 0
    peak_states: int = 0
    max_states_per_insn: int = 0
    mark_read: int = 0
    stack_depths: tuple[int, ...] = ()
    log: str = ""
    max_ctx_offset: int = 0  # bytes of the context that the program may access
    origin: tuple[int, ...] = ()


@frozen(eq=False)
class XlatedProgram:
    """A program ready for an engine: context accesses converted, addresses known.

    :ivar insns: LD_IMM64 keeps its pseudo ``src_reg`` (for dumps); the value it loads is in ``imm64``. Helper calls
        keep ``imm`` = func id; kfunc calls (src_reg 2) keep the BTF id; subprogram calls (src_reg 1)
        a pc-relative imm.
    :ivar imm64: insn_idx -> u64 really loaded (map descriptor address, value address, text address of a subprogram).
    :ivar calls: insn_idx of a helper or kfunc call -> FuncProto or KfuncProto.
    :ivar maps: map descriptor address -> MapLayout, for inlining.
    :ivar text: guest address of instruction 0; a function pointer is ``text + 8 * insn_idx``.
    :ivar origin: insn_idx here -> insn_idx in Program.insns (for debug locations), -1 for inserted insns.
    """

    verified: VerifiedProgram | None  # None: an unverified program, interpreter only
    name: str
    prog_type: int
    insns: tuple[Insn, ...]
    subprogs: tuple[SubprogInfo, ...]
    imm64: Mapping[int, int] = field(default_factory=dict)
    calls: Mapping[int, Any] = field(default_factory=dict)
    maps: Mapping[int, MapLayout] = field(default_factory=dict)
    map_layouts: Mapping[MapMeta, MapLayout] = field(default_factory=dict)  # the same by map
    aux: tuple[InsnAux, ...] = ()
    origin: tuple[int, ...] = ()
    line_info: tuple[LineInfo, ...] = ()
    func_info: tuple[FuncInfo, ...] = ()
    text: int = 0
    arena: tuple[int, int] = (0, 0)  # address of the arena's first byte, its user_vm_start
    tag: bytes = b""  # 8 bytes, sha of the insns as bpf_prog_calc_tag()
    content_key: bytes = b""  # cache key of compiled code
