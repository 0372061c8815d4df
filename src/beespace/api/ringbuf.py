"""Consumers and producers of ring buffers: what libbpf's ring_buffer and user_ring_buffer are, for every kernel.

:see: tools/lib/bpf/ringbuf.c
"""

from __future__ import annotations

import errno
import select
from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from beespace.api import ring_core
from beespace.api.ring_port import RingPort
from beespace.btf.codec import Codec
from beespace.errors import BpfError, SyscallError
from beespace.mem import buffer_address
from beespace.sim.wait import FdReady
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from types import TracebackType

    from beespace.api.map import Map
    from beespace.btf import Btf

__all__ = ["Records", "RingBuffer", "Sample", "UserRingBuffer"]

_UNLIMITED = (1 << 64) - 1
_KINDS = {
    "struct": (uapi.BTF_KIND_STRUCT,),
    "union": (uapi.BTF_KIND_UNION,),
    "enum": (uapi.BTF_KIND_ENUM, uapi.BTF_KIND_ENUM64),
}
_Callback = Callable[[Any], object]
_Convert = Callable[[memoryview], Any]


class Records(Sequence[memoryview]):
    """Records taken out of a ring buffer together: their bytes are a copy.

    :ivar data: all bytes, each record at a multiple of 8.
    :ivar spans: offset and length of each record, alternating.
    """

    __slots__ = ("_view", "data", "spans")

    def __init__(self, data: bytearray, spans: array[int]) -> None:
        self.data = data
        self.spans = spans
        self._view = memoryview(data)

    def __len__(self) -> int:
        return len(self.spans) // 2

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        off = self.spans[2 * index]
        return self._view[off : off + self.spans[2 * index + 1]]

    def __iter__(self) -> Iterator[memoryview]:
        view, spans = self._view, iter(self.spans)
        return (view[off : off + size] for off, size in zip(spans, spans, strict=True))

    def numpy(self, dtype: Any) -> Any:
        """An array of *dtype* over the bytes, without a copy, when all records have its size (a multiple of 8).

        :raises BpfError: they have not.
        """
        import numpy

        found = numpy.dtype(dtype)
        size = found.itemsize
        if size % 8 or any(length != size for length in self.spans[1::2]):
            raise BpfError(f"records of {sorted(set(self.spans[1::2]))} bytes as {found}, which has {size}")
        return numpy.frombuffer(self.data, found)


class _Ring:
    # One ring buffer of a RingBuffer.
    def __init__(self, port: RingPort, callback: _Callback | None, convert: _Convert) -> None:
        self.port = port
        self.callback = callback
        self.convert = convert
        self._out = array("Q", (0, 0))

    # Up to *limit* records; the position moves when they are copied.
    def take(self, limit: int) -> Records:
        port = self.port
        out = self._out.buffer_info()[0]
        count = ring_core.ring_peek(port.consumer, port.producer, port.mask, limit, out)
        if count < 0:
            raise _bad_ring()
        size, end = self._out
        data, spans = bytearray(size), array("Q", bytes(16 * count))
        address = buffer_address(data) if size else 0
        where = spans.buffer_info()[0]
        if ring_core.ring_copy(port.consumer, port.producer, port.mask, end, address, size, where, count) != count:
            raise _bad_ring()
        return Records(data, spans)

    # Whether a record is there; discarded ones in front of it are consumed.
    def pending(self) -> bool:
        found = ring_core.ring_skip(self.port.consumer, self.port.producer, self.port.mask)
        if found < 0:
            raise _bad_ring()
        return bool(found)


def _bad_ring() -> BpfError:
    return BpfError("positions or headers of the ring buffer make no sense: somebody else wrote to it")


class RingBuffer:
    """Consumer of one or several ring buffers of any kernel.

    ::

        with RingBuffer(obj.maps.events, type="struct event") as ring:
            for event in ring: ...                    what is there now
            ring.poll(timeout_ms=100)                 wait, then callbacks
            records = ring.batch()                    all that is there, as bytes
            async for event in ring: ...              as they come

    Nothing but the consumer moves the consumer position: one RingBuffer for each map.

    :param bpf_map: BPF_MAP_TYPE_RINGBUF; more with add().
    :param callback: called with each record by consume() and poll().
    :param type: C type of the records ("struct event"), looked up in the object's BTF; else records are bytes.
    """

    def __init__(
        self,
        bpf_map: Map | None = None,
        callback: Callable[[Any], object] | None = None,
        *,
        type: str = "",  # noqa: A002
    ) -> None:
        self._rings: list[_Ring] = []
        self._by_fd: dict[int, _Ring] = {}
        self._epoll = select.epoll()
        self._ready = FdReady(self._epoll.fileno())
        if bpf_map is not None:
            self.add(bpf_map, callback, type=type)

    @classmethod
    def from_fds(cls, fds: Sequence[int], callback: Callable[[Any], object] | None = None) -> RingBuffer:
        """Consume from another process: *fds* are what Map.ring_fds() gave, passed on; they are taken over."""
        ring = cls()
        ring._add(RingPort.of_fds(fds, user=False), callback, bytes)
        return ring

    def add(self, bpf_map: Map, callback: Callable[[Any], object] | None = None, *, type: str = "") -> None:  # noqa: A002
        """One more map to consume. :raises SyscallError: EINVAL: it is no ring buffer."""
        convert = _decoder(bpf_map.object_btf, type) if type else bytes
        self._add(RingPort.of_map(bpf_map, user=False), callback, convert)

    def _add(
        self, port: RingPort, callback: Callable[[Any], object] | None, convert: Callable[[memoryview], Any]
    ) -> None:
        ring = _Ring(port, callback, convert)
        self._rings.append(ring)
        self._by_fd[port.waiter.fileno()] = ring
        self._epoll.register(port.waiter.fileno(), port.waiter.events)

    def fileno(self) -> int:
        """An epoll descriptor, readable when there is something in any of the buffers."""
        return self._epoll.fileno()

    def batch(self, limit: int = _UNLIMITED) -> Records:
        """Take up to *limit* records out of the first buffer that has any, the fastest way; maybe none."""
        for ring in self._rings:
            records = ring.take(limit)
            ring.port.waiter.settle(len(records) == limit and ring.pending())
            if records:
                return records
        return Records(bytearray(), array("Q"))

    def __iter__(self) -> Iterator[Any]:
        """Records that are there now, one after another, over all buffers."""
        for ring in self._rings:
            while records := ring.take(_UNLIMITED):
                yield from map(ring.convert, records)
            ring.port.waiter.settle(False)

    def consume(self, limit: int = _UNLIMITED) -> int:
        """Call the callbacks for up to *limit* records that are there; how many. It does not wait."""
        return sum(self._consume(ring, limit) for ring in self._rings)

    def _consume(self, ring: _Ring, limit: int) -> int:
        done = 0
        while done < limit:
            # One at a time: what a callback that raises has not seen stays.
            records = ring.take(1 if ring.callback is not None else limit - done)
            if not records:
                break
            done += len(records)
            if ring.callback is not None:
                ring.callback(ring.convert(records[0]))
        ring.port.waiter.settle(done == limit and ring.pending())
        return done

    def poll(self, timeout_ms: int = -1) -> int:
        """Wait until there is something (-1: for ever), then consume() what is ready; how many records.

        On a simulated kernel something is there when a program ran, in this thread before or in another one.
        """
        ready = self._epoll.poll(timeout_ms / 1000 if timeout_ms >= 0 else None)
        return sum(self._consume(self._by_fd[fd], _UNLIMITED) for fd, _ in ready)

    async def wait(self) -> None:
        """Return when there is something; other tasks run meanwhile."""
        await self._ready.wait()

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Records as they come, for ever."""
        while True:
            for record in self:
                yield record
            await self.wait()

    def close(self) -> None:
        """Unmap all."""
        if not self._epoll.closed:
            self._epoll.close()
            for ring in self._rings:
                ring.port.close()
            self._rings.clear()

    def __enter__(self) -> RingBuffer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _decoder(btf: Btf | None, name: str) -> Callable[[memoryview], Any]:
    word = name.split()[0]
    kinds = _KINDS.get(word, (uapi.BTF_KIND_TYPEDEF, uapi.BTF_KIND_INT))
    type_id = btf.find(name.removeprefix(f"{word} "), *kinds) if btf is not None else 0
    if btf is None or not type_id:
        raise BpfError(f"no type {name!r} in the object's BTF")
    codec = Codec(btf, type_id)
    return codec.decode


class Sample:
    """Room in a user ring buffer: write to ``data``, then submit() or discard(). As a context manager it submits.

    :ivar data: writable bytes.
    """

    __slots__ = ("_address", "_done", "_port", "data")

    def __init__(self, port: RingPort, address: int, size: int) -> None:
        self._port = port
        self._address = address
        self._done = False
        self.data = port.window(address, size)

    def submit(self) -> None:
        """Give it to the kernel. :raises BpfError: it was submitted or discarded."""
        self._commit(False)

    def discard(self) -> None:
        """Have the kernel skip it. :raises BpfError: it was submitted or discarded."""
        self._commit(True)

    def _commit(self, discard: bool) -> None:
        if self._done:
            raise BpfError("a sample of a user ring buffer is committed twice")
        self._done = True
        self.data.release()
        ring_core.ring_commit(self._port.producer, self._port.mask, self._address, discard)

    def __enter__(self) -> memoryview:
        return self.data

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._done:
            self._commit(kind is not None)


class UserRingBuffer:
    """Producer of a user ring buffer of any kernel. One for each map; threads of a process may share it.

    ::

        with UserRingBuffer(obj.maps.commands) as ring:
            ring.put(b"...")
            with ring.reserve(8) as data:
                data[:] = ...

    :param bpf_map: BPF_MAP_TYPE_USER_RINGBUF.
    """

    def __init__(self, bpf_map: Map) -> None:
        self._open(RingPort.of_map(bpf_map, user=True))

    def _open(self, port: RingPort) -> None:
        self._port = port
        self._ready = FdReady(port.waiter.fileno(), write=True)

    @classmethod
    def from_fds(cls, fds: Sequence[int]) -> UserRingBuffer:
        """Produce from another process: *fds* are what Map.ring_fds() gave, passed on; they are taken over."""
        ring = cls.__new__(cls)
        ring._open(RingPort.of_fds(fds, user=True))
        return ring

    def fileno(self) -> int:
        """A descriptor for EPOLLOUT: ready after each drain that took something, and when there is room."""
        return self._port.waiter.fileno()

    def reserve(self, size: int) -> Sample:
        """Room for *size* bytes. :raises SyscallError: E2BIG for ever, ENOSPC until the kernel has drained."""
        sample = self._try_reserve(size)
        if sample is None:
            raise SyscallError(errno.ENOSPC, f"reserve of {size} bytes")
        return sample

    def _try_reserve(self, size: int) -> Sample | None:
        port = self._port
        address = ring_core.ring_reserve(port.consumer, port.producer, port.mask, size)
        if address == ring_core.TOO_BIG:
            raise SyscallError(errno.E2BIG, f"reserve of {size} bytes in a buffer of {port.size}")
        return Sample(port, address, size) if address != ring_core.NO_ROOM else None

    def reserve_blocking(self, size: int, timeout_ms: int = -1) -> Sample:
        """Room for *size* bytes, when a drain has made it. :raises SyscallError: E2BIG, ETIMEDOUT (-1: never).

        :see: user_ring_buffer__reserve_blocking
        """
        while True:
            # Before looking: a drain after this is noticed.
            self._port.waiter.settle(False)
            sample = self._try_reserve(size)
            if sample is not None:
                return sample
            if not self._port.waiter.wait(timeout_ms):
                raise SyscallError(errno.ETIMEDOUT, f"reserve of {size} bytes")

    async def areserve(self, size: int) -> Sample:
        """As reserve_blocking(), with other tasks running meanwhile."""
        while True:
            self._port.waiter.settle(False)
            sample = self._try_reserve(size)
            if sample is not None:
                return sample
            await self._ready.wait()

    def put(self, data: bytes | bytearray | memoryview) -> None:
        """A sample with these bytes. :raises SyscallError: E2BIG, ENOSPC."""
        with self.reserve(len(data)) as room:
            room[:] = data

    def close(self) -> None:
        """Unmap. Samples that were not committed stay busy: the kernel stops there."""
        self._port.close()

    def __enter__(self) -> UserRingBuffer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
