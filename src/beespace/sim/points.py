"""Where concurrent code may be interrupted: the hook that kernel logic calls at each lock, atomic and shared store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from beespace.errors import InternalError

__all__ = ["Deadlock", "Points", "Scheduler"]


class Deadlock(InternalError):
    """Everybody waits for somebody."""


class Scheduler(Protocol):
    """Who decides at a point whether somebody else goes on; see interleave.Interleaver."""

    def point(self, what: str) -> None: ...
    def wait(self, condition: Callable[[], bool], what: str) -> None: ...
    def mask(self, delta: int) -> None: ...


class Points:
    """The points of one kernel. Without a scheduler everything runs to its end, one after another.

    :ivar scheduler: who is asked; None: nobody else runs.
    """

    __slots__ = ("scheduler",)

    def __init__(self) -> None:
        self.scheduler: Scheduler | None = None

    def point(self, what: str) -> None:
        """A shared access comes next; others may run before it."""
        if self.scheduler is not None:
            self.scheduler.point(what)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Go on when *condition* holds; it only reads.

        :raises Deadlock: nobody is left who could make it true.
        """
        if self.scheduler is not None:
            self.scheduler.wait(condition, what)
        elif not condition():
            raise Deadlock(f"{what}: nobody else runs")

    def irq_save(self) -> None:
        """Nothing interrupts this CPU until irq_restore()."""
        if self.scheduler is not None:
            self.scheduler.mask(1)

    def irq_restore(self) -> None:
        """Undo one irq_save()."""
        if self.scheduler is not None:
            self.scheduler.mask(-1)
