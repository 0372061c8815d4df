"""The calling convention of helpers and kfuncs, shared by the engines: R1-R5 in, R0 out.

:see: include/linux/filter.h:BPF_CALL_x
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cython

from beespace.decl.func import FuncProto
from beespace.errors import InternalError, Unsupported

if cython.compiled:
    from cython.cimports.cpython.long import PyLong_AsUnsignedLongLongMask

if TYPE_CHECKING:
    from beespace.decl.cproto import CType
    from beespace.decl.kfunc import KfuncProto
    from beespace.decl.prog import InsnAux
    from beespace.decl.run import RunContext

__all__ = ["BoundCall"]

U64 = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
ONE = cython.declare(cython.ulonglong, 1)
MAX_ARGS = 5
# Conversions of a register; all others are the width in bits, negative when signed.
_MAP = 0  # struct bpf_map *
_META = 1  # struct btf_struct_meta *, which the verifier provides


# How the C type of a parameter reads a register.
def _conversion(name: str, ctype: CType) -> int:
    if ctype.pointer == 1 and (ctype.name == "struct bpf_map" or name.endswith("__map")):
        return _MAP
    if name == "meta__ign":
        return _META
    return -ctype.bits if ctype.signed and ctype.bits < 64 else ctype.bits


@cython.final
@cython.cclass
class BoundCall:
    """A helper or kfunc as an engine calls it.

    Registers are truncated or sign-extended as the C prototype says, map pointers become map objects, ``meta__ign``
    the verifier's ``kptr_struct_meta``. A helper's result is 64 bits; a kfunc's is what its C type has, the rest zero
    (as compiled C leaves it on x86).

    :param proto: without implementation, calling raises Unsupported.
    :param aux: what the verifier knows about the call.
    :ivar arity: registers used; all five when the prototype is variadic.
    """

    def __init__(self, proto: FuncProto | KfuncProto, aux: InsnAux | None = None) -> None:
        c = proto.c
        conversions = [_conversion(name, ctype) for name, ctype in c.params]
        if c.variadic:
            conversions += [64] * (MAX_ARGS - len(conversions))
        self.name = proto.name
        self.impl = proto.impl
        self.meta = aux.kptr_struct_meta if aux is not None else None
        self.arity = len(conversions)
        self.plain = True
        if not cython.compiled:
            self.conversions = [64] * MAX_ARGS
        for index in range(len(conversions)):
            self.conversions[index] = conversions[index]
            if conversions[index] != 64:
                self.plain = False
        bits = 64 if isinstance(proto, FuncProto) or c.ret.bits == 0 else c.ret.bits
        self.mask = (1 << bits) - 1

    def call(
        self,
        run: RunContext,
        r1: cython.ulonglong,
        r2: cython.ulonglong,
        r3: cython.ulonglong,
        r4: cython.ulonglong,
        r5: cython.ulonglong,
    ) -> cython.ulonglong:
        """R0. Exceptions of the implementation pass through.

        :raises Unsupported: it has none.
        """
        impl = self.impl
        if impl is None:
            raise Unsupported(f"{self.name}()")
        if self.arity == 0:
            result = impl(run)
        elif not self.plain:
            words = (r1, r2, r3, r4, r5)
            result = impl(run, *[self._argument(run, index, words[index]) for index in range(self.arity)])
        elif self.arity == 1:
            result = impl(run, r1)
        elif self.arity == 2:
            result = impl(run, r1, r2)
        elif self.arity == 3:
            result = impl(run, r1, r2, r3)
        elif self.arity == 4:
            result = impl(run, r1, r2, r3, r4)
        else:
            result = impl(run, r1, r2, r3, r4, r5)
        return self._result(result)

    # void functions return None: R0 is 0 then, where the kernel leaves garbage that no verified program reads.
    def _result(self, result: object) -> cython.ulonglong:
        if result is None:
            return 0
        if not isinstance(result, int):
            raise InternalError(f"{self.name}() returned {result!r}")
        if cython.compiled:
            word: cython.ulonglong = PyLong_AsUnsignedLongLongMask(result)
            return word & self.mask
        else:
            return int(result & self.mask)

    def _argument(self, run: RunContext, index: cython.Py_ssize_t, word: cython.ulonglong) -> object:
        bits: cython.int = self.conversions[index]
        if bits == 64:
            return word
        if bits == _MAP:
            return run.map_at(word)
        if bits == _META:
            return self.meta
        if bits > 0:
            return word & ((ONE << bits) - 1)
        sign: cython.ulonglong = ONE << (-bits - 1)
        word &= (sign << 1) - 1
        return ((word ^ sign) - sign) & U64
