"""The engine "jit": XlatedProgram -> LLVM IR -> native code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.errors import Unsupported
from beespace.jit.options import JitOptions
from beespace.jit.runtime import JitExecutable, Trampolines

if TYPE_CHECKING:
    from beespace.decl.events import Sink
    from beespace.decl.prog import XlatedProgram
    from beespace.jit.backend import Backend
    from beespace.jit.cache import CodeCache

__all__ = ["Jit"]


class Jit:
    """The engine "jit". LLVM is loaded by the first prepare().

    :param sink: with ``options.trace_calls``: receives a CallEvent for each helper, kfunc and tail call.
    """

    name = "jit"

    def __init__(self, options: JitOptions | None = None, sink: Sink | None = None) -> None:
        self.options = options or JitOptions()
        self.sink = sink
        self._trampolines = Trampolines()
        self._backend: Backend | None = None
        self._cache: CodeCache | None = None

    @property
    def backend(self) -> Backend:
        """LLVM, loaded now at the latest."""
        if self._backend is None:
            from beespace.jit.backend import Backend

            self._backend = Backend()
        return self._backend

    def prepare(self, prog: XlatedProgram) -> JitExecutable:
        """Compile *prog*.

        :raises Unsupported: it is not verified: nothing in compiled code checks its accesses.
        """
        executable = self._prepare(prog, compile_it=True)
        assert executable is not None
        return executable

    def load(self, prog: XlatedProgram) -> JitExecutable | None:
        """prepare() if its code is on disk, else None."""
        return self._prepare(prog, compile_it=False)

    def _prepare(self, prog: XlatedProgram, *, compile_it: bool) -> JitExecutable | None:
        from beespace.jit.module import Module

        faults: dict[int, str] = {}
        if self.options.hardened:
            from beespace.jit.harden import harden

            prog, faults = harden(prog)
        elif prog.verified is None:
            raise Unsupported("compiling a program that is not verified, unless hardened")
        module = Module(prog, self.options, self._trampolines, self.sink, faults)
        ir = module.ir()
        code = self._code(ir, compile_it)
        if code is None:
            return None
        callbacks = module.callbacks()
        exports = ["prog", *(f"cb{insn_idx}" for insn_idx in callbacks)]
        library = self.backend.link(code, exports, module.symbols)
        keep = (library, tuple(module.sites.values()), self._trampolines, self._backend)
        entries = {idx: library[f"cb{idx}"] for idx in callbacks}
        return JitExecutable(prog, library["prog"], entries, keep, module.is_native, faults)

    @property
    def cache(self) -> CodeCache | None:
        """Code on disk; None without."""
        if self._cache is None and self.options.cache:
            from beespace.jit.cache import CodeCache, default_folder

            folder = default_folder()
            if folder is not None:
                self._cache = CodeCache(folder, self.backend.key)
        return self._cache

    def _code(self, ir: str, compile_it: bool) -> bytes | None:
        cache, level = self.cache, self.options.opt_level
        key = cache.key(ir, level) if cache is not None else ""
        code = cache.get(key) if cache is not None else None
        if code is None and compile_it:
            code = self.backend.compile(ir, level)
            if cache is not None:
                cache.put(key, code)
        return code

    def assembly(self, prog: XlatedProgram) -> str:
        """The machine code of *prog* as text, with the source it comes from."""
        from beespace.jit.dump import dump_jited
        from beespace.jit.module import Module

        return dump_jited(self.backend, Module(prog, self.options, self._trampolines, self.sink))

    def ir(self, prog: XlatedProgram) -> str:
        """The LLVM IR of *prog*, before optimisation."""
        from beespace.jit.module import Module

        return Module(prog, self.options, self._trampolines, self.sink).ir()
