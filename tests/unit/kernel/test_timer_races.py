"""Races of timers and work items: the review's scenarios and historical bugs, under every schedule of few preemptions.

Each scenario is also played against code that has the bug it is about (``Historical``), and must find it there.
"""

import os
from errno import EBUSY, EDEADLK, EINVAL, EPERM

import pytest

from beespace.errors import InternalError
from beespace.kernel.timers import Timers
from beespace.kernel.workqueues import Works
from beespace.testing.race import explored, sampled
from beespace.uapi import bpf as uapi

ARRAY, LRU = uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_MAP_TYPE_LRU_HASH
SCHEDULES = int(os.environ.get("BEESPACE_SCHEDULES", "1500"))
SCENARIOS = {}


def scenario(func):
    SCENARIOS[func.__name__] = func
    return func


def note(lab):
    return lab.prog("p").callback(lambda key: (lab.point(), lab.log.append("fired"), lab.point()))


# --- the review of the seed


@scenario
def cancel_while_the_callback_runs_elsewhere(lab):
    lab.arm(1, note(lab))
    lab.task(1, lambda: lab.log.append(lab.cancel(1)))

    def check():
        # Cancelled in time; waited for; or it had expired, but found no callback any more.
        assert lab.log in ([1], ["fired", 0], [0])

    return check


@scenario
def set_callback_between_expiry_and_start(lab):
    first, second = lab.prog("first"), lab.prog("second")
    lab.arm(1, first.callback(lambda key: lab.log.append("first")))
    new = second.callback(lambda key: lab.log.append("second"))
    lab.task(1, lambda: (lab.set_callback(1, new), lab.start(1)))

    def check():
        assert lab.log[-1] == "second"
        assert lab.log.count("second") <= 2

    return check


@scenario
def two_callbacks_cancel_each_other(lab):
    prog = lab.prog("p")
    result = {}

    def cancel_other(key):
        lab.point()
        result[key] = lab.cancel(3 - key)
        lab.point()

    fn = prog.callback(cancel_other)
    for key in (1, 2):
        lab.update(key)
        lab.must(lab.init(key), lab.set_callback(key, fn))
    lab.task(0, lambda: lab.start(1, 10))
    lab.task(1, lambda: lab.start(2, 10))

    def check():
        assert set(result.values()) <= {0, 1, -EDEADLK, -EINVAL}

    return check


@scenario
def map_closed_while_a_callback_runs(lab):
    def body(key):
        lab.log.append("fired")
        lab.delete(1)
        lab.point()
        if len(lab.log) < 3:
            lab.start(2)

    lab.arm(1, note(lab))
    lab.arm(2, lab.progs[0].callback(body))
    lab.task(1, lab.close_map)


@scenario
def last_user_reference_goes_between_init_and_start(lab):
    fn = note(lab)
    lab.update(1)

    def program():
        errors = [lab.init(1), lab.set_callback(1, fn), lab.start(1)]
        lab.log.append(tuple(errors))

    lab.task(0, program)
    lab.task(1, lab.close_map)

    def check():
        errors = next(e for e in lab.log if isinstance(e, tuple))
        assert all(e in (0, None, -EINVAL, -EPERM) for e in errors), errors
        assert not lab.timers.live

    return check


@scenario
def element_deleted_and_made_again_during_its_callback(lab):
    prog = lab.prog("p")

    def again(key):
        lab.point()
        lab.log.append(("deleted", lab.delete(1)))
        lab.point()
        lab.update(1)
        lab.log.append(("init", lab.init(1)))

    lab.arm(1, prog.callback(again))
    lab.task(1, lambda: lab.log.append(("other", lab.delete(1), lab.update(1), lab.init(1))))

    def check():
        inits = [entry[-1] for entry in lab.log if entry[0] in ("init", "other")]
        assert set(inits) <= {0, -EBUSY, None}

    return check


# --- historical bugs (shared/cves/cves.json)


@scenario
def cve_2024_26737_cancel_against_delete(lab):
    lab.arm(1, note(lab))
    lab.task(0, lambda: lab.cancel(1))
    lab.task(1, lambda: lab.delete(1))


@scenario
def cve_2024_41045_callbacks_free_each_others_elements(lab):
    prog = lab.prog("p")
    fn = prog.callback(lambda key: (lab.point(), lab.delete(3 - key), lab.point()))
    for key in (1, 2):
        lab.update(key)
        lab.must(lab.init(key), lab.set_callback(key, fn))
    lab.task(0, lambda: lab.start(1, 10))
    lab.task(1, lambda: lab.start(2, 10))


@scenario
def fix_0d2c4f964050_init_against_the_last_user_reference(lab):
    lab.update(1)
    lab.task(0, lambda: lab.log.append(lab.init(1)))
    lab.task(1, lab.close_map)

    def check():
        assert lab.log in ([0], [-EPERM], [None])

    return check


@scenario
def fix_timer_start_delete(lab):
    lab.arm(1, note(lab))
    lab.task(0, lambda: lab.start(1, 5))
    lab.task(1, lambda: (lab.delete(1), lab.log.append("deleted")))

    def check():
        assert "fired" not in lab.log[lab.log.index("deleted") :]

    return check


@scenario
def fix_timer_rt_cancel_on_the_cpu_of_the_callback(lab):
    lab.arm(1, note(lab))
    lab.task(0, lambda: lab.log.append(lab.cancel(1)))

    def check():
        # The callback is above the task and always finishes first; it may come when cancel has taken its function.
        assert lab.log in ([1], ["fired", 0], [0])

    return check


@scenario
def fix_5eaed6eedbe9_a_new_element_in_an_old_place(lab):
    lab.arm(1, note(lab))
    lab.task(0, lambda: (lab.delete(1), lab.update(2), lab.log.append(lab.init(2))))
    lab.task(1, lambda: (lab.update(3), lab.log.append(lab.init(3))))

    def check():
        assert [e for e in lab.log if e != "fired"] == [0, 0]

    return check


# --- work


@scenario
def work_started_while_its_element_goes(lab):
    lab.arm_work(1, note(lab))
    lab.task(0, lambda: (lab.wq_start(1), lab.wq_start(1)))
    lab.task(1, lambda: lab.delete(1))


@scenario
def work_that_starts_itself_and_deletes_its_element(lab):
    prog = lab.prog("p")
    lab.arm_work(1, prog.callback(lambda key: (lab.wq_start(1), lab.point(), lab.delete(1), lab.log.append("ran"))))
    lab.task(0, lambda: lab.wq_start(1))
    lab.task(1, lab.close_map)

    def check():
        assert lab.log.count("ran") <= 2

    return check


@scenario
def timer_and_work_of_one_element(lab):
    lab.arm_work(1, lab.prog("w").callback(lambda key: (lab.point(), lab.delete(1))))
    lab.must(lab.init(1), lab.set_callback(1, lab.prog("t").callback(lambda key: lab.wq_start(1))))
    lab.task(0, lambda: lab.start(1, 5))


# --- task work


@scenario
def task_work_scheduled_while_its_element_goes(lab):
    fn = note(lab)
    lab.update(1)
    lab.task(0, lambda: (lab.tw_schedule(1, fn), lab.tw_schedule(1, fn)))
    lab.task(1, lambda: lab.delete(1))


@scenario
def task_work_scheduled_twice_and_from_its_callback(lab):
    prog = lab.prog("p")
    result = []

    def body(key):
        lab.log.append("ran")
        result.append(lab.tw_schedule(1, fn))  # it runs: busy

    fn = prog.callback(body)
    lab.update(1)
    for cpu in (0, 1):
        lab.task(cpu, lambda: lab.log.append(lab.tw_schedule(1, fn)))

    def check():
        assert set(result) == {-EBUSY}
        assert lab.log.count("ran") == lab.log.count(0) in (1, 2)

    return check


@scenario
def task_work_against_the_last_user_reference(lab):
    fn = note(lab)
    lab.update(1)
    lab.task(0, lambda: lab.log.append(lab.tw_schedule(1, fn)))
    lab.task(1, lab.close_map)


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_schedule_of_one_preemption_goes_wrong(name):
    assert explored(SCENARIOS[name], 1, limit=150) > 2


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_schedule_of_three_preemptions_goes_wrong(name):
    """All of the smaller scenarios; of the larger ones BEESPACE_SCHEDULES, and random ones of any number."""
    if explored(SCENARIOS[name], 3, limit=SCHEDULES) == SCHEDULES:
        sampled(SCENARIOS[name], range(300))


@pytest.mark.parametrize("map_type", [ARRAY, LRU])
def test_other_maps(map_type):
    def close(lab):
        lab.arm(1, note(lab))
        lab.task(0, lambda: lab.update(1))
        lab.task(1, lab.close_map)

    assert explored(close, 1, map_type=map_type, limit=150) > 10


# --- code with the bugs, in which the scenarios must find them


class FreedAtOnce(Timers):
    """Before 0281b919e175: no grace period, and cancel was no reader."""

    def kfree_rcu(self, cb):
        self.kfree(cb)


class WaitsInCallbacks(Timers):
    """Before a6fcd19d7eac: a callback that frees another's timer waits for it."""

    def cancel_and_free(self, slot):
        timer = self.take(slot)
        if timer is not None:
            if self.running.get(self.env.cpus.cpu) is not timer:
                self.hrtimers.cancel(timer)
            self.kfree_rcu(timer)


class Uncounted(Timers):
    """Before d4523831f07a: cancel in a callback looks only whether it is its own timer."""

    def timer_cancel(self, slot):
        reader = self.env.rcu.read_lock()
        try:
            self.lock(slot)
            timer = self.read(slot)
            mine = self.running.get(self.env.cpus.cpu) is timer
            if timer is not None and not mine:
                self.drop_prog_refcnt(timer)
            self.unlock(slot)
            if timer is None:
                return -EINVAL
            return -EDEADLK if mine else self.hrtimers.cancel(timer)
        finally:
            self.env.rcu.read_unlock(reader)


class CheckedTooEarly(Timers):
    """Before 0d2c4f964050: user references were looked at before the timer could be found."""

    def init(self, slot, bpf_map, field_kind, make):
        self.env.points.point("load map->usercnt")
        if not bpf_map.usercnt:
            return -EPERM
        self.lock(slot)
        try:
            if self.read(slot) is not None:
                return -EBUSY
            cb = make()
            self._handles = cb.handle = self._handles + 1
            cb.map, cb.value = bpf_map, slot - 8
            self.live[cb.handle] = cb
            self.write(slot, cb.handle)
            return 0
        finally:
            self.unlock(slot)


class NoLock(Timers):
    """Before b0a81b94cc50 (v2 of the series, as the review found): the field has no lock."""

    def lock(self, slot):
        self.env.points.point("no lock")

    def unlock(self, slot):
        self.env.points.point("no unlock")


class FiresFreed(Timers):
    """start() that looks the timer up before it takes the lock."""

    def timer_start(self, slot, nsecs, flags):
        timer = self.read(slot)
        if timer is None:
            return -EINVAL
        self.lock(slot)
        try:
            self.hrtimers.start(timer, nsecs, absolute=False)
            return 0
        finally:
            self.unlock(slot)


class FreesRunningWork(Works):
    """A work item that is freed while it is queued or runs."""

    def cancel_and_free(self, slot):
        work = self.take(slot)
        if work is not None:
            self.kfree_rcu(work)


class CancelsWork(Works):
    """6.18: work that a program found before its element went can be queued after it was cancelled."""

    def _delete_work(self, work):
        self._workqueue.cancel_work_sync(self.use(work))
        self.kfree_rcu(work)


@pytest.mark.parametrize(
    ("name", "historical", "error"),
    [
        ("cve_2024_26737_cancel_against_delete", FreedAtOnce, "use of freed BpfTimer"),
        ("cve_2024_41045_callbacks_free_each_others_elements", WaitsInCallbacks, "wait for the callback"),
        ("two_callbacks_cancel_each_other", Uncounted, "wait for the callback"),
        ("fix_0d2c4f964050_init_against_the_last_user_reference", CheckedTooEarly, "outlive the last user reference"),
        ("fix_timer_start_delete", FiresFreed, "use of freed BpfTimer|armed"),
        ("cve_2024_26737_cancel_against_delete", NoLock, "use of freed BpfTimer|dropped twice|leaked"),
        ("work_started_while_its_element_goes", FreesRunningWork, "use of freed BpfWork"),
        ("work_started_while_its_element_goes", CancelsWork, "use of freed BpfWork"),
    ],
)
def test_the_scenario_finds_the_historical_bug(name, historical, error):
    kind = {"works": historical} if issubclass(historical, Works) else {"timers": historical}
    with pytest.raises((InternalError, AssertionError), match=error):
        explored(SCENARIOS[name], 2, limit=2000, **kind)
