"""What a process without bpf(2) sees: for tests of messages and of skipping.

Both functions are for a child process, which they change for good.
"""

from __future__ import annotations

import ctypes
import os
import struct

from beespace.kernel.linux import NR_BPF

__all__ = ["drop_capabilities", "hide_bpf"]

_CAPABILITY_VERSION_3 = 0x20080522  # include/uapi/linux/capability.h
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2  # include/uapi/linux/prctl.h, seccomp.h
_RET_ERRNO, _RET_ALLOW = 0x00050000, 0x7FFF0000


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(ret: int, what: str) -> None:
    if ret != 0:
        raise OSError(ctypes.get_errno(), what)


def drop_capabilities() -> None:
    """Give up all capabilities. :raises OSError: capset(2) failed."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_libc().capset(header, (ctypes.c_uint32 * 6)()), "capset")


def hide_bpf(err: int) -> None:
    """Let a seccomp filter answer bpf(2) with *err*, a positive errno; no privilege is needed.

    :see: Documentation/userspace-api/seccomp_filter.rst
    """
    number = NR_BPF[os.uname().machine]
    program = b"".join(
        (
            struct.pack("<HBBI", 0x20, 0, 0, 0),  # A = seccomp_data.nr
            struct.pack("<HBBI", 0x15, 0, 1, number),  # if A == number
            struct.pack("<HBBI", 0x06, 0, 0, _RET_ERRNO | err),
            struct.pack("<HBBI", 0x06, 0, 0, _RET_ALLOW),
        )
    )
    code = ctypes.create_string_buffer(program)
    fprog = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(code)))
    zero = ctypes.c_ulong(0)
    _check(_libc().prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero), "prctl(PR_SET_NO_NEW_PRIVS)")
    _check(_libc().prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), fprog, zero, zero), "seccomp")
