"""Arrays whose elements are kernel objects, stored by fd: the common part, and BPF_MAP_TYPE_PROG_ARRAY.

:see: kernel/bpf/arraymap.c:bpf_fd_array_map_update_elem, prog_fd_array_get_ptr
"""

from __future__ import annotations

import struct
from errno import E2BIG, EINVAL, ENOENT
from typing import TYPE_CHECKING, Any

from beespace.decl.map import ENTRY_EMPTY, ENTRY_UNKNOWN, MapLayout, MapType
from beespace.errors import ENOTSUPP, SyscallError
from beespace.maps.arraymap import ArrayMap, array_map_alloc_check
from beespace.maps.base import ForEachCallback
from beespace.mem import raw
from beespace.uapi import bpf as uapi
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.maps.env import MapEnv
    from beespace.uapi.attr import MapCreateAttr

__all__ = ["PROG_ARRAY", "FdArrayMap", "ProgArray", "ProgOwner", "fd_array_map_alloc_check"]

_PROG_ACCESS = uapi.BPF_F_RDONLY_PROG | uapi.BPF_F_WRONLY_PROG
_ACCESS = uapi.BPF_F_RDONLY | uapi.BPF_F_WRONLY


def fd_array_map_alloc_check(attr: MapCreateAttr) -> None:
    """Elements are fds; programs cannot write. :raises SyscallError: EINVAL, E2BIG."""
    if attr.value_size != 4 or attr.map_flags & _PROG_ACCESS:
        raise SyscallError(EINVAL, "BPF_MAP_CREATE")
    array_map_alloc_check(attr)


class FdArrayMap(ArrayMap):
    """An array of kernel objects. The guest sees one word for each, user space an id."""

    BATCH_OPS = frozenset[str]()
    HAS_MMAP = False
    MAY_BE_INNER = False

    def __init__(self, attr: MapCreateAttr, env: MapEnv) -> None:
        super().__init__(attr, env)
        self.objects: dict[int, Any] = {}  # by index

    @classmethod
    def map_alloc_check(cls, attr: MapCreateAttr, env: MapEnv) -> None:
        """:raises SyscallError: EINVAL, E2BIG."""
        fd_array_map_alloc_check(attr)

    @property
    def stored_size(self) -> int:
        """A pointer."""
        return 8

    def value_size_sys(self) -> int:
        """An fd in, an id out."""
        return 4

    def object_from_fd(self, fd: int) -> Any:
        """The object, with a reference taken. :raises SyscallError: EBADF, EINVAL."""
        raise NotImplementedError

    def object_word(self, obj: Any) -> int:
        """What the guest finds in the element."""
        raise NotImplementedError

    def map_free(self) -> None:
        """Drop all objects."""
        self.clear()

    def clear(self) -> None:
        """bpf_fd_array_map_clear()."""
        for index in sorted(self.objects):
            self.drop(index)

    def drop(self, index: int) -> bool:
        """Empty a slot; whether something was there."""
        obj = self.objects.pop(index, None)
        if obj is None:
            return False
        raw.store64(self.value_address(index), 0)
        self.env.objects.put(obj)
        return True

    def lookup_sys(self, key: int, flags: int) -> bytes:
        """bpf_fd_array_map_lookup_elem(): the object's id. :raises SyscallError: ENOENT."""
        obj = self.objects.get(raw.load32(key))
        if obj is None:
            raise SyscallError(ENOENT, "BPF_MAP_LOOKUP_ELEM")
        return struct.pack("<I", obj.id)

    def update_sys(self, key: int, value: int, flags: int, cpu: int) -> int:
        """bpf_fd_array_map_update_elem(): 0; -EINVAL, -E2BIG. :raises SyscallError: EBADF, EINVAL of the fd."""
        index = raw.load32(key)
        if flags != uapi.BPF_ANY:
            return -EINVAL
        if index >= self.max_entries:
            return -E2BIG
        obj = self.object_from_fd(raw.load32(value))
        old = self.objects.get(index)
        self.objects[index] = obj
        raw.store_release64(self.value_address(index), self.object_word(obj))
        if old is not None:
            self.env.objects.put(old)
        return 0

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """0; -E2BIG, -ENOENT."""
        index = raw.load32(key)
        if index >= self.max_entries:
            return -E2BIG
        return 0 if self.drop(index) else -ENOENT

    def map_for_each_callback(self, callback: ForEachCallback, cpu: int) -> int:
        """-EINVAL: there is nothing to visit for programs."""
        return -EINVAL

    def map_direct_value_addr(self, off: int) -> int:
        """:raises SyscallError: ENOTSUPP."""
        raise SyscallError(ENOTSUPP, f"address of a value of a {self.TYPE.name} map")

    def map_check_btf(self, key: int, value: int) -> None:
        """:raises SyscallError: ENOTSUPP: elements have no types."""
        raise SyscallError(ENOTSUPP, "BPF_MAP_CREATE")

    def read_direct(self) -> None:
        """Contents are not constant."""


@frozen
class ProgOwner:
    """``struct bpf_map_owner``: what all programs of a program array have in common.

    :see: kernel/bpf/core.c:__bpf_prog_map_compatible
    """

    prog_type: int
    expected_attach_type: int
    xdp_has_frags: bool


class ProgArray(FdArrayMap):
    """Targets of tail calls. Emptied when user space lets go of it.

    :ivar owner: set by the first program that uses or enters the array.
    """

    def __init__(self, attr: MapCreateAttr, env: MapEnv) -> None:
        super().__init__(attr, env)
        self.owner: ProgOwner | None = None
        self.entries = 0

    def map_alloc(self) -> None:
        """Slots, and the words that compiled code jumps by. :raises SyscallError: E2BIG, ENOMEM."""
        super().map_alloc()
        self.entries = self.alloc_hidden(8 * self.max_entries, "prog_array entries")
        raw.write_bytes(self.entries, struct.pack("<Q", ENTRY_EMPTY) * self.max_entries)

    def update_sys(self, key: int, value: int, flags: int, cpu: int) -> int:
        """As of all arrays of objects; what the slot's compiled code is will be asked."""
        err = super().update_sys(key, value, flags, cpu)
        if err == 0:
            raw.store_release64(self.entries + 8 * raw.load32(key), ENTRY_UNKNOWN)
        return err

    def drop(self, index: int) -> bool:
        """Empty a slot; whether something was there."""
        raw.store_release64(self.entries + 8 * index, ENTRY_EMPTY)
        return super().drop(index)

    def note_entry(self, index: int, entry: int) -> None:
        """The address of the compiled code of the program in a slot, which has it as long as it is there."""
        raw.store_release64(self.entries + 8 * index, entry)

    def admit(self, prog: Any) -> bool:
        """Whether *prog* may use or enter the array; the first one decides for all."""
        if self.owner is None:
            self.owner = prog.owner()
        return bool(self.owner == prog.owner())

    def object_from_fd(self, fd: int) -> Any:
        """A program of the owner's kind. :raises SyscallError: EBADF, EINVAL."""
        prog = self.env.objects.prog_from_fd(fd)
        if self.admit(prog):
            return prog
        self.env.objects.put(prog)
        raise SyscallError(EINVAL, "BPF_MAP_UPDATE_ELEM", hint="programs of another kind use this array")

    def object_word(self, obj: Any) -> int:
        """Its id: the guest has no use for it, but sees whether the slot is empty."""
        return int(obj.id)

    def prog_at(self, index: int) -> Any:
        """The program in a slot, None when there is none."""
        return self.objects.get(index)

    def map_release_uref(self) -> None:
        """Without this, programs that tail call each other would keep each other alive."""
        self.clear()

    def layout(self) -> MapLayout:
        """For tail calls."""
        return MapLayout(self.descriptor, max_entries=self.max_entries, entries=self.entries)


PROG_ARRAY = MapType(
    uapi.BPF_MAP_TYPE_PROG_ARRAY,
    "prog_array",
    create_flags=uapi.BPF_F_NUMA_NODE | _ACCESS,
    only_helpers=frozenset({uapi.BPF_FUNC_tail_call}),
    value_access=False,
    sleepable=False,
    since="4.2",
    ref="kernel/bpf/arraymap.c:prog_array_map_ops",
    storage=ProgArray,
)
ProgArray.TYPE = PROG_ARRAY
