"""Every map type with keys behaves as a dict would; map types of one's own can be checked alike."""

from dataclasses import replace

import pytest

from beespace.maps.hashtab import HashMap
from beespace.testing.map_conformance import KeyedMap, check_map_conforms
from beespace.uapi import bpf as uapi

KINDS = {
    "array": KeyedMap(uapi.BPF_MAP_TYPE_ARRAY, value_size=5, fixed=True),
    "percpu array": KeyedMap(uapi.BPF_MAP_TYPE_PERCPU_ARRAY, value_size=5, fixed=True),
    "hash": KeyedMap(uapi.BPF_MAP_TYPE_HASH),
    "hash without preallocation": KeyedMap(uapi.BPF_MAP_TYPE_HASH, map_flags=uapi.BPF_F_NO_PREALLOC),
    "hash with long keys": KeyedMap(uapi.BPF_MAP_TYPE_HASH, key_size=21, value_size=3, max_entries=40),
    "hash with one element": KeyedMap(uapi.BPF_MAP_TYPE_HASH, max_entries=1),
    "percpu hash": KeyedMap(uapi.BPF_MAP_TYPE_PERCPU_HASH, value_size=5),
    "percpu hash without preallocation": KeyedMap(uapi.BPF_MAP_TYPE_PERCPU_HASH, map_flags=uapi.BPF_F_NO_PREALLOC),
    "lpm trie": KeyedMap(
        uapi.BPF_MAP_TYPE_LPM_TRIE,
        key_size=8,
        map_flags=uapi.BPF_F_NO_PREALLOC,
        full="ENOSPC",
        key_prefix=b"\x20\0\0\0",
    ),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_map_types_behave_as_dicts(seam, kind, seed):
    check_map_conforms(seam.kernel, kind, operations=150, seed=seed)


def test_the_check_finds_a_map_that_forgets(kernel, monkeypatch):
    monkeypatch.setattr(HashMap, "map_delete_elem", lambda self, key, cpu: 0)
    with pytest.raises(AssertionError, match="operation"):
        check_map_conforms(kernel, KINDS["hash"])


def test_the_check_finds_a_wrong_errno(kernel):
    with pytest.raises(AssertionError, match="E2BIG, not ENOSPC"):
        check_map_conforms(kernel, replace(KINDS["hash"], full="ENOSPC"))
