"""One behaviour on both kernels: loading, running, maps and variables through the seam."""

import contextlib
import errno
import functools
import shutil
import subprocess
from pathlib import Path

import pytest

import beespace
from beespace.errors import BtfError, ElfError, SyscallError, VerifierError
from beespace.uapi import bpf as uapi

PROGRAMS = Path(__file__).parents[1] / "programs"
PACKET = bytes(64)


@functools.cache
def running_kernel():
    kernel = beespace.LinuxKernel()  # kept: it knows the kernel's types once it has read them
    return kernel, kernel.allowed()


def linux():
    kernel, reason = running_kernel()
    if reason is not None:
        pytest.skip(f"bpf(2) is not usable: {reason}")
    return kernel


@pytest.fixture(params=[pytest.param("linux", marks=pytest.mark.oracle), "sim"])
def kernel(request):
    """Either kernel; what is open is closed after the test."""
    with linux() if request.param == "linux" else beespace.Kernel(cpus=2) as made:
        yield made


@pytest.fixture
def on_linux():
    """The real kernel."""
    with linux() as made:
        yield made


@pytest.fixture
def load(kernel):
    """name, names of programs -> Object with these programs."""

    def run(name, *progs, **options):
        obj = kernel.open(PROGRAMS / f"{name}.bpf.o", **options)
        for prog in obj.progs:
            prog.autoload = prog.name in progs
        return obj.load()

    return run


def without_programs(obj):
    for prog in obj.progs:
        prog.autoload = False
    return obj.load()


class TestPrograms:
    @pytest.mark.parametrize(("name", "retval"), [("one", 5), ("two", 25 + 3 + 13), ("loop", 15)])
    def test_subprograms_and_callbacks(self, load, name, retval):
        obj = load("subprogs", name)
        result = obj.progs[name].run(PACKET)
        assert result.retval == retval
        assert obj.bss.calls > 0

    def test_only_what_is_wanted_is_loaded(self, load):
        obj = load("subprogs", "one")
        assert [prog.is_loaded for prog in obj.progs] == [True, False, False, False, False]
        assert obj.progs.one.functions == {0: "one", 8: "twice", 16: "leaf"} or 0 in obj.progs.one.functions

    def test_what_is_no_packet(self, load):
        with pytest.raises(BtfError, match="64 is no packet: give bytes"):
            load("typed", "mark").progs.mark.run(64)

    def test_packet_and_context(self, load):
        obj = load("typed", "mark")
        result = obj.progs.mark.run(PACKET, ctx={"mark": 41})
        assert result.retval == len(PACKET)
        assert result.data == PACKET
        assert result.ctx.mark == 42
        assert result.ctx.cb[0] == 9

    def test_memory_as_context(self, load):
        result = load("typed", "add").progs.add.run(ctx=[20, 22, 0])
        assert result.retval == 0
        assert int.from_bytes(result.ctx[16:], "little") == 42

    def test_repetition(self, load):
        obj = load("typed", "count")
        assert obj.progs.count.run(PACKET, repeat=5).retval == beespace.XDP_PASS
        assert sum(obj.maps.hits[0]) == 5

    def test_running_on_a_chosen_cpu(self, load, kernel):
        obj = load("typed", "count")
        cpu = kernel.features.cpus - 1
        obj.progs.count.run(PACKET, cpu=cpu)
        assert obj.maps.hits[0] == [0] * cpu + [1]

    def test_context_of_unknown_field(self, load):
        with pytest.raises(BtfError, match="no field 'marks'"):
            load("typed", "mark").progs.mark.run(PACKET, ctx={"marks": 1})

    def test_rejection(self, load):
        with pytest.raises(VerifierError) as e:
            load("rejected", "accepted", "out_of_bounds")
        error = e.value
        assert (error.prog_name, error.errno) == ("out_of_bounds", errno.EACCES)
        assert error.message == "R0 max value is outside of the allowed memory range"
        assert (Path(error.source.file).name, error.source.text) == ("rejected.bpf.c", "return c->bytes[i];")
        assert "invalid access to map value" in error.log

    def test_log_of_an_accepted_program(self, kernel):
        obj = kernel.open(PROGRAMS / "rejected.bpf.o", log_level=1)
        for prog in obj.progs:
            prog.autoload = prog.name == "accepted"
        obj.load()
        assert "processed 2 insns" in obj.progs.accepted.log

    def test_log_that_does_not_fit(self, kernel):
        obj = kernel.open(PROGRAMS / "rejected.bpf.o")
        for prog in obj.progs:
            prog.autoload, prog.log_size = prog.name == "out_of_bounds", 256
        with pytest.raises(VerifierError) as e:
            obj.load()
        assert e.value.errno == errno.ENOSPC
        assert len(e.value.log) == 255
        assert e.value.message == "R0 max value is outside of the allowed memory range"

    def test_map_that_is_not_created(self, kernel):
        obj = kernel.open(PROGRAMS / "rejected.bpf.o")
        obj.maps.counts.autocreate = False
        for prog in obj.progs:
            prog.autoload = prog.name == "no_null_check"
        with pytest.raises(VerifierError) as e:
            obj.load()
        assert "BPF map 'counts' is referenced but wasn't created" in str(e.value)
        assert e.value.message == "invalid func unknown#2001000000"

    def test_dump_of_translated_instructions(self, load):
        prog = load("typed", "add").progs.add
        text = prog.dump_xlated(linum=True)
        assert text.startswith("int add(")
        assert "; args[2] = args[0] + args[1]; [file:./typed.bpf.c line_num:" in text
        assert text.splitlines()[-1].endswith("(95) exit")
        records = prog.dump_xlated_records(opcodes=True)
        assert records[-1]["disasm"] == "(95) exit"
        assert records[-1]["opcodes"]["code"] == "0x95"


class TestVariables:
    def test_constants_are_seen_by_the_program(self, kernel):
        obj = kernel.open(PROGRAMS / "globals.bpf.o")
        obj.rodata.limit = 3
        obj.load()
        assert obj.progs.touch.run(PACKET).retval == 3
        assert list(obj.bss.table) == [3 + 4, 0, 0, 0]
        assert (obj.data.private_count, obj.data.hidden_sum, obj.bss.counter) == (6, 12, 1)
        assert obj.data.current.at[0].x == 42
        assert obj.data.current.level.name == "LOW"
        assert obj.data_custom.custom == 15
        assert obj.bss_scratch.scratch[599] == 1

    def test_variables_are_shared_with_the_program(self, load):
        obj = load("globals", "touch")
        obj.bss.counter = 6
        obj.data.start = -1
        obj.progs.touch.run(PACKET)
        assert obj.bss.counter == 7
        assert obj.bss.table[2] != 0
        assert obj.data.current.at[0].x == -1

    def test_constants_are_fixed(self, load):
        obj = load("globals", "touch")
        with pytest.raises(SyscallError) as e:
            obj.rodata.limit = 4
        assert e.value.errno == errno.EPERM
        assert obj.rodata.limit == 10

    def test_enlarged_section(self, kernel):
        obj = kernel.open(PROGRAMS / "globals.bpf.o")
        obj.maps.bss_scratch.value_size = 8 * 2000
        obj.load()
        obj.progs.touch.run(PACKET)
        assert len(obj.bss_scratch.scratch) == 2000
        assert obj.bss_scratch.scratch[599] == 1


class TestMaps:
    KEY = {"src": {"addr": "10.0.0.1", "port": 40000}, "dst": {"addr": "10.0.0.2", "port": 443}, "proto": 6}  # noqa: RUF012
    FLOW = {  # noqa: RUF012
        "packets": 3, "via": "fe80::1", "mac": "02:00:00:00:00:01", "name": "web", "state": "OPEN", "prio": 5,
        "half": [1, 2], "seen": True, "deltas": [-1, 0, 1],
    }  # fmt: skip

    def test_mapping(self, load):
        flows = load("typed").maps.flows
        assert len(flows) == 0
        flows[self.KEY] = self.FLOW
        assert len(flows) == 1
        assert self.KEY in flows
        flow = flows[self.KEY]
        assert (flow.packets, flow.via, flow.name, flow.state, flow.prio) == (3, "fe80::1", "web", 3, 5)
        assert (flow.word, flow.seen, flow.deltas) == (0x20001, True, [-1, 0, 1])
        assert flow.mac == bytes.fromhex("020000000001")
        ((key, value),) = flows.items()
        assert (key.src.addr, key.dst.port, value) == ("10.0.0.1", 443, flow)
        assert dict(flows) == {key: flow}
        assert len({key, *flows}) == 1
        with pytest.raises(AttributeError, match="a key does not change"):
            key.proto = 17
        flow.packets += 1
        flows[key] = flow
        assert flows[self.KEY].packets == 4
        del flows[self.KEY]
        assert dict(flows) == {}
        with pytest.raises(KeyError):
            flows[self.KEY]
        with pytest.raises(KeyError):
            del flows[self.KEY]
        assert flows.get(self.KEY) is None

    def test_flags(self, load):
        flows = load("typed").maps.flows
        flows.update(self.KEY, self.FLOW, flags=uapi.BPF_NOEXIST)
        with pytest.raises(SyscallError) as e:
            flows.update(self.KEY, self.FLOW, flags=uapi.BPF_NOEXIST)
        assert e.value.errno == errno.EEXIST
        assert flows.lookup_and_delete(self.KEY).packets == 3
        assert flows.lookup_and_delete(self.KEY) is None
        with pytest.raises(SyscallError) as e:
            flows.update(self.KEY, self.FLOW, flags=uapi.BPF_EXIST)
        assert e.value.errno == errno.ENOENT

    def test_program_sees_elements(self, load):
        obj = load("typed", "count")
        assert obj.progs.count.run(PACKET).retval == beespace.XDP_PASS
        obj.maps.flows[{"proto": 6}] = {}
        assert obj.progs.count.run(PACKET).retval == beespace.XDP_DROP
        assert obj.maps.flows[{"proto": 6}].packets == 1

    def test_array(self, load):
        numbers = load("typed").maps.numbers
        numbers[3] = -5
        assert (len(numbers), numbers[3], numbers[0]) == (8, -5, 0)
        assert list(numbers) == list(range(8))
        assert numbers.next_key(6) == 7
        assert numbers.next_key(7) is None
        with pytest.raises(KeyError):
            numbers[8]
        with pytest.raises(SyscallError) as e:
            numbers[8] = 1
        assert e.value.errno == errno.E2BIG
        with pytest.raises(SyscallError) as e:
            del numbers[0]
        assert e.value.errno == errno.EINVAL
        numbers.freeze()
        with pytest.raises(SyscallError) as e:
            numbers[0] = 1
        assert e.value.errno == errno.EPERM

    def test_per_cpu_values(self, load, kernel):
        hits = load("typed").maps.hits
        cpus = kernel.features.cpus
        hits[1] = list(range(cpus))
        assert hits[1] == list(range(cpus))
        hits[1] = 7
        assert hits[1] == [7] * cpus

    def test_addresses_and_enums(self, load):
        by_address = load("typed").maps.by_address
        by_address["192.0.2.1"] = "CLOSED"
        assert {key: value.name for key, value in by_address.items()} == {"192.0.2.1": "CLOSED"}

    def others(self, kernel, name):
        obj = kernel.open(PROGRAMS / "others.bpf.o")
        for bpf_map in obj.maps:
            bpf_map.autocreate = bpf_map.name == name
        return without_programs(obj).maps

    def test_longest_prefix(self, kernel):
        maps = self.others(kernel, "routes")
        maps.routes[{"prefixlen": 8, "addr": "10.0.0.0"}] = 1
        maps.routes[{"prefixlen": 24, "addr": "10.1.2.0"}] = 2
        assert maps.routes[{"prefixlen": 32, "addr": "10.1.2.3"}] == 2
        assert maps.routes[{"prefixlen": 32, "addr": "10.9.2.3"}] == 1
        assert {(k.addr, k.prefixlen) for k in maps.routes} == {("10.0.0.0", 8), ("10.1.2.0", 24)}

    def test_queue(self, kernel):
        queue = self.others(kernel, "queue").queue
        for value in (1, 2, 3, 4):
            queue.push(value)
        with pytest.raises(SyscallError) as e:
            queue.push(5)
        assert e.value.errno == errno.E2BIG
        queue.push(5, flags=uapi.BPF_EXIST)
        assert (queue.peek(), queue.pop(), queue.pop()) == (2, 2, 3)
        assert [queue.pop(), queue.pop(), queue.pop(), queue.peek()] == [4, 5, None, None]

    def test_bloom_filter(self, kernel):
        obj = kernel.open(PROGRAMS / "mapdefs.bpf.o")
        for bpf_map in obj.maps:
            bpf_map.autocreate = bpf_map.name == "bloom"
        bloom = without_programs(obj).maps.bloom
        bloom.push(7)
        assert 7 in bloom

    def test_batches(self, load):
        flows = load("typed").maps.by_address
        assert flows.update_batch([(f"10.0.0.{i}", i) for i in range(6)]) == 6
        assert sorted(int(key) & 0xFF for key, _ in flows.lookup_batch(batch=4)) == list(range(6))
        assert flows.delete_batch(["10.0.0.0", "10.0.0.1"]) == 2
        with pytest.raises(SyscallError, match="after 1 of 2 elements") as e:
            flows.delete_batch(["10.0.0.2", "10.0.0.0"])
        assert e.value.errno == errno.ENOENT
        assert len(flows.lookup_and_delete_batch()) == 3
        assert len(flows) == 0

    def test_shared_memory(self, kernel):
        obj = kernel.open(PROGRAMS / "typed.bpf.o")
        obj.maps.numbers.map_flags = uapi.BPF_F_MMAPABLE
        without_programs(obj)
        memory = obj.maps.numbers.mmap()
        assert len(memory) == 64
        memory[8:16] = (77).to_bytes(8, "little")
        assert obj.maps.numbers[1] == 77
        obj.maps.numbers[2] = -1
        assert obj.maps.numbers.mmap(writable=False)[16:24] == b"\xff" * 8
        with pytest.raises(SyscallError):
            obj.maps.by_address.mmap()
        del memory

    def test_raw_access(self, load):
        numbers = load("typed").maps.numbers
        numbers.update_bytes(b"\1\0\0\0", b"\xff" * 8)
        assert numbers[1] == -1
        assert numbers.lookup_bytes(b"\1\0\0\0") == b"\xff" * 8
        with pytest.raises(BtfError, match="wrong size of key"):
            numbers.lookup_bytes(b"\1")
        with pytest.raises(BtfError, match="wrong size of value"):
            numbers.update_bytes(b"\1\0\0\0", b"\1")

    def test_clear_and_iteration_while_deleting(self, load):
        flows = load("typed").maps.by_address
        flows.update({f"10.0.0.{i}": 0 for i in range(8)})
        for key in flows:
            del flows[key]
        assert len(flows) == 0
        flows["10.0.0.1"] = 1
        flows.clear()
        assert len(flows) == 0

    def test_reused_map(self, load, kernel):
        first = load("typed", "count")
        second = kernel.open(PROGRAMS / "typed.bpf.o")
        second.maps.flows.reuse_fd(first.maps.flows.fd)
        second.load()
        first.maps.flows[{"proto": 6}] = {"packets": 10}
        first.close()
        assert second.progs.count.run(PACKET).retval == beespace.XDP_DROP
        assert second.maps.flows[{"proto": 6}].packets == 11

    def test_map_whose_types_the_kernel_refuses(self, kernel):
        maps = self.others(kernel, "percpu_timers")
        obj = maps.percpu_timers._object
        (warning,) = obj.warnings
        assert warning == ("map 'percpu_timers': BPF_MAP_CREATE percpu_timers: EOPNOTSUPP. Retrying without BTF.")
        assert obj.calls.map_info(maps.percpu_timers.fd).btf_value_type_id == 0

    def test_changed_size(self, kernel):
        obj = kernel.open(PROGRAMS / "typed.bpf.o")
        obj.maps.by_address.max_entries = 1
        without_programs(obj)
        obj.maps.by_address["10.0.0.1"] = 0
        with pytest.raises(SyscallError) as e:
            obj.maps.by_address["10.0.0.2"] = 0
        assert e.value.errno == errno.E2BIG
        assert obj.maps.by_address.max_entries == 1


class TestMapsOfMaps:
    @pytest.fixture
    def obj(self, kernel):
        opened = kernel.open(PROGRAMS / "mapdefs.bpf.o")
        for bpf_map in opened.maps:
            bpf_map.autocreate = bpf_map.name in ("outer", "inner_one", "inner_two", "jumps", "events")
        return opened.load()

    def test_initial_elements(self, obj):
        assert obj.maps.outer.keys_bytes
        assert obj.maps.outer[1].spec.name == "inner_one"
        assert obj.maps.outer[3].spec.name == "inner_two"
        assert obj.maps.outer.lookup(0) is None

    def test_programs_reach_inner_maps_and_tail_calls(self, obj):
        assert obj.progs.entry.run(PACKET).retval == 77
        assert obj.maps.inner_one[0] == 1
        assert obj.maps.outer[1][0] == 1

    def test_elements_are_set_by_map_and_by_program(self, obj):
        obj.maps.outer[1] = obj.maps.inner_two
        obj.progs.entry.run(PACKET)
        assert (obj.maps.inner_one[0], obj.maps.inner_two[0]) == (0, 1)
        del obj.maps.jumps[2]
        assert obj.progs.entry.run(PACKET).retval == 3
        obj.maps.jumps[2] = obj.progs.jump_target
        assert obj.progs.entry.run(PACKET).retval == 77

    def test_perf_event_array_has_a_slot_for_each_cpu(self, obj, kernel):
        assert obj.calls.map_info(obj.maps.events.fd).max_entries == kernel.features.cpus


class TestIterators:
    def test_reading_a_map(self, load):
        obj = load("iterate", "values")
        obj.maps.numbers.update({0: 5, 1: 6, 2: 7})
        with obj.progs.values.attach(obj.maps.numbers) as link:
            assert link.read() == b"".join(n.to_bytes(8, "little") for n in (5, 6, 7))
            assert link.read() == link.read()
        with pytest.raises(SyscallError):
            link.read()


class TestExterns:
    def test_kconfig(self, load):
        obj = load("externs", "read_kconfig", kconfig={"CONFIG_BPF_SYSCALL": "y", "CONFIG_HZ": "1000"})
        obj.progs.read_kconfig.run(PACKET)
        assert (obj.bss.has_bpf, obj.bss.hz, obj.bss.missing) == (1, 1000, 0)
        assert obj.bss.version >> 16 >= 6


class TestOnLinux:
    """What only the real kernel answers, or only it has."""

    pytestmark = pytest.mark.oracle

    def test_ksyms(self, on_linux):
        obj = on_linux.open(PROGRAMS / "externs.bpf.o")
        for prog in obj.progs:
            prog.autoload = prog.name == "read_ksyms"
        obj.load()
        assert obj.progs.read_ksyms.run(PACKET).retval == 0

    def test_weak_kfunc_that_is_reached(self, on_linux):
        obj = on_linux.open(PROGRAMS / "sections.bpf.o")
        with pytest.raises((ElfError, SyscallError, VerifierError)):
            obj.load()

    @pytest.mark.skipif(shutil.which("bpftool") is None, reason="bpftool is not installed")
    @pytest.mark.parametrize("name", ["mark", "add"])
    def test_dump_is_bpftools(self, on_linux, name):
        obj = on_linux.load(PROGRAMS / "typed.bpf.o")
        number = str(obj.calls.prog_info(obj.progs[name].fd).id)
        shown = subprocess.run(
            ["bpftool", "prog", "dump", "xlated", "id", number, "linum"], capture_output=True, text=True, check=True
        ).stdout
        assert obj.progs[name].dump_xlated(linum=True) == shown

    def test_core_relocations(self, on_linux):
        obj = on_linux.open(PROGRAMS / "core.bpf.o")
        for prog in obj.progs:
            prog.autoload = prog.name == "reads"
        obj.load()
        obj.progs.reads.run(ctx=[0, 0])
        assert (obj.bss.exists, obj.bss.old_field, obj.bss.hash, obj.bss.no_type) == (1, 2, 1, 2)
        assert obj.bss.size == on_linux.btf_vmlinux().size(on_linux.btf_vmlinux().find("task_struct"))

    def test_core_relocation_that_fails_is_explained(self, on_linux):
        obj = on_linux.open(PROGRAMS / "core.bpf.o")
        for prog in obj.progs:
            prog.autoload = prog.name == "fails"
        with pytest.raises(VerifierError, match="failed to resolve CO-RE relocation"):
            obj.load()

    def test_struct_ops(self, on_linux):
        obj = on_linux.open(PROGRAMS / "structops.bpf.o")
        obj.maps.bees.variable.name = "drones"
        obj.load()
        assert obj.maps.bees.is_created
        assert not obj.maps.optional_bees.is_created
        assert not obj.progs.only_optional.is_loaded
        assert b"drones\0" in obj.maps.bees.kernel_value
        assert obj.progs.ssthresh.fd.to_bytes(8, "little") in obj.maps.bees.kernel_value
        with pytest.raises(SyscallError):
            obj.maps.bees.variable.name = "late"

    def test_struct_ops_member_that_the_kernel_has_not(self, on_linux):
        obj = on_linux.open(PROGRAMS / "structops.bpf.o")
        obj.maps.optional_bees.autocreate = True
        obj.load()
        assert obj.progs.only_optional.is_loaded

    def test_pinned_map_is_found_again(self, on_linux, tmp_path):
        with bpf_file_system(tmp_path) as folder:
            first = on_linux.open(PROGRAMS / "mapdefs.bpf.o", pin_root_path=folder / "sub").load()
            first.maps.pinned[0] = 5
            assert first.maps.pinned.is_pinned
            second = on_linux.open(PROGRAMS / "mapdefs.bpf.o", pin_root_path=folder / "sub").load()
            assert second.maps.pinned[0] == 5
            assert second.maps.pinned.is_reused
            assert on_linux.open_map(folder / "sub" / "pinned")[0] == 5

    def test_pinned_map_of_another_shape(self, on_linux, tmp_path):
        with bpf_file_system(tmp_path) as folder:
            on_linux.open(PROGRAMS / "mapdefs.bpf.o", pin_root_path=folder).load().close()
            other = on_linux.open(PROGRAMS / "mapdefs.bpf.o", pin_root_path=folder)
            other.maps.pinned.max_entries = 2
            with pytest.raises(SyscallError, match="parameter mismatch"):
                other.load()

    def test_maps_pinned_by_a_load_that_fails_are_unpinned(self, on_linux, tmp_path):
        with bpf_file_system(tmp_path) as folder:
            obj = on_linux.open(PROGRAMS / "mapdefs.bpf.o", pin_root_path=folder)
            obj.maps.queue.max_entries = 0  # made after the pinned one
            with pytest.raises(SyscallError):
                obj.load()
            assert not (folder / "pinned").exists()


@contextlib.contextmanager
def bpf_file_system(path):
    try:
        subprocess.run(["mount", "-t", "bpf", "bpf", path], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a BPF file system cannot be mounted: {error}")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)
