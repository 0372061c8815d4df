"""docs/reference/support.md is what tools/gen_support_page.py writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow  # changes with every helper that is implemented: checked before a release, not at each step
def test_the_support_page_is_current():
    run = subprocess.run(
        [sys.executable, ROOT / "tools/gen_support_page.py", "--check"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
