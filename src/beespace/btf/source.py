"""Where BTF comes from: the running kernel, a file (raw or ELF), or beespace's own.

:see: tools/lib/bpf/btf.c:btf__load_vmlinux_btf, btf__parse
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from beespace.btf.btf import BTF_MAGIC, VMLINUX, Btf
from beespace.btf.bundled import bundled_btf
from beespace.errors import BtfError

__all__ = ["VMLINUX_IMAGES", "elf_section", "open_btf", "open_kernel_btf", "target_btf"]

VMLINUX_IMAGES = (
    "/boot/vmlinux-{release}",
    "/lib/modules/{release}/vmlinux-{release}",
    "/lib/modules/{release}/build/vmlinux",
    "/usr/lib/modules/{release}/kernel/vmlinux",
    "/usr/lib/debug/boot/vmlinux-{release}",
    "/usr/lib/debug/boot/vmlinux-{release}.debug",
    "/usr/lib/debug/lib/modules/{release}/vmlinux",
)
"""Images of the running kernel that may hold its BTF, where libbpf looks when sysfs has none."""

_ELF = b"\x7fELF"
# e_ident's class -> e_shoff and its format, then e_shentsize..e_shstrndx; and sh_name, sh_offset, sh_size of a section
_LAYOUTS = {1: (32, "I", 46, 40, "I12xII"), 2: (40, "Q", 58, 64, "I20xQQ")}


def elf_section(data: bytes, name: str, path: str = "") -> bytes | None:
    """The contents of the first section called *name* of an ELF file, ``None`` when there is none.

    Reads nothing but section headers; objects as such are read by beespace.elf.

    :raises BtfError: a header is outside of the file.
    """
    where = path or None
    try:
        layout = _LAYOUTS[data[4]]
        order = {1: "<", 2: ">"}[data[5]]
        (shoff,) = struct.unpack_from(order + layout[1], data, layout[0])
        entsize, count, strndx = struct.unpack_from(order + "3H", data, layout[2])
        headers = [struct.unpack_from(order + layout[4], data, shoff + i * entsize) for i in range(count)]
        _, names_at, names_size = headers[strndx] if headers else (0, 0, 0)
    except (KeyError, IndexError, struct.error):
        raise BtfError("malformed ELF header", path=where) from None
    names = data[names_at : names_at + names_size]
    for name_at, offset, size in headers:
        if names[name_at:].split(b"\0", 1)[0] == name.encode():
            if offset + size > len(data):
                raise BtfError(f"section {name} exceeds the file", path=where, offset=offset)
            return data[offset : offset + size]
    return None


def open_btf(path: str | os.PathLike[str], *, base: Btf | None = None) -> Btf:
    """BTF from a file: raw (as /sys/kernel/btf/* or bpftool btf dump ... format raw), or section .BTF of an ELF file.

    :raises BtfError: unreadable, or neither.
    :see: tools/lib/bpf/btf.c:btf__parse_split
    """
    text = os.fspath(path)
    try:
        data = Path(path).read_bytes()
    except OSError as err:
        raise BtfError(err.strerror or "unreadable", path=text, errno=err.errno or 5) from err
    if data[:4] == _ELF:
        section = elf_section(data, ".BTF", text)
        if section is None:
            raise BtfError("no .BTF section", path=text)
        return Btf.parse(section, base=base, name=text)
    if BTF_MAGIC not in (int.from_bytes(data[:2], "little"), int.from_bytes(data[:2], "big")):
        raise BtfError("neither BTF nor ELF", path=text, offset=0)
    return Btf.parse(data, base=base, name=text)


def open_kernel_btf(release: str | None = None) -> Btf:
    """The running kernel's BTF, from sysfs or else from its image on disk.

    :param release: as ``uname -r``; of the running kernel when not given.
    :raises BtfError: found nowhere.
    """
    if Path(VMLINUX).exists():
        return Btf.vmlinux()
    release = release if release is not None else os.uname().release
    for pattern in VMLINUX_IMAGES:
        path = Path(pattern.format(release=release))
        if path.exists():
            return open_btf(path)
    raise BtfError("the kernel exports no BTF and none of its images has one", path=VMLINUX, errno=2)


def target_btf(source: Btf | str | os.PathLike[str] = "auto") -> Btf:
    """The kernel's types to relocate and verify against, chosen by name or by file.

    :param source: "machine": the running kernel's; "bundled": beespace's own, the same everywhere; "auto": the
        machine's where there is one, else the bundled; otherwise a file for open_btf(), or a Btf as it is.
    :raises BtfError: not there.
    """
    if isinstance(source, Btf):
        return source
    if source == "bundled":
        return bundled_btf()
    if source == "machine":
        return open_kernel_btf()
    if source == "auto":
        return Btf.vmlinux() if Path(VMLINUX).exists() else bundled_btf()
    return open_btf(source)
