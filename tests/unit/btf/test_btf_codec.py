"""Codec: Python values to the bytes of a BTF type and back, with errors that name the field."""

import pickle
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beespace.btf import Adapter, Btf, BtfBuilder, Codec, EnumValue, Fwd, Member, SecVar, decode, encode
from beespace.errors import BtfError


class Types:
    """The C types of the examples below, by name."""

    def __init__(self, byteorder="little"):
        b = BtfBuilder()
        u8, u16, u32 = b.add_int("unsigned char", 1), b.add_int("unsigned short", 2), b.add_int("unsigned int", 4)
        s32, u64 = b.add_int("int", 4, signed=True), b.add_int("unsigned long", 8)
        char, boolean = b.add_int("char", 1, signed=True), b.add_int("bool", 1, boolean=True)
        be32 = b.add_typedef("__be32", b.add_typedef("__u32", u32))
        verdict = b.add_enum("verdict", [("MINUS", -1), ("DROP", 1), ("PASS", 2)])
        key = b.add_c_struct("flow_key", [("saddr", be32), ("dport", u16), ("proto", u8)])
        b.add_c_struct("names", [("comm", b.add_array(char, 8)), ("mac", b.add_array(u8, 6))])
        b.add_struct("bits", 4, [Member("low", u32, 0, 3), Member("s", s32, 3, 5), Member("v", verdict, 8, 4)])
        words = b.add_union("", 8, [Member("whole", u64, 0), Member("half", b.add_array(u32, 2), 0)])
        b.add_struct("mixed", 16, [Member("", words, 0), Member("key", key, 64)])
        b.add_c_struct(
            "plain", [("ok", boolean), ("ptr", b.add_ptr(key)), ("f", b.add_float("double", 8)), ("v", verdict)]
        )
        b.add_datasec(".data", 12, [SecVar(b.add_var("limit", u64), 0, 8), SecVar(b.add_var("kind", verdict), 8, 4)])
        self.btf = Btf.parse(b.build(byteorder))

    def codec(self, name, **options):
        return Codec(self.btf, self.btf.find(name), **options)


TYPES = Types()
KEY = bytes.fromhex("0100007f bb01 06 00")


def test_a_struct_is_decoded_to_attributes_and_encoded_from_what_is_at_hand():
    codec = TYPES.codec("flow_key")
    key = codec.decode(KEY)
    assert (key.saddr, key.dport, key["proto"]) == (0x7F000001, 443, 6)
    assert list(key) == ["saddr", "dport", "proto"]

    @dataclass
    class Flow:
        saddr: int
        dport: int

    assert codec.encode(key) == codec.encode([0x7F000001, 443, 6]) == codec.encode(KEY) == KEY
    assert codec.encode({"saddr": 0x7F000001, "dport": 443, "proto": 6}) == KEY
    assert codec.encode(Flow(0x7F000001, 443)) == KEY[:6] + bytes(2)


def test_decoded_fields_can_be_assigned_and_compared():
    key = TYPES.codec("flow_key").decode(KEY)
    key.dport = 80
    assert key == {"saddr": 0x7F000001, "dport": 80, "proto": 6}
    assert key._asdict() == key
    assert repr(key) == "struct flow_key(saddr=2130706433, dport=80, proto=6)"
    with pytest.raises(AttributeError, match="struct flow_key has no field 'port'"):
        key.port = 1
    with pytest.raises(AttributeError, match="struct flow_key has no field 'port'"):
        key.port  # noqa: B018


def test_text_and_byte_arrays():
    codec = TYPES.codec("names")
    data = codec.encode({"comm": "sshd", "mac": bytes.fromhex("020000000001")})
    value = codec.decode(data)
    assert value.comm == "sshd"
    assert value.mac == b"\x02\0\0\0\0\1"
    assert TYPES.codec("names", strings=False).decode(data).comm == b"sshd\0\0\0\0"
    assert codec.encode({"mac": [2, 0, 0, 0, 0, 1]})[8:14] == value.mac


def test_enumerators_are_ints_with_names():
    codec = TYPES.codec("verdict")
    assert codec.encode("PASS") == codec.encode(2) == codec.encode(EnumValue(2, "PASS")) == b"\2\0\0\0"
    value = codec.decode(b"\xff\xff\xff\xff")
    assert (value, value.name, str(value), repr(value)) == (-1, "MINUS", "MINUS", "<MINUS: -1>")
    assert codec.decode(b"\7\0\0\0") == 7
    assert pickle.loads(pickle.dumps(value)).name == "MINUS"


def test_bitfields_share_their_bytes():
    codec = TYPES.codec("bits")
    data = codec.encode({"low": 5, "s": -2, "v": "DROP"})
    assert data == bytes([5 | 0b11110 << 3, 1, 0, 0])
    assert codec.decode(data) == {"low": 5, "s": -2, "v": 1}
    assert codec.decode(data).v.name == "DROP"


def test_members_of_anonymous_unions_belong_to_the_struct_and_must_agree():
    codec = TYPES.codec("mixed")
    data = codec.encode({"whole": 1 << 32, "key": KEY})
    value = codec.decode(data)
    assert value.half == [0, 1]
    assert codec.encode(value) == data
    assert codec.encode({"half": [3, 0]})[:8] == b"\3" + bytes(7)
    value.whole = 7
    with pytest.raises(BtfError, match=r"struct mixed\.half: \[0, 1\] contradicts another member of the union"):
        codec.encode(value)


def test_scalars():
    codec = TYPES.codec("plain")
    value = codec.decode(codec.encode({"ok": True, "ptr": 0xFFFF888000000000, "f": 0.5, "v": "PASS"}))
    assert value == {"ok": True, "ptr": 0xFFFF888000000000, "f": 0.5, "v": 2}
    assert value.ok is True


def test_sections_are_structs_of_their_variables():
    codec = TYPES.codec(".data")
    assert codec.decode(codec.encode({"limit": 9, "kind": "DROP"})) == {"limit": 9, "kind": 1}


def test_big_endian_objects():
    codec = Types("big").codec("flow_key")
    assert codec.encode({"saddr": 1, "dport": 443}) == bytes.fromhex("00000001 01bb 0000")
    bits = Types("big").codec("bits")
    data = bits.encode({"low": 5, "s": -2, "v": 2})
    assert data == bytes([5 << 5 | 0b11110, 2 << 4, 0, 0])
    assert bits.decode(data) == {"low": 5, "s": -2, "v": 2}


def test_adapters_take_over_by_type_name():
    dotted = Adapter(
        decode=lambda raw: ".".join(map(str, raw)),
        encode=lambda value: bytes(map(int, value.split("."))) if isinstance(value, str) else None,
    )
    codec = TYPES.codec("flow_key", adapters={"__be32": dotted})
    data = codec.encode({"saddr": "10.0.0.1"})
    assert data[:4] == bytes([10, 0, 0, 1])
    assert codec.decode(data).saddr == "10.0.0.1"
    assert codec.encode({"saddr": 1})[:4] == b"\1\0\0\0"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("flow_key", {"sadr": 1}, r"struct flow_key: no field 'sadr' \(did you mean 'saddr'\?\)"),
        ("flow_key", {"dport": 65536}, r"struct flow_key.dport: 65536 does not fit unsigned short \(0..65535\)"),
        ("flow_key", {"dport": -1}, "struct flow_key.dport: -1 does not fit"),
        ("flow_key", {"dport": "http"}, "struct flow_key.dport: 'http' is not a value of unsigned short"),
        ("flow_key", {"dport": b"\1"}, "struct flow_key.dport: 1 bytes for a value of 2"),
        ("flow_key", [1, 2], "2 values for 3 fields"),
        ("flow_key", 7, "7 has none of its fields"),
        ("flow_key", b"\0", "1 bytes for a value of 8"),
        ("names", {"comm": "longer than 8"}, "struct names.comm: 13 bytes for an array of 8"),
        ("names", {"comm": 1.5}, "struct names.comm: 1.5 is not text"),
        ("names", {"mac": [1, 2]}, "struct names.mac: 2 elements for an array of 6"),
        ("names", {"mac": "x"}, "struct names.mac: 'x' is not a sequence"),
        ("names", {"mac": [0, 0, 300, 0, 0, 0]}, r"struct names.mac\[2\]: 300 does not fit"),
        ("bits", {"low": 8}, r"struct bits.low: 8 does not fit 3 bits of unsigned int \(0..7\)"),
        ("verdict", "ACCEPT", "enum verdict has no enumerator 'ACCEPT'"),
        ("plain", {"f": "x"}, "struct plain.f: 'x' is not a value of double"),
    ],
)
def test_errors_name_type_and_field(name, value, message):
    with pytest.raises(BtfError, match=message):
        TYPES.codec(name).encode(value)


def test_the_length_of_data_must_be_right():
    with pytest.raises(BtfError, match="struct flow_key has 8 bytes, not 7"):
        TYPES.codec("flow_key").decode(bytes(7))


def test_types_without_size_are_refused():
    b = BtfBuilder()
    b.add(Fwd("opaque"))
    with pytest.raises(BtfError, match="FWD opaque has no size"):
        Codec(b.to_btf(), 1)


@given(st.binary(min_size=16, max_size=16))
def test_encode_inverts_decode(data):
    for name in ("mixed", "flow_key", "bits"):
        type_id = TYPES.btf.find(name)
        raw = data[: TYPES.btf.size(type_id)]
        assert decode(TYPES.btf, type_id, encode(TYPES.btf, type_id, decode(TYPES.btf, type_id, raw))) == decode(
            TYPES.btf, type_id, raw
        )


def test_kernel_structs_are_decoded(vmlinux):
    codec = Codec(vmlinux, vmlinux.find("iphdr"))
    header = codec.decode(bytes.fromhex("450000140000400040060000 7f000001 7f000002"))
    assert (header.version, header.ihl, header.protocol) == (4, 5, 6)
    assert codec.encode(header) == bytes.fromhex("450000140000400040060000 7f000001 7f000002")
