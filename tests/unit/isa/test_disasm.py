"""The kernel's syntax."""

import pytest

from beespace.isa import Insn, XlatedCallbacks, assemble, disasm, disasm_insns


@pytest.mark.parametrize(
    ("insn", "text"),
    [
        (Insn(0xB7, 0, 0, 0, 0), "(b7) r0 = 0"),
        (Insn(0xB4, 0, 0, 0, -1), "(b4) w0 = -1"),
        (Insn(0x37, 1, 0, 1, -3), "(37) r1 s/= -3"),
        (Insn(0xCC, 1, 2, 0, 0), "(cc) w1 s>>= w2"),
        (Insn(0xBC, 1, 2, 16, 0), "(bc) w1 = (s16)w2"),
        (Insn(0x87, 1, 0, 0, 0), "(87) r1 = -r1"),
        (Insn(0xDC, 1, 0, 0, 16), "(dc) r1 = be16 r1"),
        (Insn(0xD7, 1, 0, 0, 64), "(d7) r1 = bswap64 r1"),
        (Insn(0xBF, 2, 1, 1, 1), "(bf) r2 = addr_space_cast(r1, 0, 1)"),
        (Insn(0xBF, 2, 1, -1, 0), "(bf) r2 = &(void __percpu *)(r1)"),
        (Insn(0x61, 2, 1, 4, 0), "(61) r2 = *(u32 *)(r1 +4)"),
        (Insn(0x91, 2, 10, -8, 0), "(91) r2 = *(s8 *)(r10 -8)"),
        (Insn(0x7A, 10, 0, -8, -5), "(7a) *(u64 *)(r10 -8) = -5"),
        (Insn(0x6B, 10, 3, -8, 0), "(6b) *(u16 *)(r10 -8) = r3"),
        (Insn(0xC3, 1, 2, 0, 0), "(c3) lock *(u32 *)(r1 +0) += r2"),
        (Insn(0xDB, 1, 2, 0, 0x51), "(db) r2 = atomic64_fetch_and((u64 *)(r1 +0), r2)"),
        (Insn(0xC3, 1, 2, 0, 0xE1), "(c3) r2 = atomic_xchg((u32 *)(r1 +0), r2)"),
        (Insn(0xDB, 1, 2, 0, 0xF1), "(db) r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)"),
        (Insn(0xD3, 1, 2, 3, 0x100), "(d3) r1 = load_acquire((u8 *)(r2 +3))"),
        (Insn(0xDB, 1, 2, 3, 0x110), "(db) store_release((u64 *)(r1 +3), r2)"),
        (Insn(0xDB, 1, 2, 3, 0x20), "BUG_db"),
        (Insn(0x30, 0, 0, 0, 14), "(30) r0 = *(u8 *)skb[14]"),
        (Insn(0x48, 0, 5, 0, -2), "(48) r0 = *(u16 *)skb[r5 + -2]"),
        (Insn(0x85, 0, 0, 0, 1), "(85) call bpf_map_lookup_elem#1"),
        (Insn(0x85, 0, 0, 0, 12345), "(85) call unknown#12345"),
        (Insn(0x85, 0, 0, 0, -1), "(85) call unknown#-1"),
        (Insn(0x85, 0, 1, 0, -3), "(85) call pc-3"),
        (Insn(0x85, 0, 2, 0, 25012), "(85) call kernel-function#25012"),
        (Insn(0x05, 0, 0, -2, 0), "(05) goto pc-2"),
        (Insn(0x06, 0, 0, 0, 70000), "(06) gotol pc+70000"),
        (Insn(0xE5, 0, 0, 1, 0), "(e5) may_goto pc+1"),
        (Insn(0x95, 0, 0, 0, 0), "(95) exit"),
        (Insn(0x15, 1, 0, 2, -5), "(15) if r1 == 0xfffffffb goto pc+2"),
        (Insn(0xCE, 1, 2, -1, 0), "(ce) if w1 s< w2 goto pc-1"),
        (Insn(0x7A | 0xC0, 0, 0, 0, 0), "(fa) nospec"),
    ],
)
def test_text_of_an_instruction(insn, text):
    if text == "(fa) nospec":
        insn = Insn(0xC2, 0, 0, 0, 0)
        text = "(c2) nospec"
    assert disasm(insn) == text


def test_ld_imm64_takes_both_slots():
    low, high = Insn(0x18, 1, 0, 0, -1), Insn(0, 0, 0, 0, 1)
    assert disasm(low, high) == "(18) r1 = 0x1ffffffff"
    assert disasm(low._replace(src_reg=1), high) == "(18) r1 = 0x1ffffffff"
    assert disasm(low._replace(src_reg=1), high, allow_ptr_leaks=False) == "(18) r1 = 0x0"
    assert list(disasm_insns([low, high, Insn(0x95, 0, 0, 0, 0)])) == [(0, "(18) r1 = 0x1ffffffff"), (2, "(95) exit")]


def test_callbacks_name_what_only_the_owner_knows():
    class Names:
        def call(self, insn):
            return "bpf_iter_num_new" if insn.src_reg == 2 else None

        def imm(self, insn, value):
            return f"map@{value}" if insn.src_reg == 1 else None

    assert disasm(Insn(0x85, 0, 2, 0, 7), cbs=Names()) == "(85) call bpf_iter_num_new#7"
    assert disasm(Insn(0x85, 0, 1, 0, 7), cbs=Names()) == "(85) call pc+7"
    assert disasm(Insn(0x85, 0, 0, 0, 6), cbs=Names()) == "(85) call bpf_trace_printk#6"
    assert disasm(Insn(0x18, 3, 1, 0, 9), Insn(0, 0, 0, 0, 0), Names()) == "(18) r3 = map@9"
    assert disasm(Insn(0x18, 3, 0, 0, 9), Insn(0, 0, 0, 0, 0), Names()) == "(18) r3 = 0x9"


@pytest.mark.parametrize(
    ("insns", "text"),
    [
        ((Insn(0x18, 1, 1, 0, 5), Insn(0, 0, 0, 0, 0)), "(18) r1 = map[id:5]"),
        ((Insn(0x18, 1, 2, 0, 5), Insn(0, 0, 0, 0, 16)), "(18) r1 = map[id:5][0]+16"),
        ((Insn(0x18, 1, 6, 0, 5), Insn(0, 0, 0, 0, 16)), "(18) r1 = map[idx:5]+16"),
        ((Insn(0x18, 1, 4, 0, 5), Insn(0, 0, 0, 0, 0)), "(18) r1 = subprog[+5]"),
        ((Insn(0x18, 1, 0, 0, 5), Insn(0, 0, 0, 0, 0)), "(18) r1 = 0x5"),
        ((Insn(0x85, 0, 1, 0, 3),), "(85) call pc+3#bpf_prog_6deef7357e7b4530_f"),
        ((Insn(0x85, 0, 1, 0, 4),), "(85) call pc+4"),
        ((Insn(0x85, 0, 0, 0, 178240),), "(85) call bpf_ktime_get_ns#178240"),
    ],
)
def test_names_of_dumps(insns, text):
    cbs = XlatedCallbacks({3: "bpf_prog_6deef7357e7b4530_f"}, {178240: "bpf_ktime_get_ns"})
    assert disasm(*insns, cbs=cbs) == text


def test_dumps_assemble_again():
    text = "(18) r1 = map[id:5]\n(18) r2 = map[id:6][0]+8\n(18) r3 = map[idx:1]+4\n(18) r4 = subprog[+2]\n(95) exit"
    again = "\n".join(line for _, line in disasm_insns(assemble(text).insns, XlatedCallbacks()))
    assert again == text
