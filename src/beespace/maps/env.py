"""What maps are given by the kernel they live in."""

from __future__ import annotations

from dataclasses import field
from errno import ENOMEM
from typing import TYPE_CHECKING, Any, Protocol

from beespace.decl.map import BtfField
from beespace.decl.registry import Features
from beespace.errors import SyscallError, Unsupported
from beespace.maps.state import STATE_BYTES, STATE_OFF
from beespace.mem import AddressSpace, raw
from beespace.sim import Choices
from beespace.values import mutable

if TYPE_CHECKING:
    from beespace.mem import Region

__all__ = ["DESCRIPTOR_BYTES", "Descriptors", "FdObjects", "FieldOps", "MapEnv", "NoFdObjects", "NoFieldOps"]

DESCRIPTOR_BYTES = STATE_OFF + STATE_BYTES
_DESCRIPTORS = 4096
_MAX_MAP_BYTES = 1 << 40  # a quarter of a kernel's addresses


class FieldOps(Protocol):
    """What happens to special fields of values: timers are cancelled, kptrs released."""

    def free(self, owner: Any, field: BtfField, address: int) -> None:
        """Free one field of a value of map *owner*; it is zero afterwards.

        :see: kernel/bpf/syscall.c:bpf_obj_free_fields
        """
        ...


class NoFieldOps:
    """For kernels without such objects: fields that were never used are zero and need nothing."""

    def free(self, owner: Any, field: BtfField, address: int) -> None:
        """:raises Unsupported: the field is in use."""
        if any(raw.read_bytes(address, field.size)):
            raise Unsupported(f"freeing special field {field.kind:#x} of a map value")


class FdObjects(Protocol):
    """What stands behind the fds and pointers that maps of objects hold."""

    def map_from_fd(self, fd: int) -> Any:
        """The map of an fd, with a reference taken. :raises SyscallError: EBADF, EINVAL."""
        ...

    def prog_from_fd(self, fd: int) -> Any:
        """The program of an fd, with a reference taken. :raises SyscallError: EBADF, EINVAL."""
        ...

    def map_at(self, descriptor: int) -> Any:
        """The map whose descriptor is at a guest address."""
        ...

    def put(self, obj: Any) -> None:
        """Drop a reference."""
        ...


class NoFdObjects:
    """For maps that stand alone: no fd is open."""

    def map_from_fd(self, fd: int) -> Any:
        """:raises SyscallError: EBADF."""
        raise SyscallError(9, f"fd {fd}")

    def prog_from_fd(self, fd: int) -> Any:
        """:raises SyscallError: EBADF."""
        raise SyscallError(9, f"fd {fd}")

    def map_at(self, descriptor: int) -> Any:
        """None: no map is in a map."""

    def put(self, obj: Any) -> None:
        """Nothing was taken."""


class Descriptors:
    """Guest-visible ``struct bpf_map``s and the native state behind them, in regions of _DESCRIPTORS each.

    The guest sees the first STATE_OFF bytes of each and may write none.
    """

    def __init__(self, space: AddressSpace) -> None:
        self._space = space
        self._regions: list[Region] = []
        self._free: list[int] = []

    def alloc(self) -> int:
        """Address of a zeroed descriptor."""
        if not self._free:
            size = _DESCRIPTORS * DESCRIPTOR_BYTES
            region = self._space.alloc(
                size, name="struct bpf_map", writable=False, stride=DESCRIPTOR_BYTES, high=STATE_OFF, align=64
            )
            self._regions.append(region)
            self._free = list(range(region.base + size - DESCRIPTOR_BYTES, region.base - 1, -DESCRIPTOR_BYTES))
        return self._free.pop()

    def free(self, address: int) -> None:
        """Give a descriptor back."""
        raw.fill(address, 0, DESCRIPTOR_BYTES)
        self._free.insert(0, address)

    def close(self) -> None:
        """Free the memory."""
        for region in self._regions:
            self._space.free(region)
        self._regions.clear()
        self._free.clear()


@mutable
class MapEnv:
    """The surroundings of a map.

    :ivar choices: where hash seeds come from.
    :ivar smp: programs run on several threads at a time; see BpfMap.set_smp().
    :ivar cap_sys_admin: the creating task has it (BPF_F_ZERO_SEED).
    """

    space: AddressSpace
    features: Features
    choices: Choices
    descriptors: Descriptors
    fields: FieldOps = field(default_factory=NoFieldOps)
    objects: FdObjects = field(default_factory=NoFdObjects)
    cap_sys_admin: bool = True
    smp: bool = False

    @classmethod
    def standalone(cls, features: Features | None = None, seed: int = 0) -> MapEnv:
        """Surroundings for maps without a kernel (tests, benchmarks)."""
        space = AddressSpace()
        return cls(space, features or Features(), Choices(seed), Descriptors(space))

    def check_size(self, size: int) -> int:
        """*size*, when a map may be that big. :raises SyscallError: ENOMEM."""
        if size > _MAX_MAP_BYTES:
            raise SyscallError(ENOMEM, f"map of {size} bytes")
        return size
