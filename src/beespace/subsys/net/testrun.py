"""What the test runs of network programs share.

:see: net/bpf/test_run.c:bpf_ctx_init
"""

from __future__ import annotations

from errno import E2BIG

from beespace.decl.testrun import TestRunRequest
from beespace.errors import SyscallError

__all__ = ["ETH_HLEN", "LOOPBACK_IFINDEX", "read_ctx"]

ETH_HLEN = 14
_PAGE_BYTES = 4096
LOOPBACK_IFINDEX = 1  # the only interface of a simulated kernel


def read_ctx(request: TestRunRequest, size: int) -> bytes | None:
    """The user's context, zero-filled to *size* bytes; None when neither ctx_in nor ctx_out was given.

    :raises SyscallError: E2BIG when bytes beyond *size* are not zero, or there are more than a page of them.
    """
    if request.ctx_in is None and not request.want_ctx_out:
        return None
    given = request.ctx_in or b""
    if len(given) > _PAGE_BYTES or any(given[size:]):
        raise SyscallError(E2BIG, f"BPF_PROG_TEST_RUN: context of {len(given)} bytes, the kernel knows {size}")
    return given[:size].ljust(size, b"\0")
