"""The contracts of one kernel version, resolved once; the verifier and the engines receive it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from functools import cache, reduce
from operator import or_
from types import MappingProxyType
from typing import TYPE_CHECKING

from beespace.decl.dynptr import DynptrOps
from beespace.decl.func import FuncProto, marked_helpers, marked_implementations
from beespace.decl.kfunc import COMMON, KfuncProto, KfuncSet, marked_kfuncs
from beespace.decl.map import MapType
from beespace.decl.prog import Allow, PointerFields, Program, ProgType, SectionDef
from beespace.decl.tables import BtfRules, IterTarget, StructOpsType
from beespace.errors import InternalError
from beespace.uapi.bpf import BPF_PROG_TYPE_STRUCT_OPS, BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.btf import Btf

__all__ = ["Features", "Registry"]


@cache
def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


@frozen
class Features:
    """What a kernel has beyond tables: version, architecture, configuration, mitigations."""

    version: str = "6.18"
    arch: str = "x86_64"
    cpus: int = 4
    hz: int = 1000
    jit: bool = True
    bypass_spec_v1: bool = True  # mitigations off or privileged
    kconfig: Mapping[str, str] = field(default_factory=dict)

    def has(self, since: str, until: str) -> bool:
        """Whether something that exists from *since* until (excluding) *until* exists in this version."""
        now = _version(self.version)
        return (not since or _version(since) <= now) and (not until or now < _version(until))

    def configured(self, *options: str) -> bool:
        """Whether all options are set (``!CONFIG_...``: is not); without a ``kconfig`` every condition holds."""
        if len(self.kconfig) < 2:  # CONFIG_HZ
            return True
        return all((self.kconfig.get(option.lstrip("!"), "n") != "n") is (option[0] != "!") for option in options)


@frozen
class Registry:
    """Program types, helper and kfunc contracts, map types of one kernel version. Immutable.

    :ivar pointer_fields: reg_type -> what may be loaded through such a pointer (sockets).
    :ivar rules: sets and lists of kernel types and functions by name.
    :ivar iter_targets: target -> context of ``SEC("iter/target")`` programs.
    :ivar dynptr_ops: how dynptrs of packets are read and written.
    :ivar struct_ops: struct -> what programs that implement its members may do.
    """

    features: Features
    prog_types: Mapping[int, ProgType]
    helpers: Mapping[str, FuncProto]
    kfuncs: Mapping[str, KfuncProto]
    kfunc_sets: tuple[KfuncSet, ...]
    map_types: Mapping[int, MapType]
    btf_vmlinux: Btf | None = None
    pointer_fields: Mapping[int, PointerFields] = field(default_factory=dict)  # by reg_type
    rules: BtfRules = field(default_factory=BtfRules)
    iter_targets: Mapping[str, IterTarget] = field(default_factory=dict)  # by target
    struct_ops: Mapping[str, StructOpsType] = field(default_factory=dict)  # by struct
    dynptr_ops: Mapping[int, DynptrOps] = field(default_factory=dict)  # by DYNPTR_*
    # prog type -> func id -> rows in order: what func_proto() looks in, filled when a type is first asked for
    _protos: dict[int | str, dict[int, tuple[tuple[FuncProto, Allow | None], ...]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    _kfunc_rows: dict[str, list[KfuncSet]] = field(default_factory=dict, repr=False, compare=False)  # COMMON first

    @classmethod
    def build(cls, modules: Iterable[object], features: Features, btf_vmlinux: Btf | None = None) -> Registry:
        """Collect the marks and records of *modules* that exist in ``features.version``.

        A module contributes functions marked by helper() and kfunc(), and values of type ProgType, MapType and
        KfuncSet bound to module-level names or contained in module-level tuples.
        """
        prog_types: dict[int, ProgType] = {}
        map_types: dict[int, MapType] = {}
        helpers: dict[str, FuncProto] = {}
        kfuncs: dict[str, KfuncProto] = {}
        sets: dict[str, KfuncSet] = {}
        pointers: dict[int, PointerFields] = {}
        rules: list[BtfRules] = []
        iters: dict[str, IterTarget] = {}
        struct_ops: dict[str, StructOpsType] = {}
        dynptrs: dict[int, DynptrOps] = {}
        known: set[str] = set()  # declared in any version
        modules = tuple(modules)

        def add(value: object) -> None:
            if isinstance(value, (FuncProto, KfuncProto)):
                known.add(value.name)
            match value:
                case ProgType() if features.has(value.since, "") and features.configured(*value.config):
                    prog_types[value.id] = value
                case MapType() if features.has(value.since, value.until):
                    if value.id not in map_types or value.storage is not None:
                        map_types[value.id] = value
                case KfuncSet() if features.has(value.since, value.until):
                    sets[value.name] = value
                case FuncProto() if features.has(value.since, value.until) and features.configured(*value.config):
                    if value.name in helpers and helpers[value.name].impl is not None and value.impl is not None:
                        raise InternalError(f"helper {value.name} is implemented twice")
                    if value.name not in helpers or value.impl is not None:
                        helpers[value.name] = value
                case KfuncProto() if features.has(value.since, value.until):
                    if value.name not in kfuncs or value.impl is not None:
                        kfuncs[value.name] = value
                case PointerFields():
                    pointers[value.reg_type] = value
                case DynptrOps():
                    dynptrs[value.kind] = value
                case BtfRules():
                    rules.append(value)
                case IterTarget() if features.has(value.since, ""):
                    iters[value.target] = value
                case StructOpsType() if features.has(value.since, ""):
                    struct_ops[value.name] = value
                case tuple():
                    for item in value:
                        add(item)
                case _:
                    pass

        for module in modules:
            for value in vars(module).values():
                add(value)
            for proto in marked_helpers(module):
                add(proto)
            for kproto in marked_kfuncs(module):
                add(kproto)
        for module in modules:
            for name, impl in marked_implementations(module):
                if name in helpers:
                    helpers[name] = replace(helpers[name], impl=impl)
                elif name in kfuncs:
                    kfuncs[name] = replace(kfuncs[name], impl=impl)
                elif name not in known:
                    raise InternalError(f"{impl.__module__}.{impl.__name__} implements {name}, which is not declared")
        return cls(
            features,
            MappingProxyType(prog_types),
            MappingProxyType(helpers),
            MappingProxyType(kfuncs),
            tuple(sets.values()),
            MappingProxyType(map_types),
            btf_vmlinux,
            MappingProxyType(pointers),
            reduce(or_, rules, BtfRules()),
            MappingProxyType(iters),
            MappingProxyType(struct_ops),
            MappingProxyType(dynptrs),
        )

    def func_proto(self, prog_type: int, func_id: int, prog: Program | None = None) -> FuncProto | None:
        """The prototype a program of *prog_type* gets for *func_id*; None: not allowed there.

        :param prog: decides conditional rows (attach type, capabilities, sleepable), struct_ops type and iterator
            target; without it the first row counts.
        """
        key: int | str = prog_type
        if prog is not None and prog_type == BPF_PROG_TYPE_STRUCT_OPS and prog.attach_name in self.struct_ops:
            key = prog.attach_name
        for proto, allow in self.func_protos(key).get(func_id, ()):
            if allow is None or prog is None or allow.holds(prog):
                return proto
        if prog is not None and prog_type == BPF_PROG_TYPE_TRACING and prog.expected_attach_type == BPF_TRACE_ITER:
            return self._iter_func_proto(func_id, prog.attach_name)
        return None

    def func_protos(self, prog_type: int | str) -> Mapping[int, tuple[tuple[FuncProto, Allow | None], ...]]:
        """All a program type may call: func id -> (prototype, condition) in the order they are tried.

        :param prog_type: BPF_PROG_TYPE_*, or the struct of a struct_ops type.
        """
        found = self._protos.get(prog_type)
        if found is None:
            rows: dict[int, list[tuple[FuncProto, Allow | None]]] = {}
            owner: ProgType | StructOpsType | None
            owner = self.prog_types.get(prog_type) if isinstance(prog_type, int) else self.struct_ops.get(prog_type)
            for row in owner.protos if owner is not None else ():
                allow, name = (row, row.proto) if isinstance(row, Allow) else (None, row)
                proto = self.helpers.get(name)
                if proto is not None:
                    rows.setdefault(proto.func_id, []).append((proto, allow))
            found = self._protos[prog_type] = {func_id: tuple(row) for func_id, row in rows.items()}
        return found

    def _iter_func_proto(self, func_id: int, attach_name: str) -> FuncProto | None:
        target = self.iter_targets.get(attach_name.removeprefix("bpf_iter_"))
        protos = (self.helpers.get(name) for name in (target.protos if target is not None else ()))
        return next((proto for proto in protos if proto is not None and proto.func_id == func_id), None)

    def kfunc_flags(
        self, prog_type: int, name: str, attach_type: int = 0, prog: Program | None = None
    ) -> int | None:  # fmt: skip
        """KF_* flags of kfunc *name* for *prog_type*, None when it may not be called (btf_kfunc_id_set_contains()).

        :param prog: decides what depends on the struct_ops type and member; without it that is not looked at.
        """
        if not self._kfunc_rows:
            for kset in sorted(self.kfunc_sets, key=lambda kset: COMMON not in kset.hooks):
                for row in kset.rows:
                    self._kfunc_rows.setdefault(row, []).append(kset)
        for kset in self._kfunc_rows.get(name, ()) if name in self.kfuncs else ():
            if COMMON not in kset.hooks and prog_type not in kset.hooks:
                continue
            if kset.filter is not None and kset.filter(prog_type, attach_type, name):
                continue
            if kset.prog_filter is not None and prog is not None and kset.prog_filter(prog, name):
                continue
            return kset.rows[name]
        return None

    def section_defs(self) -> tuple[SectionDef, ...]:
        """Every SEC() name, in declaration order."""
        return tuple(section for ptype in self.prog_types.values() for section in ptype.sections)
