"""Opening BTF: header, scan, names, resolution."""

import struct

import pytest

from beespace.btf import Btf, Int, Ptr, Struct, Typedef
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi


def blob(types=b"", strings=b"\0", order="<", **changes):
    header = {"magic": 0xEB9F, "version": 1, "flags": 0, "hdr_len": 24, "type_off": 0, "type_len": len(types)}
    header |= {"str_off": len(types), "str_len": len(strings)} | changes
    return struct.pack(order + "HBBIIIII", *header.values()) + types + strings


def info(kind, vlen=0, flag=0):
    return flag << 31 | kind << 24 | vlen


STRINGS = b"\0int\0list_head\0next\0size_t\0"


def small(order="<"):
    word = lambda *words: struct.pack(f"{order}{len(words)}I", *words)  # noqa: E731
    types = (
        word(1, info(uapi.BTF_KIND_INT), 4, 1 << 24 | 32)
        + word(5, info(uapi.BTF_KIND_STRUCT, 2), 16, 15, 3, 0, 0, 1, 64)
        + word(0, info(uapi.BTF_KIND_PTR), 2)
        + word(20, info(uapi.BTF_KIND_TYPEDEF), 1)
        + word(5, info(uapi.BTF_KIND_FWD), 0)
    )
    return blob(types, STRINGS, order)


@pytest.mark.parametrize("order", ["<", ">"], ids=["little endian", "big endian"])
def test_types_are_decoded_in_either_byte_order(order):
    btf = Btf.parse(small(order))
    assert btf.nr_types == 6
    assert btf.type(1) == Int("int", 4, 1, 0, 32)
    assert isinstance(btf.type(2), Struct)
    assert [(m.name, m.type, m.bit_offset) for m in btf.members(2)] == [("next", 3, 0), ("", 1, 64)]
    assert btf.type(3) == Ptr(2)
    assert btf.type(4) == Typedef("size_t", 1)


def test_names_are_found_by_kind_and_as_tails_of_other_names():
    btf = Btf.parse(small())
    assert btf.find("list_head") == 2
    assert btf.find_all("list_head") == (2, 5)
    assert btf.find("list_head", uapi.BTF_KIND_FWD) == 5
    assert btf.find("list") == btf.find("") == btf.find("head\0") == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "btf_header not found"),
        (blob(magic=0xEB9E), "Invalid magic"),
        (blob(version=2), "Unsupported version"),
        (blob(hdr_len=8), "btf_header not found"),
        (blob(type_off=2), "Unaligned type_off"),
        (blob(type_len=64), "Invalid total section size"),
        (blob(str_len=64), "Invalid total section size"),
        (blob(struct.pack("<3I", 0, info(31), 0)), "Invalid kind:31"),
        (blob(struct.pack("<3I", 0, info(0), 0)), "Invalid kind:0"),
        (blob(struct.pack("<3I", 0, info(uapi.BTF_KIND_STRUCT, 1), 0)), "type exceeds the type section"),
        (blob(struct.pack("<1I", 0)), "type exceeds the type section"),
    ],
)
def test_malformed_sections_are_refused_with_the_offset(data, message):
    with pytest.raises(BtfError, match=message) as caught:
        Btf.parse(data, name="x.o")
    assert caught.value.offset is not None
    assert caught.value.path == "x.o"


def test_unknown_ids_and_strings_are_errors_when_used():
    btf = Btf.parse(blob(struct.pack("<3I", 99, info(uapi.BTF_KIND_TYPEDEF), 7)))
    with pytest.raises(BtfError, match="string offset 99"):
        btf.type(1)
    with pytest.raises(BtfError, match=r"no type with id \[7\]"):
        btf.skip_mods_and_typedefs(1)


def test_a_loop_of_typedefs_ends():
    word = struct.pack("<3I", 0, info(uapi.BTF_KIND_CONST), 2) + struct.pack("<3I", 0, info(uapi.BTF_KIND_CONST), 1)
    btf = Btf.parse(blob(word))
    with pytest.raises(BtfError, match="loop"):
        btf.skip_mods(1)
    with pytest.raises(BtfError, match="loop"):
        btf.size(1)


def test_split_btf_continues_ids_and_strings():
    base = Btf.parse(small())
    types = struct.pack("<3I", 20, info(uapi.BTF_KIND_TYPEDEF), 4) + struct.pack(
        "<3I", len(STRINGS) + 1, info(uapi.BTF_KIND_TYPEDEF), 2
    )
    split = Btf.parse(blob(types, b"\0mine\0"), base=base)
    assert split.start_id == 6
    assert split.find_all("size_t") == (4, 6)
    assert split.find("mine") == 7
    assert split.size(7) == 16
    assert split.type(2) is base.type(2)


def test_fields_are_found_by_dotted_path_and_errors_name_type_and_field(vmlinux):
    off, _, _, type_id = vmlinux.field("task_struct", "se.run_node")
    assert off == vmlinux.field("task_struct", "se").byte_off + vmlinux.field("sched_entity", "run_node").byte_off
    assert vmlinux.type_name(type_id) == "struct rb_node"
    assert vmlinux.field("sk_buff", "cb[4]").byte_off == vmlinux.field("sk_buff", "cb").byte_off + 4
    with pytest.raises(BtfError, match=r"struct xdp_buff\.rxq is struct xdp_rxq_info \*, it has no member 'dev'"):
        vmlinux.field("xdp_buff", "rxq.dev")
    with pytest.raises(BtfError, match="struct task_struct has no member 'nope'"):
        vmlinux.field("task_struct", "nope")


def test_kernel_names_sizes_and_tags(vmlinux):
    task = vmlinux.find("task_struct", uapi.BTF_KIND_STRUCT)
    assert vmlinux.name_of(task) == "task_struct"
    assert vmlinux.kind(task) == uapi.BTF_KIND_STRUCT
    assert vmlinux.size(task) % vmlinux.align(task) == 0
    assert (-1, "bpf_kfunc") in vmlinux.decl_tags(vmlinux.find("bpf_iter_num_new", uapi.BTF_KIND_FUNC))
    assert vmlinux.find_flavors("task_struct") == (task,)
