"""docs/reference/isa.md is what tools/gen_isa_page.py writes."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_of_instructions_is_current():
    run = subprocess.run(
        [sys.executable, ROOT / "tools/gen_isa_page.py", "--check"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
