"""LLVM through llvmlite: IR text to object code to addresses. Imported when a program is first compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]  # it has no types

from beespace.errors import InternalError

__all__ = ["Backend", "Library"]


class Library:
    """Linked code; unmapped when the last reference goes."""

    def __init__(self, tracker: Any, names: Iterable[str]) -> None:
        self._tracker = tracker
        self._addresses = {name: int(tracker[name]) for name in names}

    def __getitem__(self, name: str) -> int:
        return self._addresses[name]


class Backend:
    """A target machine and a linker, used for all programs of an engine.

    llvmlite serialises all its calls with a lock of its own. After fork() the child goes on with its copy.
    """

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple()
        self._machines = {
            level: target.create_target_machine(
                cpu=llvm.get_host_cpu_name(),
                features=llvm.get_host_cpu_features().flatten(),
                opt=level,
                codemodel="large",  # addresses of this process are anywhere
                reloc="static",
                jit=True,
            )
            for level in range(4)
        }
        self._linker = llvm.create_lljit_compiler(target.create_target_machine(codemodel="large", jit=True))
        self._linked = 0

    @property
    def key(self) -> tuple[str, ...]:
        """What compiled code depends on besides its IR: LLVM, processor."""
        version = ".".join(map(str, llvm.llvm_version_info))
        return version, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()

    def compile(self, ir: str, opt_level: int) -> bytes:
        """Object code of a module."""
        return bytes(self._machines[opt_level].emit_object(self._optimised(ir, opt_level)))

    def assembly(self, ir: str, opt_level: int) -> str:
        """The same as text."""
        return str(self._machines[opt_level].emit_assembly(self._optimised(ir, opt_level)))

    def link(self, code: bytes, exports: Iterable[str], symbols: Mapping[str, int]) -> Library:
        """Make object code callable."""
        builder = llvm.JITLibraryBuilder().add_object_img(code)
        for name, address in symbols.items():
            builder.import_symbol(name, address)
        exports = list(exports)
        for name in exports:
            builder.export_symbol(name)
        self._linked += 1
        return Library(builder.link(self._linker, f"prog{self._linked}"), exports)

    def _optimised(self, ir: str, opt_level: int) -> Any:
        try:
            module = llvm.parse_assembly(ir)
            module.verify()
        except RuntimeError as err:
            raise InternalError(f"LLVM refuses the code of a program: {err}\n{ir}") from err
        if opt_level:
            tuning = llvm.create_pipeline_tuning_options(speed_level=opt_level)
            passes = llvm.create_pass_builder(self._machines[opt_level], tuning)
            passes.getModulePassManager().run(module, passes)
        return module
