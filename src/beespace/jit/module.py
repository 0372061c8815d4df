"""A program as one LLVM module: its functions, and the symbols that are addresses of this process.

Addresses stand in the IR as external symbols, so that the same program gives the same text (and object code) in every
process; linking fills them in.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any

from beespace.decl.call import BoundCall
from beespace.errors import InternalError
from beespace.jit.calls import LOWERINGS, Lowering, lower_ktime, lower_loop, lower_tail_call, lower_trampoline
from beespace.jit.dynptr import DYNPTR_LOWERINGS
from beespace.jit.emit import FunctionEmitter
from beespace.jit.flow import Function, functions
from beespace.jit.ring import RING_LOWERINGS, drains, lower_drain
from beespace.jit.runtime import CallSite, Trampolines
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.decl.events import Sink
    from beespace.decl.prog import XlatedProgram
    from beespace.jit.options import JitOptions

__all__ = ["Module"]

_LOWERINGS = {**LOWERINGS, **RING_LOWERINGS, **DYNPTR_LOWERINGS}

_INTRINSICS = (
    "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
    "declare i64 @llvm.scmp.i64.i32(i32, i32)",
    "declare i16 @llvm.bswap.i16(i16)",
    "declare i32 @llvm.bswap.i32(i32)",
    "declare i64 @llvm.bswap.i64(i64)",
    "declare i64 @bs_call(ptr, ptr, i64, i64, i64, i64, i64) nounwind",
    "declare i64 @bs_tail_call(ptr, ptr, i64, i64, i64) nounwind",
    "declare i32 @bs_probe(ptr, i64, i64) nounwind",
    "declare i32 @bs_check(ptr, i64, i64, i32) nounwind",
)
_ASK_TAIL_CALL = (
    "define internal preserve_mostcc i64 @ask_tail_call(ptr %words, ptr %site, i64 %a, i64 %b, i64 %c) "
    "noinline cold nounwind {",
    "  %target = call i64 @bs_tail_call(ptr %words, ptr %site, i64 %a, i64 %b, i64 %c)",
    "  ret i64 %target",
    "}",
)
_libc = ctypes.CDLL(None)
_METADATA = '!0 = !{!"branch_weights", i32 1, i32 2000}'


class Module:
    """Generates the IR of one program.

    :ivar symbols: name -> address in this process.
    :ivar faults: insn_idx of what cannot be executed -> why.
    :ivar sites: call sites that the code refers to.
    """

    def __init__(
        self,
        prog: XlatedProgram,
        options: JitOptions,
        trampolines: Trampolines,
        sink: Sink | None = None,
        faults: Mapping[int, str] | None = None,
    ) -> None:
        self.prog = prog
        self.options = options
        self.sink = sink
        self.faults = faults or {}
        self.by_call = options.trace_calls or options.hardened  # nothing is inlined
        self.symbols: dict[str, int] = {
            "bs_call": trampolines.call,
            "bs_tail_call": trampolines.tail,
            "bs_probe": trampolines.probe,
            "bs_check": trampolines.check,
        }
        self.sites: dict[int, CallSite] = {}
        self._data: dict[int, str] = {}  # address -> name
        self._natives: dict[int, str] = {}
        self._declarations: list[str] = []
        self._made: dict[Hashable, str] = {}
        self._bodies: list[str] = []
        self._loops = {} if self.by_call else _loops(prog)
        self._drains = {} if self.by_call else drains(prog)
        self._lowerings = {idx: self._lowering(idx) for idx in prog.calls}
        self.functions = functions(prog, self._is_checked, self._loops, self._drains)
        if options.hardened:
            for function in self.functions:
                function.leaks_own = function.may_abort = True
                function.stack_depth = uapi.MAX_BPF_STACK
        self._at = {function.start: function for function in self.functions}
        self._debug: _DebugInfo | None = None

    def ir(self, *, locations: bool = False) -> str:
        """The module's text. Exports ``prog``, and ``cb<insn_idx>`` for each of callbacks().

        :param locations: with debug information in which instruction *n* is line *n* + 1.
        """
        self._debug = _DebugInfo(self.prog) if locations else None
        bodies: list[str] = []
        for function in self.functions:
            emitter = FunctionEmitter(self, function)
            emitter.emit()
            scope = f" !dbg {self._debug.scope(function)}" if self._debug is not None else ""
            if function.subprogno == 0:
                head = f"define i64 @prog(ptr noalias %words, i64 %a1) nounwind{scope} {{"
            else:
                params = ", ".join(f"i64 %a{reg}" for reg in range(1, 6))
                head = f"define internal i64 @sub{function.subprogno}(ptr noalias %words, {params}) nounwind{scope} {{"
            bodies += [head, *emitter.text.lines, "}"]
        if self.options.hardened:  # an unverified program may call itself
            bodies += [
                "define internal i64 @sub0(ptr noalias %words, i64 %a1, i64, i64, i64, i64) nounwind {",
                "  %r = call i64 @prog(ptr %words, i64 %a1)",
                "  ret i64 %r",
                "}",
            ]
        for insn_idx in self.callbacks():
            params = ", ".join(f"i64 %a{reg}" for reg in range(1, 6))
            bodies += [
                f"define i64 @cb{insn_idx}(ptr noalias %words, {params}) nounwind {{",
                f"  %r = call i64 @sub{self._at[insn_idx].subprogno}(ptr %words, {params})",
                "  ret i64 %r",
                "}",
            ]
        data = [f"@{name} = external global i8" for name in self._data.values()]
        metadata = [_METADATA, *(self._debug.metadata() if self._debug is not None else ())]
        return "\n".join(
            [*data, *_INTRINSICS, *self._declarations, *_ASK_TAIL_CALL, *self._bodies, *bodies, *metadata, ""]
        )

    def location(self, function: Function, idx: int) -> str:
        """What makes an IR instruction belong to insn *idx*."""
        return f", !dbg {self._debug.location(function, idx)}" if self._debug is not None else ""

    def callbacks(self) -> list[int]:
        """insn_idx of the subprograms that may be called from outside."""
        found = {s.start for s in self.prog.subprogs[1:] if s.is_cb or s.is_async_cb or s.is_exception_cb}
        for idx, aux in enumerate(self.prog.aux):
            if aux.imm64 is not None and aux.imm64[0] == "func" and idx in self.prog.imm64:
                found.add((self.prog.imm64[idx] - self.prog.text) // 8)
        return sorted(start for start in found if start in self._at)

    def function_at(self, insn_idx: int) -> Function:
        """The subprogram that starts at *insn_idx*."""
        found = self._at.get(insn_idx)
        if found is None:
            raise InternalError(f"{self.prog.name}: call of insn {insn_idx}, where no subprogram starts")
        return found

    def reads_shared(self, subprogno: int) -> bool:
        """Whether a subprogram or what it calls loads what another CPU may be writing."""
        seen: set[int] = set()
        work = [subprogno]
        while work:
            function = self.functions[work.pop()]
            if function.reads_shared:
                return True
            seen.add(function.subprogno)
            work += function.callees - seen
        return False

    def symbol(self, hint: str, address: int) -> str:
        """The name of the object at *address*; one object has one name."""
        name = self._data.get(address)
        if name is None:
            name = self._data[address] = f"{hint}.{len(self._data)}"
            self.symbols[name] = address
        return f"@{name}"

    def native(self, hint: str, address: int, declaration: str) -> str:
        """The name of a native function; *declaration* has ``{}`` in the place of the name."""
        name = self._natives.get(address)
        if name is None:
            name = self._natives[address] = f"{hint}.{len(self._natives)}"
            self.symbols[name] = address
            self._declarations.append("declare " + declaration.format(f"@{name}"))
        return f"@{name}"

    def library(self, name: str, declaration: str) -> str:
        """A function of the C library under its own name, by which LLVM knows what it does."""
        if name not in self.symbols:
            self.symbols[name] = ctypes.cast(getattr(_libc, name), ctypes.c_void_p).value or 0
            self._declarations.append("declare " + declaration.format(f"@{name}"))
        return f"@{name}"

    def function(self, hint: str, key: Hashable, make: Callable[[Module, str, Any], list[str]]) -> str:
        """The name of a function that ``make(module, name, key)`` writes, once for each *key*."""
        name = self._made.get((hint, key))
        if name is None:
            name = self._made[hint, key] = f"@{hint}.{len(self._made)}"
            self._bodies += make(self, name, key)
        return name

    def call_site(self, idx: int) -> str:
        """The symbol of a call site."""
        site = self.sites.get(idx)
        if site is None:
            aux = self.prog.aux[idx] if self.prog.aux else None
            sink = self.sink if self.options.trace_calls else None
            site = self.sites[idx] = CallSite(BoundCall(self.prog.calls[idx], aux), idx, sink)
        return self.symbol("site", site.address)

    def lower_call(self, emitter: FunctionEmitter, idx: int) -> None:
        """Emit the call of a helper or kfunc."""
        self._lowerings[idx](emitter, idx)

    def _lowering(self, idx: int) -> Lowering:
        proto = self.prog.calls[idx]
        if proto.name == "bpf_tail_call":
            return lower_tail_call
        if idx in self._loops:
            callback = self._loops[idx]
            return lambda emitter, at: lower_loop(emitter, at, callback)
        if idx in self._drains:
            drained = self._drains[idx]
            return lambda emitter, at: lower_drain(emitter, at, drained)
        choose = None if self.by_call else _LOWERINGS.get(proto.name)
        return (choose(self, idx) if choose is not None else None) or lower_trampoline

    def _is_checked(self, idx: int) -> bool:
        return self._lowerings[idx] in (lower_trampoline, lower_tail_call, lower_ktime)

    @property
    def is_native(self) -> bool:
        """Whether the program stays in native code as long as RunWords.now says what time it is."""
        return all(self._lowerings[idx] == lower_ktime for idx in self.sites)


# bpf_loop() calls that the verifier found to have one callback and no flags.
def _loops(prog: XlatedProgram) -> dict[int, int]:
    found = {}
    for idx, proto in prog.calls.items():
        aux = prog.aux[idx] if prog.aux else None
        if proto.name == "bpf_loop" and aux is not None and aux.inline_bpf_loop and aux.loop_callback_subprogno >= 0:
            found[idx] = aux.loop_callback_subprogno
    return found


# Just enough DWARF for line numbers: a compile unit, a subprogram for each function, a location for each instruction.
class _DebugInfo:
    def __init__(self, prog: XlatedProgram) -> None:
        name = prog.name.replace('"', "")
        self._nodes = [
            f'!DIFile(filename: "{name}", directory: "")',
            "distinct !DICompileUnit(language: DW_LANG_C99, file: !1, emissionKind: LineTablesOnly)",
            "!DISubroutineType(types: !{})",
        ]
        self._known: dict[object, str] = {}

    def _node(self, key: object, text: str) -> str:
        if key not in self._known:
            self._nodes.append(text)
            self._known[key] = f"!{len(self._nodes)}"
        return self._known[key]

    def scope(self, function: Function) -> str:
        text = (
            f'distinct !DISubprogram(name: "f{function.subprogno}", scope: !1, file: !1, line: {function.start + 1}, '
            "type: !3, unit: !2, spFlags: DISPFlagDefinition)"
        )
        return self._node(function.subprogno, text)

    def location(self, function: Function, idx: int) -> str:
        return self._node(("insn", idx), f"!DILocation(line: {idx + 1}, scope: {self.scope(function)})")

    def metadata(self) -> list[str]:
        version = f"!{len(self._nodes) + 1}"
        return [
            "!llvm.dbg.cu = !{!2}",
            f"!llvm.module.flags = !{{{version}}}",
            *(f"!{number} = {text}" for number, text in enumerate(self._nodes, 1)),
            f'{version} = !{{i32 2, !"Debug Info Version", i32 3}}',
        ]
