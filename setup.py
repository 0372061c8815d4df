"""Build of the compiled modules. Everything else is in pyproject.toml.

The modules below are pure-Python-mode Cython: the same ``.py`` runs uncompiled. ``BEESPACE_NO_CYTHON=1``
builds a package without compiled modules (slower, equal in behaviour).
"""

import os
import shutil
import warnings
from pathlib import Path

from setuptools import setup

QUIET = ("-Wno-unused-function", "-Wno-sign-compare", "-Wno-maybe-uninitialized")  # as Cython writes C
COMPILED = Path("src/beespace/compiled.txt").read_text().split()


def extensions():
    if os.environ.get("BEESPACE_NO_CYTHON"):
        return []
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        warnings.warn("no C compiler: beespace is installed uncompiled (slower, equal in behaviour)", stacklevel=1)
        return []
    from Cython.Build import cythonize
    from setuptools import Extension

    def build(names, **directives):
        return cythonize(
            [
                Extension(
                    name.replace("/", "."),
                    [f"src/{name}.py"],
                    extra_compile_args=["-O2", "-g0", "-fwrapv", "-fno-strict-aliasing", *QUIET],
                )
                for name in names
            ],
            nthreads=int(os.environ.get("BEESPACE_BUILD_JOBS", "2")),
            compiler_directives={"language_level": 3, "embedsignature": True, **directives},
        )

    # plain Python whose .pxd says what C knows: lists are indexed, and integers divided, as Python does
    plain = [name for name in COMPILED if name.startswith("beespace/verifier/") and not name.endswith("/numbers")]
    return build(plain, annotation_typing=False, infer_types=True, cdivision=False) + build(
        [name for name in COMPILED if name not in plain],
        boundscheck=False,
        wraparound=False,
        cdivision=True,
        annotation_typing=True,
    )


setup(ext_modules=extensions())
