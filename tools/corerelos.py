"""CO-RE relocations of an object file, by beespace and by the libbpf of this machine, for comparison.

``python tools/corerelos.py`` writes libbpf's log of core_kinds.bpf.o to tests/programs/core_kinds.libbpf.txt.
"""

import ctypes
import io
import re
import struct
from pathlib import Path

from elftools.elf.elffile import ELFFile

from beespace.btf import BtfExt
from beespace.btf.core import CoreRelocator
from beespace.btf.source import elf_section, open_btf

PROGRAMS = Path(__file__).parents[1] / "tests" / "programs"


def programs(path):
    """Functions of the object: name -> (section, offset in bytes, insns)."""
    found = {}
    elf = ELFFile(io.BytesIO(path.read_bytes()))
    for symbol in elf.get_section_by_name(".symtab").iter_symbols():
        if symbol["st_info"]["type"] == "STT_FUNC":
            section = elf.get_section(symbol["st_shndx"])
            start = symbol["st_value"]
            raw = section.data()[start : start + symbol["st_size"]]
            insns = [
                (code, regs & 15, regs >> 4, off, imm) for code, regs, off, imm in struct.iter_unpack("<BBhi", raw)
            ]
            found[symbol.name] = (section.name, start, insns)
    return found


def relocate(path, targets):
    """All relocations of an object: ({program: relocated insns}, [CoreResult], log lines)."""
    btf = open_btf(path)
    ext = BtfExt.parse(elf_section(path.read_bytes(), ".BTF.ext"), btf)
    progs, results, log = programs(path), [], []
    relocator = CoreRelocator(btf, targets, log=log.append)
    for section, relos in ext.core_relos.items():
        for relo_idx, relo in enumerate(relos):
            name, start, insns = next(
                (name, start, insns)
                for name, (owner, start, insns) in progs.items()
                if owner == section and start <= relo.insn_off < start + 8 * len(insns)
            )
            at = (relo.insn_off - start) // 8
            patched, result = relocator.relocate(insns, at, relo, relo_idx, prog_name=name)
            insns[at : at + len(patched)] = patched
            results.append(result)
    return {name: insns for name, (_, _, insns) in progs.items()}, results, log


def comparable(lines):
    """Log lines without what differs between libbpf versions: prefix, name of the target, order of poisoned slots."""
    found = []
    for line in lines:
        line = re.sub(r" in \[.*\]$", "", line.strip().removeprefix("libbpf: "))
        line = re.sub(r"(substituting insn) #\d+", r"\1", line)
        if re.match(r"prog '.*': relo #", line) or line.startswith("CO-RE relocating"):
            found.append(line)
    return found


class _OpenOpts(ctypes.Structure):
    # struct bpf_object_open_opts of libbpf 1.1
    _fields_ = [
        ("sz", ctypes.c_size_t),
        ("object_name", ctypes.c_char_p),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", ctypes.c_char_p),
        ("_unused", ctypes.c_uint64),
        ("kconfig", ctypes.c_char_p),
        ("btf_custom_path", ctypes.c_char_p),
    ]


def libbpf_log(path, target=None):
    """What libbpf prints, at debug level, while it loads an object."""
    lib, libc = ctypes.CDLL("libbpf.so.1"), ctypes.CDLL(None)
    chunks = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
    def collect(level, text, args):
        buf = ctypes.create_string_buffer(4096)
        libc.vsnprintf(buf, len(buf), text, ctypes.c_void_p(args))
        chunks.append(buf.value.decode())
        return 0

    lib.bpf_object__open_file.restype = ctypes.c_void_p
    lib.libbpf_set_print(collect)
    try:
        opts = _OpenOpts(sz=ctypes.sizeof(_OpenOpts), btf_custom_path=str(target).encode() if target else None)
        obj = lib.bpf_object__open_file(str(path).encode(), ctypes.byref(opts))
        assert obj, f"libbpf cannot open {path}"
        lib.bpf_object__load(ctypes.c_void_p(obj))  # its verdict does not matter: relocation comes first
        lib.bpf_object__close(ctypes.c_void_p(obj))
    finally:
        lib.libbpf_set_print(None)
    return "".join(chunks).splitlines()


if __name__ == "__main__":
    lines = comparable(libbpf_log(PROGRAMS / "core_kinds.bpf.o", PROGRAMS / "core_target.bpf.o"))
    (PROGRAMS / "core_kinds.libbpf.txt").write_text("\n".join(lines) + "\n")
