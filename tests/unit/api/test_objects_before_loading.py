"""What can be seen and set between open and load, and what cannot."""

import errno

import pytest

from beespace.errors import BtfError, ElfError, SyscallError
from beespace.uapi import bpf as uapi


def test_opening_asks_the_kernel_nothing(open_object, deaf_kernel):
    for name in ("externs", "globals", "mapdefs", "structops", "subprogs", "typed"):
        open_object(name)
    assert deaf_kernel.commands == []


def test_names(open_object):
    obj = open_object("globals")
    assert [prog.name for prog in obj.progs] == ["touch"]
    assert obj.maps[".bss"] is obj.maps.bss
    assert obj.maps.data_custom is obj.maps[".data.custom"]
    assert "data_custom" in obj.maps
    assert "nothing" not in obj.maps
    assert {"bss", "rodata_fixed"} <= set(dir(obj.maps))
    with pytest.raises(AttributeError, match=r"no map 'flows' \(\.rodata, "):
        _ = obj.maps.flows
    with pytest.raises(KeyError):
        obj.progs["nothing"]


def test_full_names_of_section_maps(deaf_kernel, object_bytes):
    obj = deaf_kernel.open(object_bytes("globals"), name="a_rather_long_name")
    names = {m.name: m.full_name for m in obj.maps if not m.name.startswith(".rodata.str")}
    assert names == {
        ".data": "a_rather.data",
        ".rodata": "a_rather.rodata",
        ".bss": "a_rather.bss",
        ".data.custom": ".data.custom",
        ".rodata.fixed": ".rodata.fixed",
        ".bss.scratch": ".bss.scratch",
    }


class TestVariables:
    def test_initial_values(self, open_object):
        obj = open_object("globals")
        assert obj.rodata.limit == 10
        assert obj.data.start == 42
        assert obj.bss.counter == 0
        assert obj.data_custom.custom == 7
        assert obj.rodata.defaults.name == "abc"
        assert obj.rodata.defaults.at[1] == {"x": 3, "y": 4}
        assert obj.rodata.defaults.level.name == "HIGH"
        assert (obj.rodata.defaults.low, obj.rodata.defaults.high) == (5, 9)

    def test_assignments_go_to_memory(self, open_object):
        obj = open_object("globals")
        obj.rodata.limit = 5
        obj.rodata.verbose = True
        obj.data.current.at[1].x = -7
        obj.data.current.level = "LOW"
        obj.data.current.low = 6
        obj.bss.table[2] = 9
        obj.bss["counter"] = -1
        assert obj.rodata.limit == 5
        assert obj.rodata.verbose is True
        assert obj.data.current == {
            "name": "def", "at": [{"x": 0, "y": 0}, {"x": -7, "y": 0}], "level": 1, "low": 6, "high": 0,
        }  # fmt: skip
        assert obj.bss.table == [0, 0, 9, 0]
        assert obj.bss.counter == -1

    def test_whole_structs_and_arrays(self, open_object):
        obj = open_object("globals")
        obj.data.current = {"name": "xyz", "level": 7}
        obj.bss.table = [1, 2, 3, 4]
        assert obj.data.current.name == "xyz"
        assert list(obj.bss.table) == [1, 2, 3, 4]
        assert obj.bss.table[-1] == 4
        obj.data.current = obj.rodata.defaults
        assert obj.data.current == obj.rodata.defaults

    def test_wrong_names_and_values(self, open_object):
        obj = open_object("globals")
        with pytest.raises(AttributeError, match=r"no variable 'limits' in \.rodata \(limit, "):
            obj.rodata.limits = 5
        with pytest.raises(AttributeError, match="no field 'size'"):
            obj.data.current.size = 1
        with pytest.raises(BtfError, match="does not fit"):
            obj.rodata.limit = 1 << 32
        with pytest.raises(IndexError):
            obj.bss.table[4] = 1
        with pytest.raises(AttributeError, match="globals has no section 'heap'"):
            _ = obj.heap
        with pytest.raises(AttributeError, match="bss is a section"):
            obj.bss = 1

    def test_enlarging_a_section(self, open_object):
        obj = open_object("globals")
        obj.maps.bss_scratch.value_size = 8 * 1000
        obj.bss_scratch.scratch[999] = 3
        assert len(obj.bss_scratch.scratch) == 1000
        obj.maps.bss_scratch.value_size = 80
        assert len(obj.bss_scratch.scratch) == 10

    def test_a_section_that_cannot_be_resized(self, open_object):
        obj = open_object("globals")
        with pytest.raises(BtfError, match="last var must be an array"):
            obj.maps.data.value_size = 100
        with pytest.raises(BtfError, match="'scratch' has elements of 8 bytes"):
            obj.maps.bss_scratch.value_size = 81


class TestConfiguration:
    def test_maps(self, open_object):
        obj = open_object("mapdefs")
        obj.maps.plain.max_entries = 99
        obj.maps.plain.map_flags = 0
        obj.maps.ring.max_entries = 9000
        obj.maps.plain.autocreate = False
        assert (obj.maps.plain.max_entries, obj.maps.plain.map_flags, obj.maps.plain.autocreate) == (99, 0, False)
        assert obj.maps.ring.max_entries == 16384
        assert obj.maps.pinned.pin_path == "/sys/fs/bpf/pinned"
        assert "plain: hash key 8 value 24 x 99, not created" in repr(obj.maps.plain)

    def test_pin_root_path(self, open_object):
        assert open_object("mapdefs", pin_root_path="/run/x").maps.pinned.pin_path == "/run/x/pinned"

    def test_programs(self, open_object):
        obj = open_object("subprogs")
        assert {p.name: p.autoload for p in obj.progs} == {
            "one": True, "two": True, "misnamed": True, "loop": True, "optional": False,
        }  # fmt: skip
        assert obj.progs.one.prog_type == uapi.BPF_PROG_TYPE_SOCKET_FILTER
        assert obj.progs.misnamed.prog_type == uapi.BPF_PROG_TYPE_UNSPEC
        obj.progs.misnamed.prog_type = uapi.BPF_PROG_TYPE_SOCKET_FILTER
        obj.progs.loop.expected_attach_type = uapi.BPF_TCX_INGRESS
        obj.progs.optional.autoload = True
        assert obj.progs.misnamed.prog_type == uapi.BPF_PROG_TYPE_SOCKET_FILTER

    def test_nothing_can_be_set_after_loading_was_tried(self, open_object):
        obj = open_object("subprogs")
        with pytest.raises(SyscallError):
            obj.load()
        for prog_field, value in (("autoload", False), ("prog_type", 1), ("flags", 1), ("log_level", 1)):
            with pytest.raises(SyscallError) as e:
                setattr(obj.progs.one, prog_field, value)
            assert e.value.errno == errno.EBUSY
        with pytest.raises(SyscallError) as e:
            obj.maps.bss.max_entries = 2
        assert e.value.errno == errno.EBUSY

    def test_loading_can_be_tried_once(self, open_object):
        obj = open_object("subprogs")
        with pytest.raises(SyscallError):
            obj.load()
        with pytest.raises(SyscallError, match="load can't be attempted twice") as e:
            obj.load()
        assert e.value.errno == errno.EINVAL


def test_fds_before_loading(open_object):
    obj = open_object("typed")
    for thing in (obj.maps.flows, obj.progs.count):
        with pytest.raises(SyscallError) as e:
            _ = thing.fd
        assert e.value.errno == errno.EBADF
    with pytest.raises(SyscallError):
        obj.progs.count.run(bytes(64))


def test_keys_and_values_are_checked_before_the_kernel_is_asked(open_object, deaf_kernel):
    flows = open_object("typed").maps.flows
    assert flows.key_bytes({"src": {"addr": "10.0.0.1", "port": 443}, "proto": 6}) == (
        b"\x0a\0\0\1\x01\xbb\0\0" + bytes(8) + b"\6\0\0\0"
    )
    with pytest.raises(BtfError, match="no field 'sport'"):
        flows.key_bytes({"sport": 1})
    with pytest.raises(BtfError, match=r"map flows: wrong size of key .expected 20 bytes, found 3"):
        flows.key_bytes(b"abc")
    with pytest.raises(BtfError, match="does not fit"):
        flows.value_bytes({"packets": -1})
    numbers = open_object("typed").maps.numbers
    assert numbers.key_bytes(3) == b"\3\0\0\0"
    assert numbers.value_bytes(-2) == b"\xfe" + b"\xff" * 7
    assert deaf_kernel.commands == []


def test_values_of_all_cpus(open_object):
    hits = open_object("typed").maps.hits  # the kernel has 2
    assert hits.value_bytes([1, 2]) == b"\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"
    assert hits.value_bytes(7) == b"\7\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0"
    with pytest.raises(BtfError, match=r"one value for each possible CPU .expected 2, found 3"):
        hits.value_bytes([1, 2, 3])


def test_maps_without_types(open_object):
    sized = open_object("mapdefs").maps.sized
    assert sized.key_bytes(1) == b"\1\0\0\0"
    with pytest.raises(BtfError, match="its value has no type: give 24 bytes"):
        sized.value_bytes({"a": 1})


def test_struct_ops_members(open_object):
    obj = open_object("structops")
    obj.maps.bees.set_prog("undo_cwnd", None)
    obj.maps.bees.set_prog("ssthresh", obj.progs.undo_cwnd)
    assert dict(obj.maps.bees.spec.struct_ops.progs) == {0: "undo_cwnd", 1: "cong_avoid"}
    with pytest.raises(BtfError, match="no member 'nothing'"):
        obj.maps.bees.set_prog("nothing", None)


def test_struct_ops_fields(open_object):
    obj = open_object("structops")
    assert obj.maps.bees.variable.name == "beespace"
    obj.maps.bees.variable.name = "other"
    assert obj.maps.bees.variable.name == "other"
    assert obj.maps.optional_bees.variable.name == "beespace2"


def test_program_of_unknown_type(open_object):
    obj = open_object("sections")
    for prog in obj.progs:
        prog.autoload = prog.name == "unknown"
    with pytest.raises(ElfError, match="missing BPF prog type, check ELF section name 'beespace/no_such_type'"):
        obj.load()
