"""Values for a program's externs: kernel configuration, kernel symbols, kernel functions.

:see: tools/lib/bpf/libbpf.c:bpf_object__resolve_externs
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from beespace.api.kernel_types import Found, KernelTypes
from beespace.btf import KIND_NAMES, Btf
from beespace.btf.core_compat import types_are_compat
from beespace.elf import ExternSpec, KcfgType, ObjectSpec
from beespace.errors import ElfError
from beespace.uapi import bpf as uapi
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.api.calls import LoadingKernel

__all__ = ["Ksym", "fill_kconfig", "kernel_version", "resolve_ksyms"]

_TRISTATE = {"n": 0, "y": 1, "m": 2}  # enum libbpf_tristate
_WRAPPER_ARCHES = ("x86_64", "aarch64", "s390x", "riscv64")


@frozen
class Ksym:
    """What a ksym or kfunc resolved to: an address, or a type of the kernel. Neither: a weak one that is not there."""

    address: int = 0
    found: Found | None = None


# ------------------------------------------------------------------------------------------------------- kconfig


def kernel_version(kernel: LoadingKernel) -> int:
    """KERNEL_VERSION() of the kernel, u32."""
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", kernel.release())
    major, minor, patch = (int(n or 0) for n in numbers.groups()) if numbers else (0, 0, 0)
    return major << 16 | minor << 8 | min(patch, 255)


def fill_kconfig(spec: ObjectSpec, kernel: LoadingKernel, extra: Mapping[str, str], memory: bytearray) -> None:
    """Write the kconfig externs into *memory*, the value of the ``.kconfig`` map.

    :param extra: CONFIG_* -> value as in a .config file; wins over the kernel's.
    :raises ElfError: a value that does not fit its extern, a strong extern without value.
    """
    externs = [extern for extern in spec.externs.values() if extern.kind == "kconfig"]
    config: Mapping[str, str] | None = None
    for extern in externs:
        if extern.name.startswith("CONFIG_"):
            value = extra.get(extern.name)
            if value is None:
                config = kernel.config() if config is None else config
                value = config.get(extern.name)
            if value is not None:
                _put(spec, extern, memory, _parse(spec, extern, value))
            elif not extern.is_weak:
                raise ElfError(f"extern '{extern.name}' (strong): not resolved", path=spec.path)
        else:
            _put(spec, extern, memory, _virtual(spec, extern, kernel))


def _virtual(spec: ObjectSpec, extern: ExternSpec, kernel: LoadingKernel) -> int:
    match extern.name:
        case "LINUX_KERNEL_VERSION":
            return kernel_version(kernel)
        case "LINUX_HAS_BPF_COOKIE":
            return int(kernel.features.has("5.15", ""))
        case "LINUX_HAS_SYSCALL_WRAPPER":
            return int(kernel.features.has("4.17", "") and kernel.features.arch in _WRAPPER_ARCHES)
        case name if name.startswith("LINUX_") and extern.is_weak:
            return 0
        case name:
            raise ElfError(f"extern (kcfg) '{name}': unrecognized virtual extern", path=spec.path)


def _parse(spec: ObjectSpec, extern: ExternSpec, value: str) -> int | bytes:
    def fail(message: str) -> ElfError:
        return ElfError(f"extern (kcfg) '{extern.name}': {message}", path=spec.path)

    if value[:1] == '"':
        if extern.kcfg != KcfgType.CHAR_ARR:
            raise fail(f"value '{value}' implies char array type")
        if len(value) < 2 or value[-1] != '"':
            raise fail(f"invalid string config '{value}'")
        return value[1:-1].encode()[: extern.size - 1]
    if value in _TRISTATE:
        match extern.kcfg:
            case KcfgType.BOOL if value != "m":
                return int(value == "y")
            case KcfgType.TRISTATE:
                return _TRISTATE[value]
            case KcfgType.CHAR:
                return ord(value)
            case _:
                raise fail(f"value '{value}' implies bool, tristate, or char type")
    try:
        number = int(value, 0)
    except ValueError:
        raise fail(f"value '{value}' isn't a valid integer") from None
    if extern.kcfg not in (KcfgType.INT, KcfgType.CHAR):
        raise fail(f"value '{value}' implies integer type")
    return number


def _put(spec: ObjectSpec, extern: ExternSpec, memory: bytearray, value: int | bytes) -> None:
    if isinstance(value, bytes):
        data = value.ljust(extern.size, b"\0")
    else:
        bits = 8 * extern.size
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if extern.kcfg_signed else (0, (1 << bits) - 1)
        if extern.kcfg == KcfgType.BOOL:
            high = 1
        if not low <= value <= high or extern.kcfg == KcfgType.CHAR_ARR:
            message = f"extern (kcfg) '{extern.name}': value '{value}' doesn't fit in {extern.size} bytes"
            raise ElfError(message, path=spec.path)
        data = (value & (1 << bits) - 1).to_bytes(extern.size, "little")
    memory[extern.data_off : extern.data_off + extern.size] = data


# ---------------------------------------------------------------------------------------------- ksyms and kfuncs


def resolve_ksyms(spec: ObjectSpec, kernel: LoadingKernel, kernel_types: KernelTypes) -> dict[str, Ksym]:
    """Every ksym and kfunc of the object.

    :raises ElfError: a strong one that is not there or of an incompatible type.
    """
    externs = [extern for extern in spec.externs.values() if extern.kind != "kconfig"]
    typeless = {extern.name for extern in externs if not extern.ksym_type_id}
    addresses = _addresses(spec, kernel, typeless) if typeless else {}
    resolved = {}
    for extern in externs:
        if extern.ksym_type_id:
            assert spec.btf is not None
            resolved[extern.name] = Ksym(found=_typed(spec, spec.btf, extern, kernel_types))
        else:
            resolved[extern.name] = Ksym(address=addresses.get(extern.name, 0))
            if extern.name not in addresses and not extern.is_weak:
                raise ElfError(f"extern '{extern.name}' (strong): not resolved", path=spec.path)
    return resolved


def _typed(spec: ObjectSpec, btf: Btf, extern: ExternSpec, kernel_types: KernelTypes) -> Found | None:
    def fail(message: str) -> ElfError:
        what = "func" if extern.kind == "kfunc" else "var"
        return ElfError(f"extern ({what} ksym) '{extern.name}': {message}", path=spec.path)

    if extern.kind == "kfunc":
        found = kernel_types.find(extern.kernel_name, uapi.BTF_KIND_FUNC)
        missing = "not found in kernel or module BTFs"
    else:
        found = kernel_types.find(extern.name, uapi.BTF_KIND_VAR)
        missing = "not found in kernel BTF"
    if found is None:
        if extern.is_weak:
            return None
        raise fail(missing)
    target_id = found.btf.skip_mods_and_typedefs(getattr(found.btf.type(found.type_id), "type", 0))
    if types_are_compat(btf, extern.ksym_type_id, found.btf, target_id):
        return found
    if extern.kind == "kfunc":
        if extern.is_weak:
            return None
        where = found.module.name if found.module else "vmlinux"
        raise fail(f"func_proto [{extern.ksym_type_id}] incompatible with {where} [{target_id}]")
    local, target = btf.type(extern.ksym_type_id), found.btf.type(target_id)
    raise fail(
        f"incompatible types, expected [{extern.ksym_type_id}] {KIND_NAMES[local.kind].lower()} {local.name}, "
        f"but kernel has [{target_id}] {KIND_NAMES[target.kind].lower()} {target.name}"
    )


def _addresses(spec: ObjectSpec, kernel: LoadingKernel, names: set[str]) -> dict[str, int]:
    # :see: tools/lib/bpf/libbpf.c:kallsyms_cb
    found: dict[str, int] = {}
    for address, kind, name in kernel.kallsyms():
        if kind == "d" and ".llvm." in name:
            name = name.split(".llvm.", 1)[0]
        if name not in names:
            continue
        if found.setdefault(name, address) != address:
            message = f"resolution is ambiguous: {found[name]:#x} or {address:#x}"
            raise ElfError(f"extern (ksym) '{name}': {message}", path=spec.path)
    return found
