"""C declarators: the spelling of a type around a name, inside out."""

from __future__ import annotations

from collections.abc import Callable

from beespace.btf import types as t
from beespace.btf.resolve import Types

__all__ = ["declare", "type_name"]

_MAX_DEPTH = 64  # of functions that take functions
_MAX_STEPS = 4096  # pointers, arrays, parameters


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
    :raises BtfError: the type is no data type or function, loops, or has no end in sight.
    """
    return _Declarator(btf, composite).declare(type_id, name, 0)


class _Declarator:
    def __init__(self, btf: Types, composite: Callable[[Types, int], str]) -> None:
        self.btf = btf
        self.composite = composite
        self.left = _MAX_STEPS

    def declare(self, type_id: int, inner: str, depth: int) -> str:
        # from the name outwards
        if depth > _MAX_DEPTH:
            raise self.btf.error(f"[{type_id}] declarator nested more than {_MAX_DEPTH} deep")
        while True:
            self.left -= 1
            if self.left < 0:
                raise self.btf.error(f"[{type_id}] declarator of more than {_MAX_STEPS} parts")
            btf_type = self.btf.type(type_id)
            match btf_type:
                case t.Void():
                    return _join("void", inner)
                case t.Int(name=name) | t.Float(name=name) | t.Typedef(name=name):
                    return _join(name, inner)
                case t.Struct() | t.Union() | t.Enum() | t.Enum64() | t.Fwd():
                    return _join(self.composite(self.btf, type_id), inner)
                case t.Datasec(name=name):
                    return _join(f"section {name}", inner)
                case t.Ptr():
                    inner = "*" + inner
                case t.Array(nelems=nelems):
                    inner = f"{_parens(inner)}[{nelems}]"
                case t.FuncProto() as proto:
                    inner = f"{_parens(inner)}({self.params(proto, depth)})"
                case t.Const() | t.Volatile() | t.Restrict():
                    word = _QUALIFIERS[type(btf_type)]
                    if not self.is_pointer(btf_type.type):
                        return f"{word} {self.declare(btf_type.type, inner, depth + 1)}"
                    inner = _join(word, inner)  # right of the star; of anything else it leads
                case t.Func(name=name) | t.Var(name=name):
                    inner = inner or name
                case t.TypeTag() | t.DeclTag():
                    pass
            type_id = btf_type.type

    def params(self, proto: t.FuncProto, depth: int) -> str:
        named = proto.params[:-1] if proto.is_variadic else proto.params
        texts = [self.declare(param.type, param.name, depth + 1) for param in named]
        return ", ".join(texts + ["..."] * proto.is_variadic) or "void"

    def is_pointer(self, type_id: int) -> bool:
        for _ in range(_MAX_DEPTH):
            match self.btf.type(type_id):
                case t.Const(type=ref) | t.Volatile(type=ref) | t.Restrict(type=ref) | t.TypeTag(type=ref):
                    type_id = ref
                case other:
                    return isinstance(other, t.Ptr)
        return False


_QUALIFIERS = {t.Const: "const", t.Volatile: "volatile", t.Restrict: "restrict"}


def _join(left: str, right: str) -> str:
    if not right:
        return left
    return left + right if right.startswith("[") else f"{left} {right}"


def _parens(inner: str) -> str:
    return f"({inner})" if inner.startswith("*") else inner
