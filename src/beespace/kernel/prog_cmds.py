"""Commands on programs.

:see: kernel/bpf/syscall.c:bpf_prog_load
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from errno import E2BIG, EACCES, EFAULT, EINVAL, EPERM
from typing import TYPE_CHECKING, Any

from beespace.decl.prog import FuncInfo, LineInfo, Program, XlatedProgram
from beespace.errors import ENOTSUPP, SyscallError, Unsupported, VerifierError
from beespace.isa import decode_insns
from beespace.kernel.idr import File
from beespace.kernel.map_cmds import obj_name
from beespace.kernel.prog import BpfProg
from beespace.kernel.vlog import UserLog
from beespace.maps.fd_array import ProgArray
from beespace.sim import CLOCK_BOOTTIME
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import BpfFuncInfo, BpfLineInfo, GetIdAttr, ProgBindMapAttr, ProgLoadAttr

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.decl.map import MapLayout, MapMeta
    from beespace.decl.prog import ProgType, VerifiedProgram
    from beespace.kernel.btf_cmds import BtfObject
    from beespace.kernel.kernel import Kernel
    from beespace.mem import Region

__all__ = ["COMMANDS"]

_PROG_FLAGS = (
    uapi.BPF_F_STRICT_ALIGNMENT
    | uapi.BPF_F_ANY_ALIGNMENT
    | uapi.BPF_F_TEST_STATE_FREQ
    | uapi.BPF_F_SLEEPABLE
    | uapi.BPF_F_TEST_RND_HI32
    | uapi.BPF_F_XDP_HAS_FRAGS
    | uapi.BPF_F_XDP_DEV_BOUND_ONLY
    | uapi.BPF_F_TEST_REG_INVARIANTS
    | uapi.BPF_F_TOKEN_FD
)
_COMPLEXITY_LIMIT_INSNS = 1_000_000
_MAXINSNS = 4096
_BTF_MAX_TYPE = 0x000FFFFF
_LICENSE_BYTES = 127
_REC_BYTES = range(8, 4097)
_GPL_COMPATIBLE = frozenset(
    {b"GPL", b"GPL v2", b"GPL and additional rights", b"Dual BSD/GPL", b"Dual MIT/GPL", b"Dual MPL/GPL"}
)
_BTF_ATTACHED = frozenset(
    {
        uapi.BPF_PROG_TYPE_TRACING,
        uapi.BPF_PROG_TYPE_LSM,
        uapi.BPF_PROG_TYPE_STRUCT_OPS,
        uapi.BPF_PROG_TYPE_EXT,
    }
)
_TEXT_SPARE = 32  # slots of text for each instruction: xlate expands them
_WHAT = "BPF_PROG_LOAD"


def prog_load(kernel: Kernel, attr: ProgLoadAttr) -> int:
    """BPF_PROG_LOAD."""
    prog_type = _check_attr(kernel, attr)
    dst_prog, attach_btf = _attach_target(kernel, attr, prog_type)
    insns = decode_insns(kernel.user.read(attr.insns, 8 * attr.insn_cnt))
    license_ = kernel.user.read_str(attr.license, _LICENSE_BYTES)
    if prog_type is None:
        raise SyscallError(EINVAL, _WHAT, hint=f"no program type {attr.prog_type}")
    load_time = kernel.clock.now_ns(CLOCK_BOOTTIME)
    name = obj_name(attr.prog_name)
    log = UserLog(kernel.user, attr.log_level, attr.log_buf, attr.log_size, _WHAT)
    fds = FdArray(kernel, attr)
    btf, func_info, line_info = _btf_records(kernel, attr)
    program = Program(
        name=name,
        prog_type=attr.prog_type,
        insns=insns,
        license=license_.decode("utf-8", "replace"),
        gpl_compatible=license_ in _GPL_COMPATIBLE,
        expected_attach_type=attr.expected_attach_type,
        prog_flags=attr.prog_flags,
        attach_btf_id=attr.attach_btf_id,
        attach_btf=attach_btf.btf if attach_btf is not None else None,
        attach_prog=dst_prog.verified if dst_prog is not None else None,
        btf=btf.btf if btf is not None else None,
        func_info=tuple(FuncInfo(*struct.unpack_from("<II", record)) for record in func_info),
        line_info=_lines(btf.btf, line_info) if btf is not None else (),
        resolve_map=fds.resolve_map,
        resolve_btf=fds.resolve_btf,
        caps=kernel.caps,
        kern_version=attr.kern_version,
    )
    verified = _verify(kernel, program, attr, log)
    xlated, text, unsupported = _translate(kernel, verified)
    prog = BpfProg(
        name=name,
        prog_type=prog_type,
        expected_attach_type=attr.expected_attach_type,
        verified=verified,
        xlated=xlated,
        text=text,
        gpl_compatible=program.gpl_compatible,
        load_time=load_time,
        prog_flags=attr.prog_flags,
        created_by_uid=kernel.task.uid,
        btf=btf,
        attach_btf=attach_btf,
        attach_btf_id=attr.attach_btf_id,
        dst_prog=dst_prog,
        func_info=b"".join(record[: BpfFuncInfo.SIZE] for record in func_info),
        line_info=b"".join(record[: BpfLineInfo.SIZE] for record in line_info),
        unsupported=unsupported,
    )
    used = [kernel.maps.get(n, "map") for n in dict.fromkeys([*fds.bound, *(meta.id for meta in verified.used_maps)])]
    if not all(bpf_map.admit(prog) for bpf_map in used if isinstance(bpf_map, ProgArray)):
        kernel.space.free(text)
        raise SyscallError(EINVAL, _WHAT, hint="a program array that it refers to holds programs of another kind")
    for obj in (btf, attach_btf, dst_prog):
        if obj is not None:
            obj.refcnt += 1
    for bpf_map in used:
        bpf_map.refcnt += 1
        prog.used_maps.append(bpf_map)
    kernel.runs.add(prog)
    prog.id = kernel.progs.alloc(prog)
    return kernel.fds.install(File("prog", prog))


# What bpf_prog_load() refuses before it copies anything; None for a type that does not exist.
def _check_attr(kernel: Kernel, attr: ProgLoadAttr) -> ProgType | None:
    caps = kernel.caps
    if attr.prog_flags & ~_PROG_FLAGS:
        raise SyscallError(EINVAL, _WHAT)
    for used, feature in (
        (attr.prog_flags & uapi.BPF_F_TOKEN_FD, "BPF tokens"),
        (attr.signature or attr.signature_size, "signed programs"),
        (attr.core_relo_cnt, "CO-RE relocations by the kernel"),
        (attr.prog_ifindex, "programs bound to a device"),
    ):
        if used:
            raise Unsupported(feature)
    prog_type = kernel.registry.prog_types.get(attr.prog_type)
    if prog_type is not None and prog_type.default_attach_type and not attr.expected_attach_type:
        attr.expected_attach_type = prog_type.default_attach_type
    if not caps.bpf and attr.prog_type not in (uapi.BPF_PROG_TYPE_SOCKET_FILTER, uapi.BPF_PROG_TYPE_CGROUP_SKB):
        raise SyscallError(EPERM, _WHAT, hint="CAP_BPF is missing")
    if not 0 < attr.insn_cnt <= (_COMPLEXITY_LIMIT_INSNS if caps.bpf else _MAXINSNS):
        raise SyscallError(E2BIG, _WHAT)
    if prog_type is not None and prog_type.net_admin and not caps.net_admin:
        raise SyscallError(EPERM, _WHAT, hint="CAP_NET_ADMIN is missing")
    if prog_type is not None and prog_type.perfmon and not caps.perfmon:
        raise SyscallError(EPERM, _WHAT, hint="CAP_PERFMON is missing")
    return prog_type


# The program or BTF a program attaches to, and bpf_prog_load_check_attach().
def _attach_target(
    kernel: Kernel, attr: ProgLoadAttr, prog_type: ProgType | None
) -> tuple[BpfProg | None, BtfObject | None]:
    dst_prog: BpfProg | None = None
    attach_btf: BtfObject | None = None
    if attr.attach_prog_fd:
        try:
            file = kernel.fds.get(attr.attach_prog_fd)
        except SyscallError:
            raise SyscallError(EINVAL, _WHAT) from None
        if file.kind == "prog":
            dst_prog = file.obj
        elif file.kind == "btf":
            attach_btf = file.obj
            if not file.obj.kernel_btf:
                raise SyscallError(ENOTSUPP, _WHAT)
        else:
            raise SyscallError(EINVAL, _WHAT)
    elif attr.attach_btf_id:
        attach_btf = kernel.vmlinux_object()
        if attach_btf is None:
            raise SyscallError(EINVAL, _WHAT, hint="the kernel has no BTF")
    refused = (
        (attr.attach_btf_id > _BTF_MAX_TYPE)
        or (attr.attach_btf_id and attr.prog_type not in _BTF_ATTACHED)
        or (attach_btf is not None and (not attr.attach_btf_id or dst_prog is not None))
        or (dst_prog is not None and attr.prog_type not in (uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_PROG_TYPE_EXT))
        or (
            prog_type is not None
            and prog_type.load_attach_types is not None
            and attr.expected_attach_type not in prog_type.load_attach_types
        )
    )
    if refused:
        raise SyscallError(EINVAL, _WHAT)
    return dst_prog, attach_btf


class FdArray:
    """How a program's instructions name maps and BTF: by fd, or by index into ``fd_array``.

    :ivar bound: ids of the maps that fd_array_cnt binds to the program.
    """

    def __init__(self, kernel: Kernel, attr: ProgLoadAttr) -> None:
        self._kernel = kernel
        self._address = attr.fd_array
        self.bound: list[int] = []
        if attr.fd_array_cnt >= 2**31 // 4:
            raise SyscallError(EINVAL, _WHAT)
        for index in range(attr.fd_array_cnt):
            file = kernel.fds.get(self._fd(index))
            if file.kind == "map":
                self.bound.append(file.obj.id)
            elif file.kind != "btf":
                raise SyscallError(EINVAL, _WHAT)

    def _fd(self, index: int) -> int:
        if not self._address:
            raise SyscallError(EFAULT, "fd_array")
        fd: int = struct.unpack("<i", self._kernel.user.read(self._address + 4 * index, 4))[0]
        return fd

    def resolve_map(self, fd: int, by_index: bool = False) -> MapMeta:
        """The map. :raises SyscallError: EBADF, EINVAL, EFAULT."""
        meta: MapMeta = self._kernel.get_file(self._fd(fd) if by_index else fd, "map").obj.meta
        return meta

    def resolve_btf(self, index: int) -> Btf:
        """BTF of a module. :raises SyscallError: EBADF, EINVAL, EFAULT."""
        return self._kernel.get_btf(self._fd(index)).btf


# func_info and line_info records, as long as the caller's; check_btf_info().
def _btf_records(kernel: Kernel, attr: ProgLoadAttr) -> tuple[BtfObject | None, list[bytes], list[bytes]]:
    if not attr.func_info_cnt and not attr.line_info_cnt:
        return None, [], []
    btf = kernel.get_btf(attr.prog_btf_fd)
    if btf.kernel_btf:
        raise SyscallError(EACCES, _WHAT)
    func_info = _records(kernel, attr.func_info, attr.func_info_cnt, attr.func_info_rec_size, BpfFuncInfo.SIZE)
    line_info = _records(kernel, attr.line_info, attr.line_info_cnt, attr.line_info_rec_size, BpfLineInfo.SIZE)
    return btf, func_info, line_info


def _records(kernel: Kernel, address: int, count: int, size: int, known: int) -> list[bytes]:
    if not count:
        return []
    if (size < known and size < 8) or size > 252 or size % 4 or count > 2**31 // known:
        raise SyscallError(EINVAL, _WHAT)
    data = kernel.user.read(address, count * size)
    records = [data[at : at + size].ljust(known, b"\0") for at in range(0, len(data), size)]
    if any(any(record[known:]) for record in records):
        raise SyscallError(E2BIG, _WHAT)
    return records


def _lines(btf: Btf, records: list[bytes]) -> tuple[LineInfo, ...]:
    lines = []
    for record in records:
        insn_off, file_name_off, line_off, line_col = struct.unpack_from("<IIII", record)
        lines.append(
            LineInfo(insn_off, btf.str_at(file_name_off), btf.str_at(line_off), line_col >> 10, line_col & 0x3FF)
        )
    return tuple(lines)


# bpf_check() with its log: the errno of the log wins over the verdict's.
def _verify(kernel: Kernel, program: Program, attr: ProgLoadAttr, log: UserLog) -> VerifiedProgram:
    rejected: VerifierError | None = None
    verified: VerifiedProgram | None = None
    try:
        verified = kernel.pipeline.verify(program, kernel.registry, log_level=attr.log_level)
        text = verified.log
    except VerifierError as error:
        rejected, text = error, error.log
    attr.log_true_size, overflow = log.finish(text)
    if overflow:
        raise SyscallError(overflow, _WHAT, log=text) from rejected
    if rejected is not None:
        raise SyscallError(rejected.errno, _WHAT, log=text, hint=rejected.message) from rejected
    assert verified is not None
    return verified


# A program that uses what does not exist at run time is loaded all the same: verdict and dump do not depend on it.
def _translate(kernel: Kernel, verified: VerifiedProgram) -> tuple[XlatedProgram, Region, Unsupported | None]:
    size = 8 * (len(verified.insns) + 8) * _TEXT_SPARE
    text = kernel.space.alloc(size, name=f"text of {verified.program.name or 'a program'}", writable=False)
    kernel.space.set_bounds(text, text.first, 0)  # an address, nothing to read

    def map_layout(meta: MapMeta) -> MapLayout:
        return kernel.maps.get(meta.id, "map").layout()

    try:
        xlated = kernel.pipeline.xlate(
            verified, kernel.registry, map_layout=map_layout, text=text.first, symbol_address=kernel.symbol_address
        )
    except Unsupported as error:
        name, prog_type = verified.program.name, verified.program.prog_type
        untranslated = XlatedProgram(
            verified, name, prog_type, verified.insns, verified.subprogs, aux=verified.aux, line_info=verified.line_info
        )
        return untranslated, text, error
    except BaseException:
        kernel.space.free(text)
        raise
    return xlated, text, None


def prog_get_next_id(kernel: Kernel, attr: GetIdAttr) -> int:
    """BPF_PROG_GET_NEXT_ID."""
    return kernel.next_id(kernel.progs, attr, "prog")


def prog_get_fd_by_id(kernel: Kernel, attr: GetIdAttr) -> int:
    """BPF_PROG_GET_FD_BY_ID."""
    if not kernel.caps.sys_admin:
        raise SyscallError(EPERM, "BPF_PROG_GET_FD_BY_ID")
    prog = kernel.progs.get(attr.start_id, "prog")
    prog.refcnt += 1
    return kernel.fds.install(File("prog", prog))


def prog_bind_map(kernel: Kernel, attr: ProgBindMapAttr) -> int:
    """BPF_PROG_BIND_MAP."""
    if attr.flags:
        raise SyscallError(EINVAL, "BPF_PROG_BIND_MAP")
    prog: BpfProg = kernel.get_file(attr.prog_fd, "prog").obj
    bpf_map = kernel.get_file(attr.map_fd, "map").obj
    if bpf_map not in prog.used_maps:
        bpf_map.refcnt += 1
        prog.used_maps.append(bpf_map)
    return 0


COMMANDS: dict[int, Callable[[Kernel, Any], int]] = {
    uapi.BPF_PROG_LOAD: prog_load,
    uapi.BPF_PROG_GET_NEXT_ID: prog_get_next_id,
    uapi.BPF_PROG_GET_FD_BY_ID: prog_get_fd_by_id,
    uapi.BPF_PROG_BIND_MAP: prog_bind_map,
}
