"""sim: choices from a seed, clocks that stand still, events in total order, the host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beespace.errors import InternalError
from beespace.sim import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    CLOCK_TAI,
    Choices,
    EventQueue,
    RealHost,
    VirtualClock,
    splitmix64,
)


def test_splitmix64_matches_the_published_sequence():
    state, out = 1234567, []
    for _ in range(3):
        state, value = splitmix64(state)
        out.append(value)
    assert out == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_xoshiro_matches_the_published_algorithm():
    choices = Choices(0)
    choices._s = [1, 2, 3, 4]
    assert [choices.u64() for _ in range(4)] == [11520, 0, 1509978240, 1215971899390074240]


@given(seed=st.integers(0, 2**64 - 1), name=st.text(max_size=8))
def test_streams_depend_on_seed_and_name_only(seed, name):
    one, two = Choices(seed), Choices(seed)
    two.u64()
    assert [one.stream(name).u64() for _ in range(3)] == [two.stream(name).u64() for _ in range(3)]


def test_streams_differ():
    choices = Choices(1)
    firsts = {choices.stream(name).u64() for name in ("a", "b", "ab", "ba", "")} | {choices.u64()}
    assert len(firsts) == 6


@given(seed=st.integers(0, 2**64 - 1), bound=st.integers(1, 2**64))
def test_below_stays_below(seed, bound):
    assert 0 <= Choices(seed).below(bound) < bound


def test_below_reaches_every_value_about_equally():
    choices = Choices(3)
    counts = [0] * 7
    for _ in range(7000):
        counts[choices.below(7)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


def test_data_has_the_length_asked_for():
    assert [len(Choices(1).data(n)) for n in (0, 1, 8, 13)] == [0, 1, 8, 13]


def test_clocks_are_offsets_of_one_counter():
    clock = VirtualClock(5, realtime_ns=1000, tai_offset_ns=37, suspended_ns=3)
    read = {c: clock.now_ns(c) for c in (CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI)}
    assert read == {CLOCK_MONOTONIC: 5, CLOCK_BOOTTIME: 8, CLOCK_REALTIME: 1005, CLOCK_TAI: 1042}
    clock.advance_to(7)
    assert clock.now_ns(CLOCK_TAI) == 1044
    clock.suspend(100)
    assert [clock.now_ns(c) for c in (CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME)] == [7, 110, 1107]
    clock.set_realtime(2000)
    assert [clock.now_ns(c) for c in (CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_TAI)] == [7, 2000, 2037]
    assert clock.to_monotonic(CLOCK_REALTIME, 2005) == 12


def test_time_does_not_run_backwards():
    clock = VirtualClock(5)
    with pytest.raises(InternalError, match="backwards"):
        clock.advance_to(4)
    with pytest.raises(InternalError, match="no clock 5"):
        clock.now_ns(5)


@given(st.lists(st.integers(0, 20), max_size=30))
def test_events_fire_by_deadline_then_by_order_of_scheduling(deadlines):
    queue, clock, fired = EventQueue(), VirtualClock(0), []
    for index, deadline in enumerate(deadlines):
        queue.schedule(deadline, lambda index=index: fired.append((clock.now_ns(), index)))
    assert queue.run_due(clock, 10) == sum(d <= 10 for d in deadlines)
    assert fired == sorted((d, i) for i, d in enumerate(deadlines) if d <= 10)
    assert clock.now_ns() == 10
    assert len(queue) == sum(d > 10 for d in deadlines)


def test_callbacks_may_schedule_and_cancel():
    queue, clock, fired = EventQueue(), VirtualClock(0), []
    late = queue.schedule(8, lambda: fired.append("late"))

    def first():
        fired.append("first")
        queue.schedule(1, lambda: fired.append(("past", clock.now_ns())))
        assert queue.cancel(late)
        assert not queue.cancel(late)

    queue.schedule(3, first)
    assert queue.run_due(clock, 10) == 2
    assert fired == ["first", ("past", 3)]
    assert queue.next_deadline_ns() is None


def test_the_host_tells_time_and_runs_threads():
    host, seen = RealHost(), []
    before = host.now_ns()
    host.sleep_ns(1000)
    assert host.now_ns() > before
    assert host.cpu_count() >= 1
    host.start_thread(lambda: seen.append(1), "test").join()
    assert seen == [1]
    failing = host.start_thread(lambda: 1 // 0, "test")
    with pytest.raises(ZeroDivisionError):
        failing.join()
