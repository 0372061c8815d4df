"""beespace's own kernel BTF: types for CO-RE and for simulated contexts where there is no kernel to ask.

Names are the kernel's, because programs use them; which fields a struct has, and where, is our own choice. The structs
and enums of the user interface come from beespace.uapi and are laid out as user space knows them. The result is the
same on every machine; ``vmlinux.btf`` holds it, with every kfunc that beespace declares (tools/gen_bundled_btf.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

from beespace.btf.btf import Btf
from beespace.btf.build import BtfBuilder
from beespace.btf.bundled import bpf, common, fs, functions, hid, net, sched_ext, task
from beespace.btf.c_parse import CDeclarations
from beespace.uapi import bpf as uapi
from beespace.uapi import enums, layouts

__all__ = ["AREAS", "build_btf", "bundled_btf", "module_btf"]

AREAS = MappingProxyType(
    {
        "common": common.DECLARATIONS,
        "uapi": "",  # made by _uapi_declarations()
        "fs": fs.DECLARATIONS,
        "task": task.DECLARATIONS,
        "bpf": bpf.DECLARATIONS,
        "net": net.DECLARATIONS,
        "hid": hid.DECLARATIONS,
        "sched_ext": sched_ext.DECLARATIONS,
        "functions": functions.DECLARATIONS,
    }
)
"""The C declarations, by what they are about, in the order in which they need each other."""

# Of the layout tables: BTF's own format is no type of programs. Structs with unions are declared in the areas.
_SKIPPED_PREFIXES = ("btf_",)


def bundled_btf() -> Btf:
    """Open the shipped kernel BTF. Nothing is cached: keep the result."""
    return Btf.parse(Path(__file__).with_name("vmlinux.btf").read_bytes(), name="vmlinux")


def build_btf(*, kfuncs: Iterable[str] = (), declarations: str = "") -> Btf:
    """Build kernel BTF from the declarations, in about 0.1 s.

    :param kfuncs: C prototypes of kernel functions that programs may call; they get the tag ``bpf_kfunc``.
    :param declarations: more C, added at the end.
    """
    builder = BtfBuilder()
    parser = CDeclarations(builder)
    for area, text in AREAS.items():
        parser.parse(text or _uapi_declarations(), name=f"bundled/{area}")
    parser.parse(declarations)
    for prototype in kfuncs:
        parser.parse(f"{prototype.strip().rstrip(';')} __bpf_kfunc;", name="kfuncs")
    parser.finish()
    return builder.to_btf("vmlinux")


def module_btf(base: Btf, name: str, declarations: str, *, kfuncs: Iterable[str] = ()) -> Btf:
    """BTF of a kernel module: split BTF with what *declarations* add to a kernel's.

    Where the kernel was built without a subsystem, ``module_btf(vmlinux, "hid", AREAS["hid"])`` adds its types. Structs
    that *base* has are taken from there.
    """
    builder = BtfBuilder(base)
    parser = CDeclarations(builder)
    parser.parse(declarations, name=name)
    for prototype in kfuncs:
        parser.parse(f"{prototype.strip().rstrip(';')} __bpf_kfunc;", name=name)
    parser.finish()
    return builder.to_btf(name)


def _uapi_declarations() -> str:
    # enums and structs of the user interface, as C
    parts = []
    for enum in enums.enum_names():
        if not enum.endswith("_"):
            values = (f"{name} = {getattr(uapi, name)}" for name in enums.constants(enum))
            parts.append(f"enum {enum} {{ {', '.join(values)} }};")
    declared = re.findall(r"^(?:struct|union) (\w+) \{", "\n".join(AREAS.values()), re.M)
    for name in layouts.layout_names():
        layout = layouts.layout(name)
        anonymous = any(field.ctype in ("struct", "union") for field in layout.fields)
        if name not in declared and not anonymous and not name.startswith(_SKIPPED_PREFIXES):
            parts.append(_struct(layout))
    return "\n".join(parts)


def _struct(layout: layouts.Layout) -> str:
    members = []
    for field in layout.fields:
        ctype, dims = re.fullmatch(r"([^\[]*)((?:\[\d*\])*)", field.ctype).groups()  # type: ignore[union-attr]
        width = f" : {field.bits}" if field.bits else ""
        members.append(f"{ctype} {field.name}{dims}{width};")
    return f"struct {layout.name} {{ {' '.join(members)} }};"
