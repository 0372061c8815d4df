"""Disassembly and legality of instructions, asked of the running kernel's verifier."""

import random
import re

import pytest

from beespace.api.calls import Buffer
from beespace.btf import Btf
from beespace.errors import SyscallError
from beespace.isa import (
    LD_IMM64,
    ROWS,
    Insn,
    check_fields,
    check_insns,
    check_operand,
    disasm,
    encode_insns,
    row_by_key,
    row_of,
)  # fmt: skip
from beespace.uapi import attr, bpf

pytestmark = pytest.mark.oracle

MOV0 = Insn(0xB7, 0, 0, 0, 0)
EXIT = Insn(0x95, 0, 0, 0, 0)
ZERO = Insn(0, 0, 0, 0, 0)
LOG_BYTES = 1 << 16


@pytest.fixture
def load(linux_kernel):
    """(insns) -> errno, log. A program that is accepted is closed at once."""
    license_text = Buffer(b"GPL\0")
    log = Buffer(LOG_BYTES)

    def load_insns(insns):
        code = Buffer(encode_insns(insns))
        record = attr.ProgLoadAttr(
            prog_type=bpf.BPF_PROG_TYPE_SOCKET_FILTER,
            insn_cnt=len(insns),
            insns=code.address,
            license=license_text.address,
            log_level=2,
            log_size=log.size,
            log_buf=log.address,
        )
        try:
            linux_kernel.close(linux_kernel.bpf(bpf.BPF_PROG_LOAD, record.pack()))
            error = 0
        except SyscallError as e:
            error = e.errno
        return error, log.data.split(b"\0", 1)[0].decode()

    return load_insns


def printed(log, idx=0):
    """The instruction the log shows at *idx*, without the state behind it."""
    found = re.search(rf"^{idx}: (?!R\d)(?!\s*$)([^;\n]*)", log, re.M)
    return found[1].rstrip() if found else None


SAMPLES = [
    {"dst_reg": 0, "src_reg": 1, "off": 1, "imm": 7},
    {"dst_reg": 5, "src_reg": 10, "off": -32768, "imm": -(1 << 31)},
    {"dst_reg": 9, "src_reg": 0, "off": 32767, "imm": (1 << 31) - 1},
]


def program(row, sample):
    # A jump has to have a target; a source of LD_IMM64 has to exist before anything is printed.
    fields = {field: value for field, value in sample.items() if field in row.free}
    match row.family:
        case "jmp" | "goto":
            fields |= {"off": 1 if row.name != "JA" else 0}
            if row.name == "JA":
                fields["imm"] = 0
        case "call" if row.name == "CALL_SUBPROG":
            fields["imm"] = 2
        case "call" if row.name == "CALL_KFUNC":
            fields = {"off": 0, "imm": Btf.vmlinux().find("bpf_rcu_read_lock", bpf.BTF_KIND_FUNC)}
        case "alu" if row.name == "ADDR_SPACE_CAST":
            fields["imm"] = 1 << 16 if fields["imm"] < 0 else 1
    insns = [row.insn(**{field: value for field, value in fields.items() if field in row.free})]
    if row.family == "imm64":
        if row.name == "FUNC":
            insns[0] = insns[0]._replace(imm=3)
        insns.append(ZERO if row.name == "FUNC" else ZERO._replace(imm=0x12345678))
    if row.name == "EXIT":
        return insns
    return [*insns, MOV0, EXIT, MOV0, EXIT] if row.name in ("CALL_SUBPROG", "FUNC") else [*insns, MOV0, EXIT]


# Maps and BTF objects are resolved to addresses before anything is printed.
PRINTABLE = [row for row in ROWS if row.family != "imm64" or row.name in ("IMM64", "FUNC")]


class Names:
    """What the verifier knows about calls."""

    def call(self, insn):
        return "bpf_rcu_read_lock" if insn.src_reg == bpf.BPF_PSEUDO_KFUNC_CALL else None

    def imm(self, insn, value):
        return None


@pytest.mark.parametrize("row", PRINTABLE, ids=lambda row: row.id)
def test_the_log_shows_an_instruction_as_we_do(load, row):
    for sample in SAMPLES:
        insns = program(row, sample)
        _, log = load(insns)
        assert printed(log) == disasm(insns[0], insns[1] if insns[1:] else None, Names()), log


@pytest.mark.parametrize(
    "insn",
    [
        Insn(0xDB, 1, 2, 3, 0x20),
        Insn(0xD3, 1, 2, 3, 0x00),
        Insn(0x0F, 1, 2, 8, 9),
        Insn(0xBC, 1, 2, 32, 0),
        Insn(0xBF, 1, 2, 7, 0),
        Insn(0xD4, 1, 0, 0, 8),
        Insn(0x37, 1, 3, 2, 8),
        Insn(0x85, 0, 3, 0, 5),
        Insn(0x85, 0, 0, 0, -5),
        Insn(0x85, 0, 0, 0, 211),
        Insn(0x85, 0, 0, 0, 212),
        Insn(0xE5, 0, 1, 0, 0),
        Insn(0xBF, 1, 2, -1, 0),
    ],
    ids=str,
)
def test_the_log_shows_an_illegal_instruction_as_we_do(load, insn):
    _, log = load([insn, MOV0, EXIT])
    assert printed(log) == disasm(insn), log


def second_of(insn):
    return [ZERO] if insn.code == LD_IMM64 else []


def complaint(log):
    """The verifier's last word before its statistics."""
    lines = [
        line
        for line in log.splitlines()
        if line and not line.startswith(("processed ", "func#", "verification time", "stack depth"))
    ]
    return lines[-1] if lines else ""


def test_the_kernel_knows_the_opcodes_we_know(load):
    wrong = []
    for code in range(256):
        insn = Insn(code, 0, 0, 0, 0)
        _, log = load([insn, *second_of(insn), EXIT])
        ours = check_insns([insn, *second_of(insn)])
        kernel = complaint(log)
        encoding = kernel.startswith("unknown opcode") or kernel == "BPF_LDX uses reserved fields"
        earlier = re.match(r"jump out of range|last insn is not", kernel)
        if encoding if ours is None else not earlier and kernel != ours.message:
            wrong.append((hex(code), ours, kernel))
    assert not wrong


ENCODING = re.compile(
    r"unknown opcode|.* uses reserved fields|invalid may_goto|invalid atomic operand size|div by zero|invalid shift"
    r"|BPF_ATOMIC uses invalid|addr_space_cast insn can only convert|invalid bpf_ld_imm64|unrecognized bpf_ld_imm64"
)
# Asked before the encoding of the instruction (jump targets, names) or between its fields and its operand (registers).
EARLIER = re.compile(
    r"jump out of range|unreachable insn|R\d+ is invalid|R\d+ !read_ok|frame pointer is read only|last insn is not"
    r"|fd -?\d+ is not pointing|invalid call|kernel btf_id|kernel function|calling kernel function|btf |back-edge"
    r"|processed 0|kfunc|invalid insn idx|failed to find BTF|magic|pseudo btf_id"
    r"|ldimm64 insn specifies invalid btf_id|infinite loop"
    r"|call to invalid destination"
    r"|jump into the middle|R\d+ pointer arithmetic|subprog|fd_idx without fd_array|BTF is disabled"
    r"|.* unable to resolve"
)


def perturbed(choose):
    """A legal instruction with some fields changed, or a random one."""
    row = choose.choice(ROWS)
    off = choose.choice([0, 0, 1, 2, 8, 16, 32, -1])
    if row.family in ("jmp", "goto", "call"):
        off = choose.choice([0, 1])
    insn = row.insn(
        choose.choice([0, 0, 1, 6, 10, 11]),
        choose.choice([0, 0, 1, 2, 3, 4, 10, 15]),
        off,
        choose.choice([0, 1, 1, 2, 16, 32, 64, -1, 8, 0x41, 0x100, 0x110, 1 << 16]) if row.code != 0x06 else 0,
    )
    if choose.random() < 0.5:  # keep what selects the row
        fixed = {Insn._fields[i]: value for i, value in row.fixed if choose.random() < 0.8}
        insn = insn._replace(**fixed)
    return insn


@pytest.mark.parametrize("seed", range(8))
def test_the_kernel_refuses_encodings_with_our_message(load, seed):
    choose = random.Random(seed)
    wrong, agreed = [], 0
    for _ in range(250):
        insn = perturbed(choose)
        insns = [MOV0, insn, *second_of(insn), MOV0, EXIT]
        illegal = check_insns(insns)
        ours = illegal.message if illegal else check_fields(insn) or check_operand(insn)
        _, log = load(insns)
        kernel = complaint(log)
        if ours == kernel:
            agreed += 1
        elif ENCODING.match(kernel) if ours is None else not EARLIER.match(kernel):
            wrong.append((insn, row_of(insn) and row_of(insn).id, ours, kernel))
    assert not wrong, "\n".join(map(str, wrong[:20]))
    assert agreed > 60


def test_the_order_of_the_pass_over_all_instructions(load):
    unknown, bad_ldx = Insn(0x8D, 0, 0, 0, 0), Insn(0x61, 0, 0, 0, 5)
    wide = row_by_key("IMM64", "ld").insn(1)
    for insns in (
        [unknown, bad_ldx, EXIT],
        [bad_ldx, unknown, EXIT],
        [wide, EXIT, EXIT],
        [MOV0, wide, ZERO, bad_ldx, EXIT],
    ):
        _, log = load(insns)
        assert complaint(log) == check_insns(insns).message
