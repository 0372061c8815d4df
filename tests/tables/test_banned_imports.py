"""STYLE.md section 6: time, randomness and threads come from sim; only cli prints; LLVM loads on first use."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.repository
SRC = Path(__file__).parents[2] / "src" / "beespace"
BANNED = {
    "time",
    "random",
    "threading",
    "secrets",
    "sched",
    "asyncio",
    "concurrent",
    "multiprocessing",
    "uuid",
}
# The host's clock and threads: sim.Host hands them on; row 9 owns the process it runs in.
ALLOWED = ("sim/", "cli/", "pytest_plugin.py", "testing/")
FILES = [p for p in sorted(SRC.rglob("*.py")) if not str(p.relative_to(SRC)).startswith(ALLOWED)]


def modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield ((node.module or "").split(".")[0], node.lineno)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_no_host_time_randomness_or_threads(path):
    found = [f"{path}:{line}: {name}" for name, line in modules(ast.parse(path.read_text())) if name in BANNED]
    assert not found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_llvm_is_imported_inside_functions_of_jit(path):
    tree = ast.parse(path.read_text())
    top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {name for node in top for name, _ in modules(ast.Module([node], []))}
    if "llvmlite" in names:
        assert path.parent.name == "jit", f"{path} imports llvmlite"
        assert path.name != "__init__.py", "import beespace.jit must not load LLVM"
