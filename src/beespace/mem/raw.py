"""Unchecked native memory: loads, stores, atomics, copy and compare.

Compiled, these are single instructions that other compiled modules call without the GIL (``raw.pxd``); uncompiled they
go through ctypes, where an atomic is atomic only because one thread runs.
Addresses and values are unsigned; a bad address ends the process, checks belong to AddressSpace.
"""

# mypy: disable-error-code="no-any-return"
# (values behind a C cast are Any)

from __future__ import annotations

import ctypes

import cython

from beespace.errors import InternalError

if cython.compiled:
    from cython.cimports.beespace.mem import cbuiltins as c

__all__ = [
    "cmpxchg32",
    "cmpxchg64",
    "compare",
    "copy",
    "fetch_add32",
    "fetch_add64",
    "fetch_and32",
    "fetch_and64",
    "fetch_or32",
    "fetch_or64",
    "fetch_xor32",
    "fetch_xor64",
    "fill",
    "load8",
    "load16",
    "load32",
    "load64",
    "load_acquire32",
    "load_acquire64",
    "read_bytes",
    "spin_lock",
    "spin_unlock",
    "store8",
    "store16",
    "store32",
    "store64",
    "store_release32",
    "store_release64",
    "w32",
    "w64",
    "write_bytes",
    "xchg32",
    "xchg64",
]  # fmt: skip

U32 = cython.declare(cython.ulonglong, 0xFFFFFFFF)
U64 = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)


def load8(addr: cython.ulonglong) -> cython.ulonglong:
    """``*(u8 *)addr``."""
    if cython.compiled:
        return cython.cast(cython.p_uchar, addr)[0]
    else:
        return ctypes.c_uint8.from_address(addr).value


def load16(addr: cython.ulonglong) -> cython.ulonglong:
    """``*(u16 *)addr``, of any alignment; so are the others."""
    if cython.compiled:
        return cython.cast(cython.p_ushort, addr)[0]
    else:
        return ctypes.c_uint16.from_address(addr).value


def load32(addr: cython.ulonglong) -> cython.ulonglong:
    """``*(u32 *)addr``."""
    if cython.compiled:
        return cython.cast(cython.p_uint, addr)[0]
    else:
        return ctypes.c_uint32.from_address(addr).value


def load64(addr: cython.ulonglong) -> cython.ulonglong:
    """``*(u64 *)addr``."""
    if cython.compiled:
        return cython.cast(cython.p_ulonglong, addr)[0]
    else:
        return ctypes.c_uint64.from_address(addr).value


def store8(addr: cython.ulonglong, value: cython.ulonglong) -> None:
    """``*(u8 *)addr = value``; upper bits are dropped, here and below."""
    if cython.compiled:
        cython.cast(cython.p_uchar, addr)[0] = cython.cast(cython.uchar, value)
    else:
        ctypes.c_uint8.from_address(addr).value = value


def store16(addr: cython.ulonglong, value: cython.ulonglong) -> None:
    """``*(u16 *)addr = value``."""
    if cython.compiled:
        cython.cast(cython.p_ushort, addr)[0] = cython.cast(cython.ushort, value)
    else:
        ctypes.c_uint16.from_address(addr).value = value


def store32(addr: cython.ulonglong, value: cython.ulonglong) -> None:
    """``*(u32 *)addr = value``."""
    if cython.compiled:
        cython.cast(cython.p_uint, addr)[0] = cython.cast(cython.uint, value)
    else:
        ctypes.c_uint32.from_address(addr).value = value


def store64(addr: cython.ulonglong, value: cython.ulonglong) -> None:
    """``*(u64 *)addr = value``."""
    if cython.compiled:
        cython.cast(cython.p_ulonglong, addr)[0] = value
    else:
        ctypes.c_uint64.from_address(addr).value = value


def load_acquire32(addr: cython.ulonglong) -> cython.ulonglong:
    """smp_load_acquire() of a u32."""
    if cython.compiled:
        return c.atomic_load_n32(cython.cast(cython.p_uint, addr), c.ATOMIC_ACQUIRE)
    else:
        return load32(addr)


def load_acquire64(addr: cython.ulonglong) -> cython.ulonglong:
    """smp_load_acquire() of a u64."""
    if cython.compiled:
        return c.atomic_load_n64(cython.cast(cython.p_ulonglong, addr), c.ATOMIC_ACQUIRE)
    else:
        return load64(addr)


def store_release32(addr: cython.ulonglong, value: cython.ulonglong) -> None:
    """smp_store_release() of a u32."""
    if cython.compiled:
        c.atomic_store_n32(cython.cast(cython.p_uint, addr), cython.cast(cython.uint, value), c.ATOMIC_RELEASE)
    else:
        store32(addr, value)


def store_release64(addr: cython.ulonglong, value: cython.ulonglong) -> None:
    """smp_store_release() of a u64."""
    if cython.compiled:
        c.atomic_store_n64(cython.cast(cython.p_ulonglong, addr), value, c.ATOMIC_RELEASE)
    else:
        store64(addr, value)


def fetch_add32(addr: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """Add, returning the old value; sequentially consistent, as all read-modify-write operations here."""
    if cython.compiled:
        return c.atomic_fetch_add32(cython.cast(cython.p_uint, addr), cython.cast(cython.uint, value), c.ATOMIC_SEQ_CST)
    else:
        old = load32(addr)
        store32(addr, old + value)
        return old


def fetch_add64(addr: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """Add, returning the old value."""
    if cython.compiled:
        return c.atomic_fetch_add64(cython.cast(cython.p_ulonglong, addr), value, c.ATOMIC_SEQ_CST)
    else:
        old = load64(addr)
        store64(addr, old + value)
        return old


def fetch_or32(addr: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """Or, returning the old value."""
    if cython.compiled:
        return c.atomic_fetch_or32(cython.cast(cython.p_uint, addr), cython.cast(cython.uint, value), c.ATOMIC_SEQ_CST)
    else:
        old = load32(addr)
        store32(addr, old | value)
        return old


def fetch_or64(addr: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """Or, returning the old value."""
    if cython.compiled:
        return c.atomic_fetch_or64(cython.cast(cython.p_ulonglong, addr), value, c.ATOMIC_SEQ_CST)
    else:
        old = load64(addr)
        store64(addr, old | value)
        return old


def fetch_and32(addr: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """And, returning the old value."""
    if cython.compiled:
        return c.atomic_fetch_and32(cython.cast(cython.p_uint, addr), cython.cast(cython.uint, value), c.ATOMIC_SEQ_CST)
    else:
        old = load32(addr)
        store32(addr, old & value)
        return old


def fetch_and64(addr: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """And, returning the old value."""
    if cython.compiled:
        return c.atomic_fetch_and64(cython.cast(cython.p_ulonglong, addr), value, c.ATOMIC_SEQ_CST)
    else:
        old = load64(addr)
        store64(addr, old & value)
        return old


def fetch_xor32(addr: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """Exclusive or, returning the old value."""
    if cython.compiled:
        return c.atomic_fetch_xor32(cython.cast(cython.p_uint, addr), cython.cast(cython.uint, value), c.ATOMIC_SEQ_CST)
    else:
        old = load32(addr)
        store32(addr, old ^ value)
        return old


def fetch_xor64(addr: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """Exclusive or, returning the old value."""
    if cython.compiled:
        return c.atomic_fetch_xor64(cython.cast(cython.p_ulonglong, addr), value, c.ATOMIC_SEQ_CST)
    else:
        old = load64(addr)
        store64(addr, old ^ value)
        return old


def xchg32(addr: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """Store, returning the old value."""
    if cython.compiled:
        return c.atomic_exchange32(cython.cast(cython.p_uint, addr), cython.cast(cython.uint, value), c.ATOMIC_SEQ_CST)
    else:
        old = load32(addr)
        store32(addr, value)
        return old


def xchg64(addr: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """Store, returning the old value."""
    if cython.compiled:
        return c.atomic_exchange64(cython.cast(cython.p_ulonglong, addr), value, c.ATOMIC_SEQ_CST)
    else:
        old = load64(addr)
        store64(addr, value)
        return old


def cmpxchg32(addr: cython.ulonglong, expected: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """Store *value* if the low 32 bits of *expected* are there; returns what was there, zero-extended."""
    if cython.compiled:
        return c.sync_cmpxchg32(
            cython.cast(cython.p_uint, addr), cython.cast(cython.uint, expected), cython.cast(cython.uint, value)
        )
    else:
        old = load32(addr)
        if old == expected & U32:
            store32(addr, value)
        return old


def cmpxchg64(addr: cython.ulonglong, expected: cython.ulonglong, value: cython.ulonglong) -> cython.ulonglong:
    """Store *value* if *expected* is there; returns what was there."""
    if cython.compiled:
        return c.sync_cmpxchg64(cython.cast(cython.p_ulonglong, addr), expected, value)
    else:
        old = load64(addr)
        if old == expected:
            store64(addr, value)
        return old


def spin_lock(addr: cython.ulonglong) -> None:
    """Wait until the u32 is 0 and make it 1; uncompiled a lock that is held is never let go."""
    if cython.compiled:
        while c.atomic_exchange32(cython.cast(cython.p_uint, addr), 1, c.ATOMIC_ACQUIRE) != 0:
            while c.atomic_load_n32(cython.cast(cython.p_uint, addr), c.ATOMIC_RELAXED) != 0:
                pass
    else:
        if load32(addr):
            raise InternalError(f"spin lock at {addr:#x} is held already")
        store32(addr, 1)


def spin_unlock(addr: cython.ulonglong) -> None:
    """Make the u32 0 again."""
    store_release32(addr, 0)


def w64(x: cython.ulonglong) -> cython.ulonglong:
    """Wrap to 64 bits: uncompiled integers do not on their own."""
    if cython.compiled:
        return x
    else:
        return x & U64


def w32(x: cython.ulonglong) -> cython.ulonglong:
    """Wrap to 32 bits."""
    return x & U32


def copy(dst: cython.ulonglong, src: cython.ulonglong, size: cython.ulonglong) -> None:
    """memmove()."""
    if cython.compiled:
        c.memmove(cython.cast(cython.p_void, dst), cython.cast(cython.p_void, src), size)
    else:
        ctypes.memmove(dst, src, size)


def fill(dst: cython.ulonglong, byte: cython.int, size: cython.ulonglong) -> None:
    """memset()."""
    if cython.compiled:
        c.memset(cython.cast(cython.p_void, dst), byte, size)
    else:
        ctypes.memset(dst, byte, size)


def compare(a: cython.ulonglong, b: cython.ulonglong, size: cython.ulonglong) -> cython.int:
    """memcmp(): negative, 0 or positive."""
    if cython.compiled:
        return c.memcmp(cython.cast(cython.p_void, a), cython.cast(cython.p_void, b), size)
    else:
        left, right = ctypes.string_at(a, size), ctypes.string_at(b, size)
        return (left > right) - (left < right)


def read_bytes(addr: cython.ulonglong, size: cython.Py_ssize_t) -> bytes:
    """A copy of *size* bytes."""
    if cython.compiled:
        return cython.cast(cython.p_char, addr)[:size]
    else:
        return ctypes.string_at(addr, size)


def write_bytes(addr: cython.ulonglong, data: bytes) -> None:
    """Store all of *data* (bytes; other buffers are converted by the caller)."""
    if cython.compiled:
        c.memmove(
            cython.cast(cython.p_void, addr), cython.cast(cython.p_void, cython.cast(cython.p_char, data)), len(data)
        )
    else:
        ctypes.memmove(addr, data, len(data))
