"""Composition root: bpf(2), ids and fds, links, timers, workqueues, test_run."""

from beespace.kernel.linux import LinuxKernel
from beespace.kernel.seam import BpfKernel, cmd_name

__all__ = ["BpfKernel", "LinuxKernel", "cmd_name"]
