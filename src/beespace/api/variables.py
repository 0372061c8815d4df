"""Global variables of an object, typed: ``obj.bss.counter``, ``obj.rodata.limit = 5``."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from beespace.api.adapters import Codecs
from beespace.btf import Array, Btf, Datasec, Member, StructValue, Var
from beespace.errors import SyscallError

if TYPE_CHECKING:
    from beespace.api.map import Map

__all__ = ["ArrayView", "StructView", "Variables"]

_KEY = b"\0\0\0\0"  # the one element of a data section's array


class Memory:
    """The bytes of a data section: before loading the image, then the map (mapped, or by lookup and update)."""

    def __init__(self, bpf_map: Map) -> None:
        self.map = bpf_map

    def read(self, off: int, size: int) -> bytes:
        """*size* bytes at *off*."""
        if self.map.memory is not None:
            return bytes(self.map.memory[off : off + size])
        data = self.map.lookup_bytes(_KEY)
        assert data is not None  # arrays have all their elements
        return data[off : off + size]

    def write(self, off: int, data: bytes) -> None:
        """:raises SyscallError: EPERM for constants of a loaded object."""
        memory = self.map.memory
        if isinstance(memory, memoryview) and memory.readonly:
            hint = "constants are fixed when the object is loaded"
            raise SyscallError(errno.EPERM, f"write to {self.map.name}", hint=hint)
        if memory is not None:
            memory[off : off + len(data)] = data
        else:
            value = bytearray(self.map.lookup_bytes(_KEY) or b"")
            value[off : off + len(data)] = data
            self.map.update_bytes(_KEY, bytes(value))


class Place:
    """A typed piece of a data section."""

    def __init__(self, memory: Memory, codecs: Codecs, type_id: int, off: int) -> None:
        self.memory, self.codecs, self.btf, self.off = memory, codecs, codecs.btf, off
        btf = codecs.btf
        self.type_id = btf.skip_mods_and_typedefs(type_id)
        self.codec = codecs[type_id]

    def get(self) -> Any:
        """The value; structs and arrays as views."""
        value = self.value()
        if isinstance(value, StructValue):
            return StructView(self)
        return ArrayView(self) if isinstance(value, list) else value

    def value(self) -> Any:
        """The value, a copy."""
        return self.codec.decode(self.memory.read(self.off, self.codec.size))

    def set(self, value: Any) -> None:
        """Write it. :raises BtfError: it does not fit the type."""
        if isinstance(value, StructView | ArrayView):
            value = value.value
        self.memory.write(self.off, self.codec.encode(value))

    def member(self, name: str) -> tuple[int, Member]:
        """Bit offset and member."""
        found = self.btf.find_member(self.type_id, name)
        if found is None:
            names = ", ".join(self.codec.decode(bytes(self.codec.size)))
            raise AttributeError(f"{self.codec.name} has no field {name!r} ({names})")
        return found

    def at(self, type_id: int, off: int) -> Place:
        """A part of this one, *off* bytes in."""
        return Place(self.memory, self.codecs, type_id, self.off + off)


class StructView:
    """A struct or union that is a variable: reading and assigning fields goes to its memory."""

    __slots__ = ("_place",)
    _place: Place

    def __init__(self, place: Place) -> None:
        object.__setattr__(self, "_place", place)

    @property
    def value(self) -> StructValue:
        """A copy."""
        copy: StructValue = self._place.value()
        return copy

    def __getattr__(self, name: str) -> Any:
        place = self._place
        bit_off, member = place.member(name)
        if member.bitfield_size:
            return place.value()[name]
        return place.at(member.type, bit_off // 8).get()

    def __setattr__(self, name: str, value: Any) -> None:
        place = self._place
        bit_off, member = place.member(name)
        if member.bitfield_size:
            whole = place.value()
            setattr(whole, name, value)
            place.set(whole)
        else:
            place.at(member.type, bit_off // 8).set(value)

    __getitem__ = __getattr__
    __setitem__ = __setattr__

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __dir__(self) -> list[str]:
        return [*self.value, "value"]

    def __eq__(self, other: object) -> bool:
        return bool(self.value == (other.value if isinstance(other, StructView) else other))

    __hash__ = None  # type: ignore[assignment]  # what it shows can change

    def __repr__(self) -> str:
        return repr(self.value)


class ArrayView(Sequence[Any]):
    """An array that is a variable: reading and assigning elements goes to its memory."""

    __slots__ = ("_elem", "_nelems", "_place", "_size")

    def __init__(self, place: Place) -> None:
        array = place.btf.type(place.type_id)
        assert isinstance(array, Array)
        self._place, self._elem, self._nelems = place, array.type, array.nelems
        self._size = place.btf.size(array.type)

    @property
    def value(self) -> list[Any]:
        """A copy."""
        copy: list[Any] = self._place.value()
        return copy

    def _at(self, index: int) -> Place:
        if not -self._nelems <= index < self._nelems:
            raise IndexError(f"{self._place.codec.name}: no element {index}")
        return self._place.at(self._elem, index % self._nelems * self._size)

    def __len__(self) -> int:
        return self._nelems

    def __getitem__(self, index: Any) -> Any:
        return self.value[index] if isinstance(index, slice) else self._at(index).get()

    def __setitem__(self, index: int, value: Any) -> None:
        self._at(index).set(value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ArrayView):
            other = other.value
        return isinstance(other, list | tuple) and self.value == list(other)

    __hash__ = None  # type: ignore[assignment]  # what it shows can change

    def __repr__(self) -> str:
        return repr(self.value)


class Variables:
    """The variables of one data section, by attribute or item; ``obj.bss``, ``obj.rodata``, ``obj.data_custom``.

    Constants (``.rodata``) can be set until the object is loaded.
    """

    __slots__ = ("_map", "_places")
    _map: Map
    _places: dict[str, tuple[int, int]]

    def __init__(self, bpf_map: Map, btf: Btf) -> None:
        object.__setattr__(self, "_map", bpf_map)
        object.__setattr__(self, "_places", places(btf, bpf_map.spec.value_type_id))

    def _place(self, name: str) -> Place:
        found = self._places.get(name)
        if found is None:
            raise AttributeError(f"no variable {name!r} in {self._map.name} ({', '.join(self._places)})")
        obj = self._map._object
        assert obj is not None
        return Place(Memory(self._map), obj.codecs, found[0], found[1])

    def __getattr__(self, name: str) -> Any:
        return self._place(name).get()

    def __setattr__(self, name: str, value: Any) -> None:
        self._place(name).set(value)

    __getitem__ = __getattr__
    __setitem__ = __setattr__

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __dir__(self) -> list[str]:
        return list(self._places)

    def __repr__(self) -> str:
        return f"<{self._map.name}: {', '.join(f'{name}={self[name]!r}' for name in self)}>"


def places(btf: Btf, datasec_id: int) -> dict[str, tuple[int, int]]:
    """name -> (type id, offset) of the variables of a data section."""
    datasec = btf.type(datasec_id) if datasec_id else None
    found = {}
    for secvar in datasec.vars if isinstance(datasec, Datasec) else ():
        var = btf.type(secvar.type)
        if isinstance(var, Var):
            found[var.name] = (var.type, secvar.offset)
    return found
