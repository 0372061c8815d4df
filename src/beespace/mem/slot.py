"""The uncompiled twin of ``struct Slot`` in space.pxd."""

from __future__ import annotations

import ctypes

__all__ = ["SLOT_ENTRY_BYTES", "Slot", "slot_table"]


class Slot(ctypes.Structure):
    """Bounds of the region in one slot; all zero when there is none.

    :ivar alive: address of one byte for each element, 0 when all may be accessed.
    """

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("alive", ctypes.c_uint64),
        ("stride", ctypes.c_uint32),
        ("low", ctypes.c_uint32),
        ("high", ctypes.c_uint32),
        ("write_low", ctypes.c_uint32),
        ("writable", ctypes.c_uint32),
    )


SLOT_ENTRY_BYTES = ctypes.sizeof(Slot)


def slot_table(address: int, slots: int) -> ctypes.Array[Slot]:
    """The table at *address*."""
    return (Slot * slots).from_address(address)
