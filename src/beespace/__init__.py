"""eBPF in user space: the Linux BPF subsystem as a Python library.

>>> import beespace
>>> beespace.XDP_PASS
2

Kernels, errors and the constants of the user-space API are attributes of this package; importing it loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beespace.api import (
        Kernel,
        Link,
        LinuxKernel,
        Map,
        Object,
        Program,
        RingBuffer,
        RunResult,
        UserRingBuffer,
        compile_c,
    )
    from beespace.errors import (
        BpfError,
        BtfError,
        CoreRelocError,
        ElfError,
        GuestFault,
        InputError,
        InternalError,
        SyscallError,
        Unsupported,
        VerifierError,
    )

__all__ = [
    "BpfError",
    "BtfError",
    "CoreRelocError",
    "ElfError",
    "GuestFault",
    "InputError",
    "InternalError",
    "Kernel",
    "Link",
    "LinuxKernel",
    "Map",
    "Object",
    "Program",
    "RingBuffer",
    "RunResult",
    "SyscallError",
    "Unsupported",
    "UserRingBuffer",
    "VerifierError",
    "compile_c",
]

_API = (
    "Kernel", "Link", "LinuxKernel", "Map", "Object", "Program", "RingBuffer", "RunResult", "UserRingBuffer",
    "compile_c",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _API:
        import beespace.api as module
    elif name in __all__:
        import beespace.errors as module  # type: ignore[no-redef]
    else:
        import beespace.uapi.bpf as module  # type: ignore[no-redef]  # BPF_*, XDP_*, TC_ACT_* ...
    try:
        value = getattr(module, name)
    except AttributeError:
        raise AttributeError(f"module 'beespace' has no attribute {name!r}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if not name.startswith("_"))]
