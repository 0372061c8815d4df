"""A producer of a user ring buffer that writes nonsense, or scribbles during drains: the documented errors, no harm.

The program looks at every byte of each sample it is given: a sample outside of the buffer would fault.
"""

import os
import random
import select
import signal
import struct
from pathlib import Path

import pytest

import beespace

OBJECT = Path(__file__).parents[1] / "programs" / "ringbuf.bpf.o"
SIZE = 1 << 16
BUSY, DISCARD = 1 << 31, 1 << 30
EINVAL, E2BIG = 22, 7
SAMPLES = 128 * 1024
PAGE = 4096
ZEROES = bytes(SIZE)
BUSY_SAMPLES = struct.pack("<II", BUSY, 0) * (SIZE // 8)


class Producer:
    """The producer's side by hand."""

    def __init__(self, obj):
        self.obj = obj
        ring_map = obj.maps.commands
        self.consumer = ring_map.kernel.mmap(ring_map.fd, PAGE, 1)
        self.memory = ring_map.kernel.mmap(ring_map.fd, PAGE + 2 * SIZE, 3, PAGE)

    def header(self, position, value):
        struct.pack_into("<I", self.memory, PAGE + position % SIZE, value)

    def produced(self, position):
        struct.pack_into("<Q", self.memory, 0, position)

    def read_header(self, position):
        return struct.unpack_from("<I", self.memory, PAGE + position % SIZE)[0]

    @property
    def consumed(self):
        return struct.unpack_from("<Q", self.consumer)[0]

    def drain(self):
        return self.obj.progs.drain_all.run(ctx=struct.pack("<II", 0, 0)).retval

    def repair_and_check(self):
        """One valid sample behind the consumer is drained."""
        at = self.consumed
        self.produced(at)
        assert self.drain() == 0
        self.header(at, 24)
        self.produced(at + 32)
        assert self.drain() == 1
        assert self.consumed == at + 32


def expected(producer, cons, prod):
    """(result, consumer position) of a drain, from the specification, header by header."""
    samples = taken = 0
    if prod % 8:
        return -EINVAL, cons
    while samples < SAMPLES and cons < prod:
        header = producer.read_header(cons)
        size = header & ~(BUSY | DISCARD)
        total = (size + 15) // 8 * 8
        if total > prod - cons:
            return -EINVAL, cons
        if total > SIZE or size >= 1 << 24:
            return -E2BIG, cons
        if header & BUSY and not header & DISCARD:
            break
        samples += 1
        taken += not header & DISCARD
        cons += total
    return taken, cons


def malformed(rng, cons):
    """A producer position and headers that some producer might leave."""
    near = cons + 8 * rng.randrange(0, 200)
    prod = rng.choice((
        near, near + rng.randrange(8), cons - 8 * rng.randrange(1, 100), cons + SIZE, cons + 3 * SIZE,
        rng.getrandbits(64), rng.getrandbits(64) & ~7, (1 << 32) + 8 * rng.randrange(-4, 4), (1 << 64) - 8, 1 << 63,
    )) % (1 << 64)  # fmt: skip
    headers = []
    at = cons
    for _ in range(rng.randrange(1, 6)):
        size = rng.choice((0, 8, 16, 64, rng.randrange(SIZE), SIZE - 8, SIZE, rng.getrandbits(30), rng.getrandbits(24)))
        headers.append((at, size | rng.choice((0, 0, 0, BUSY, DISCARD, BUSY | DISCARD))))
        at += (size + 15) // 8 * 8
    return prod, headers


def play(obj, states, seed):
    producer, rng = Producer(obj), random.Random(seed)
    results = {}
    for number in range(states):
        cons = producer.consumed
        prod, headers = malformed(rng, cons)
        # Zeroes are empty samples, of which a drain takes 131,072: few states have them, others end at a busy one.
        producer.memory[PAGE : PAGE + SIZE] = BUSY_SAMPLES if number < 60 or rng.randrange(500) else ZEROES
        for at, header in headers:
            producer.header(at, header)
        producer.produced(prod)
        want, then = expected(producer, cons, prod)
        got = producer.drain()
        assert got == want, f"state {number}: producer {prod:#x}, consumer {cons:#x}, {headers}"
        assert producer.consumed == then
        if got < 0:
            assert producer.drain() == want, "an error comes again until it is repaired"
        results[got if got <= 0 else 1] = results.get(got if got <= 0 else 1, 0) + 1
        if not number % 10:
            producer.repair_and_check()
    return results


@pytest.fixture(params=["interp", "jit", pytest.param("linux", marks=pytest.mark.oracle)])
def obj(request):
    if request.param == "linux":
        kernel = beespace.LinuxKernel()
        if reason := kernel.allowed():
            pytest.skip(reason)
    else:
        kernel = beespace.Kernel(cpus=2, engine=request.param)
    with kernel, kernel.load(OBJECT) as obj:
        yield obj


def test_malformed_states(obj):
    results = play(obj, 60, 1)
    assert {-EINVAL, -E2BIG} <= set(results)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_malformed_states(obj):
    results = play(obj, 10_000, 2)
    assert set(results) == {-EINVAL, -E2BIG, 0, 1}
    assert min(results.values()) > 100


def scribble(obj, drains, seed):
    producer = Producer(obj)
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        rng = random.Random(seed)
        ours = beespace.UserRingBuffer.from_fds(obj.fds_for_child)._port
        memory, mask = ours._views[1], SIZE - 1
        os.write(told, b"x")
        while True:  # until the parent ends it
            for _ in range(1000):
                at = PAGE + (rng.getrandbits(16) & mask & ~7)
                struct.pack_into("<I", memory, at, rng.choice((0, 8, 64, rng.getrandbits(32), BUSY | 8, DISCARD | 8)))
            base = struct.unpack_from("<Q", memory, 0)[0]
            struct.pack_into("<Q", memory, 0, rng.choice((
                base, base + 8 * rng.randrange(1000), rng.getrandbits(64), rng.getrandbits(20) & ~7,
            )) % (1 << 64))  # fmt: skip
    try:
        assert select.select([ready], [], [], 30)[0]
        seen = set()
        for number in range(100 * drains):
            if number >= drains and len(seen) > 1:
                break
            before = producer.consumed
            result = producer.drain()
            assert result in (-EINVAL, -E2BIG) or 0 <= result <= SAMPLES
            assert 0 <= producer.consumed - before <= SAMPLES * SIZE
            seen.add(min(result, 1))
        assert len(seen) > 1, "something else than one error was seen"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(told)
    producer.memory[PAGE : PAGE + SIZE] = bytes(SIZE)
    producer.repair_and_check()


class ForChild:
    """An object with the descriptors a child may take."""

    def __init__(self, obj):
        self.progs, self.maps = obj.progs, obj.maps
        self.fds_for_child = obj.maps.commands.ring_fds()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_scribbles_during_the_drain(obj):
    scribble(ForChild(obj), 60, 3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_scribbles_for_long(obj):
    scribble(ForChild(obj), 5000, 4)
