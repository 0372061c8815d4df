"""The log buffer that PROG_LOAD and BTF_LOAD fill.

:see: kernel/bpf/log.c:bpf_vlog_init, bpf_vlog_finalize
"""

from __future__ import annotations

from errno import EFAULT, EINVAL, ENOSPC
from typing import TYPE_CHECKING

from beespace.errors import SyscallError

if TYPE_CHECKING:
    from beespace.kernel.usermem import UserMemory

__all__ = ["BPF_LOG_FIXED", "UserLog"]

BPF_LOG_LEVEL1, BPF_LOG_LEVEL2, BPF_LOG_STATS, BPF_LOG_FIXED = 1, 2, 4, 8
_BPF_LOG_MASK = BPF_LOG_LEVEL1 | BPF_LOG_LEVEL2 | BPF_LOG_STATS | BPF_LOG_FIXED
_UINT_MAX = 2**32 - 1


class UserLog:
    """``struct bpf_verifier_log`` of one command.

    :raises SyscallError: EINVAL: buffer and size not both given, a buffer without level, unknown level, too big.
    """

    def __init__(self, user: UserMemory, level: int, address: int, size: int, what: str) -> None:
        bad = bool(address) != bool(size) or (address and not level) or level & ~_BPF_LOG_MASK or size > _UINT_MAX >> 2
        if bad:
            raise SyscallError(EINVAL, what)
        self._user = user
        self._level = level
        self._address = address
        self._size = size

    def finish(self, text: str, longest: int = 0) -> tuple[int, int]:
        """Write *text*: its end when it does not fit, its start with BPF_LOG_FIXED.

        :param longest: bytes the log had at most before parts of it were taken back.
        :return: (log_true_size, 0 or the positive errno: ENOSPC when it did not fit, EFAULT).
        """
        data = text.encode("utf-8", "surrogateescape")
        if not self._level or not (data or longest):
            return 0, 0
        true_size = max(len(data), longest) + 1
        if not self._address:
            return true_size, 0
        if len(data) < self._size:
            out = data + b"\0"
        elif self._level & BPF_LOG_FIXED:
            out = data[: self._size - 1] + b"\0"
        else:
            out = data[len(data) - self._size + 1 :] + b"\0"
        try:
            self._user.write(self._address, out)
        except SyscallError:
            return true_size, EFAULT
        return true_size, ENOSPC if true_size > self._size else 0
