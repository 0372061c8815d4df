"""The tag of a program: what bpf_prog_info.tag and /proc/*/fdinfo show."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from beespace.isa import LD_IMM64, Insn, encode_insns
from beespace.uapi import bpf as uapi

__all__ = ["calc_tag"]

_TAG_BYTES = 8
_MAPS = (uapi.BPF_PSEUDO_MAP_FD, uapi.BPF_PSEUDO_MAP_VALUE)


def calc_tag(insns: Sequence[Insn], digest: str = "sha256") -> bytes:
    """Eight bytes that depend on the instructions as loaded, map file descriptors and offsets apart.

    :param digest: "sha256" since 6.18, "sha1" before.
    :see: kernel/bpf/core.c:bpf_prog_calc_tag
    """
    stable = list(insns)
    for idx, insn in enumerate(insns[:-1]):
        if insn.code == LD_IMM64 and insn.src_reg in _MAPS:
            stable[idx] = insn._replace(imm=0)
            second = insns[idx + 1]
            if second[:4] == (0, 0, 0, 0):
                stable[idx + 1] = second._replace(imm=0)
    return hashlib.new(digest, encode_insns(stable), usedforsecurity=False).digest()[:_TAG_BYTES]
