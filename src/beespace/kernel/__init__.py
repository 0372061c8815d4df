"""Composition root: bpf(2), ids and fds, links, timers, workqueues, test_run."""

from beespace.kernel.kernel import Kernel
from beespace.kernel.linux import LinuxKernel
from beespace.kernel.pipeline import Pipeline
from beespace.kernel.seam import BpfKernel, cmd_name

__all__ = ["BpfKernel", "Kernel", "LinuxKernel", "Pipeline", "cmd_name"]
