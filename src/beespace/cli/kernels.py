"""Which kernel a command talks to."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import beespace
from beespace.errors import SyscallError

if TYPE_CHECKING:
    from beespace.api import Kernel, LinuxKernel

__all__ = ["Backend", "open_kernel"]


class Backend(StrEnum):
    """``--backend``."""

    sim = "sim"
    linux = "linux"


def open_kernel(backend: Backend, **options: Any) -> Kernel | LinuxKernel:
    """A kernel of the kind asked for; *options* are Kernel()'s, and LinuxKernel has none.

    :raises SyscallError: EPERM, with the reason, when the real kernel refuses bpf(2).
    """
    if backend is Backend.sim:
        return beespace.Kernel(**{key: value for key, value in options.items() if value is not None})
    kernel = beespace.LinuxKernel()
    reason = kernel.allowed()
    if reason is not None:
        raise SyscallError(1, "bpf(2)", hint=reason)
    return kernel
