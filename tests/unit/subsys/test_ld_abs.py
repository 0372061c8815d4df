"""LD_ABS and LD_IND: offsets from data and headers, and loads that end the program."""

import pytest

from beespace.interp import Interp
from beespace.isa import row_by_key
from beespace.isa.asm import assemble
from beespace.jit import Jit, JitOptions
from beespace.subsys.net.context import SKB
from beespace.subsys.net.ld_abs import bpf_gen_ld_abs
from beespace.testing.engines import BareRun, trusted

PACKET = bytes(range(0x10, 0x50))
NET, LINK = -0x100000, -0x200000


@pytest.fixture(scope="module")
def skb():
    run = BareRun()
    buffer = run.mem.alloc(128, name="packet")
    context = run.mem.alloc(SKB.size, name="skb")
    run.mem.write(buffer.base + 16, PACKET)
    data = buffer.base + 16 + 14
    for field, value in {
        "data": data,
        "data_end": buffer.base + 16 + len(PACKET),
        "head": buffer.base,
        "mac_header": 16,
        "network_header": 30,
    }.items():
        place, size = SKB.offsets[field]
        run.mem.write(context.base + place, value.to_bytes(size, "little"))
    yield run, context.base
    run.mem.close()


@pytest.mark.parametrize("engine", [Interp(), Jit(JitOptions(opt_level=0))], ids=lambda engine: engine.name)
@pytest.mark.parametrize(
    ("name", "bits", "src", "imm", "r0"),
    [
        ("LD_ABS", 8, None, 0, 0x1E),
        ("LD_ABS", 16, None, 1, 0x1F20),
        ("LD_ABS", 32, None, 2, 0x20212223),
        ("LD_ABS", 8, None, 49, 0x4F),
        ("LD_ABS", 8, None, 50, 0),
        ("LD_ABS", 32, None, 47, 0),
        ("LD_ABS", 32, None, 46, 0x4C4D4E4F),
        ("LD_IND", 16, 5, 3, 0x2627),
        ("LD_IND", 16, -1, 3, 0x2021),
        ("LD_IND", 8, 2**32 + 1, 0, 0x1F),
        ("LD_ABS", 16, None, NET + 2, 0x2021),
        ("LD_ABS", 16, None, LINK + 0, 0x1011),
        ("LD_ABS", 16, None, LINK + 12, 0x1C1D),
        ("LD_ABS", 8, None, LINK - 1, 0),
        ("LD_ABS", 8, None, -1, 0),
        ("LD_ABS", 8, None, NET + 50, 0),
    ],
)
def test_load(skb, engine, name, bits, src, imm, r0):
    run, context = skb
    load = bpf_gen_ld_abs(row_by_key(name, "ld", str(bits)).insn(src_reg=7 if src is not None else 0, imm=imm))
    head = assemble(f"r6 = r1; r7 = {(src or 0) & 2**64 - 1:#x} ll").insns
    # R9 tells a load of 0 from a program that ended
    program = trusted((*head, *load, *assemble("r9 = 1; r9 <<= 40; r0 |= r9; exit").insns))
    assert run.execute(engine.prepare(program), context) == (r0 | 1 << 40 if r0 else 0)
