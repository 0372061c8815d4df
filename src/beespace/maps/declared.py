"""Maps of types that nothing implements yet: they exist for the verifier, and say so when somebody uses them.

Verification never depends on an implementation: a program may refer to such a map, be verified and loaded.
"""

from __future__ import annotations

from typing import Any, NoReturn

from beespace.decl.map import MapType
from beespace.errors import Unsupported
from beespace.maps.base import BpfMap, ForEachCallback

__all__ = ["DeclaredMap", "declared_storage"]


class DeclaredMap(BpfMap):
    """A map without storage. Every operation raises Unsupported."""

    def map_check_btf(self, key: int, value: int) -> None:
        """Types are for the verifier; which a storage would refuse is the storage's business."""

    def _refuse(self, *_: Any) -> NoReturn:
        raise Unsupported(f"operations on {self.TYPE.name} maps")

    def set_record(self, record: Any) -> None:
        """There are no values whose fields could be used."""
        self.record = record

    def map_lookup_elem(self, key: int, cpu: int) -> int:
        """:raises Unsupported: always; likewise the other operations."""
        self._refuse()

    def map_lookup_percpu_elem(self, key: int, cpu: int) -> int:
        """See map_lookup_elem()."""
        self._refuse()

    def map_update_elem(self, key: int, value: int, flags: int, cpu: int) -> int:
        """See map_lookup_elem()."""
        self._refuse()

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """See map_lookup_elem()."""
        self._refuse()

    def map_get_next_key(self, key: int, next_key: int) -> int:
        """See map_lookup_elem()."""
        self._refuse()

    def map_push_elem(self, value: int, flags: int) -> int:
        """See map_lookup_elem()."""
        self._refuse()

    def map_pop_elem(self, value: int) -> int:
        """See map_lookup_elem()."""
        self._refuse()

    def map_peek_elem(self, value: int) -> int:
        """See map_lookup_elem()."""
        self._refuse()

    def map_for_each_callback(self, callback: ForEachCallback, cpu: int) -> int:
        """See map_lookup_elem()."""
        self._refuse()

    def map_mmap(self, length: int, writable: bool, offset: int) -> memoryview:
        """See map_lookup_elem()."""
        self._refuse()

    def lookup_and_delete_sys(self, key: int, flags: int) -> bytes:
        """See map_lookup_elem()."""
        self._refuse()


def declared_storage(map_type: MapType) -> type[DeclaredMap]:
    """The class of maps of a declared type."""
    return type(f"Declared{map_type.name.title().replace('_', '')}Map", (DeclaredMap,), {"TYPE": map_type})
