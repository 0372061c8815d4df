"""Real time: timers fire by themselves, on the machine's clocks."""

import struct
import time
from pathlib import Path

import pytest

import beespace
from beespace.errors import Unsupported

OBJECT = Path(__file__).parents[2] / "programs" / "timers.bpf.o"
INIT, COUNT, OTHER, START, CANCEL = range(5)
MS = 1_000_000


@pytest.fixture
def kernel():
    with beespace.Kernel(cpus=2, time="real", trace_leaks=True) as kernel:
        yield kernel


@pytest.fixture
def op(kernel):
    obj = kernel.open(OBJECT)
    for prog in obj.progs:
        prog.autoload = prog.name == "op_arr"
    obj.load()

    def op(key, op, arg=0, flags=0):
        return obj.progs.op_arr.run(ctx=struct.pack("<IIQQ", key, op, arg, flags)).retval

    op.obj = obj
    return op


def test_a_timer_fires_by_itself_and_not_too_early(kernel, op):
    assert [op(0, INIT, 0, 1), op(0, COUNT)] == [0, 0]
    before = time.monotonic_ns()
    assert op(0, START, 20 * MS) == 0
    assert op.obj.bss.fired == 0
    assert kernel.wait_until(lambda: op.obj.bss.fired == 1)
    assert int(op.obj.bss.last_time) >= before + 20 * MS


def test_an_earlier_timer_wakes_the_thread(kernel, op):
    for key, ms in ((0, 3600_000), (1, 5)):
        assert [op(key, INIT, 0, 1), op(key, COUNT), op(key, START, ms * MS)] == [0, 0, 0]
    assert kernel.wait_until(lambda: op.obj.bss.fired == 1)
    assert not kernel.wait_until(lambda: op.obj.bss.fired == 2, seconds=0.02)
    assert op(0, CANCEL) == 1


def test_real_time_cannot_be_moved(kernel):
    with pytest.raises(Unsupported, match="clock that is real"):
        kernel.advance(seconds=1)


def test_an_error_in_a_thread_reaches_the_next_caller(kernel, op):
    kernel.events.schedule(0, lambda: 1 // 0)

    def look():
        op(0, CANCEL)
        return False

    with pytest.raises(ZeroDivisionError):
        kernel.wait_until(look)


def test_other_times_are_refused():
    with pytest.raises(beespace.InputError, match="virtual or real"):
        beespace.Kernel(time="fast")
