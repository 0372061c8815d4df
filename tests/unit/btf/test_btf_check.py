"""check_btf: what BTF_LOAD refuses, with its message and errno, and the log it writes."""

import errno
import struct

import pytest

from beespace.btf import (
    Array,
    BtfBuilder,
    Const,
    Datasec,
    DeclTag,
    Enum,
    Enumerator,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Member,
    Param,
    Ptr,
    SecVar,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Var,
)  # fmt: skip
from beespace.btf.check import check_btf
from beespace.errors import ENOTSUPP, BtfError

INT = Int("int", 4, 1, 0, 32)
U64 = Int("u64", 8, 0, 0, 64)


def built(*types):
    b = BtfBuilder()
    for btf_type in types:
        b.define(b.forward(), btf_type)
    return b.build()


GOOD = built(
    INT,
    Struct("node", 16, (Member("next", 3, 0), Member("v", 1, 64))),
    Ptr(2),
    FuncProto(0, (Param("n", 3), Param("", 0))),
    Func("walk", 4, 1),
    Enum("color", 4, (Enumerator("RED", -1), Enumerator("BLUE", 2)), True),
    Var("counter", 1, 1),
    Datasec(".bss", 8, (SecVar(7, 0, 4),)),
    DeclTag("hot", 5, 0),
    Array(1, 1, 4),
    Struct("bits", 4, (Member("low", 1, 0, 3), Member("high", 1, 3, 29)), True),
)


def test_accepted_btf_is_logged_line_by_line():
    checked = check_btf(GOOD)
    assert checked.btf.nr_types == 12
    assert checked.log.splitlines()[9:] == [
        "[1] INT int size=4 bits_offset=0 nr_bits=32 encoding=SIGNED",
        "[2] STRUCT node size=16 vlen=2",
        "\tnext type_id=3 bits_offset=0",
        "\tv type_id=1 bits_offset=64",
        "[3] PTR (anon) type_id=2",
        "[4] FUNC_PROTO (anon) return=0 args=(3 n, vararg)",
        "[5] FUNC walk type_id=4",
        "[6] ENUM color size=4 vlen=2",
        "\tRED val=-1",
        "\tBLUE val=2",
        "[7] VAR counter type_id=1 linkage=1",
        "[8] DATASEC .bss size=8 vlen=1",
        "\t type_id=7 offset=0 size=4",
        "[9] DECL_TAG hot type=5 component_idx=0",
        "[10] ARRAY (anon) type_id=1 index_type_id=1 nr_elems=4",
        "[11] STRUCT bits size=4 vlen=2",
        "\tlow type_id=1 bitfield_size=3 bits_offset=0",
        "\thigh type_id=1 bitfield_size=29 bits_offset=3",
    ]


def struct_of(*members, size=4, kind_flag=False):
    return Struct("s", size, tuple(members), kind_flag)


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ([Int("int", 4, 0, 0, 64)], "[1] INT int size=4 bits_offset=0 nr_bits=64 encoding=(none) nr_bits exceeds type_size"),  # noqa: E501
        ([Int("int", 32, 0, 0, 129)], "nr_bits exceeds 128"),
        ([Ptr(5)], "[1] PTR (anon) type_id=5 Invalid type_id"),
        ([INT, Struct("1st", 0, ())], "[2] STRUCT 1st size=0 vlen=0 Invalid name"),
        ([INT, Typedef("", 1)], "[2] TYPEDEF (anon) type_id=1 Invalid name"),
        ([INT, TypeTag("", 1)], "Invalid name"),
        ([Fwd("")], "[1] FWD (anon) struct Invalid name"),
        ([Float("half", 3)], "[1] FLOAT half size=3 Invalid type_size"),
        ([INT, Array(0, 1, 1)], "[2] ARRAY (anon) type_id=0 index_type_id=1 nr_elems=1 Invalid elem"),
        ([INT, Fwd("f"), Array(2, 1, 1)], "[3] ARRAY (anon) type_id=2 index_type_id=1 nr_elems=1 Invalid elem"),
        ([INT, Array(1, 2, 1)], "Loop detected"),
        ([INT, Ptr(1), Array(1, 2, 1)], "Invalid index"),
        ([INT, Array(1, 1, 1 << 30)], "Array size overflows U32_MAX"),
        ([INT, struct_of(Member("m", 1, 8))], "[2] STRUCT s m type_id=1 bits_offset=8 Member exceeds struct_size"),
        ([INT, struct_of(Member("m", 0, 0))], "m type_id=0 bits_offset=0 Invalid type_id"),
        ([INT, struct_of(Member("m!", 1, 0))], "Invalid name"),
        ([INT, struct_of(Member("a", 1, 32), Member("b", 1, 0), size=8)], "b type_id=1 bits_offset=0 Invalid member bits_offset"),  # noqa: E501
        ([INT, Union("u", 8, (Member("m", 1, 32),))], "Invalid member bits_offset"),
        ([INT, struct_of(Member("m", 1, 64))], "Member bits_offset exceeds its struct size"),
        ([INT, struct_of(Member("m", 1, 0, 33), size=8, kind_flag=True)], "Invalid member bitfield_size"),
        ([INT, struct_of(Member("m", 1, 3, 0), size=8, kind_flag=True)], "Invalid member offset"),
        ([INT, Ptr(1), struct_of(Member("m", 2, 0, 3), size=8, kind_flag=True)], "Invalid member bitfield_size"),
        ([INT, Ptr(1), struct_of(Member("m", 2, 4), size=16)], "Member is not byte aligned"),
        ([Float("float", 4), struct_of(Member("m", 1, 8), size=8)], "Member is not properly aligned"),
        ([Fwd("f"), struct_of(Member("m", 1, 0))], "m type_id=1 bits_offset=0 Invalid member"),
        ([struct_of(Member("m", 1, 0))], "[1] STRUCT s size=4 vlen=1 Loop detected"),
        ([Enum("e", 3, ())], "[1] ENUM e size=3 vlen=0 Unexpected size"),
        ([Enum("e", 4, (Enumerator("", 1),))], "[1] ENUM e size=4 vlen=1 Invalid name"),
        ([INT, Func("f", 1)], "[2] FUNC f type_id=1 Invalid type_id"),
        ([FuncProto(0, ()), Func("f", 1, 2)], "[2] FUNC f type_id=1 Invalid func linkage"),
        ([INT, FuncProto(0, (Param("", 1),)), Func("f", 2)], "[3] FUNC f type_id=2 Invalid arg#1"),
        ([FuncProto(2, ()), Fwd("f")], "Invalid return type"),
        ([INT, FuncProto(0, (Param("a", 0), Param("b", 1)))], "args=(0 a, 1 b) Invalid arg#1"),
        ([INT, FuncProto(0, (Param("a", 1), Param("b", 0)))], "Invalid arg#2"),
        ([INT, Var("v", 1, 2)], "[2] VAR v type_id=1 linkage=2 Linkage not supported"),
        ([Fwd("f"), Var("v", 1)], "Invalid type_id"),
        ([Datasec(".x", 0, ())], "[1] DATASEC .x size=0 vlen=0 size == 0"),
        ([INT, Datasec(".x", 4, (SecVar(1, 0, 4),))], "[2] DATASEC .x type_id=1 offset=0 size=4 Not a VAR kind member"),
        ([INT, Var("v", 1), Datasec(".x", 4, (SecVar(2, 0, 8),))], "Invalid size"),
        ([INT, Var("v", 1), Datasec(".x", 8, (SecVar(2, 6, 4),))], "Invalid offset+size"),
        ([INT, Var("v", 1), Datasec(".x", 8, (SecVar(2, 0, 4), SecVar(2, 2, 4)))], "Invalid offset"),
        ([INT, DeclTag("t", 1)], "[2] DECL_TAG t type=1 component_idx=-1 Invalid type_id"),
        ([INT, Typedef("x", 1), DeclTag("t", 2, 0)], "Invalid component_idx"),
        ([struct_of(), DeclTag("t", 1, 0)], "Invalid component_idx"),
        ([struct_of(), DeclTag("t", 1, -2)], "Invalid component_idx"),
        ([INT, Const(3), TypeTag("t", 1)], "Type tags don't precede modifiers"),
        ([Const(2), Const(1)], "[1] CONST (anon) type_id=2 Loop detected"),
    ],
)  # fmt: skip
def test_refused_types(types, message):
    with pytest.raises(BtfError) as caught:
        check_btf(built(*types))
    assert caught.value.message.endswith(message)
    assert caught.value.log.rstrip("\n").endswith(message.rsplit(" ", 3)[-1])


@pytest.mark.parametrize(
    ("types", "code"),
    [
        ([Int("int", 4, 3, 0, 32)], ENOTSUPP),
        ([Ptr(2), Ptr(1)], errno.EEXIST),
        ([*(Ptr(i + 2) for i in range(40)), INT], errno.E2BIG),
        ([*(Typedef(f"t{i}", i + 2) for i in range(40)), INT], errno.E2BIG),
    ],
)
def test_the_errno_is_the_kernels(types, code):
    with pytest.raises(BtfError) as caught:
        check_btf(built(*types))
    assert caught.value.errno == code


def bent(at, value, layout="<I"):
    data = bytearray(GOOD)
    struct.pack_into(layout, data, at, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message", "code"),
    [
        (b"", "hdr_len not found", errno.EINVAL),
        (GOOD[:20], "btf_header not found", errno.EINVAL),
        (bent(0, 0xEB9E, "<H"), "Invalid magic", errno.EINVAL),
        (bent(2, 2, "<B"), "Unsupported version", ENOTSUPP),
        (bent(3, 1, "<B"), "Unsupported flags", ENOTSUPP),
        (bent(4, 28), "Unsupported btf_header", errno.E2BIG),
        (bent(8, 4), "Unsupported section found", errno.EINVAL),
        (bent(16, 4), "Section overlap found", errno.EINVAL),
        (bent(20, 1 << 20), "Total section length too long", errno.EINVAL),
        (GOOD + b"\0", "Unsupported section found", errno.EINVAL),
        (GOOD[:-1] + b"x", "Invalid string section", errno.EINVAL),
        (bent(24 + 4, 31 << 24), "[1] Invalid kind:31", errno.EINVAL),
        (bent(24 + 4, 1 << 29 | 1 << 24), "[1] Invalid btf_info:21000000", errno.EINVAL),
        (bent(24, 1 << 20), "[1] Invalid name_offset:1048576", errno.EINVAL),
        (GOOD[:24], "No data", errno.EINVAL),
    ],
)
def test_refused_headers(data, message, code):
    with pytest.raises(BtfError) as caught:
        check_btf(data)
    assert (caught.value.message, caught.value.errno) == (message, code)
    assert caught.value.log.endswith(message)


def test_the_error_says_where():
    with pytest.raises(BtfError, match=r"x.o, section .BTF, offset 0x34: \[2\] STRUCT s m type_id=0"):
        check_btf(built(INT, struct_of(Member("m", 0, 0))), name="x.o")


def test_structs_for_bpf_obj_new_are_recorded():
    b = BtfBuilder()
    u64 = b.add_int("u64", 8)
    node = b.add_struct("bpf_list_node", 24, [Member("o", b.add_array(u64, 3), 0)])
    item = b.add_struct("item", 32, [Member("node", node, 0), Member("v", u64, 192)])
    assert [field.off for field in check_btf(b.build()).metas[item]] == [0]


def test_split_btf_is_checked_against_its_base():
    base = check_btf(GOOD).btf
    b = BtfBuilder(base)
    b.add_ptr(2)
    b.add_struct("more", 32, [Member("n", 2, 0), Member("all", 10, 128)])
    checked = check_btf(b.build(), base=base)
    assert checked.btf.nr_types == base.nr_types + 2
    b.add_struct("small", 4, [Member("n", 2, 0)])
    with pytest.raises(BtfError, match="Member exceeds struct_size"):
        check_btf(b.build(), base=base)
