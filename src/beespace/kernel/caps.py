"""Why the running kernel says no: which capabilities this process lacks, and how to get them."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from beespace.errors import errno_name

__all__ = ["CAPABILITIES", "held_capabilities", "hint"]

# include/uapi/linux/capability.h; what kernel/bpf/syscall.c asks for
CAPABILITIES = {"CAP_BPF": 39, "CAP_PERFMON": 38, "CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
_STATUS = Path("/proc/self/status")
_UNPRIVILEGED = Path("/proc/sys/kernel/unprivileged_bpf_disabled")
_HOW = "run as root (sudo -E), or give a container --cap-add BPF --cap-add PERFMON --cap-add NET_ADMIN"


def _status_field(name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s*([0-9a-f]+)$", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1), 16) if found else None


def held_capabilities() -> frozenset[str] | None:
    """Names of CAPABILITIES in the effective set of this process, None where /proc does not tell."""
    effective = _status_field("CapEff")
    if effective is None:
        return None
    return frozenset(name for name, bit in CAPABILITIES.items() if effective >> bit & 1)


def hint(err: int) -> str:
    """What to do about *err* of bpf(2); "" where its errno says enough.

    :param err: EPERM or ENOSYS; others have no hint.
    """
    if err == errno.ENOSYS:
        return "this kernel has no bpf(2) (CONFIG_BPF_SYSCALL), or seccomp hides it"
    if err != errno.EPERM:
        return ""
    held = held_capabilities()
    if held is None:
        return f"bpf(2) needs CAP_BPF; {_HOW}"
    if "CAP_SYS_ADMIN" in held or held >= {"CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"}:
        return "a seccomp filter of this process may refuse it" if _status_field("Seccomp") else ""
    missing = [name for name in CAPABILITIES if name not in held]
    return f"this process lacks {', '.join(missing)}; {_HOW}; kernel.unprivileged_bpf_disabled is {_unprivileged()}"


def _unprivileged() -> str:
    try:
        return _UNPRIVILEGED.read_text().strip()
    except OSError as error:
        return errno_name(error.errno or 0)
