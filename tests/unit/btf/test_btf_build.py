"""BtfBuilder: what is built is what is parsed; copies are closed and equal."""

import pytest

from beespace.btf import Array, Btf, BtfBuilder, Fwd, Member, Ptr, SecVar, Struct, declare
from beespace.btf.build import references
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi


def every_kind():
    b = BtfBuilder()
    u32 = b.add_int("unsigned int", 4)
    s64 = b.add_int("long", 8, signed=True)
    node = b.forward()
    b.define(node, Struct("node", 24, (Member("next", b.add_ptr(node), 0), Member("v", b.add_array(u32, 4), 64))))
    b.add_union("both", 8, [Member("a", u32, 0), Member("b", s64, 0)])
    b.add_struct("bits", 4, [Member("low", u32, 0, 3), Member("high", u32, 3, 29)])
    b.add_enum("sign", [("MINUS", -1), ("PLUS", 1)])
    b.add_enum("wide", [("BIG", 1 << 40), ("SMALL", -(1 << 63))], size=8)
    b.add_fwd("opaque")
    b.add_typedef("u32", u32)
    b.add_const(b.add_volatile(b.add_restrict(b.add_ptr(0))))
    b.add_float("double", 8)
    proto = b.add_func_proto(u32, [("p", b.add_ptr(node)), ("", 0)])
    func = b.add_func("f", proto, uapi.BTF_FUNC_EXTERN)
    var = b.add_var("counter", s64)
    b.add_datasec(".bss", 8, [SecVar(var, 0, 8)])
    b.add_decl_tag("hot", func, 0)
    b.add_type_tag("rcu", u32)
    return b


@pytest.mark.parametrize("order", ["little", "big"])
def test_all_kinds_survive_build_and_parse(order):
    builder = every_kind()
    btf = Btf.parse(builder.build(order))
    assert [btf.type(i) for i in range(1, btf.nr_types)] == [builder.type(i) for i in range(1, builder.nr_types)]
    assert {btf.kind(i) for i in range(1, btf.nr_types)} == set(range(1, uapi.NR_BTF_KINDS))


def test_equal_types_have_one_id():
    b = BtfBuilder()
    assert b.add_int("int", 4, signed=True) == b.add_int("int", 4, signed=True) == 1
    assert b.add_ptr(1) == b.add_ptr(1) == 2
    assert b.add(Ptr(2)) == 3


def test_c_structs_are_laid_out_as_c_does():
    b = BtfBuilder()
    char, u64 = b.add_int("char", 1), b.add_int("u64", 8)
    s = b.add_c_struct("s", [("a", char), ("b", u64), ("c", b.add_array(char, 3))])
    assert b.size(s) == 24
    assert [m.bit_offset // 8 for m in b.type(s).members] == [0, 8, 16]


def test_undefined_forward_ids_and_values_that_do_not_fit_are_refused():
    b = BtfBuilder()
    b.forward()
    with pytest.raises(BtfError, match="never defined"):
        b.build()
    with pytest.raises(BtfError, match="not a u32"):
        built(lambda b: b.add(Array(1, 1, 1 << 32)))
    with pytest.raises(BtfError, match="at most 65535"):
        built(lambda b: b.add_enum("e", [("A", 0)] * 65536))
    with pytest.raises(BtfError, match="kind_flag"):
        built(lambda b: b.add(Struct("s", 4, (Member("m", 1, 0, 3),))))
    with pytest.raises(BtfError, match="NUL"):
        built(lambda b: b.add_fwd("a\0b"))


def built(add):
    b = BtfBuilder()
    add(b)
    return b.build()


def test_a_copy_has_everything_it_refers_to_and_recursion_ends(vmlinux):
    task = vmlinux.find("task_struct", uapi.BTF_KIND_STRUCT)
    b = BtfBuilder()
    new = b.copy(vmlinux, [task], follow_pointers=False)
    copy = b.to_btf()
    assert copy.name_of(new[task]) == "task_struct"
    assert copy.size(new[task]) == vmlinux.size(task)
    assert copy.field("task_struct", "se.run_node")[:3] == vmlinux.field("task_struct", "se.run_node")[:3]
    assert isinstance(copy.type(copy.find("mm_struct")), Fwd)
    for _, btf_type in copy.types():
        assert all(ref < copy.nr_types for ref in references(btf_type))


def test_copying_twice_adds_nothing():
    source = Btf.parse(every_kind().build())
    b = BtfBuilder()
    first = b.copy(source, range(1, source.nr_types))
    count = b.nr_types
    assert b.copy(source, [source.find("node")]) == first
    assert b.nr_types == count == source.nr_types


def test_split_btf_takes_strings_and_types_from_its_base():
    base = Btf.parse(every_kind().build())
    b = BtfBuilder(base)
    ptr = b.add_ptr(base.find("node"))
    name = b.add_typedef("node", ptr)
    split = b.to_btf()
    assert ptr == base.nr_types
    assert split.type_name(ptr) == "struct node *"
    assert split.header.str_len == 0
    assert split.find("node", uapi.BTF_KIND_TYPEDEF) == name


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda b, i: b.add_ptr(b.add_const(i)), "const int *x"),
        (lambda b, i: b.add_const(b.add_ptr(i)), "int *const x"),
        (lambda b, i: b.add_const(b.add_volatile(b.add_ptr(i))), "int *volatile const x"),
        (lambda b, i: b.add_const(b.add_volatile(i)), "const volatile int x"),
        (lambda b, i: b.add_array(b.add_ptr(b.add_array(i, 3)), 2), "int (*x[2])[3]"),
        (lambda b, i: b.add_ptr(b.add_func_proto(i, [("a", i), ("", 0)])), "int (*x)(int a, ...)"),
        (lambda b, i: b.add_ptr(b.add_func_proto(0)), "void (*x)(void)"),
        (lambda b, i: b.add_func_proto(b.add_ptr(b.add_func_proto(0, [("", i)])), []), "void (*x(void))(int)"),
        (lambda b, i: b.add_ptr(0), "void *x"),
    ],
)
def test_declarators(make, text):
    b = BtfBuilder()
    assert declare(b, make(b, b.add_int("int", 4, signed=True)), "x") == text
