"""BTF: parse, build, print, relocate.

:see: Documentation/bpf/btf.rst
"""

from typing import TYPE_CHECKING, Any

from beespace.btf.btf import BTF_MAGIC, BTF_VERSION, Btf
from beespace.btf.build import BtfBuilder
from beespace.btf.bundled import bundled_btf, module_btf
from beespace.btf.cdecl import declare, type_name
from beespace.btf.check import BTF_MAX_SIZE, CheckedBtf, check_btf
from beespace.btf.codec import Adapter, Codec, EnumValue, FrozenStruct, StructValue, decode, encode, frozen
from beespace.btf.core import BAD_RELO_IMM, CoreRelocator, CoreResult, patch_insn
from beespace.btf.core_spec import CoreSpec
from beespace.btf.ext import (
    BtfExt,
    CoreRelo,
    ExtFuncInfo,
    ExtLineInfo,
    decode_func_info,
    decode_line_info,
    encode_func_info,
    encode_line_info,
)
from beespace.btf.fields import MAP_FIELDS, OBJECT_FIELDS, check_and_fixup_fields, parse_fields, parse_struct_metas
from beespace.btf.record import BtfField, BtfRecord
from beespace.btf.resolve import FieldRef
from beespace.btf.source import elf_section, open_btf, open_kernel_btf, target_btf
from beespace.btf.types import (
    INT_BOOL,
    INT_CHAR,
    INT_SIGNED,
    KIND_NAMES,
    Array,
    BtfType,
    Const,
    Datasec,
    DeclTag,
    Enum,
    Enum64,
    Enumerator,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Member,
    Param,
    Ptr,
    Restrict,
    SecVar,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Var,
    Void,
    Volatile,
)

if TYPE_CHECKING:
    from beespace.btf.c_dump import c_dump, c_types
    from beespace.btf.c_parse import CDeclarations
    from beespace.btf.raw_dump import dump_json, dump_raw
    from beespace.btf.show import show_value

__all__ = [
    "BAD_RELO_IMM",
    "BTF_MAGIC",
    "BTF_MAX_SIZE",
    "BTF_VERSION",
    "INT_BOOL",
    "INT_CHAR",
    "INT_SIGNED",
    "KIND_NAMES",
    "MAP_FIELDS",
    "OBJECT_FIELDS",
    "Adapter",
    "Array",
    "Btf",
    "BtfBuilder",
    "BtfExt",
    "BtfField",
    "BtfRecord",
    "BtfType",
    "CDeclarations",
    "CheckedBtf",
    "Codec",
    "Const",
    "CoreRelo",
    "CoreRelocator",
    "CoreResult",
    "CoreSpec",
    "Datasec",
    "DeclTag",
    "Enum",
    "Enum64",
    "EnumValue",
    "Enumerator",
    "ExtFuncInfo",
    "ExtLineInfo",
    "FieldRef",
    "Float",
    "FrozenStruct",
    "Func",
    "FuncProto",
    "Fwd",
    "Int",
    "Member",
    "Param",
    "Ptr",
    "Restrict",
    "SecVar",
    "Struct",
    "StructValue",
    "TypeTag",
    "Typedef",
    "Union",
    "Var",
    "Void",
    "Volatile",
    "bundled_btf",
    "c_dump",
    "c_types",
    "check_and_fixup_fields",
    "check_btf",
    "declare",
    "decode",
    "decode_func_info",
    "decode_line_info",
    "dump_json",
    "dump_raw",
    "elf_section",
    "encode",
    "encode_func_info",
    "encode_line_info",
    "frozen",
    "module_btf",
    "open_btf",
    "open_kernel_btf",
    "parse_fields",
    "parse_struct_metas",
    "patch_insn",
    "show_value",
    "target_btf",
    "type_name",
]

# What prints and parses text is imported when it is first asked for; programs load without.
_LATER = {
    "c_dump": "c_dump",
    "c_types": "c_dump",
    "CDeclarations": "c_parse",
    "dump_json": "raw_dump",
    "dump_raw": "raw_dump",
    "show_value": "show",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'beespace.btf' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"beespace.btf.{_LATER[name]}"), name)
    return value
