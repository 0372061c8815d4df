"""Clients of ring buffers: the same code on the simulated kernel, with both engines, and on the real one."""

import array
import asyncio
import errno
import os
import socket
import struct
from pathlib import Path

import pytest

import beespace
from beespace.api import ring_core

OBJECT = Path(__file__).parents[2] / "programs" / "ringbuf.bpf.o"
FORCE, NO_WAKEUP = 2, 1


def real_kernel():
    kernel = beespace.LinuxKernel()
    if reason := kernel.allowed():
        pytest.skip(reason)
    return kernel


@pytest.fixture(params=["interp", "jit", pytest.param("linux", marks=pytest.mark.oracle)])
def obj(request):
    kernel = real_kernel() if request.param == "linux" else beespace.Kernel(cpus=2, engine=request.param)
    with kernel, kernel.load(OBJECT) as obj:
        yield obj


def produce(obj, count=1, flags=0, size=16):
    return obj.progs[f"produce{size}"].run(ctx=struct.pack("<II", count, flags)).retval


def drain(obj, flags=0):
    return obj.progs.drain.run(ctx=struct.pack("<II", 0, flags)).retval


def more(obj, value, prog="put_more"):
    return obj.progs[prog].run(ctx=struct.pack("<Q", value)).retval


def test_typed_records_in_order(obj):
    with beespace.RingBuffer(obj.maps.events, type="struct event") as ring:
        assert produce(obj, 3) == 3
        assert [(event.seq, event.tag, event.twice) for event in ring] == [(0, 7, 0), (1, 7, 2), (2, 7, 4)]
        assert list(ring) == []


def test_callbacks_of_several_buffers(obj):
    seen = []
    with beespace.RingBuffer(obj.maps.events, lambda e: seen.append(("events", e.seq)), type="struct event") as ring:
        ring.add(obj.maps.more, lambda data: seen.append(("more", bytes(data))))
        assert ring.poll(0) == 0
        produce(obj, 2)
        more(obj, 5)
        assert ring.poll(1000) == 3
        more(obj, 6, "discard_more")
        more(obj, 7)
        assert ring.consume() == 1
    assert sorted(seen) == [
        ("events", 0), ("events", 1), ("more", struct.pack("<Q", 5)), ("more", struct.pack("<Q", 7)),
    ]  # fmt: skip


def test_a_callback_that_raises_has_had_its_record(obj):
    def refuse(data):
        raise ValueError(struct.unpack_from("<Q", data)[0])

    with beespace.RingBuffer(obj.maps.events, refuse) as ring:
        produce(obj, 3)
        for seq in range(3):
            with pytest.raises(ValueError, match=f"^{seq}$"):
                ring.consume()
        assert ring.consume() == 0


def test_batches(obj):
    with beespace.RingBuffer(obj.maps.events) as ring:
        assert produce(obj, 10_000) == 2731, "the last one found no room"
        first = ring.batch(100)
        assert len(first) == 100
        assert struct.unpack("<QII", first[99]) == (99, 7, 198)
        assert struct.unpack("<QII", first[-1]) == (99, 7, 198)
        rest = ring.batch()
        assert [struct.unpack("<QII", record)[0] for record in rest] == list(range(100, 2730))
        assert len(ring.batch()) == 0


def test_batches_as_numpy(obj):
    numpy = pytest.importorskip("numpy")
    with beespace.RingBuffer(obj.maps.events) as ring:
        produce(obj, 50)
        events = ring.batch().numpy([("seq", "<u8"), ("tag", "<u4"), ("twice", "<u4")])
        assert events["twice"].sum() == sum(range(0, 100, 2))
        produce(obj, 1)
        with pytest.raises(beespace.BpfError, match="16"):
            ring.batch().numpy(numpy.uint64)


@pytest.mark.parametrize("size", [16, 128, 1024])
def test_records_across_the_end(obj, size):
    seen = 0
    with beespace.RingBuffer(obj.maps.events) as ring:
        for _ in range(30):
            produce(obj, 7000 // size, size=size)
            for record in ring.batch():
                assert len(record) == size
                assert struct.unpack_from("<Q", record)[0] == seen
                seen += 1
    assert seen == 30 * (7000 // size)


def ready(ring):
    import select

    poller = select.poll()
    poller.register(ring.fileno(), select.POLLIN)
    return bool(poller.poll(0))


def test_wakeups_reach_epoll(obj):
    with beespace.RingBuffer(obj.maps.events) as ring:
        assert not ready(ring)
        produce(obj, 1, NO_WAKEUP)
        produce(obj)
        assert not ready(ring), "the consumer is not at the second record: adaptive wake-up"
        produce(obj, 1, NO_WAKEUP | FORCE)
        assert ready(ring)
        assert len(list(ring)) == 3
        assert not ready(ring)
        produce(obj)
        assert ready(ring)
        ring.batch(1)
        produce(obj, 2)
        ring.batch(1)
        assert ready(ring), "one is left"


def test_asyncio(obj):
    async def consume():
        seen = []
        with beespace.RingBuffer(obj.maps.events, type="struct event") as ring:
            async for event in ring:
                seen.append(event.seq)
                if len(seen) == 6:
                    break
        return seen

    async def main():
        task = asyncio.create_task(consume())
        for _ in range(3):
            await asyncio.sleep(0)
            produce(obj, 2)
        return await asyncio.wait_for(task, 10)

    assert asyncio.run(main()) == [0, 1, 2, 3, 4, 5]


def test_user_ring_buffer(obj):
    with beespace.UserRingBuffer(obj.maps.commands) as ring:
        ring.put(struct.pack("<Q", 5))
        with ring.reserve(8) as data:
            data[:] = struct.pack("<Q", 6)
        ring.reserve(100).discard()
        sample = ring.reserve(8)
        sample.data[:] = struct.pack("<Q", 7)
        assert drain(obj) == 2, "the last one is busy"
        sample.submit()
        with pytest.raises(beespace.BpfError, match="twice"):
            sample.submit()
        assert drain(obj) == 1
        assert obj.bss.sum == 18


def test_an_error_in_the_with_discards(obj):
    with beespace.UserRingBuffer(obj.maps.commands) as ring:
        with pytest.raises(KeyError), ring.reserve(8):
            raise KeyError
        assert drain(obj) == 0
        ring.put(bytes(8))
        assert drain(obj) == 1


def test_a_full_user_ring_buffer(obj):
    with beespace.UserRingBuffer(obj.maps.commands) as ring:
        for size in (65536 - 7, 65536, 2**30):
            with pytest.raises(beespace.SyscallError) as error:
                ring.reserve(size)
            assert error.value.errno == errno.E2BIG
        ring.put(bytes(65536 - 8 - 16))
        ring.put(bytes(8))
        with pytest.raises(beespace.SyscallError) as error:
            ring.put(b"")
        assert error.value.errno == errno.ENOSPC
        with pytest.raises(beespace.SyscallError) as error:
            ring.reserve_blocking(8, timeout_ms=20)
        assert error.value.errno == errno.ETIMEDOUT
        assert drain(obj) == 2
        ring.reserve_blocking(8, timeout_ms=1000).submit()


def test_waiting_for_room_in_asyncio(obj):
    async def main():
        with beespace.UserRingBuffer(obj.maps.commands) as ring:
            for _ in range(16):
                ring.put(bytes(4088))

            async def producer():
                for _ in range(4):
                    (await ring.areserve(4088)).submit()

            task = asyncio.create_task(producer())
            await asyncio.sleep(0.01)
            assert not task.done()
            assert drain(obj) == 16
            await asyncio.wait_for(task, 10)
            return drain(obj)

    assert asyncio.run(main()) == 4


def test_a_map_of_another_kind(obj):
    for client, bpf_map in ((beespace.RingBuffer, "commands"), (beespace.UserRingBuffer, "events")):
        with pytest.raises(beespace.SyscallError, match="EINVAL"):
            client(obj.maps[bpf_map])


def in_child(work):
    """Run *work(socket)* in a forked process that got nothing but a socket; yields the parent's end."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            ours.close()
            work(theirs)
            code = 0
        finally:
            os._exit(code)
    theirs.close()
    return ours, child


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_another_process_consumes_and_produces(obj):
    def work(sock):
        _, event_fds, _, _ = socket.recv_fds(sock, 1, 8)
        _, command_fds, _, _ = socket.recv_fds(sock, 1, 8)
        with (
            beespace.RingBuffer.from_fds(event_fds) as events,
            beespace.UserRingBuffer.from_fds(command_fds) as commands,
        ):
            sock.send(b"r")
            got = 0
            while got < 100:
                events._epoll.poll(10)
                for record in events:
                    commands.put(struct.pack("<Q", struct.unpack_from("<Q", record)[0]))
                    got += 1
            sock.send(b"d")

    sock, child = in_child(work)
    with sock:
        sock.settimeout(20)
        for bpf_map in (obj.maps.events, obj.maps.commands):
            fds = bpf_map.ring_fds()
            socket.send_fds(sock, [b"x"], fds)
            for fd in fds:
                os.close(fd)
        assert sock.recv(1) == b"r"
        for _ in range(10):
            produce(obj, 10)
        assert sock.recv(1) == b"d"
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert drain(obj) == 100
    assert obj.bss.sum == sum(range(100))


# -- what a client makes of nonsense


@pytest.mark.parametrize(
    ("producer", "header"),
    [(65536 + 8, 8), (1 << 63, 8), (16, 4096), (16, 9), (8, 8), (65536, 0x3FFFFFFF)],
)
def test_positions_that_make_no_sense(producer, header):
    mask = 65535
    memory = array.array("Q", bytes(4096 + 2 * 65536))
    consumer = array.array("Q", [0])
    memory[0] = producer
    memory[512] = header
    out = array.array("Q", [0, 0])
    at = memory.buffer_info()[0]
    args = (consumer.buffer_info()[0], at, mask)
    assert ring_core.ring_peek(*args, 10, out.buffer_info()[0]) == ring_core.BAD_RING
    assert ring_core.ring_skip(*args) == ring_core.BAD_RING


def test_a_length_that_grows_between_the_looks():
    memory = array.array("Q", bytes(4096 + 2 * 4096))
    consumer, out = array.array("Q", [0]), array.array("Q", [0, 0])
    memory[0], memory[512] = 4000, 8
    args = (consumer.buffer_info()[0], memory.buffer_info()[0], 4095)
    assert ring_core.ring_peek(*args, 1, out.buffer_info()[0]) == 1
    memory[512] = 3000
    data, spans = bytearray(out[0]), array.array("Q", bytes(16))
    where = (out[1], (ring_core_address(data)), len(data), spans.buffer_info()[0], 1)
    assert ring_core.ring_copy(*args, *where) == ring_core.BAD_RING


def ring_core_address(data):
    from beespace.mem import buffer_address

    return buffer_address(data)
