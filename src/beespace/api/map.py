"""Maps of an object: configured before it is loaded, read and written after.

:see: tools/lib/bpf/libbpf.c:bpf_map__set_max_entries and its kin
"""

from __future__ import annotations

import errno
import mmap as _mmap
import weakref
from collections.abc import Container, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beespace.api.adapters import Codecs
from beespace.api.calls import Buffer, Calls, Fds, text
from beespace.api.elements import FD_VALUES, MAP_IN_MAP, Elements
from beespace.api.variables import Memory, Place, StructView
from beespace.elf import MapSpec, adjust_ringbuf_size
from beespace.errors import BtfError, SyscallError
from beespace.uapi import bpf as uapi
from beespace.uapi.enums import name_of

if TYPE_CHECKING:
    from beespace.api.object import Object
    from beespace.api.program import Program
    from beespace.btf import Btf
    from beespace.kernel.seam import BpfKernel

__all__ = ["Map"]

_ARRAYS = frozenset((uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_MAP_TYPE_PERCPU_ARRAY)) | FD_VALUES - {
    uapi.BPF_MAP_TYPE_HASH_OF_MAPS
}
_RINGBUFS = frozenset((uapi.BPF_MAP_TYPE_RINGBUF, uapi.BPF_MAP_TYPE_USER_RINGBUF))
_BATCH = 256  # elements asked for at a time


class Map(MutableMapping[Any, Any]):
    """A BPF map; a mapping of keys to values, typed by BTF.

    Keys and values are what the table in ``beespace.btf.codec`` says of their types; without BTF, keys and values of
    1, 2, 4 and 8 bytes are unsigned ints, others bytes. A per-CPU map's value is a list with one value for each
    possible CPU. An element of a map in map is a Map, of a program array a program's id.

    What is said before the object is loaded cannot be changed after it (SyscallError EBUSY).
    """

    def __init__(self, calls: Calls, spec: MapSpec, obj: Object | None = None, full_name: str = "") -> None:
        self._calls = calls
        self._spec = spec
        self._object = obj
        self._fds = obj.fds if obj is not None else Fds(calls)
        self._fd: int | None = None
        self._codecs: Codecs | None = None
        self._elements: Elements | None = None
        self.full_name = full_name or spec.name
        self.memory: bytearray | memoryview | None = None
        self.pin_path: str | None = None
        self.is_pinned = False
        self.is_reused = False
        self.inner_map_fd: int | None = None
        self.autoattach = True
        self.kernel_value = b""  # struct_ops: what registers it

    @classmethod
    def from_fd(cls, calls: Calls, fd: int) -> Map:
        """A map that somebody else made: what the kernel says about *fd*, which the Map owns from now on."""
        info = calls.map_info(fd)
        spec = MapSpec(
            text(info.name), "user", info.type, info.key_size, info.value_size, info.max_entries, info.map_flags,
            info.map_extra, key_type_id=info.btf_key_type_id, value_type_id=info.btf_value_type_id,
        )  # fmt: skip
        found = cls(calls, spec)
        weakref.finalize(found, found._fds.close_all)
        found.set_fd(fd)
        if info.btf_id and (info.btf_key_type_id or info.btf_value_type_id):
            btf = calls.btf_by_id(info.btf_id)
            found.set_types(Codecs(btf))
        return found

    def __repr__(self) -> str:
        spec = self._spec
        kind = name_of("bpf_map_type", spec.map_type).removeprefix("BPF_MAP_TYPE_").lower()
        state = f"fd {self._fd}" if self._fd is not None else "not created"
        return f"<Map {spec.name}: {kind} key {spec.key_size} value {spec.value_size} x {spec.max_entries}, {state}>"

    # ---------------------------------------------------------------------------------------------- configuration

    @property
    def name(self) -> str:
        """As in the source; a data section's name for its map."""
        return self._spec.name

    @property
    def spec(self) -> MapSpec:
        """The definition, with the changes made since."""
        return self._spec

    @property
    def fd(self) -> int:
        """:raises SyscallError: EBADF before the object is loaded, and for a map that is not created."""
        if self._fd is None:
            raise SyscallError(errno.EBADF, f"map {self.name}", hint="it has not been created: load the object first")
        return self._fd

    @property
    def is_created(self) -> bool:
        """There is an fd."""
        return self._fd is not None

    def _set(self, what: str, **changes: Any) -> None:
        if self._object is None or self._object.is_loaded:
            raise SyscallError(errno.EBUSY, f"set {what} of map {self.name}", hint="it has been created already")
        self._spec = replace(self._spec, **changes)

    @property
    def map_type(self) -> int:
        """BPF_MAP_TYPE_*."""
        return self._spec.map_type

    @map_type.setter
    def map_type(self, value: int) -> None:
        self._set("map_type", map_type=value)

    @property
    def key_size(self) -> int:
        """Bytes."""
        return self._spec.key_size

    @key_size.setter
    def key_size(self, value: int) -> None:
        self._set("key_size", key_size=value)

    @property
    def value_size(self) -> int:
        """Bytes. A data section can be made larger (or smaller) when its last variable is an array."""
        return self._spec.value_size

    @value_size.setter
    def value_size(self, value: int) -> None:
        if self._spec.is_internal and self._object is not None and not self._object.is_loaded:
            self._object.resize_section(self, value)
        self._set("value_size", value_size=value)

    @property
    def max_entries(self) -> int:
        """Elements; bytes of a ring buffer, which are rounded up to what the kernel takes."""
        return self._spec.max_entries

    @max_entries.setter
    def max_entries(self, value: int) -> None:
        self._set("max_entries", max_entries=adjust_ringbuf_size(value) if self.map_type in _RINGBUFS else value)

    @property
    def map_flags(self) -> int:
        """BPF_F_*."""
        return self._spec.map_flags

    @map_flags.setter
    def map_flags(self, value: int) -> None:
        self._set("map_flags", map_flags=value)

    @property
    def map_extra(self) -> int:
        """u64, meaning by type."""
        return self._spec.map_extra

    @map_extra.setter
    def map_extra(self, value: int) -> None:
        self._set("map_extra", map_extra=value)

    @property
    def numa_node(self) -> int:
        """Used with BPF_F_NUMA_NODE."""
        return self._spec.numa_node

    @numa_node.setter
    def numa_node(self, value: int) -> None:
        self._set("numa_node", numa_node=value)

    @property
    def autocreate(self) -> bool:
        """False: the map is not made, and programs that reach a use of it are rejected."""
        return self._spec.autocreate

    @autocreate.setter
    def autocreate(self, value: bool) -> None:
        self._set("autocreate", autocreate=value)

    def reuse_fd(self, fd: int) -> None:
        """Use an existing map (a duplicate of *fd*) instead of making one.

        :see: tools/lib/bpf/libbpf.c:bpf_map__reuse_fd
        """
        info = self._calls.map_info(fd)
        self._set(
            "fd", map_type=info.type, key_size=info.key_size, value_size=info.value_size,
            max_entries=info.max_entries, map_flags=info.map_flags, map_extra=info.map_extra,
        )  # fmt: skip
        self.close()
        self.set_fd(self._calls.kernel.dup(fd))
        self.is_reused = True

    def pin(self, path: str | None = None) -> None:
        """Pin in the BPF file system; *path* or ``pin_path``.

        :raises SyscallError: EINVAL without a path, or when it is pinned elsewhere; the kernel's errors.
        """
        path = path or self.pin_path
        if path is None:
            raise SyscallError(errno.EINVAL, f"pin map {self.name}", hint="no path given and no pin_path set")
        if self.is_pinned:
            raise SyscallError(errno.EEXIST, f"pin map {self.name}", hint=f"it is pinned at {self.pin_path}")
        self._calls.obj_pin(self.fd, path)
        self.pin_path, self.is_pinned = path, True

    def unpin(self) -> None:
        """Take the name away again. :raises SyscallError: EINVAL when it is not pinned."""
        if self.pin_path is None or not self.is_pinned:
            raise SyscallError(errno.EINVAL, f"unpin map {self.name}", hint="it is not pinned")
        self._calls.kernel.unlink(self.pin_path)
        self.is_pinned = False

    # ----------------------------------------------------------------------------------------------- typed access

    def set_types(self, codecs: Codecs) -> None:
        """Read keys and values by these codecs, as far as they are as long as the map's."""
        self._codecs = codecs

    @property
    def elements(self) -> Elements:
        """How keys and values look as bytes."""
        if self._elements is None or self._elements.spec is not self._spec:
            self._elements = Elements(self._spec, self._codecs, self._calls.kernel.features.cpus)
        return self._elements

    def key_bytes(self, key: Any) -> bytes:
        """*key* as the kernel wants it. :raises BtfError: it does not fit the key's type or size."""
        return self.elements.encode_key(key)

    def value_bytes(self, value: Any) -> bytes:
        """*value* as the kernel wants it; a per-CPU map's is a list, or one value for all CPUs."""
        return self.elements.encode_value(value)

    def _value_of(self, data: bytes) -> Any:
        if self.map_type in MAP_IN_MAP:
            return Map.from_fd(self._calls, self._calls.map_fd_by_id(int.from_bytes(data, "little")))
        return self.elements.decode_value(data)

    def lookup(self, key: Any, flags: int = 0) -> Any:
        """The value of *key*, ``None`` without one. :raises SyscallError: other errors than ENOENT."""
        data = self.lookup_bytes(self.key_bytes(key), flags)
        return None if data is None else self._value_of(data)

    def update(self, key: Any = (), value: Any = None, /, flags: int = 0, **kw: Any) -> None:
        """Set an element: ``update(key, value, flags=BPF_NOEXIST)``; or several, with a mapping as of ``dict.update``.

        :raises SyscallError: EEXIST, ENOENT by *flags*, E2BIG for a full map, and what the map type says.
        """
        if value is None:
            super().update(key, **kw)
        else:
            self.update_bytes(self.key_bytes(key), self.value_bytes(value), flags)

    def delete(self, key: Any) -> None:
        """Delete an element. :raises SyscallError: ENOENT, EINVAL for arrays."""
        self.delete_bytes(self.key_bytes(key))

    def lookup_and_delete(self, key: Any, flags: int = 0) -> Any:
        """The value of *key*, deleted by the same call; ``None`` without one."""
        size = self.elements.lookup_size
        data = self._calls.map_lookup_and_delete(self.fd, self.key_bytes(key), size, flags, self.name)
        return None if data is None else self._value_of(data)

    def next_key(self, key: Any = None) -> Any:
        """The key after *key*, the first for ``None`` or for one that is not there; ``None`` after the last."""
        data = self.next_key_bytes(None if key is None else self.key_bytes(key))
        return None if data is None else self.elements.decode_key(data)

    @property
    def kernel(self) -> BpfKernel:
        """Where it lives."""
        return self._calls.kernel

    @property
    def object_btf(self) -> Btf | None:
        """BTF of the object it belongs to: types of records of ring buffers."""
        return self._object.btf if self._object is not None else None

    def ring_fds(self) -> list[int]:
        """Of a ring buffer: new descriptors to pass to another process, for from_fds() of its client there."""
        return self.kernel.ring_fds(self.fd)

    def freeze(self) -> None:
        """No more writes from user space. :raises SyscallError: EBUSY when it is mapped writable."""
        self._calls.map_freeze(self.fd, self.name)

    def mmap(self, *, writable: bool = True) -> memoryview:
        """The values of an array made with BPF_F_MMAPABLE (or the pages of an arena), shared with the programs.

        :raises SyscallError: ENOTSUPP, EPERM and others, as mmap(2) of the map.
        """
        prot = _mmap.PROT_READ | (_mmap.PROT_WRITE if writable else 0)
        size = (self.value_size + 7) // 8 * 8 * self.max_entries
        if self.map_type == uapi.BPF_MAP_TYPE_ARENA:
            size = self.max_entries * _mmap.PAGESIZE
        length = -(-size // _mmap.PAGESIZE) * _mmap.PAGESIZE
        return self._calls.kernel.mmap(self.fd, length, prot)[:size]

    # --------------------------------------------------------------------------------------------- as a mapping

    def __getitem__(self, key: Any) -> Any:
        data = self.lookup_bytes(self.key_bytes(key))
        if data is None:
            raise KeyError(key)
        return self._value_of(data)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.update_bytes(self.key_bytes(key), self.value_bytes(value))

    def __delitem__(self, key: Any) -> None:
        try:
            self.delete(key)
        except SyscallError as e:
            if e.errno == errno.ENOENT:
                raise KeyError(key) from None
            raise

    def __contains__(self, key: object) -> bool:
        if self.map_type == uapi.BPF_MAP_TYPE_BLOOM_FILTER:
            return self._calls.map_contains(self.fd, self.value_bytes(key), self.name)
        return self.lookup_bytes(self.key_bytes(key)) is not None

    def __iter__(self) -> Iterator[Any]:
        return (self.elements.decode_key(key) for key in self.keys_bytes())

    def __len__(self) -> int:
        """Elements: ``max_entries`` of arrays, otherwise counted."""
        return self.max_entries if self.map_type in _ARRAYS else sum(1 for _ in self.keys_bytes())

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def clear(self) -> None:
        """Delete every element."""
        for key in list(self.keys_bytes()):
            self.delete_bytes(key)

    # ----------------------------------------------------------------------------------------------------- queues

    def push(self, value: Any, flags: int = 0) -> None:
        """Append to a queue, stack or bloom filter. :raises SyscallError: E2BIG when full, unless BPF_EXIST."""
        self._calls.map_update(self.fd, None, self.value_bytes(value), flags, self.name)

    def pop(self, *args: Any) -> Any:
        """Without arguments: the next value of a queue or stack, removed; ``None`` when it is empty. With a key:
        as ``dict.pop``."""
        if args:
            return super().pop(*args)
        data = self._calls.map_lookup_and_delete(self.fd, None, self.elements.lookup_size, 0, self.name)
        return None if data is None else self._value_of(data)

    def peek(self) -> Any:
        """The next value of a queue or stack; ``None`` when it is empty."""
        data = self._calls.map_lookup(self.fd, None, self.elements.lookup_size, 0, self.name)
        return None if data is None else self._value_of(data)

    # ------------------------------------------------------------------------------------------------- raw access

    def lookup_bytes(self, key: bytes, flags: int = 0) -> bytes | None:
        """The value's bytes (a per-CPU map's: 8-byte aligned copies of all possible CPUs)."""
        self._check_key(key)
        return self._calls.map_lookup(self.fd, key, self.elements.lookup_size, flags, self.name)

    def update_bytes(self, key: bytes, value: bytes, flags: int = 0) -> None:
        """Set an element."""
        self._check_key(key)
        if len(value) != self.elements.lookup_size:
            raise BtfError(
                f"map {self.name}: wrong size of value", expected=self.elements.lookup_size, found=len(value)
            )
        self._calls.map_update(self.fd, key, value, flags, self.name)

    def delete_bytes(self, key: bytes) -> None:
        """Delete an element."""
        self._check_key(key)
        self._calls.map_delete(self.fd, key, self.name)

    def next_key_bytes(self, key: bytes | None = None) -> bytes | None:
        """The key after *key*; ``None`` after the last."""
        if key is not None:
            self._check_key(key)
        return self._calls.map_next_key(self.fd, key, self.key_size, self.name)

    def keys_bytes(self) -> Iterator[bytes]:
        """All keys. Elements that come and go meanwhile may be missed; none is given twice."""
        # A deleted key makes the kernel start again at the first one.
        seen: set[bytes] = set()
        key = self.next_key_bytes()
        while key is not None:
            if key not in seen:
                seen.add(key)
                yield key
            elif len(seen) > 2 * self.max_entries + 1:
                return
            key = self.next_key_bytes(key)

    def items_bytes(self) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
        """(key, values) of all elements: one value, or one for each possible CPU of a per-CPU map."""
        for key in self.keys_bytes():
            data = self.lookup_bytes(key)
            if data is not None:  # deleted meanwhile otherwise
                yield key, self.elements.copies(data)

    @property
    def btf(self) -> Btf | None:
        """Where ``spec.key_type_id`` and ``spec.value_type_id`` are; ``None`` when nobody said."""
        return self._codecs.btf if self._codecs is not None else None

    def _check_key(self, key: bytes) -> None:
        if len(key) != self.key_size:
            raise BtfError(f"map {self.name}: wrong size of key", expected=f"{self.key_size} bytes", found=len(key))

    # ----------------------------------------------------------------------------------------------------- batches

    def lookup_batch(self, batch: int = _BATCH, flags: int = 0) -> list[tuple[Any, Any]]:
        """All elements, *batch* at a time. :raises SyscallError: ENOSPC when a bucket holds more than *batch*."""
        return self._read_batches(uapi.BPF_MAP_LOOKUP_BATCH, batch, flags)

    def lookup_and_delete_batch(self, batch: int = _BATCH, flags: int = 0) -> list[tuple[Any, Any]]:
        """All elements, deleted as they are read."""
        return self._read_batches(uapi.BPF_MAP_LOOKUP_AND_DELETE_BATCH, batch, flags)

    def _read_batches(self, cmd: int, batch: int, flags: int) -> list[tuple[Any, Any]]:
        key_size, value_size = self.key_size, self.elements.lookup_size
        keys, values = Buffer(batch * key_size), Buffer(batch * value_size)
        position = Buffer(max(key_size, 8))  # a key, or a bucket number
        found: list[tuple[Any, Any]] = []
        first, more = True, True
        while more:
            done, more = self._calls.map_batch(
                cmd, self.fd, keys, values, batch, None if first else position, position, flags, self.name
            )
            key_data, value_data = keys.data, values.data
            for i in range(done):
                key = key_data[i * key_size : (i + 1) * key_size]
                value = value_data[i * value_size : (i + 1) * value_size]
                found.append((self.elements.decode_key(key), self._value_of(value)))
            first = False
        return found

    def update_batch(self, items: Iterable[tuple[Any, Any]], elem_flags: int = 0) -> int:
        """Set elements; how many were. :raises SyscallError: the first failure, its hint says after how many."""
        pairs = [(self.key_bytes(key), self.value_bytes(value)) for key, value in items]
        return self._write_batch(uapi.BPF_MAP_UPDATE_BATCH, pairs, elem_flags)

    def delete_batch(self, keys: Iterable[Any], elem_flags: int = 0) -> int:
        """Delete elements; how many were. :raises SyscallError: ENOENT at the first that is not there."""
        return self._write_batch(uapi.BPF_MAP_DELETE_BATCH, [(self.key_bytes(key), b"") for key in keys], elem_flags)

    def _write_batch(self, cmd: int, pairs: Sequence[tuple[bytes, bytes]], elem_flags: int) -> int:
        if not pairs:
            return 0
        keys = Buffer(b"".join(key for key, _ in pairs))
        values = Buffer(b"".join(value for _, value in pairs))
        return self._calls.map_batch(
            cmd, self.fd, keys, values, len(pairs), elem_flags=elem_flags, what=self.name
        )[0]  # fmt: skip

    # -------------------------------------------------------------------------------------------------- struct_ops

    @property
    def variable(self) -> StructView:
        """The struct_ops variable: fields can be set until the object is loaded, functions by set_prog()."""
        st_ops = self._spec.struct_ops
        if st_ops is None or self._object is None:
            raise SyscallError(errno.EINVAL, f"variable of map {self.name}", hint="it is no struct_ops map")
        return StructView(Place(Memory(self), self._object.codecs, st_ops.type_id, 0))

    def keep_only(self, progs: Container[str]) -> None:
        """Before the object is loaded: forget all programs but these, as struct_ops members or elements of an array."""
        changes: dict[str, Any] = {}
        spec = self._spec
        if spec.struct_ops is not None:
            kept = {i: name for i, name in spec.struct_ops.progs.items() if name in progs}
            changes["struct_ops"] = replace(spec.struct_ops, progs=kept)
        if spec.map_type == uapi.BPF_MAP_TYPE_PROG_ARRAY:
            changes["slots"] = {i: name for i, name in spec.slots.items() if name in progs}
        if changes:
            self._set("programs", **changes)

    def set_prog(self, member: str, prog: Program | None) -> None:
        """Before the object is loaded: another program (or none) for a function of a struct_ops map."""
        st_ops = self._spec.struct_ops
        if st_ops is None or self._object is None:
            raise SyscallError(errno.EINVAL, f"set {member} of map {self.name}", hint="it is no struct_ops map")
        names = [m.name for m in self._object.codecs.btf.members(st_ops.type_id)]
        if member not in names:
            raise BtfError(f"struct_ops {self.name}: no member '{member}' ({', '.join(names)})")
        progs = {i: name for i, name in st_ops.progs.items() if names[i] != member}
        if prog is not None:
            progs[names.index(member)] = prog.name
        self._set(member, struct_ops=replace(st_ops, progs=progs))

    def set_fd(self, fd: int) -> None:
        """The map exists: it is *fd*, which the Map owns."""
        self._fd = self._fds.own(fd)

    def close(self) -> None:
        """Give back the fd."""
        if self._fd is not None:
            self._fds.close(self._fd)
            self.forget_fd()

    def forget_fd(self) -> None:
        """Somebody has closed it."""
        self._fd = self.memory = None
