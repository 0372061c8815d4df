"""C declarators: the spelling of a type around a name, inside out."""

from __future__ import annotations

from collections.abc import Callable

from beespace.btf import types as t
from beespace.btf.resolve import Types

__all__ = ["declare", "type_name"]

_MAX_DEPTH = 128  # declarators nest deeper than structs (a pointer to an array of pointers to functions ...)


def _spell_composite(btf: Types, type_id: int) -> str:
    # A named one by its tag, an anonymous one by what distinguishes it at all: that it is anonymous.
    btf_type = btf.type(type_id)
    match btf_type:
        case t.Struct() | t.Union():
            word = "struct" if isinstance(btf_type, t.Struct) else "union"
        case t.Fwd(is_union=is_union):
            word = "union" if is_union else "struct"
        case _:
            word = "enum"
    return f"{word} {btf_type.name or '(anon)'}"


def type_name(btf: Types, type_id: int) -> str:
    """The type as C spells it, without a name: ``const char *``, ``int[4]``, ``void (*)(int)``."""
    return declare(btf, type_id, "")


def declare(btf: Types, type_id: int, name: str, composite: Callable[[Types, int], str] = _spell_composite) -> str:
    """The declaration of *name* with a type: ``const char *name[4]``.

    :param composite: spells structs, unions, enums and forward declarations, given their id.
    :raises BtfError: the type is no data type or function, or loops.
    """
    return _declare(btf, type_id, name, composite, 0)


def _declare(btf: Types, type_id: int, inner: str, composite: Callable[[Types, int], str], depth: int) -> str:
    if depth > _MAX_DEPTH:
        raise btf.error(f"[{type_id}] declarator nested more than {_MAX_DEPTH} deep")
    match btf.type(type_id):
        case t.Void():
            return _join("void", inner)
        case t.Int(name=name) | t.Float(name=name) | t.Typedef(name=name):
            return _join(name, inner)
        case t.Struct() | t.Union() | t.Enum() | t.Enum64() | t.Fwd():
            return _join(composite(btf, type_id), inner)
        case t.Ptr(type=ref):
            return _declare(btf, ref, "*" + inner, composite, depth + 1)
        case t.Array(type=ref, nelems=nelems):
            return _declare(btf, ref, f"{_parens(inner)}[{nelems}]", composite, depth + 1)
        case t.FuncProto() as proto:
            params = [
                "..." if i == len(proto.params) - 1 and proto.is_variadic
                else _declare(btf, param.type, param.name, composite, depth + 1)
                for i, param in enumerate(proto.params)
            ]  # fmt: skip
            args = ", ".join(params) or "void"
            return _declare(btf, proto.type, f"{_parens(inner)}({args})", composite, depth + 1)
        case t.Const(type=ref):
            return _qualify(btf, "const", ref, inner, composite, depth)
        case t.Volatile(type=ref):
            return _qualify(btf, "volatile", ref, inner, composite, depth)
        case t.Restrict(type=ref):
            return _qualify(btf, "restrict", ref, inner, composite, depth)
        case t.TypeTag(type=ref):
            return _declare(btf, ref, inner, composite, depth + 1)
        case t.Func(name=name, type=ref) | t.Var(name=name, type=ref):
            return _declare(btf, ref, inner or name, composite, depth + 1)
        case t.DeclTag(type=ref):
            return _declare(btf, ref, inner, composite, depth + 1)
        case t.Datasec(name=name):
            return _join(f"section {name}", inner)


def _qualify(
    btf: Types, word: str, ref: int, inner: str, composite: Callable[[Types, int], str], depth: int
) -> str:  # fmt: skip
    # `const` of a pointer stands right of the star, of anything else it leads.
    if _is_pointer(btf, ref):
        return _declare(btf, ref, _join(word, inner), composite, depth + 1)
    return f"{word} {_declare(btf, ref, inner, composite, depth + 1)}"


def _is_pointer(btf: Types, type_id: int) -> bool:
    for _ in range(_MAX_DEPTH):
        match btf.type(type_id):
            case t.Const(type=ref) | t.Volatile(type=ref) | t.Restrict(type=ref) | t.TypeTag(type=ref):
                type_id = ref
            case other:
                return isinstance(other, t.Ptr)
    return False


def _join(left: str, right: str) -> str:
    if not right:
        return left
    return left + right if right.startswith("[") else f"{left} {right}"


def _parens(inner: str) -> str:
    return f"({inner})" if inner.startswith("*") else inner
