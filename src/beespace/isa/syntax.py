"""Symbols that assembler and disassembler share."""

from __future__ import annotations

from beespace.isa.rows import Row
from beespace.uapi import bpf, enums

__all__ = ["ALU_SYMBOLS", "ATOMIC_WORDS", "JMP_SYMBOLS", "LOCK_SYMBOLS", "helper_id", "helper_name", "type_of"]

ALU_SYMBOLS = {
    "ADD": "+=",
    "SUB": "-=",
    "MUL": "*=",
    "DIV": "/=",
    "SDIV": "s/=",
    "OR": "|=",
    "AND": "&=",
    "LSH": "<<=",
    "RSH": ">>=",
    "MOD": "%=",
    "SMOD": "s%=",
    "XOR": "^=",
    "MOV": "=",
    "ARSH": "s>>=",
}
JMP_SYMBOLS = {
    "JEQ": "==",
    "JGT": ">",
    "JGE": ">=",
    "JSET": "&",
    "JNE": "!=",
    "JSGT": "s>",
    "JSGE": "s>=",
    "JLT": "<",
    "JLE": "<=",
    "JSLT": "s<",
    "JSLE": "s<=",
}
LOCK_SYMBOLS = {"ATOMIC_ADD": "+=", "ATOMIC_OR": "|=", "ATOMIC_AND": "&=", "ATOMIC_XOR": "^="}
ATOMIC_WORDS = {
    "ATOMIC_FETCH_ADD": "fetch_add",
    "ATOMIC_FETCH_OR": "fetch_or",
    "ATOMIC_FETCH_AND": "fetch_and",
    "ATOMIC_FETCH_XOR": "fetch_xor",
    "ATOMIC_XCHG": "xchg",
    "ATOMIC_CMPXCHG": "cmpxchg",
}
_FUNC = "BPF_FUNC_"
_HELPERS = enums.names("bpf_func_id")


def type_of(row: Row) -> str:
    """C type of a memory access: ``u32``, ``s8``."""
    return f"{'s' if row.name == 'LDSX' else 'u'}{row.width}"


def helper_name(func_id: int) -> str | None:
    """``bpf_map_lookup_elem`` for 1; None for an id that no helper has."""
    name = _HELPERS.get(func_id, "")
    return "bpf_" + name.removeprefix(_FUNC) if name.startswith(_FUNC) else None


def helper_id(name: str) -> int | None:
    """1 for ``bpf_map_lookup_elem``; None for a name that no helper has."""
    value = getattr(bpf, _FUNC + name.removeprefix("bpf_"), None) if name.startswith("bpf_") else None
    return value if isinstance(value, int) else None
