"""Instructions: RFC 9669 and what Linux 6.18 has beyond it.

``insn``     the eight bytes
``rows``     tables of all instructions; row_of() classifies one
``check``    which encodings are legal, in the kernel's words
``asm``      assembler
``disasm``   disassembler of verifier logs and dumps
"""

from beespace.isa.asm import Assembly, Reloc, assemble
from beespace.isa.check import (
    LD_IMM64,
    Illegal,
    check_fields,
    check_insns,
    check_ld_imm64,
    check_opcode,
    check_operand,
    is_ld_imm64,
)
from beespace.isa.disasm import Callbacks, XlatedCallbacks, disasm, disasm_insns, imm64
from beespace.isa.insn import INSN_SIZE, Insn, decode_insns, encode_insns
from beespace.isa.rows import ROWS, Row, names, row_by_key, row_of

__all__ = [
    "INSN_SIZE",
    "LD_IMM64",
    "ROWS",
    "Assembly",
    "Callbacks",
    "Illegal",
    "Insn",
    "Reloc",
    "Row",
    "XlatedCallbacks",
    "assemble",
    "check_fields",
    "check_insns",
    "check_ld_imm64",
    "check_opcode",
    "check_operand",
    "decode_insns",
    "disasm",
    "disasm_insns",
    "encode_insns",
    "imm64",
    "is_ld_imm64",
    "names",
    "row_by_key",
    "row_of",
]
