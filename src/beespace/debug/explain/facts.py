"""What a rendered state says, in words; and where a value came from.

:see: kernel/bpf/log.c:print_reg_state
"""

from __future__ import annotations

import re

from beespace.debug.explain.steps import Step, Trace
from beespace.values import frozen

__all__ = ["Origin", "describe", "origin_of", "range_of"]

_FIELD = re.compile(r"([\w|]+(?:=[\w|]+)*)=(\([^)]*\)|-?(?:0x)?\w+)")
_CONST = re.compile(r"P?(-?(?:0x)?[0-9a-f]+)")
_KINDS = {
    "ctx": "the context",
    "map_ptr": "a map",
    "map_key": "a map's key",
    "pkt": "the packet",
    "pkt_meta": "the packet's metadata",
    "pkt_end": "the end of the packet",
    "fp": "this function's stack",
    "mem": "memory",
    "buf": "a buffer",
    "rdonly_mem": "read-only memory",
    "ringbuf_mem": "a ring buffer record",
    "alloc_mem": "memory",
    "sock": "a socket",
    "sock_common": "a socket",
    "tcp_sock": "a TCP socket",
    "xdp_sock": "an AF_XDP socket",
    "arena": "the arena",
    "func": "a function",
    "dynptr_ptr": "a dynptr",
}


def _fields(text: str) -> dict[str, str]:
    # "smin=smin32=0,smax=umax=511" names several fields with one value
    found: dict[str, str] = {}
    inner = text[text.find("(") + 1 : text.rfind(")")] if "(" in text else ""
    for names, value in _FIELD.findall(inner):
        found |= dict.fromkeys(names.split("="), value)
    return found


def _number(text: str) -> int:
    return int(text, 0)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value  # large ones are printed in hex, without a sign


def range_of(text: str) -> tuple[int, int] | None:
    """Least and greatest value (unsigned where the sign is known) of a scalar; None: it is no scalar.

    >>> range_of("scalar(smin=smin32=0,smax=umax=smax32=umax32=511,var_off=(0x0; 0x1ff))")
    (0, 511)
    >>> range_of("7")
    (7, 7)
    """
    if match := _CONST.fullmatch(text):
        return _number(match.group(1)), _number(match.group(1))
    if not text.startswith(("scalar(", "Pscalar(")):
        return None
    got = _fields(text)
    smin = _signed(_number(got.get("smin", str(-(1 << 63)))))
    smax = _signed(_number(got.get("smax", str((1 << 63) - 1))))
    if smin >= 0:
        return max(smin, _number(got.get("umin", "0"))), min(smax, _number(got.get("umax", str((1 << 64) - 1))))
    if "umax" in got and "smin" not in got:
        return _number(got.get("umin", "0")), _number(got["umax"])
    return smin, smax


def describe(text: str) -> str:
    """*text* in words.

    >>> describe("pkt(off=14,r=10)")
    'points into the packet, 14 bytes in; 10 bytes of the packet are checked to be there'
    >>> describe("scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))")
    'any 32-bit number (0 to 4294967295)'
    """
    limits = range_of(text)
    if limits is not None:
        return _describe_number(*limits)
    kind = text.split("(", 1)[0]
    got = _fields(text)
    maybe = kind.endswith("_or_null")
    base = kind.removesuffix("_or_null")
    if "ptr_or_null_" in base:  # of BTF types it stands before the name
        maybe, base = True, base.replace("ptr_or_null_", "ptr_")
    for flag in ("trusted_", "rcu_", "untrusted_", "percpu_", "non_own_ref_", "user_"):
        base = base.removeprefix(flag)
    if match := re.fullmatch(r"fp(-?\d+)", base):
        return f"points to this function's stack at fp{int(match.group(1)):+d}" if int(match.group(1)) else "the stack"
    if base.startswith("ptr_"):
        what = f"struct {base[4:]}"
    elif base == "map_value":
        what = f"a value of map {got['map']}" if "map" in got else "a map's value"
        what += f" ({got['vs']} bytes)" if "vs" in got else ""
    else:
        what = _KINDS.get(base, base)
    words = f"points {'into' if base == 'pkt' else 'to'} {what}" if base != "pkt_end" else "the end of the packet"
    offset = _number(got.get("off", got.get("imm", "0"))) if "off" in got else 0
    if offset:
        words += f", {offset} bytes in"
    if got.get("umax", "0") != "0" and base in ("map_value", "mem", "pkt", "ringbuf_mem"):
        words += f", plus an index of {_number(got.get('umin', '0'))} to {_number(got['umax'])}"
    if base == "pkt":
        words += f"; {_number(got.get('r', '0'))} bytes of the packet are checked to be there"
    return words + (", or is NULL" if maybe else "")


def _describe_number(low: int, high: int) -> str:
    if low == high:
        return f"the number {low}"
    if (low, high) in ((-(1 << 63), (1 << 63) - 1), (0, (1 << 64) - 1)):
        return "any number"
    if (low, high) == (0, 0xFFFFFFFF):
        return "any 32-bit number (0 to 4294967295)"
    if (low, high) == (-(1 << 31), (1 << 31) - 1):
        return f"any signed 32-bit number ({low} to {high})"
    return f"a number from {low} to {high}"


@frozen
class Origin:
    """Where a value was made: *step* is the instruction, *what* its kind ("call", "load", "arithmetic", "constant")."""

    step: Step
    what: str
    call: str = ""  # helper, kfunc or function, of a call


_CALL = re.compile(r"\(85\) call (\w+)#\d+|\(85\) call pc([+-]\d+)|\(85\) call (\w+)")
_MOVE = re.compile(r"\((?:bf|bc)\) [rw](\d+) = [rw](\d+)$")
_FILL = re.compile(r"\(79\) r(\d+) = \*\(u64 \*\)\(r10 -(\d+)\)")
_SPILL = re.compile(r"\(7b\) \*\(u64 \*\)\(r10 -(\d+)\) = r(\d+)")
_WRITES = re.compile(r"\([0-9a-f]{2}\) [rw](\d+) ([^ ]*)=")


def origin_of(trace: Trace, register: int, before: int | None = None) -> Origin | None:
    """The instruction that made what *register* holds at step number *before* (default: the last step), followed
    through moves and spills within the frame."""
    number = (len(trace.steps) - 1 if before is None else before) - 1
    if number < -1 or not trace.steps:
        return None
    frame = trace.steps[number + 1].frame
    slot: int | None = None
    while number >= 0:
        step = trace.steps[number]
        number -= 1
        if step.frame > frame:
            continue
        if step.frame < frame:
            return None
        if slot is not None:
            if (match := _SPILL.match(step.insn)) and int(match.group(1)) == slot:
                register, slot = int(match.group(2)), None
            continue
        if (match := _CALL.match(step.insn)) and register <= 5:
            if register != 0:
                return Origin(step, "clobbered", _called(match))
            return Origin(step, "call", _called(match))
        if (match := _MOVE.match(step.insn)) and int(match.group(1)) == register:
            register = int(match.group(2))
        elif (match := _FILL.match(step.insn)) and int(match.group(1)) == register:
            slot = int(match.group(2))
        elif (match := _WRITES.match(step.insn)) and int(match.group(1)) == register:
            if match.group(2):
                if "+" in match.group(2) or "-" in match.group(2):
                    continue  # an offset: still the same object
                return Origin(step, "arithmetic")
            return Origin(step, "load" if "*(" in step.insn else "constant" if "ll" not in step.insn else "address")
    return None


def _called(match: re.Match[str]) -> str:
    return match.group(1) or match.group(3) or f"the function at pc{match.group(2)}"
