"""Values in the kernel's own text."""

import pytest

from beespace.btf import BtfBuilder, CDeclarations, show_value
from beespace.errors import BtfError
from beespace.uapi.bpf import BTF_F_COMPACT, BTF_F_NONAME, BTF_F_PTR_RAW, BTF_F_ZERO

TEXT = """
typedef unsigned int u32;
enum color { NONE, RED, BLUE = -2 };
struct pair { u32 a, b; };
struct all {
	u32 x : 3, y : 29;
	enum color c;
	char name[4];
	struct pair pairs[2];
	struct pair *next;
	unsigned long long big;
	float f;
};
"""


def btf():
    builder = BtfBuilder()
    parser = CDeclarations(builder)
    parser.parse(TEXT)
    parser.finish()
    return builder.to_btf()


BTF = btf()
ALL = BTF.find("all")
VALUE = (
    (5 | 9 << 3).to_bytes(4, "little") + b"\xfe\xff\xff\xff" + b"ab\0\0" + bytes(4) + b"\7\0\0\0" + bytes(8)
    + bytes(4) + (0xFFFF8880_00001000).to_bytes(8, "little") + (1 << 40).to_bytes(8, "little") + bytes(8)
)  # fmt: skip


def shown(flags, data=VALUE, type_id=ALL, **options):
    return show_value(BTF, type_id, data, flags | BTF_F_PTR_RAW, **options).decode()


def test_a_struct_with_names_and_indentation():
    # Inside of an array the kernel prints neither names nor the brackets that go with them.
    assert shown(0) == (
        "(struct all){\n .x = (u32)0x5,\n .y = (u32)0x9,\n .c = (enum color)BLUE,\n"
        " .name = (char[])[\n  'a',\n  'b',\n ],\n .pairs = (struct pair[])[\n  \n   7,\n  },\n ],\n"
        " .next = (struct pair *)0xffff888000001000,\n .big = (unsigned long long)1099511627776,\n"
        "<unsupported kind:16>}\n"
    )


def test_compact_and_without_names():
    text = "{0x5,0x9,BLUE,['a','b',],[7,},],0xffff888000001000,1099511627776,<unsupported kind:16>}"
    assert shown(BTF_F_COMPACT | BTF_F_NONAME) == text


def test_zeroes_are_left_out_below_the_top_unless_asked_for():
    pair = BTF.find("pair")
    assert shown(BTF_F_COMPACT, bytes(8), pair) == "(struct pair){}"
    assert shown(BTF_F_COMPACT | BTF_F_ZERO, bytes(8), pair) == "(struct pair){.a = (u32)0,.b = (u32)0,}"
    assert shown(0, bytes(4), BTF.find("u32")) == "(u32)0\n"


def test_an_enumerator_of_value_zero_is_shown():
    assert shown(BTF_F_COMPACT, bytes(4), BTF.find("color")) == "(enum color)NONE"
    assert shown(BTF_F_COMPACT, b"\x09\0\0\0", BTF.find("color")) == "(enum color)9"


def test_pointers_are_hashed_unless_raw():
    text = show_value(BTF, ALL, VALUE, BTF_F_COMPACT, pointer=lambda address: "(hashed)").decode()
    assert ".next = (struct pair *)0x(hashed)," in text


def test_too_few_bytes_are_an_error():
    with pytest.raises(BtfError, match="value of 3 bytes, 4 at 0 are needed"):
        shown(0, b"123", BTF.find("u32"))
