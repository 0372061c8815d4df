"""Keys and values of a map as bytes, and back: by BTF where there is some, by size where there is none."""

from __future__ import annotations

from typing import Any

from beespace.api.adapters import Codecs
from beespace.btf import Codec, frozen
from beespace.elf import MapSpec
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi

__all__ = ["FD_VALUES", "MAP_IN_MAP", "PERCPU", "Elements"]

PERCPU = frozenset(
    (
        uapi.BPF_MAP_TYPE_PERCPU_HASH,
        uapi.BPF_MAP_TYPE_PERCPU_ARRAY,
        uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH,
        uapi.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
    )
)
MAP_IN_MAP = frozenset((uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS, uapi.BPF_MAP_TYPE_HASH_OF_MAPS))
# Values that user space writes as fds and reads as ids, 4 bytes whatever value_size says.
FD_VALUES = MAP_IN_MAP | {
    uapi.BPF_MAP_TYPE_PROG_ARRAY,
    uapi.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    uapi.BPF_MAP_TYPE_CGROUP_ARRAY,
}
_PLAIN_INTS = (1, 2, 4, 8)  # sizes that are unsigned ints when there is no type


class Elements:
    """How one map's keys and values look.

    :param codecs: of the BTF that the definition's type ids belong to; a type whose size is not the map's (a reused
        map of another shape) says nothing about its bytes.
    :param cpus: possible CPUs, for per-CPU values.
    """

    def __init__(self, spec: MapSpec, codecs: Codecs | None, cpus: int) -> None:
        self.spec, self.cpus = spec, cpus
        self.key_codec = self._codec(codecs, spec.key_type_id, spec.key_size)
        self.value_codec = self._codec(codecs, spec.value_type_id, spec.value_size)

    def _codec(self, codecs: Codecs | None, type_id: int, size: int) -> Codec | None:
        if codecs is None or not type_id or not size or self.spec.kind != "user":
            return None
        codec = codecs[type_id]
        return codec if codec.size == size else None

    @property
    def is_percpu(self) -> bool:
        """Each possible CPU has a value."""
        return self.spec.map_type in PERCPU

    @property
    def value_size(self) -> int:
        """Bytes of one value as user space sees it."""
        return 4 if self.spec.map_type in FD_VALUES else self.spec.value_size

    @property
    def stride(self) -> int:
        """Bytes from one CPU's value to the next."""
        return (self.value_size + 7) // 8 * 8

    @property
    def lookup_size(self) -> int:
        """Bytes that a lookup yields and an update takes."""
        return self.stride * self.cpus if self.is_percpu else self.value_size

    def encode_key(self, key: Any) -> bytes:
        """:raises BtfError: it does not fit the key's type or size."""
        return self._encode(self.key_codec, self.spec.key_size, "key", key)

    def decode_key(self, data: bytes) -> Any:
        """A key, hashable."""
        return frozen(self._decode(self.key_codec, data))

    def encode_value(self, value: Any) -> bytes:
        """A per-CPU map's value is a list, or one value for all CPUs. :raises BtfError: it does not fit."""
        if not self.is_percpu:
            if self.spec.map_type in FD_VALUES and not isinstance(value, int | bytes | bytearray | memoryview):
                value = value.fd
            return self._encode(self.value_codec, self.value_size, "value", value)
        if isinstance(value, bytes | bytearray | memoryview) and len(value) == self.lookup_size:
            return bytes(value)
        values = value if isinstance(value, list | tuple) else [value] * self.cpus
        if len(values) != self.cpus:
            name = self.spec.name
            raise BtfError(f"map {name}: one value for each possible CPU", expected=self.cpus, found=len(values))
        encoded = (self._encode(self.value_codec, self.value_size, "value", item) for item in values)
        return b"".join(item.ljust(self.stride, b"\0") for item in encoded)

    def decode_value(self, data: bytes) -> Any:
        """What encode_value() takes."""
        if self.is_percpu:
            return [self._decode(self.value_codec, copy) for copy in self.copies(data)]
        return self._decode(self.value_codec, data)

    def copies(self, data: bytes) -> tuple[bytes, ...]:
        """The value of each CPU; the one value of maps that are not per-CPU."""
        if not self.is_percpu:
            return (data,)
        return tuple(data[at : at + self.value_size] for at in range(0, len(data), self.stride or 1))

    def _encode(self, codec: Codec | None, size: int, what: str, value: Any) -> bytes:
        name = self.spec.name
        if isinstance(value, bytes | bytearray | memoryview):
            if len(value) != size:
                raise BtfError(f"map {name}: wrong size of {what}", expected=f"{size} bytes", found=len(value))
            return bytes(value)
        if codec is not None:
            return codec.encode(value)
        if isinstance(value, int) and size in _PLAIN_INTS:
            if not -(1 << 8 * size - 1) <= value < 1 << 8 * size:
                raise BtfError(f"map {name}: {what} does not fit {size} bytes", found=value)
            return (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        raise BtfError(f"map {name}: its {what} has no type: give {size} bytes", found=repr(value))

    def _decode(self, codec: Codec | None, data: bytes) -> Any:
        if codec is not None:
            return codec.decode(data)
        return int.from_bytes(data, "little") if len(data) in _PLAIN_INTS else data
