"""The task that programs and bpf(2) see as ``current``."""

from __future__ import annotations

from beespace.values import mutable

__all__ = ["Task"]


@mutable
class Task:
    """The simulated caller; tests set what their programs look at.

    :ivar pid: of the thread, ``tgid`` of its process.
    """

    pid: int = 4242
    tgid: int = 4242
    uid: int = 0
    gid: int = 0
    comm: str = "beespace"
