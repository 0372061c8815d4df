"""Compiled programs: what llvm-objdump prints assembles to the bytes it printed from, and so does what we print."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from beespace.isa import assemble, decode_insns, disasm_insns

OBJDUMP = shutil.which("llvm-objdump-19")
ROOT = Path(__file__).parents[2]
OBJECTS = sorted([*ROOT.glob("tests/programs/*.bpf.o"), *ROOT.glob("examples/**/*.bpf.o")])
pytestmark = pytest.mark.skipif(OBJDUMP is None, reason="llvm-objdump-19 is not installed")
LINE = re.compile(r"\s*\d+:\s+((?:[0-9a-f]{2} ?)+)\t(.*)")

WITHOUT_CODE = {"core_target.bpf.o"}  # types only


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_text_of_compiled_code_assembles_to_it(path):
    run = [OBJDUMP, "-d", "--mcpu=v4", path]
    text = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    found = [line for line in map(LINE.fullmatch, text.splitlines()) if line]
    assert found or path.name in WITHOUT_CODE
    for line in found:
        insns = decode_insns(bytes.fromhex(line[1]))
        statement = re.sub(r"\s+<[^<>\s]+>$", "", line[2])
        # LLVM prints calls of functions and loads of their addresses as plain numbers
        if insns[0].code in (0x85, 0x18) and insns[0].src_reg:
            continue
        assert assemble(statement).insns == insns, line[0]
        ((_, ours),) = disasm_insns(insns)
        assert assemble(ours).insns == insns, ours
