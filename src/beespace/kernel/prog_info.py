"""What BPF_OBJ_GET_INFO_BY_FD says of a program.

:see: kernel/bpf/syscall.c:bpf_prog_get_info_by_fd
"""

from __future__ import annotations

import struct
from errno import E2BIG, EINVAL
from typing import TYPE_CHECKING

from beespace.errors import SyscallError
from beespace.isa import encode_insns
from beespace.uapi.attr import BpfFuncInfo, BpfLineInfo, GetInfoAttr, ProgInfo

if TYPE_CHECKING:
    from beespace.kernel.kernel import Kernel
    from beespace.kernel.prog import BpfProg

__all__ = ["prog_info"]

_PAGE_SIZE = 4096
_KNOWN_BYTES = ProgInfo.SIZE - 4  # up to attach_btf_id; the rest is padding
_JITED_LINE_INFO_REC_SIZE = 8


def prog_info(kernel: Kernel, prog: BpfProg, attr: GetInfoAttr) -> int:
    """Fill the caller's ``struct bpf_prog_info`` and the arrays it points to."""
    what = "BPF_OBJ_GET_INFO_BY_FD"
    user = kernel.user
    if attr.info_len > _PAGE_SIZE:
        raise SyscallError(E2BIG, what)
    if attr.info_len > _KNOWN_BYTES and any(user.read(attr.info + _KNOWN_BYTES, attr.info_len - _KNOWN_BYTES)):
        raise SyscallError(E2BIG, what)
    size = min(attr.info_len, ProgInfo.SIZE)
    info = ProgInfo.unpack(user.read(attr.info, size))
    info.type = prog.prog_type.id
    info.id = prog.id
    info.load_time = prog.load_time
    info.created_by_uid = prog.created_by_uid
    info.gpl_compatible = prog.gpl_compatible
    info.tag = prog.xlated.tag
    info.name = prog.name.encode()
    info.nr_map_ids = _array(kernel, info.map_ids, info.nr_map_ids, [m.id for m in prog.used_maps], "<I")
    _check_rec_sizes(info, what)
    info.run_time_ns, info.run_cnt = prog.run_time_ns, prog.run_cnt
    info.recursion_misses = prog.recursion_misses
    info.verified_insns = prog.verified.insn_processed
    info.btf_id = prog.btf.id if prog.btf is not None else 0
    if kernel.caps.bpf:
        _code(kernel, prog, info)
    else:
        info.jited_prog_len = info.xlated_prog_len = info.nr_jited_ksyms = info.nr_jited_func_lens = 0
        info.nr_func_info = info.nr_line_info = info.nr_jited_line_info = 0
    user.write(attr.info, bytes(info.pack()[:size]))
    attr.info_len = size
    return 0


# set_info_rec_size(): the caller gives the kernel's record sizes, or none when it asks for no records.
def _check_rec_sizes(info: ProgInfo, what: str) -> None:
    for count, given, expected in (
        (info.nr_func_info, info.func_info_rec_size, BpfFuncInfo.SIZE),
        (info.nr_line_info, info.line_info_rec_size, BpfLineInfo.SIZE),
        (info.nr_jited_line_info, info.jited_line_info_rec_size, _JITED_LINE_INFO_REC_SIZE),
    ):
        if (count or given) and given != expected:
            raise SyscallError(EINVAL, what)
    info.func_info_rec_size = BpfFuncInfo.SIZE
    info.line_info_rec_size = BpfLineInfo.SIZE
    info.jited_line_info_rec_size = _JITED_LINE_INFO_REC_SIZE


# The part that needs CAP_BPF: instructions, addresses, records.
def _code(kernel: Kernel, prog: BpfProg, info: ProgInfo) -> None:
    user = kernel.user
    insns = encode_insns(prog.xlated.insns)  # LD_IMM64 shows ids of maps, no addresses
    if info.xlated_prog_len:
        user.write(info.xlated_prog_insns, insns[: info.xlated_prog_len])
    info.xlated_prog_len = len(insns)
    subprogs = prog.xlated.subprogs
    ends = [*(subprog.start for subprog in subprogs[1:]), len(prog.xlated.insns)]
    # There is no image of machine instructions to copy: lengths and addresses are those of the text in guest memory.
    lengths = [8 * (end - subprog.start) for subprog, end in zip(subprogs, ends, strict=True)]
    info.jited_prog_len = 0
    addresses = [prog.xlated.text + 8 * subprog.start for subprog in subprogs]
    info.nr_jited_ksyms = _array(kernel, info.jited_ksyms, info.nr_jited_ksyms, addresses, "<Q")
    info.nr_jited_func_lens = _array(kernel, info.jited_func_lens, info.nr_jited_func_lens, lengths, "<I")
    info.attach_btf_id = prog.attach_btf_id
    if prog.attach_btf is not None:
        info.attach_btf_obj_id = prog.attach_btf.id
    elif prog.dst_prog is not None and prog.dst_prog.btf is not None:
        info.attach_btf_obj_id = prog.dst_prog.btf.id
    for field, data, record in (("func_info", prog.func_info, BpfFuncInfo), ("line_info", prog.line_info, BpfLineInfo)):
        count = getattr(info, f"nr_{field}")
        if count and data:
            user.write(getattr(info, field), data[: count * record.SIZE])
        setattr(info, f"nr_{field}", len(data) // record.SIZE)
    info.nr_jited_line_info = 0
    room, info.nr_prog_tags = info.nr_prog_tags, len(subprogs)
    user.write(info.prog_tags, b"".join([prog.xlated.tag] * min(room, len(subprogs))))


# Copy as many numbers as fit; how many there are.
def _array(kernel: Kernel, address: int, room: int, values: list[int], code: str) -> int:
    data = b"".join(struct.pack(code, value) for value in values[:room])
    kernel.user.write(address, data)
    return len(values)
