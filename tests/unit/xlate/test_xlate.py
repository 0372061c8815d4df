"""Expansion of verified programs: context accesses, hidden arguments, addresses; jumps and tables follow."""

from types import MappingProxyType

import pytest

from beespace.decl import (
    CtxField,
    Features,
    FuncInfo,
    InsnAux,
    KfuncProto,
    LineInfo,
    MapLayout,
    MapMeta,
    Program,
    ProgType,
    Registry,
    SubprogInfo,
    VerifiedProgram,
    declare,
)  # fmt: skip
from beespace.errors import Unsupported
from beespace.isa import LD_IMM64, assemble, disasm_insns
from beespace.uapi import bpf as uapi
from beespace.xlate import xlate

XDP = uapi.BPF_PROG_TYPE_XDP
DATA = CtxField("data", 0, 4, reg_type=uapi.PTR_TO_PACKET, narrow=False, kernel_off=24, kernel_size=8)
LEN = CtxField("len", 12, 4, kernel_off=40, kernel_size=4, access="rw")
TSTAMP = CtxField("tstamp", 32, 8, kernel_off=48, kernel_size=8, access="rw")
CB = CtxField("cb", 48, 20, elem=4, wide=True, kernel_off=100, kernel_size=4, access="rw", write_sizes=(1, 2, 4, 8))
PORT = CtxField("port", 72, 4, kernel_off=60, kernel_size=2)
HOST_ONLY = CtxField("host_only", 76, 4)
MAP = MapMeta(7, "m", uapi.BPF_MAP_TYPE_ARRAY, 4, 8, 1)


def registry(*protos, kfuncs=(), gen_ld_abs=None, btf=None):
    helpers = {proto.name: proto for proto in protos}
    ptype = ProgType(XDP, "xdp", protos=tuple(helpers), gen_ld_abs=gen_ld_abs)
    return Registry(Features(), {XDP: ptype}, helpers, {k.name: k for k in kfuncs}, (), {}, btf)


def translate(source, aux=None, *, subprogs=None, reg=None, **more):
    """Translate *source* with the given aux records by insn_idx."""
    asm = assemble(source)
    auxs = tuple((aux or {}).get(idx, InsnAux(seen=True)) for idx in range(len(asm.insns)))
    starts = subprogs or (0,)
    verified = VerifiedProgram(
        Program("p", XDP, asm.insns),
        asm.insns,
        auxs,
        tuple(SubprogInfo(start) for start in starts),
        **{key: more.pop(key) for key in ("line_info", "func_info", "origin", "used_maps") if key in more},
    )
    return xlate(verified, reg or registry(), map_layout=lambda meta: MapLayout(0x9000, 0xA000, 8, 1), **more)


def text_of(xlated):
    return [text.split(") ", 1)[1] for _, text in disasm_insns(xlated.insns)]


@pytest.mark.parametrize(
    ("access", "field", "becomes"),
    [
        ("r0 = *(u32 *)(r1 + 0)", DATA, ["r0 = *(u64 *)(r1 +24)"]),
        ("r0 = *(u32 *)(r1 + 12)", LEN, ["r0 = *(u32 *)(r1 +40)"]),
        ("r0 = *(u8 *)(r1 + 12)", LEN, ["r0 = *(u32 *)(r1 +40)", "w0 &= 255"]),
        ("r0 = *(u8 *)(r1 + 14)", LEN, ["r0 = *(u32 *)(r1 +40)", "w0 >>= 16", "w0 &= 255"]),
        ("r0 = *(u16 *)(r1 + 14)", LEN, ["r0 = *(u32 *)(r1 +40)", "w0 >>= 16", "w0 &= 65535"]),
        ("r0 = *(s16 *)(r1 + 12)", LEN, ["r0 = *(u32 *)(r1 +40)", "w0 &= 65535", "r0 = (s16)r0"]),
        ("r0 = *(s32 *)(r1 + 12)", LEN, ["r0 = *(u32 *)(r1 +40)", "r0 = (s32)r0"]),
        ("r0 = *(u32 *)(r1 + 36)", TSTAMP, ["r0 = *(u64 *)(r1 +48)", "r0 >>= 32", "w0 &= -1"]),
        ("r0 = *(u8 *)(r1 + 32)", TSTAMP, ["r0 = *(u64 *)(r1 +48)", "w0 &= 255"]),
        ("r0 = *(u32 *)(r1 + 56)", CB, ["r0 = *(u32 *)(r1 +108)"]),
        ("r0 = *(u64 *)(r1 + 56)", CB, ["r0 = *(u64 *)(r1 +108)"]),
        ("r0 = *(u8 *)(r1 + 57)", CB, ["r0 = *(u32 *)(r1 +108)", "w0 >>= 8", "w0 &= 255"]),
        ("r0 = *(u32 *)(r1 + 72)", PORT, ["r0 = *(u16 *)(r1 +60)"]),
        ("*(u32 *)(r1 + 12) = r2", LEN, ["*(u32 *)(r1 +40) = r2"]),
        ("*(u32 *)(r1 + 12) = 9", LEN, ["*(u32 *)(r1 +40) = 9"]),
        ("*(u8 *)(r1 + 57) = r2", CB, ["*(u8 *)(r1 +109) = r2"]),
        ("*(u64 *)(r1 + 48) = r2", CB, ["*(u64 *)(r1 +100) = r2"]),
    ],
)
def test_context_access(access, field, becomes):
    aux = {0: InsnAux(ptr_type=uapi.PTR_TO_CTX, ctx_field=field)}
    assert text_of(translate(f"{access}; exit", aux)) == [*becomes, "exit"]


def test_field_without_place_is_unsupported():
    with pytest.raises(Unsupported, match="host_only"):
        translate("r0 = *(u32 *)(r1 + 76); exit", {0: InsnAux(ctx_field=HOST_ONLY)})


def test_jumps_calls_and_tables_follow_what_is_inserted():
    text = """
        if r1 == 0 goto out
        r0 = *(u8 *)(r1 + 14)
        call f
        gotol +-3
    out: exit
    f:  r0 = 0
        goto +-2
    """
    lines = (LineInfo(0, "a.c", "x", 1, 1), LineInfo(1, "a.c", "y", 2, 1), LineInfo(4, "a.c", "z", 3, 1))
    x = translate(
        text.replace("+-", "-"),
        {1: InsnAux(ctx_field=LEN)},
        subprogs=(0, 5),
        line_info=lines,
        func_info=(FuncInfo(0, 1), FuncInfo(5, 2)),
    )
    assert text_of(x) == [
        "if r1 == 0x0 goto pc+5",
        "r0 = *(u32 *)(r1 +40)",
        "w0 >>= 16",
        "w0 &= 255",
        "call pc+2",
        "gotol pc-5",
        "exit",
        "r0 = 0",
        "goto pc-2",
    ]
    assert [subprog.start for subprog in x.subprogs] == [0, 7]
    assert [line.insn_off for line in x.line_info] == [0, 1, 6]
    assert [func.insn_off for func in x.func_info] == [0, 7]
    assert x.origin == (0, 1, -1, -1, 2, 3, 4, 5, 6)
    assert x.aux[1].ctx_field is LEN
    assert x.aux[2] == InsnAux(seen=True)


def test_origin_goes_through_the_verifiers_own_changes():
    x = translate("r0 = *(u8 *)(r1 + 14); exit", {0: InsnAux(ctx_field=LEN)}, origin=(4, 9))
    assert x.origin == (4, -1, -1, 9)


def test_addresses_of_maps_values_functions_and_symbols():
    text = "r1 = 3 ll; r2 = 3 ll; r3 = 1 ll; r4 = 5 ll; exit; r0 = 0; exit"
    aux = {
        0: InsnAux(imm64=("map", MAP, 0)),
        2: InsnAux(imm64=("map_value", MAP, 4)),
        4: InsnAux(imm64=("func", 1, 0)),
        6: InsnAux(imm64=("btf", 5, "jiffies")),
    }
    x = translate(text, aux, subprogs=(0, 9), text=0x1000, symbol_address=lambda type_id, name: 0xF00 + type_id)
    assert x.imm64 == {0: 0x9000, 2: 0xA004, 4: 0x1000 + 8 * 9, 6: 0xF05}
    assert x.maps == {0x9000: MapLayout(0x9000, 0xA000, 8, 1)}
    # maps are shown by id
    assert x.insns[0][2:] == (uapi.BPF_PSEUDO_MAP_FD, 0, 7)
    assert x.insns[2][2:] == (uapi.BPF_PSEUDO_MAP_VALUE, 0, 7)
    assert x.insns[3].imm == 4
    assert x.insns[4].code == LD_IMM64
    assert x.insns[4].imm == 4


def test_helper_calls_get_the_prototype_of_the_program_type():
    proto = declare("u64 bpf_ktime_get_ns(void)", 0)
    x = translate("call 5; exit", reg=registry(proto))
    assert x.calls == {0: proto}


class FakeBtf:
    names = MappingProxyType({1: "bpf_obj_new_impl", 2: "bpf_rbtree_add_impl", 3: "bpf_rdonly_cast", 4: "unknown"})

    def name_of(self, type_id):
        return self.names[type_id]


def test_kfunc_calls_get_their_hidden_arguments():
    kfuncs = (
        KfuncProto("bpf_obj_new_impl", "void *bpf_obj_new_impl(u64 id, void *meta__ign)"),
        KfuncProto(
            "bpf_rbtree_add_impl", "int bpf_rbtree_add_impl(void *r, void *n, void *l, void *meta__ign, u64 off)"
        ),
    )
    x = translate(
        "call +1; call +2; call +3; exit".replace("call +", ".insn 0x85 0 2 0 "),
        {0: InsnAux(obj_new_size=48), 1: InsnAux(insert_off=16)},
        reg=registry(kfuncs=kfuncs, btf=FakeBtf()),
    )
    assert text_of(x) == ["r1 = 48", "call kernel-function#1", "r5 = 16", "call kernel-function#2", "r0 = r1", "exit"]
    assert {idx: proto.name for idx, proto in x.calls.items()} == {1: "bpf_obj_new_impl", 3: "bpf_rbtree_add_impl"}
    with pytest.raises(Unsupported, match=r"kfunc unknown\(\)"):
        translate(".insn 0x85 0 2 0 4; exit", reg=registry(btf=FakeBtf()))


def test_packet_loads_become_what_the_program_type_says():
    def gen_ld_abs(insn):
        return assemble(f"r0 = {insn.imm}; if r0 != 0 goto +1; exit; r0 += 1").insns

    x = translate("if r1 == 0 goto +1; r0 = *(u8 *)skb[23]; exit", reg=registry(gen_ld_abs=gen_ld_abs))
    assert text_of(x) == [
        "if r1 == 0x0 goto pc+4", "r0 = 23", "if r0 != 0x0 goto pc+1", "exit", "r0 += 1", "exit"
    ]  # fmt: skip
    with pytest.raises(Unsupported, match="LD_ABS"):
        translate("r0 = *(u8 *)skb[23]; exit")


def test_arena_casts():
    arena = MapMeta(1, "arena", uapi.BPF_MAP_TYPE_ARENA, 0, 0, 1, arena_vm_start=0x7F0000000000)
    text = "r1 = addr_space_cast(r2, 0, 1); r1 = addr_space_cast(r2, 1, 0); exit"
    x = translate(text, used_maps=(arena,))
    assert text_of(x) == ["w1 = w2", "r1 = addr_space_cast(r2, 1, 0)", "exit"]
    assert x.arena == (0xA000, 0x7F0000000000)
