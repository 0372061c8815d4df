"""Writes src/beespace/btf/bundled/vmlinux.btf: the declarations of beespace.btf.bundled and every declared kfunc.

usage: python tools/gen_bundled_btf.py          (tests/tables/test_bundled_btf.py checks that it is current)
"""

from __future__ import annotations

from pathlib import Path

from beespace.btf.bundled import build_btf
from beespace.kernel.slices import linux_registry

__all__ = ["TARGET", "generate"]

TARGET = Path(__file__).parents[1] / "src" / "beespace" / "btf" / "bundled" / "vmlinux.btf"


def generate() -> bytes:
    """The contents of the file."""
    kfuncs = linux_registry().kfuncs
    return build_btf(kfuncs=[kfuncs[name].prototype for name in sorted(kfuncs)]).raw


if __name__ == "__main__":
    TARGET.write_bytes(generate())
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")
