"""BTF_LOAD of the running kernel, and BTF sections bent for it: an oracle for beespace.btf.check."""

from __future__ import annotations

import ctypes
import os
import struct

from livekernel import bpf

__all__ = ["btf_load", "mutate"]

BPF_BTF_LOAD = 18


def btf_load(data: bytes, *, log_size: int = 1 << 20) -> tuple[int, str]:
    """Load BTF and let go of it: (errno, log); errno 0 means accepted."""
    code = ctypes.create_string_buffer(data, len(data))
    log = ctypes.create_string_buffer(log_size)
    attr = bytearray(28)
    struct.pack_into("<QQIII", attr, 0, ctypes.addressof(code), ctypes.addressof(log), len(data), log_size, 1)
    try:
        os.close(bpf(BPF_BTF_LOAD, attr))
    except OSError as err:
        return err.errno or 0, log.value.decode("utf-8", "surrogateescape")
    return 0, log.value.decode("utf-8", "surrogateescape")


def mutate(data: bytes, rnd) -> bytes:  # rnd: random.Random
    """*data* with one to three words of its types, bytes anywhere, or its end changed."""
    bent = bytearray(data)
    (type_len,) = struct.unpack_from("<I", data, 12)
    for _ in range(rnd.choice((1, 1, 1, 2, 3))):
        choice = rnd.random()
        if len(bent) < 24 + type_len or not type_len:
            break
        if choice < 0.75:
            at, other = (24 + 4 * rnd.randrange(type_len // 4) for _ in "ab")
            (old,) = struct.unpack_from("<I", bent, at)
            (borrowed,) = struct.unpack_from("<I", bent, other)
            values = (rnd.randrange(200), old + 1, old - 1, old ^ 1 << rnd.randrange(32), 0, rnd.getrandbits(32))
            struct.pack_into("<I", bent, at, rnd.choice((*values, borrowed)) & 0xFFFFFFFF)
        elif choice < 0.85:
            bent[rnd.randrange(24)] = rnd.choice((0, 1, 255, rnd.randrange(256)))
        elif choice < 0.95:
            bent[rnd.randrange(len(bent))] = rnd.randrange(256)
        else:
            del bent[rnd.randrange(len(bent)) :]
    return bytes(bent)
