"""LD_ABS and LD_IND on an skb: what the two instructions become.

:see: net/core/filter.c:bpf_gen_ld_abs, kernel/bpf/core.c:bpf_internal_load_pointer_neg_helper
"""

from __future__ import annotations

from beespace.isa import Insn, assemble, row_of
from beespace.subsys.net.context import SKB

__all__ = ["bpf_gen_ld_abs"]

_SKF_NET_OFF = -0x100000  # include/uapi/linux/filter.h: offsets from the network header start here, downwards
_SKF_LL_OFF = -0x200000  # and from the MAC header here


def bpf_gen_ld_abs(insn: Insn) -> tuple[Insn, ...]:
    """R0 = the packet's bytes at an offset in network byte order; the program ends with 0 where there are none.

    R6 is the skb. The offset is an ``int``, from the data or, when negative, from a header.
    """
    row = row_of(insn)
    assert row is not None
    size = row.width // 8
    start = f"r2 = {insn.imm}" if row.name == "LD_ABS" else f"r2 = r{insn.src_reg}; r2 += {insn.imm}"
    off = {name: place for name, (place, _) in SKB.offsets.items()}
    swap = f"r0 = be{row.width} r0" if size > 1 else ""
    return assemble(
        f"""
        {start}
        r2 = (s32)r2
        r1 = *(u64 *)(r6 + {off["data"]})
        r3 = *(u64 *)(r6 + {off["data_end"]})
        if r2 s>= 0 goto check
        r4 = *(u64 *)(r6 + {off["head"]})
        if r2 s< {_SKF_NET_OFF} goto link
        r1 = *(u32 *)(r6 + {off["network_header"]})
        r2 += {-_SKF_NET_OFF}
        goto header
    link:
        if r2 s< {_SKF_LL_OFF} goto fail
        r1 = *(u32 *)(r6 + {off["mac_header"]})
        r2 += {-_SKF_LL_OFF}
    header:
        r1 += r4
    check:
        r1 += r2
        r2 = r1
        r2 += {size}
        if r2 <= r3 goto load
    fail:
        w0 = 0
        exit
    load:
        r0 = *(u{row.width} *)(r1 + 0)
        {swap}
    """
    ).insns
