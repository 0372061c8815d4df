"""BPF_PROG_TEST_RUN of syscall programs.

:see: kernel/bpf/syscall.c, net/bpf/test_run.c:bpf_prog_test_run_syscall
"""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING

from beespace.decl.testrun import TestRunRequest, TestRunResult
from beespace.errors import SyscallError
from beespace.mem import raw

if TYPE_CHECKING:
    from beespace.decl.testrun import TestRunEnv

__all__ = ["bpf_prog_test_run_syscall"]

_U16_MAX = 0xFFFF


def bpf_prog_test_run_syscall(request: TestRunRequest, env: TestRunEnv) -> TestRunResult:
    """Run once on a copy of ctx_in, which is written back.

    :raises SyscallError: EINVAL: anything but a context is given, or it is smaller than what the program accesses.
    """
    size = len(request.ctx_in or b"")
    refused = (
        request.data_in is not None
        or request.want_data_out
        or request.want_ctx_out
        or request.duration
        or request.repeat
        or request.flags
        or request.batch_size
        or not _accessed(env) <= size <= _U16_MAX
    )
    if refused:
        raise SyscallError(EINVAL, "BPF_PROG_TEST_RUN")
    if not request.ctx_in:
        r0, _ = env.execute(0, 1)
        return TestRunResult(r0 & 0xFFFFFFFF, duration_ns=None)
    ctx = env.borrow("ctx", size)
    raw.write_bytes(ctx.base, request.ctx_in)
    r0, _ = env.execute(ctx.base, 1)
    return TestRunResult(r0 & 0xFFFFFFFF, duration_ns=None, ctx_back=raw.read_bytes(ctx.base, size))


def _accessed(env: TestRunEnv) -> int:
    verified = env.program.verified
    return verified.max_ctx_offset if verified is not None else 0
