"""Dynptrs in compiled code: bpf_dynptr_data() as a few instructions.

:see: kernel/bpf/helpers.c:bpf_dynptr_data, decl/dynptr.py for the struct
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from beespace.decl.dynptr import DYNPTR_LOCAL, DYNPTR_MAX_SIZE, DYNPTR_RINGBUF

if TYPE_CHECKING:
    from beespace.jit.emit import FunctionEmitter
    from beespace.jit.module import Module

__all__ = ["DYNPTR_LOWERINGS"]

Lowering = Callable[["FunctionEmitter", int], None]
_KIND_AND_RDONLY = 0xF0000000


def _data(module: Module, idx: int) -> Lowering | None:
    return _dynptr_data


# Memory that may be written: the two types that are memory, without the read-only bit. 0 for all others.
def _dynptr_data(e: FunctionEmitter, idx: int) -> None:
    text, ptr = e.text, e.read_ptr(1)
    data = text.value(f"load i64, ptr {ptr}, align 8")
    word = text.value(f"load i32, ptr {text.gep(ptr, 8)}, align 8")
    base = text.cast("zext", 32, text.value(f"load i32, ptr {text.gep(ptr, 12)}, align 4"), 64)
    offset = text.cast("zext", 32, e.read_bits(2, 32), 64)
    length = text.cast("zext", 32, e.read_bits(3, 32), 64)
    size = text.cast("zext", 32, text.binary("and", 32, word, str(DYNPTR_MAX_SIZE)), 64)
    kind = text.binary("and", 32, word, str(_KIND_AND_RDONLY))
    local = text.compare("eq", 32, kind, str(DYNPTR_LOCAL << 28))
    ring = text.compare("eq", 32, kind, str(DYNPTR_RINGBUF << 28))
    inside = text.compare("ule", 64, text.binary("add", 64, offset, length), size)
    there = text.compare("ne", 64, data, "0")
    known = text.value(f"or i1 {local}, {ring}")
    good = text.value(f"and i1 {text.value(f'and i1 {inside}, {there}')}, {known}")
    at = text.binary("add", 64, text.binary("add", 64, data, base), offset)
    pointer = text.value(f"inttoptr i64 {at} to ptr")
    e.write_ptr(0, text.value(f"select i1 {good}, ptr {pointer}, ptr null"))


DYNPTR_LOWERINGS: dict[str, Callable[[Module, int], Lowering | None]] = {"bpf_dynptr_data": _data}
