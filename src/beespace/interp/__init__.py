"""The reference engine."""

from beespace.interp.engine import Interp, InterpExecutable
from beespace.interp.frames import FRAME_BYTES
from beespace.interp.machine import Machine

__all__ = ["FRAME_BYTES", "Interp", "InterpExecutable", "Machine"]
