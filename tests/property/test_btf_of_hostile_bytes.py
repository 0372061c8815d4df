"""Whatever the bytes: opening, checking, printing, decoding, relocating end in a result or an InputError, and soon."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beespace.btf import (
    Btf,
    BtfBuilder,
    BtfExt,
    CDeclarations,
    Codec,
    CoreRelocator,
    Member,
    c_types,
    check_btf,
    dump_json,
    dump_raw,
    elf_section,
    parse_fields,
    parse_struct_metas,
    show_value,
)  # fmt: skip
from beespace.errors import BtfError, InputError
from beespace.uapi import bpf as uapi
from btfload import mutate
from corerelos import PROGRAMS

OBJECTS = sorted(PROGRAMS.glob("*.bpf.o"))
MUTATIONS = 40  # of each object; the fuzzer of the slow run does more


def attempt(function, *args):
    try:
        return function(*args)
    except InputError:
        return None


def exercise(data, original, ext):
    """Everything that reads BTF, on one section."""
    attempt(check_btf, data)
    btf = attempt(Btf.parse, data)
    if btf is None:
        return False
    for whole in (c_types, dump_raw, dump_json, parse_struct_metas):
        attempt(whole, btf)
    for type_id in range(btf.nr_types):
        for each in (btf.type, btf.type_name, btf.align, btf.skip_mods_and_typedefs, btf.decl_tags):
            attempt(each, type_id)
        attempt(parse_fields, btf, type_id)
        attempt(btf.find_member, type_id, "no such member")
        codec = attempt(Codec, btf, type_id) if (attempt(btf.size, type_id) or 1 << 20) < 1 << 12 else None
        if codec is not None:
            codec.decode(bytes(codec.size))
            attempt(show_value, btf, type_id, bytes(codec.size))
    attempt(copy_all, btf)
    parsed = attempt(BtfExt.parse, ext, btf)
    relocator = CoreRelocator(btf, [original])
    for relos in parsed.core_relos.values() if parsed else ():
        for relo in relos:
            attempt(relocator.resolve, relo)
    return True


def copy_all(btf):
    builder = BtfBuilder()
    builder.copy(btf, range(1, btf.nr_types))
    return Btf.parse(builder.build())


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_bent_sections(path):
    elf = path.read_bytes()
    section, ext = elf_section(elf, ".BTF"), (elf_section(elf, ".BTF.ext") or b"")
    rnd = random.Random(path.name)
    original = Btf.parse(section)
    small = len(section) < 8192
    opened = sum(exercise(mutate(section, rnd), original, ext) for _ in range(MUTATIONS if small else 10))
    assert opened > 0


@pytest.mark.slow
@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_bent_sections_by_the_thousand(path):
    elf = path.read_bytes()
    section, ext = elf_section(elf, ".BTF"), (elf_section(elf, ".BTF.ext") or b"")
    rnd = random.Random(path.name + " again")
    original = Btf.parse(section)
    for _ in range(500):
        exercise(mutate(section, rnd), original, ext)


def bend_ext(ext, rnd):
    bent = bytearray(ext)
    for _ in range(rnd.choice((1, 2, 4))):
        at = rnd.randrange(len(bent)) & ~3
        bent[at : at + 4] = rnd.choice((rnd.getrandbits(32), rnd.randrange(64), 0)).to_bytes(4, "little")
    return bytes(bent[: rnd.randrange(len(bent))] if rnd.random() < 0.2 else bent)


def test_bent_ext_sections():
    elf = (PROGRAMS / "core_kinds.bpf.o").read_bytes()
    btf, ext = Btf.parse(elf_section(elf, ".BTF")), (elf_section(elf, ".BTF.ext") or b"")
    target = Btf.parse(elf_section((PROGRAMS / "core_target.bpf.o").read_bytes(), ".BTF"))
    rnd = random.Random(7)
    for _ in range(300):
        parsed = attempt(BtfExt.parse, bend_ext(ext, rnd), btf)
        for relos in parsed.core_relos.values() if parsed else ():
            for relo in relos[:10]:
                attempt(CoreRelocator(btf, [target]).resolve, relo)


@given(st.binary(max_size=200))
def test_arbitrary_bytes(data):
    attempt(Btf.parse, data)
    attempt(check_btf, data)
    attempt(BtfExt.parse, data, EMPTY)
    attempt(elf_section, b"\x7fELF" + data, ".BTF")


WORDS = "struct union enum typedef int char x y z { } ; * [ ] ( ) , : = 3 const __rcu ... /* // __attribute__".split()


@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_arbitrary_declarations(words):
    attempt(CDeclarations(BtfBuilder()).parse, " ".join(words))


@given(st.binary(max_size=120), st.binary(max_size=40))
def test_arbitrary_types_behind_a_good_header(types, strings):
    types = types[: len(types) & ~3]
    strings = b"\0" + strings + b"\0"
    words = (24, 0, len(types), len(types), len(strings))
    header = bytes((0x9F, 0xEB, 1, 0)) + b"".join(word.to_bytes(4, "little") for word in words)
    exercise(header + types + strings, EMPTY, b"")


EMPTY = BtfBuilder().to_btf()


def nested(kind, levels):
    """Types that contain the one before twice, or refer to it."""
    b = BtfBuilder()
    inner = b.add_int("int", 4, signed=True)
    for i in range(levels):
        inner = kind(b, inner, i)
    return b.build(), inner


KINDS = {
    "structs twice": lambda b, t, i: b.add_struct(f"s{i}", 4, [member("a", t), member("b", t)]),
    "anonymous structs twice": lambda b, t, i: b.add_struct("", 4, [member("", t), member("", t)]),
    "pointers": lambda b, t, i: b.add_ptr(t),
    "typedefs": lambda b, t, i: b.add_typedef(f"t{i}", t),
    "constants": lambda b, t, i: b.add_const(t),
    "arrays": lambda b, t, i: b.add_array(t, 2),
    "prototypes twice": lambda b, t, i: b.add_func_proto(t, [("a", t), ("b", t)]),
    "pointers to prototypes": lambda b, t, i: b.add_ptr(b.add_func_proto(t, [("a", t)])),
}


def member(name, type_id):
    return Member(name, type_id, 0)


@pytest.mark.parametrize("levels", [40, 1500])
@pytest.mark.parametrize("name", KINDS)
def test_deep_nesting(name, levels):
    data, _ = nested(KINDS[name], levels)
    btf = Btf.parse(data)
    for whole in (c_types, dump_raw, parse_struct_metas, copy_all):
        attempt(whole, btf)
    attempt(check_btf, data)
    last = btf.nr_types - 1
    for each in (btf.type_name, btf.size, btf.align, btf.skip_mods_and_typedefs):
        attempt(each, last)
    attempt(parse_fields, btf, last)
    attempt(Codec, btf, last)
    attempt(btf.find_member, last, "no such member")


def test_loops_of_every_kind_of_reference_end():
    for kind in (uapi.BTF_KIND_PTR, uapi.BTF_KIND_TYPEDEF, uapi.BTF_KIND_CONST, uapi.BTF_KIND_TYPE_TAG):
        types = b"".join(word.to_bytes(4, "little") for word in (1, kind << 24, 2, 1, kind << 24, 1))
        words = (24, 0, len(types), len(types), 3)
        data = bytes((0x9F, 0xEB, 1, 0)) + b"".join(w.to_bytes(4, "little") for w in words) + types + b"\0x\0"
        assert exercise(data, EMPTY, b"")
        with pytest.raises(BtfError):
            check_btf(data)
