"""The host's clock and threads, for whoever is given them: the only module that asks the operating system."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

from beespace.errors import InternalError
from beespace.sim.clock import CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_TAI

__all__ = ["Host", "HostThread", "RealHost"]


class HostThread(Protocol):
    """A thread of the host."""

    def join(self) -> None:
        """Wait for its end; an exception that ended it is raised here."""
        ...


class Host(Protocol):
    """What real mode, parallel runs, background compilation and reports need of the machine."""

    def now_ns(self, clock: int = CLOCK_MONOTONIC) -> int:
        """Nanoseconds on CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME or CLOCK_TAI."""
        ...

    def sleep_ns(self, duration_ns: int) -> None:
        """Do nothing for at least that long."""
        ...

    def cpu_count(self) -> int:
        """CPUs that this process may use."""
        ...

    def start_thread(self, target: Callable[[], None], name: str) -> HostThread:
        """Run *target* in a new thread."""
        ...


_HOST_CLOCKS = {
    CLOCK_MONOTONIC: time.CLOCK_MONOTONIC,
    CLOCK_REALTIME: time.CLOCK_REALTIME,
    CLOCK_BOOTTIME: getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC),
    CLOCK_TAI: getattr(time, "CLOCK_TAI", time.CLOCK_REALTIME),
}


class _Thread:
    def __init__(self, target: Callable[[], None], name: str) -> None:
        self._error: BaseException | None = None
        self._target = target
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._target()
        except BaseException as error:  # handed to join()
            self._error = error

    def join(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error


class RealHost:
    """The machine this process runs on."""

    def now_ns(self, clock: int = CLOCK_MONOTONIC) -> int:
        """clock_gettime(2)."""
        number = _HOST_CLOCKS.get(clock)
        if number is None:
            raise InternalError(f"no clock {clock}")
        return time.clock_gettime_ns(number)

    def sleep_ns(self, duration_ns: int) -> None:
        """nanosleep(2)."""
        time.sleep(duration_ns / 1e9)

    def cpu_count(self) -> int:
        """sched_getaffinity(2)."""
        return len(os.sched_getaffinity(0))

    def start_thread(self, target: Callable[[], None], name: str) -> HostThread:
        """A daemon thread."""
        return _Thread(target, name)
