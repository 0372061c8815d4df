"""The instruction set as rows: RFC 9669, and what Linux 6.18 has beyond it.

The tables are written as the standard writes them: an operation, its code, and the values of the other fields that
select it. ``ROWS`` spells them out, one Row per instruction form. Decoder, assembler, disassembler, legality check,
conformance vectors and reference page read the rows; *meaning* is not here (STYLE.md section 0, principle 3).

How engines key their dispatch: by ``Row.name`` within a family, with the operand width (``Row.width``) and source
(``Row.src``) as parameters, for example ``ALU = {"ADD": ..., "SDIV": ...}``. A totality test compares such a dict with
``names("alu")``. ``Row.key`` identifies one form and is what coverage counts.
"""

from __future__ import annotations

from dataclasses import replace

from beespace.isa.insn import Insn
from beespace.uapi import bpf
from beespace.values import frozen

__all__ = [
    "ALU_OPS",
    "ATOMIC_OPS",
    "CALLS",
    "CLASS_NAMES",
    "IMM64_SOURCES",
    "JMP_OPS",
    "OPCODES",
    "ROWS",
    "SWAPS",
    "AluOp",
    "AtomicOp",
    "JmpOp",
    "Row",
    "Source",
    "Swap",
    "names",
    "row_by_key",
    "row_of",
]

CLASS_NAMES = ("ld", "ldx", "st", "stx", "alu", "jmp", "jmp32", "alu64")  # by the lower three bits of the code
_SIZES = {1: bpf.BPF_B, 2: bpf.BPF_H, 4: bpf.BPF_W, 8: bpf.BPF_DW}


@frozen
class AluOp:
    """Arithmetic: RFC 9669 section 4.1.

    To add one: a line in ALU_OPS; its symbol in ``syntax.py``; its meaning in the ALU dicts of interp, verifier and
    jit; vectors in ``tests/conformance/alu.data``. The totality tests name what is missing.

    :ivar op: upper four bits of the code.
    :ivar alu: values of ``off`` that select the operation in class ALU, ``alu64`` in ALU64; () where it does not exist.
    :ivar src: legal sources, K (immediate) and X (register).
    :ivar groups: conformance group in ALU and in ALU64; "" beyond the RFC.
    """

    name: str
    op: int
    alu: tuple[int, ...] = (0,)
    alu64: tuple[int, ...] = (0,)
    src: str = "KX"
    groups: tuple[str, str] = ("base32", "base64")
    since: str = "3.18"


ALU_OPS = (
    AluOp("ADD", 0x0),
    AluOp("SUB", 0x1),
    AluOp("MUL", 0x2, groups=("divmul32", "divmul64")),
    AluOp("DIV", 0x3, groups=("divmul32", "divmul64")),
    AluOp("SDIV", 0x3, alu=(1,), alu64=(1,), groups=("divmul32", "divmul64"), since="6.6"),
    AluOp("OR", 0x4),
    AluOp("AND", 0x5),
    AluOp("LSH", 0x6),
    AluOp("RSH", 0x7),
    AluOp("NEG", 0x8, src="K"),
    AluOp("MOD", 0x9, groups=("divmul32", "divmul64")),
    AluOp("SMOD", 0x9, alu=(1,), alu64=(1,), groups=("divmul32", "divmul64"), since="6.6"),
    AluOp("XOR", 0xA),
    AluOp("MOV", 0xB),
    AluOp("MOVSX", 0xB, alu=(8, 16), alu64=(8, 16, 32), src="X", since="6.6"),
    AluOp("ADDR_SPACE_CAST", 0xB, alu=(), alu64=(1,), src="X", groups=("", ""), since="6.9"),
    AluOp("ARSH", 0xC),
)


@frozen
class Swap:
    """Byte swap: RFC 9669 section 4.2. ``imm`` is the width: 16, 32 or 64 bits."""

    name: str
    cls: int
    source: int
    since: str = "3.18"


SWAPS = (
    Swap("LE", bpf.BPF_ALU, bpf.BPF_TO_LE),
    Swap("BE", bpf.BPF_ALU, bpf.BPF_TO_BE),
    Swap("BSWAP", bpf.BPF_ALU64, bpf.BPF_TO_LE, since="6.6"),
)


@frozen
class JmpOp:
    """Conditional jump: RFC 9669 section 4.3. Exists in JMP and JMP32, with immediate and register."""

    name: str
    op: int
    since: str = "3.18"


JMP_OPS = (
    JmpOp("JEQ", 0x1),
    JmpOp("JGT", 0x2),
    JmpOp("JGE", 0x3),
    JmpOp("JSET", 0x4),
    JmpOp("JNE", 0x5),
    JmpOp("JSGT", 0x6),
    JmpOp("JSGE", 0x7),
    JmpOp("JLT", 0xA, since="4.14"),
    JmpOp("JLE", 0xB, since="4.14"),
    JmpOp("JSLT", 0xC, since="4.14"),
    JmpOp("JSLE", 0xD, since="4.14"),
)


@frozen
class AtomicOp:
    """Atomic operation: RFC 9669 section 5.3. ``imm`` selects it.

    :ivar sizes: bytes it may operate on.
    """

    name: str
    imm: int
    sizes: tuple[int, ...] = (4, 8)
    since: str = "5.12"


ATOMIC_OPS = (
    AtomicOp("ATOMIC_ADD", 0x00, since="3.18"),
    AtomicOp("ATOMIC_OR", 0x40),
    AtomicOp("ATOMIC_AND", 0x50),
    AtomicOp("ATOMIC_XOR", 0xA0),
    AtomicOp("ATOMIC_FETCH_ADD", 0x01),
    AtomicOp("ATOMIC_FETCH_OR", 0x41),
    AtomicOp("ATOMIC_FETCH_AND", 0x51),
    AtomicOp("ATOMIC_FETCH_XOR", 0xA1),
    AtomicOp("ATOMIC_XCHG", bpf.BPF_XCHG),
    AtomicOp("ATOMIC_CMPXCHG", bpf.BPF_CMPXCHG),
    AtomicOp("LOAD_ACQ", bpf.BPF_LOAD_ACQ, (1, 2, 4, 8), since="6.15"),
    AtomicOp("STORE_REL", bpf.BPF_STORE_REL, (1, 2, 4, 8), since="6.15"),
)


@frozen
class Source:
    """A value of ``src_reg`` that selects what LD_IMM64 loads or CALL calls: RFC 9669 sections 5.4 and 4.3."""

    name: str
    src_reg: int
    group: str
    since: str


IMM64_SOURCES = (
    Source("IMM64", 0, "base64", "3.18"),
    Source("MAP_FD", bpf.BPF_PSEUDO_MAP_FD, "base64", "3.18"),
    Source("MAP_VALUE", bpf.BPF_PSEUDO_MAP_VALUE, "base64", "5.2"),
    Source("BTF_ID", bpf.BPF_PSEUDO_BTF_ID, "base64", "5.10"),
    Source("FUNC", bpf.BPF_PSEUDO_FUNC, "base64", "5.13"),
    Source("MAP_IDX", bpf.BPF_PSEUDO_MAP_IDX, "base64", "5.14"),
    Source("MAP_IDX_VALUE", bpf.BPF_PSEUDO_MAP_IDX_VALUE, "base64", "5.14"),
)
CALLS = (
    Source("CALL_HELPER", 0, "base32", "3.18"),
    Source("CALL_SUBPROG", bpf.BPF_PSEUDO_CALL, "base32", "4.16"),
    Source("CALL_KFUNC", bpf.BPF_PSEUDO_KFUNC_CALL, "base32", "5.13"),
)


@frozen
class Row:
    """One instruction form.

    :ivar name: what it does: ``SDIV``, ``JSGT``, ``LDX``, ``ATOMIC_FETCH_ADD``.
    :ivar family: ``alu``, ``swap``, ``jmp`` (conditional), ``goto``, ``call``, ``exit``, ``ldx``, ``st``, ``stx``,
        ``atomic``, ``imm64``, ``packet``.
    :ivar code: the opcode byte.
    :ivar width: bits of the operands: of the arithmetic, the comparison, the swap or the memory access; 0 for none.
    :ivar src: "K", "X", or "" where the bit means something else.
    :ivar off: value of the field that selects the row, or None; likewise ``imm`` and ``src_reg``.
    :ivar free: fields a program may choose (subset of dst_reg, src_reg, off, imm).
    :ivar fixed: all others: index in Insn and the value they must have.
    :ivar group: conformance group of RFC 9669, "" beyond it.
    :ivar since: first Linux version that has it.
    """

    name: str
    family: str
    code: int
    width: int
    src: str
    free: tuple[str, ...]
    group: str
    since: str
    off: int | None = None
    imm: int | None = None
    src_reg: int | None = None
    fixed: tuple[tuple[int, int], ...] = ()

    @property
    def cls(self) -> int:
        """Instruction class, BPF_ALU64."""
        return self.code & 7

    @property
    def key(self) -> tuple[str, str, str]:
        """Name, class, variant: ``("ADD", "alu64", "X")``, ``("LDX", "ldx", "32")``. Unique and stable."""
        return self.name, CLASS_NAMES[self.cls], self._variant()

    @property
    def id(self) -> str:
        """The key as text: ``ADD.alu64.X``."""
        return ".".join(part for part in self.key if part)

    def _variant(self) -> str:
        match self.family:
            case "alu" if self.name == "MOVSX":
                return f"{self.src}{self.off}"
            case "alu" | "jmp":
                return self.src
            case "swap" | "ldx" | "st" | "stx" | "atomic" | "packet":
                return str(self.width)
            case _:
                return ""

    def insn(self, dst_reg: int = 0, src_reg: int = 0, off: int = 0, imm: int = 0) -> Insn:
        """The instruction (first slot) with these operands; fields that select the row are set."""
        return Insn(
            self.code,
            dst_reg,
            src_reg if self.src_reg is None else self.src_reg,
            off if self.off is None else self.off,
            imm if self.imm is None else self.imm,
        )


# ``off`` selects only where the operation shares its code with another or has several forms.
def _alu_rows() -> list[Row]:
    rows = []
    for op in ALU_OPS:
        for cls, width, offs, group in (
            (bpf.BPF_ALU, 32, op.alu, op.groups[0]),
            (bpf.BPF_ALU64, 64, op.alu64, op.groups[1]),
        ):
            for off in offs:
                for src in op.src:
                    code = cls | op.op << 4 | (bpf.BPF_X if src == "X" else bpf.BPF_K)
                    free: tuple[str, ...] = ("dst_reg", "src_reg") if src == "X" else ("dst_reg", "imm")
                    if op.name == "NEG":
                        free = ("dst_reg",)
                    if op.name == "ADDR_SPACE_CAST":
                        free = ("dst_reg", "src_reg", "imm")
                    rows.append(Row(op.name, "alu", code, width, src, free, group, op.since, off=off))
    return rows


def _swap_rows() -> list[Row]:
    return [
        Row(
            swap.name,
            "swap",
            swap.cls | bpf.BPF_END | swap.source,
            width,
            "",
            ("dst_reg",),
            "base64" if width == 64 else "base32",
            swap.since,
            imm=width,
        )
        for swap in SWAPS
        for width in (16, 32, 64)
    ]


def _jmp_rows() -> list[Row]:
    rows = [
        Row("JA", "goto", bpf.BPF_JMP | bpf.BPF_JA, 0, "", ("off",), "base32", "3.18"),
        Row("JA", "goto", bpf.BPF_JMP32 | bpf.BPF_JA, 0, "", ("imm",), "base32", "6.6"),
        Row("MAY_GOTO", "goto", bpf.BPF_JMP | bpf.BPF_JCOND, 0, "", ("off",), "", "6.9", src_reg=bpf.BPF_MAY_GOTO),
        Row("EXIT", "exit", bpf.BPF_JMP | bpf.BPF_EXIT, 0, "", (), "base32", "3.18"),
    ]
    for op in JMP_OPS:
        for cls, width, group, since in (
            (bpf.BPF_JMP, 64, "base64", op.since),
            (bpf.BPF_JMP32, 32, "base32", "5.1"),
        ):
            for src, bit, operand in (("K", bpf.BPF_K, "imm"), ("X", bpf.BPF_X, "src_reg")):
                code = cls | op.op << 4 | bit
                rows.append(Row(op.name, "jmp", code, width, src, ("dst_reg", operand, "off"), group, since))
    for call in CALLS:
        free = ("off", "imm") if call.src_reg == bpf.BPF_PSEUDO_KFUNC_CALL else ("imm",)
        code = bpf.BPF_JMP | bpf.BPF_CALL
        rows.append(Row(call.name, "call", code, 0, "", free, call.group, call.since, src_reg=call.src_reg))
    return rows


def _memory_rows() -> list[Row]:
    rows = []
    for size, bits in _SIZES.items():
        width, group = 8 * size, "base64" if size == 8 else "base32"
        mem = bpf.BPF_MEM | bits
        rows += [
            Row("LDX", "ldx", bpf.BPF_LDX | mem, width, "", ("dst_reg", "src_reg", "off"), group, "3.18"),
            Row("ST", "st", bpf.BPF_ST | mem, width, "", ("dst_reg", "off", "imm"), group, "3.18"),
            Row("STX", "stx", bpf.BPF_STX | mem, width, "", ("dst_reg", "src_reg", "off"), group, "3.18"),
        ]
        if size < 8:
            code = bpf.BPF_LDX | bpf.BPF_MEMSX | bits
            rows.append(Row("LDSX", "ldx", code, width, "", ("dst_reg", "src_reg", "off"), group, "6.6"))
            for name, mode, operands in (
                ("LD_ABS", bpf.BPF_ABS, ("imm",)),
                ("LD_IND", bpf.BPF_IND, ("src_reg", "imm")),
            ):
                rows.append(Row(name, "packet", bpf.BPF_LD | mode | bits, width, "", operands, "packet", "3.18"))
    for op in ATOMIC_OPS:
        for size in op.sizes:
            code = bpf.BPF_STX | bpf.BPF_ATOMIC | _SIZES[size]
            group = f"atomic{8 * size}" if op.imm <= bpf.BPF_CMPXCHG else ""
            fields = ("dst_reg", "src_reg", "off")
            rows.append(Row(op.name, "atomic", code, 8 * size, "", fields, group, op.since, imm=op.imm))
    for source in IMM64_SOURCES:
        code = bpf.BPF_LD | bpf.BPF_IMM | bpf.BPF_DW
        rows.append(
            Row(
                source.name,
                "imm64",
                code,
                64,
                "",
                ("dst_reg", "imm"),
                source.group,
                source.since,
                src_reg=source.src_reg,
            )
        )
    return rows


# What is neither chosen by the program nor selects the row is zero: a field that no line above mentions fails closed.
def _with_fixed(row: Row) -> Row:
    fields = [field for field in ("dst_reg", "src_reg", "off", "imm") if field not in row.free]
    return replace(row, fixed=tuple((Insn._fields.index(f), getattr(row, f, None) or 0) for f in fields))


ROWS: tuple[Row, ...] = tuple(map(_with_fixed, (*_alu_rows(), *_swap_rows(), *_jmp_rows(), *_memory_rows())))
OPCODES = frozenset(row.code for row in ROWS)  # kernel/bpf/core.c:bpf_opcode_in_insntable
_BY_KEY = {row.key: row for row in ROWS}
_SELECTORS = {"alu": "off", "swap": "imm", "atomic": "imm", "imm64": "src_reg", "call": "src_reg"}


# code -> index in Insn of the field that selects among its rows (0, the code itself, when there is one), value -> row
def _index() -> dict[int, tuple[int, dict[int, Row]]]:
    table: dict[int, tuple[int, dict[int, Row]]] = {}
    for row in ROWS:
        field = _SELECTORS.get(row.family, "code")
        value = row.code if field == "code" else getattr(row, field)
        table.setdefault(row.code, (Insn._fields.index(field), {}))[1][value] = row
    return table


_TABLE = _index()


def row_of(insn: Insn) -> Row | None:
    """The row *insn* is an instance of, None when there is none. Fields that do not select are not looked at."""
    entry = _TABLE.get(insn.code)
    return entry[1].get(insn[entry[0]]) if entry else None


def row_by_key(name: str, cls: str, variant: str = "") -> Row:
    """The row of ``Row.key``. :raises KeyError: there is none."""
    return _BY_KEY[name, cls, variant]


def names(*families: str) -> frozenset[str]:
    """Names of all operations of *families*: what an engine's dispatch dict has to cover."""
    return frozenset(row.name for row in ROWS if row.family in families)
