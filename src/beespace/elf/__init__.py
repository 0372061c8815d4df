"""Object files of ``clang -target bpf`` as plain data; deterministic, no kernel, no host state."""

from beespace.elf.btf_fixup import resize_datasec
from beespace.elf.file import ElfFile, Reloc, Section, Symbol
from beespace.elf.link import LinkedProgram, link
from beespace.elf.maps import adjust_ringbuf_size
from beespace.elf.reader import read_object
from beespace.elf.spec import (
    CallRef,
    ExternRef,
    ExternSpec,
    FuncRef,
    KcfgType,
    KfuncRef,
    MapRef,
    MapSpec,
    MapValueRef,
    ObjectSpec,
    ProgSpec,
    Ref,
    StructOpsSpec,
)

__all__ = [
    "CallRef",
    "ElfFile",
    "ExternRef",
    "ExternSpec",
    "FuncRef",
    "KcfgType",
    "KfuncRef",
    "LinkedProgram",
    "MapRef",
    "MapSpec",
    "MapValueRef",
    "ObjectSpec",
    "ProgSpec",
    "Ref",
    "Reloc",
    "Section",
    "StructOpsSpec",
    "Symbol",
    "adjust_ringbuf_size",
    "link",
    "read_object",
    "resize_datasec",
]
