"""Kfuncs: the prototype carries the contract, the row of a set carries the flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from beespace.decl.cproto import CFunction, parse_prototype
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.decl.prog import Program

__all__ = ["COMMON", "KfuncProto", "KfuncSet", "declare_kfunc", "kfunc"]

_F = TypeVar("_F", bound=Callable[..., Any])
_MARK = "__beespace_kfunc__"

COMMON = -1  # hook: every program type (BTF_KFUNC_HOOK_COMMON)


@frozen
class KfuncProto:
    """A kernel function that programs may call, found by its name in BTF.

    To implement a kfunc of Linux: prototype and sets are declared in the slices (``subsys/*/kfuncs*.py``); write the
    function beside its kin and mark it with ``implements("bpf_...")``. To add one Linux does not have: mark it with
    kfunc(), give it a row in a KfuncSet with the flags it has for that hook. ``tests/tables/test_kfuncs.py`` compares
    the declarations with the kernel's BTF.
    """

    name: str
    prototype: str  # C, with the kernel's parameter suffixes (__sz, __k, __ign, __nullable, ...)
    since: str = ""
    until: str = ""
    ref: str = ""
    impl: Callable[..., int] | None = None  # None: declared, running it raises Unsupported

    @property
    def c(self) -> CFunction:
        """The parsed prototype (parsed at first use)."""
        return parse_prototype(self.prototype)


@frozen
class KfuncSet:
    """``struct btf_kfunc_id_set``: which kfuncs the programs of some hooks may call, with which flags.

    :ivar hooks: program types, or COMMON.
    :ivar rows: kfunc name -> KF_* flags (u32, include/linux/btf.h).
    :ivar filter: refuses a (program type, attach type, kfunc name) the set would admit; True means refused.
    :ivar prog_filter: the same for what only the program tells (struct_ops type and member): (Program, kfunc name).
    """

    name: str
    hooks: frozenset[int]
    rows: Mapping[str, int]
    filter: Callable[[int, int, str], bool] | None = None
    since: str = ""
    until: str = ""
    prog_filter: Callable[[Program, str], bool] | None = None


def declare_kfunc(prototype: str, since: str = "", *, until: str = "", ref: str = "") -> KfuncProto:
    """A row of a table of kfuncs: the contract without the function (see implements()).

    >>> declare_kfunc("void bpf_rcu_read_lock(void)").name
    'bpf_rcu_read_lock'
    """
    name = prototype.split("(", 1)[0].split()[-1].lstrip("*")
    return KfuncProto(name, prototype, since, until, ref)


def kfunc(
    prototype: str, *, since: str = "", until: str = "", ref: str = "", implemented: bool = True
) -> Callable[[_F], _F]:
    """Mark a function as a kfunc's implementation; called like a helper (see helper())."""

    def mark(func: _F) -> _F:
        name = prototype.split("(", 1)[0].split()[-1].lstrip("*")
        setattr(func, _MARK, KfuncProto(name, prototype, since, until, ref, func if implemented else None))
        return func

    return mark


def marked_kfuncs(module: object) -> list[KfuncProto]:
    """The kfuncs marked in *module*, in definition order."""
    found = [getattr(value, _MARK, None) for value in vars(module).values()]
    return [proto for proto in found if proto is not None]
