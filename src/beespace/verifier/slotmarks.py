"""What the walk tells liveness.py and asks it: the interface alone, so that callers compile without its arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beespace.verifier.state import VerifierState

__all__ = ["SlotMarks", "SlotQuery"]


class SlotQuery:
    """Answers for one state."""

    def is_alive(self, frameno: int, spi: int) -> bool:
        """May slot *spi* of frame *frameno* be read from here on?"""
        raise NotImplementedError


class SlotMarks:
    """Marks of stack slots: read, written."""

    def reset_callchain(self) -> None:
        """The chain of calls has changed."""
        raise NotImplementedError

    def mark_read(self, frame: int, insn_idx: int, mask: int) -> None:
        """The slots *mask* of *frame* may be read by *insn_idx*."""
        raise NotImplementedError

    def begin_insn(self, insn_idx: int) -> None:
        """What mark_write() tells from here on is of *insn_idx*."""
        raise NotImplementedError

    def mark_write(self, frame: int, mask: int) -> None:
        """The slots *mask* of *frame* are written as a whole."""
        raise NotImplementedError

    def commit_insn(self) -> None:
        """The insn that begin_insn() named has been walked."""
        raise NotImplementedError

    def update(self) -> None:
        """Bring live slots up to date for all frames of the current state, before it is left."""
        raise NotImplementedError

    def query(self, state: VerifierState) -> SlotQuery:
        """Prepare to ask which slots of *state* are live."""
        raise NotImplementedError
