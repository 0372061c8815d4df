"""BPF_PROG_TEST_RUN of raw tracepoint programs.

:see: net/bpf/test_run.c:bpf_prog_test_run_raw_tp
"""

from __future__ import annotations

from errno import EINVAL, ENXIO
from typing import TYPE_CHECKING

from beespace.decl.testrun import TestRunRequest, TestRunResult
from beespace.errors import SyscallError
from beespace.mem import raw
from beespace.uapi.bpf import BPF_F_TEST_RUN_ON_CPU

if TYPE_CHECKING:
    from beespace.decl.testrun import TestRunEnv

__all__ = ["bpf_prog_test_run_raw_tp"]

_MAX_BPF_FUNC_ARGS = 12


def bpf_prog_test_run_raw_tp(request: TestRunRequest, env: TestRunEnv) -> TestRunResult:
    """Run once with ctx_in as the arguments of the tracepoint, on ``cpu`` with BPF_F_TEST_RUN_ON_CPU.

    :raises SyscallError: EINVAL: something else is given, or fewer arguments than the program reads; ENXIO: no such
        CPU.
    """
    what = "BPF_PROG_TEST_RUN"
    size = len(request.ctx_in or b"")
    verified = env.program.verified
    accessed = verified.max_ctx_offset if verified is not None else 0
    refused = (
        request.data_in is not None
        or request.want_data_out
        or request.want_ctx_out
        or request.duration
        or request.repeat
        or request.batch_size
        or not accessed <= size <= 8 * _MAX_BPF_FUNC_ARGS
    )
    if refused:
        raise SyscallError(EINVAL, what)
    on_cpu = bool(request.flags & BPF_F_TEST_RUN_ON_CPU)
    if not on_cpu and request.cpu:
        raise SyscallError(EINVAL, what)
    if on_cpu and request.cpu >= env.features.cpus:
        raise SyscallError(ENXIO, what)
    address = 0
    if request.ctx_in:
        ctx = env.borrow("ctx", size)
        raw.write_bytes(ctx.base, request.ctx_in)
        address = ctx.base
    r0, _ = env.execute(address, 1, cpu=request.cpu if on_cpu else None)
    return TestRunResult(r0 & 0xFFFFFFFF, duration_ns=None)
