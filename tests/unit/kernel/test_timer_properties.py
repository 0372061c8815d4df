"""Historical bugs of timers that are no races (shared/cves/cves.json): the property each of them broke."""

from pathlib import Path

import pytest

import beespace
from beespace.btf import BtfField, BtfRecord
from beespace.errors import InternalError
from beespace.kernel.timers import Timers
from beespace.mem import raw
from beespace.sim.interleave import Prefix
from beespace.testing.race import RaceLab, explored
from beespace.uapi import bpf as uapi

PROGRAMS = Path(__file__).parents[2] / "programs"


class AllocatesWithSleep(Timers):
    """An allocation that waits for memory, under the lock of the field."""

    def init(self, slot, bpf_map, field_kind, make):
        def slow():
            self.env.points.wait(lambda: self.env.memory, "memory")
            return make()

        return super().init(slot, bpf_map, field_kind, slow)


def two_inits(lab):
    lab.deferred.memory = []
    lab.update(1)
    lab.task(0, lambda: lab.init(1))
    lab.task(0, lambda: (lab.point(), lab.deferred.memory.append(1)), name="frees memory")


def test_cve_2025_39886_init_does_not_wait_for_memory_under_its_lock():
    """Whoever frees memory may be the one that the lock keeps from running: found where it waits, absent in ours."""
    assert explored(two_inits, 2, cpus=1) > 2
    with pytest.raises(InternalError, match="waits: memory"):
        explored(two_inits, 2, cpus=1, timers=AllocatesWithSleep)


@pytest.mark.parametrize("map_type", [uapi.BPF_MAP_TYPE_HASH, uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_MAP_TYPE_LRU_HASH])
def test_fix_a8abb0c3dc1e_no_special_field_is_copied_from_or_to_user_space(map_type):
    kinds = (uapi.BPF_SPIN_LOCK, 4), (uapi.BPF_TIMER, 16), (uapi.BPF_WORKQUEUE, 16), (uapi.BPF_TASK_WORK, 8)
    fields, off = [], 8
    for kind, size in kinds:
        fields.append(BtfField(kind, off, size))
        off += size + 8
    with beespace.Kernel(cpus=2) as kernel:
        from beespace.maps.base import Buffer
        from beespace.uapi.attr import MapCreateAttr

        attr = MapCreateAttr(map_type=map_type, key_size=4, value_size=off, max_entries=4, map_name=b"all")
        table = kernel.map_storage(map_type)(attr, kernel.map_env)
        table.map_alloc()
        table.set_record(BtfRecord(tuple(fields)))
        key, ones = Buffer(bytes(4)), Buffer(b"\xff" * off)
        assert table.update_sys(key.address, ones.address, 0, 0) == 0
        value = table.map_lookup_elem(key.address, 0)
        for field in fields:
            assert raw.read_bytes(value + field.off, field.size) == bytes(field.size)
            raw.write_bytes(value + field.off, b"\xee" * field.size)
        seen = table.lookup_sys(key.address, 0)
        special = {at for field in fields for at in range(field.off, field.off + field.size)}
        assert all(byte == (0 if at in special else 0xFF) for at, byte in enumerate(seen))
        for field in fields:
            raw.write_bytes(value + field.off, bytes(field.size))


def test_cve_2025_37807_elements_made_and_ended_leave_nothing():
    lab = RaceLab(Prefix())
    callback = lab.prog("p").callback(lambda key: None)
    for number in range(3000):
        key = number % 4
        lab.arm(key, callback)
        lab.must(lab.wq_init(key), lab.wq_set_callback(key, callback))
        assert lab.delete(key) == 0
        lab._drain()
    assert (len(lab.timers.live), len(lab.works.live), len(lab.deferred.events)) == (0, 0, 0)
    lab.run()  # sees to references


@pytest.mark.parametrize("kind", ["softirq", "hardirq", "nmi"])
def test_fix_4f375ade6aa9_freeing_a_field_waits_for_nobody_where_nobody_may_sleep(kind):
    lab = RaceLab(Prefix())
    callback = lab.prog("p").callback(lambda key: None)
    lab.arm_work(1, callback)
    lab.must(lab.wq_start(1))
    with lab.kernel.context(kind, 1):
        assert lab.delete(1) == 0
        with pytest.raises(InternalError, match="sleeping function called from"):
            lab.deferred.workqueue.cancel_work_sync(lab.deferred.workqueue._queue[0])
    lab.run()


@pytest.mark.parametrize("prog_type", ["kprobe", "tracepoint", "perf_event", "raw_tp"])
def test_fix_5e0bc3082e2e_tracing_programs_are_refused(prog_type):
    with beespace.Kernel(cpus=2) as kernel:
        obj = kernel.open(PROGRAMS / "timers.bpf.o")
        for prog in obj.progs:
            prog.autoload = prog.name == "op_lru"
        name = {"raw_tp": "RAW_TRACEPOINT"}.get(prog_type, prog_type.upper())
        obj.progs.op_lru.prog_type = getattr(uapi, f"BPF_PROG_TYPE_{name}")
        with pytest.raises(beespace.VerifierError) as refused:
            obj.load()
        assert "tracing progs cannot use bpf_timer yet" in refused.value.log
