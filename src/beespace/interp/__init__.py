"""The reference engine."""

from beespace.interp.engine import Interp, InterpExecutable
from beespace.interp.machine import FRAME_BYTES, Machine

__all__ = ["FRAME_BYTES", "Interp", "InterpExecutable", "Machine"]
