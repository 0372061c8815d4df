"""Join an entry point with the subprograms it uses, as PROG_LOAD wants them: one run of instructions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field, replace

from beespace.btf import ExtFuncInfo, ExtLineInfo, Func
from beespace.elf.spec import CallRef, ExternRef, FuncRef, KfuncRef, MapRef, MapValueRef, ObjectSpec, ProgSpec
from beespace.errors import ElfError
from beespace.isa.insn import Insn
from beespace.uapi import bpf as uapi
from beespace.values import frozen

__all__ = ["LinkedProgram", "link"]

BPF_PSEUDO_FUNC = 4

KernelRef = MapRef | MapValueRef | ExternRef | KfuncRef


@frozen
class LinkedProgram:
    """An entry point followed by its subprograms; calls and function addresses are final, ``refs`` are left to do.

    :ivar starts: name of the function at each start, by 8-byte slot.
    """

    name: str
    insns: tuple[Insn, ...] = field(repr=False)
    refs: tuple[KernelRef, ...] = field(repr=False)
    func_info: tuple[ExtFuncInfo, ...] = field(repr=False)
    line_info: tuple[ExtLineInfo, ...] = field(repr=False)
    starts: dict[int, str] = field(default_factory=dict)


def link(spec: ObjectSpec, prog: ProgSpec, subprograms: Sequence[ProgSpec] | None = None) -> LinkedProgram:
    """Append the subprograms of *prog* in the order in which a depth-first walk of the calls first meets them.

    Offsets in calls, function addresses, func_info and line_info become those of the result.

    :param subprograms: instead of ``spec.subprograms``, when their instructions have been changed.
    :raises ElfError: a subprogram without func_info or line_info when *prog* has them; a wrong ``__exception_cb()``.
    :see: tools/lib/bpf/libbpf.c:bpf_object__reloc_code
    """
    subprograms = spec.subprograms if subprograms is None else subprograms
    placed: dict[int, int] = {}
    order: list[tuple[ProgSpec, int]] = [(prog, 0)]
    end = len(prog.insns)
    # A stack of iterators instead of recursion: the depth of the call graph is input.
    stack = [_callees(prog)]
    exception_cb = _exception_callback(spec, prog)
    if exception_cb is not None:
        stack.insert(0, iter((exception_cb,)))  # appended last, unless something refers to it
    while stack:
        number = next(stack[-1], None)
        if number is None:
            stack.pop()
        elif number not in placed:
            placed[number] = end
            order.append((subprograms[number], end))
            end += len(subprograms[number].insns)
            stack.append(_callees(subprograms[number]))
    insns = [insn for func, _ in order for insn in func.insns]
    refs: list[KernelRef] = []
    for func, start in order:
        for ref in func.refs:
            idx = start + ref.insn_idx
            match ref:
                case CallRef():
                    insns[idx] = insns[idx]._replace(imm=placed[ref.subprog] - idx - 1)
                case FuncRef():
                    insns[idx] = insns[idx]._replace(src_reg=BPF_PSEUDO_FUNC, imm=placed[ref.subprog] - idx - 1)
                case _:
                    refs.append(replace(ref, insn_idx=idx))
    return LinkedProgram(
        prog.name,
        tuple(insns),
        tuple(refs),
        tuple(_func_info(prog, order)),
        tuple(_line_info(prog, order)),
        {start: func.name for func, start in order},
    )


def _callees(func: ProgSpec) -> Iterator[int]:
    return (ref.subprog for ref in func.refs if isinstance(ref, CallRef | FuncRef))


def _func_info(prog: ProgSpec, order: Sequence[tuple[ProgSpec, int]]) -> Iterator[ExtFuncInfo]:
    if prog.func_info:
        for func, start in order:
            if not func.func_info:
                raise ElfError(f"prog '{func.name}': missing .BTF.ext function info.", section=".BTF.ext")
            for info in func.func_info:
                yield replace(info, insn_off=start + info.insn_off)


def _line_info(prog: ProgSpec, order: Sequence[tuple[ProgSpec, int]]) -> Iterator[ExtLineInfo]:
    if prog.line_info:
        for func, start in order:
            if not func.line_info:
                raise ElfError(f"prog '{func.name}': missing .BTF.ext line info.", section=".BTF.ext")
            for line in func.line_info:
                yield replace(line, insn_off=start + line.insn_off)


def _exception_callback(spec: ObjectSpec, prog: ProgSpec) -> int | None:
    # Named by the declaration tag "exception_callback:NAME" of the program.
    # :see: tools/lib/bpf/libbpf.c:bpf_prog_assign_exc_cb
    def fail(message: str) -> ElfError:
        return ElfError(f"prog '{prog.name}': {message}", path=spec.path, section=".BTF")

    btf, found = spec.btf, None
    func_id = btf.find(prog.name, uapi.BTF_KIND_FUNC) if btf is not None else 0
    if btf is None or not func_id:
        return None
    for component, tag in btf.decl_tags(func_id):
        if component != -1 or not tag.startswith("exception_callback:"):
            continue
        func, name = btf.type(func_id), tag.removeprefix("exception_callback:")
        if not isinstance(func, Func) or func.linkage != uapi.BTF_FUNC_GLOBAL:
            raise fail("exception_callback:<value> decl tag not applied to the main program")
        if found is not None:
            return None  # several: the verifier refuses them
        if not name:
            raise fail("exception_callback:<value> decl tag contains empty value")
        numbers = [i for i, subprog in enumerate(spec.subprograms) if subprog.name == name]
        if not numbers:
            raise fail(f"cannot find exception callback '{name}'")
        if any(not spec.subprograms[i].is_global or spec.subprograms[i].is_hidden for i in numbers):
            raise fail(f"exception callback {name} must be a global non-hidden function")
        if len(numbers) > 1:
            raise fail(f"multiple subprogs with same name as exception callback '{name}'")
        found = numbers[0]
    return found
