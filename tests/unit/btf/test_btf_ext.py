"""``.BTF.ext``: what clang wrote, what PROG_LOAD takes, and what is refused."""

import struct

import pytest

from beespace.btf import (
    BtfExt,
    ExtFuncInfo,
    ExtLineInfo,
    decode_func_info,
    decode_line_info,
    elf_section,
    encode_func_info,
    encode_line_info,
    open_btf,
)  # fmt: skip
from beespace.errors import BtfError
from corerelos import PROGRAMS

OBJECT = PROGRAMS / "core_kinds.bpf.o"
BTF = open_btf(OBJECT)
DATA = elf_section(OBJECT.read_bytes(), ".BTF.ext")


def test_functions_lines_and_relocations_by_section():
    ext = BtfExt.parse(DATA, BTF)
    names = [BTF.name_of(info.type_id) for info in ext.func_info["socket"]]
    assert names == ["fields", "existence", "bitfields", "memory", "memory_signed", "types", "enums"]
    first = ext.line_info["socket"][0]
    source = (PROGRAMS / "core_kinds.bpf.c").read_text().splitlines()
    assert BTF.str_at(first.file_name_off).endswith("core_kinds.bpf.c")
    assert BTF.str_at(first.line_off) == source[first.line_num - 1]
    assert any(line.column > 0 for line in ext.line_info["socket"])
    relo = ext.core_relos["socket"][1]
    assert (BTF.name_of(relo.type_id), relo.access_str, relo.kind) == ("subject", "0:1:2:1", 0)


def test_records_for_prog_load():
    funcs = (ExtFuncInfo(0, 7), ExtFuncInfo(12, 9))
    lines = (ExtLineInfo(0, 1, 2, 42 << 10 | 3),)
    assert decode_func_info(encode_func_info(funcs), 8) == funcs
    assert decode_line_info(encode_line_info(lines), 16) == lines
    assert (lines[0].line_num, lines[0].column) == (42, 3)
    longer = b"".join(encode_func_info((f,)) + bytes(4) for f in funcs)
    assert decode_func_info(longer, 12) == funcs
    with pytest.raises(BtfError, match="records of 4"):
        decode_func_info(b"1234", 4)
    with pytest.raises(BtfError, match="9 bytes of info in records of 8"):
        decode_func_info(b"123456789", 8)


def bent(at, value):
    data = bytearray(DATA)
    struct.pack_into("<I", data, at, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "btf_ext_header not found"),
        (bent(0, 0x0118EB9E), "Invalid magic"),
        (bent(0, 0x0002EB9F), "Unsupported version 2"),
        (bent(0, 0x0101EB9F), "Unsupported flags 0x1"),
        (bent(4, 8), "header of 8 bytes"),
        (bent(12, 1 << 20), "exceeds the section"),
        (bent(32, 4), "record size 4, at least 8"),
        (bent(40, 0), "section without records"),
        (bent(40, 1 << 20), "1048576 records of 8 bytes exceed the info"),
        (bent(36, 1 << 20), "string offset 1048576"),
    ],
)
def test_malformed_sections(data, message):
    with pytest.raises(BtfError, match=message):
        BtfExt.parse(data, BTF)


def test_headers_without_relocations_are_old_but_right():
    hdr = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 0)
    ext = BtfExt.parse(hdr, BTF)
    assert not ext.func_info
    assert not ext.core_relos
