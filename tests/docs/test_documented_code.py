"""Every Python block of README and tutorial runs, in order, in one namespace for each page."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/tutorial.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_run(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / page).read_text()
    namespace: dict[str, object] = {}
    blocks = BLOCK.findall(text)
    assert blocks
    for block in blocks:
        exec(compile(block, f"{page}", "exec"), namespace)
    assert os.getcwd() == str(ROOT)
