"""CO-RE: every kind of relocation against another layout, and the errors of those that cannot be done."""

from dataclasses import dataclass

import pytest

from beespace.btf import BtfBuilder, Fwd, Member, Struct
from beespace.btf.core import BAD_RELO_IMM, CoreRelocator, patch_insn
from beespace.btf.core_compat import essential_name, types_are_compat, types_match
from beespace.btf.source import open_btf
from beespace.errors import CoreRelocError
from beespace.uapi import bpf as uapi
from corerelos import PROGRAMS, comparable, relocate

POISONED = (0x85, 0, 0, 0, BAD_RELO_IMM)


@pytest.fixture(scope="module")
def relocated():
    return relocate(PROGRAMS / "core_kinds.bpf.o", [open_btf(PROGRAMS / "core_target.bpf.o")])


def test_the_log_is_the_one_libbpf_wrote(relocated):
    assert comparable(relocated[2]) == (PROGRAMS / "core_kinds.libbpf.txt").read_text().splitlines()


def values(relocated, results_from, count):
    return ["poison" if r.poison else r.new_val for r in relocated[1][results_from : results_from + count]]


def test_fields_move_and_grow(relocated):
    moved = [20, 64, 2, 64, 16, 40, 88, 92, 16, 8, 8, 208, 8, "poison", "poison"]
    assert values(relocated, 0, 15) == moved
    assert [i[4] for i in relocated[0]["fields"] if i[0] == 0xB7][:4] == [20, 64, 2, 64]
    assert relocated[0]["fields"].count(POISONED) == 2


def test_existence_is_no_error(relocated):
    assert values(relocated, 15, 6) == [1, 1, 1, 1, 0, 0]


def test_bitfields_are_read_by_the_smallest_load_and_two_shifts(relocated):
    assert values(relocated, 21, 5) == [96, 8, 0, 27, 57]
    assert values(relocated, 26, 5) == [96, 8, 1, 18, 55]


def test_loads_follow_the_size_of_unsigned_fields_only(relocated):
    insns = relocated[0]["memory"]
    assert (0x79, 104) in [(i[0], i[3]) for i in insns]  # u32 at 56 became u64 at 104
    assert POISONED in relocated[0]["memory_signed"]


def test_types_and_enumerators(relocated):
    assert values(relocated, 43, 9) == [1, 16, 1, 1, 0, 8, 0, 0, 0]
    minus = (1 << 64) - 50
    assert values(relocated, 61, 9) == [1, 20, 0, 1, 10, 0, "poison", 1 << 41, minus]


@pytest.mark.parametrize(
    ("name", "essential"),
    [("a", "a"), ("a___b", "a"), ("a___b___c", "a___b"), ("___b", "___b"), ("a____b", "a____b"), ("a___", "a___")],
)
def test_flavours(name, essential):
    assert essential_name(name) == essential


@dataclass
class Relo:
    type_id: int
    access_str: str
    kind: int = uapi.BPF_CORE_FIELD_BYTE_OFFSET


def thing(*members, name="thing", size=16):
    """BTF of one struct whose members are (name, byte offset) of int."""
    b = BtfBuilder()
    i32 = b.add_int("int", 4, signed=True)
    b.add_struct(name, size, [Member(member, i32, 8 * off) for member, off in members])
    return b


LOCAL = thing(("pid", 0), ("tgid", 4)).to_btf("prog.bpf.o")


def relocator(*targets):
    return CoreRelocator(LOCAL, [target.to_btf("vmlinux") for target in targets], prog_name="p")


def test_candidates_must_agree():
    b = thing(("pid", 8))
    b.add_struct("thing___other", 16, [Member("pid", 1, 96)])
    with pytest.raises(CoreRelocError, match=r"prog 'p': relo #3: field offset ambiguity: 96 != 64"):
        relocator(b).resolve(Relo(2, "0:0"), 3)


def test_modules_are_searched_for_what_the_kernel_lacks():
    kernel, other = thing(("pid", 8)), thing(("pid", 4))
    assert relocator(kernel, other).resolve(Relo(2, "0:0")).new_val == 8
    assert relocator(thing(name="unrelated"), other).resolve(Relo(2, "0:0")).new_val == 4


@pytest.mark.parametrize(
    ("relo", "message"),
    [
        (Relo(2, "0:7"), r"relo #0: parsing \[2\] struct thing \+ 0:7 failed: -22"),
        (Relo(2, ""), "failed: -22"),
        (Relo(2, "x"), "failed: -22"),
        (Relo(2, "0:0:0"), "captures type .* of unexpected kind int"),
        (Relo(2, "0" + ":0" * 64), "failed: -7"),
        (Relo(2, "1", uapi.BPF_CORE_TYPE_EXISTS), "failed: -22"),
        (Relo(2, "0", uapi.BPF_CORE_ENUMVAL_VALUE), "failed: -22"),
        (Relo(2, "0:0", 99), "failed: -22"),
    ],
)
def test_malformed_relocations_are_refused(relo, message):
    with pytest.raises(CoreRelocError, match=message):
        relocator(thing(("pid", 8))).resolve(relo)


def test_anonymous_types_have_no_candidates():
    local = thing(("x", 0), name="").to_btf()
    with pytest.raises(CoreRelocError, match=r"<byte_off> \(0\) relocation doesn't support anonymous types"):
        CoreRelocator(local, []).resolve(Relo(2, "0:0"))


MOV = (0xB7, 1, 0, 0, 0)
LDX_W = (0x61, 1, 2, 0, 0)


@pytest.mark.parametrize(
    ("insns", "message"),
    [
        ([(0xB7, 1, 0, 0, 5)], r"unexpected insn #0 \(ALU/ALU64\) value: got 5, exp 0 -> 8: <byte_off> \[2\]"),
        ([(0x61, 1, 2, 4, 0)], r"unexpected insn #0 \(LDX/ST/STX\) value: got 4, exp 0 -> 8"),
        ([(0x18, 1, 1, 0, 0), (0, 0, 0, 0, 0)], r"insn #0 \(LDIMM64\) has unexpected form"),
        ([(0x18, 1, 0, 0, 0)], "truncated"),
        ([(0x95, 0, 0, 0, 0)], "trying to relocate unrecognized insn #0, code:0x95"),
        ([(0xBF, 1, 2, 0, 0)], "trying to relocate unrecognized insn"),
        ([], "outside of the program"),
    ],
)
def test_instructions_that_cannot_take_the_value(insns, message):
    with pytest.raises(CoreRelocError, match=message):
        relocator(thing(("pid", 8))).relocate(insns, 0, Relo(2, "0:0"))


def test_all_forms_of_instructions_are_patched_and_poisoned():
    found, missing = relocator(thing(("pid", 8))), relocator(thing(("other", 8)))
    ldimm64 = [(0x18, 1, 0, 0, 0), (0, 0, 0, 0, 0)]
    for insns, patched in [
        ([MOV], [(0xB7, 1, 0, 0, 8)]),
        ([LDX_W], [(0x61, 1, 2, 8, 0)]),
        (ldimm64, [(0x18, 1, 0, 0, 8), (0, 0, 0, 0, 0)]),
    ]:
        assert found.relocate(insns, 0, Relo(2, "0:0"))[0] == patched
        assert missing.relocate(insns, 0, Relo(2, "0:0"))[0] == [POISONED] * len(insns)


def test_offsets_that_do_not_fit_a_load_are_refused():
    target = BtfBuilder()
    i32 = target.add_int("int", 4, signed=True)
    target.add_struct("thing", 1 << 17, [Member("pid", i32, 8 << 16)])
    with pytest.raises(CoreRelocError, match="value too big: 65536"):
        relocator(target).relocate([LDX_W], 0, Relo(2, "0:0"))


def test_the_local_type_id_needs_no_target():
    result = relocator().resolve(Relo(2, "0", uapi.BPF_CORE_TYPE_ID_LOCAL))
    assert patch_insn([(0x18, 1, 0, 0, 99), (0, 0, 0, 0, 0)], 0, result) == [(0x18, 1, 0, 0, 2), (0, 0, 0, 0, 0)]


def test_what_was_not_found_is_named_as_libbpf_names_it():
    result = relocator(thing(("other", 8))).resolve(Relo(2, "0:1"))
    assert result.poison
    assert str(result.local) == "<byte_off> [2] struct thing.tgid (0:1 @ offset 4)"


def test_types_that_nest_exponentially_are_compared_in_no_time():
    b = BtfBuilder()
    inner = b.add_struct("s", 8, [])
    for _ in range(40):
        inner = b.add_struct("s", 8, [Member("a", inner, 0), Member("b", inner, 0)])
    btf = b.to_btf()
    with pytest.raises(CoreRelocError, match="nested more than 32 deep"):
        types_match(btf, inner, btf, inner)
    assert types_are_compat(btf, inner, btf, inner)


def test_matching_is_looser_behind_pointers():
    def pointing_at(add):
        b = BtfBuilder()
        b.add_struct("outer", 8, [Member("p", b.add_ptr(add(b)), 0)])
        return b.to_btf()

    whole = pointing_at(lambda b: b.add_struct("x", 4, [Member("v", b.add_int("int", 4), 0)]))
    empty = pointing_at(lambda b: b.add(Struct("x", 0, ())))
    forward = pointing_at(lambda b: b.add(Fwd("x")))
    union = pointing_at(lambda b: b.add(Fwd("x", is_union=True)))
    for target, expected in [(whole, True), (empty, True), (forward, True), (union, False)]:
        assert types_match(whole, whole.find("outer"), target, target.find("outer")) is expected


def test_enums_match_by_the_names_of_their_values():
    def color(*values, size=4):
        b = BtfBuilder()
        b.add_enum("color", values, size)
        return b.to_btf()

    local = color(("RED", 1), ("BLUE", 2))
    assert types_match(local, 1, color(("BLUE", 5), ("RED", 6), ("GREEN", 7)), 1)
    assert not types_match(local, 1, color(("RED", 1), ("GREEN", 2)), 1)
    assert not types_match(local, 1, color(("RED", 1), ("BLUE", 2), size=8), 1)
    assert types_are_compat(local, 1, color(("X", 1), size=8), 1)


def test_kernel_types(vmlinux):
    _, results, _ = relocate(PROGRAMS / "core.bpf.o", [vmlinux])
    by_path = {str(r.local).split()[3]: r for r in results}
    assert by_path["task_struct.pid"].new_val == vmlinux.field("task_struct", "pid").byte_off
    assert by_path["task_struct___old.beespace_no_such_field"].poison
