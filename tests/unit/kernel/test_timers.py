"""bpf_timer: on the simulated kernel (both engines) and, where nothing depends on exact times, on the real one."""

import struct
import time
from errno import EBUSY, EDEADLK, EINVAL, ENOMEM, ENOTSUP, EPERM
from pathlib import Path

import pytest

import beespace
from beespace.errors import InternalError
from beespace.sim import CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME

OBJECT = Path(__file__).parents[2] / "programs" / "timers.bpf.o"
INIT, COUNT, OTHER, START, CANCEL, START_AT, START_AT_BOOT, BUSY = range(8)
ABS, PIN = 1, 2
MS = 1_000_000


class Lab:
    """One object with its programs on one kernel."""

    def __init__(self, kernel, *progs):
        self.kernel = kernel
        self.obj = kernel.open(OBJECT)
        for prog in self.obj.progs:
            prog.autoload = prog.name in progs
        self.obj.load()

    def op(self, key, op, arg=0, flags=0, prog=None):
        prog = prog or next(p.name for p in self.obj.progs if p.autoload)
        ctx = struct.pack("<IIQQ", key, op, arg % 2**64, flags)
        retval = self.obj.progs[prog].run(ctx=ctx).retval
        return (retval & 0xFFFFFFFF ^ 0x80000000) - 0x80000000

    def init(self, key, clock=CLOCK_MONOTONIC, **kind):
        """The real kernel's allocator may fail under bursts with memory free."""
        while (err := self.op(key, INIT, 0, clock, **kind)) == -ENOMEM and isinstance(
            self.kernel, beespace.LinuxKernel
        ):
            time.sleep(0.01)
        return err

    @property
    def later(self):
        """A delay, in ns, in which a test can do something first."""
        return 5 * MS if isinstance(self.kernel, beespace.Kernel) else 100 * MS

    def wait_longer(self):
        self.wait(2 * self.later // MS)

    def arm(self, key, ns=0, flags=0, callback=COUNT, clock=CLOCK_MONOTONIC, **kind):
        assert [self.init(key, clock, **kind), self.op(key, callback, **kind)] == [0, 0]
        assert self.op(key, START, ns, flags, **kind) == 0

    @property
    def fired(self):
        return int(self.obj.bss.fired)

    def wait(self, ms):
        if isinstance(self.kernel, beespace.Kernel):
            self.kernel.advance(ms=ms)
        else:
            time.sleep(ms / 1000)


@pytest.fixture(params=["interp", "jit", pytest.param("linux", marks=pytest.mark.oracle)])
def any_kernel(request):
    if request.param == "linux":
        request.getfixturevalue("linux_kernel")  # skips
        with beespace.LinuxKernel() as kernel:
            yield kernel
    else:
        with beespace.Kernel(cpus=2, engine=request.param, trace_leaks=True) as kernel:
            yield kernel


@pytest.fixture
def sim():
    with beespace.Kernel(cpus=2, trace_leaks=True) as kernel:
        yield kernel


@pytest.mark.parametrize("clock", [CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME])
def test_a_timer_fires_once(any_kernel, clock):
    lab = Lab(any_kernel, "op_arr")
    lab.arm(3, 2 * MS, clock=clock)
    assert lab.fired == 0
    lab.wait(20)
    assert (lab.fired, int(lab.obj.bss.last_key)) == (1, 3)
    lab.wait(20)
    assert lab.fired == 1


@pytest.mark.parametrize("flags", [2, 3, 6, 8, 11, 16, 17, 1 << 63])
def test_other_clocks_are_refused(any_kernel, flags):
    assert Lab(any_kernel, "op_arr").op(0, INIT, 0, flags) == -EINVAL


def test_calls_in_the_wrong_order(any_kernel):
    lab = Lab(any_kernel, "op_arr")
    assert [lab.op(0, op) for op in (COUNT, START, CANCEL)] == [-EINVAL] * 3
    assert lab.init(0) == 0
    assert lab.op(0, INIT, 0, 1) == -EBUSY
    assert lab.op(0, START) == -EINVAL  # no callback
    assert lab.op(0, COUNT) == 0
    assert [lab.op(0, START, MS, flags) for flags in (4, 1 << 63, ABS | PIN | 4)] == [-EINVAL] * 3
    assert lab.op(0, START, 1000 * MS, PIN) == 0
    assert [lab.op(0, CANCEL), lab.op(0, CANCEL)] == [1, 0]
    assert lab.op(0, START) == -EINVAL  # cancel took the callback


def test_set_callback_replaces_that_of_an_armed_timer(any_kernel):
    lab = Lab(any_kernel, "op_arr")
    lab.arm(0, lab.later)
    assert lab.op(0, OTHER) == 0
    lab.wait_longer()
    assert (lab.fired, int(lab.obj.bss.other_fired)) == (0, 1)


def test_start_moves_the_deadline(any_kernel):
    lab = Lab(any_kernel, "op_arr")
    lab.arm(0, lab.later)
    assert lab.op(0, START, 3600_000 * MS) == 0
    lab.wait_longer()
    assert lab.fired == 0
    assert lab.op(0, START, 0) == 0
    lab.wait(20)
    assert lab.fired == 1


@pytest.mark.parametrize("clock", [CLOCK_MONOTONIC, CLOCK_REALTIME])
def test_absolute_times_are_on_the_monotonic_clock_for_clock_realtime_too(any_kernel, clock):
    lab = Lab(any_kernel, "op_arr")
    lab.arm(0, 3600_000 * MS, clock=clock)
    assert lab.op(0, START_AT, 100 * MS, ABS) == 0
    lab.wait(20)
    assert lab.fired == 0  # on CLOCK_REALTIME it would be long past
    lab.wait(200)
    assert lab.fired == 1


@pytest.mark.parametrize(("time_ns", "flags", "fires"), [(-1, ABS, 0), (0, ABS, 1), (-1, 0, 0), (2**63 - 1, 0, 0)])
def test_extreme_times(any_kernel, time_ns, flags, fires):
    lab = Lab(any_kernel, "op_arr")
    lab.arm(0, time_ns, flags)
    lab.wait(20)
    assert lab.fired == fires


@pytest.mark.parametrize("kind", ["op_hash", "op_lru", "op_inner"])
def test_other_maps(any_kernel, kind):
    lab = Lab(any_kernel, kind)
    if kind != "op_inner":
        lab.obj.maps[kind[3:]][1] = {"after": 7}
    lab.arm(1, 2 * MS)
    lab.wait(20)
    assert (lab.fired, int(lab.obj.bss.last_key)) == (1, 1)


def overwrite(m):
    m[1] = {"after": 9}


def delete(m):
    del m[1]


def pop(m):
    assert m.pop(1).after == 7


@pytest.mark.parametrize("end", [overwrite, delete, pop])
def test_the_timer_goes_with_the_element(any_kernel, end):
    lab = Lab(any_kernel, "op_hash")
    lab.obj.maps.hash[1] = {"after": 7}
    lab.arm(1, lab.later)
    end(lab.obj.maps.hash)
    if end is not overwrite:
        lab.obj.maps.hash[1] = {"after": 7}
    assert lab.op(1, CANCEL) == -EINVAL
    lab.wait_longer()
    assert lab.fired == 0
    lab.arm(1, lab.later)  # the place is clean


def test_overwriting_an_element_of_an_array_frees_its_timer(any_kernel):
    lab = Lab(any_kernel, "op_arr")
    lab.arm(1, lab.later)
    lab.obj.maps.arr[1] = {"before": 1}
    lab.wait_longer()
    assert (lab.fired, lab.op(1, CANCEL)) == (0, -EINVAL)


def test_user_space_neither_sees_nor_writes_the_timer(any_kernel):
    lab = Lab(any_kernel, "op_arr")
    lab.arm(1, 3600_000 * MS)
    seen = lab.obj.maps.arr.lookup_bytes(b"\1\0\0\0")
    assert seen == bytes(len(seen))
    lab.obj.maps.arr[2] = {"before": 2**64 - 1}
    assert lab.op(2, CANCEL) == -EINVAL


def busy(lab, mode, *keys, victim=0, rearm_ns=0):
    bss = lab.obj.bss
    bss.mode, bss.victim, bss.rearm_ns, bss.results = mode, victim, rearm_ns, [0] * 4
    for key in keys:
        lab.obj.maps.hash[key] = {}
        lab.arm(key, 2 * MS, callback=BUSY)
    lab.wait(20)
    return [int(r) for r in bss.results]


def test_a_callback_cannot_cancel_its_own_timer(any_kernel):
    assert busy(Lab(any_kernel, "op_hash"), 0, 1)[0] == -EDEADLK


def test_a_callback_that_deletes_its_element_ends_its_timer(any_kernel):
    lab = Lab(any_kernel, "op_hash")
    assert busy(lab, 2, 1, rearm_ns=MS) == [0, 0, -EINVAL, -EINVAL]
    lab.wait(20)
    assert lab.fired == 1


def test_a_callback_may_cancel_another_timer(any_kernel):
    lab = Lab(any_kernel, "op_hash")
    lab.obj.maps.hash[9] = {}
    lab.arm(9, 3600_000 * MS)
    assert busy(lab, 3, 1, victim=9)[1] == 1
    assert lab.op(9, START) == -EINVAL


def test_a_callback_may_delete_another_element(any_kernel):
    lab = Lab(any_kernel, "op_hash")
    lab.obj.maps.hash[9] = {}
    lab.arm(9, 15 * MS)
    assert busy(lab, 4, 1, victim=9)[0] == 0
    lab.wait(20)
    assert lab.fired == 1


def test_closing_the_map_ends_its_timers_while_the_program_still_holds_it(any_kernel):
    lab = Lab(any_kernel, "op_arr")
    lab.arm(0, lab.later)
    prog, bss = any_kernel.dup(lab.obj.progs.op_arr.fd), any_kernel.dup(lab.obj.maps[".bss"].fd)
    size = lab.obj.maps[".bss"].value_size
    lab.obj.close()
    lab.wait_longer()
    assert any_kernel.calls.map_lookup(bss, bytes(4), size)[:8] == bytes(8)  # fired
    any_kernel.close(bss)
    any_kernel.close(prog)


# --- what only simulated time can say


def test_timers_fire_at_their_nanosecond_in_order(sim):
    lab = Lab(sim, "op_arr")
    start = sim.clock.now_ns()
    for key, ns in enumerate((500, 3, 77, 3)):
        lab.arm(key, ns)
    seen = []
    while sim.next_event() is not None:
        assert sim.deferred.step(start + 1000)
        seen.append((int(lab.obj.bss.last_key), int(lab.obj.bss.last_time) - start))
    assert seen == [(1, 3), (3, 3), (2, 77), (0, 500)]


def test_a_pinned_timer_fires_where_it_was_started(sim):
    lab = Lab(sim, "op_arr")
    assert [lab.op(0, INIT, 0, 1), lab.op(0, COUNT)] == [0, 0]
    with sim.on_cpu(1):
        assert lab.op(0, START, 10, PIN) == 0
    assert sim.timers()[0].cpu == 1
    sim.run_until_idle()
    assert int(lab.obj.bss.last_cpu) == 1


def test_boottime_goes_on_while_the_machine_sleeps(sim):
    lab = Lab(sim, "op_arr")
    lab.arm(0, 1000 * MS, clock=CLOCK_BOOTTIME)
    lab.arm(1, 1000 * MS, clock=CLOCK_MONOTONIC)
    sim.clock.suspend(900 * MS)
    sim.advance(ms=100)
    assert (lab.fired, int(lab.obj.bss.last_key)) == (1, 0)
    sim.advance(ms=900)
    assert lab.fired == 2


def test_hours_take_no_time_and_rearming_goes_on(sim):
    lab = Lab(sim, "op_hash")
    busy(lab, 1, 1, rearm_ns=60_000 * MS)
    sim.advance(seconds=3600)
    assert lab.fired == 1 + 60
    with pytest.raises(InternalError, match="not idle after 100 events"):
        sim.run_until_idle(limit=100)
    assert sim.wait_until(lambda: lab.fired == 1000, seconds=10**6)
    assert not sim.wait_until(lambda: lab.fired == 0, seconds=100)


def test_what_is_armed_is_listed(sim):
    lab = Lab(sim, "op_hash")
    assert sim.timers() == []
    lab.obj.maps.hash[7] = {}
    lab.obj.maps.hash[8] = {}
    lab.arm(7, 5 * MS)
    lab.op(8, INIT, 0, CLOCK_BOOTTIME)
    armed, idle = sim.timers()
    assert (armed.map, armed.key, armed.callback, armed.prog) == ("hash", b"\7\0\0\0", "count_cb", "op_hash")
    assert armed.due_ns == sim.clock.now_ns() + 5 * MS
    assert (idle.key, idle.callback, idle.due_ns, idle.clock) == (b"\x08\0\0\0", "", None, CLOCK_BOOTTIME)


def test_eviction_from_an_lru_map_frees_the_timer(sim):
    lab = Lab(sim, "add_lru")
    for mark in range(200):
        assert lab.obj.progs.add_lru.run(bytes(64), ctx=struct.pack("<II", 0, 0) + struct.pack("<I", mark)
                                         + bytes(180)).retval == 0  # fmt: skip
    assert len(sim.timers()) == len(list(lab.obj.maps.lru)) <= 16
    sim.run_until_idle()
    assert lab.fired == len(list(lab.obj.maps.lru))


def test_all_calls_are_refused_in_nmi(sim):
    lab = Lab(sim, "op_arr")
    with sim.context("nmi"):
        assert lab.op(0, INIT, 0, 1) == -ENOTSUP
    assert lab.op(0, INIT, 0, 2) == -EINVAL
    assert lab.op(0, INIT, 0, 1) == 0
    with sim.context("nmi", 1):
        assert [lab.op(0, op) for op in (COUNT, START, CANCEL)] == [-ENOTSUP] * 3


def test_allocation_may_be_made_to_fail(sim):
    lab = Lab(sim, "op_arr")
    sim.deferred.inject.add("bpf_timer_init")
    assert lab.op(0, INIT, 0, 1) == -ENOMEM
    sim.deferred.inject.clear()
    assert lab.op(0, INIT, 0, 1) == 0


def test_without_user_references_nothing_is_initialised(sim):
    lab = Lab(sim, "op_inner")
    lab.obj.maps.inner_a.close()
    assert lab.op(0, INIT, 0, 1) == -EPERM
    assert lab.op(2, INIT, 0, 1) == 0  # the other one is still held


def test_the_program_lives_as_long_as_its_callback_is_set(sim):
    lab = Lab(sim, "op_arr")
    lab.arm(0, 5 * MS)
    arr = sim.dup(lab.obj.maps.arr.fd)
    lab.obj.close()
    assert [p.name for p in sim.progs.values()] == ["op_arr"]
    sim.close(arr)
    assert list(sim.progs.values()) == []
    assert sim.timers() == []
