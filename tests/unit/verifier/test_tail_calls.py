"""What is known after a tail call: nothing happened, or the function has ended. On both kernels."""

import struct

import pytest

from beespace.btf.build import BtfBuilder
from beespace.testing.seamcalls import Buf
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import BtfLoadAttr

PACKET = """
    r6 = r1
    r7 = *(u32 *)(r1 + 76)
    r8 = *(u32 *)(r1 + 80)
    r2 = r7
    r2 += 14
    if r2 > r8 goto out
"""


@pytest.fixture
def load(seam):
    array = seam.create(uapi.BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1)

    def run(source, *starts):
        """The log's last lines, or fd. :param starts: first slots of subprograms."""
        builder = BtfBuilder()
        number = builder.add_int("int", 4, signed=True)
        ctx = builder.add_ptr(builder.add_c_struct("__sk_buff", [("len", number)]))
        proto = builder.add_func_proto(number, [("ctx", ctx)])
        funcs = [
            struct.pack("<II", start, builder.add_func(f"f{start}", proto, uapi.BTF_FUNC_STATIC))
            for start in (0, *starts)
        ]
        data, info = Buf(builder.build()), Buf(b"".join(funcs))
        btf = seam.open(uapi.BPF_BTF_LOAD, BtfLoadAttr(btf=data.address, btf_size=data.size))
        return seam.load(
            uapi.BPF_PROG_TYPE_SCHED_CLS, source, {"pa": array}, log_level=2, log_size=1 << 16,
            prog_btf_fd=btf, func_info=info.address, func_info_rec_size=8, func_info_cnt=len(funcs),
        )  # fmt: skip

    run.seam = seam
    return run


def test_packet_pointers_stay_after_a_tail_call_of_the_main_program(load):
    source = f"""{PACKET}
        r2 = map:pa ll
        r3 = 0
        call bpf_tail_call
        r0 = *(u8 *)(r7 + 0)
        out:
        r0 = 0
        exit
    """
    assert isinstance(load(source), int), load.seam.log


def test_packet_pointers_do_not_survive_a_subprogram_that_may_tail_call(load):
    source = f"""{PACKET}
        r1 = r6
        call sub:t
        r0 = *(u8 *)(r7 + 0)
        out:
        r0 = 0
        exit
        t:
        r2 = map:pa ll
        r3 = 0
        call bpf_tail_call
        r0 = 0
        exit
    """
    assert load(source, 11) == "EACCES"
    assert "R7 invalid mem access 'scalar'" in load.seam.log


def test_a_subprogram_that_may_tail_call_returns_anything(load):
    source = """
        call sub:t
        if r0 == 7 goto out
        r0 = *(u8 *)(r10 + 0)
        out:
        r0 = 0
        exit
        t:
        r2 = map:pa ll
        r3 = 0
        call bpf_tail_call
        r0 = 7
        exit
    """
    assert load(source, 5) == "EACCES"
    assert "R0=scalar()\nto caller at 1" in load.seam.log.replace("R0=scalar() R10=fp0", "R0=scalar()")
