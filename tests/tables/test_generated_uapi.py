"""src/beespace/uapi is what tools/gen_uapi.py writes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INPUTS_MISSING = 77


@pytest.mark.slow
def test_uapi_is_current():
    run = subprocess.run([sys.executable, ROOT / "tools/gen_uapi.py", "--check"], capture_output=True, text=True)
    if run.returncode == INPUTS_MISSING:
        pytest.skip(run.stderr.strip())
    assert run.returncode == 0, run.stderr
