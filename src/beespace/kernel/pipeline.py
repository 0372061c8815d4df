"""From PROG_LOAD to a program that runs: verifier, translation, engine. Each is imported when first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beespace.decl.map import MapLayout, MapMeta
    from beespace.decl.prog import Program, VerifiedProgram, XlatedProgram
    from beespace.decl.registry import Registry
    from beespace.decl.run import Engine

__all__ = ["Pipeline"]


class Pipeline:
    """The three steps, each replaceable (by fakes in tests, by another engine).

    :param verify: ``(program, registry, *, log_level) -> VerifiedProgram``; raises VerifierError.
    :param xlate: ``(verified, registry, *, map_layout, text, symbol_address) -> XlatedProgram``.
    :param engine: what runs programs; the interpreter by default.
    """

    def __init__(
        self,
        verify: Callable[..., VerifiedProgram] | None = None,
        xlate: Callable[..., XlatedProgram] | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._verify = verify
        self._xlate = xlate
        self._engine = engine

    def verify(self, program: Program, registry: Registry, *, log_level: int) -> VerifiedProgram:
        """The verdict. :raises VerifierError: rejected."""
        if self._verify is None:
            import beespace.verifier

            self._verify = beespace.verifier.verify
        return self._verify(program, registry, log_level=log_level)

    def xlate(
        self,
        verified: VerifiedProgram,
        registry: Registry,
        *,
        map_layout: Callable[[MapMeta], MapLayout],
        text: int,
        symbol_address: Callable[[int, str], int] | None,
    ) -> XlatedProgram:
        """Ready for an engine. :raises Unsupported: it needs what does not exist at run time."""
        if self._xlate is None:
            import beespace.xlate

            self._xlate = beespace.xlate.xlate
        return self._xlate(verified, registry, map_layout=map_layout, text=text, symbol_address=symbol_address)

    @property
    def engine(self) -> Engine:
        """What runs programs."""
        if self._engine is None:
            import beespace.interp

            engine: Any = beespace.interp.Interp()
            self._engine = engine
        return self._engine
