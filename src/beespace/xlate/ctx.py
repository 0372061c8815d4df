"""Accesses to contexts and sockets, from the user-visible struct to the one that runs see.

:see: kernel/bpf/verifier.c:convert_ctx_accesses
"""

from __future__ import annotations

from beespace.decl.prog import CtxField
from beespace.errors import InternalError, Unsupported
from beespace.isa import Insn
from beespace.uapi import bpf as uapi

__all__ = ["convert_ctx_access"]

_BYTES = {uapi.BPF_B: 1, uapi.BPF_H: 2, uapi.BPF_W: 4, uapi.BPF_DW: 8}
_SIZE = {bytes_: size for size, bytes_ in _BYTES.items()}
_ALU32_K = uapi.BPF_ALU | uapi.BPF_K
_ALU64_K = uapi.BPF_ALU64 | uapi.BPF_K
_MOV64_X = uapi.BPF_ALU64 | uapi.BPF_MOV | uapi.BPF_X


def convert_ctx_access(insn: Insn, field: CtxField) -> tuple[Insn, ...]:
    """What an access to *field* becomes.

    :param insn: LDX, ST or STX of BPF_MEM, or LDX of BPF_MEMSX; ``off`` is one of the user-visible struct.
    :raises Unsupported: the field does not exist at run time.
    """
    if field.kernel_off is None:
        raise Unsupported(f"context field {field.name} at run time")
    size = _BYTES[insn.code & 0x18]
    unit = field.elem or field.size
    index, inside = divmod(insn.off - field.off, unit)
    off = field.kernel_off + index * field.kernel_size
    if size > unit:
        if field.kernel_size != unit:
            raise Unsupported(f"{size}-byte access to context field {field.name} at run time")
        return (insn._replace(off=off),)
    if insn.code & 7 != uapi.BPF_LDX:
        store = _store(insn, field, size, unit, off + inside)
        return _limited(store, field.store_limit) if field.store_limit else (store,)
    return _load(insn, field, size, off, inside)


# What is wider in the run-time context cannot be stored in part.
def _store(insn: Insn, field: CtxField, size: int, unit: int, off: int) -> Insn:
    if field.kernel_size > unit or (size < unit and field.kernel_size != unit):
        raise InternalError(f"store of {size} bytes to context field {field.name} of {field.kernel_size} bytes")
    width = min(size, field.kernel_size)
    return insn._replace(code=insn.code & ~0x18 | _SIZE[width], off=off)


def _limited(store: Insn, limit: int) -> tuple[Insn, ...]:
    if store.code & 7 == uapi.BPF_STX:
        return (Insn(uapi.BPF_JMP | uapi.BPF_JGE | uapi.BPF_K, store.src_reg, 0, 1, limit), store)
    return (store,) if store.imm < limit else (Insn(uapi.BPF_JMP | uapi.BPF_JA, 0, 0, 0, 0),)


# The whole field is loaded, then what was asked for is cut out. Of a field that the kernel keeps in fewer bytes than
# that, the whole value comes, wherever in the field the load was: a byte of pkt_type is pkt_type at offsets 0 to 3.
def _load(insn: Insn, field: CtxField, size: int, off: int, inside: int) -> tuple[Insn, ...]:
    dst = insn.dst_reg
    out = [Insn(uapi.BPF_LDX | uapi.BPF_MEM | _SIZE[field.kernel_size], dst, insn.src_reg, off, 0)]
    unit = field.elem or field.size
    if size < unit and size < field.kernel_size:
        if inside:
            alu = _ALU32_K if unit <= 4 else _ALU64_K
            out.append(Insn(alu | uapi.BPF_RSH, dst, 0, 0, 8 * inside))
        mask = (1 << 8 * size) - 1
        out.append(Insn(_ALU32_K | uapi.BPF_AND, dst, 0, 0, mask - (1 << 32) if mask >> 31 else mask))
    if insn.code & 0xE0 == uapi.BPF_MEMSX:
        out.append(Insn(_MOV64_X, dst, dst, 8 * size, 0))
    return tuple(out)
