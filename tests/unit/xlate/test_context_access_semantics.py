"""A converted context access does what the user-visible struct promises: every field, size and offset."""

import pytest

from beespace.decl import CtxField, InsnAux
from beespace.interp import Interp
from beespace.isa import Insn, row_by_key
from beespace.subsys.net.fields import TC_CLS_ACT
from beespace.testing.engines import BareRun, trusted
from beespace.uapi import bpf as uapi
from beespace.xlate.ctx import convert_ctx_access

MOVED = (  # places and sizes that no table of ours has yet
    CtxField("wider", 16, 4, kernel_off=8, kernel_size=8),
    CtxField("narrower", 16, 4, kernel_off=8, kernel_size=2),
    CtxField("array", 16, 16, elem=4, kernel_off=32, kernel_size=4, wide=True, access="rw", write_sizes=(1, 2, 4, 8)),
)
FIELDS = [field for field in (*TC_CLS_ACT, *MOVED) if field.kernel_off is not None]


def accesses(field, write):
    for size in (1, 2, 4, 8):
        for off in range(field.off, field.off + field.size):
            if field.admits(off, size, write):
                yield off, size


# What Linux gives: the part asked for, but the whole of a field that it keeps in no more bytes than that.
def promised(field, memory, off, size):
    unit = field.elem or field.size
    if size > unit:
        at = field.kernel_off + off - field.off
        return int.from_bytes(memory[at : at + size], "little")
    index, inside = divmod(off - field.off, unit)
    at = field.kernel_off + index * field.kernel_size
    whole = int.from_bytes(memory[at : at + field.kernel_size], "little")
    if size == unit or size >= field.kernel_size:
        return whole
    return whole >> 8 * inside & (1 << 8 * size) - 1


@pytest.fixture(scope="module")
def world():
    run = BareRun()
    region = run.mem.alloc(512, name="context")
    yield run, region, Interp()
    run.mem.close()


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_loads(world, field):
    run, region, engine = world
    memory = bytes((7 * i + 129) % 256 for i in range(512))
    run.mem.write(region.base, memory)
    for off, size in accesses(field, write=False):
        load = row_by_key("LDX", "ldx", str(8 * size)).insn(dst_reg=0, src_reg=1, off=off)
        prog = trusted([*convert_ctx_access(load, field), Insn(0x95, 0, 0, 0, 0)])
        assert run.execute(engine.prepare(prog), region.base) == promised(field, memory, off, size), (off, size)
        if size < 8 and field.reg_type == uapi.SCALAR_VALUE:
            load = row_by_key("LDSX", "ldx", str(8 * size)).insn(dst_reg=0, src_reg=1, off=off)
            prog = trusted([*convert_ctx_access(load, field), Insn(0x95, 0, 0, 0, 0)])
            value = promised(field, memory, off, size) & (1 << 8 * size) - 1
            signed = value - (value >> 8 * size - 1 << 8 * size)
            assert run.execute(engine.prepare(prog), region.base) == signed & 2**64 - 1, (off, size, "signed")


@pytest.mark.parametrize("field", [f for f in FIELDS if "w" in f.access], ids=lambda field: field.name)
def test_stores(world, field):
    run, region, engine = world
    for off, size in accesses(field, write=True):
        run.mem.write(region.base, bytes(512))
        value = 0x8182838485868788 & (1 << 8 * size) - 1
        low, high = value & 0xFFFFFFFF, value >> 32
        first = row_by_key("IMM64", "ld").insn(dst_reg=2, imm=(low ^ 1 << 31) - (1 << 31))
        store = row_by_key("STX", "stx", str(8 * size)).insn(dst_reg=1, src_reg=2, off=off)
        body = [first, Insn(0, 0, 0, 0, (high ^ 1 << 31) - (1 << 31)), *convert_ctx_access(store, field)]
        prog = trusted([*body, Insn(0xB7, 0, 0, 0, 0), Insn(0x95, 0, 0, 0, 0)], aux={0: InsnAux()})
        run.execute(engine.prepare(prog), region.base)
        at = field.kernel_off + off - field.off
        expected = bytearray(512)
        kept = min(size, field.kernel_size) if size <= 4 else size
        if not field.store_limit or value < field.store_limit:
            expected[at : at + kept] = value.to_bytes(size, "little")[:kept]
        assert run.mem.read(region.base, 512) == bytes(expected), (off, size)
