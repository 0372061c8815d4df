"""C sources, where clang is installed."""

from __future__ import annotations

import os
from pathlib import Path

from beespace.errors import InputError

__all__ = ["CFLAGS", "compile_c"]

CFLAGS = ("-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall")
_NAMES = ("clang", *(f"clang-{version}" for version in range(25, 11, -1)))
_ARCHES = {"x86_64": "x86", "aarch64": "arm64", "riscv64": "riscv", "s390x": "s390", "ppc64le": "powerpc"}


def compile_c(path: str | os.PathLike[str], clang: str | None = None) -> bytes:
    """The object that clang makes of a C file.

    :param clang: the compiler; by default ``$CLANG``, ``clang`` or the newest ``clang-N`` of $PATH.
    :raises InputError: there is no clang, or it reports errors, which are in the message.
    """
    import shutil  # here: few load C, and every kernel would pay
    import subprocess
    import tempfile

    compiler = clang or os.environ.get("CLANG") or next((n for n in _NAMES if shutil.which(n)), None)
    if compiler is None:
        raise InputError("C sources need clang, and there is none in $PATH: install it, or give the .o", path=str(path))
    if not Path(path).exists():
        raise FileNotFoundError(f"no such file: {path}")
    machine = os.uname().machine
    with tempfile.TemporaryDirectory(prefix="beespace-") as folder:
        out = Path(folder) / "out.bpf.o"
        args = [
            compiler,
            *CFLAGS,
            f"-D__TARGET_ARCH_{_ARCHES.get(machine, machine)}",
            "-idirafter",
            f"/usr/include/{machine}-linux-gnu",  # where Debian has <asm/types.h>
            "-c",
            os.fspath(path),
            "-o",
            str(out),
        ]
        try:
            done = subprocess.run(args, capture_output=True, text=True, check=False)
        except OSError as e:
            raise InputError(f"{compiler} cannot be run: {e.strerror}", path=str(path)) from None
        if done.returncode:
            raise InputError(f"{compiler} failed:\n{done.stderr.strip()}", path=str(path))
        return out.read_bytes()
