"""Nanoseconds for each operation of the number domain, called from compiled code as the verifier calls it.

Builds a module of loops against ``numbers.pxd`` in a temporary directory: needs a C compiler, as the package does.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"

# name, expression over the Bounds a, b, the constant k and the unknown u; what it returns
OPERATIONS = (
    ("tnum_add", "n.tnum_add(a.var_off, b.var_off)"),
    ("tnum_mul", "n.tnum_mul(a.var_off, b.var_off)"),
    ("sync_bounds", "n.sync_bounds(a)"),
    ("add", "n.alu(0x00, a, b, True)"),
    ("add, constants", "n.alu(0x00, k, k, True)"),
    ("add, unknown", "n.alu(0x00, u, u, True)"),
    ("add 32", "n.alu(0x00, a, b, False)"),
    ("sub", "n.alu(0x10, a, b, True)"),
    ("mul", "n.alu(0x20, a, b, True)"),
    ("and", "n.alu(0x50, a, k, True)"),
    ("or", "n.alu(0x40, a, b, True)"),
    ("lsh", "n.alu(0x60, a, k, True)"),
    ("arsh 32", "n.alu(0xc0, a, k, False)"),
    ("zext_32", "n.zext_32(a)"),
    ("coerce_reg_to_size", "n.coerce_reg_to_size(a, 1)"),
    ("ptr_add", "n.ptr_add(k, a)"),
    ("linked", "n.linked(a, 8)"),
    ("branch <", "n.branch(0xa0, a, b, False)"),
    ("refine <, four results", "n.refine(0xa0, a, b, False)"),
    ("refine == k, four results", "n.refine(0x10, a, k, False)"),
    ("scalar_within", "n.scalar_within(u, a)"),
    ("same_bounds", "n.same_bounds(a, a)"),
    ("const", "n.const(7)"),
)
HEAD = """\
# cython: language_level=3
from beespace.verifier cimport numbers as n
"""
LOOP = """
def {name}(n.Bounds a, n.Bounds b, n.Bounds k, n.Bounds u, int count):
    cdef int i
    for i in range(count):
        {expression}
"""


def build(directory: Path) -> object:
    """The compiled loops, one function for each operation."""
    text = HEAD + "".join(LOOP.format(name=f"f{i}", expression=e) for i, (_, e) in enumerate(OPERATIONS))
    text += LOOP.format(name="nothing", expression="pass")
    (directory / "loops.pyx").write_text(text)
    (directory / "setup.py").write_text(
        textwrap.dedent(f"""
        from setuptools import Extension, setup
        from Cython.Build import cythonize
        setup(ext_modules=cythonize([Extension("loops", ["loops.pyx"], extra_compile_args=["-O2"])],
              include_path=[{str(SRC)!r}], quiet=True))
        """)
    )
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    (library,) = directory.glob("loops*.so")
    spec = importlib.util.spec_from_file_location("loops", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    from beespace.verifier import numbers as n

    if not str(n.__file__).endswith(".so"):
        print("beespace.verifier.numbers is not compiled")
        return 2
    byte = n.coerce_reg_to_size(n.unknown(), 1)
    other = n.alu(0x40, n.alu(0x50, n.unknown(), n.const(0xF0F0), True), n.const(0x100), True)
    states = byte, other, n.const(8), n.unknown()
    count = 5_000  # short, so that the best of many runs is one that nothing interrupted
    with tempfile.TemporaryDirectory() as directory:
        loops = build(Path(directory))
        for i, (name, _) in enumerate(OPERATIONS):
            best = min(timed(getattr(loops, f"f{i}"), states, count) for _ in range(60))
            print(f"{name:28} {best / count * 1e9:7.1f} ns")
    return 0


def timed(func: object, states: tuple[object, ...], count: int) -> float:
    began = time.perf_counter()
    func(*states, count)  # type: ignore[operator]
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
