"""Waiting for descriptors of the host inside of its event loop."""

from __future__ import annotations

__all__ = ["fd_ready"]


async def fd_ready(fd: int, *, write: bool = False) -> None:
    """Return when *fd* is readable (with *write*: writable) while other tasks of the running asyncio loop go on."""
    import asyncio

    loop = asyncio.get_running_loop()
    future = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)

    def ready() -> None:
        if not future.done():
            future.set_result(None)

    add(fd, ready)
    try:
        await future
    finally:
        remove(fd)
