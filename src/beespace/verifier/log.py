"""The text of the log: appended, cut back to a position, nothing else.

At level 0 only the messages of a rejection arrive here; what describes states and instructions is rendered when
somebody listens (``Log.level``).

:see: kernel/bpf/log.c:bpf_verifier_vlog, bpf_vlog_reset
"""

from __future__ import annotations

__all__ = ["BPF_LOG_LEVEL", "BPF_LOG_LEVEL1", "BPF_LOG_LEVEL2", "BPF_LOG_STATS", "Log"]

BPF_LOG_LEVEL1 = 1
BPF_LOG_LEVEL2 = 2
BPF_LOG_STATS = 4
BPF_LOG_LEVEL = BPF_LOG_LEVEL1 | BPF_LOG_LEVEL2


class Log:
    """A verifier log.

    :ivar level: BPF_LOG_LEVEL1 (each insn of the failing path), BPF_LOG_LEVEL2 (every path), BPF_LOG_STATS.
    :ivar pos: characters written so far.
    """

    def __init__(self, level: int, limit: int) -> None:
        self.level = level
        self.pos = 0
        self._parts: list[str] = []
        self._limit = limit
        self._dropped = 0

    def write(self, text: str) -> None:
        """Append *text*. Beyond the limit the oldest text is given up, as in a log buffer of fixed size."""
        self._parts.append(text)
        self.pos += len(text)
        if self.pos - self._dropped > 2 * self._limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        text = "".join(self._parts)
        kept = text[-self._limit :]
        self._dropped += len(text) - len(kept)
        self._parts = [kept]

    def reset(self, pos: int) -> None:
        """Forget what was written after position *pos*."""
        while self.pos > pos and self._parts:
            last = self._parts.pop()
            self.pos -= len(last)
            if self.pos < pos:
                self._parts.append(last[: pos - self.pos])
                self.pos = pos
        self.pos = pos

    def last_line(self) -> str:
        """The line written last."""
        text = "".join(self._parts[-20:]).rstrip("\n")
        return text.rsplit("\n", 1)[-1]

    def text(self, start: int = 0) -> str:
        """The text from position *start* on."""
        return "".join(self._parts)[max(0, start - self._dropped) :]
