"""Virtual time: the four clocks of a kernel as offsets of one counter."""

from __future__ import annotations

from typing import Protocol

from beespace.errors import InternalError

__all__ = ["CLOCK_BOOTTIME", "CLOCK_MONOTONIC", "CLOCK_REALTIME", "CLOCK_TAI", "NSEC_PER_SEC", "Clock", "VirtualClock"]

NSEC_PER_SEC = 1_000_000_000
# include/uapi/linux/time.h
CLOCK_REALTIME = 0
CLOCK_MONOTONIC = 1
CLOCK_BOOTTIME = 7
CLOCK_TAI = 11

_TAI_OFFSET_NS = 37 * NSEC_PER_SEC  # since 2017
_INITIAL_JIFFIES_SECONDS = 300
_BOOT_REALTIME_NS = 1_735_689_600 * NSEC_PER_SEC  # 2025-01-01 00:00:00 UTC: the moment virtual kernels boot


class Clock(Protocol):
    """What tells the time of a kernel."""

    def now_ns(self, clock: int = CLOCK_MONOTONIC) -> int:
        """Nanoseconds on *clock* (CLOCK_*), u64. :raises InternalError: an unknown clock."""
        ...


class VirtualClock:
    """Time that moves only when told to.

    :param monotonic_ns: uptime at the start.
    :param realtime_ns: wall clock at uptime 0.
    :param suspended_ns: how far CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC.
    """

    def __init__(
        self,
        monotonic_ns: int = 10 * NSEC_PER_SEC,
        *,
        realtime_ns: int = _BOOT_REALTIME_NS,
        tai_offset_ns: int = _TAI_OFFSET_NS,
        suspended_ns: int = 0,
    ) -> None:
        self._now = monotonic_ns
        self._offsets = {
            CLOCK_MONOTONIC: 0,
            CLOCK_BOOTTIME: suspended_ns,
            CLOCK_REALTIME: realtime_ns,
            CLOCK_TAI: realtime_ns + tai_offset_ns,
        }

    def now_ns(self, clock: int = CLOCK_MONOTONIC) -> int:
        """Nanoseconds on *clock*."""
        offset = self._offsets.get(clock)
        if offset is None:
            raise InternalError(f"no clock {clock}")
        return self._now + offset

    def jiffies64(self, hz: int) -> int:
        """Ticks of *hz* a second; they start five minutes before a 32-bit counter wraps.

        :see: include/linux/jiffies.h:INITIAL_JIFFIES
        """
        return (-_INITIAL_JIFFIES_SECONDS * hz & 0xFFFFFFFF) + self._now * hz // NSEC_PER_SEC

    def to_monotonic(self, clock: int, time_ns: int) -> int:
        """The CLOCK_MONOTONIC time at which *clock* shows *time_ns* (deadlines are kept on that scale)."""
        return time_ns - (self.now_ns(clock) - self._now)

    def advance_to(self, monotonic_ns: int) -> None:
        """Move forward to a moment; a past one is a bug of the caller."""
        if monotonic_ns < self._now:
            raise InternalError(f"virtual time would run backwards from {self._now} to {monotonic_ns}")
        self._now = monotonic_ns

    def set_realtime(self, realtime_ns: int) -> None:
        """Set the wall clock (clock_settime(2)); CLOCK_TAI follows, the other clocks do not."""
        tai = self._offsets[CLOCK_TAI] - self._offsets[CLOCK_REALTIME]
        self._offsets[CLOCK_REALTIME] = realtime_ns - self._now
        self._offsets[CLOCK_TAI] = self._offsets[CLOCK_REALTIME] + tai

    def suspend(self, duration_ns: int) -> None:
        """The machine sleeps: CLOCK_MONOTONIC stands still, the others go on."""
        if duration_ns < 0:
            raise InternalError(f"suspend for {duration_ns} ns")
        for clock in (CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI):
            self._offsets[clock] += duration_ns
