"""Instructions: RFC 9669 and what Linux 6.18 has beyond it."""

from beespace.isa.insn import INSN_SIZE, Insn, decode_insns, encode_insns

__all__ = ["INSN_SIZE", "Insn", "decode_insns", "encode_insns"]
