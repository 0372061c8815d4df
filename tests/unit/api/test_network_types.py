"""Addresses, ports and MAC addresses as the network's types make them."""

import ipaddress

import pytest

from beespace.api import Codecs, NetworkText
from beespace.btf import BtfBuilder
from beespace.errors import BtfError


@pytest.fixture(scope="module")
def codecs():
    b = BtfBuilder()
    u8, u16, u32, u64 = (b.add_int(f"unsigned {n}", size) for n, size in (("char", 1), ("s", 2), ("i", 4), ("l", 8)))
    be16, be32, _ = (b.add_typedef(f"__be{8 * n}", t) for n, t in ((2, u16), (4, u32), (8, u64)))
    b.add_typedef("port", be16)
    b.add_typedef("mac", b.add_array(u8, 6))
    b.add_typedef("raw6", b.add_array(u8, 16))
    b.add_typedef("ip6", b.add_array(be32, 4))
    b.add_typedef("two", b.add_array(be32, 2))
    b.add_c_struct("in_addr", [("s_addr", be32)])
    b.add_c_struct("in6_addr", [("u6_addr8", b.add_array(u8, 16))])
    btf = b.to_btf()
    made = Codecs(btf)
    return lambda name: made[btf.find(name)]


@pytest.mark.parametrize(
    ("name", "value", "data", "decoded"),
    [
        ("port", 443, b"\x01\xbb", 443),
        ("__be64", 1, bytes(7) + b"\1", 1),
        ("__be32", "10.0.0.1", b"\x0a\0\0\1", "10.0.0.1"),
        ("__be32", 0x0A000001, b"\x0a\0\0\1", "10.0.0.1"),
        ("__be32", ipaddress.ip_address("10.0.0.1"), b"\x0a\0\0\1", "10.0.0.1"),
        ("__be32", b"\x0a\0\0\1", b"\x0a\0\0\1", "10.0.0.1"),
        ("in_addr", "192.0.2.7", b"\xc0\0\2\7", "192.0.2.7"),
        ("in6_addr", "2001:db8::1", b"\x20\1\x0d\xb8" + bytes(11) + b"\1", "2001:db8::1"),
        ("ip6", "::1", bytes(15) + b"\1", "::1"),
        ("two", ["10.0.0.1", 2], b"\x0a\0\0\1\0\0\0\2", ["10.0.0.1", "0.0.0.2"]),
        ("mac", "02:00:00:00:00:0a", b"\2\0\0\0\0\x0a", b"\2\0\0\0\0\x0a"),
        ("mac", "02-00-00-00-00-0A", b"\2\0\0\0\0\x0a", b"\2\0\0\0\0\x0a"),
        ("raw6", "::2", bytes(15) + b"\2", bytes(15) + b"\2"),
    ],
)
def test_values(codecs, name, value, data, decoded):
    codec = codecs(name)
    assert codec.encode(value) == data
    assert codec.decode(data) == decoded
    assert codec.encode(codec.decode(data)) == data


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("__be32", "10.0.0.256", "does not appear to be an IPv4"),
        ("__be32", "::1", "16 bytes, not 4"),
        ("__be32", 1 << 32, "does not fit __be32"),
        ("port", 65536, "does not fit __be16"),
        ("port", -1, "does not fit __be16"),
        ("mac", "02:00", "not a MAC address"),
        ("in6_addr", "1.2.3.4", "4 bytes, not 16"),
    ],
)
def test_values_that_do_not_fit(codecs, name, value, message):
    with pytest.raises(BtfError, match=message):
        codecs(name).encode(value)


def test_text_is_also_its_number():
    text = NetworkText("10.0.0.1")
    assert int(text) == 0x0A000001
    assert text.packed == b"\x0a\0\0\1"
    assert text == "10.0.0.1"
