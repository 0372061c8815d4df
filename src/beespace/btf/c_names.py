"""Names in a C dump: unique, as C demands, and sorted, as bpftool does.

:see: tools/lib/bpf/btf_dump.c:btf_dump_resolve_name, tools/bpf/bpftool/btf.c:sort_btf_c
"""

from __future__ import annotations

from functools import cache

from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.btf.resolve import MAX_RESOLVE_DEPTH

__all__ = ["Names", "sorted_ids"]

_MAX_RANK = 10
_U64 = 0xFFFFFFFFFFFFFFFF


class Names:
    """Gives each type its C name; of several types of one name the later ones get ``___2``, ``___3``.

    Struct, union and enum tags are one name space, typedefs and enumerators another.
    """

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self._tags: dict[str, int] = {}
        self._idents: dict[str, int] = {}
        self._known: dict[int, str] = {}

    def tag(self, type_id: int) -> str:
        """Of a struct, union, enum or forward declaration; "" for an anonymous one."""
        return self._resolve(type_id, self._tags)

    def ident(self, type_id: int) -> str:
        """Of a typedef."""
        return self._resolve(type_id, self._idents)

    def enumerator(self, name: str) -> str:
        """Of an enumerator being printed."""
        return self._unique(name, self._idents)

    def _resolve(self, type_id: int, space: dict[str, int]) -> str:
        known = self._known.get(type_id)
        if known is None:
            btf_type = self.btf.type(type_id)
            declares = isinstance(btf_type, t.Fwd) or (isinstance(btf_type, t.Enum) and not btf_type.values)
            known = btf_type.name if declares or not btf_type.name else self._unique(btf_type.name, space)
            self._known[type_id] = known
        return known

    def _unique(self, name: str, space: dict[str, int]) -> str:
        count = space[name] = space.get(name, 0) + 1
        return name if count == 1 else f"{name}___{count}"


def sorted_ids(btf: Btf) -> list[int]:
    """All ids in bpftool's order: by kind of what they are about, then by name, so that dumps can be compared."""
    sorter = _Sorter(btf)
    return sorted(range(1, btf.nr_types), key=sorter.key)


class _Sorter:
    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self.hash = cache(self._hash)

    def key(self, type_id: int) -> tuple[int, bytes, bytes, int, int]:
        own = self._bytes(self.btf.name_of(type_id))
        return self._rank(type_id), self._sort_name(type_id), own, self.hash(type_id, True), type_id

    def _bytes(self, name: str) -> bytes:
        return name.encode("utf-8", "surrogateescape")

    def _referred(self, btf_type: t.BtfType) -> int | None:
        match btf_type:
            case (
                t.TypeTag(type=ref)
                | t.Const(type=ref)
                | t.Ptr(type=ref)
                | t.Volatile(type=ref)
                | t.Restrict(type=ref)
                | t.Typedef(type=ref)
                | t.DeclTag(type=ref)
                | t.Array(type=ref)
            ):
                return ref
            case _:
                return None

    def _rank(self, type_id: int) -> int:
        named = False
        for _ in range(MAX_RESOLVE_DEPTH):
            btf_type = self.btf.type(type_id)
            named = named or bool(btf_type.name)
            match btf_type:
                case t.Enum() | t.Enum64():
                    return 1 if named else 0
                case t.Int() | t.Float():
                    return 2
                case t.Struct() | t.Union():
                    return 3 if named else _MAX_RANK
                case t.FuncProto():
                    return 4 if named else _MAX_RANK
            ref = self._referred(btf_type)
            if ref is None or not named:
                return _MAX_RANK
            type_id = ref
        return _MAX_RANK

    def _sort_name(self, type_id: int) -> bytes:
        from_ref = False
        for _ in range(MAX_RESOLVE_DEPTH):
            btf_type = self.btf.type(type_id)
            ref = self._referred(btf_type)
            if ref is None:
                if isinstance(btf_type, t.Enum | t.Enum64) and not btf_type.name and btf_type.values and not from_ref:
                    return self._bytes(btf_type.values[0].name)
                return self._bytes(btf_type.name)
            type_id, from_ref = ref, True
        return b""

    def _str_hash(self, name: str) -> int:
        value = 0
        for byte in self._bytes(name):
            value = value * 31 + (byte - 256 if byte > 127 else byte) & _U64  # of plain char
        return value

    def _with_name(self, value: int, name: str) -> int:
        return value * 31 + self._str_hash(name) & _U64 if name else value

    def _hash(self, type_id: int, members: bool, depth: int = 0) -> int:
        # btf_type_disambig_hash()
        btf_type = self.btf.type(type_id)
        value = self._with_name(0, btf_type.name)
        if depth > MAX_RESOLVE_DEPTH:
            return value
        match btf_type:
            case t.Enum(values=values) | t.Enum64(values=values):
                for enumerator in values:
                    value = self._with_name(value, enumerator.name)
            case t.Struct() | t.Union() if members:
                for member in btf_type.members:
                    value = self._with_name(value, member.name)
                    value = value * 31 + self.hash(member.type, False, depth + 1) & _U64
            case t.Array(type=ref, nelems=nelems):
                value = value * 31 + nelems & _U64
                value = value * 31 + self.hash(ref, members, depth + 1) & _U64
            case _:
                ref_id = self._referred(btf_type)
                if ref_id is not None:
                    value = value * 31 + self.hash(ref_id, members, depth + 1) & _U64
        return value
