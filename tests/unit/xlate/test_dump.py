"""The text and the records of ``dump xlated``."""

from beespace.btf import BtfBuilder
from beespace.decl import FuncInfo, KfuncProto, LineInfo, Program, SubprogInfo, VerifiedProgram, XlatedProgram
from beespace.isa import assemble
from beespace.xlate import dump_xlated, dump_xlated_records, raw


def test_text_with_opcodes():
    x = raw(assemble("r1 = 0x100000002 ll; call 5; call f; exit; f: .insn 0x85 0 2 0 9; exit").insns)
    x = raw(
        x.insns,
        calls={5: KfuncProto("bpf_cpumask_create", "")},
        subprogs=(SubprogInfo(0, name="p"), SubprogInfo(5, name="f")),
    )
    assert dump_xlated(x) == (
        "   0: (18) r1 = 0x100000002\n"
        "   2: (85) call bpf_ktime_get_ns#5\n"
        "   3: (85) call pc+1#f\n"
        "   4: (95) exit\n"
        "   5: (85) call bpf_cpumask_create#9\n"
        "   6: (95) exit\n"
    )
    assert dump_xlated(x, opcodes=True).splitlines()[:4] == [
        "   0: (18) r1 = 0x100000002",
        "       18 01 00 00 02 00 00 00 00 00 00 00 01 00 00 00",
        "   2: (85) call bpf_ktime_get_ns#5",
        "       85 00 00 00 05 00 00 00",
    ]


def test_records_with_opcodes():
    record = dump_xlated_records(raw(assemble("r1 = *(u8 *)(r2 - 4); exit").insns), opcodes=True)[0]
    assert record == {
        "disasm": "(71) r1 = *(u8 *)(r2 -4)",
        "opcodes": {
            "code": "0x71",
            "src_reg": "0x2",
            "dst_reg": "0x1",
            "off": ["0xfc", "0xff"],
            "imm": ["0x00", "0x00", "0x00", "0x00"],
        },
    }


def with_lines(lines, btf=None, func_info=()):
    insns = assemble("r0 = 0; r0 += 1; exit").insns
    verified = VerifiedProgram(Program("p", 1, insns, btf=btf), insns, (), (SubprogInfo(0),))
    return XlatedProgram(verified, "p", 1, insns, (SubprogInfo(0),), line_info=lines, func_info=func_info)


def test_lines_stand_before_their_first_instruction():
    x = with_lines((LineInfo(0, "/src/a.c", "\tint r = 0;", 3, 6), LineInfo(2, "/src/a.c", "  return r;", 5, 2)))
    assert dump_xlated(x) == (
        "; int r = 0;\n   0: (b7) r0 = 0\n   1: (07) r0 += 1\n; return r;\n   2: (95) exit\n"
    )  # fmt: skip
    assert dump_xlated(x, linum=True).splitlines()[0] == "; int r = 0; [file:/src/a.c line_num:3 line_col:6]"
    assert dump_xlated_records(x, linum=True)[2] == {
        "src": "return r;", "file": "/src/a.c", "line_num": 5, "line_col": 2, "disasm": "(95) exit"
    }  # fmt: skip


def test_signature_of_a_function():
    b = BtfBuilder()
    md = b.add_struct("xdp_md", 4, [])
    number = b.add_int("int", 4, signed=True)
    params = [("ctx", b.add_ptr(b.add_const(md))), ("n", b.add_typedef("u32", number))]
    func = b.add_func("count", b.add_func_proto(number, params))
    x = with_lines((), b.to_btf(), (FuncInfo(0, func),))
    assert dump_xlated(x).splitlines()[0] == "int count(const struct xdp_md * ctx, u32 n):"
    assert dump_xlated_records(x)[0]["proto"] == "int count(const struct xdp_md * ctx, u32 n)"
