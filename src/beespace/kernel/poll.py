"""Waiting for what stands behind an fd: descriptors of this process that epoll, poll, select and asyncio understand."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Protocol

from beespace.errors import SyscallError

if TYPE_CHECKING:
    from beespace.maps.ringbuf import RingbufMap

__all__ = ["LinuxWaiter", "MapWaiter", "Waiter"]


class Waiter(Protocol):
    """Something to wait on, like an item of epoll: ready when there is something, then after each wake-up.

    A kernel's own fd tells by itself when there is nothing left. A simulated one is told, by settle().
    """

    def fileno(self) -> int:
        """The descriptor to wait on, for ``events``; it stays the waiter's."""
        ...

    @property
    def events(self) -> int:
        """``select.EPOLLIN`` or ``select.EPOLLOUT``."""
        ...

    def settle(self, more: bool) -> None:
        """Say after having looked whether *more* is there; without more the descriptor is ready at the next wake-up."""
        ...

    def wait(self, timeout_ms: int) -> bool:
        """epoll_wait(2): whether it is ready in time. In simulation nothing happens while one waits."""
        ...

    def close(self) -> None:
        """Wait no more."""
        ...


class MapWaiter:
    """Waiter on a simulated ring buffer: an eventfd."""

    def __init__(self, bpf_map: RingbufMap) -> None:
        self._map = bpf_map
        self._shared = bpf_map.add_waiter()
        self._fd = os.dup(self._shared)  # the map may go first

    def fileno(self) -> int:
        """The eventfd."""
        return self._fd

    @property
    def events(self) -> int:
        """EPOLLOUT when user space produces."""
        return select.EPOLLOUT if self._map.USER_PRODUCES else select.EPOLLIN

    def settle(self, more: bool) -> None:
        """See Waiter. What comes meanwhile makes it ready again."""
        self._map.set_waiter(self._fd, False)
        if more:
            self._map.set_waiter(self._fd, True)

    def wait(self, timeout_ms: int) -> bool:
        """ep_poll(): woken, and there is something."""
        poller = select.poll()
        poller.register(self._fd, self.events)
        if not poller.poll(0):
            return False
        self.settle(bool(self._map.map_poll()))
        return bool(poller.poll(0))

    def close(self) -> None:
        """Give the eventfd back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._map.remove_waiter(self._shared)
            self._fd = -1


class LinuxWaiter:
    """Waiter on a map of the running kernel: its fd."""

    def __init__(self, fd: int, events: int) -> None:
        try:
            self._fd = os.dup(fd)
        except OSError as error:
            raise SyscallError(error.errno or 0, f"dup {fd}") from None
        self.events = events
        self._epoll = select.epoll()
        self._epoll.register(self._fd, events)

    def fileno(self) -> int:
        """The map's own file."""
        return self._fd

    def settle(self, more: bool) -> None:
        """Nothing: the kernel knows."""

    def wait(self, timeout_ms: int) -> bool:
        """epoll_wait(2)."""
        return bool(self._epoll.poll(timeout_ms / 1000))

    def close(self) -> None:
        """Close the descriptor."""
        if self._fd >= 0:
            self._epoll.close()
            os.close(self._fd)
            self._fd = -1
