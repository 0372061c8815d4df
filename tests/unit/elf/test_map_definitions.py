"""Maps of an object: definitions, data sections, initial elements."""

import pytest

from beespace.elf import adjust_ringbuf_size, read_object
from beespace.errors import ElfError
from beespace.uapi import bpf as uapi


def test_every_field_of_a_definition(object_spec):
    maps = object_spec("mapdefs").maps
    plain = maps["plain"]
    assert (plain.map_type, plain.key_size, plain.value_size, plain.max_entries, plain.map_flags) == (
        uapi.BPF_MAP_TYPE_HASH, 8, 24, 16, uapi.BPF_F_NO_PREALLOC,
    )  # fmt: skip
    btf = object_spec("mapdefs").btf
    assert btf.type_name(plain.key_type_id) == "struct key"
    assert btf.type_name(plain.value_type_id) == "struct value"
    assert (maps["sized"].key_size, maps["sized"].value_size, maps["sized"].value_type_id) == (4, 24, 0)
    assert maps["bloom"].map_extra == 3
    assert (maps["bloom"].key_size, maps["bloom"].value_size) == (0, 4)
    assert (maps["on_node"].numa_node, maps["on_node"].map_flags) == (0, uapi.BPF_F_NUMA_NODE)
    assert maps["pinned"].pinning
    assert not plain.pinning


def test_ring_buffer_size_is_rounded_up(object_spec):
    assert object_spec("mapdefs").maps["ring"].max_entries == 8192


@pytest.mark.parametrize(
    ("size", "rounded"),
    [(0, 0), (1, 4096), (4095, 4096), (4096, 4096), (4097, 8192), (12288, 16384), (1 << 31, 1 << 31),
     ((1 << 31) + 1, (1 << 31) + 1), (0xFFFFFFFF, 0xFFFFFFFF)],
)  # fmt: skip
def test_adjust_ringbuf_size(size, rounded):
    assert adjust_ringbuf_size(size) == rounded


def test_maps_in_maps(object_spec):
    maps = object_spec("mapdefs").maps
    assert dict(maps["outer"].slots) == {1: "inner_one", 3: "inner_two"}
    assert maps["outer"].value_size == 4
    inner = maps["outer"].inner
    assert (inner.name, inner.map_type, inner.max_entries) == ("outer.inner", uapi.BPF_MAP_TYPE_ARRAY, 2)
    inner = maps["outer_hash"].inner
    assert (inner.map_type, inner.key_size, inner.value_size) == (uapi.BPF_MAP_TYPE_HASH, 8, 4)
    assert not maps["outer_hash"].slots


def test_program_array(object_spec):
    jumps = object_spec("mapdefs").maps["jumps"]
    assert dict(jumps.slots) == {2: "jump_target"}
    assert (jumps.key_size, jumps.value_size, jumps.inner) == (4, 4, None)


def test_data_sections(object_spec):
    spec = object_spec("globals")
    kinds = {name: (m.kind, m.value_size, bool(m.map_flags & uapi.BPF_F_MMAPABLE)) for name, m in spec.maps.items()}
    assert kinds == {
        ".data": ("data", 44, True),
        ".rodata": ("rodata", 45, True),
        ".bss": ("bss", 24, True),
        ".data.custom": ("data", 4, True),
        ".rodata.fixed": ("rodata", 4, True),
        ".bss.scratch": ("bss", 4800, True),
        ".rodata.str": ("rodata", 11, False),
    } or kinds.keys() >= {".data", ".rodata", ".bss", ".data.custom", ".rodata.fixed", ".bss.scratch"}
    assert spec.maps[".rodata"].map_flags & uapi.BPF_F_RDONLY_PROG
    assert spec.maps[".bss"].init is None
    assert spec.maps[".data.custom"].init == b"\7\0\0\0"
    assert spec.license == "Dual BSD/GPL"


def test_struct_ops(object_spec):
    spec = object_spec("structops")
    bees, optional = spec.maps["bees"], spec.maps["optional_bees"]
    assert bees.map_flags == uapi.BPF_F_LINK
    assert dict(bees.struct_ops.progs) == {0: "ssthresh", 1: "cong_avoid", 2: "undo_cwnd"}
    assert dict(optional.struct_ops.progs) == {0: "only_optional", 1: "cong_avoid", 2: "undo_cwnd"}
    assert (bees.autocreate, optional.autocreate) == (True, False)
    assert bees.init[24:32] == b"beespace"


def test_slot_that_is_no_program(damage):
    spoiled = damage("mapdefs")
    spoiled.reloc(".rel.maps", "jump_target", symbol=next(s.index for s in spoiled.elf.symbols if s.name == "outer"))
    with pytest.raises(ElfError, match="isn't a valid program reference"):
        spoiled.read()


def test_slot_that_is_no_map(damage):
    spoiled = damage("mapdefs")
    other = next(s for s in spoiled.elf.symbols if s.name == "jump_target")
    with pytest.raises(ElfError, match=r".maps relo #0: 'jump_target' isn't a BTF-defined map"):
        spoiled.reloc(".rel.maps", "inner_one", symbol=other.index).read()


def test_slot_outside_of_every_map(damage):
    with pytest.raises(ElfError, match=r".maps relo #0: cannot find map"):
        damage("mapdefs").reloc(".rel.maps", "inner_one", offset=damage("mapdefs").elf.find(".maps").size - 4).read()


def test_reading_is_deterministic(object_bytes):
    data = object_bytes("mapdefs")
    assert read_object(data, "a.o").maps == read_object(data, "a.o").maps
