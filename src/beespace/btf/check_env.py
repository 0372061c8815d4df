"""What the checks of BTF share: raw access to types, the log, and the failure that ends them.

A check reads raw words, because it decides whether they can be decoded at all.

:see: kernel/bpf/btf.c:struct btf_verifier_env, __btf_verifier_log_type
"""

from __future__ import annotations

import errno as err
from array import array
from dataclasses import field

from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi
from beespace.values import frozen

__all__ = ["Env", "Raw"]

BTF_MAX_TYPE = 0x000FFFFF
BTF_MAX_NAME_OFFSET = 0x00FFFFFF
U32 = 0xFFFFFFFF
_KSYM_NAME_LEN = 512
_ENCODINGS = {0: "(none)", t.INT_SIGNED: "SIGNED", t.INT_CHAR: "CHAR", t.INT_BOOL: "BOOL"}

# lib/ctype.c: Latin-1 letters are letters
_ALPHA = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") | (frozenset(range(192, 256)) - {215, 247})
_FIRST = _ALPHA | frozenset(b"_.")
_LATER = _FIRST | frozenset(b"0123456789")
_PRINT = frozenset(range(0x20, 0x7F)) | frozenset(range(160, 256))

REFERENCES = frozenset(
    (uapi.BTF_KIND_TYPEDEF, uapi.BTF_KIND_VOLATILE, uapi.BTF_KIND_CONST, uapi.BTF_KIND_RESTRICT, uapi.BTF_KIND_TYPE_TAG)
)  # btf_type_is_modifier()


@frozen
class Raw:
    """``struct btf_type`` and where its words are."""

    id: int
    words: array[int] = field(repr=False)
    pos: int
    owner: Btf | None = None  # base BTF, which has been checked

    @property
    def name_off(self) -> int:
        """Offset of the name."""
        return self.words[self.pos]

    @property
    def info(self) -> int:
        """Kind, vlen and kind_flag."""
        return self.words[self.pos + 1]

    @property
    def size(self) -> int:
        """Size in bytes, or the referred type."""
        return self.words[self.pos + 2]

    @property
    def kind(self) -> int:
        """BTF_KIND_*."""
        return self.info >> 24 & 0x1F

    @property
    def vlen(self) -> int:
        """Number of elements."""
        return self.info & 0xFFFF

    @property
    def kflag(self) -> bool:
        """kind_flag."""
        return bool(self.info >> 31)

    def word(self, index: int) -> int:
        """Word *index* after struct btf_type."""
        return self.words[self.pos + 3 + index]


class Env:
    """State of one check: own types by id as they are accepted, and the log."""

    def __init__(self, raw: bytes, base: Btf | None, name: str) -> None:
        self.raw = raw
        self.base = base
        self.name = name
        self.start_id = base.nr_types if base is not None else 1
        self.start_str = base.str_len if base is not None else 0
        self.strings = b""
        self.types: list[Raw] = []  # own
        self.types_at = 0  # byte offset of the type section
        self.log_type_id = 0
        self.in_meta = True  # phase CHECK_META
        self.parts: list[str] = []

    @property
    def nr_types(self) -> int:
        """All known ids are below."""
        return self.start_id + len(self.types)

    @property
    def log(self) -> str:
        """The log so far."""
        return "".join(self.parts)

    # -- types and names -----------------------------------------------------------------------------------------

    def by_id(self, type_id: int) -> Raw | None:
        """btf_type_by_id(): ``None`` when there is none; id 0 is void."""
        if type_id >= self.start_id:
            index = type_id - self.start_id
            return self.types[index] if index < len(self.types) else None
        if type_id == 0 or self.base is None:
            return _VOID
        owner, words, pos = self.base.raw_type(type_id)
        return Raw(type_id, words, pos, owner)

    def name_valid(self, off: int) -> bool:
        """Whether a name offset lies in a string section (btf_name_offset_valid())."""
        return off <= BTF_MAX_NAME_OFFSET and off - self.start_str < len(self.strings)

    def name_bytes(self, off: int) -> bytes | None:
        """The string at *off*, ``None`` outside."""
        if off < self.start_str:
            assert self.base is not None
            return self.base.str_bytes(off)
        if off - self.start_str >= len(self.strings):
            return None
        return self.strings[off - self.start_str :].split(b"\0", 1)[0]

    def name_str(self, off: int) -> str:
        """The string at *off* as the log shows it."""
        if off == 0:
            return "(anon)"
        name = self.name_bytes(off)
        return "(invalid-name-offset)" if name is None else name.decode("utf-8", "surrogateescape")

    def is_identifier(self, off: int) -> bool:
        """Whether the name is a C identifier, dots allowed (btf_name_valid_identifier())."""
        name = self.name_bytes(off) or b""
        return (
            name[:1] != b"" and name[0] in _FIRST and len(name) <= _KSYM_NAME_LEN and all(c in _LATER for c in name[1:])
        )

    def is_section_name(self, off: int) -> bool:
        """Whether the name is printable (btf_name_valid_section())."""
        name = self.name_bytes(off) or b""
        return name != b"" and len(name) <= _KSYM_NAME_LEN and all(c in _PRINT for c in name)

    # -- log -----------------------------------------------------------------------------------------------------

    def print(self, text: str) -> None:
        """Append to the log, as btf_verifier_log(): no newline is added."""
        self.parts.append(text)

    def fail(self, message: str, offset: int, errno: int = err.EINVAL) -> BtfError:
        """A failure that is logged as its message alone."""
        self.print(message)
        return self.error(message, offset, errno)

    def error(self, message: str, offset: int, errno: int = err.EINVAL) -> BtfError:
        """A failure that has been logged."""
        return BtfError(message, errno=errno, path=self.name or None, section=".BTF", offset=offset)

    def offset_of(self, raw: Raw) -> int:
        """Byte offset of a type in the data, or of the type section for one of the base's."""
        return self.types_at + 4 * raw.pos if raw.owner is None and raw.id else self.types_at

    def head(self, raw: Raw) -> str:
        """``[4] STRUCT foo``."""
        return f"[{self.log_type_id}] {t.KIND_NAMES[raw.kind]} {self.name_str(raw.name_off)}"

    def log_type(self, raw: Raw) -> None:
        """The line that each accepted type gets."""
        self.print(f"{self.head(raw)} {self.details(raw)}\n")

    def fail_type(self, raw: Raw, message: str, errno: int = err.EINVAL) -> BtfError:
        """btf_verifier_log_type() with a message."""
        line = f"{self.head(raw)} {self.details(raw)} {message}"
        self.print(line + "\n")
        return self.error(line, self.offset_of(raw), errno)

    def fail_basic(self, raw: Raw, message: str) -> BtfError:
        """btf_verifier_log_basic(): without details, which may not be there."""
        line = f"{self.head(raw)} {message}"
        self.print(line + "\n")
        return self.error(line, self.offset_of(raw))

    def member_text(self, raw: Raw, index: int, type_id: int | None = None) -> str:
        """A member as the log shows it; *type_id* instead of its own when that was resolved."""
        name_off, own_id, offset = raw.word(3 * index), raw.word(3 * index + 1), raw.word(3 * index + 2)
        type_id = own_id if type_id is None else type_id
        text = f"\t{self.name_str(name_off)} type_id={type_id}"
        if raw.kflag:
            return f"{text} bitfield_size={offset >> 24} bits_offset={offset & 0xFFFFFF}"
        return f"{text} bits_offset={offset}"

    def fail_member(self, raw: Raw, index: int, message: str, type_id: int | None = None) -> BtfError:
        """btf_verifier_log_member() with a message; repeats the struct's line after the first phase."""
        if not self.in_meta:
            self.log_type(raw)
        line = f"{self.member_text(raw, index, type_id)} {message}"
        self.print(line + "\n")
        offset = self.offset_of(raw) + 12 * (index + 1)
        return self.error(f"{self.head(raw)} {line.strip()}", offset)

    def secinfo_text(self, raw: Raw, index: int) -> str:
        """A variable of a section as the log shows it."""
        return f"\t type_id={raw.word(3 * index)} offset={raw.word(3 * index + 1)} size={raw.word(3 * index + 2)}"

    def fail_secinfo(self, raw: Raw, index: int, message: str) -> BtfError:
        """btf_verifier_log_vsi() with a message."""
        if not self.in_meta:
            self.log_type(raw)
        line = f"{self.secinfo_text(raw, index)} {message}"
        self.print(line + "\n")
        return self.error(f"{self.head(raw)} {line.strip()}", self.offset_of(raw) + 12 * (index + 1))

    def details(self, raw: Raw) -> str:
        """The ``log_details`` of each kind."""
        match raw.kind:
            case uapi.BTF_KIND_INT:
                data = raw.word(0)
                encoding = _ENCODINGS.get(data >> 24 & 0xF, "UNKN")
                return f"size={raw.size} bits_offset={data >> 16 & 0xFF} nr_bits={data & 0xFF} encoding={encoding}"
            case uapi.BTF_KIND_ARRAY:
                return f"type_id={raw.word(0)} index_type_id={raw.word(1)} nr_elems={raw.word(2)}"
            case (
                uapi.BTF_KIND_STRUCT
                | uapi.BTF_KIND_UNION
                | uapi.BTF_KIND_ENUM
                | uapi.BTF_KIND_ENUM64
                | uapi.BTF_KIND_DATASEC
            ):
                return f"size={raw.size} vlen={raw.vlen}"
            case uapi.BTF_KIND_FWD:
                return "union" if raw.kflag else "struct"
            case uapi.BTF_KIND_FUNC_PROTO:
                return f"return={raw.size} args=({self._args(raw)})"
            case uapi.BTF_KIND_VAR:
                return f"type_id={raw.size} linkage={raw.word(0)}"
            case uapi.BTF_KIND_FLOAT:
                return f"size={raw.size}"
            case uapi.BTF_KIND_DECL_TAG:
                index = raw.word(0)
                return f"type={raw.size} component_idx={index - (1 << 32) if index >> 31 else index}"
            case _:
                return f"type_id={raw.size}"

    def _args(self, raw: Raw) -> str:
        if not raw.vlen:
            return "void"
        args = [(raw.word(2 * i), raw.word(2 * i + 1)) for i in range(raw.vlen)]
        texts = [f"{type_id} {self.name_str(name_off)}" for name_off, type_id in args]
        if not args[-1][1]:
            texts[-1] = "vararg"
        return ", ".join(texts)


_VOID = Raw(0, array("I", (0, 0, 0)), 0)
