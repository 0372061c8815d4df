"""C declarations to BTF: the inverse of the C dump, for types that are written by hand.

The C of headers after preprocessing, without initialisers and inline functions: structs, unions, enums, typedefs,
forward declarations, bitfields, flexible arrays, pointers to functions, prototypes. Layouts are those of x86-64.
``__attribute__((packed))``, ``aligned(n)``, ``btf_type_tag("x")``, ``btf_decl_tag("x")`` are understood, and the
kernel's ``__rcu``, ``__user``, ``__percpu``, ``__kptr`` and ``__bpf_kfunc``.

>>> b = BtfBuilder()
>>> CDeclarations(b).parse("struct point { int x, y; unsigned visible : 1; };")
>>> b.to_btf().field("point", "y").byte_off
4
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field

from beespace.btf import types as t
from beespace.btf.build import BtfBuilder
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi
from beespace.values import frozen, mutable

__all__ = ["CDeclarations"]

_TOKEN = re.compile(
    r"\s+|//[^\n]*|/\*.*?\*/|(?P<name>[A-Za-z_]\w*)|(?P<number>0[xX][0-9a-fA-F]+|\d+)[uUlL]*"
    r'|"(?P<string>[^"\n]*)"|(?P<op>\.\.\.|<<|>>|[-+*/&|^~(){}\[\];:,=])',
    re.S,
)
# words of a type, sorted -> name in BTF, bytes, signed
_INTS: dict[str, tuple[str, int, bool]] = {}
for _words, _name, _bytes, _signed in (
    ("char", "char", 1, True), ("char signed", "signed char", 1, True), ("char unsigned", "unsigned char", 1, False),
    ("short", "short", 2, True), ("int short", "short", 2, True), ("short unsigned", "unsigned short", 2, False),
    ("int short unsigned", "unsigned short", 2, False), ("int", "int", 4, True), ("signed", "int", 4, True),
    ("int signed", "int", 4, True), ("unsigned", "unsigned int", 4, False), ("int unsigned", "unsigned int", 4, False),
    ("long", "long", 8, True), ("int long", "long", 8, True), ("long unsigned", "unsigned long", 8, False),
    ("int long unsigned", "unsigned long", 8, False), ("long long", "long long", 8, True),
    ("int long long", "long long", 8, True), ("long long unsigned", "unsigned long long", 8, False),
    ("int long long unsigned", "unsigned long long", 8, False), ("__int128", "__int128", 16, True),
    ("__int128 unsigned", "unsigned __int128", 16, False),
):  # fmt: skip
    _INTS[_words] = (_name, _bytes, _signed)
_BASE_WORDS = frozenset("char short int long signed unsigned void float double _Bool __int128".split())
_QUALIFIERS: dict[str, Callable[[int], t.BtfType]] = {"const": t.Const, "volatile": t.Volatile, "restrict": t.Restrict}
_TYPE_TAGS = {"__rcu": "rcu", "__user": "user", "__percpu": "percpu", "__kptr": "kptr"}
_ENUM_MODES = {"": 4, "byte": 1, "word": 8}
_IGNORED = frozenset(("extern", "static", "inline"))


@mutable
class _Attributes:
    packed: bool = False
    aligned: int = 0
    mode: str = ""  # of an enum: byte, word
    type_tags: list[tuple[str, bool]] = field(default_factory=list)  # TypeTag: name, kind_flag
    decl_tags: list[str] = field(default_factory=list)


@frozen
class _Token:
    kind: str
    text: str
    line: int


@mutable
class _Field:
    name: str
    type_id: int
    bits: int | None
    aligned: int
    decl_tags: list[str]


class CDeclarations:
    """Adds what C text declares to a builder; later texts see the types of earlier ones.

    :param builder: receives the types.
    :param func_linkage: BTF_FUNC_* of prototypes.
    """

    def __init__(self, builder: BtfBuilder, *, func_linkage: int = uapi.BTF_FUNC_STATIC) -> None:
        self.builder = builder
        self.func_linkage = func_linkage
        self._tags: dict[tuple[str, str], int] = {}  # ("struct", name) -> id, defined or awaited
        self._awaited: set[int] = set()
        self._typedefs: dict[str, int] = {}
        self._constants: dict[str, int] = {}
        self._aligns: dict[int, int] = {}  # of structs with aligned()
        self._tokens: list[_Token] = []
        self._at = 0
        self._file = ""

    def parse(self, text: str, *, name: str = "<declarations>") -> None:
        """Add the declarations of *text*.

        :raises BtfError: C that is not understood, with file and line.
        """
        self._file = name
        self._tokens = list(self._split(text))
        self._at = 0
        while self._peek().kind != "end":
            self._declaration()

    def finish(self) -> None:
        """Turn structs that were only mentioned into forward declarations; the builder is complete then."""
        for (word, tag), type_id in self._tags.items():
            if type_id in self._awaited:
                self.builder.define(type_id, t.Fwd(tag, word == "union"))
        self._awaited.clear()

    # -- tokens --------------------------------------------------------------------------------------------------

    def _split(self, text: str) -> list[_Token]:
        tokens, at, line = [], 0, 1
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._error(f"unexpected {text[at]!r}", line)
            if match.lastgroup is not None:
                tokens.append(_Token(match.lastgroup, match.group(match.lastgroup), line))
            line += match.group().count("\n")
            at = match.end()
        tokens.append(_Token("end", "", line))
        return tokens

    def _error(self, message: str, line: int | None = None) -> BtfError:
        return BtfError(f"line {self._peek().line if line is None else line}: {message}", path=self._file)

    def _peek(self, ahead: int = 0) -> _Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def _next(self) -> _Token:
        token = self._peek()
        self._at += 1
        return token

    def _accept(self, *texts: str) -> str | None:
        token = self._peek()
        if token.kind in ("op", "name") and token.text in texts:
            self._at += 1
            return token.text
        return None

    def _expect(self, text: str) -> None:
        if self._accept(text) is None:
            raise self._error(f"expected {text!r}, found {self._peek().text or 'the end'!r}")

    # -- declarations --------------------------------------------------------------------------------------------

    def _declaration(self) -> None:
        if self._accept(";"):
            return
        is_typedef = self._accept("typedef") is not None
        attributes = _Attributes()
        base = self._specifiers(attributes)
        while not self._accept(";"):
            name, type_id = self._declarator(base, attributes)
            self._attributes(attributes)
            if is_typedef:
                self._typedefs[name] = self._tagged(self.builder.add_typedef(name, type_id), attributes)
            elif isinstance(self.builder.peek(type_id), t.FuncProto):
                self._tagged(self.builder.add_func(name, type_id, self.func_linkage), attributes)
            else:
                self._tagged(self.builder.add_var(name, type_id), attributes)
            if not self._accept(","):
                self._expect(";")
                return

    def _tagged(self, type_id: int, attributes: _Attributes) -> int:
        for tag in attributes.decl_tags:
            self.builder.add_decl_tag(tag, type_id)
        return type_id

    def _specifiers(self, attributes: _Attributes) -> int:
        words: list[str] = []
        qualifiers: list[Callable[[int], t.BtfType]] = []
        found: int | None = None
        while True:
            self._attributes(attributes)
            token = self._peek()
            if token.kind != "name":
                break
            if token.text in _QUALIFIERS:
                qualifiers.append(_QUALIFIERS[token.text])
            elif token.text in _BASE_WORDS and found is None:
                words.append(token.text)
            elif token.text in ("struct", "union") and found is None and not words:
                found = self._composite()
                continue
            elif token.text == "enum" and found is None and not words:
                found = self._enum()
                continue
            elif found is None and not words and (typedef := self._typedef(token.text)) is not None:
                found = typedef
            elif token.text == "bool" and found is None and not words:
                found = self._base(["_Bool"])
            elif token.text not in _IGNORED:
                break
            self._at += 1
        if found is None:
            found = self._base(words)
        for qualifier in reversed(qualifiers):
            found = self.builder.add(qualifier(found))
        for tag in attributes.type_tags:
            found = self.builder.add(_tag_of(*tag)(found))
        attributes.type_tags.clear()
        return found

    def _base(self, words: list[str]) -> int:
        key = " ".join(sorted(words))
        if key == "void":
            return 0
        if key == "_Bool":
            return self.builder.add_int("_Bool", 1, boolean=True)
        if key in ("float", "double"):
            return self.builder.add_float(key, 8 if key == "double" else 4)
        if key not in _INTS:
            raise self._error(f"unknown type {' '.join(words) or self._peek().text!r}")
        name, size, signed = _INTS[key]
        return self.builder.add_int(name, size, signed=signed)

    def _attributes(self, attributes: _Attributes) -> None:
        while True:
            token = self._peek()
            if token.kind == "name" and token.text in _TYPE_TAGS:
                self._at += 1
                attributes.type_tags.append((_TYPE_TAGS[token.text], False))
            elif self._accept("__bpf_kfunc"):
                attributes.decl_tags.append("bpf_kfunc")
            elif self._accept("__packed"):
                attributes.packed = True
            elif self._accept("__weak", "__ksym"):
                continue
            elif self._accept("__attribute__"):
                self._attribute_list(attributes)
            else:
                return

    def _attribute_list(self, attributes: _Attributes) -> None:
        self._expect("(")
        self._expect("(")
        while not self._accept(")"):
            name = self._next().text.strip("_")
            argument: str | int | None = None
            if self._accept("("):
                argument = self._next().text if self._peek().kind == "string" or name == "mode" else self._expression()
                self._expect(")")
            if name == "packed":
                attributes.packed = True
            elif name == "aligned":
                attributes.aligned = argument if isinstance(argument, int) else 16
            elif name == "btf_type_tag" and isinstance(argument, str):
                attributes.type_tags.append((argument, False))
            elif name == "address_space":
                attributes.type_tags.append((f"address_space({argument})", True))
            elif name == "btf_decl_tag" and isinstance(argument, str):
                attributes.decl_tags.append(argument)
            elif name == "mode" and argument in _ENUM_MODES:
                attributes.mode = str(argument)
            elif name != "preserve_access_index":
                raise self._error(f"attribute {name!r}")
            self._accept(",")
        self._expect(")")

    # -- declarators ---------------------------------------------------------------------------------------------

    def _declarator(self, base: int, attributes: _Attributes) -> tuple[str, int]:
        name, wrap = self._direct()
        return name, wrap(base)

    def _direct(self) -> tuple[str, Callable[[int], int]]:
        # A declarator is read from the outside in; ``wrap`` turns the type it is applied to into the name's type.
        pointers: list[Callable[[int], t.BtfType]] = []
        while self._accept("*"):
            pointers.append(t.Ptr)
            attributes = _Attributes()
            self._attributes(attributes)
            while (word := self._accept(*_QUALIFIERS)) is not None:
                pointers.append(_QUALIFIERS[word])
            self._attributes(attributes)
            pointers += [_tag_of(*tag) for tag in attributes.type_tags]
        name, inner = "", None
        if self._peek().text == "(" and self._is_nested():
            self._expect("(")
            name, inner = self._direct()
            self._expect(")")
        elif self._peek().kind == "name" and self._peek().text not in ("__attribute__", *_TYPE_TAGS):
            name = self._next().text
        suffixes = []
        while self._peek().text in ("[", "("):
            suffixes.append(self._array() if self._accept("[") else self._params())

        def wrap(type_id: int) -> int:
            for pointer in pointers:
                type_id = self.builder.add(pointer(type_id))
            for suffix in reversed(suffixes):
                type_id = suffix(type_id)
            return type_id if inner is None else inner(type_id)

        return name, wrap

    def _is_nested(self) -> bool:
        # ``(`` begins a nested declarator, not parameters
        return self._peek(1).text in ("*", "(") or (
            self._peek(1).kind == "name"
            and self._peek(1).text not in _BASE_WORDS
            and self._peek(1).text not in ("struct", "union", "enum", *_QUALIFIERS)
            and self._peek(1).text != "bool"
            and self._typedef(self._peek(1).text) is None
        )

    def _array(self) -> Callable[[int], int]:
        nelems = 0 if self._peek().text == "]" else self._expression()
        self._expect("]")
        return lambda elem: self.builder.add_array(elem, nelems)

    def _params(self) -> Callable[[int], int]:
        self._expect("(")
        params: list[tuple[str, int]] = []
        if self._peek().text == "void" and self._peek(1).text == ")":
            self._at += 1
        while not self._accept(")"):
            if self._accept("..."):
                params.append(("", 0))
                continue
            attributes = _Attributes()
            name, type_id = self._declarator(self._specifiers(attributes), attributes)
            self._attributes(attributes)
            params.append((name, self._decayed(type_id)))
            if self._peek().text != ")":
                self._expect(",")
        return lambda ret: self.builder.add_func_proto(ret, params)

    def _decayed(self, type_id: int) -> int:
        match self.builder.peek(type_id):
            case t.Array(type=elem):
                return self.builder.add_ptr(elem)
            case t.FuncProto():
                return self.builder.add_ptr(type_id)
            case _:
                return type_id

    # -- structs and enums ---------------------------------------------------------------------------------------

    def _composite(self) -> int:
        word = self._next().text
        attributes = _Attributes()
        self._attributes(attributes)
        tag = self._next().text if self._peek().kind == "name" else ""
        if self._peek().text != "{":
            if not tag:
                raise self._error(f"{word} without name and members")
            return self._await(word, tag)
        type_id = self._await(word, tag) if tag else self.builder.forward()
        if tag and type_id not in self._awaited:
            if type_id >= self.builder.start_id:
                raise self._error(f"{word} {tag} is defined twice")
            self._skip_body()  # the base's counts
            return type_id
        fields = self._fields()
        self._attributes(attributes)
        layout = _Layout(self.builder, self._aligns, word == "union", attributes)
        members = []
        for f in fields:
            self._require_complete(f.type_id, f"{word} {tag or '(anon)'}.{f.name}")
            member = layout.place(f)
            if member is not None:
                members.append(member)
        kind = t.Union if word == "union" else t.Struct
        flag = any(member.bitfield_size for member in members)
        self.builder.define(type_id, kind(tag, layout.finish(), tuple(members), flag))
        self._awaited.discard(type_id)
        if layout.align > 1:
            self._aligns[type_id] = layout.align
        self._tagged(type_id, attributes)
        for index, f in enumerate(f for f in fields if f.bits is None or f.name):
            for decl_tag in f.decl_tags:
                self.builder.add_decl_tag(decl_tag, type_id, index)
        return type_id

    def _await(self, word: str, tag: str) -> int:
        key = word, tag
        if key not in self._tags:
            known = self._of_base(tag, uapi.BTF_KIND_STRUCT if word == "struct" else uapi.BTF_KIND_UNION)
            self._tags[key] = known or self.builder.forward()
            if not known:
                self._awaited.add(self._tags[key])
        return self._tags[key]

    def _of_base(self, name: str, *kinds: int) -> int:
        return self.builder.base.find(name, *kinds) if self.builder.base is not None else 0

    def _typedef(self, name: str) -> int | None:
        if name not in self._typedefs:
            known = self._of_base(name, uapi.BTF_KIND_TYPEDEF)
            if not known:
                return None
            self._typedefs[name] = known
        return self._typedefs[name]

    def _require_complete(self, type_id: int, where: str) -> None:
        at: int | None = type_id
        while at is not None and at not in self._awaited:
            match self.builder.peek(at):
                case (
                    t.Array(type=ref)
                    | t.Typedef(type=ref)
                    | t.Const(type=ref)
                    | t.Volatile(type=ref)
                    | t.Restrict(type=ref)
                    | t.TypeTag(type=ref)
                ):
                    at = ref
                case t.Void() | t.Fwd() | t.FuncProto() | None:
                    break
                case _:
                    return
        raise self._error(f"{where} has an incomplete type")

    def _skip_body(self) -> None:
        depth = 0
        while self._peek().kind != "end":
            text = self._next().text
            depth += (text == "{") - (text == "}")
            if depth == 0:
                break
        self._attributes(_Attributes())

    def _fields(self) -> list[_Field]:
        fields: list[_Field] = []
        self._expect("{")
        while not self._accept("}"):
            shared = _Attributes()
            base = self._specifiers(shared)
            if self._accept(";"):
                fields.append(_Field("", base, None, 0, []))
                continue
            while True:
                attributes = _Attributes(aligned=shared.aligned, decl_tags=list(shared.decl_tags))
                name, type_id = self._declarator(base, attributes)
                bits = self._expression() if self._accept(":") else None
                self._attributes(attributes)
                fields.append(_Field(name, type_id, bits, attributes.aligned, attributes.decl_tags))
                if not self._accept(","):
                    break
            self._expect(";")
        return fields

    def _enum(self) -> int:
        self._expect("enum")
        tag = self._next().text if self._peek().kind == "name" else ""
        if not self._accept("{"):
            known = self._tags.get(("enum", tag)) or self._of_base(tag, uapi.BTF_KIND_ENUM, uapi.BTF_KIND_ENUM64)
            if not known:
                raise self._error(f"enum {tag} is not defined")
            return known
        values: list[tuple[str, int]] = []
        following = 0
        while not self._accept("}"):
            if self._peek().kind != "name":
                raise self._error(f"expected the name of a constant, found {self._peek().text or 'the end'!r}")
            name = self._next().text
            value = self._expression() if self._accept("=") else following
            values.append((name, value))
            self._constants[name] = value
            following = value + 1
            if not self._accept(","):
                self._expect("}")
                break
        attributes = _Attributes()
        self._attributes(attributes)
        wide = any(not -(1 << 31) <= value < 1 << 32 for _, value in values)
        size = 8 if wide else _ENUM_MODES[attributes.mode]
        type_id = self.builder.add_enum(tag, values, size)
        if tag:
            self._tags["enum", tag] = type_id
        return type_id

    # -- constant expressions ------------------------------------------------------------------------------------

    def _expression(self, strength: int = 0) -> int:
        value = self._operand()
        while (operator := self._peek()).kind == "op" and operator.text in _OPERATORS:
            precedence, apply = _OPERATORS[operator.text]
            if precedence < strength:
                break
            self._at += 1
            value = apply(value, self._expression(precedence + 1))
        return value

    def _operand(self) -> int:
        if self._accept("-"):
            return -self._operand()
        if self._accept("~"):
            return ~self._operand()
        if self._accept("("):
            value = self._expression()
            self._expect(")")
            return value
        token = self._next()
        if token.kind == "number":
            return int(token.text, 0)
        if token.text in self._constants:
            return self._constants[token.text]
        raise self._error(f"{token.text!r} is not a constant")


_OPERATORS: dict[str, tuple[int, Callable[[int, int], int]]] = {
    "|": (1, lambda a, b: a | b),
    "^": (2, lambda a, b: a ^ b),
    "&": (3, lambda a, b: a & b),
    "<<": (4, lambda a, b: a << min(b, 128)),
    ">>": (4, lambda a, b: a >> b),
    "+": (5, lambda a, b: a + b),
    "-": (5, lambda a, b: a - b),
    "*": (6, lambda a, b: a * b),
    "/": (6, lambda a, b: a // b if b else 0),
}


def _tag_of(tag: str, kind_flag: bool) -> Callable[[int], t.BtfType]:
    return lambda type_id: t.TypeTag(tag, type_id, kind_flag)


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


class _Layout:
    # Places members as the System V ABI of x86-64 does.

    def __init__(
        self, builder: BtfBuilder, aligns: dict[int, int], is_union: bool, attributes: _Attributes
    ) -> None:  # fmt: skip
        self.builder = builder
        self.aligns = aligns
        self.is_union = is_union
        self.packed = attributes.packed
        self.align = max(1, attributes.aligned)
        self.bits = 0  # end of the last member
        self.largest = 0

    def place(self, f: _Field) -> t.Member | None:
        own = 1 if self.packed else self.align_of(f.type_id)
        size = 8 * self.builder.size(f.type_id)
        if self.is_union:
            self.bits = 0
        if f.bits is None:
            align = max(own, f.aligned)
            offset = _round_up(self.bits, 8 * align)
            self.align = max(self.align, align)
            self.bits = offset + size
        else:
            unit = 8 if self.packed else size
            offset = self.bits
            if f.bits == 0 or (not self.packed and offset // unit != (offset + f.bits - 1) // unit):
                offset = _round_up(offset, size)  # a bitfield lies in one unit of its type
            if f.name:
                self.align = max(self.align, own)
            self.bits = offset + f.bits
        self.largest = max(self.largest, self.bits)
        if f.bits is not None and not f.name:
            return None
        return t.Member(f.name, f.type_id, offset, f.bits or 0)

    def align_of(self, type_id: int) -> int:
        at = type_id
        while isinstance(found := self.builder.type(self.builder.skip_mods_and_typedefs(at)), t.Array):
            at = found.type
        at = self.builder.skip_mods_and_typedefs(at)
        return max(1, self.aligns.get(at, 0) or self.builder.align(at))

    def finish(self) -> int:
        return _round_up(_round_up(self.largest, 8) // 8, self.align)
