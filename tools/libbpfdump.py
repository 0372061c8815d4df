"""The C that the libbpf of this machine makes of BTF, for comparison."""

import ctypes

__all__ = ["libbpf_c_types"]


def libbpf_c_types(data: bytes) -> str:
    """btf_dump__dump_type() of all types; raises RuntimeError when libbpf cannot."""
    lib, libc = ctypes.CDLL("libbpf.so.1"), ctypes.CDLL(None)
    chunks: list[bytes] = []

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    def collect(ctx, text, args):
        buf = ctypes.create_string_buffer(8192)
        libc.vsnprintf(buf, len(buf), text, ctypes.c_void_p(args))
        chunks.append(buf.value)

    lib.btf__new.restype = lib.btf_dump__new.restype = ctypes.c_void_p
    btf = lib.btf__new(data, len(data))
    if not btf:
        raise RuntimeError("libbpf cannot open the BTF")
    dump = lib.btf_dump__new(ctypes.c_void_p(btf), collect, None, None)
    try:
        for type_id in range(1, lib.btf__type_cnt(ctypes.c_void_p(btf))):
            if lib.btf_dump__dump_type(ctypes.c_void_p(dump), type_id):
                raise RuntimeError(f"libbpf cannot dump [{type_id}]")
    finally:
        lib.btf_dump__free(ctypes.c_void_p(dump))
        lib.btf__free(ctypes.c_void_p(btf))
    return b"".join(chunks).decode()
