"""What an object file says, as plain frozen data: programs, maps, externs, type information. Nothing here is live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from beespace.isa.insn import Insn
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.btf import Btf, CoreRelo, ExtFuncInfo, ExtLineInfo

__all__ = [
    "CallRef",
    "ExternRef",
    "ExternSpec",
    "FuncRef",
    "KcfgType",
    "KfuncRef",
    "MapRef",
    "MapSpec",
    "MapValueRef",
    "ObjectSpec",
    "ProgSpec",
    "Ref",
    "StructOpsSpec",
]


@frozen
class MapRef:
    """LD_IMM64 at ``insn_idx`` loads a map."""

    insn_idx: int
    map: str  # key in ObjectSpec.maps


@frozen
class MapValueRef:
    """LD_IMM64 loads the address of global data: ``off`` bytes into the value of ``map``, plus the insn's imm."""

    insn_idx: int
    map: str
    off: int


@frozen
class CallRef:
    """BPF-to-BPF call of ``ObjectSpec.subprograms[subprog]``."""

    insn_idx: int
    subprog: int


@frozen
class FuncRef:
    """LD_IMM64 loads the address of ``ObjectSpec.subprograms[subprog]``, a callback."""

    insn_idx: int
    subprog: int


@frozen
class ExternRef:
    """LD_IMM64 loads a kconfig value's address or a kernel symbol."""

    insn_idx: int
    extern: str


@frozen
class KfuncRef:
    """Call of a kernel function."""

    insn_idx: int
    extern: str


Ref = MapRef | MapValueRef | CallRef | FuncRef | ExternRef | KfuncRef


@frozen
class ProgSpec:
    """A function: an entry point (its own section), or a subprogram (``.text``).

    :ivar section: what SEC() said, without the leading ``?``.
    :ivar insn_off: 8-byte slot in the section.
    :ivar insns: as compiled; every pseudo call and every load of an address has a row in ``refs``.
    :ivar func_info: rows of .BTF.ext, ``insn_off`` in 8-byte slots of this function; likewise ``line_info`` and
        ``core_relos``.
    """

    name: str
    section: str
    section_index: int
    insn_off: int
    insns: tuple[Insn, ...] = field(repr=False)
    autoload: bool = True  # False: SEC("?...")
    is_global: bool = True
    is_hidden: bool = False  # global symbol of hidden visibility: BTF says static
    refs: tuple[Ref, ...] = field(default=(), repr=False)
    func_info: tuple[ExtFuncInfo, ...] = field(default=(), repr=False)
    line_info: tuple[ExtLineInfo, ...] = field(default=(), repr=False)
    core_relos: tuple[CoreRelo, ...] = field(default=(), repr=False)


@frozen
class StructOpsSpec:
    """A variable in a ``.struct_ops`` section.

    :ivar type_id: the struct in the object's BTF (``tcp_congestion_ops``).
    :ivar progs: member index -> name of the program it points to.
    """

    type_id: int
    progs: Mapping[int, str] = field(default_factory=dict)


@frozen
class MapSpec:
    """A map definition: from ``.maps``, a data section (``.bss`` ...), ``.kconfig``, or a struct_ops variable.

    :ivar kind: "user", "data", "rodata", "bss", "kconfig", "struct_ops".
    :ivar init: initial value of data sections and struct_ops variables, ``None`` for others and for zeroes.
    :ivar slots: initial elements of maps in maps (map names) and program arrays (program names), by index.
    :ivar pinning: LIBBPF_PIN_BY_NAME was asked for.
    """

    name: str
    kind: str
    map_type: int  # BPF_MAP_TYPE_*
    key_size: int = 0  # bytes
    value_size: int = 0  # bytes
    max_entries: int = 0
    map_flags: int = 0  # BPF_F_*
    map_extra: int = 0
    numa_node: int = 0
    key_type_id: int = 0  # in the object's BTF
    value_type_id: int = 0
    pinning: bool = False
    autocreate: bool = True  # False: SEC("?.struct_ops")
    inner: MapSpec | None = None
    slots: Mapping[int, str] = field(default_factory=dict)
    init: bytes | None = field(default=None, repr=False)
    struct_ops: StructOpsSpec | None = None

    @property
    def is_internal(self) -> bool:
        """Made from a data section: one element, the section's contents."""
        return self.kind in ("data", "rodata", "bss", "kconfig")


class KcfgType:
    """What a kconfig extern can hold."""

    BOOL = "bool"
    TRISTATE = "tristate"
    CHAR = "char"
    INT = "int"
    CHAR_ARR = "char array"


@frozen
class ExternSpec:
    """An ``extern`` of the program.

    :ivar kind: "kconfig", "ksym" (variable) or "kfunc".
    :ivar type_id: the extern's VAR or FUNC in the object's BTF.
    :ivar ksym_type_id: what a typed ksym or kfunc must be compatible with; 0 for ``extern const void x __ksym``.
    :ivar data_off: bytes into the ``.kconfig`` map; ``size`` bytes of type ``kcfg`` are there.
    """

    name: str
    kind: str
    type_id: int
    is_weak: bool = False
    ksym_type_id: int = 0
    kcfg: str = ""  # KcfgType
    kcfg_signed: bool = False
    data_off: int = 0
    size: int = 0

    @property
    def kernel_name(self) -> str:
        """The name to look for in the kernel: without the ``___flavor``."""
        cut = self.name.rfind("___")
        return self.name[:cut] if cut > 0 else self.name


@frozen
class ObjectSpec:
    """Everything an object file says.

    :ivar name: of the object, as the kernel will see it in map names: base name up to the first dot.
    :ivar programs: entry points, by section index and offset, as libbpf orders them.
    :ivar subprograms: the functions of ``.text``.
    :ivar maps: in libbpf's order: user maps, data sections, kconfig, struct_ops.
    :ivar license: "" when there is no license section (the kernel then takes it as not GPL-compatible).
    :ivar version: ``int`` in section "version", 0 when there is none.
    :ivar btf: with sizes and offsets of its DATASECs filled in and externs turned into variables; ``None`` without.
    :ivar arena: name of the arena map that ``__arena`` globals live in; their initial bytes are ``arena_init``.
    """

    name: str
    path: str | None
    programs: tuple[ProgSpec, ...]
    subprograms: tuple[ProgSpec, ...]
    maps: Mapping[str, MapSpec]
    externs: Mapping[str, ExternSpec]
    license: str = ""
    version: int = 0
    btf: Btf | None = field(default=None, repr=False)
    arena: str | None = None
    arena_init: bytes = field(default=b"", repr=False)
    skipped: tuple[str, ...] = ()  # sections that were not recognised
