"""Helpers of kernel/bpf/helpers.c.

:see: kernel/bpf/helpers.c, kernel/bpf/core.c:bpf_user_rnd_u32
"""

from __future__ import annotations

from errno import EFAULT, EINVAL, ERANGE
from typing import TYPE_CHECKING

from beespace.decl.func import implements
from beespace.helpers.bprintf import MAX_BPRINTF_VARARGS, BprintfError, bprintf
from beespace.helpers.memory import read_memory, read_user
from beespace.mem import raw
from beespace.sim import CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_TAI, NSEC_PER_SEC

if TYPE_CHECKING:
    from beespace.decl.run import RunContext

__all__ = [
    "bpf_copy_from_user",
    "bpf_get_current_comm",
    "bpf_get_current_pid_tgid",
    "bpf_get_current_uid_gid",
    "bpf_get_numa_node_id",
    "bpf_get_prandom_u32",
    "bpf_get_smp_processor_id",
    "bpf_jiffies64",
    "bpf_ktime_get_boot_ns",
    "bpf_ktime_get_coarse_ns",
    "bpf_ktime_get_ns",
    "bpf_ktime_get_tai_ns",
    "bpf_snprintf",
    "bpf_spin_lock",
    "bpf_spin_unlock",
    "bpf_strncmp",
    "bpf_strtol",
    "bpf_strtoul",
]

_BASE_MASK = 0x1F  # BPF_STRTOX_BASE_MASK
_DIGITS = {ord(char): int(char, 16) for char in "0123456789abcdefABCDEF"}
_INITIAL_JIFFIES_SECONDS = 300  # include/linux/jiffies.h: jiffies wrap five minutes after boot
_STRTO_BYTES = 63


@implements("bpf_get_prandom_u32")
def bpf_get_prandom_u32(run: RunContext) -> int:
    """A random u32 of the kernel's seed."""
    return run.prandom_u32()


@implements("bpf_get_smp_processor_id", "bpf_get_raw_smp_processor_id")
def bpf_get_smp_processor_id(run: RunContext) -> int:
    """The CPU of the run."""
    return run.cpu


@implements("bpf_get_numa_node_id")
def bpf_get_numa_node_id(run: RunContext) -> int:
    """0: simulated machines have one node."""
    return 0


@implements("bpf_ktime_get_ns")
def bpf_ktime_get_ns(run: RunContext) -> int:
    """CLOCK_MONOTONIC, ns."""
    return run.ktime_ns(CLOCK_MONOTONIC)


@implements("bpf_ktime_get_boot_ns")
def bpf_ktime_get_boot_ns(run: RunContext) -> int:
    """CLOCK_BOOTTIME, ns."""
    return run.ktime_ns(CLOCK_BOOTTIME)


@implements("bpf_ktime_get_tai_ns")
def bpf_ktime_get_tai_ns(run: RunContext) -> int:
    """CLOCK_TAI, ns."""
    return run.ktime_ns(CLOCK_TAI)


@implements("bpf_ktime_get_coarse_ns")
def bpf_ktime_get_coarse_ns(run: RunContext) -> int:
    """CLOCK_MONOTONIC at the last tick, ns."""
    now = run.ktime_ns(CLOCK_MONOTONIC)
    return int(now - now % (NSEC_PER_SEC // run.kernel.features.hz))


@implements("bpf_jiffies64")
def bpf_jiffies64(run: RunContext) -> int:
    """Ticks of CONFIG_HZ, from where the kernel starts to count."""
    hz = run.kernel.features.hz
    start = -_INITIAL_JIFFIES_SECONDS * hz & 0xFFFFFFFF
    return int(start + run.ktime_ns(CLOCK_MONOTONIC) * hz // NSEC_PER_SEC)


@implements("bpf_get_current_pid_tgid")
def bpf_get_current_pid_tgid(run: RunContext) -> int:
    """``tgid << 32 | pid``."""
    task = run.kernel.task
    return int(task.tgid << 32 | task.pid)


@implements("bpf_get_current_uid_gid")
def bpf_get_current_uid_gid(run: RunContext) -> int:
    """``gid << 32 | uid``."""
    task = run.kernel.task
    return int(task.gid << 32 | task.uid)


@implements("bpf_get_current_comm")
def bpf_get_current_comm(run: RunContext, buf: int, size: int) -> int:
    """Name of the task, zero-filled to *size*; 0."""
    name = run.kernel.task.comm.encode()[: min(size, 16) - 1]
    raw.write_bytes(buf, name.ljust(size, b"\0"))
    return 0


# __bpf_strtoull(): (characters consumed or -errno, magnitude, is negative).
def _strtoull(run: RunContext, buf: int, size: int, flags: int) -> tuple[int, int, bool]:
    base = flags & _BASE_MASK
    if not buf or not size or base not in (0, 8, 10, 16) or flags & ~_BASE_MASK:
        return -EINVAL, 0, False
    text = raw.read_bytes(buf, size)
    at = len(text) - len(text.lstrip(b" \t\n\v\f\r\xa0"))
    negative = text[at : at + 1] == b"-"
    at += negative
    digits = text[at : at + _STRTO_BYTES]
    if not digits:
        return -EINVAL, 0, negative
    skipped = 0
    has_prefix = digits[:2] in (b"0x", b"0X")
    if base == 0:
        base = 16 if has_prefix and digits[2:3] and digits[2] in _DIGITS else 8 if digits[:1] == b"0" else 10
    if base == 16 and has_prefix:
        skipped = 2
    value, count = 0, 0
    for char in digits[skipped:]:
        digit = _DIGITS.get(char, base)
        if digit >= base:
            break
        value = value * base + digit
        count += 1
    if value >> 64:
        return -ERANGE, 0, negative
    if not count:
        return -EINVAL, 0, negative
    return at + skipped + count, value, negative


@implements("bpf_strtol")
def bpf_strtol(run: RunContext, buf: int, buf_len: int, flags: int, res: int) -> int:
    """Characters consumed; -EINVAL no number or an unknown base in *flags*, -ERANGE. ``*res`` is 0 then."""
    raw.store64(res, 0)
    consumed, value, negative = _strtoull(run, buf, buf_len, flags)
    if consumed < 0:
        return consumed
    if value > (1 << 63) - (not negative):
        return -ERANGE
    raw.store64(res, (-value if negative else value) & 0xFFFFFFFFFFFFFFFF)
    return consumed


@implements("bpf_strtoul")
def bpf_strtoul(run: RunContext, buf: int, buf_len: int, flags: int, res: int) -> int:
    """As bpf_strtol(), unsigned: a minus is -EINVAL."""
    raw.store64(res, 0)
    consumed, value, negative = _strtoull(run, buf, buf_len, flags)
    if consumed < 0:
        return consumed
    if negative:
        return -EINVAL
    raw.store64(res, value)
    return consumed


@implements("bpf_strncmp")
def bpf_strncmp(run: RunContext, s1: int, s1_sz: int, s2: int) -> int:
    """strncmp(): -1, 0 or 1."""
    for at in range(s1_sz):
        a, b = raw.load8(s1 + at), raw.load8(s2 + at)
        if a != b:
            return -1 if a < b else 1
        if not a:
            break
    return 0


@implements("bpf_copy_from_user")
def bpf_copy_from_user(run: RunContext, dst: int, size: int, user_ptr: int) -> int:
    """0; -EFAULT, with *dst* zero."""
    data = read_user(run, user_ptr, size) if size else b""
    raw.write_bytes(dst, bytes(size) if data is None else data)
    return -EFAULT if data is None else 0


@implements("bpf_snprintf")
def bpf_snprintf(run: RunContext, str_: int, str_size: int, fmt: int, args: int, data_len: int) -> int:
    """Bytes the whole text needs with its NUL; -EINVAL, -ENOSPC, -EBUSY."""
    if data_len % 8 or data_len > MAX_BPRINTF_VARARGS * 8 or (data_len and not args):
        return -EINVAL
    values = [raw.load64(args + off) for off in range(0, data_len, 8)]
    try:
        text = bprintf(_c_string(fmt), values, lambda at, size, user: read_memory(run, at, size, user))
    except BprintfError as error:
        return -error.errno
    if str_size:
        raw.write_bytes(str_, text[: str_size - 1] + b"\0")
    return len(text) + 1


# A constant string: the verifier has seen its NUL.
def _c_string(address: int) -> bytes:
    out = bytearray()
    while not out or out[-1]:
        out.append(raw.load8(address + len(out)))
    return bytes(out)


@implements("bpf_spin_lock")
def bpf_spin_lock(run: RunContext, lock: int) -> int:
    """Take the lock."""
    raw.spin_lock(lock)
    return 0


@implements("bpf_spin_unlock")
def bpf_spin_unlock(run: RunContext, lock: int) -> int:
    """Release the lock."""
    raw.spin_unlock(lock)
    return 0
