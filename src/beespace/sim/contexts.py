"""Simulated CPUs: what runs on them now, and what may interrupt what."""

from __future__ import annotations

from enum import IntEnum

from beespace.errors import InternalError

__all__ = ["Context", "ContextKind", "Cpus"]


class ContextKind(IntEnum):
    """Where code runs. A higher kind interrupts a lower one on its CPU, never the other way round.

    Workers are tasks with another name: both may sleep, and either may be preempted by the other.
    """

    TASK = 0
    WORKER = 1
    SOFTIRQ = 2
    HARDIRQ = 3
    NMI = 4

    @property
    def rank(self) -> int:
        """Equal ranks do not interrupt each other; tasks and workers share rank 0."""
        return _RANKS[self]

    @property
    def may_sleep(self) -> bool:
        """Whether code in it may wait."""
        return self.rank == 0


_RANKS = (0, 0, 1, 2, 3)  # by ContextKind


class Context:
    """One level of execution on one CPU."""

    __slots__ = ("cpu", "kind")

    def __init__(self, kind: ContextKind, cpu: int) -> None:
        self.kind = kind
        self.cpu = cpu

    def __repr__(self) -> str:
        return f"{self.kind.name.lower()}@cpu{self.cpu}"


class Cpus:
    """The contexts that are being executed, innermost last.

    :ivar stack: never empty: its first entry is the task that the caller of the kernel is. The interleaving scheduler
        gives every strand a stack of its own.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.stack = [Context(ContextKind.TASK, 0)]

    @property
    def current(self) -> Context:
        """What is executing."""
        return self.stack[-1]

    @property
    def cpu(self) -> int:
        """smp_processor_id()."""
        return self.stack[-1].cpu

    @property
    def in_nmi(self) -> bool:
        """in_nmi()."""
        return self.stack[-1].kind is ContextKind.NMI

    def enter(self, kind: ContextKind, cpu: int) -> _Entered:
        """Execute in a context: it interrupts what the CPU does, or another CPU starts it. A context manager.

        :raises InternalError: no such CPU, or what is executing there cannot be interrupted by *kind*.
        """
        if not 0 <= cpu < self.count:
            raise InternalError(f"cpu {cpu} of {self.count}")
        rank = _RANKS[kind]
        if rank:
            for below in self.stack:
                if below.cpu == cpu and _RANKS[below.kind] >= rank:
                    raise InternalError(f"a {kind.name.lower()} cannot interrupt {below!r}")
        return _Entered(self, kind, cpu)


class _Entered:
    __slots__ = ("_context", "_cpus")

    def __init__(self, cpus: Cpus, kind: ContextKind, cpu: int) -> None:
        self._cpus = cpus
        self._context = Context(kind, cpu)

    def __enter__(self) -> Context:
        self._cpus.stack.append(self._context)
        return self._context

    def __exit__(self, *error: object) -> None:
        self._cpus.stack.remove(self._context)
