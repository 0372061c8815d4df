"""What a kernel has, found out by asking it: as ``bpftool feature probe``, on either kernel.

Nothing is read from a version number: programs are loaded and maps created, and closed at once. Nothing is attached.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beespace.api.calls import Buffer
from beespace.btf import BtfBuilder
from beespace.errors import SyscallError, Unsupported
from beespace.isa import Insn, encode_insns
from beespace.kernel.seam import BpfKernel
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import BtfLoadAttr, MapCreateAttr, ProgLoadAttr
from beespace.uapi.enums import names
from beespace.values import mutable

if TYPE_CHECKING:
    from beespace.decl import ProgType

__all__ = ["ProbedFeatures", "probe_features"]

_LOG_BYTES = 1 << 16
_PAGE = 4096
ENOTSUPP = 524
_EXIT = (Insn(0xB7, 0, 0, 0, 0), Insn(0x95, 0, 0, 0, 0))
_NO_SUCH_CALL = re.compile(r"cannot use helper|unknown func|program of this type")
_SETTINGS = {  # /proc/sys
    "unprivileged_bpf_disabled": "kernel/unprivileged_bpf_disabled",
    "bpf_jit_enable": "net/core/bpf_jit_enable",
    "bpf_jit_harden": "net/core/bpf_jit_harden",
    "bpf_jit_kallsyms": "net/core/bpf_jit_kallsyms",
    "bpf_jit_limit": "net/core/bpf_jit_limit",
}


@mutable
class ProbedFeatures:
    """What was found; names as bpftool prints them ("xdp", "hash", "bpf_map_lookup_elem").

    :ivar system: sysctls that concern BPF, None where the file cannot be read; empty for a simulated kernel.
    :ivar prog_types: whether the kernel knows the type; None where it refuses to tell (EPERM: a capability is missing,
        or a security module objects), as in ``map_types``.
    :ivar helpers: program type -> helpers it may call; types that cannot be probed without a target are absent.
    :ivar kfuncs: the same for kfuncs, when asked for.
    :ivar misc: "large_insn_limit" (more than 4,096 instructions), "bounded_loops", "isa_v2" (jlt ..), "isa_v3" (jmp32),
        "isa_v4" (bswap, movsx, sdiv).
    """

    system: dict[str, int | None] = field(default_factory=dict)
    prog_types: dict[str, bool | None] = field(default_factory=dict)
    map_types: dict[str, bool | None] = field(default_factory=dict)
    helpers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kfuncs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    misc: dict[str, bool] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            name: getattr(self, name) for name in ("system", "prog_types", "map_types", "helpers", "kfuncs", "misc")
        }


def probe_features(kernel: BpfKernel, *, helpers: bool = True, kfuncs: bool = False) -> ProbedFeatures:
    """Ask *kernel* what it has.

    :param helpers: probe every helper for every program type: about 7,000 loads.
    :param kfuncs: probe every kfunc for every program type, too.
    :raises SyscallError: EPERM: bpf(2) is not allowed, so nothing could be told from its answers.
    """
    return _Prober(kernel).probe(helpers, kfuncs)


class _Prober:
    # One kernel; _load() and _create() are the two questions that can be asked.
    def __init__(self, kernel: BpfKernel) -> None:
        self.kernel = kernel
        self.is_real = not hasattr(kernel, "registry")
        self.prog_types: Mapping[int, ProgType] = linux_registry().prog_types

    def probe(self, helpers: bool, kfuncs: bool) -> ProbedFeatures:
        # so that EPERM of everything is an error and not a kernel without features
        self.kernel.close(self.kernel.bpf(uapi.BPF_MAP_CREATE, _map_attr(uapi.BPF_MAP_TYPE_HASH).pack()))
        found = ProbedFeatures()
        if self.is_real:
            found.system = {name: _setting(path) for name, path in _SETTINGS.items()}
        for ptype in self._sorted_types():
            found.prog_types[ptype.name] = self._has_prog_type(ptype)
        for number, name in sorted(names("bpf_map_type").items()):
            if number and not name.startswith("__"):
                found.map_types[_short(name, "BPF_MAP_TYPE_")] = self._has_map_type(number)
        callers = [ptype for ptype in self._sorted_types() if found.prog_types[ptype.name] and ptype.ctx_kind != "btf"]
        if helpers:
            found.helpers = {ptype.name: tuple(self._helpers_of(ptype)) for ptype in callers}
        if kfuncs:
            found.kfuncs = {ptype.name: tuple(self._kfuncs_of(ptype)) for ptype in callers}
        found.misc = self._misc()
        return found

    def _sorted_types(self) -> list[ProgType]:
        return [self.prog_types[number] for number in sorted(self.prog_types)]

    def _load(
        self,
        insns: tuple[Insn, ...],
        prog_type: int,
        attach_type: int = 0,
        flags: int = 0,
        btf_id: int = 0,
        log_level: int = 1,
    ) -> tuple[int, str]:
        # (errno or 0, log); Unsupported counts as ENOTSUPP of a kernel that does not know the thing
        code, license_text, log = Buffer(encode_insns(insns)), Buffer(b"GPL\0"), Buffer(_LOG_BYTES)
        attr = ProgLoadAttr(
            prog_type=prog_type,
            insn_cnt=len(insns),
            insns=code.address,
            license=license_text.address,
            log_level=log_level,
            log_size=_LOG_BYTES,
            log_buf=log.address,
            prog_flags=flags,
            expected_attach_type=attach_type,
            attach_btf_id=btf_id,
        )
        try:
            self.kernel.close(self.kernel.bpf(uapi.BPF_PROG_LOAD, attr.pack()))
        except SyscallError as err:
            return err.errno or 0, log.text
        except Unsupported:
            return ENOTSUPP, ""
        return 0, log.text

    def _has_prog_type(self, ptype: ProgType) -> bool | None:
        # Present is what gets as far as the verifier. Types that need a target in BTF are refused there for the wrong
        # target (type 1 is an int), struct_ops with ENOTSUPP before it.
        target = int(ptype.ctx_kind == "btf" and ptype.name != "struct_ops")
        err, log = self._load(_EXIT, ptype.id, *_how(ptype), target)
        if err == errno.EPERM and not log:
            return None
        return err == 0 or bool(log) or (ptype.name == "struct_ops" and err in (ENOTSUPP, errno.ENOENT))

    def _helpers_of(self, ptype: ProgType) -> Iterator[str]:
        for number, name in sorted(names("bpf_func_id").items()):
            if number and not name.startswith("__"):
                _, log = self._load((Insn(0x85, 0, 0, 0, number), *_EXIT), ptype.id, *_how(ptype))
                if log and not _NO_SUCH_CALL.search(log):
                    yield name.replace("BPF_FUNC_", "bpf_")

    def _kfuncs_of(self, ptype: ProgType) -> Iterator[str]:
        btf = self.kernel.btf_vmlinux()
        for number, name in self._all_kfuncs if btf is not None else ():
            call = Insn(0x85, 0, uapi.BPF_PSEUDO_KFUNC_CALL, 0, number)
            _, log = self._load((call, *_EXIT), ptype.id, *_how(ptype))
            if log and f"calling kernel function {name} is not allowed" not in log:
                yield name

    @property
    def _all_kfuncs(self) -> list[tuple[int, str]]:
        btf = self.kernel.btf_vmlinux()
        assert btf is not None
        known = sorted(linux_registry().kfuncs)
        return [(number, name) for name in known if (number := btf.find(name, uapi.BTF_KIND_FUNC))]

    def _misc(self) -> dict[str, bool]:
        def accepts(*insns: Insn) -> bool:
            # statistics only: 4,096 printed instructions would not fit into the log (ENOSPC)
            return self._load((*insns, *_EXIT), uapi.BPF_PROG_TYPE_SOCKET_FILTER, log_level=4)[0] == 0

        mov = Insn(0xB7, 0, 0, 0, 1)
        return {
            "large_insn_limit": accepts(*[mov] * 4096),
            "bounded_loops": accepts(Insn(0xB7, 0, 0, 0, 10), Insn(0x17, 0, 0, 0, 1), Insn(0x55, 0, 0, -2, 0)),
            "isa_v2": accepts(mov, Insn(0xA5, 0, 0, 1, 0), mov),
            "isa_v3": accepts(mov, Insn(0x16, 0, 0, 1, 0), mov),
            "isa_v4": accepts(mov, Insn(0xD7, 0, 0, 0, 64), Insn(0xBF, 0, 0, 8, 0), Insn(0x37, 0, 0, 1, 3)),
        }

    def _has_map_type(self, map_type: int) -> bool | None:
        attr = _map_attr(map_type)
        fds = []
        try:
            if map_type in (uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS, uapi.BPF_MAP_TYPE_HASH_OF_MAPS):
                inner = MapCreateAttr(map_type=uapi.BPF_MAP_TYPE_HASH, key_size=4, value_size=4, max_entries=1)
                fds.append(self.kernel.bpf(uapi.BPF_MAP_CREATE, inner.pack()))
                attr.inner_map_fd = fds[0]
            if map_type in _WITH_BTF:
                raw = Buffer(_ints())
                btf = BtfLoadAttr(btf=raw.address, btf_size=len(raw.data))
                fds.append(self.kernel.bpf(uapi.BPF_BTF_LOAD, btf.pack()))
                attr.btf_fd, attr.btf_key_type_id, attr.btf_value_type_id = fds[0], 1, 1
            fds.append(self.kernel.bpf(uapi.BPF_MAP_CREATE, attr.pack()))
        except SyscallError as err:
            if err.errno == errno.EPERM:
                return None
            # the value type of a struct_ops map, type 1, is no struct_ops: said only where there are such maps
            return map_type == uapi.BPF_MAP_TYPE_STRUCT_OPS and err.errno == ENOTSUPP
        except Unsupported:
            return False
        finally:
            for fd in fds:
                self.kernel.close(fd)
        return True


def _how(ptype: ProgType) -> tuple[int, int]:
    # (expected attach type, flags) with which programs of the type load
    return min(ptype.load_attach_types or {0}), uapi.BPF_F_SLEEPABLE if ptype.sleepable == "always" else 0


_WITH_BTF = {
    uapi.BPF_MAP_TYPE_SK_STORAGE,
    uapi.BPF_MAP_TYPE_INODE_STORAGE,
    uapi.BPF_MAP_TYPE_TASK_STORAGE,
    uapi.BPF_MAP_TYPE_CGRP_STORAGE,
}
_STORAGE = {"max_entries": 0, "map_flags": uapi.BPF_F_NO_PREALLOC}
# What differs from a map with keys and values of four bytes and one entry.
_MAP_SHAPES: dict[int, dict[str, int]] = {
    uapi.BPF_MAP_TYPE_STACK_TRACE: {"value_size": 8},
    uapi.BPF_MAP_TYPE_LPM_TRIE: {"key_size": 8, "value_size": 8, "map_flags": uapi.BPF_F_NO_PREALLOC},
    uapi.BPF_MAP_TYPE_CGROUP_STORAGE: {"key_size": 16, "value_size": 8, "max_entries": 0},
    uapi.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: {"key_size": 16, "value_size": 8, "max_entries": 0},
    uapi.BPF_MAP_TYPE_QUEUE: {"key_size": 0},
    uapi.BPF_MAP_TYPE_STACK: {"key_size": 0},
    uapi.BPF_MAP_TYPE_BLOOM_FILTER: {"key_size": 0},
    uapi.BPF_MAP_TYPE_RINGBUF: {"key_size": 0, "value_size": 0, "max_entries": _PAGE},
    uapi.BPF_MAP_TYPE_USER_RINGBUF: {"key_size": 0, "value_size": 0, "max_entries": _PAGE},
    uapi.BPF_MAP_TYPE_ARENA: {"key_size": 0, "value_size": 0, "map_flags": uapi.BPF_F_MMAPABLE},
    uapi.BPF_MAP_TYPE_STRUCT_OPS: {"btf_vmlinux_value_type_id": 1},
    **dict.fromkeys(_WITH_BTF, _STORAGE),
}


def _map_attr(map_type: int) -> MapCreateAttr:
    shape = {"key_size": 4, "value_size": 4, "max_entries": 1, **_MAP_SHAPES.get(map_type, {})}
    attr = MapCreateAttr(map_type=map_type)
    for name, value in shape.items():
        setattr(attr, name, value)
    return attr


def _ints() -> bytes:
    builder = BtfBuilder()
    builder.add_int("int", 4, signed=True)
    return builder.build()


def _setting(path: str) -> int | None:
    try:
        return int((Path("/proc/sys") / path).read_text())
    except OSError:
        return None


def _short(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).removesuffix("_DEPRECATED").lower()
