"""The LLVM engine. Importing it does not load LLVM."""

from beespace.jit.engine import Jit
from beespace.jit.options import JitOptions
from beespace.jit.runtime import JitExecutable

__all__ = ["Jit", "JitExecutable", "JitOptions"]
