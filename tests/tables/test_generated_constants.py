"""Constants of compiled modules are those of the Python modules: the .pxd files are what tools/gen_pxd.py writes."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_constants_for_compiled_modules_are_current():
    run = subprocess.run(
        [sys.executable, ROOT / "tools/gen_pxd.py", "--check"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
