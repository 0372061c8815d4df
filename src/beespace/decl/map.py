"""Maps as the verifier, the engines and xlate see them: values, no storage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from beespace.btf.record import BtfField, BtfRecord
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.decl.prog import Program

__all__ = ["ENTRY_EMPTY", "ENTRY_UNKNOWN", "BtfField", "BtfRecord", "HashLayout", "MapLayout", "MapMeta", "MapType"]


@frozen(eq=False)
class MapMeta:
    """``struct bpf_map`` as the verifier reads it. Compared by identity: one object for each map.

    :ivar read_value: ``(off, size) -> bytes`` of a single-element array, for bpf_map_direct_read();
        ``None`` when contents may not be folded.
    """

    id: int
    name: str
    map_type: int  # BPF_MAP_TYPE_*
    key_size: int
    value_size: int
    max_entries: int
    map_flags: int = 0
    map_extra: int = 0
    btf: Btf | None = None
    btf_key_type_id: int = 0
    btf_value_type_id: int = 0
    btf_vmlinux_value_type_id: int = 0
    record: BtfRecord = field(default_factory=BtfRecord)
    inner: MapMeta | None = None  # inner_map_meta of a map in map
    frozen: bool = False
    bypass_spec_v1: bool = True
    read_value: Callable[[int, int], bytes] | None = None
    arena_vm_start: int = 0  # user_vm_start of an arena


ENTRY_UNKNOWN, ENTRY_EMPTY = range(2)  # words of MapLayout.entries that are no address


@frozen
class HashLayout:
    """What an inlined lookup in a hash map needs; see HashState in ``maps/state.py`` for what is where.

    :ivar hash_xor: what a key of ``key_size`` 4 or 8 bytes is xor-ed with before it is multiplied by ``multiplier``;
        the bucket is the lower half of the product xor its upper half, masked.
    :ivar nulls: chains end with this bit and the number of their bucket, buckets that were never used hold 0.
    :ivar percpu: address of value 1 of CPU 0, 0 when values stand ``value_off`` bytes into elements.
    :ivar refs: address of the byte that says element 0 was used (LRU), 0 without; one every ``ref_stride`` bytes.
    """

    buckets: int
    elems: int
    elem_size: int
    key_size: int
    key_off: int
    value_off: int
    mask: int
    hash_xor: int
    multiplier: int
    nulls: int
    percpu: int = 0
    percpu_stride: int = 0
    value_stride: int = 0
    refs: int = 0
    ref_stride: int = 0


@frozen
class MapLayout:
    """What compiled code may inline against: addresses and strides of a map's native storage.

    :ivar descriptor: address of the guest-visible ``struct bpf_map``; what LD_IMM64 of the map yields.
    :ivar values: address of value 0 (arrays), 0 when values are not addressable by index.
    :ivar stride: bytes from one value to the next; the value itself rounded up to 8.
    :ivar percpu_stride: bytes from one CPU's copy to the next (0: not per-CPU); copies of CPU n start at
        ``values + n * percpu_stride``.
    :ivar state: address of the native struct the functions below work on; they are C functions, 0 when there is none,
        all words u64, none raises: ``lookup(state, key, cpu)``, ``update(state, key, value, flags, cpu)``,
        ``delete(state, key, cpu)``.
    :ivar hash: for inlined lookups, None without.
    :ivar entries: of a program array: address of one word for each slot: the address of the target's compiled code,
        ENTRY_EMPTY, or ENTRY_UNKNOWN (the run context is asked). 0 without.
    :ivar natives: name of a helper that takes such a map -> address of a C function: ``state``, then the helper's
        other arguments, all words u64.
    """

    descriptor: int
    values: int = 0
    stride: int = 0
    max_entries: int = 0
    percpu_stride: int = 0
    state: int = 0
    lookup: int = 0
    update: int = 0
    delete: int = 0
    hash: HashLayout | None = None
    entries: int = 0
    natives: Mapping[str, int] = field(default_factory=dict)


@frozen
class MapType:
    """A map type: limits and the helpers it admits; storage lives in ``maps/``.

    To add a map type: one module in ``maps/`` with the storage class (methods of ``struct bpf_map_ops``), its helpers,
    and a MapType value; name it in the package's ``MODULES`` and take its row out of ``subsys/core/map_types.py``;
    ``check_map_conforms()`` tests it.
    """

    id: int  # BPF_MAP_TYPE_*
    name: str  # "ringbuf", as bpftool prints it
    create_flags: int = 0  # BPF_F_* that map_create accepts
    only_helpers: frozenset[int] | None = None  # None: any not restricted by the helper's only_map_types
    value_access: bool = True  # map_lookup_elem gives a pointer into the value
    percpu: bool = False
    direct_value: bool = False  # map_direct_value_addr
    since: str = ""
    until: str = ""
    ref: str = ""
    storage: Callable[..., Any] | None = None  # None: declared, creating it raises Unsupported
    required_flags: int = 0  # BPF_F_* that map_create demands
    sleepable: bool = True  # sleepable programs may use it (check_map_prog_compatibility)
    # (Program, func id): may call a helper outside only_helpers (may_update_sockmap)
    may_update: Callable[[Program, int], bool] | None = None
