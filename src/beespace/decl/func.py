"""Helpers: the contract (FuncProto) and the mark that a helper function carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from beespace.decl.cproto import CFunction, parse_prototype
from beespace.uapi import bpf as uapi
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.decl.prog import Program

__all__ = ["FuncProto", "declare", "helper", "implements", "marked_helpers", "marked_implementations"]

_F = TypeVar("_F", bound=Callable[..., Any])
_MARK = "__beespace_helper__"
_IMPLEMENTS = "__beespace_implements__"


@frozen
class FuncProto:
    """``struct bpf_func_proto``: what a helper demands and returns.

    To implement a helper of Linux: its contract stands in the table of its kernel source file (``helpers/protos/``,
    ``subsys/*/protos*.py``); write the function in the module named after that file (``helpers/``, ``maps/`` or a
    slice of ``subsys/``) and mark it with ``implements("bpf_...")``. To add a helper Linux does not have: mark the
    function with helper(), which carries the contract, and list its name in the ``protos`` of the program types that
    may call it. ``tests/tables/test_helpers.py`` compares prototype, parameters and ``args``.

    ``func_id`` is not a key: several prototypes may share one id, the program type's ``protos`` chooses.
    """

    name: str  # of the prototype: "bpf_skb_event_output"
    func_id: int  # enum bpf_func_id
    prototype: str  # C declaration, "void *bpf_ringbuf_reserve(struct bpf_map *ringbuf, u64 size, u64 flags)"
    ret: int  # enum bpf_return_type with its flags
    args: tuple[int, ...]  # enum bpf_arg_type with flags, one for each C parameter
    arg_btf_ids: tuple[str | None, ...] = ()  # struct names for ARG_PTR_TO_BTF_ID, positionally
    arg_sizes: tuple[int, ...] = ()  # bytes, for MEM_FIXED_SIZE arguments, positionally
    ret_btf_id: str | None = None  # struct name for RET_PTR_TO_BTF_ID
    gpl_only: bool = False
    pkt_access: bool = False  # may be given packet pointers
    changes_pkt_data: bool = False  # invalidates packet pointers (bpf_helper_changes_pkt_data)
    might_sleep: bool = False
    allow_fastcall: bool = False
    allowed: Callable[[Program], bool] | None = None  # False: "helper call is not allowed in probe"
    only_map_types: frozenset[int] | None = None  # None: any; one switch of check_map_func_compatibility()
    since: str = ""  # first kernel version, "" for always
    until: str = ""  # first kernel version without it
    config: tuple[str, ...] = ()  # options it needs, see Features.configured()
    ref: str = ""  # kernel file:function
    impl: Callable[..., int] | None = None  # None: declared, running it raises Unsupported

    @property
    def c(self) -> CFunction:
        """The parsed prototype (parsed at first use)."""
        return parse_prototype(self.prototype)


def _name_of(prototype: str) -> str:
    return prototype.split("(", 1)[0].split()[-1].lstrip("*")


def declare(prototype: str, ret: int, *args: int, func_id: int | None = None, **contract: Any) -> FuncProto:
    """A row of a table of helpers: the contract without the function (see implements()).

    :param func_id: for a variant whose name is not ``bpf_`` + the name in ``enum bpf_func_id``.
    :param contract: FuncProto's remaining fields.

    >>> declare("u64 bpf_ktime_get_ns(void)", 0).func_id
    5
    """
    name = _name_of(prototype)
    number = func_id if func_id is not None else getattr(uapi, "BPF_FUNC_" + name.removeprefix("bpf_"))
    if contract.get("only_map_types") is not None:
        contract["only_map_types"] = frozenset(contract["only_map_types"])
    return FuncProto(name, number, prototype, ret, args, **contract)


def implements(*names: str) -> Callable[[_F], _F]:
    """Mark a function as what runs for the declared helpers or kfuncs *names*; importing registers nothing.

    The function is called as helper() describes; Registry.build() joins it with the declarations. In compiled modules
    the mark is a call after the definition.
    """

    def mark(func: _F) -> _F:
        setattr(func, _IMPLEMENTS, names)
        return func

    return mark


def helper(
    prototype: str,
    *,
    ret: int,
    args: tuple[int, ...] = (),
    func_id: int | None = None,
    implemented: bool = True,
    **contract: Any,  # FuncProto's remaining fields, checked by it
) -> Callable[[_F], _F]:
    """Mark a function as the implementation of a helper; importing registers nothing.

    The function takes the run context, then the C arguments as machine words (unsigned 64-bit ``int``, truncated or
    sign-extended by the engine as the C types say; ``struct bpf_map *`` arrives as the map object), and returns an
    ``int`` that the engine wraps to 64 bits. ``-errno`` reports an error to the guest.
    """

    def mark(func: _F) -> _F:
        impl = func if implemented else None
        proto = declare(prototype, ret, *args, func_id=func_id, impl=impl, **contract)
        setattr(func, _MARK, proto)
        return func

    return mark


def marked_helpers(module: object) -> list[FuncProto]:
    """The prototypes marked in *module*, in definition order."""
    found = [getattr(value, _MARK, None) for value in vars(module).values()]
    return [replace(proto) for proto in found if proto is not None]


def marked_implementations(module: object) -> list[tuple[str, Callable[..., int]]]:
    """(declared name, function) for each implements() mark in *module*, in definition order."""
    return [(name, value) for value in vars(module).values() for name in getattr(value, _IMPLEMENTS, ())]
