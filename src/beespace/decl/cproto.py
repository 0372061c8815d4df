"""C prototypes of helpers and kfuncs: arity, widths, signedness and parameter names."""

from __future__ import annotations

import re
from functools import cache

from beespace.errors import InputError
from beespace.values import frozen

__all__ = ["CFunction", "CType", "parse_prototype"]

# bits, signed
_BASE = {
    "void": (0, False), "bool": (8, False), "_Bool": (8, False), "char": (8, True),
    "u8": (8, False), "u16": (16, False), "u32": (32, False), "u64": (64, False),
    "s8": (8, True), "s16": (16, True), "s32": (32, True), "s64": (64, True),
    "__u8": (8, False), "__u16": (16, False), "__u32": (32, False), "__u64": (64, False),
    "__s8": (8, True), "__s16": (16, True), "__s32": (32, True), "__s64": (64, True),
    "__be16": (16, False), "__be32": (32, False), "__wsum": (32, False),
    "short": (16, True), "int": (32, True), "long": (64, True), "long int": (64, True),
    "unsigned": (32, False), "unsigned int": (32, False), "unsigned long": (64, False),
    "unsigned char": (8, False), "unsigned short": (16, False), "long long": (64, True),
    "unsigned long long": (64, False), "short int": (16, True), "short unsigned int": (16, False),
    "long unsigned int": (64, False), "long long int": (64, True), "long long unsigned int": (64, False),
    "loff_t": (64, True), "size_t": (64, False), "pid_t": (32, True), "gfp_t": (32, False),
}  # fmt: skip


@frozen
class CType:
    """A parameter or return type. Pointers are 64-bit words; ``name`` is the pointed-to type then."""

    name: str
    bits: int
    signed: bool
    pointer: int = 0  # number of `*`
    const: bool = False


@frozen
class CFunction:
    """A parsed prototype."""

    name: str
    ret: CType
    params: tuple[tuple[str, CType], ...]
    variadic: bool = False


def _parse_type(text: str, whole: str) -> CType:
    stars = text.count("*")
    words = [word for word in text.replace("*", " ").split() if word not in ("const", "volatile", "struct_ops")]
    name = " ".join(words)
    const = "const" in text.split("*")[0].split()
    if stars:
        return CType(name, 64, False, stars, const)
    if name.startswith("enum "):
        return CType(name, 32, False)
    if name not in _BASE:
        raise InputError(f"unknown C type {name!r} in prototype {whole!r}")
    bits, signed = _BASE[name]
    return CType(name, bits, signed)


def _split(params: str) -> list[str]:
    # At the commas that are not inside the parameter list of a function pointer.
    parts, depth, start = [], 0, 0
    for i, char in enumerate(params):
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            parts.append(params[start:i])
            start = i + 1
    return [part.strip() for part in (*parts, params[start:]) if part.strip()]


@cache
def parse_prototype(text: str) -> CFunction:
    """Parse one C function declaration. A parameter that is a function pointer has the type's spelling as its name.

    >>> parse_prototype("long bpf_map_delete_elem(struct bpf_map *map, const void *key)").params[1][0]
    'key'
    """
    m = re.fullmatch(r"\s*([^(]+?)(\w+)\s*\((.*)\)\s*;?\s*", text, re.S)
    if not m:
        raise InputError(f"not a C prototype: {text!r}")
    params, variadic = [], False
    for part in _split(m.group(3)):
        callback = re.fullmatch(r"(.+?)\(\*\s*(\w+)\)\s*\((.*)\)", part, re.S)
        if part == "...":
            variadic = True
        elif callback:
            spelling = f"{callback.group(1).strip()} (*)({callback.group(3)})"
            params.append((callback.group(2), CType(spelling, 64, False, 1)))
        elif part != "void":
            p = re.fullmatch(r"(.+?)(\w+)\s*", part, re.S)
            if not p:
                raise InputError(f"parameter {part!r} has no name in {text!r}")
            params.append((p.group(2), _parse_type(p.group(1), text)))
    return CFunction(m.group(2), _parse_type(m.group(1), text), tuple(params), variadic)
