"""BPF_PROG_TEST_RUN.

:see: kernel/bpf/syscall.c:bpf_prog_test_run, net/bpf/test_run.c:bpf_test_finish
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EINVAL, ENOSPC
from typing import TYPE_CHECKING, Any

from beespace.decl.testrun import TestRunRequest, TestRunResult
from beespace.errors import ENOTSUPP, SyscallError
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import ProgTestRunAttr

if TYPE_CHECKING:
    from beespace.decl.prog import XlatedProgram
    from beespace.decl.registry import Features
    from beespace.kernel.kernel import Kernel
    from beespace.kernel.prog import BpfProg
    from beespace.mem import AddressSpace, Region

__all__ = ["COMMANDS", "KernelTestRun"]


class KernelTestRun:
    """What test_run functions of program types get (TestRunEnv)."""

    def __init__(self, kernel: Kernel, prog: BpfProg) -> None:
        self._kernel = kernel
        self._prog = prog
        self._borrowed: list[Region] = []

    @property
    def mem(self) -> AddressSpace:
        """Guest memory."""
        return self._kernel.space

    @property
    def features(self) -> Features:
        """The kernel's."""
        return self._kernel.features

    @property
    def program(self) -> XlatedProgram:
        """What runs."""
        return self._prog.xlated

    @property
    def expected_attach_type(self) -> int:
        """Of the program."""
        return self._prog.expected_attach_type

    def borrow(self, name: str, size: int) -> Region:
        """Zeroed guest memory until the test run ends."""
        region = self._kernel.runs.borrow(name, size)
        self._borrowed.append(region)
        return region

    def execute(self, ctx: int, repeat: int, *, cpu: int | None = None) -> tuple[int, int]:
        """Run the program at least once: (r0, mean ns)."""
        cpu = self._kernel.current_cpu if cpu is None else cpu
        return self._kernel.runs.execute(self._prog, ctx, cpu, max(repeat, 1))

    def end(self) -> None:
        """Take back what was borrowed."""
        for region in self._borrowed:
            self._kernel.runs.give_back(region)


def prog_test_run(kernel: Kernel, attr: ProgTestRunAttr) -> int:
    """BPF_PROG_TEST_RUN."""
    what = "BPF_PROG_TEST_RUN"
    if bool(attr.ctx_size_in) != bool(attr.ctx_in) or bool(attr.ctx_size_out) != bool(attr.ctx_out):
        raise SyscallError(EINVAL, what)
    prog: BpfProg = kernel.get_file(attr.prog_fd, "prog").obj
    test_run = prog.prog_type.test_run
    if test_run is None:
        raise SyscallError(ENOTSUPP, what, hint=f"{prog.prog_type.name} programs cannot be test run")
    request = TestRunRequest(
        data_in=kernel.user.read(attr.data_in, attr.data_size_in) if attr.data_in else None,
        data_size_in=attr.data_size_in,
        data_size_out=attr.data_size_out,
        ctx_in=kernel.user.read(attr.ctx_in, attr.ctx_size_in) if attr.ctx_in else None,
        ctx_size_out=attr.ctx_size_out,
        want_data_out=bool(attr.data_out),
        want_ctx_out=bool(attr.ctx_out),
        repeat=attr.repeat,
        duration=attr.duration,
        flags=attr.flags,
        cpu=attr.cpu,
        batch_size=attr.batch_size,
    )
    env = KernelTestRun(kernel, prog)
    prog.refcnt += 1
    try:
        result = test_run(request, env)
    finally:
        env.end()
        kernel.put_prog(prog)
    return _finish(kernel, attr, result, what)


# bpf_test_finish() and bpf_ctx_finish()
def _finish(kernel: Kernel, attr: ProgTestRunAttr, result: TestRunResult, what: str) -> int:
    overflow = False
    if result.data_out is not None:
        room, attr.data_size_out = attr.data_size_out, len(result.data_out)
        if attr.data_out:
            data = result.data_out
            if room and room < len(data):
                data, overflow = data[:room], True
            kernel.user.write(attr.data_out, data)
    attr.retval = result.retval & 0xFFFFFFFF
    if result.duration_ns is not None:
        attr.duration = result.duration_ns & 0xFFFFFFFF
    if result.ctx_out is not None and attr.ctx_out:
        data = result.ctx_out
        room, attr.ctx_size_out = attr.ctx_size_out, len(data)
        if room < len(data):
            data, overflow = data[:room], True
        kernel.user.write(attr.ctx_out, data)
    if result.ctx_back is not None:
        kernel.user.write(attr.ctx_in, result.ctx_back)
    if overflow:
        raise SyscallError(ENOSPC, what)
    return 0


COMMANDS: dict[int, Callable[[Kernel, Any], int]] = {uapi.BPF_PROG_TEST_RUN: prog_test_run}
