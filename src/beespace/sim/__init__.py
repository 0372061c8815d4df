"""Clocks, events, CPUs, deferred work, interleaving, choices, and the host behind them; knows nothing of BPF."""

from beespace.sim.choices import Choices, splitmix64
from beespace.sim.clock import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    CLOCK_TAI,
    NSEC_PER_SEC,
    Clock,
    VirtualClock,
)
from beespace.sim.contexts import Context, ContextKind, Cpus
from beespace.sim.events import EventQueue, ScheduledEvent
from beespace.sim.host import Host, HostThread, RealHost
from beespace.sim.hrtimers import KTIME_MAX, Hrtimer, Hrtimers
from beespace.sim.points import Deadlock, Points
from beespace.sim.rcu import Rcu
from beespace.sim.workqueue import WorkItem, Workqueue

__all__ = [
    "CLOCK_BOOTTIME",
    "CLOCK_MONOTONIC",
    "CLOCK_REALTIME",
    "CLOCK_TAI",
    "KTIME_MAX",
    "NSEC_PER_SEC",
    "Choices",
    "Clock",
    "Context",
    "ContextKind",
    "Cpus",
    "Deadlock",
    "EventQueue",
    "Host",
    "HostThread",
    "Hrtimer",
    "Hrtimers",
    "Points",
    "Rcu",
    "RealHost",
    "ScheduledEvent",
    "VirtualClock",
    "WorkItem",
    "Workqueue",
    "splitmix64",
]
