"""BTF types as frozen values: what ``struct btf_type`` and the data after it say, decoded.

References are BTF type ids (``u32``, 0 is void), names are ``str`` ("" for none). A value does not know its own id, so
equal types compare equal.

:see: Documentation/bpf/btf.rst
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from beespace.uapi import bpf as uapi
from beespace.values import frozen

__all__ = [
    "INT_BOOL",
    "INT_CHAR",
    "INT_SIGNED",
    "KIND_NAMES",
    "Array",
    "BtfType",
    "Composite",
    "Const",
    "Datasec",
    "DeclTag",
    "Enum",
    "Enum64",
    "Enumerator",
    "Float",
    "Func",
    "FuncProto",
    "Fwd",
    "Int",
    "Member",
    "Modifier",
    "Param",
    "Ptr",
    "Restrict",
    "SecVar",
    "Struct",
    "TypeTag",
    "Typedef",
    "Union",
    "Var",
    "Void",
    "Volatile",
]

# Encoding bits of BTF_KIND_INT (include/uapi/linux/btf.h: they are macros there, so not in the generated enums).
INT_SIGNED = 1
INT_CHAR = 2
INT_BOOL = 4

# As the kernel's verifier log and bpftool spell them.
KIND_NAMES = (
    "UNKNOWN", "INT", "PTR", "ARRAY", "STRUCT", "UNION", "ENUM", "FWD", "TYPEDEF", "VOLATILE", "CONST", "RESTRICT",
    "FUNC", "FUNC_PROTO", "VAR", "DATASEC", "FLOAT", "DECL_TAG", "TYPE_TAG", "ENUM64",
)  # fmt: skip


@frozen
class Void:
    """Type id 0."""

    kind: ClassVar[int] = uapi.BTF_KIND_UNKN
    name: ClassVar[str] = ""


@frozen
class Int:
    """BTF_KIND_INT: ``size`` bytes, ``bits`` wide at bit ``offset``; ``encoding`` of INT_SIGNED, INT_CHAR, INT_BOOL."""

    kind: ClassVar[int] = uapi.BTF_KIND_INT
    name: str
    size: int
    encoding: int = 0
    offset: int = 0
    bits: int = 0

    @property
    def is_signed(self) -> bool:
        """Whether the encoding has INT_SIGNED."""
        return bool(self.encoding & INT_SIGNED)

    @property
    def is_bool(self) -> bool:
        """Whether the encoding has INT_BOOL."""
        return bool(self.encoding & INT_BOOL)

    @property
    def is_char(self) -> bool:
        """A byte of text: encoded as such, or named so (clang gives ``char`` only the signedness)."""
        return bool(self.encoding & INT_CHAR) or (self.size == 1 and self.name == "char")


@frozen
class Ptr:
    """BTF_KIND_PTR."""

    kind: ClassVar[int] = uapi.BTF_KIND_PTR
    name: ClassVar[str] = ""
    type: int


@frozen
class Array:
    """BTF_KIND_ARRAY."""

    kind: ClassVar[int] = uapi.BTF_KIND_ARRAY
    name: ClassVar[str] = ""
    type: int
    index_type: int
    nelems: int


@frozen
class Member:
    """``struct btf_member``: ``bit_offset`` from the struct's start, ``bitfield_size`` in bits (0: no bitfield)."""

    name: str
    type: int
    bit_offset: int
    bitfield_size: int = 0


@frozen
class Struct:
    """BTF_KIND_STRUCT: ``size`` in bytes; ``kind_flag``: members carry bitfield sizes."""

    kind: ClassVar[int] = uapi.BTF_KIND_STRUCT
    name: str
    size: int
    members: tuple[Member, ...]
    kind_flag: bool = False


@frozen
class Union:
    """BTF_KIND_UNION: as Struct."""

    kind: ClassVar[int] = uapi.BTF_KIND_UNION
    name: str
    size: int
    members: tuple[Member, ...]
    kind_flag: bool = False


@frozen
class Enumerator:
    """``struct btf_enum`` or ``struct btf_enum64``: the value as signed or unsigned as its enum is."""

    name: str
    value: int


@frozen
class Enum:
    """BTF_KIND_ENUM: ``size`` in bytes (1, 2, 4 or 8), 32-bit values."""

    kind: ClassVar[int] = uapi.BTF_KIND_ENUM
    name: str
    size: int
    values: tuple[Enumerator, ...]
    signed: bool = False


@frozen
class Enum64:
    """BTF_KIND_ENUM64: as Enum, 64-bit values."""

    kind: ClassVar[int] = uapi.BTF_KIND_ENUM64
    name: str
    size: int
    values: tuple[Enumerator, ...]
    signed: bool = False


@frozen
class Fwd:
    """BTF_KIND_FWD: ``struct name;`` or ``union name;``."""

    kind: ClassVar[int] = uapi.BTF_KIND_FWD
    name: str
    is_union: bool = False


@frozen
class Typedef:
    """BTF_KIND_TYPEDEF."""

    kind: ClassVar[int] = uapi.BTF_KIND_TYPEDEF
    name: str
    type: int


@frozen
class Volatile:
    """BTF_KIND_VOLATILE."""

    kind: ClassVar[int] = uapi.BTF_KIND_VOLATILE
    name: ClassVar[str] = ""
    type: int


@frozen
class Const:
    """BTF_KIND_CONST."""

    kind: ClassVar[int] = uapi.BTF_KIND_CONST
    name: ClassVar[str] = ""
    type: int


@frozen
class Restrict:
    """BTF_KIND_RESTRICT."""

    kind: ClassVar[int] = uapi.BTF_KIND_RESTRICT
    name: ClassVar[str] = ""
    type: int


@frozen
class Func:
    """BTF_KIND_FUNC: ``type`` is a FuncProto; ``linkage`` is BTF_FUNC_STATIC, _GLOBAL or _EXTERN."""

    kind: ClassVar[int] = uapi.BTF_KIND_FUNC
    name: str
    type: int
    linkage: int = uapi.BTF_FUNC_STATIC


@frozen
class Param:
    """``struct btf_param``; a last one without name and type means ``...``."""

    name: str
    type: int


@frozen
class FuncProto:
    """BTF_KIND_FUNC_PROTO: ``type`` is what the function returns."""

    kind: ClassVar[int] = uapi.BTF_KIND_FUNC_PROTO
    name: ClassVar[str] = ""
    type: int
    params: tuple[Param, ...]

    @property
    def is_variadic(self) -> bool:
        """Whether the last parameter is ``...``."""
        return bool(self.params) and self.params[-1] == Param("", 0)


@frozen
class Var:
    """BTF_KIND_VAR: ``linkage`` is BTF_VAR_STATIC, BTF_VAR_GLOBAL_ALLOCATED or BTF_VAR_GLOBAL_EXTERN."""

    kind: ClassVar[int] = uapi.BTF_KIND_VAR
    name: str
    type: int
    linkage: int = uapi.BTF_VAR_STATIC


@frozen
class SecVar:
    """``struct btf_var_secinfo``: a Var (or extern Func) at ``offset`` of the section, both in bytes."""

    type: int
    offset: int
    size: int


@frozen
class Datasec:
    """BTF_KIND_DATASEC: an ELF section; ``size`` in bytes (0 until the loader fills it in)."""

    kind: ClassVar[int] = uapi.BTF_KIND_DATASEC
    name: str
    size: int
    vars: tuple[SecVar, ...]


@frozen
class Float:
    """BTF_KIND_FLOAT: ``size`` in bytes."""

    kind: ClassVar[int] = uapi.BTF_KIND_FLOAT
    name: str
    size: int


@frozen
class DeclTag:
    """BTF_KIND_DECL_TAG: ``name`` is the tag; ``component_idx`` a member or parameter, -1 for the type itself.

    ``kind_flag`` (since 6.15): the tag is any ``__attribute__((name))`` instead of ``btf_decl_tag("name")``.
    """

    kind: ClassVar[int] = uapi.BTF_KIND_DECL_TAG
    name: str
    type: int
    component_idx: int = -1
    kind_flag: bool = False


@frozen
class TypeTag:
    """BTF_KIND_TYPE_TAG: ``btf_type_tag("name")`` applied to ``type``; ``kind_flag`` as in DeclTag."""

    kind: ClassVar[int] = uapi.BTF_KIND_TYPE_TAG
    name: str
    type: int
    kind_flag: bool = False


Modifier: TypeAlias = Volatile | Const | Restrict | TypeTag
Composite: TypeAlias = Struct | Union
BtfType: TypeAlias = (
    Void
    | Int
    | Ptr
    | Array
    | Struct
    | Union
    | Enum
    | Enum64
    | Fwd
    | Typedef
    | Volatile
    | Const
    | Restrict
    | Func
    | FuncProto
    | Var
    | Datasec
    | Float
    | DeclTag
    | TypeTag
)
