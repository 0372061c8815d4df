"""Waiting for descriptors of the host inside of its event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["FdReady"]


class FdReady:
    """A descriptor that any number of tasks of one asyncio loop wait for.

    :param write: wait until it is writable, not readable.
    """

    def __init__(self, fd: int, *, write: bool = False) -> None:
        self._fd = fd
        self._write = write
        self._futures: list[asyncio.Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def wait(self) -> None:
        """Return when it is ready; all who wait are told together."""
        import asyncio

        loop = self._loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._futures.append(future)
        if len(self._futures) == 1:  # a loop has one callback for each descriptor
            (loop.add_writer if self._write else loop.add_reader)(self._fd, self._ready)
        try:
            await future
        finally:
            if future in self._futures:
                self._futures.remove(future)
                if not self._futures:
                    self._forget()

    def _ready(self) -> None:
        self._forget()
        futures, self._futures = self._futures, []
        for future in futures:
            if not future.done():
                future.set_result(None)

    def _forget(self) -> None:
        assert self._loop is not None
        (self._loop.remove_writer if self._write else self._loop.remove_reader)(self._fd)
