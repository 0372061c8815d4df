"""Tags, and the text of ``bpftool prog dump xlated``, of programs loaded into the running kernel."""

import json
import shutil
import subprocess

import pytest

from beespace.api.calls import Buffer
from beespace.isa import assemble, decode_insns, encode_insns
from beespace.uapi import attr, bpf
from beespace.xlate import calc_tag, dump_xlated, dump_xlated_records, raw

pytestmark = pytest.mark.oracle

PROGRAMS = {
    "plain": "r0 = 0; exit",
    "long": "r0 = 0\n.rept 40\nr0 += 5\n.endr\nexit",
    "imm64": "r1 = 0x123456789abcdef0 ll; r0 = 0; if r0 == 1 goto +2; r0 = r1; r0 = be16 r0; exit",
    "map": "r1 = map_value:m+4 ll; r0 = *(u32 *)(r1 + 0); lock *(u32 *)(r1 + 0) += r0; r2 = map:m ll; w0 += 1; exit",
    "stack": "*(u64 *)(r10 - 8) = -1; r0 = *(u16 *)(r10 - 8); w0 s>>= 3; if w0 s> -5 goto +0; exit",
}


@pytest.fixture
def loaded(linux_kernel):
    """Program name -> (instructions as loaded, info of the kernel, its xlated instructions)."""
    fds = []

    def load(source):
        asm = assemble(source)
        insns = list(asm.insns)
        if asm.relocs:
            record = attr.MapCreateAttr(
                map_type=bpf.BPF_MAP_TYPE_ARRAY, key_size=4, value_size=8, max_entries=1
            )  # fmt: skip
            fds.append(linux_kernel.bpf(bpf.BPF_MAP_CREATE, record.pack()))
        for reloc in asm.relocs:
            value = reloc.kind == "map_value"
            src = bpf.BPF_PSEUDO_MAP_VALUE if value else bpf.BPF_PSEUDO_MAP_FD
            insns[reloc.insn_idx] = insns[reloc.insn_idx]._replace(src_reg=src, imm=fds[-1])
            insns[reloc.insn_idx + 1] = insns[reloc.insn_idx + 1]._replace(imm=reloc.off)
        code, license_text = Buffer(encode_insns(insns)), Buffer(b"GPL\0")
        record = attr.ProgLoadAttr(
            prog_type=bpf.BPF_PROG_TYPE_SOCKET_FILTER,
            insn_cnt=len(insns),
            insns=code.address,
            license=license_text.address,
        )
        fds.append(linux_kernel.bpf(bpf.BPF_PROG_LOAD, record.pack()))
        xlated = Buffer(4096)
        info = attr.ProgInfo(xlated_prog_len=4096, xlated_prog_insns=xlated.address)
        buffer = Buffer(bytes(info.pack()))
        get = attr.GetInfoAttr(bpf_fd=fds[-1], info_len=buffer.size, info=buffer.address)
        linux_kernel.bpf(bpf.BPF_OBJ_GET_INFO_BY_FD, get.pack())
        info = attr.ProgInfo.unpack(buffer.data)
        return tuple(insns), info, decode_insns(xlated.data[: info.xlated_prog_len])

    yield load
    for fd in fds:
        linux_kernel.close(fd)


@pytest.mark.parametrize("name", PROGRAMS)
def test_tag(loaded, name):
    insns, info, _ = loaded(PROGRAMS[name])
    assert calc_tag(insns) == bytes(info.tag)


@pytest.mark.skipif(shutil.which("bpftool") is None, reason="no bpftool")
@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "imm64"])
def test_dump(loaded, name):
    _, info, xlated = loaded(PROGRAMS[name])
    program = raw(xlated)

    def bpftool(*words):
        command = ["bpftool", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    dump = ("prog", "dump", "xlated", "id", str(info.id), "opcodes")
    assert dump_xlated(program, opcodes=True) == bpftool(*dump)
    assert dump_xlated_records(program, opcodes=True) == json.loads(bpftool("-j", *dump))
