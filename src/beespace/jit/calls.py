"""Calls as LLVM IR: native lowerings, keyed by the helper's name, and the trampoline for all others.

A lowering is optional; the plain function always exists and means the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from beespace.decl.func import FuncProto
from beespace.decl.map import ENTRY_EMPTY, ENTRY_UNKNOWN, MapLayout, MapMeta
from beespace.decl.runwords import RUN_CPU, RUN_NOW, RUN_RESULT, RUN_TAIL_CALLS
from beespace.jit.lookup import find_function
from beespace.jit.runtime import TAIL_CALL_DONE, TAIL_CALL_MISSED
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.jit.emit import FunctionEmitter
    from beespace.jit.module import Module

__all__ = ["LOWERINGS", "Lowering", "lower_ktime", "lower_loop", "lower_tail_call", "lower_trampoline", "map_of"]

Lowering = Callable[["FunctionEmitter", int], None]
_MAX_LOOPS = 8 * 1024 * 1024  # BPF_MAX_LOOPS
_MAX_TAIL_CALLS = 33
_E2BIG = 7
_ARRAYS = (uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_MAP_TYPE_PERCPU_ARRAY)


def lower_trampoline(e: FunctionEmitter, idx: int) -> None:
    """Call the Python implementation."""
    proto = e.prog.calls[idx]
    arity = len(proto.c.params) if not proto.c.variadic else 5
    args = ", ".join(f"i64 {e.read(reg) if reg <= arity else 0}" for reg in range(1, 6))
    site = e.module.call_site(idx)
    result = e.text.value(f"call i64 @bs_call(ptr %words, ptr {site}, {args})")
    e.leave_if_aborted(idx)
    if isinstance(proto, FuncProto):
        is_pointer = proto.ret & uapi.BPF_BASE_TYPE_MASK not in (uapi.RET_INTEGER, uapi.RET_VOID)
    else:
        is_pointer = proto.c.ret.pointer > 0
    e.result(result, is_pointer)


def lower_tail_call(e: FunctionEmitter, idx: int) -> None:
    """bpf_tail_call(): a jump to where the slot's compiled code is, or the engine's loop finds the target."""
    text = e.text
    done, jump, missed = text.new_label("done"), text.new_label("jump"), text.new_label("missed")
    arriving: list[tuple[str, str]] = []  # (address to go to, label it comes from)
    found = None if e.module.by_call else map_of(e.module, idx)
    if found is not None and found[1].entries:
        arriving.append(_tail_call_by_table(e, found[1], jump, missed))
    site = e.module.call_site(idx)
    args = f"i64 {e.read(1)}, i64 {e.read(2)}, i64 {e.read(3)}"
    # Asked in a function of its own, so that the way past it needs no registers saved.
    target = text.value(f"call preserve_mostcc i64 @ask_tail_call(ptr %words, ptr {site}, {args})")
    e.leave_if_aborted(idx)
    asked = text.new_label("asked")
    text.emit(f"br label %{asked}")
    text.label(asked)
    text.emit(
        f"switch i64 {target}, label %{jump} [ i64 {TAIL_CALL_MISSED}, label %{missed} "
        f"i64 {TAIL_CALL_DONE}, label %{done} ]"
    )
    arriving.append((target, asked))
    text.label(done)
    e.ret(text.value(f"load i64, ptr {e.word(RUN_RESULT)}"))
    text.label(jump)
    target = text.value("phi i64 " + ", ".join(f"[ {address}, %{label} ]" for address, label in arriving))
    e.leave_frame()
    pointer = text.value(f"inttoptr i64 {target} to ptr")
    # A main program jumps for certain; of a subprogram the target's R0 is what it returns.
    kind = "musttail" if e.function.subprogno == 0 else "tail"
    text.emit(f"ret i64 {text.value(f'{kind} call i64 {pointer}(ptr %words, i64 {e.read(1)})')}")
    text.label(missed)
    e.write(0, text.binary("add", 64, "0", "0"))


# Leaves for *jump* or *missed*, goes on where the engine has to be asked.
def _tail_call_by_table(e: FunctionEmitter, layout: MapLayout, jump: str, missed: str) -> tuple[str, str]:
    text = e.text
    count_at = e.word(RUN_TAIL_CALLS)
    index = text.cast("zext", 32, e.read_bits(3, 32), 64)
    # R1-R3 may be read on all ways from here.
    e.read(1), e.read(2), e.read(3)
    inside, look, known, ask = (text.new_label(name) for name in ("inside", "look", "known", "ask"))
    text.emit(f"br i1 {text.compare('ult', 64, index, str(layout.max_entries))}, label %{inside}, label %{missed}")
    text.label(inside)
    count = text.value(f"load i64, ptr {count_at}")
    text.emit(f"br i1 {text.compare('ult', 64, count, str(_MAX_TAIL_CALLS))}, label %{look}, label %{missed}")
    text.label(look)
    slot = text.value(f"getelementptr i64, ptr {e.module.symbol('at', layout.entries)}, i64 {index}")
    entry = text.value(f"load atomic i64, ptr {slot} acquire, align 8")
    text.emit(
        f"switch i64 {entry}, label %{known} [ i64 {ENTRY_EMPTY}, label %{missed} i64 {ENTRY_UNKNOWN}, label %{ask} ]"
    )
    text.label(known)
    text.emit(f"store i64 {text.binary('add', 64, count, '1')}, ptr {count_at}")
    text.emit(f"br label %{jump}")
    text.label(ask)
    return entry, known


def lower_loop(e: FunctionEmitter, idx: int, callback: int) -> None:
    """bpf_loop() with a known callback and no flags: a loop around the subprogram.

    :see: kernel/bpf/verifier.c:inline_bpf_loop
    """
    text = e.text
    count, ctx = e.read_bits(1, 32), e.read(3)
    head, body, too_many, done = (text.new_label(name) for name in ("loop", "body", "many", "done"))
    before = text.new_label("pre")
    text.emit(f"br label %{before}")
    text.label(before)
    limit = text.cast("zext", 32, count, 64)
    text.emit(f"br i1 {text.compare('ugt', 64, limit, str(_MAX_LOOPS))}, label %{too_many}, label %{head}")
    text.label(head)
    index, following = text.value(f"phi i64 [ 0, %{before} ], [ {{next}}, %{{latch}} ]"), ""
    phi = len(text.lines) - 1
    text.emit(f"br i1 {text.compare('ult', 64, index, limit)}, label %{body}, label %{done}")
    text.label(body)
    args = f"i64 {index}, i64 {ctx}, i64 0, i64 0, i64 0"
    stopped = text.value(f"call i64 @sub{callback}(ptr %words, {args})")
    function = e.module.functions[callback]
    if function.may_abort or function.needs_stack:
        e.leave_if_aborted(-1)
    following = text.binary("add", 64, index, "1")
    latch = text.new_label("latch")
    text.emit(f"br label %{latch}")
    text.label(latch)
    # A callback may wait for what another CPU writes: each round loads again.
    if e.module.reads_shared(callback):
        text.emit('call void asm sideeffect "", "~{memory}"()')
    text.emit(f"br i1 {text.compare('eq', 64, stopped, '0')}, label %{head}, label %{done}")
    text.lines[phi] = text.lines[phi].replace("{next}", following).replace("{latch}", latch)
    text.label(too_many)
    text.emit(f"br label %{done}")
    text.label(done)
    result = f"phi i64 [ {index}, %{head} ], [ {following}, %{latch} ], [ -{_E2BIG}, %{too_many} ]"
    e.write(0, text.value(result))


# --- helpers ----------------------------------------------------------------------------------------------------------


def map_of(module: Module, idx: int) -> tuple[MapMeta, MapLayout] | None:
    """The only map a call can be about, if there is just one."""
    aux = module.prog.aux[idx] if module.prog.aux else None
    if aux is None or len(aux.map_ptrs) != 1:
        return None
    layout = module.prog.map_layouts.get(aux.map_ptrs[0])
    return (aux.map_ptrs[0], layout) if layout is not None else None


def _lookup(module: Module, idx: int) -> Lowering | None:
    found = map_of(module, idx)
    if found is None:
        return None
    meta, layout = found
    if meta.map_type in _ARRAYS and layout.values:
        return lambda e, at: _array_lookup(e, layout)
    if layout.hash is not None:
        find = module.function("find", layout.hash, find_function)
        return lambda e, at: e.write_ptr(0, e.text.value(f"call ptr {find}(ptr %words, ptr {e.read_ptr(2)})"))
    if layout.lookup:
        return lambda e, at: _native_lookup(e, layout)
    return None


# :see: kernel/bpf/arraymap.c:array_map_gen_lookup
def _array_lookup(e: FunctionEmitter, layout: MapLayout) -> None:
    text = e.text
    index = text.cast("zext", 32, text.value(f"load i32, ptr {e.read_ptr(2)}, align 1"), 64)
    values = e.module.symbol("at", layout.values)
    if layout.percpu_stride:
        cpu = text.cast("zext", 32, text.value(f"load i32, ptr {e.word(RUN_CPU)}"), 64)
        off = text.binary("mul nuw", 64, cpu, str(layout.percpu_stride))
        values = text.value(f"getelementptr nuw i8, ptr {values}, i64 {off}")
    # No wrap, so that LLVM knows the address is not NULL; of an index out of range it is not used.
    off = text.binary("mul nuw", 64, index, str(layout.stride))
    value = text.value(f"getelementptr nuw i8, ptr {values}, i64 {off}")
    inside = text.compare("ult", 64, index, str(layout.max_entries))
    e.write_ptr(0, text.value(f"select i1 {inside}, ptr {value}, ptr null"))


def _cpu(e: FunctionEmitter) -> str:
    return e.text.cast("zext", 32, e.text.value(f"load i32, ptr {e.word(RUN_CPU)}"), 64)


def _native_lookup(e: FunctionEmitter, layout: MapLayout) -> None:
    function = e.module.native(
        "map_lookup", layout.lookup, "ptr {}(ptr captures(none), ptr captures(none), i64) nounwind"
    )  # fmt: skip
    state = e.module.symbol("state", layout.state)
    e.write_ptr(0, e.text.value(f"call ptr {function}(ptr {state}, ptr {e.read_ptr(2)}, i64 {_cpu(e)})"))


def _update(module: Module, idx: int) -> Lowering | None:
    found = map_of(module, idx)
    if found is None or not found[1].update:
        return None
    return lambda e, at: _native_update(e, found[1])


def _native_update(e: FunctionEmitter, layout: MapLayout) -> None:
    function = e.module.native(
        "map_update",
        layout.update,
        "i64 {}(ptr captures(none), ptr captures(none), ptr captures(none), i64, i64) nounwind",
    )
    state = e.module.symbol("state", layout.state)
    args = f"ptr {state}, ptr {e.read_ptr(2)}, ptr {e.read_ptr(3)}, i64 {e.read(4)}, i64 {_cpu(e)}"
    e.write(0, e.text.value(f"call i64 {function}({args})"))


def _delete(module: Module, idx: int) -> Lowering | None:
    found = map_of(module, idx)
    if found is None or not found[1].delete:
        return None
    return lambda e, at: _native_delete(e, found[1])


def _native_delete(e: FunctionEmitter, layout: MapLayout) -> None:
    function = e.module.native(
        "map_delete", layout.delete, "i64 {}(ptr captures(none), ptr captures(none), i64) nounwind"
    )  # fmt: skip
    state = e.module.symbol("state", layout.state)
    e.write(0, e.text.value(f"call i64 {function}(ptr {state}, ptr {e.read_ptr(2)}, i64 {_cpu(e)})"))


def _processor_id(module: Module, idx: int) -> Lowering | None:
    return lambda e, at: e.write(0, _cpu(e))


def lower_ktime(e: FunctionEmitter, idx: int) -> None:
    """bpf_ktime_get_ns(): the run's words say where virtual time stands while it cannot pass."""
    text = e.text
    now = text.value(f"load i64, ptr {e.word(RUN_NOW)}")
    known, ask, told = (text.new_label(name) for name in ("known", "ask", "told"))
    text.emit(f"br i1 {text.compare('ne', 64, now, '0')}, label %{known}, label %{ask}")
    text.label(ask)
    site = e.module.call_site(idx)
    answer = text.value(f"call i64 @bs_call(ptr %words, ptr {site}, i64 0, i64 0, i64 0, i64 0, i64 0)")
    e.leave_if_aborted(idx)
    asked = text.new_label("asked")
    text.emit(f"br label %{asked}")
    text.label(asked)
    text.emit(f"br label %{told}")
    text.label(known)
    since = text.binary("sub", 64, now, "1")
    text.emit(f"br label %{told}")
    text.label(told)
    e.write(0, text.value(f"phi i64 [ {since}, %{known} ], [ {answer}, %{asked} ]"))


def _ktime(module: Module, idx: int) -> Lowering | None:
    return lower_ktime


# strncmp() by the host's C library, which LLVM knows.
def _strncmp(module: Module, idx: int) -> Lowering | None:
    return _strncmp_call


def _strncmp_call(e: FunctionEmitter, idx: int) -> None:
    text = e.text
    function = e.module.library(
        "strncmp", "i32 {}(ptr captures(none), ptr captures(none), i64) nounwind memory(argmem: read)"
    )
    size = text.cast("zext", 32, e.read_bits(2, 32), 64)
    order = text.value(f"call i32 {function}(ptr {e.read_ptr(1)}, ptr {e.read_ptr(3)}, i64 {size})")
    sign = text.value(f"call i64 @llvm.scmp.i64.i32(i32 {order}, i32 0)")
    e.write(0, sign)


# Name -> (module, insn_idx) -> lowering, or None when this call has to go through Python.
LOWERINGS: dict[str, Callable[[Module, int], Lowering | None]] = {
    "bpf_map_lookup_elem": _lookup,
    "bpf_map_update_elem": _update,
    "bpf_map_delete_elem": _delete,
    "bpf_get_smp_processor_id": _processor_id,
    "bpf_ktime_get_ns": _ktime,
    "bpf_strncmp": _strncmp,
}
