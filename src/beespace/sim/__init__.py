"""Virtual clock, event queue, choices, and the host behind them; knows nothing of BPF."""

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
from beespace.sim.events import EventQueue, ScheduledEvent
from beespace.sim.host import Host, HostThread, RealHost

__all__ = [
    "CLOCK_BOOTTIME",
    "CLOCK_MONOTONIC",
    "CLOCK_REALTIME",
    "CLOCK_TAI",
    "NSEC_PER_SEC",
    "Choices",
    "Clock",
    "EventQueue",
    "Host",
    "HostThread",
    "RealHost",
    "ScheduledEvent",
    "VirtualClock",
    "splitmix64",
]
