"""Lookups in hash maps as LLVM IR: what ``maps/hash_fast.py`` does, with the map's sizes and addresses as constants.

Readers take no lock; a chain that ends in another bucket's marker means that an element moved, and is walked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.decl.map import HashLayout
from beespace.decl.runwords import RUN_CPU
from beespace.jit.ir import Text

if TYPE_CHECKING:
    from beespace.jit.module import Module

__all__ = ["find_function"]


def find_function(module: Module, name: str, layout: HashLayout) -> list[str]:
    """``ptr name(ptr %words, ptr %key)``: the value with that key, NULL without; an LRU map notes that it was used."""
    text = Text()
    bits = 8 * layout.key_size
    elems = module.symbol("elems", layout.elems)
    text.label("entry")
    key = text.value(f"load i{bits}, ptr %key, align 1")
    bucket, head_at = _bucket(module, text, layout, text.cast("zext", bits, key, 64))
    text.emit("br label %head")
    text.label("head")
    first = text.value(f"load atomic i32, ptr {head_at} acquire, align 4")
    text.emit("br label %chain")
    text.label("chain")
    index = text.value(f"phi i32 [ {first}, %head ], [ %next, %step ]")
    # 0 and the markers in one comparison
    is_end = text.compare("uge", 32, text.binary("add", 32, index, "-1"), str(layout.nulls - 1))
    text.emit(f"br i1 {is_end}, label %end, label %test")
    text.label("test")
    number = text.cast("zext", 32, index, 64)
    off = text.binary("mul nuw", 64, number, str(layout.elem_size))
    element = text.gep(elems, off)
    there = text.value(f"load i{bits}, ptr {text.gep(element, layout.key_off)}, align 4")
    text.emit(f"br i1 {text.compare('eq', bits, there, key)}, label %found, label %step")
    text.label("step")
    text.emit(f"%next = load atomic i32, ptr {element} acquire, align 4")
    text.emit("br label %chain")
    text.label("end")
    marker = text.binary("or", 32, text.cast("trunc", 64, bucket, 32), str(layout.nulls - 2**32))
    is_empty = text.compare("eq", 32, index, "0")
    is_own = text.compare("eq", 32, index, marker)
    text.emit(f"br i1 {text.value(f'or i1 {is_empty}, {is_own}')}, label %none, label %head")
    text.label("none")
    text.emit("ret ptr null")
    text.label("found")
    if layout.refs:
        _use(module, text, layout, number)
        text.label("used")
    text.emit(f"ret ptr {_value(module, text, layout, element, number)}")
    return [f"define internal ptr {name}(ptr %words, ptr %key) alwaysinline nounwind {{", *text.lines, "}"]


# (number of the bucket, its address)
def _bucket(module: Module, text: Text, layout: HashLayout, key: str) -> tuple[str, str]:
    seed = text.value(f"ptrtoint ptr {module.symbol('seed', layout.hash_xor)} to i64")
    product = text.binary("mul", 64, text.binary("xor", 64, key, seed), str(layout.multiplier))
    folded = text.binary("xor", 64, product, text.binary("lshr", 64, product, "32"))
    bucket = text.binary("and", 64, folded, str(layout.mask))
    at = text.value(f"getelementptr i64, ptr {module.symbol('buckets', layout.buckets)}, i64 {bucket}")
    return bucket, at


def _value(module: Module, text: Text, layout: HashLayout, element: str, number: str) -> str:
    if not layout.percpu:
        return text.gep(element, layout.value_off)
    cpu = text.cast("zext", 32, text.value(f"load i32, ptr {text.gep('%words', RUN_CPU)}"), 64)
    copy = text.gep(module.symbol("values", layout.percpu), text.binary("mul", 64, cpu, str(layout.percpu_stride)))
    off = text.binary("mul", 64, text.binary("sub", 64, number, "1"), str(layout.value_stride))
    return text.gep(copy, off)


# The element counts as used; written only when it did not, so that readers share the cache line.
def _use(module: Module, text: Text, layout: HashLayout, number: str) -> None:
    refs = module.symbol("refs", layout.refs)
    ref = text.gep(refs, text.binary("mul nuw", 64, number, str(layout.ref_stride)))
    seen = text.value(f"load atomic i8, ptr {ref} monotonic, align 1")
    text.emit(f"br i1 {text.compare('eq', 8, seen, '0')}, label %use, label %used")
    text.label("use")
    text.emit(f"store atomic i8 1, ptr {ref} monotonic, align 1")
    text.emit("br label %used")
