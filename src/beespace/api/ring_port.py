"""A ring buffer as a client sees it: two pieces of mapped memory and something to wait on, of a map or passed fds."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import select
from typing import TYPE_CHECKING, Any

from beespace.errors import SyscallError
from beespace.kernel.linux import LinuxKernel
from beespace.maps.ringbuf import set_ready
from beespace.mem import PAGE_BYTES, Mapping, buffer_address
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beespace.api.map import Map
    from beespace.kernel.poll import Waiter
    from beespace.kernel.seam import BpfKernel

__all__ = ["RingPort"]

_F_SEAL_FUTURE_WRITE = 16
_RW = mmap.PROT_READ | mmap.PROT_WRITE


class RingPort:
    """The mapped pages of a ring buffer.

    :ivar consumer: address of the consumer position; ``producer`` of the producer position, the data a page behind.
    :ivar size: bytes of data; ``mask`` one less.
    :ivar user: user space produces.
    """

    def __init__(self, consumer: memoryview, producer: memoryview, size: int, user: bool, waiter: Waiter) -> None:
        self._views = [consumer, producer]
        self.consumer = buffer_address(consumer)
        self.producer = buffer_address(producer)
        self.size = size
        self.mask = size - 1
        self.user = user
        self.waiter = waiter

    @classmethod
    def of_map(cls, bpf_map: Map, *, user: bool) -> RingPort:
        """Map a map's memory. :raises SyscallError: EINVAL for other maps."""
        return cls.of_fd(bpf_map.kernel, bpf_map.fd, bpf_map.map_type, bpf_map.max_entries, user=user)

    @classmethod
    def of_fd(cls, kernel: BpfKernel, fd: int, map_type: int, size: int, *, user: bool) -> RingPort:
        """The same for an fd of a kernel."""
        if map_type != (uapi.BPF_MAP_TYPE_USER_RINGBUF if user else uapi.BPF_MAP_TYPE_RINGBUF):
            raise SyscallError(errno.EINVAL, f"a map of type {map_type} as {'user ' if user else ''}ring buffer")
        consumer = kernel.mmap(fd, PAGE_BYTES, mmap.PROT_READ if user else _RW)
        producer = kernel.mmap(fd, PAGE_BYTES + 2 * size, _RW if user else mmap.PROT_READ, PAGE_BYTES)
        return cls(consumer, producer, size, user, kernel.poll(fd))

    @classmethod
    def of_fds(cls, fds: Sequence[int], *, user: bool) -> RingPort:
        """Map what another process passed: see Map.ring_fds(). The fds are taken over."""
        if len(fds) == 1:
            info = _linux_info(fds[0])
            return cls.of_fd(LinuxKernel(), fds[0], info.type, info.max_entries, user=user)
        consumer_fd, producer_fd, event_fd = fds
        size = os.fstat(producer_fd).st_size - PAGE_BYTES
        sealed = bool(fcntl.fcntl(producer_fd, fcntl.F_GET_SEALS) & _F_SEAL_FUTURE_WRITE)
        if sealed is user:
            raise SyscallError(errno.EINVAL, f"fds of a {'' if user else 'user '}ring buffer")
        first, rest = Mapping(PAGE_BYTES), Mapping(PAGE_BYTES + 2 * size)
        first.share(first.address, PAGE_BYTES, consumer_fd, 0, writable=not user)
        rest.share(rest.address, PAGE_BYTES + size, producer_fd, 0, writable=user)
        rest.share(rest.address + PAGE_BYTES + size, size, producer_fd, PAGE_BYTES, writable=user)
        os.close(consumer_fd)
        os.close(producer_fd)
        one, two = (mapping.view(mapping.address, mapping.size) for mapping in (first, rest))
        return cls(one, two, size, user, _EventWaiter(event_fd, user))

    def window(self, address: int, size: int) -> memoryview:
        """Bytes of the data."""
        start = address - self.producer
        return self._views[1][start : start + size]

    def close(self) -> None:
        """Unmap."""
        self._views.clear()
        self.waiter.close()


class _EventWaiter:
    # What a passed eventfd is to wait on; see Waiter.
    def __init__(self, fd: int, user: bool) -> None:
        self._fd = fd
        self._user = user

    def fileno(self) -> int:
        return self._fd

    @property
    def events(self) -> int:
        return select.EPOLLOUT if self._user else select.EPOLLIN

    def settle(self, more: bool) -> None:
        set_ready(self._fd, self._user, False)
        if more:
            set_ready(self._fd, self._user, True)

    def wait(self, timeout_ms: int) -> bool:
        poller = select.poll()
        poller.register(self._fd, self.events)
        return bool(poller.poll(timeout_ms))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _linux_info(fd: int) -> Any:
    from beespace.api.calls import Calls

    return Calls(LinuxKernel()).map_info(fd)
