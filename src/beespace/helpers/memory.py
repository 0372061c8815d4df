"""Reading memory that may not be there, for helpers.

Guest memory stands for the kernel's; what is outside of it belongs to user space, the process that calls bpf(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.errors import SyscallError
from beespace.mem import raw

if TYPE_CHECKING:
    from beespace.decl.run import RunContext

__all__ = ["read_kernel", "read_memory", "read_str", "read_user"]

_PAGE = 4096


def read_kernel(run: RunContext, address: int, size: int) -> bytes | None:
    """copy_from_kernel_nofault(): bytes of one region, exposed to the guest or not; None for anything else."""
    region = run.mem.owner(address) if run.mem.base <= address < run.mem.limit else None
    if region is None or not region.first <= address <= address + size <= region.first + region.extent:
        return None
    return raw.read_bytes(address, size)


def read_user(run: RunContext, address: int, size: int) -> bytes | None:
    """copy_from_user(); None when a byte is not there."""
    try:
        data: bytes = run.kernel.user.read(address, size)
    except SyscallError:
        return None
    return data


def read_str(run: RunContext, address: int, size: int, user: bool) -> bytes | None:
    """Up to *size* bytes, through the first NUL; None when memory ends before either."""
    found = b""
    while len(found) < size:
        at = address + len(found)
        step = min(_PAGE - at % _PAGE, size - len(found))
        if user:
            piece = read_user(run, at, step)
        else:
            region = run.mem.owner(at) if run.mem.base <= at < run.mem.limit else None
            room = region.first + region.extent - at if region is not None else 0
            piece = read_kernel(run, at, min(step, room)) if room > 0 else None
        if piece is None:
            return None
        found += piece
        if b"\0" in piece:
            return found[: found.index(b"\0") + 1]
    return found


def read_memory(run: RunContext, address: int, size: int, user: bool) -> bytes | None:
    """What bprintf() reads: *size* bytes, or a string of at most that."""
    if not user and size in (4, 16):
        exact = read_kernel(run, address, size)
        if exact is not None:
            return exact
    return read_str(run, address, size, user)
