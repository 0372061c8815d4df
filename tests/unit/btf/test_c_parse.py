"""C declarations to BTF: types, layouts, and what is not understood."""

from collections import Counter

import pytest

from beespace.btf import BtfBuilder, CDeclarations, Struct, c_dump, c_types, check_btf, open_btf
from beespace.btf.bundled import AREAS, module_btf
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi
from corerelos import PROGRAMS


def parsed(text):
    builder = BtfBuilder()
    parser = CDeclarations(builder)
    parser.parse(text)
    parser.finish()
    return builder.to_btf()


def struct_layout(struct):
    return [(m.name, m.bit_offset, m.bitfield_size) for m in struct.members], struct.size


def layout(btf, name):
    return struct_layout(btf.composite(btf.find(name)))


@pytest.mark.parametrize(
    ("text", "members", "size"),
    [
        ("struct s { char a; long b; };", [("a", 0, 0), ("b", 64, 0)], 16),
        ("struct s { char a; long b; } __attribute__((packed));", [("a", 0, 0), ("b", 8, 0)], 9),
        ("struct s { int a : 3, b : 30; };", [("a", 0, 3), ("b", 32, 30)], 8),
        ("struct s { char a; int b : 3; };", [("a", 0, 0), ("b", 8, 3)], 4),
        ("struct s { int a : 3; int : 0; int b : 3; };", [("a", 0, 3), ("b", 32, 3)], 8),
        ("struct s { int a : 3; long : 5; char b; };", [("a", 0, 3), ("b", 8, 0)], 4),
        ("union s { char a; long b; int c : 5; };", [("a", 0, 0), ("b", 0, 0), ("c", 0, 5)], 8),
        ("struct s { char a; int b[] __attribute__((aligned(16))); };", [("a", 0, 0), ("b", 128, 0)], 16),
        ("struct i { long x; } __attribute__((aligned(32))); struct s { char a; struct i b; };",
         [("a", 0, 0), ("b", 256, 0)], 64),
        ("struct s { struct { char a; }; union { short b; int c; }; };", [("", 0, 0), ("", 32, 0)], 8),
        ("enum e { A = 1 << 40 }; struct s { char a; enum e b; };", [("a", 0, 0), ("b", 64, 0)], 16),
        ("enum { N = 2 + 1 }; struct s { char a[N * 2][4 / 2]; };", [("a", 0, 0)], 12),
    ],
)  # fmt: skip
def test_layouts_are_those_of_x86_64(text, members, size):
    assert layout(parsed(text), "s") == (members, size)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("typedef const char *t;", "const char *"),
        ("typedef char *const t;", "char *const"),
        ("typedef unsigned long long int t;", "unsigned long long"),
        ("typedef int (*t)(const char *a, ...);", "int (*)(const char *a, ...)"),
        ("typedef void (*t[2])(void);", "void (*[2])(void)"),
        ("typedef int *(*t)(int a[4], int f(void));", "int *(*)(int *a, int (*f)(void))"),
        ("struct x; typedef struct x __attribute__((btf_type_tag(\"rcu\"))) *t;", "struct x *"),
        ("struct x; typedef struct x __rcu *t;", "struct x *"),
        ("typedef int (*(*t)(void))[3];", "int (*(*)(void))[3]"),
    ],
)  # fmt: skip
def test_declarators(text, name):
    btf = parsed(text)
    target = btf.type(btf.find("t", uapi.BTF_KIND_TYPEDEF)).type
    assert btf.type_name(target) == name


def test_functions_variables_and_tags():
    btf = parsed("""
        struct task_struct;
        struct task_struct *bpf_task_acquire(struct task_struct *p) __bpf_kfunc;
        extern int counter __attribute__((btf_decl_tag("hot")));
        struct list { struct node *head __attribute__((btf_decl_tag("contains:node:link"))); };
    """)
    func = btf.find("bpf_task_acquire", uapi.BTF_KIND_FUNC)
    assert btf.type_name(btf.type(func).type) == "struct task_struct *(struct task_struct *p)"
    assert btf.decl_tags(func) == [(-1, "bpf_kfunc")]
    assert btf.decl_tags(btf.find("counter")) == [(-1, "hot")]
    assert btf.decl_tags(btf.find("list")) == [(0, "contains:node:link")]
    assert btf.kind(btf.find("node")) == uapi.BTF_KIND_FWD


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("struct s { int a; }", "line 1: expected ';', found 'the end'"),
        ("\n\nunknown_t x;", "line 3: unknown type 'unknown_t'"),
        ("struct s { struct t x; };", "struct s.x has an incomplete type"),
        ("struct s { int f(void); };", "struct s.f has an incomplete type"),
        ("struct s { int a; }; struct s { int a; };", "struct s is defined twice"),
        ("enum e x;", "enum e is not defined"),
        ("enum e { A = 1", "expected '}', found 'the end'"),
        ("enum e { A,", "expected the name of a constant, found 'the end'"),
        ("enum { A B };", "expected '}', found 'B'"),
        ("int a[N];", "'N' is not a constant"),
        ("int x @ 3;", "unexpected '@'"),
        ("struct s { int a; } __attribute__((weird));", "attribute 'weird'"),
        ("struct ;", "struct without name and members"),
    ],
)
def test_errors_say_where(text, message):
    with pytest.raises(BtfError, match=message.replace("(", r"\(")):
        parsed(text)


@pytest.mark.parametrize("name", ["core_target.bpf.o", "typed.bpf.o", "mapdefs.bpf.o"])
def test_what_is_printed_is_read_back(name):
    btf = open_btf(PROGRAMS / name)
    text = c_types(btf)
    again = parsed(text)
    for _, composite in btf.types():
        if isinstance(composite, Struct) and composite.name:
            assert layout(again, composite.name) == layout(btf, composite.name)
    assert sorted(c_types(again).split("\n\n")) == sorted(text.split("\n\n"))


@pytest.mark.slow
def test_the_kernels_header_is_read_back_to_the_same_layouts(vmlinux):
    lines = [line for line in c_dump(vmlinux).splitlines() if not line.startswith("#")]
    va_list = "typedef struct { unsigned gp, fp; void *overflow, *save; } __builtin_va_list[1];\n"
    again = parsed(va_list + "\n".join(lines))
    kinds = Counter(btf_type.name for _, btf_type in vmlinux.types())
    ours = {struct.name: struct for _, struct in again.types() if isinstance(struct, Struct)}
    compared = 0
    for _, struct in vmlinux.types():
        if isinstance(struct, Struct) and struct.name and kinds[struct.name] == 1:
            assert struct_layout(ours[struct.name]) == struct_layout(struct), struct.name
            compared += 1
    assert compared > 5000


def test_modules_add_to_a_kernel_what_it_lacks():
    base = parsed(
        "typedef unsigned int u32; struct list_head { struct list_head *next, *prev; }; struct device { int id; };"
    )
    module = module_btf(
        base, "m", "struct mine { u32 a; struct device dev; struct list_head l; }; struct device { long x; };"
    )
    mine = module.find("mine")
    assert mine >= base.nr_types
    assert module.members(mine)[1].type == base.find("device")
    assert check_btf(module.raw, base=base).btf.size(mine) == 24


def test_hid_types_can_be_added_to_a_kernel_without_them(vmlinux):
    module = module_btf(vmlinux, "hid", AREAS["hid"]) if vmlinux.find("list_head") else pytest.skip("odd kernel")
    ops = module.find("hid_bpf_ops", uapi.BTF_KIND_STRUCT)
    assert module.field(ops, "hid_device_event").byte_off == 24
    assert check_btf(module.raw, base=vmlinux)
