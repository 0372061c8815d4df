"""Helpers: the contract (FuncProto) and the mark that a helper function carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from beespace.decl.cproto import CFunction, parse_prototype
from beespace.uapi import bpf as uapi

__all__ = ["FuncProto", "helper", "marked_helpers"]

_F = TypeVar("_F", bound=Callable[..., Any])
_MARK = "__beespace_helper__"


@dataclass(frozen=True, slots=True)
class FuncProto:
    """``struct bpf_func_proto``: what a helper demands and returns.

    To add a helper: write it in the module named after its kernel source file (``helpers/``, ``maps/`` or a slice of
    ``subsys/``), mark it with helper(), list its name in the ``protos`` of the program types that may call it;
    ``tests/tables/test_helpers.py`` compares prototype, parameters and ``args``.

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
    only_map_types: frozenset[int] | None = None  # None: any; one switch of check_map_func_compatibility()
    since: str = ""  # first kernel version, "" for always
    until: str = ""  # first kernel version without it
    ref: str = ""  # kernel file:function
    impl: Callable[..., int] | None = None  # None: declared, running it raises Unsupported

    @property
    def c(self) -> CFunction:
        """The parsed prototype (parsed at first use)."""
        return parse_prototype(self.prototype)


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
        name = prototype.split("(", 1)[0].split()[-1].lstrip("*")
        number = func_id if func_id is not None else getattr(uapi, "BPF_FUNC_" + name.removeprefix("bpf_"))
        if "only_map_types" in contract and contract["only_map_types"] is not None:
            contract["only_map_types"] = frozenset(contract["only_map_types"])
        proto = FuncProto(name, number, prototype, ret, args, impl=func if implemented else None, **contract)
        setattr(func, _MARK, proto)
        return func

    return mark


def marked_helpers(module: object) -> list[FuncProto]:
    """The prototypes marked in *module*, in definition order."""
    found = [getattr(value, _MARK, None) for value in vars(module).values()]
    return [replace(proto) for proto in found if proto is not None]
