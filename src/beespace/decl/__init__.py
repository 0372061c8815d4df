"""Vocabulary: frozen types and protocols, no behaviour."""

from beespace.decl.cproto import CFunction, CType, parse_prototype
from beespace.decl.events import CallEvent, Event, Sink
from beespace.decl.func import FuncProto, declare, helper, implements
from beespace.decl.kfunc import COMMON, KfuncProto, KfuncSet, declare_kfunc, kfunc
from beespace.decl.map import BtfField, BtfRecord, MapLayout, MapMeta, MapType
from beespace.decl.prog import (
    Allow,
    Caps,
    CtxField,
    FuncInfo,
    InsnAux,
    LineInfo,
    PointerFields,
    Program,
    ProgType,
    SectionDef,
    SubprogInfo,
    VerifiedProgram,
    XlatedProgram,
)
from beespace.decl.registry import Features, Registry
from beespace.decl.run import BpfThrow, Engine, Executable, RunContext
from beespace.decl.runstate import RunState
from beespace.decl.tables import BtfRules, IterTarget, StructAccess, StructOpsType

__all__ = [
    "COMMON",
    "Allow",
    "BpfThrow",
    "BtfField",
    "BtfRecord",
    "BtfRules",
    "CFunction",
    "CType",
    "CallEvent",
    "Caps",
    "CtxField",
    "Engine",
    "Event",
    "Executable",
    "Features",
    "FuncInfo",
    "FuncProto",
    "InsnAux",
    "IterTarget",
    "KfuncProto",
    "KfuncSet",
    "LineInfo",
    "MapLayout",
    "MapMeta",
    "MapType",
    "PointerFields",
    "ProgType",
    "Program",
    "Registry",
    "RunContext",
    "RunState",
    "SectionDef",
    "Sink",
    "StructAccess",
    "StructOpsType",
    "SubprogInfo",
    "VerifiedProgram",
    "XlatedProgram",
    "declare",
    "declare_kfunc",
    "helper",
    "implements",
    "kfunc",
    "parse_prototype",
]
