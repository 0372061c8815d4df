"""Contexts, events of several CPUs, timers, work, grace periods, and what interleaving does with them."""

import pytest

from beespace.errors import InternalError
from beespace.sim import (
    CLOCK_BOOTTIME,
    KTIME_MAX,
    ContextKind,
    Cpus,
    Deadlock,
    EventQueue,
    Hrtimer,
    Hrtimers,
    Points,
    Rcu,
    ScheduledEvent,
    VirtualClock,
    WorkItem,
    Workqueue,
)
from beespace.sim.interleave import Interleaver, Prefix, RandomPolicy, explore

TASK, WORKER, SOFTIRQ, HARDIRQ, NMI = ContextKind


def test_what_may_interrupt_what():
    cpus = Cpus(2)
    with cpus.enter(SOFTIRQ, 0):
        assert (cpus.cpu, cpus.in_nmi) == (0, False)
        with pytest.raises(InternalError, match="softirq cannot interrupt softirq@cpu0"), cpus.enter(SOFTIRQ, 0):
            pass
        with cpus.enter(SOFTIRQ, 1), cpus.enter(HARDIRQ, 1), cpus.enter(NMI, 1):
            assert cpus.in_nmi
            with pytest.raises(InternalError), cpus.enter(HARDIRQ, 0), cpus.enter(HARDIRQ, 1):
                pass
    assert [kind.may_sleep for kind in ContextKind] == [True, True, False, False, False]
    with pytest.raises(InternalError, match="cpu 2 of 2"), cpus.enter(TASK, 2):
        pass


class Note(ScheduledEvent):
    __slots__ = ("log", "name")

    def __init__(self, log, name, base=1):
        super().__init__(base)
        self.log, self.name = log, name

    def fire(self):
        self.log.append(self.name)


def test_equal_deadlines_keep_the_order_of_one_cpu_and_permute_cpus():
    orders = set()
    for ranks in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        clock, log = VirtualClock(0), []
        queue = EventQueue(clock, ranks)
        for number, cpu in enumerate((2, 0, 1, 0, 2)):
            queue.enqueue(Note(log, (cpu, number)), 5, cpu)
        queue.run_due(clock, 5)
        assert [n for c, n in log if c == 0] == [1, 3]
        assert [n for c, n in log if c == 2] == [0, 4]
        orders.add(tuple(log))
    assert len(orders) == 3


def test_a_queued_event_moves_and_dead_entries_go():
    clock, log = VirtualClock(0), []
    queue = EventQueue(clock)
    moved = Note(log, "moved")
    for deadline in range(20000):
        queue.enqueue(moved, deadline)
        late = Note(log, "late")
        queue.enqueue(late, 10**6)
        queue.cancel(late)
    assert (len(queue), sum(map(len, queue._heaps.values())) < 21050) == (1, True)
    assert queue.run_due(clock, 19998) == 0
    assert queue.run_due(clock, 19999) == 1


def test_deadlines_follow_their_clock():
    clock, log = VirtualClock(0), []
    queue = EventQueue(clock)
    boot = Note(log, "boot", CLOCK_BOOTTIME)
    queue.enqueue(boot, 100)
    queue.enqueue(Note(log, "mono"), 50)
    assert (queue.next().name, queue.due_ns(boot)) == ("mono", 100)
    clock.suspend(70)
    assert (queue.next().name, queue.due_ns(boot)) == ("boot", 30)
    queue.run_due(clock, 60)
    assert log == ["boot", "mono"]


def test_jiffies_start_five_minutes_before_they_wrap():
    clock = VirtualClock(0)
    assert clock.jiffies64(250) == 2**32 - 75000
    clock.advance_to(300 * 10**9)
    assert clock.jiffies64(250) == 2**32


class Timer(Hrtimer):
    __slots__ = ("body",)

    def __init__(self, queue, body):
        super().__init__(queue)
        self.body = body

    def expired(self):
        self.body()


class Machine:
    """Everything of sim, put together."""

    def __init__(self, cpus=2):
        self.clock = VirtualClock(0)
        self.cpus, self.points = Cpus(cpus), Points()
        self.events = EventQueue(self.clock)
        self.timers = Hrtimers(self.events, self.cpus, self.points)
        self.work = Workqueue(self.cpus, self.points)
        self.rcu = Rcu(self.points)
        self.trace = []

    def interleaver(self, policy):
        found = Interleaver(self.cpus, self.points, policy, trace=self.trace.append, now=self.clock.now_ns)
        for cpu in range(self.cpus.count):
            found.daemon(f"softirq/{cpu}", lambda cpu=cpu: self.events.next_on(cpu) is not None,
                         lambda cpu=cpu: self.fire(cpu), cpu=cpu, kind=SOFTIRQ)  # fmt: skip
        found.daemon("kworker", self.work.ready, self.work.run_one, cpu=-2, kind=WORKER)
        found.daemon("rcu", self.rcu.ready, self.rcu.run_ready, cpu=-3, kind=WORKER)
        return found

    def fire(self, cpu):
        event = self.events.next_on(cpu)
        self.clock.advance_to(max(self.clock.now_ns(), self.events.due_ns(event)))
        self.events.take(event)
        event.fire()


def test_cancel_finds_the_timer_queued_idle_or_gone_off():
    m, fired = Machine(), []
    timer = Timer(m.timers, lambda: fired.append(m.cpus.current.kind))
    assert m.timers.cancel(timer) == 0
    m.timers.start(timer, 5, absolute=False)
    assert m.timers.cancel(timer) == 1
    m.timers.start(timer, 5, absolute=False)
    m.events.run_due(m.clock, 10)
    assert (fired, m.timers.cancel(timer)) == ([SOFTIRQ], 0)
    for time_ns in (-1, KTIME_MAX):
        m.timers.start(timer, time_ns, absolute=False)
        assert timer.deadline_ns == KTIME_MAX


def test_waiting_for_oneself_is_a_deadlock():
    m = Machine()
    timer = Timer(m.timers, lambda: m.timers.cancel(timer))
    m.timers.start(timer, 0, absolute=False)
    with pytest.raises(Deadlock, match="wait for the callback"):
        m.events.run_due(m.clock, 0)


def test_work_is_queued_once_and_runs_again_when_queued_while_it_runs():
    m, log = Machine(), []

    def body():
        log.append(m.cpus.current.kind)
        if len(log) == 1:
            assert m.work.queue_work(item)
            assert not m.work.ready()  # it is running

    item = WorkItem(body, "item")
    assert [m.work.queue_work(item), m.work.queue_work(item)] == [True, False]
    while m.work.ready():
        m.work.run_one()
    assert log == [WORKER, WORKER]
    m.work.queue_work(item)
    assert m.work.cancel_work_sync(item)
    assert (m.work.run_one(), m.work.cancel_work_sync(item)) == (None, False)


def test_a_grace_period_waits_for_those_who_were_there():
    rcu, log = Rcu(Points()), []
    one = rcu.read_lock()
    rcu.call(lambda: log.append("first"))
    two = rcu.read_lock()
    rcu.call(lambda: log.append("second"))
    assert log == []
    rcu.read_unlock(one)
    assert log == ["first"]
    rcu.read_unlock(two)
    assert log == ["first", "second"]
    rcu.call(lambda: log.append("nobody reads"))
    assert len(log) == 3


def lost_update(policy):
    """Two strands that increment without a lock; points as the real code has them."""
    m, box = Machine(), [0]

    def increment():
        m.points.point("load")
        value = box[0]
        m.points.point("store")
        box[0] = value + 1

    run = m.interleaver(policy)
    run.spawn("a", increment, cpu=0)
    run.spawn("b", increment, cpu=1)
    run.run()
    return box[0], m.trace


def test_exploring_finds_the_lost_update_and_its_schedule_replays():
    results = {}
    assert explore(lambda policy: results.setdefault(lost_update(policy)[0], policy.decisions), 0) == 2
    assert set(results) == {2}
    count = explore(lambda policy: results.setdefault(lost_update(policy)[0], policy.decisions), 1)
    assert (set(results), count) == ({1, 2}, 6)  # who begins, and where it is left (or not)
    replayed, trace = lost_update(Prefix(results[1]))
    assert replayed == 1
    assert [line.split(" ", 1)[1] for line in trace] == [
        "cpu0 a: load", "cpu1 b: load", "cpu1 b: store", "cpu0 a: store"]  # fmt: skip


def test_a_seed_is_a_schedule():
    traces = [tuple(lost_update(RandomPolicy(seed))[1]) for seed in range(40)]
    assert traces == [tuple(lost_update(RandomPolicy(seed))[1]) for seed in range(40)]
    assert len(set(traces)) > 3


def locks(order_a, order_b):
    def run(policy):
        m, held = Machine(), {}

        def take(name, order):
            for lock in order:
                m.points.wait(lambda lock=lock: lock not in held, f"lock {lock}")
                held[lock] = name
            for lock in order:
                m.points.point("unlock")
                del held[lock]

        found = m.interleaver(policy)
        found.spawn("a", lambda: take("a", order_a), cpu=0)
        found.spawn("b", lambda: take("b", order_b), cpu=1)
        found.run()

    return run


def test_locks_in_opposite_order_are_found_to_deadlock():
    with pytest.raises(Deadlock, match=r"a on cpu0 waits: lock y; b on cpu1 waits: lock x"):
        explore(locks("xy", "yx"), 2)
    assert explore(locks("xy", "xy"), 2) > 10


def test_a_soft_interrupt_comes_at_any_point_of_its_cpu_but_not_where_it_is_masked():
    seen = set()

    def run(policy):
        m, log = Machine(1), []
        timer = Timer(m.timers, lambda: log.append("irq"))

        def task():
            m.timers.start(timer, 1000, absolute=False)
            m.points.point("one")
            log.append("one")
            m.points.irq_save()
            log.append("masked")
            m.points.point("two")
            log.append("two")
            m.points.irq_restore()
            m.points.point("three")
            log.append("three")

        found = m.interleaver(policy)
        found.spawn("task", task, cpu=0)
        found.run()
        seen.add(tuple(log))

    explore(run, 2)
    assert {log.index("irq") for log in seen} == {0, 3, 4}


def test_an_exception_of_a_strand_ends_all():
    m = Machine()
    found = m.interleaver(Prefix())
    found.spawn("a", lambda: 1 // 0, cpu=0)
    found.spawn("b", lambda: m.points.wait(lambda: False, "for ever"), cpu=1)
    with pytest.raises(ZeroDivisionError):
        found.run()
    assert all(strand.finished or strand.thread.ident is None for strand in found)
    assert m.points.scheduler is None


def test_a_scenario_that_never_ends_is_noticed():
    m = Machine()
    m.timers.start(timer := Timer(m.timers, lambda: m.timers.start(timer, 1, absolute=False)), 0, absolute=False)
    found = Interleaver(m.cpus, m.points, Prefix(), steps=200)
    found.daemon("softirq", lambda: len(m.events) > 0, lambda: m.fire(0), cpu=0, kind=SOFTIRQ)
    found.spawn("a", lambda: None, cpu=1)
    with pytest.raises(InternalError, match="does not come to an end"):
        found.run()
