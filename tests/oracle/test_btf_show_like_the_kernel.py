"""show_value against bpf_snprintf_btf() of the running kernel, on values of its own types."""

import ctypes
import mmap
import os
import random
import struct

import pytest

from beespace.btf import Struct, Union, show_value
from beespace.uapi.bpf import BTF_F_COMPACT, BTF_F_NONAME, BTF_F_PTR_RAW, BTF_F_ZERO
from livekernel import bpf, insn, load

pytestmark = pytest.mark.oracle

SIZE, OUT = 1 << 15, 1 << 12  # of the map's one value, and where in it the text goes
SNPRINTF_BTF = 149


class Kernel:
    """A map with the value and the text, and a raw tracepoint program for each type."""

    def __init__(self):
        attr = bytearray(72)
        struct.pack_into("<IIIII", attr, 0, 2, 4, SIZE, 1, 1 << 10)  # array, BPF_F_MMAPABLE
        self.map_fd = bpf(0, attr)
        self.view = mmap.mmap(self.map_fd, SIZE)

    def close(self):
        self.view.close()
        os.close(self.map_fd)

    def show(self, type_id, data, flags):
        value = insn(0x18, 6, 2, 0, self.map_fd) + insn(0)
        ptr = insn(0x7B, 10, 6, -16) + insn(0xB4, 1, imm=type_id) + insn(0x63, 10, 1, -8) + insn(0xB7, 1)
        ptr += insn(0x63, 10, 1, -4)
        args = insn(0xBF, 1, 6) + insn(0x07, 1, imm=OUT) + insn(0xB7, 2, imm=SIZE - OUT) + insn(0xBF, 3, 10)
        args += insn(0x07, 3, imm=-16 & 0xFFFFFFFF) + insn(0xB7, 4, imm=16) + insn(0xB7, 5, imm=flags)
        fd = load(17, value + ptr + args + insn(0x85, imm=SNPRINTF_BTF) + insn(0x95), keep=True)
        assert isinstance(fd, int), fd.log
        self.view[: len(data)] = data
        self.view[OUT:SIZE] = bytes(SIZE - OUT)
        ctx = (ctypes.c_uint64 * 12)()
        attr = bytearray(80)
        struct.pack_into("<II", attr, 0, fd, 0)
        struct.pack_into("<I", attr, 40, ctypes.sizeof(ctx))
        struct.pack_into("<Q", attr, 48, ctypes.addressof(ctx))
        bpf(10, attr)
        os.close(fd)
        (length,) = struct.unpack_from("<i", attr, 4)
        return length, self.view[OUT:SIZE].split(b"\0")[0]


@pytest.fixture
def kernel(linux_kernel):
    kernel = Kernel()
    yield kernel
    kernel.close()


FLAGS = [0, BTF_F_COMPACT, BTF_F_ZERO, BTF_F_NONAME, BTF_F_COMPACT | BTF_F_NONAME, BTF_F_COMPACT | BTF_F_ZERO]


@pytest.mark.parametrize("flags", FLAGS)
def test_values_of_kernel_types(kernel, vmlinux, flags):
    rnd = random.Random(flags)
    ids = [vmlinux.find(name) for name in ("iphdr", "list_head", "pid_t", "xdp_action", "kuid_t", "atomic_t")]
    while len(ids) < 40:
        type_id = rnd.randrange(1, vmlinux.nr_types)
        found = vmlinux.type(type_id)
        if isinstance(found, Struct | Union) and 0 < found.size < 500:
            ids.append(type_id)
    for type_id in ids:
        data = bytes(rnd.choice((0, 0, 0, 1, 65, 200, 255)) for _ in range(vmlinux.size(type_id)))
        length, text = kernel.show(type_id, data, flags | BTF_F_PTR_RAW)
        ours = show_value(vmlinux, type_id, data, flags | BTF_F_PTR_RAW)
        assert (len(ours), ours[: SIZE - OUT - 1].split(b"\0")[0]) == (length, text), vmlinux.type_name(type_id)
