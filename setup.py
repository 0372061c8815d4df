"""Build of the compiled modules. Everything else is in pyproject.toml.

The modules below are pure-Python-mode Cython: the same ``.py`` runs uncompiled. ``BEESPACE_NO_CYTHON=1``
builds a package without compiled modules (slower, equal in behaviour).
"""

import os
import shutil
import warnings
from pathlib import Path

from setuptools import setup

COMPILED = Path("src/beespace/compiled.txt").read_text().split()


def extensions():
    if os.environ.get("BEESPACE_NO_CYTHON"):
        return []
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        warnings.warn("no C compiler: beespace is installed uncompiled (slower, equal in behaviour)", stacklevel=1)
        return []
    from Cython.Build import cythonize
    from setuptools import Extension

    return cythonize(
        [
            Extension(
                name.replace("/", "."),
                [f"src/{name}.py"],
                extra_compile_args=["-O2", "-g0", "-fno-strict-aliasing", "-Wno-unused-function"],
            )
            for name in COMPILED
        ],
        nthreads=int(os.environ.get("BEESPACE_BUILD_JOBS", "2")),
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "embedsignature": True,
            "annotation_typing": True,
        },
    )


setup(ext_modules=extensions())
