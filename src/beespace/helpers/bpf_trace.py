"""Helpers of kernel/trace/bpf_trace.c that any program may call: printing and reading memory.

:see: kernel/trace/bpf_trace.c
"""

from __future__ import annotations

from errno import EFAULT, EINVAL, ERANGE
from typing import TYPE_CHECKING

from beespace.decl.func import implements
from beespace.helpers.bprintf import MAX_BPRINTF_BUF, MAX_BPRINTF_VARARGS, BprintfError, bprintf
from beespace.helpers.memory import read_kernel, read_memory, read_str, read_user
from beespace.mem import raw

if TYPE_CHECKING:
    from beespace.decl.run import RunContext

__all__ = [
    "bpf_probe_read_kernel",
    "bpf_probe_read_kernel_str",
    "bpf_probe_read_user",
    "bpf_probe_read_user_str",
    "bpf_trace_printk",
    "bpf_trace_vprintk",
]

_TASK_SIZE_MAX = (1 << 47) - 4096  # x86-64


def _printk(run: RunContext, fmt: int, fmt_size: int, values: list[int]) -> int:
    try:
        text = bprintf(raw.read_bytes(fmt, fmt_size), values, lambda at, size, user: read_memory(run, at, size, user))
    except BprintfError as error:
        return -error.errno
    run.printk(text[: MAX_BPRINTF_BUF - 1].decode("utf-8", "backslashreplace"))
    return len(text)


@implements("bpf_trace_printk")
def bpf_trace_printk(run: RunContext, fmt: int, fmt_size: int, *args: int) -> int:
    """A line into trace_pipe; its length, -EINVAL."""
    return _printk(run, fmt, fmt_size, list(args))


@implements("bpf_trace_vprintk")
def bpf_trace_vprintk(run: RunContext, fmt: int, fmt_size: int, args: int, data_len: int) -> int:
    """As bpf_trace_printk(), with up to 12 arguments in an array of u64."""
    if data_len % 8 or data_len > MAX_BPRINTF_VARARGS * 8 or (data_len and not args):
        return -EINVAL
    return _printk(run, fmt, fmt_size, [raw.load64(args + off) for off in range(0, data_len, 8)])


# What copy_from_kernel_nofault() says of an address that is not the kernel's.
def _bad_address(address: int) -> int:
    return -ERANGE if address < _TASK_SIZE_MAX + 4096 else -EFAULT


@implements("bpf_probe_read_kernel")
def bpf_probe_read_kernel(run: RunContext, dst: int, size: int, unsafe_ptr: int) -> int:
    """0; -EFAULT or -ERANGE, with *dst* zero."""
    data = read_kernel(run, unsafe_ptr, size)
    raw.write_bytes(dst, bytes(size) if data is None else data)
    return 0 if data is not None or not size else _bad_address(unsafe_ptr)


@implements("bpf_probe_read_user")
def bpf_probe_read_user(run: RunContext, dst: int, size: int, unsafe_ptr: int) -> int:
    """0; -EFAULT, with *dst* zero."""
    data = read_user(run, unsafe_ptr, size) if size else b""
    raw.write_bytes(dst, bytes(size) if data is None else data)
    return 0 if data is not None else -EFAULT


# Bytes stored, with the NUL; a string that is too long is cut.
def _store_str(dst: int, data: bytes) -> int:
    if data[-1:] != b"\0":
        data = data[:-1] + b"\0"
    raw.write_bytes(dst, data)
    return len(data)


@implements("bpf_probe_read_kernel_str")
def bpf_probe_read_kernel_str(run: RunContext, dst: int, size: int, unsafe_ptr: int) -> int:
    """Length with the NUL; -EFAULT or -ERANGE, with *dst* zero."""
    if not size:
        return 0
    data = read_str(run, unsafe_ptr, size, False)
    if data is None:
        raw.fill(dst, 0, size)
        return _bad_address(unsafe_ptr)
    return _store_str(dst, data)


@implements("bpf_probe_read_user_str")
def bpf_probe_read_user_str(run: RunContext, dst: int, size: int, unsafe_ptr: int) -> int:
    """Length with the NUL; -EFAULT, with *dst* zero."""
    if not size:
        return 0
    data = read_str(run, unsafe_ptr, size, True)
    if data is None:
        raw.fill(dst, 0, size)
        return -EFAULT
    length = _store_str(dst, data)
    # strncpy_from_user() works a word at a time: the rest of the NUL's word becomes zero when the word fits.
    padded = length + 7 & ~7
    if padded <= size:
        raw.fill(dst + length, 0, padded - length)
    return length
