"""Scenarios recorded on Linux, played inside the test suite on either kernel.

A scenario is a JSON file beside the objects it loads; ``SCHEMA.md`` in their folder describes it, and
``runner/scenario.py`` there carries its steps out. This module finds them and plays each in a process of its own, with
a BPF file system of its own, so that nothing outlives a scenario.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from beespace.kernel.bpffs import MOUNT

__all__ = ["BPFFS_MOUNT", "find_scenarios", "in_child", "mount_private_bpffs", "play_scenario"]

BPFFS_MOUNT = MOUNT
_CLONE_NEWNS = 0x20000  # include/uapi/linux/sched.h
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18  # include/uapi/linux/mount.h


def find_scenarios(folder: Path) -> list[Path]:
    """All scenarios below *folder*, sorted by topic and name."""
    return sorted(path for path in folder.glob("S*/*.json"))


def mount_private_bpffs() -> None:
    """Give this process a BPF file system at /sys/fs/bpf that no other process sees; it ends with the process.

    :raises OSError: EPERM without CAP_SYS_ADMIN.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def call(what: str, ret: int) -> None:
        if ret != 0:
            err = ctypes.get_errno()
            raise OSError(err, f"{what}: {os.strerror(err)}")

    call("unshare(CLONE_NEWNS)", libc.unshare(_CLONE_NEWNS))
    call("mount /", libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    call(f"mount {MOUNT}", libc.mount(b"bpf", MOUNT.encode(), b"bpf", ctypes.c_ulong(0), None))


def in_child(work: Callable[[], list[str] | None], *, seconds: int = 60) -> list[str]:
    """What *work* returns, called in a forked process; what it raised or died of as one more line.

    :param seconds: the process is killed after this time.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            signal.alarm(seconds)
            try:
                lines = work() or []
            except BaseException:
                lines = [f"exception: {traceback.format_exc()}"]
            with os.fdopen(writer, "w") as file:
                json.dump(lines, file)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return [f"killed by signal {os.WTERMSIG(status)} ({signal.Signals(os.WTERMSIG(status)).name})"]
    found: list[str] = json.loads(text)
    return found


@cache
def _scenario_class(runner: Path) -> type[Any]:
    # The class that carries out steps, from the folder of the scenarios.
    sys.path.insert(0, str(runner))
    try:
        spec = importlib.util.spec_from_file_location("beespace_scenario_runner", runner / "scenario.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(runner))
    found: type[Any] = module.Scenario
    return found


def play_scenario(
    path: Path, engine: Callable[[str], Any], prepare: Callable[[], None] | None = None, *, seconds: int = 60
) -> list[str]:
    """Play one scenario in a process of its own, in which time is the machine's.

    :param engine: makes an engine (``beespace.testing.golden``) for a folder of objects.
    :param prepare: called in that process before anything else.
    :param seconds: after which the scenario counts as failed.
    :return: a line for each mismatch; none: the kernel did what Linux did.
    """

    def work() -> list[str]:
        if prepare is not None:
            prepare()
        doc = json.loads(path.read_text())
        player = _scenario_class(path.parent.parent / "runner")(doc, str(path.parent), engine)
        needed = doc.get("requires", {}).get("possible_cpus")
        if needed is not None and player.eng.cpus != needed:
            return [f"skip: needs {needed} possible CPUs, there are {player.eng.cpus}"]
        player.eng.pin_cpu(0)
        try:
            lines: list[str] = player.play()
        finally:
            player.close()
        return lines

    return in_child(work, seconds=seconds)
