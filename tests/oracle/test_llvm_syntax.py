"""Tables and assembler against LLVM: its disassembler reads what we encode, we assemble what it prints."""

import shutil
import subprocess

import pytest
from elftools.elf.elffile import ELFFile

from beespace.isa import ROWS, Insn, assemble, encode_insns

LLVM_MC = shutil.which("llvm-mc-19")
pytestmark = pytest.mark.skipif(LLVM_MC is None, reason="llvm-mc-19 is not installed")

# Not in LLVM 19: load_acquire and store_release came with 20; it prints every call as "call N", and pseudo sources
# of LD_IMM64 as plain numbers.
NOT_IN_LLVM = {"LOAD_ACQ", "STORE_REL", "CALL_SUBPROG", "CALL_KFUNC"}
SAMPLES = [
    {"dst_reg": 1, "src_reg": 2, "off": 5, "imm": 7},
    {"dst_reg": 9, "src_reg": 10, "off": -32768, "imm": -(1 << 31)},
    {"dst_reg": 0, "src_reg": 0, "off": 32767, "imm": (1 << 31) - 1},
]


def legal_insns():
    for row in ROWS:
        if row.name in NOT_IN_LLVM or (row.family == "imm64" and row.name != "IMM64"):
            continue
        for sample in SAMPLES:
            fields = {field: value for field, value in sample.items() if field in row.free}
            if row.name == "ADDR_SPACE_CAST":
                fields["imm"] = 1 if fields["imm"] > 0 else 1 << 16
            if row.name == "LD_IND":
                fields["imm"] = 0  # LLVM has none
            insns = (row.insn(**fields),)
            if row.family == "imm64":
                insns = (*insns, Insn(0, 0, 0, 0, 0x12345678))
            yield row, insns


def test_llvm_prints_what_we_encode_and_we_assemble_what_llvm_prints():
    cases = list(legal_insns())
    lines = [" ".join(f"{byte:#04x}" for byte in encode_insns(insns)) for _, insns in cases]
    run = subprocess.run(
        [LLVM_MC, "-disassemble", "-triple", "bpfel", "-mcpu=v4"],
        input="\n".join(lines), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "invalid instruction encoding" not in run.stderr, run.stderr
    texts = [line.strip() for line in run.stdout.splitlines() if line.strip() and not line.strip().startswith(".")]
    assert len(texts) == len(cases)
    for (row, insns), text in zip(cases, texts, strict=True):
        assert assemble(text).insns == insns, f"{row.id}: {text}"


SOURCE = """
start:
    r0 = addr_space_cast(r1, 0, 1)
    w2 = atomic_fetch_add((u32 *)(r1 + 0), w2)
    r2 = xchg_64(r1 + 8, r2)
    w0 = cmpxchg32_32(r1 - 8, w0, w2)
    may_goto out
    gotol start
    if w1 s<= -5 goto out
    if r1 & r2 goto start
    callx r2
    call 5
    call start
    r0 = *(u16 *)skb[r5]
    r0 = 0x123456789abc ll
    r3 = -1 ll
    r0 = bswap32 r0
    *(u64 *)(r1 - 4) = -7
out:
    exit
"""


def test_both_assemble_the_same_text_to_the_same_bytes(tmp_path):
    (tmp_path / "a.s").write_text(SOURCE.replace("out", ".Lout").replace("start", ".Lstart"))
    tool = [LLVM_MC, "-triple", "bpfel", "-mcpu=v4", "-filetype=obj", tmp_path / "a.s", "-o", tmp_path / "a.o"]
    subprocess.run(tool, check=True)
    with (tmp_path / "a.o").open("rb") as file:
        text = ELFFile(file).get_section_by_name(".text").data()
    assert text == encode_insns(assemble(SOURCE).insns)
