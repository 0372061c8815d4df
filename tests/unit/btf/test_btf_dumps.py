"""BTF as C, as bpftool's text and as JSON."""

import json
import shutil
import subprocess

import pytest

from beespace.btf import (
    Array,
    BtfBuilder,
    Const,
    DeclTag,
    Enum,
    Enum64,
    Func,
    FuncProto,
    Fwd,
    Member,
    Param,
    Ptr,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Var,
    c_dump,
    c_types,
    dump_json,
    dump_raw,
    open_btf,
)  # fmt: skip
from beespace.btf.c_names import sorted_ids
from beespace.errors import BtfError
from corerelos import PROGRAMS


class Types:
    """A builder with the usual integers."""

    def __init__(self):
        self.b = BtfBuilder()
        self.i8 = self.b.add_int("char", 1, signed=True)
        self.i16 = self.b.add_int("short", 2, signed=True)
        self.i32 = self.b.add_int("int", 4, signed=True)
        self.u32 = self.b.add_int("unsigned int", 4)
        self.u64 = self.b.add_int("unsigned long", 8)

    def c(self, *ids):
        return c_types(self.b.to_btf(), ids or None)


def struct(*members, name="s", size, kind_flag=False):
    return Struct(name, size, tuple(members), kind_flag)


def test_struct_with_padding_arrays_and_function_pointers():
    x = Types()
    b = x.b
    callback = b.add_ptr(b.add_func_proto(x.i32, [("a", b.add_ptr(b.add_const(x.i8))), ("", 0)]))
    table = b.add_array(b.add_ptr(b.add_func_proto(0)), 2)
    b.add(
        struct(
            Member("a", x.i8, 0),
            Member("b", x.u64, 64),
            Member("c", x.i32, 192),
            Member("call", callback, 256),
            Member("table", table, 320),
            Member("m", b.add_array(b.add_array(x.i8, 3), 2), 448),
            Member("p", b.add_const(b.add_ptr(b.add_ptr(b.add_const(x.i8)))), 512),
            size=72,
        )
    )
    assert x.c() == (
        "struct s {\n\tchar a;\n\tunsigned long b;\n\tlong: 64;\n\tint c;\n\tint (*call)(const char *, ...);\n"
        "\tvoid (*table[2])(void);\n\tchar m[2][3];\n\tconst char ** const p;\n};\n\n"
    ).replace("const char *, ...", "const char *a, ...")


@pytest.mark.parametrize(
    ("members", "size", "body"),
    [
        ([("a", "u32", 0, 3), ("b", "u32", 3, 5)], 4, "unsigned int a: 3;\n\tunsigned int b: 5;"),
        ([("a", "u32", 0, 3), ("b", "u32", 8, 5)], 4, "unsigned int a: 3;\n\tchar: 5;\n\tunsigned int b: 5;"),
        ([("a", "u32", 0, 3), ("b", "u32", 32, 5)], 8, "unsigned int a: 3;\n\tint: 29;\n\tunsigned int b: 5;"),
        ([("a", "i8", 0, 0), ("b", "i8", 24, 0)], 4, "char a;\n\tshort: 0;\n\tchar: 8;\n\tchar b;"),
        ([("a", "i8", 0, 0)], 8, "char a;\n\tlong: 0;"),
        ([("a", "i32", 0, 0), ("b", "i8", 40, 0)], 8, "int a;\n\tchar: 8;\n\tchar b;"),
    ],
    ids=["adjacent", "byte gap", "word gap", "three byte gap", "tail", "small gap"],
)
def test_bitfields_and_gaps(members, size, body):
    x = Types()
    fields = [Member(name, getattr(x, what), off, bits) for name, what, off, bits in members]
    x.b.add(struct(*fields, size=size, kind_flag=any(f.bitfield_size for f in fields)))
    assert x.c().startswith(f"struct s {{\n\t{body}\n")


def test_packed_structs():
    x = Types()
    x.b.add(struct(Member("a", x.i8, 0), Member("b", x.u32, 8), size=5))
    assert x.c() == "struct s {\n\tchar a;\n\tunsigned int b;\n} __attribute__((packed));\n\n"


def test_forward_declarations_only_where_c_needs_them():
    x = Types()
    node = x.b.forward()
    tree = x.b.add_struct("tree", 8, [Member("root", x.b.add_ptr(node), 0)])
    x.b.define(node, struct(Member("owner", x.b.add_ptr(tree), 0), Member("inner", tree, 64), name="node", size=16))
    assert x.c() == (
        "struct node;\n\nstruct tree {\n\tstruct node *root;\n};\n\n"
        "struct node {\n\tstruct tree *owner;\n\tstruct tree inner;\n};\n\n"
    )


def test_typedefs_of_anonymous_structs_that_point_to_themselves():
    x = Types()
    list_t = x.b.forward()
    anonymous = x.b.add(struct(Member("next", x.b.add_ptr(list_t), 0), name="", size=8))
    x.b.define(list_t, Typedef("list_t", anonymous))
    with pytest.raises(BtfError, match="unsatisfiable type cycle") as caught:
        x.c()
    assert caught.value.errno == 40


def test_structs_that_contain_each_other_are_refused():
    x = Types()
    a = x.b.forward()
    other = x.b.add_struct("b", 8, [Member("a", a, 0)])
    x.b.define(a, struct(Member("b", other, 0), name="a", size=8))
    with pytest.raises(BtfError, match="unsatisfiable type cycle"):
        x.c()


def test_anonymous_members_are_nested():
    x = Types()
    inner = x.b.add_union("", 4, [Member("x", x.u32, 0), Member("y", x.i16, 0)])
    x.b.add(struct(Member("", inner, 0), Member("named", inner, 32), size=8))
    assert x.c() == (
        "struct s {\n\tunion {\n\t\tunsigned int x;\n\t\tshort y;\n\t};\n"
        "\tunion {\n\t\tunsigned int x;\n\t\tshort y;\n\t} named;\n};\n\n"
    )


def test_several_types_of_one_name_are_told_apart():
    x = Types()
    x.b.add(struct(Member("a", x.i32, 0), size=4))
    x.b.add(struct(Member("b", x.i32, 0), size=4))
    x.b.add_enum("e", [("X", 1)])
    x.b.add_enum("f", [("X", 2)])
    text = x.c()
    assert "struct s {\n\tint a;" in text
    assert "struct s___2 {\n\tint b;" in text
    assert "enum f {\n\tX___2 = 2,\n};" in text


def test_enums_of_all_sizes():
    x = Types()
    x.b.add_enum("tiny", [("T", 1)], 1)
    x.b.add_enum("wide", [("W", 1 << 40), ("N", 2)], 8)
    x.b.add_enum("word", [("V", 2)], 8)
    x.b.add_enum("minus", [("M", -1)])
    x.b.add_enum("", [("LONELY", 7)])
    assert x.c() == (
        "enum tiny {\n\tT = 1,\n} __attribute__((mode(byte)));\n\n"
        "enum wide {\n\tW = 1099511627776ULL,\n\tN = 2ULL,\n};\n\n"
        "enum word {\n\tV = 2ULL,\n} __attribute__((mode(word)));\n\n"
        "enum minus {\n\tM = -1,\n};\n\n"
        "enum {\n\tLONELY = 7,\n};\n\n"
    )


def test_the_header_is_bpftools():
    x = Types()
    func = x.b.add(Func("bpf_thing", x.b.add(FuncProto(0, (Param("n", x.i32),))), 1))
    x.b.add(DeclTag("bpf_kfunc", func))
    text = c_dump(x.b.to_btf())
    assert text.startswith("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#")
    assert "extern void bpf_thing(int n) __weak __ksym;\n#endif\n" in text
    assert text.endswith("#endif /* __VMLINUX_H__ */\n")
    assert "preserve_access_index" not in c_dump(x.b.to_btf(), preserve_access_index=False)


def test_only_what_is_asked_for_and_what_it_needs():
    x = Types()
    a = x.b.add(struct(Member("v", x.i32, 0), name="a", size=4))
    x.b.add(struct(Member("v", x.i32, 0), name="unrelated", size=4))
    other = x.b.add(struct(Member("a", a, 0), name="b", size=4))
    text = x.c(other)
    assert text.index("struct a {") < text.index("struct b {")
    assert "unrelated" not in text


def test_all_types_are_sorted_for_comparison():
    x = Types()
    x.b.add_typedef("zeta", x.i32)
    x.b.add(struct(name="beta", size=0))
    x.b.add(struct(name="alpha", size=0))
    x.b.add_enum("late", [("A", 1)])
    btf = x.b.to_btf()
    named = [btf.name_of(i) for i in sorted_ids(btf)]
    assert named.index("late") < named.index("zeta") < named.index("alpha") < named.index("beta")


def exponential(level=60):
    b = BtfBuilder()
    inner = b.add_int("int", 4)
    for i in range(level):
        inner = b.add(struct(Member("", inner, 0), Member(f"m{i}", inner, 0), name="", size=4))
    b.add_typedef("bomb", inner)
    return b.to_btf()


def test_types_that_would_print_exponentially_are_refused():
    with pytest.raises(BtfError, match="nest too often"):
        c_dump(exponential())


def test_type_tags_and_declarators_of_the_kernel():
    x = Types()
    task = x.b.add(Const(x.b.add(Fwd("task"))))
    x.b.add_typedef("t", x.b.add(Ptr(x.b.add(TypeTag("rcu", task)))))
    assert x.c().endswith('typedef const struct task __attribute__((btf_type_tag("rcu"))) *t;\n\n')


def test_text_and_json():
    x = Types()
    x.b.add(struct(Member("a", x.u32, 0, 3), Member("", x.u32, 3, 29), size=4, kind_flag=True))
    x.b.add_enum("wide", [("W", 1 << 40)], 8)
    x.b.add(Array(1, 3, 4))
    btf = x.b.to_btf()
    assert dump_raw(btf, [3, 6, 7, 8]) == (
        "[3] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n"
        "[6] STRUCT 's' size=4 vlen=2\n\t'a' type_id=4 bits_offset=0 bitfield_size=3\n"
        "\t'(anon)' type_id=4 bits_offset=3 bitfield_size=29\n"
        "[7] ENUM64 'wide' encoding=UNSIGNED size=8 vlen=1\n\t'W' val=1099511627776ULL\n"
        "[8] ARRAY '(anon)' type_id=1 index_type_id=3 nr_elems=4\n"
    )
    types = json.loads(dump_json(btf))["types"]
    assert types[2] == {
        "id": 3, "kind": "INT", "name": "int", "size": 4, "bits_offset": 0, "nr_bits": 32, "encoding": "SIGNED",
    }  # fmt: skip
    assert len(types) == 8
    assert json.loads(dump_json(btf, pretty=True))["types"] == types


def clang():
    path = shutil.which("clang-19") or shutil.which("clang")
    if path is None:
        pytest.skip("no clang")
    return path


@pytest.mark.slow
def test_the_kernels_header_compiles_to_the_kernels_layouts(vmlinux, tmp_path):
    header = tmp_path / "vmlinux.h"
    header.write_text(c_dump(vmlinux))
    tagged = {}
    for _, btf_type in vmlinux.types():
        if isinstance(btf_type, Struct | Union | Enum | Enum64) and btf_type.name:
            tagged.setdefault(btf_type.name, []).append(btf_type)
    asserts = []
    for tag, (struct_type, *others) in tagged.items():
        name = f"struct {tag}"
        if others or not isinstance(struct_type, Struct):
            continue  # of several types of a name the later ones got a suffix
        if any(vmlinux.type_name(member.type) == "va_list" for member in struct_type.members):
            continue  # the compiler's own type, another one for BPF
        asserts.append(f'_Static_assert(sizeof({name}) == {struct_type.size}, "{name}");')
        for member in struct_type.members[-3:]:
            if member.name and not member.bitfield_size:
                place = f"__builtin_offsetof({name}, {member.name})"
                asserts.append(f'_Static_assert({place} == {member.bit_offset // 8}, "{name}.{member.name}");')
    assert len(asserts) > 10000
    source = tmp_path / "layouts.c"
    source.write_text('#include "vmlinux.h"\n' + "\n".join(asserts) + "\n")
    command = [clang(), "-target", "bpf", "-fsyntax-only", "-Wno-everything", str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[:2000]


@pytest.mark.slow
def test_what_is_compiled_from_the_dump_has_the_same_dump(tmp_path):
    original = open_btf(PROGRAMS / "core_target.bpf.o")
    (tmp_path / "t.h").write_text(c_dump(original, preserve_access_index=False))
    variables = [f"{original.type_name(t.type)} {t.name};" for _, t in original.types() if isinstance(t, Var)]
    (tmp_path / "t.c").write_text('#include "t.h"\n' + "\n".join(variables))
    subprocess.run([clang(), "-target", "bpf", "-g", "-O2", "-c", "t.c", "-o", "t.o"], cwd=tmp_path, check=True)
    again = open_btf(tmp_path / "t.o")
    assert set(c_types(again).split("\n\n")) == set(c_types(original).split("\n\n"))
