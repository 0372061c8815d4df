"""Ring buffers in compiled code: records without Python, drains as a loop around the callback.

:see: kernel/bpf/ringbuf.c
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from beespace.decl.runwords import RUN_ABORTED
from beespace.isa import LD_IMM64
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.decl.map import MapLayout
    from beespace.decl.prog import XlatedProgram
    from beespace.jit.emit import FunctionEmitter
    from beespace.jit.module import Module

__all__ = ["RING_LOWERINGS", "drains", "lower_drain"]

Lowering = Callable[["FunctionEmitter", int], None]
_JUMPS = (uapi.BPF_JMP, uapi.BPF_JMP32)
_R2 = 2


# The native function for a call, with the map it is about.
def _of_map(name: str, emit: Callable[[FunctionEmitter, MapLayout, int], None]) -> Callable[..., Lowering | None]:
    def choose(module: Module, idx: int) -> Lowering | None:
        aux = module.prog.aux[idx] if module.prog.aux else None
        layout = module.prog.map_layouts.get(aux.map_ptrs[0]) if aux is not None and len(aux.map_ptrs) == 1 else None
        address = layout.natives.get(name, 0) if layout is not None else 0
        if layout is None or not address:
            return None
        return lambda e, at: emit(e, layout, address)

    return choose


# submit and discard find the buffer by the record: any ring buffer of the program tells where the function is.
def _of_record(name: str) -> Callable[[Module, int], Lowering | None]:
    def choose(module: Module, idx: int) -> Lowering | None:
        found = (layout.natives.get(name, 0) for layout in module.prog.map_layouts.values())
        address = next((address for address in found if address), 0)
        return (lambda e, at: _commit(e, address)) if address else None

    return choose


def _reserve(e: FunctionEmitter, layout: MapLayout, address: int) -> None:
    function = e.module.native("ring_reserve", address, "ptr {}(ptr captures(none), i64, i64) nounwind")
    state = e.module.symbol("state", layout.state)
    e.write_ptr(0, e.text.value(f"call ptr {function}(ptr {state}, i64 {e.read(2)}, i64 {e.read(3)})"))


def _output(e: FunctionEmitter, layout: MapLayout, address: int) -> None:
    function = e.module.native(
        "ring_output", address, "i64 {}(ptr captures(none), ptr captures(none), i64, i64) nounwind"
    )  # fmt: skip
    state = e.module.symbol("state", layout.state)
    args = f"ptr {state}, ptr {e.read_ptr(2)}, i64 {e.read(3)}, i64 {e.read(4)}"
    e.write(0, e.text.value(f"call i64 {function}({args})"))


def _query(e: FunctionEmitter, layout: MapLayout, address: int) -> None:
    function = e.module.native("ring_query", address, "i64 {}(ptr captures(none), i64) nounwind")
    state = e.module.symbol("state", layout.state)
    e.write(0, e.text.value(f"call i64 {function}(ptr {state}, i64 {e.read(2)})"))


def _commit(e: FunctionEmitter, address: int) -> None:
    function = e.module.native("ring_commit", address, "void {}(ptr, ptr, i64) nounwind")
    e.text.emit(f"call void {function}(ptr %words, ptr {e.read_ptr(1)}, i64 {e.read(2)})")
    e.write(0, e.text.binary("add", 64, "0", "0"))


RING_LOWERINGS: dict[str, Callable[[Module, int], Lowering | None]] = {
    "bpf_ringbuf_reserve": _of_map("bpf_ringbuf_reserve", _reserve),
    "bpf_ringbuf_output": _of_map("bpf_ringbuf_output", _output),
    "bpf_ringbuf_query": _of_map("bpf_ringbuf_query", _query),
    "bpf_ringbuf_submit": _of_record("bpf_ringbuf_submit"),
    "bpf_ringbuf_discard": _of_record("bpf_ringbuf_discard"),
}


def drains(prog: XlatedProgram) -> dict[int, int]:
    """insn_idx of bpf_user_ringbuf_drain() calls that become a loop -> subprogram of the callback.

    Those whose map is known, and whose callback is put into R2 in the same piece of straight code.
    """
    starts = {subprog.start: number for number, subprog in enumerate(prog.subprogs)}
    targets = {
        idx + 1 + (insn.imm if insn.code == uapi.BPF_JMP32 | uapi.BPF_JA else insn.off)
        for idx, insn in enumerate(prog.insns)
        if insn.code & 7 in _JUMPS and insn.code & 0xF0 not in (uapi.BPF_CALL, uapi.BPF_EXIT)
    }
    found = {}
    for idx, proto in prog.calls.items():
        aux = prog.aux[idx] if prog.aux else None
        if proto.name != "bpf_user_ringbuf_drain" or aux is None or len(aux.map_ptrs) != 1:
            continue
        layout = prog.map_layouts.get(aux.map_ptrs[0])
        start = _callback(prog, idx, targets)
        if start in starts and layout is not None and "drain_next" in layout.natives:
            found[idx] = starts[start]
    return found


# insn_idx of the callback of the call at *idx*, -1 when it is not obvious.
def _callback(prog: XlatedProgram, idx: int, targets: set[int]) -> int:
    at = idx
    while at > 0 and at not in targets:
        at -= 1
        insn = prog.insns[at]
        if insn.code & 7 in _JUMPS:
            return -1
        if insn.code == LD_IMM64 and insn.dst_reg == _R2:
            return at + 1 + insn.imm if insn.src_reg == uapi.BPF_PSEUDO_FUNC else -1
        if insn.dst_reg == _R2 and insn.code & 7 in (uapi.BPF_LDX, uapi.BPF_ALU, uapi.BPF_ALU64):
            return -1
    return -1


def lower_drain(e: FunctionEmitter, idx: int, callback: int) -> None:
    """A loop: the next sample, the callback, done with it."""
    text, module = e.text, e.module
    layout = module.prog.map_layouts[module.prog.aux[idx].map_ptrs[0]]
    state = module.symbol("state", layout.state)
    one = "{}(ptr captures(none)) nounwind"
    begin = module.native("drain_begin", layout.natives["drain_begin"], "i64 {}(ptr captures(none), i64) nounwind")
    following = module.native("drain_next", layout.natives["drain_next"], f"i64 {one}")
    release = module.native("drain_release", layout.natives["drain_release"], f"void {one}")
    finish = module.native("drain_end", layout.natives["drain_end"], "i64 {}(ptr captures(none), i64) nounwind")
    ctx, flags = e.read(3), e.read(4)
    before, head, body, end, done = (text.new_label(name) for name in ("pre", "drain", "sample", "end", "done"))
    text.emit(f"br label %{before}")
    text.label(before)
    refused = text.value(f"call i64 {begin}(ptr {state}, i64 {flags})")
    text.emit(f"br i1 {text.compare('eq', 64, refused, '0')}, label %{head}, label %{done}")
    text.label(head)
    dynptr = text.value(f"call i64 {following}(ptr {state})")
    text.emit(f"br i1 {text.compare('eq', 64, dynptr, '0')}, label %{end}, label %{body}")
    text.label(body)
    args = f"i64 {dynptr}, i64 {ctx}, i64 0, i64 0, i64 0"
    stopped = text.value(f"call i64 @sub{callback}(ptr %words, {args})")
    function = module.functions[callback]
    if function.may_abort or function.needs_stack:
        gone, go_on = text.new_label("gone"), text.new_label("go")
        aborted = text.compare("ne", 32, text.value(f"load i32, ptr {e.word(RUN_ABORTED)}"), "0")
        text.emit(f"br i1 {aborted}, label %{gone}, label %{go_on}")
        text.label(gone)
        text.emit(f"call i64 {finish}(ptr {state}, i64 {flags})")
        text.emit("br label %leave")
        text.label(go_on)
        e.leaves = True
    text.emit(f"call void {release}(ptr {state})")
    text.emit(f"br i1 {text.compare('eq', 64, stopped, '0')}, label %{head}, label %{end}")
    text.label(end)
    samples = text.value(f"call i64 {finish}(ptr {state}, i64 {flags})")
    text.emit(f"br label %{done}")
    text.label(done)
    e.write(0, text.value(f"phi i64 [ {refused}, %{before} ], [ {samples}, %{end} ]"))
