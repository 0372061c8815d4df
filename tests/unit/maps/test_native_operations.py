"""Operations that compiled programs call: the specialised ones do what the general ones do, threads do not harm."""

import ctypes
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beespace.maps import array_core, hash_core, hash_fast, lru_core
from beespace.maps.arraymap import ArrayMap
from beespace.maps.base import Buffer
from beespace.maps.env import MapEnv
from beespace.maps.hashtab import HashMap
from beespace.maps.lru_hash import LruHashMap
from beespace.maps.state import LRU_OFF, STATE_BYTES, ArrayState, HashState, LruState
from beespace.mem import raw
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import MapCreateAttr

COMPILED = bool(hash_core.native_ops()[0])


@pytest.fixture
def env():
    env = MapEnv.standalone()
    yield env
    env.descriptors.close()
    env.space.close()


def make(env, kind, map_type, key_size, value_size, entries, flags=0):
    bpf_map = kind(MapCreateAttr(map_type, key_size, value_size, entries, flags), env)
    bpf_map.map_alloc()
    return bpf_map


def test_states_fit_behind_the_descriptor():
    assert ctypes.sizeof(HashState) <= LRU_OFF
    assert LRU_OFF + ctypes.sizeof(LruState) <= STATE_BYTES
    assert ctypes.sizeof(ArrayState) <= STATE_BYTES


OPERATIONS = st.lists(
    st.tuples(st.sampled_from("uuuld"), st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=80
)


@pytest.mark.parametrize("key_size", [4, 8])
@pytest.mark.parametrize("value_size", [1, 4, 8, 12, 16, 40])
@settings(max_examples=25, deadline=None)
@given(operations=OPERATIONS)
def test_fast_and_general_operations_agree(key_size, value_size, operations):
    env = MapEnv.standalone()
    fast = make(env, HashMap, uapi.BPF_MAP_TYPE_HASH, key_size, value_size, 12)
    slow = make(env, HashMap, uapi.BPF_MAP_TYPE_HASH, key_size, value_size, 12)
    for number, (what, at, flags) in enumerate(operations):
        key, value = Buffer(at.to_bytes(key_size, "little")), Buffer(bytes([number]) * value_size)
        if what == "u":
            assert hash_fast.fast_update(fast.state, key.address, value.address, flags, 1, key_size) == (
                hash_core.hash_update(slow.state, key.address, value.address, flags, 1, 0)
            )
        elif what == "d":
            assert hash_core.hash_delete(fast.state, key.address, 0) == hash_core.hash_delete(
                slow.state, key.address, 0
            )
        found = hash_fast.fast_lookup(fast.state, key.address, key_size)
        assert found == hash_core.hash_lookup(fast.state, key.address, 0)
        other = hash_core.hash_lookup(slow.state, key.address, 0)
        assert bool(found) == bool(other)
        assert not found or raw.read_bytes(found, value_size) == raw.read_bytes(other, value_size)
        assert fast.elem_count() == slow.elem_count()
    env.descriptors.close()
    env.space.close()


def native(address, result, *args):
    return ctypes.CFUNCTYPE(result, *args)(address)


@pytest.mark.skipif(not COMPILED, reason="the modules are not compiled")
@pytest.mark.parametrize(
    ("kind", "map_type", "key_size"),
    [(HashMap, uapi.BPF_MAP_TYPE_HASH, 4), (HashMap, uapi.BPF_MAP_TYPE_HASH, 8), (HashMap, uapi.BPF_MAP_TYPE_HASH, 5),
     (LruHashMap, uapi.BPF_MAP_TYPE_LRU_HASH, 4)],
)  # fmt: skip
def test_threads_share_a_map(env, kind, map_type, key_size):
    bpf_map = make(env, kind, map_type, key_size, 8, 64)
    bpf_map.set_smp(True)
    lookup, update, delete = bpf_map.native_ops()
    u64 = ctypes.c_uint64
    do_lookup = native(lookup, u64, u64, u64, u64)
    do_update = native(update, ctypes.c_int64, u64, u64, u64, u64, u64)
    do_delete = native(delete, ctypes.c_int64, u64, u64, u64)
    wrong = []

    def work(cpu):
        key, value = Buffer(8), Buffer(8)
        for i in range(20_000):
            number = (i * 7 + cpu * 13) % 90
            raw.store64(key.address, number)
            raw.store64(value.address, number << 32 | number)
            err = do_update(bpf_map.state, key.address, value.address, 0, cpu)
            if err not in (0, -7):
                wrong.append(("update", err))
            found = do_lookup(bpf_map.state, key.address, cpu)
            if found and kind is HashMap:
                stored = raw.load64(found)
                if stored >> 32 != stored & 0xFFFFFFFF:
                    wrong.append(("torn", hex(stored)))
            if i % 3 == 0:
                err = do_delete(bpf_map.state, key.address, cpu)
                if err not in (0, -2):
                    wrong.append(("delete", err))

    threads = [threading.Thread(target=work, args=(cpu,)) for cpu in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    elements = list(bpf_map.elements())
    assert len(elements) == bpf_map.elem_count() <= 64
    keys = {raw.read_bytes(hash_core.hash_key(bpf_map.state, index), key_size) for index in elements}
    assert len(keys) == len(elements)


@pytest.mark.skipif(not COMPILED, reason="the modules are not compiled")
def test_native_array_operations(env):
    bpf_map = make(env, ArrayMap, uapi.BPF_MAP_TYPE_ARRAY, 4, 8, 3)
    lookup, update, delete = array_core.native_ops()
    u64 = ctypes.c_uint64
    key, value = Buffer((2).to_bytes(4, "little")), Buffer((77).to_bytes(8, "little"))
    assert native(update, ctypes.c_int64, u64, u64, u64, u64, u64)(bpf_map.state, key.address, value.address, 0, 0) == 0
    assert native(lookup, u64, u64, u64, u64)(bpf_map.state, key.address, 0) == bpf_map.value_address(2)
    assert raw.load64(bpf_map.value_address(2)) == 77
    assert native(delete, ctypes.c_int64, u64, u64, u64)(bpf_map.state, key.address, 0) == -22


def test_uncompiled_modules_offer_no_addresses():
    ops = (*hash_core.native_ops(), *array_core.native_ops(), *lru_core.native_ops())
    assert all(ops) is COMPILED
    assert (hash_fast.native_fast_ops(4) is not None) is COMPILED
    assert hash_fast.native_fast_ops(5) is None
