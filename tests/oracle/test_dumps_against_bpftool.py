"""Dumps of loaded programs as bpftool prints them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from beespace.api.calls import Buffer, Calls
from beespace.isa import XlatedCallbacks, decode_insns, disasm_insns, row_of
from beespace.testing.vectors import vectors
from beespace.testing.vectors.kernels import KernelRunner
from beespace.uapi import attr

BPFTOOL = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin:/sbin")
pytestmark = [pytest.mark.oracle, pytest.mark.skipif(BPFTOOL is None, reason="bpftool is not installed")]
NEWER = ("6.6", "6.9", "6.15")  # Debian's bpftool is of 6.1: it takes SMOD for MOD, and prints BUG_ for others
# bpftool takes 0.1 s each: all sources and calls, a sample of the rest.
MEMORY = {vector.row_id: vector for vector in vectors() if vector.kind == "memory"}
NAMED = [row_id for row_id in MEMORY if row_id.endswith(".ld") or row_id.startswith("CALL_")]
CHOSEN = [*NAMED, *(row_id for row_id in list(MEMORY)[::11] if row_id not in NAMED)]


def symbols():
    lines = Path("/proc/kallsyms").read_text().splitlines()
    return {int(address, 16): name.split("\t")[0] for address, _, name in (line.split(" ", 2) for line in lines)}


@pytest.mark.slow
def test_xlated_dumps_are_bpftools(linux_kernel):
    calls, names = Calls(linux_kernel), symbols()
    base = next(address for address, name in names.items() if name == "__bpf_call_base")
    kernel = {address - base: name for address, name in names.items() if abs(address - base) < 1 << 31}
    wrong = []
    with KernelRunner(linux_kernel) as runner:
        for row_id in CHOSEN:
            fd = runner.load(MEMORY[row_id])
            info = calls.prog_info(fd)
            insns = Buffer(info.xlated_prog_len)
            calls._info(fd, attr.ProgInfo(xlated_prog_insns=insns.address, xlated_prog_len=insns.size))
            run = [BPFTOOL, "prog", "dump", "xlated", "id", str(info.id)]
            dump = subprocess.run(run, capture_output=True, text=True, check=True).stdout
            linux_kernel.close(fd)
            # C prototypes above functions and hashes of subprograms' names are not of the instruction
            theirs = [re.sub(r"#bpf_prog_\S+", "", line) for line in dump.splitlines() if re.match(r" *\d+: ", line)]
            loaded = decode_insns(insns.data)
            cbs = XlatedCallbacks(kernel=kernel, distance_in_off=True)
            ours = list(disasm_insns(loaded, cbs))
            for (idx, text), line in zip(ours, theirs, strict=True):
                row = row_of(loaded[idx])
                if f"{idx:4}: {text}" != line and not (row and row.since in NEWER):
                    wrong.append((row_id, text, line))
    assert not wrong, "\n".join(map(str, wrong[:10]))
