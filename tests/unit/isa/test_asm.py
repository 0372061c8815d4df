"""The assembler: forms, names, errors, round trips through the disassembler."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beespace.errors import AsmError
from beespace.isa import ROWS, Insn, Reloc, assemble, check_fields, check_opcode, disasm, disasm_insns, row_by_key
from beespace.uapi import bpf

REGS = st.integers(0, 10)


def legal(row, data):
    # Any legal instruction of the row; LD_IMM64 has its second slot.
    values = {"dst_reg": data.draw(REGS), "src_reg": data.draw(REGS)}
    values["off"] = data.draw(st.integers(-(1 << 15), (1 << 15) - 1).filter(bool))
    values["imm"] = data.draw(st.integers(-(1 << 31), (1 << 31) - 1))
    if row.name == "ADDR_SPACE_CAST":
        values["imm"] = data.draw(st.sampled_from((1, 1 << 16)))
    if row.name == "CALL_HELPER":
        values["imm"] = data.draw(st.integers(1, 211))
    if row.name == "CALL_KFUNC":
        values["off"] = 0  # the text does not have it
    insn = row.insn(**{field: value for field, value in values.items() if field in row.free})
    assert not check_opcode(insn)
    assert not check_fields(insn)
    return insn


# Map and BTF sources of LD_IMM64 are not in the text of a log: it is an address there.
TEXTUAL = [row for row in ROWS if row.family != "imm64" or row.name == "IMM64"]


@pytest.mark.parametrize("row", TEXTUAL, ids=lambda row: row.id)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_assembling_a_disassembled_instruction_gives_it_back(row, data):
    insns = [legal(row, data)]
    if row.family == "imm64":
        insns.append(Insn(0, 0, 0, 0, data.draw(st.integers(-(1 << 31), (1 << 31) - 1))))
    text = disasm(*insns)
    assert assemble(text).insns == tuple(insns)
    assert assemble(f"  17: {text}                ; R1_w=0 R2_w=scalar()").insns == tuple(insns)


@pytest.mark.parametrize(
    ("text", "insns"),
    [
        ("r1 += -5", [Insn(0x07, 1, 0, 0, -5)]),
        ("w1 += 0xffffffff", [Insn(0x04, 1, 0, 0, -1)]),
        ("r1 = (s32)r2", [Insn(0xBF, 1, 2, 32, 0)]),
        ("r1 = be16 r1", [Insn(0xDC, 1, 0, 0, 16)]),
        ("r1 = addr_space_cast(r2, 1, 0)", [Insn(0xBF, 1, 2, 1, 1 << 16)]),
        ("r1 = *(s16 *)(r2 - 0x4)", [Insn(0x89, 1, 2, -4, 0)]),
        ("w1 = *(u32 *)(r2 + 4)", [Insn(0x61, 1, 2, 4, 0)]),
        ("r1 = *(u8 *)(r2)", [Insn(0x71, 1, 2, 0, 0)]),
        ("*(u32 *)(r1 + 4) = -1", [Insn(0x62, 1, 0, 4, -1)]),
        ("*(u32 *)(r1 + 4) = w2", [Insn(0x63, 1, 2, 4, 0)]),
        ("lock *(u32 *)(r1 + 0) ^= w2", [Insn(0xC3, 1, 2, 0, 0xA0)]),
        ("w2 = atomic_fetch_or((u32 *)(r1 + 0), w2)", [Insn(0xC3, 1, 2, 0, 0x41)]),
        ("r2 = xchg_64(r1 + 8, r2)", [Insn(0xDB, 1, 2, 8, 0xE1)]),
        ("w2 = xchg32_32(r1 + 8, w2)", [Insn(0xC3, 1, 2, 8, 0xE1)]),
        ("r0 = cmpxchg_64(r1 - 8, r0, r2)", [Insn(0xDB, 1, 2, -8, 0xF1)]),
        ("w0 = cmpxchg32_32(r1 + 8, w0, w2)", [Insn(0xC3, 1, 2, 8, 0xF1)]),
        ("w1 = load_acquire((u16 *)(r2 + 2))", [Insn(0xCB, 1, 2, 2, 0x100)]),
        ("store_release((u8 *)(r1 + 2), w2)", [Insn(0xD3, 1, 2, 2, 0x110)]),
        ("r0 = *(u16 *)skb[0xc]", [Insn(0x28, 0, 0, 0, 12)]),
        ("r0 = *(u8 *)skb[r5]", [Insn(0x50, 0, 5, 0, 0)]),
        ("r0 = *(u8 *)skb[r5 + 3]", [Insn(0x50, 0, 5, 0, 3)]),
        ("r0 = 0x123456789abcdef0 ll", [Insn(0x18, 0, 0, 0, -0x65432110), Insn(0, 0, 0, 0, 0x12345678)]),
        ("r0 = -1 ll", [Insn(0x18, 0, 0, 0, -1), Insn(0, 0, 0, 0, -1)]),
        ("call 5; call bpf_ktime_get_ns", [Insn(0x85, 0, 0, 0, 5)] * 2),
        ("callx r3", [Insn(0x8D, 3, 0, 0, 0)]),
        ("a: goto a; gotol a; may_goto +2", [Insn(5, 0, 0, -1, 0), Insn(6, 0, 0, 0, -2), Insn(0xE5, 0, 0, 2, 0)]),
        (
            "1: if w1 s<= -5 goto 1f; goto 1b; 1: exit",
            [Insn(0xD6, 1, 0, 1, -5), Insn(5, 0, 0, -2, 0), Insn(0x95, 0, 0, 0, 0)],
        ),
        (
            ".rept 2\n.rept 2\nr1 += 1 # twice twice\n.endr\nexit // once\n.endr",
            ([Insn(7, 1, 0, 0, 1)] * 2 + [Insn(0x95, 0, 0, 0, 0)]) * 2,
        ),
        (".insn 0x0f 11 2 -1 0xffffffff", [Insn(0x0F, 11, 2, -1, -1)]),
        ("call f\nexit\nf: exit", [Insn(0x85, 0, 1, 0, 1), Insn(0x95, 0, 0, 0, 0), Insn(0x95, 0, 0, 0, 0)]),
        ("r1 = sub:f ll; exit; f: exit", [Insn(0x18, 1, 4, 0, 2), Insn(0, 0, 0, 0, 0), *[Insn(0x95, 0, 0, 0, 0)] * 2]),
        ("(15) if r1 == 0xfffffffb goto pc+2", [Insn(0x15, 1, 0, 2, -5)]),
    ],
)
def test_forms(text, insns):
    assert list(assemble(text).insns) == insns


def test_names_that_others_define():
    asm = assemble(
        "r1 = map:flows ll\nr2 = map_value:in+8 ll\ncall kfunc:bpf_iter_num_new\ncall elsewhere\nr3 = sym ll"
    )
    assert asm.relocs == (
        Reloc(0, "map", "flows"),
        Reloc(2, "map_value", "in", 8),
        Reloc(4, "kfunc", "bpf_iter_num_new"),
        Reloc(6, "data", "sym"),
        Reloc(5, "func", "elsewhere"),
    )
    assert asm.lines == (1, 1, 2, 2, 3, 4, 5, 5)
    text = "r1 = map:flows ll\nr2 = map_value:in+8 ll\ncall kfunc:bpf_iter_num_new"
    insns = assemble(text).link({"flows": 3, "in": 4}, {"bpf_iter_num_new": (77, 1)})
    assert insns[0] == Insn(0x18, 1, bpf.BPF_PSEUDO_MAP_FD, 0, 3)
    assert insns[2:4] == (Insn(0x18, 2, bpf.BPF_PSEUDO_MAP_VALUE, 0, 4), Insn(0, 0, 0, 0, 8))
    assert insns[4] == Insn(0x85, 0, bpf.BPF_PSEUDO_KFUNC_CALL, 1, 77)


def test_labels():
    asm = assemble("start:\nr0 = 0\nmid: last: exit")
    assert dict(asm.labels) == {"start": 0, "mid": 1, "last": 1}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("r1 +== 2", "line 1: cannot assemble 'r1 +== 2'"),
        ("\nr1 += w2", "line 2: r1 and w2 differ in width"),
        ("r1 = 0x1ffffffff", "line 1: immediate 0x1ffffffff does not fit in 32 bits"),
        ("r1 = 0xffffffff", "line 1: immediate 0xffffffff does not fit in 32 bits"),
        ("r16 = 1", "line 1: dst_reg 16 does not fit"),
        ("r1 = *(u8 *)(r2 + 32768)", "line 1: off 32768 does not fit"),
        ("goto nowhere", "line 1: label nowhere is not defined"),
        ("goto 1b", "line 1: label 1b is not defined"),
        ("a:\nexit\na:", "line 3: label a is defined twice"),
        ("r1 = be16 r2", "line 1: byte swap takes its operand from where the result goes"),
        ("r1 = -r2", "line 1: negation takes its operand from where the result goes"),
        ("w1 = (s32)w2", "line 1: there is no instruction MOVSX.alu.X32"),
        ("w1 = *(s8 *)(r2 + 0)", "line 1: w1 cannot take s8"),
        ("*(u64 *)(r1 + 0) = w2", "line 1: w2 has no 64 bits"),
        ("r3 = atomic_fetch_add((u64 *)(r1 + 0), r2)", "line 1: the old value goes to r2, not to r3"),
        ("r1 = cmpxchg_64(r1 + 0, r1, r2)", "line 1: cmpxchg compares with r0"),
        ("lock *(u8 *)(r1 + 0) += w2", "line 1: there is no instruction ATOMIC_ADD.stx.8"),
        (".rept 3\nexit", "line 2: .rept without .endr"),
        (".endr", "line 1: .endr without .rept"),
        ("(07) r1 -= 5", "line 1: 'r1 -= 5' has code 17, not 07"),
        ("r1 = 0x10000000000000000 ll", "line 1: immediate 0x10000000000000000 does not fit in 64 bits"),
        ("goto far\n.rept 40000\nexit\n.endr\nfar: exit", "line 1: far is 40000 instructions away: too far for goto"),
    ],
)
def test_errors_name_line_and_text(text, error):
    with pytest.raises(AsmError) as caught:
        assemble(text)
    assert error in str(caught.value)


def test_linking_names_what_is_missing():
    with pytest.raises(AsmError, match="line 1: undefined map flows"):
        assemble("r1 = map:flows ll").link({"other": 3})


CORPUS = Path("/work/shared/cves/cves.json")


@pytest.mark.skipif(not CORPUS.exists(), reason=f"{CORPUS} is not on this machine")
def test_the_corpus_of_bugs_assembles():
    cases = json.loads(CORPUS.read_text())["cases"]
    texts = [case[name] for case in cases for name in ("asm", "asm_probe") if case.get(name)]
    for text in texts:
        insns = assemble(text).insns
        assert list(disasm_insns(insns))
    assert len(texts) > 100


def test_a_label_may_stand_before_its_instruction():
    row = row_by_key("JA", "jmp")
    assert assemble("x: goto x").insns == (row.insn(off=-1),)
