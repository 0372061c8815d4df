"""Loading, step by step: externs, struct_ops, CO-RE, BTF, maps, programs.

:see: tools/lib/bpf/libbpf.c:bpf_object_load
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from beespace.api.attach_target import resolve_attach_target
from beespace.api.calls import Buffer
from beespace.api.create import create_maps, init_prog_arrays
from beespace.api.externs import Ksym, fill_kconfig, kernel_version, resolve_ksyms
from beespace.api.kernel_types import KernelTypes
from beespace.api.sections import describe_known
from beespace.api.struct_ops import init_struct_ops
from beespace.api.verifier_log import POISON_KFUNC, POISON_MAP, explain_poison, parse_log
from beespace.btf import CoreRelo, encode_func_info, encode_line_info
from beespace.btf.core import CoreRelocator
from beespace.btf.core_compat import essential_name
from beespace.btf.ext import FUNC_INFO_SIZE, LINE_INFO_SIZE
from beespace.elf import ExternRef, KfuncRef, LinkedProgram, MapRef, MapValueRef, ProgSpec, link
from beespace.errors import ElfError, SyscallError, VerifierError
from beespace.isa.insn import Insn, encode_insns
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import ProgLoadAttr

if TYPE_CHECKING:
    from beespace.api.object import Object
    from beespace.api.program import Program

__all__ = ["load_object"]

_LOG_SIZE = 1 << 24  # BPF_LOG_BUF_SIZE of libbpf
_BTF_LOG_SIZE = 1 << 20
_LOG_MAX = 1 << 30  # the kernel refuses more than UINT_MAX >> 2
_CALL = 0x85


def load_object(obj: Object) -> None:
    """Object.load()."""
    kernel_types = KernelTypes(obj.calls)
    try:
        _Loader(obj, kernel_types).load()
    finally:
        kernel_types.close()


class _Loader:
    def __init__(self, obj: Object, kernel_types: KernelTypes) -> None:
        self.obj = obj
        self.calls = obj.calls
        self.types = kernel_types
        self.ksyms: dict[str, Ksym] = {}
        self.fd_array: list[int] = []
        self.btf_fd = 0
        self._relocated: dict[tuple[int, int], ProgSpec] = {}  # by section and offset
        self._relocators: dict[bool, CoreRelocator] = {}

    def load(self) -> None:
        obj = self.obj
        self.resolve_externs()
        struct_ops = init_struct_ops(obj, self.types)
        linked = {prog.name: self.link(prog) for prog in obj.progs if prog.autoload}
        self.load_btf()
        create_maps(obj, self.btf_fd, struct_ops)
        for prog in obj.progs:
            if prog.autoload:
                self.load_prog(prog, linked[prog.name])
        init_prog_arrays(obj)
        for name, ops in struct_ops.items():
            for off, prog in ops.slots.items():
                ops.value[off : off + 8] = prog.fd.to_bytes(8, "little")
            obj.maps[name].kernel_value = bytes(ops.value)
            obj.maps[name].memory = memoryview(bytes(obj.maps[name].memory or b""))  # too late to change it

    # ------------------------------------------------------------------------------------------------- symbols

    def resolve_externs(self) -> None:
        spec, kernel = self.obj.spec, self.obj.kernel
        if ".kconfig" in spec.maps:
            memory = self.obj.maps[".kconfig"].memory
            assert isinstance(memory, bytearray)
            fill_kconfig(spec, kernel, self.obj.kconfig, memory)
        self.ksyms = resolve_ksyms(spec, kernel, self.types)

    # ---------------------------------------------------------------------------------------------------- code

    def link(self, prog: Program) -> LinkedProgram:
        """The program with its subprograms, CO-RE relocations applied."""
        spec = self.obj.spec
        subprogs = tuple(self.relocate_core(func) for func in spec.subprograms)
        return link(spec, self.relocate_core(prog.spec), subprogs)

    def relocate_core(self, func: ProgSpec) -> ProgSpec:
        if not func.core_relos:
            return func
        where = (func.section_index, func.insn_off)
        done = self._relocated.get(where)
        if done is None:
            insns = list(func.insns)
            for number, relo in enumerate(func.core_relos):
                patched = self._relocator(relo).relocate(insns, relo.insn_off, relo, number, prog_name=func.name)[0]
                insns[relo.insn_off : relo.insn_off + len(patched)] = (Insn(*insn) for insn in patched)
            done = self._relocated[where] = replace(func, insns=tuple(insns))
        return done

    def _relocator(self, relo: CoreRelo) -> CoreRelocator:
        # The modules' types are looked at only when the kernel itself has none of the name.
        local = self.obj.codecs.btf
        custom = self.obj.btf_custom
        vmlinux = custom if custom is not None else self.types.vmlinux
        name = essential_name(local.name_of(relo.type_id))
        with_modules = custom is None and bool(name) and not vmlinux.find_flavors(name)
        found = self._relocators.get(with_modules)
        if found is None:
            modules = [module.btf for module in self.types.modules] if with_modules else []
            found = self._relocators[with_modules] = CoreRelocator(local, [vmlinux, *modules])
        return found

    def patch(self, linked: LinkedProgram) -> tuple[Insn, ...]:
        """The instructions with fds, addresses and ids of the kernel in them.

        :see: tools/lib/bpf/libbpf.c:bpf_object__relocate_data
        """
        insns = list(linked.insns)
        for ref in linked.refs:
            at = ref.insn_idx
            match ref:
                case KfuncRef():
                    insns[at] = self._kfunc_call(insns[at], ref.extern)
                case MapRef():
                    insns[at : at + 2] = self._map_load(insns[at : at + 2], ref.map, uapi.BPF_PSEUDO_MAP_FD, 0)
                case MapValueRef():
                    off = insns[at].imm + ref.off
                    insns[at : at + 2] = self._map_load(insns[at : at + 2], ref.map, uapi.BPF_PSEUDO_MAP_VALUE, off)
                case ExternRef():
                    insns[at : at + 2] = self._extern_load(insns[at : at + 2], ref.extern)
        return tuple(insns)

    def _map_load(self, pair: Sequence[Insn], name: str, pseudo: int, off: int) -> list[Insn]:
        bpf_map = self.obj.maps[name]
        if not bpf_map.autocreate:
            number = list(self.obj.spec.maps).index(name)
            return [Insn(_CALL, 0, 0, 0, POISON_MAP + number)] * 2
        high = pair[1]._replace(imm=_s32(off)) if pseudo == uapi.BPF_PSEUDO_MAP_VALUE else pair[1]
        return [pair[0]._replace(src_reg=pseudo, imm=bpf_map.fd), high]

    def _extern_load(self, pair: Sequence[Insn], name: str) -> list[Insn]:
        extern = self.obj.spec.externs[name]
        if extern.kind == "kconfig":
            return self._map_load(pair, ".kconfig", uapi.BPF_PSEUDO_MAP_VALUE, extern.data_off)
        ksym = self.ksyms[name]
        if ksym.found is not None:
            first = pair[0]._replace(src_reg=uapi.BPF_PSEUDO_BTF_ID, imm=ksym.found.type_id)
            return [first, pair[1]._replace(imm=ksym.found.btf_fd)]
        return [pair[0]._replace(imm=_s32(ksym.address)), pair[1]._replace(imm=_s32(ksym.address >> 32))]

    def _kfunc_call(self, insn: Insn, name: str) -> Insn:
        found = self.ksyms[name].found
        if found is None:
            return Insn(_CALL, 0, 0, 0, POISON_KFUNC + list(self.obj.spec.externs).index(name))
        off = self._module_index(found.btf_fd)
        return insn._replace(src_reg=uapi.BPF_PSEUDO_KFUNC_CALL, imm=found.type_id, off=off)

    def _module_index(self, fd: int) -> int:
        # of a module's BTF in fd_array, whose index 0 is not used; vmlinux is 0
        if fd and fd not in self.fd_array:
            self.fd_array.extend([fd] if self.fd_array else [0, fd])
        return self.fd_array.index(fd) if fd else 0

    # ------------------------------------------------------------------------------------------------- loading

    def load_btf(self) -> None:
        """BTF_LOAD; optional unless maps or programs cannot do without.

        :see: tools/lib/bpf/libbpf.c:bpf_object__sanitize_and_load_btf
        """
        obj = self.obj
        if obj.btf is None:
            return
        try:
            self.btf_fd = obj.fds.own(self.calls.btf_load(obj.btf.raw))
        except SyscallError as e:
            log = Buffer(_BTF_LOG_SIZE)
            try:
                self.btf_fd = obj.fds.own(self.calls.btf_load(obj.btf.raw, log))
                return
            except SyscallError:
                error = SyscallError(e.errno or 0, "BPF_BTF_LOAD", hint=_last_line(log.text) or e.hint, log=log.text)
            if any(spec.struct_ops for spec in obj.spec.maps.values()):
                raise error from None
            obj.warnings.append(f"Error loading .BTF into kernel: {error}. BTF is optional, ignoring.")

    def load_prog(self, prog: Program, linked: LinkedProgram) -> None:
        """PROG_LOAD, a second time with a log when it is refused.

        :see: tools/lib/bpf/libbpf.c:bpf_object_load_prog
        """
        self._check_type(prog)
        flags, section = prog.flags, prog.section_def
        if section is not None:
            if "sleepable" in section.flags:
                flags |= uapi.BPF_F_SLEEPABLE
            if "xdp_frags" in section.flags:
                flags |= uapi.BPF_F_XDP_HAS_FRAGS
            if "usdt" in section.flags:
                prog.expected_attach_type = uapi.BPF_TRACE_UPROBE_MULTI
            if "attach_btf" in section.flags and not prog.attach_btf_id:
                self._find_attach_target(prog)
        if not prog.has_own_insns:
            prog.set_linked(linked, self.patch(linked))
        with_info = bool(self.btf_fd) and not prog.has_own_insns
        insns = Buffer(encode_insns(prog.insns))
        gpl = Buffer(self.obj.spec.license.encode() + b"\0")
        func_info = Buffer(encode_func_info(linked.func_info) if with_info else b"")
        line_info = Buffer(encode_line_info(linked.line_info) if with_info else b"")
        fds = Buffer(b"".join(fd.to_bytes(4, "little") for fd in self.fd_array))
        record = ProgLoadAttr(
            prog_type=prog.prog_type,
            insn_cnt=len(prog.insns),
            insns=insns.address,
            license=gpl.address,
            kern_version=self.obj.spec.version or kernel_version(self.obj.kernel),
            prog_flags=flags,
            expected_attach_type=prog.expected_attach_type,
            attach_btf_id=prog.attach_btf_id,
            attach_prog_fd=prog.attach_prog_fd or prog.attach_btf_obj_fd,
            prog_btf_fd=self.btf_fd if with_info else 0,
            fd_array=fds.address if fds.size else 0,
        )
        if func_info.size:
            record.func_info, record.func_info_rec_size = func_info.address, FUNC_INFO_SIZE
            record.func_info_cnt = func_info.size // FUNC_INFO_SIZE
        if line_info.size:
            record.line_info, record.line_info_rec_size = line_info.address, LINE_INFO_SIZE
            record.line_info_cnt = line_info.size // LINE_INFO_SIZE
        prog.set_fd(self._prog_load(prog, record))
        self._bind_rodata(prog)

    def _prog_load(self, prog: Program, record: ProgLoadAttr) -> int:
        size = prog.log_size or _LOG_SIZE
        record.log_level = prog.log_level
        while True:
            log = Buffer(size) if record.log_level else None
            record.log_buf, record.log_size = (log.address, log.size) if log else (0, 0)
            try:
                fd = self.calls.prog_load(record, prog.name)
            except SyscallError as e:
                if log is None:
                    record.log_level = 1
                elif e.errno == errno.ENOSPC and size < _LOG_MAX and not prog.log_size:
                    size *= 4
                else:
                    raise self._refusal(prog, e, log.text) from None
            else:
                prog.log = log.text if log else ""
                return fd

    def _refusal(self, prog: Program, error: SyscallError, log: str) -> SyscallError | VerifierError:
        prog.log = log
        maps, externs = list(self.obj.spec.maps), list(self.obj.spec.externs)
        rejected = error.__cause__  # the simulated kernel's has more than the log
        if isinstance(rejected, VerifierError):
            rejected.errno, rejected.log = error.errno or 0, log
            rejected.prog_name = prog.name  # all of it, not the 15 characters that the kernel keeps
            rejected.obligation = rejected.obligation or explain_poison(rejected.message, maps, externs)
            return rejected
        return parse_log(log, error.errno or 0, prog.name, maps, externs) if log.strip() else error

    def _check_type(self, prog: Program) -> None:
        if prog.prog_type == uapi.BPF_PROG_TYPE_UNSPEC:
            raise ElfError(
                f"prog '{prog.name}': missing BPF prog type, check ELF section name '{prog.section}'",
                path=self.obj.spec.path,
                expected=describe_known(prog.section, self.obj.sections),
                found=prog.section,
            )
        if prog.prog_type == uapi.BPF_PROG_TYPE_STRUCT_OPS and not prog.attach_btf_id:
            raise ElfError(
                f"prog '{prog.name}': SEC(\"struct_ops\") program isn't referenced anywhere, did you forget to use it?",
                path=self.obj.spec.path,
            )

    def _find_attach_target(self, prog: Program) -> None:
        _, slash, target = prog.section.partition("/")
        if not slash:
            hint = "no BTF-based attach target is specified, use set_attach_target()"
            raise SyscallError(errno.EINVAL, f"prog {prog.name}", hint=hint)
        resolve_attach_target(self.calls, self.types, prog, target, prog.attach_prog_fd)

    def _bind_rodata(self, prog: Program) -> None:
        for bpf_map in self.obj.maps:
            if bpf_map.spec.kind == "rodata" and bpf_map.is_created:
                try:
                    self.calls.prog_bind_map(prog.fd, bpf_map.fd)
                except SyscallError as e:
                    self.obj.warnings.append(f"prog '{prog.name}': failed to bind map '{bpf_map.name}': {e}")


def _s32(value: int) -> int:
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def _last_line(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
