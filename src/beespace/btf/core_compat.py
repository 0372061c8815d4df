"""CO-RE: when a local and a target type are the same for a relocation's purpose.

:see: tools/lib/bpf/relo_core.c:bpf_core_fields_are_compat, __bpf_core_types_are_compat, __bpf_core_types_match
"""

from __future__ import annotations

from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.btf.resolve import MAX_RESOLVE_DEPTH
from beespace.errors import CoreRelocError

__all__ = ["essential_name", "fields_are_compat", "kinds_are_compat", "types_are_compat", "types_match"]


def essential_name(name: str) -> str:
    """The name without its flavour, which is what follows the last ``___`` that stands between other characters.

    >>> essential_name("task_struct___v5_13"), essential_name("a___b___c"), essential_name("___x")
    ('task_struct', 'a___b', '___x')
    """
    for i in range(len(name) - 5, -1, -1):
        if name[i + 1 : i + 4] == "___" and name[i] != "_" and name[i + 4] != "_":
            return name[: i + 1]
    return name


def _is_enum(btf_type: t.BtfType) -> bool:
    return isinstance(btf_type, t.Enum | t.Enum64)


def kinds_are_compat(a: t.BtfType, b: t.BtfType) -> bool:
    """Whether two types are of one kind; 32- and 64-bit enums are."""
    return a.kind == b.kind or (_is_enum(a) and _is_enum(b))


def _resolved(btf: Btf, type_id: int) -> tuple[int, t.BtfType]:
    at = btf.skip_mods_and_typedefs(type_id)
    return at, btf.type(at)


def fields_are_compat(local_btf: Btf, local_id: int, target_btf: Btf, target_id: int) -> bool:
    """Whether a field may be relocated to another: same kind; names of enums and forward declarations agree.

    Structs and unions mix; sizes and signedness of integers, dimensions of arrays are free.
    """
    for _ in range(max(local_btf.nr_types, target_btf.nr_types)):
        _, local = _resolved(local_btf, local_id)
        _, target = _resolved(target_btf, target_id)
        if isinstance(local, t.Struct | t.Union) and isinstance(target, t.Struct | t.Union):
            return True
        if not kinds_are_compat(local, target):
            return False
        match local, target:
            case t.Ptr() | t.Float(), _:
                return True
            case t.Fwd() | t.Enum() | t.Enum64(), _:
                names = essential_name(local.name), essential_name(target.name)
                return "" in names or names[0] == names[1]
            case t.Int(offset=local_off), t.Int(offset=target_off):
                return local_off == target_off == 0
            case t.Array(), t.Array():
                local_id, target_id = local.type, target.type
            case _:
                return False
    return False


class _Matcher:
    # The recursive relations. Results are remembered: types of types could be exponentially many.

    def __init__(self, local_btf: Btf, target_btf: Btf) -> None:
        self.local_btf = local_btf
        self.target_btf = target_btf
        self.compat: dict[tuple[int, int, int], bool] = {}
        self.matched: dict[tuple[int, int, bool, int], bool] = {}

    def too_deep(self) -> CoreRelocError:
        return CoreRelocError(f"types nested more than {MAX_RESOLVE_DEPTH} deep")

    def are_compat(self, local_id: int, target_id: int, level: int) -> bool:
        key = local_id, target_id, level
        found = self.compat.get(key)
        if found is None:
            found = self.compat[key] = self.compute_compat(local_id, target_id, level)
        return found

    def compute_compat(self, local_id: int, target_id: int, level: int) -> bool:
        if not kinds_are_compat(self.local_btf.type(local_id), self.target_btf.type(target_id)):
            return False
        for _ in range(MAX_RESOLVE_DEPTH):
            _, local = _resolved(self.local_btf, local_id)
            _, target = _resolved(self.target_btf, target_id)
            if not kinds_are_compat(local, target):
                return False
            match local, target:
                case t.Void() | t.Struct() | t.Union() | t.Enum() | t.Enum64() | t.Fwd(), _:
                    return True
                case t.Int(offset=local_off), t.Int(offset=target_off):
                    return local_off == target_off == 0
                case t.Ptr() | t.Array(), t.Ptr() | t.Array():  # of one kind, as was checked
                    local_id, target_id = local.type, target.type
                case t.FuncProto(), t.FuncProto():
                    if not self.params_are_compat(local, target, level):
                        return False
                    local_id = self.local_btf.skip_mods_and_typedefs(local.type)
                    target_id = self.target_btf.skip_mods_and_typedefs(target.type)
                case _:
                    return False
        raise self.too_deep()

    def params_are_compat(self, local: t.FuncProto, target: t.FuncProto, level: int) -> bool:
        if len(local.params) != len(target.params):
            return False
        if local.params and level <= 0:
            raise self.too_deep()
        return all(
            self.are_compat(
                self.local_btf.skip_mods_and_typedefs(a.type), self.target_btf.skip_mods_and_typedefs(b.type), level - 1
            )
            for a, b in zip(local.params, target.params, strict=True)
        )

    def match(self, local_id: int, target_id: int, behind_ptr: bool, level: int) -> bool:
        key = local_id, target_id, behind_ptr, level
        found = self.matched.get(key)
        if found is None:
            found = self.matched[key] = self.compute_match(local_id, target_id, behind_ptr, level)
        return found

    def compute_match(self, local_id: int, target_id: int, behind_ptr: bool, level: int) -> bool:
        if level <= 0:
            raise self.too_deep()
        for _ in range(MAX_RESOLVE_DEPTH):
            _, local = _resolved(self.local_btf, local_id)
            _, target = _resolved(self.target_btf, target_id)
            if not _names_match(local.name, target.name):
                return False
            match local, target:
                case t.Ptr(), t.Ptr():
                    behind_ptr = True
                    local_id, target_id = local.type, target.type
                case t.Array(), t.Array():
                    if local.nelems != target.nelems:
                        return False
                    local_id, target_id = local.type, target.type
                case t.FuncProto(), t.FuncProto():
                    if len(local.params) != len(target.params):
                        return False
                    for a, b in zip(local.params, target.params, strict=True):
                        if not self.match(a.type, b.type, behind_ptr, level - 1):
                            return False
                    local_id, target_id = local.type, target.type
                case _:
                    return self.match_leaf(local, target, behind_ptr, level)
        raise self.too_deep()

    def match_leaf(self, local: t.BtfType, target: t.BtfType, behind_ptr: bool, level: int) -> bool:
        match local, target:
            case t.Void(), t.Void():
                return True
            case t.Fwd(), t.Fwd():
                return local.is_union == target.is_union
            case t.Fwd(), t.Struct() | t.Union():
                return behind_ptr and local.is_union == isinstance(target, t.Union)
            case t.Enum() | t.Enum64(), t.Enum() | t.Enum64():
                return _enums_match(local, target)
            case t.Struct() | t.Union(), t.Struct() | t.Union():
                return local.kind == target.kind and (behind_ptr or self.composites_match(local, target, level))
            case t.Struct() | t.Union(), t.Fwd():
                return behind_ptr and target.is_union == isinstance(local, t.Union)
            case t.Int(), t.Int():
                return local.size == target.size and local.is_signed == target.is_signed
            case _:
                return False

    def composites_match(self, local: t.Composite, target: t.Composite, level: int) -> bool:
        # every local member has one in the target; more there are fine
        if len(local.members) > len(target.members):
            return False
        return all(
            any(
                _names_match(wanted.name, member.name) and self.match(wanted.type, member.type, False, level - 1)
                for member in target.members
            )
            for wanted in local.members
        )


def _names_match(local: str, target: str) -> bool:
    return essential_name(local) == essential_name(target)


def _enums_match(local: t.Enum | t.Enum64, target: t.Enum | t.Enum64) -> bool:
    if local.size != target.size or len(local.values) > len(target.values):
        return False
    names = {essential_name(value.name) for value in target.values}
    return all(essential_name(value.name) in names for value in local.values)


def types_are_compat(local_btf: Btf, local_id: int, target_btf: Btf, target_id: int) -> bool:
    """Whether types of one name are the same kind of thing (type_exists, type_size, type ids).

    :raises CoreRelocError: nested too deep.
    """
    return _Matcher(local_btf, target_btf).are_compat(local_id, target_id, MAX_RESOLVE_DEPTH)


def types_match(local_btf: Btf, local_id: int, target_btf: Btf, target_id: int) -> bool:
    """Whether a type has all that the local one has, member by member (type_matches).

    :raises CoreRelocError: nested too deep.
    """
    return _Matcher(local_btf, target_btf).match(local_id, target_id, False, MAX_RESOLVE_DEPTH)
