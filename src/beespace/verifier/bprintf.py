"""Format strings that are checked when the program is loaded.

:see: kernel/trace/bpf_trace.c, kernel/bpf/helpers.c:bpf_bprintf_prepare; kernel/bpf/verifier.c:check_bpf_snprintf_call
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from beespace.verifier.env import EINVAL
from beespace.verifier.memory import read_map_value

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["check_snprintf", "count_conversions"]

_END = rb"(?=$|[\s!-/:-@\[-`{-~])"  # nothing, a space or punctuation follows
_CONVERSION = re.compile(
    rb"%[0+\- ]*(?:[1-9][0-9]*)?"
    rb"(?:p" + _END + rb"|p[ku]s" + _END + rb"|p[KxsSB]|p[iI][46]|s" + _END + rb"|c|l{0,2}[iduxX])"
)  # fmt: skip
_PLAIN = re.compile(rb"(?:%%|[\t-\r -$&-~\x80-\xff])+")


def count_conversions(fmt: bytes) -> int:
    """Arguments that *fmt* (up to its NUL) takes; -1 when the kernel would not print with it."""
    fmt = fmt.split(b"\0", 1)[0]
    at = count = 0
    while at < len(fmt):
        found = _PLAIN.match(fmt, at)
        if found is None:
            found = _CONVERSION.match(fmt, at)
            if found is None:
                return -1
            count += 1
        at = found.end()
    return count


def check_snprintf(env: Env) -> None:
    """``bpf_snprintf()``: data (R5 bytes) are an array of u64, as many as the format takes at least."""
    regs = env.regs()
    size = regs[5].bounds.var_off.value
    if size % 8:
        env.refuse(EINVAL, "")
    m = regs[3].map_ptr
    at = regs[3].off + regs[3].bounds.var_off.value
    count = count_conversions(read_map_value(env, m, at, m.value_size - at))
    if count < 0 or count > size // 8:
        env.reject(EINVAL, "Invalid format string")
