"""BPF_MAP_TYPE_RINGBUF and BPF_MAP_TYPE_USER_RINGBUF: storage in shared memory, mmap, who waits.

:see: kernel/bpf/ringbuf.c
"""

from __future__ import annotations

import os
from errno import EINVAL, EPERM
from typing import TYPE_CHECKING

from beespace.decl.map import MapLayout, MapType
from beespace.errors import ENOTSUPP, SyscallError
from beespace.maps.base import BpfMap
from beespace.maps.ring_core import native_ops, ring_available
from beespace.maps.state import RingState, ring_state
from beespace.mem import PAGE_BYTES, Mapping, SharedPages, raw
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.maps.env import MapEnv
    from beespace.uapi.attr import MapCreateAttr

__all__ = ["RINGBUF", "USER_RINGBUF", "RingbufMap", "UserRingbufMap", "set_ready"]

_CREATE_FLAGS = uapi.BPF_F_NUMA_NODE
_POS_PAGES = 2 * PAGE_BYTES
_MAX_WAITERS = 512
_WAITERS_OFF = 64  # in the private page: state address, the dynptr of callbacks, then who waits
_DYNPTR_OFF = 16
_NOT_READY_TO_WRITE = 0xFFFFFFFFFFFFFFFE  # counter of an eventfd that nothing can be added to


def set_ready(fd: int, user_produces: bool, ready: bool) -> None:
    """Make a waiter's eventfd ready, or not any more until the next wake-up.

    Ready means readable; when user space produces, writable: not ready is a counter that nothing can be added to.
    """
    try:
        if ready != user_produces:
            os.eventfd_write(fd, 1 if ready else _NOT_READY_TO_WRITE)
        else:
            os.eventfd_read(fd)
    except BlockingIOError:
        pass  # it was like that


class RingbufMap(BpfMap):
    """Programs produce records, user space consumes them.

    ::

        guest memory    | private page | consumer page | producer page | data | data |
        memfds                         | consumer      | producer, data       |
        mmap offset                    0               4096            8192

    Only the data is visible to programs. The side that may not write a memfd cannot: it is sealed.
    """

    USER_PRODUCES = False
    HAS_MMAP = True

    @classmethod
    def map_alloc_check(cls, attr: MapCreateAttr, env: MapEnv) -> None:
        """Power of two, multiple of the page size. :raises SyscallError: EINVAL."""
        size = attr.max_entries
        if attr.map_flags & ~_CREATE_FLAGS or attr.key_size or attr.value_size:
            raise SyscallError(EINVAL, "BPF_MAP_CREATE")
        if size == 0 or size & (size - 1) or size % PAGE_BYTES:
            raise SyscallError(EINVAL, "BPF_MAP_CREATE", hint=f"{size} bytes: no power of two pages")

    def map_alloc(self) -> None:
        """:raises SyscallError: ENOMEM."""
        size, space = self.max_entries, self.env.space
        self._eventfds: list[int] = []
        self._idle: list[int] = []
        self._consumer = SharedPages("bpf-ringbuf-consumer", PAGE_BYTES)
        self._producer = SharedPages("bpf-ringbuf", PAGE_BYTES + size)
        name = f"ringbuf {self.attr.map_name.decode('utf-8', 'replace')}".rstrip()
        region = self.alloc(PAGE_BYTES + _POS_PAGES + 2 * size, name)
        first = region.first
        data = first + PAGE_BYTES + _POS_PAGES
        self._consumer.map(space.mapping, first + PAGE_BYTES, PAGE_BYTES, 0)
        self._producer.map(space.mapping, first + 2 * PAGE_BYTES, PAGE_BYTES + size, 0)
        self._producer.map(space.mapping, data + size, size, PAGE_BYTES)
        self._consumer.seal(readonly=self.USER_PRODUCES)
        self._producer.seal(readonly=not self.USER_PRODUCES)
        space.set_bounds(region, data, 2 * size)
        lens = self.alloc_hidden(size // 2, f"headers of {name}")
        raw.store64(first, self.state)
        state = self.ring
        state.data, state.mask = data, size - 1
        state.consumer, state.producer = first + PAGE_BYTES, first + 2 * PAGE_BYTES
        state.lens, state.waiters, state.dynptr = lens, first + _WAITERS_OFF, first + _DYNPTR_OFF
        state.user = self.USER_PRODUCES

    @property
    def ring(self) -> RingState:
        """Positions and bookkeeping."""
        return ring_state(self.state)

    def map_check_btf(self, key: int, value: int) -> None:
        """There are neither keys nor values whose types could be given. :raises SyscallError: EINVAL."""
        raise SyscallError(EINVAL, "BPF_MAP_CREATE")

    def free_memory(self) -> None:
        """Mappings of user space stay."""
        for fd in self._eventfds:
            os.close(fd)
        self._consumer.close()
        self._producer.close()
        super().free_memory()

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """-ENOTSUPP."""
        return -ENOTSUPP

    def layout(self) -> MapLayout:
        """Helpers are called natively."""
        return MapLayout(self.descriptor, max_entries=self.max_entries, state=self.state, natives=native_ops())

    # -- user space

    def map_mmap(self, length: int, writable: bool, offset: int) -> memoryview:
        """The positions and the data, twice. :raises SyscallError: EPERM, EINVAL."""
        self.check_writable(length, writable, offset)
        whole = _POS_PAGES + 2 * self.max_entries
        if offset + length > whole:
            raise SyscallError(EINVAL, "mmap")
        mapping = Mapping(length)
        at, end, address = offset, offset + length, mapping.address
        while at < end:
            pages, base, limit = self._part(at)
            step = min(end, limit) - at
            pages.map(mapping, address, step, at - base, writable=writable)
            at, address = at + step, address + step
        return mapping.view(mapping.address, length, writable=writable)

    def check_writable(self, length: int, writable: bool, offset: int) -> None:
        """User space writes the consumer position and nothing else. :raises SyscallError: EPERM."""
        if writable and (offset != 0 or length != PAGE_BYTES):
            raise SyscallError(EPERM, "mmap")

    # What is at an offset: pages, where in the file they begin (as an offset of the mapping), where they end.
    def _part(self, offset: int) -> tuple[SharedPages, int, int]:
        if offset < PAGE_BYTES:
            return self._consumer, 0, PAGE_BYTES
        first_end = _POS_PAGES + self.max_entries
        if offset < first_end:
            return self._producer, PAGE_BYTES, first_end
        return self._producer, PAGE_BYTES + self.max_entries, first_end + self.max_entries

    def pass_fds(self) -> list[int]:
        """New fds for another process: both memfds, an eventfd to wait on. It is woken as long as the map lives."""
        return [os.dup(fd) for fd in (*self.shared_fds(), self.add_waiter())]

    def shared_fds(self) -> tuple[int, int]:
        """The memfds of the consumer page and of the producer page with the data; they belong to the map."""
        return self._consumer.fd, self._producer.fd

    # -- who waits

    def map_poll(self) -> int:
        """EPOLLIN with anything between the positions, committed or not; else 0."""
        return _EPOLLIN if ring_available(self.state) else 0

    def add_waiter(self) -> int:
        """An eventfd that becomes ready for what map_poll() tells; ready now if it is. remove_waiter() it."""
        if self._idle:
            fd = self._idle.pop()
        else:
            if len(self._eventfds) == _MAX_WAITERS:
                raise SyscallError(EINVAL, f"more than {_MAX_WAITERS} waiters for a ring buffer")
            fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            waiters, count = self.ring.waiters, len(self._eventfds)
            self._eventfds.append(fd)
            raw.store32(waiters + 4 + 4 * count, fd)
            raw.store_release32(waiters, count + 1)
        self.set_waiter(fd, bool(self.map_poll()))
        return fd

    def set_waiter(self, fd: int, ready: bool) -> None:
        """set_ready() for this kind of ring buffer."""
        set_ready(fd, self.USER_PRODUCES, ready)

    def remove_waiter(self, fd: int) -> None:
        """Nobody waits there any more. The fd is kept for the next one: a program may be about to write to it."""
        self._idle.append(fd)


class UserRingbufMap(RingbufMap):
    """User space produces samples, a program drains them."""

    USER_PRODUCES = True

    def check_writable(self, length: int, writable: bool, offset: int) -> None:
        """User space writes everything but the consumer position. :raises SyscallError: EPERM."""
        if writable and offset == 0:
            raise SyscallError(EPERM, "mmap")

    def map_poll(self) -> int:
        """EPOLLOUT unless the buffer is full; else 0."""
        return _EPOLLOUT if ring_available(self.state) < self.max_entries else 0


_EPOLLIN, _EPOLLOUT = 0x1 | 0x40, 0x4 | 0x100  # with RDNORM, WRNORM

RINGBUF = MapType(
    uapi.BPF_MAP_TYPE_RINGBUF,
    "ringbuf",
    create_flags=_CREATE_FLAGS,
    only_helpers=frozenset({
        uapi.BPF_FUNC_ringbuf_output, uapi.BPF_FUNC_ringbuf_reserve, uapi.BPF_FUNC_ringbuf_query,
        uapi.BPF_FUNC_ringbuf_reserve_dynptr, uapi.BPF_FUNC_ringbuf_submit_dynptr,
        uapi.BPF_FUNC_ringbuf_discard_dynptr,
    }),
    value_access=False,
    since="5.8",
    ref="kernel/bpf/ringbuf.c:ringbuf_map_ops",
    storage=RingbufMap,
)  # fmt: skip
USER_RINGBUF = MapType(
    uapi.BPF_MAP_TYPE_USER_RINGBUF,
    "user_ringbuf",
    create_flags=_CREATE_FLAGS,
    only_helpers=frozenset({uapi.BPF_FUNC_user_ringbuf_drain}),
    value_access=False,
    since="6.1",
    ref="kernel/bpf/ringbuf.c:user_ringbuf_map_ops",
    storage=UserRingbufMap,
)
RingbufMap.TYPE = RINGBUF
UserRingbufMap.TYPE = USER_RINGBUF
