"""The contracts of one kernel version, resolved once; the verifier and the engines receive it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from beespace.decl.func import FuncProto, marked_helpers, marked_implementations
from beespace.decl.kfunc import COMMON, KfuncProto, KfuncSet, marked_kfuncs
from beespace.decl.map import MapType
from beespace.decl.prog import Allow, PointerFields, Program, ProgType, SectionDef
from beespace.errors import InternalError

if TYPE_CHECKING:
    from beespace.btf import Btf

__all__ = ["Features", "Registry"]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Registry:
    """Program types, helper and kfunc contracts, map types of one kernel version. Immutable."""

    features: Features
    prog_types: Mapping[int, ProgType]
    helpers: Mapping[str, FuncProto]
    kfuncs: Mapping[str, KfuncProto]
    kfunc_sets: tuple[KfuncSet, ...]
    map_types: Mapping[int, MapType]
    btf_vmlinux: Btf | None = None
    pointer_fields: Mapping[int, PointerFields] = field(default_factory=dict)  # by reg_type
    # prog type -> func id -> rows in order: what func_proto() looks in, filled when a type is first asked for
    _protos: dict[int, dict[int, tuple[tuple[FuncProto, Allow | None], ...]]] = field(
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
        known: set[str] = set()  # declared in any version
        modules = tuple(modules)

        def add(value: object) -> None:
            if isinstance(value, (FuncProto, KfuncProto)):
                known.add(value.name)
            match value:
                case ProgType() if features.has(value.since, ""):
                    prog_types[value.id] = value
                case MapType() if features.has(value.since, value.until):
                    map_types[value.id] = value
                case KfuncSet() if features.has(value.since, value.until):
                    sets[value.name] = value
                case FuncProto() if features.has(value.since, value.until):
                    if value.name in helpers and helpers[value.name].impl is not None and value.impl is not None:
                        raise InternalError(f"helper {value.name} is implemented twice")
                    if value.name not in helpers or value.impl is not None:
                        helpers[value.name] = value
                case KfuncProto() if features.has(value.since, value.until):
                    if value.name not in kfuncs or value.impl is not None:
                        kfuncs[value.name] = value
                case PointerFields():
                    pointers[value.reg_type] = value
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
        )

    def func_proto(self, prog_type: int, func_id: int, prog: Program | None = None) -> FuncProto | None:
        """The prototype a program of *prog_type* gets for *func_id*; None: not allowed there.

        :param prog: decides conditional rows (attach type, capabilities, sleepable); without it the first row counts.
        """
        for proto, allow in self.func_protos(prog_type).get(func_id, ()):
            if allow is None or prog is None or allow.holds(prog):
                return proto
        return None

    def func_protos(self, prog_type: int) -> Mapping[int, tuple[tuple[FuncProto, Allow | None], ...]]:
        """All a program type may call: func id -> (prototype, condition) in the order they are tried."""
        found = self._protos.get(prog_type)
        if found is None:
            rows: dict[int, list[tuple[FuncProto, Allow | None]]] = {}
            ptype = self.prog_types.get(prog_type)
            for row in ptype.protos if ptype is not None else ():
                allow, name = (row, row.proto) if isinstance(row, Allow) else (None, row)
                proto = self.helpers.get(name)
                if proto is not None:
                    rows.setdefault(proto.func_id, []).append((proto, allow))
            found = self._protos[prog_type] = {func_id: tuple(row) for func_id, row in rows.items()}
        return found

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
