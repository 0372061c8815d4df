"""Object files of ``clang -target bpf`` as plain data; deterministic, no kernel, no host state."""

from beespace.elf.file import ElfFile, Reloc, Section, Symbol
from beespace.elf.link import LinkedProgram, link
from beespace.elf.maps import adjust_ringbuf_size
from beespace.elf.reader import read_object
from beespace.elf.spec import (
    CallRef,
    CoreRelo,
    ExternRef,
    ExternSpec,
    FuncInfoRec,
    FuncRef,
    KcfgType,
    KfuncRef,
    LineInfoRec,
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
    "CoreRelo",
    "ElfFile",
    "ExternRef",
    "ExternSpec",
    "FuncInfoRec",
    "FuncRef",
    "KcfgType",
    "KfuncRef",
    "LineInfoRec",
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
]
