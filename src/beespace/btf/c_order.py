"""The order in which C needs type definitions.

A type that is embedded in another must be defined before it (a strong link). One that is only pointed to can be
declared in advance, if it has a name (a weak link). A chain of types from X to Y is weak when a pointer is in it and a
named type after the pointer.

:see: tools/lib/bpf/btf_dump.c:btf_dump_order_type
"""

from __future__ import annotations

import errno
from enum import Enum, auto

from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.btf.build import references

__all__ = ["MAX_DEPTH", "Budget", "Orderer", "referenced_ids"]

MAX_DEPTH = 200


class Budget:
    """Bounds the work on BTF that says little but nests exponentially."""

    def __init__(self, btf: Btf, factor: int) -> None:
        self.btf = btf
        self.left = 100_000 + factor * (len(btf.raw) // 4 + (len(btf.base.raw) // 4 if btf.base else 0))

    def spend(self) -> None:
        """One step.

        :raises BtfError: there were too many.
        """
        self.left -= 1
        if self.left < 0:
            raise self.btf.error("types nest too often to be printed")


class _State(Enum):
    ORDERING = auto()
    ORDERED = auto()


def referenced_ids(btf: Btf) -> set[int]:
    """Types that another type refers to; an anonymous enum that none refers to stands for itself."""
    return {ref for type_id in range(1, btf.nr_types) for ref in references(btf.type(type_id))}


class Orderer:
    """Topological order of definitions; remembers what it has handed out."""

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self.referenced = referenced_ids(btf)
        self._states: dict[int, _State] = {}
        self._queue: list[int] = []
        self._budget = Budget(btf, 32)

    def order(self, type_id: int) -> list[int]:
        """What has to be defined, in order, so that *type_id* is; without what was returned before.

        :raises BtfError: structs contain each other, or nest too deep.
        """
        self._queue = []
        self._visit(type_id, False, 0)
        return self._queue

    def _visit(self, type_id: int, through_ptr: bool, depth: int) -> bool:
        # Whether the link to the type is strong.
        self._budget.spend()
        if depth > MAX_DEPTH:
            raise self.btf.error(f"[{type_id}] types nested more than {MAX_DEPTH} deep")
        state = self._states.get(type_id)
        if state is _State.ORDERED:
            return True
        btf_type = self.btf.type(type_id)
        if state is _State.ORDERING:
            if isinstance(btf_type, t.Struct | t.Union) and through_ptr and btf_type.name:
                return False
            error = self.btf.error(f"unsatisfiable type cycle, id:[{type_id}]")
            error.errno = errno.ELOOP
            raise error
        match btf_type:
            case t.Struct() | t.Union():
                return self._visit_composite(type_id, btf_type, through_ptr, depth)
            case t.Enum() | t.Enum64() | t.Fwd():
                if btf_type.name or type_id not in self.referenced:
                    self._queue.append(type_id)
                self._states[type_id] = _State.ORDERED
                return True
            case t.Typedef(type=ref):
                if not self._visit(ref, through_ptr, depth + 1) and through_ptr:
                    return False
                self._queue.append(type_id)
                self._states[type_id] = _State.ORDERED
                return True
            case t.Ptr(type=ref):
                strong = self._visit(ref, True, depth + 1)
                self._states[type_id] = _State.ORDERED
                return strong
            case t.Array(type=ref):
                return self._visit(ref, False, depth + 1)
            case t.Volatile(type=ref) | t.Const(type=ref) | t.Restrict(type=ref) | t.TypeTag(type=ref):
                return self._visit(ref, through_ptr, depth + 1)
            case t.FuncProto(type=ret, params=params):
                links = [self._visit(ref, through_ptr, depth + 1) for ref in (ret, *(p.type for p in params))]
                return any(links)
            case _:  # integers need no definition; variables, functions and tags are none
                self._states[type_id] = _State.ORDERED
                return False

    def _visit_composite(self, type_id: int, composite: t.Composite, through_ptr: bool, depth: int) -> bool:
        if through_ptr and composite.name:
            return False
        self._states[type_id] = _State.ORDERING
        for member in composite.members:
            self._visit(member.type, False, depth + 1)
        if composite.name:
            self._queue.append(type_id)
        self._states[type_id] = _State.ORDERED
        return True
