"""Records of bpf(2): layout, conversion, unknown tails."""

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beespace.errors import InputError
from beespace.uapi import attr, bpf
from beespace.uapi.record import Record, TailError

RECORDS = [
    value
    for name in attr.__all__
    if isinstance(value := getattr(attr, name), type) and issubclass(value, Record) and value is not Record
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
def test_a_record_packs_to_its_size_and_back(record):
    assert len(record().pack()) == record.SIZE
    assert record.unpack(bytes(record.SIZE)) == record.unpack(b"") == record.unpack(bytes(record.SIZE + 8))


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_unpack_then_pack_gives_the_bytes_without_padding(record, data):
    raw = data.draw(st.binary(min_size=record.SIZE, max_size=record.SIZE))
    value = record.unpack(raw)
    assert record.unpack(bytes(value.pack())) == value


def test_fields_are_where_the_header_puts_them():
    raw = attr.MapCreateAttr(map_type=bpf.BPF_MAP_TYPE_HASH, key_size=4, map_name=b"flows", map_token_fd=-1).pack()
    assert raw[:8] == bytes([1, 0, 0, 0, 4, 0, 0, 0])
    assert raw[28:44] == b"flows".ljust(16, b"\0")
    assert raw[76:80] == b"\xff" * 4


def test_names_of_one_union_share_a_field():
    elem = attr.MapElemAttr(value=7)
    assert elem.next_key == 7
    elem.next_key = 9
    assert elem.value == 9


def test_arms_of_a_union_of_structs():
    link = attr.LinkCreateAttr(prog_fd=3, attach_type=bpf.BPF_NETFILTER)
    link.netfilter = attr.LinkCreateNetfilter(pf=2, hooknum=1, priority=-128)
    raw = link.pack()
    assert raw[16:28] == b"\2\0\0\0\1\0\0\0\x80\xff\xff\xff"
    assert attr.LinkCreateAttr.unpack(raw).netfilter.priority == -128
    assert attr.LinkCreateAttr.unpack(raw).target_btf_id == 2
    link.target_btf_id = 77
    assert link.netfilter.pf == 77


def test_a_union_that_is_its_own_struct_unpacks_its_arms():
    info = attr.IterLinkInfo()
    info.map = attr.IterLinkInfoMap(map_fd=5)
    assert info.pack()[:4] == b"\5\0\0\0"


def test_a_negative_fd_wraps_and_what_does_not_fit_is_named():
    assert attr.ProgBindMapAttr(prog_fd=-1).pack()[:4] == b"\xff" * 4
    with pytest.raises(InputError, match=r"MapElemAttr\.map_fd does not fit"):
        attr.MapElemAttr(map_fd=1 << 32).pack()
    with pytest.raises(InputError, match=r"MapElemAttr\.key does not fit"):
        attr.MapElemAttr(map_fd=-1, key=1 << 64).pack()
    with pytest.raises(InputError, match=r"MapCreateAttr\.map_name is too long"):
        attr.MapCreateAttr(map_name=b"x" * 17).pack()


def test_text_loses_only_trailing_nuls():
    assert attr.MapCreateAttr.unpack(attr.MapCreateAttr(map_name=b"a\0b").pack()).map_name == b"a\0b"
    assert attr.ProgInfo.unpack(attr.ProgInfo(tag=b"\1" + bytes(7)).pack()).tag == b"\1" + bytes(7)


def test_unknown_bytes_must_be_zero():
    with pytest.raises(TailError) as caught:
        attr.MapInfo.unpack(bytes(attr.MapInfo.SIZE) + b"\1")
    assert caught.value.errno == errno.E2BIG
    with pytest.raises(TailError) as caught:
        attr.unpack_attr(bpf.BPF_MAP_CREATE, bytes(attr.BPF_ATTR_SIZE) + b"\1")
    assert caught.value.errno == errno.E2BIG
    with pytest.raises(TailError) as caught:
        attr.unpack_attr(bpf.BPF_MAP_DELETE_ELEM, bytes(16) + b"\1")
    assert caught.value.errno == errno.EINVAL
    assert attr.unpack_attr(bpf.BPF_MAP_DELETE_ELEM, b"\5") == attr.MapElemAttr(map_fd=5)


def test_every_command_has_a_record():
    commands = {value for name, value in vars(bpf).items() if name in COMMAND_NAMES}
    assert commands == attr.COMMANDS.keys()


COMMAND_NAMES = {
    f"BPF_{name}"
    for name in (
        "MAP_CREATE MAP_LOOKUP_ELEM MAP_UPDATE_ELEM MAP_DELETE_ELEM MAP_GET_NEXT_KEY PROG_LOAD OBJ_PIN OBJ_GET "
        "PROG_ATTACH PROG_DETACH PROG_TEST_RUN PROG_GET_NEXT_ID MAP_GET_NEXT_ID PROG_GET_FD_BY_ID MAP_GET_FD_BY_ID "
        "OBJ_GET_INFO_BY_FD PROG_QUERY RAW_TRACEPOINT_OPEN BTF_LOAD BTF_GET_FD_BY_ID TASK_FD_QUERY "
        "MAP_LOOKUP_AND_DELETE_ELEM MAP_FREEZE BTF_GET_NEXT_ID MAP_LOOKUP_BATCH MAP_LOOKUP_AND_DELETE_BATCH "
        "MAP_UPDATE_BATCH MAP_DELETE_BATCH LINK_CREATE LINK_UPDATE LINK_GET_FD_BY_ID LINK_GET_NEXT_ID ENABLE_STATS "
        "ITER_CREATE LINK_DETACH PROG_BIND_MAP TOKEN_CREATE PROG_STREAM_READ_BY_FD"
    ).split()
}


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
def test_fields_of_a_record_are_those_of_its_layout(record):
    declared = tuple(name for name, kind in vars(record)["__annotations__"].items() if "ClassVar" not in kind)
    assert declared == record._FIELDS
    assert record._LAYOUT.size == record.SIZE


def test_records_behave_like_dataclasses():
    record = attr.MapCreateAttr(2, key_size=4)
    assert (record.map_type, record.key_size, record.value_size) == (2, 4, 0)
    assert record == attr.MapCreateAttr(map_type=2, key_size=4)
    assert record != attr.MapCreateAttr(map_type=3, key_size=4)
    assert repr(record).startswith("MapCreateAttr(map_type=2, key_size=4, value_size=0")
    for args, kwargs in (((1,), {"map_type": 1}), ((), {"nope": 1}), ((0,) * 40, {})):
        with pytest.raises(TypeError):
            attr.MapCreateAttr(*args, **kwargs)
