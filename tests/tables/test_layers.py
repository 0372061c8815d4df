"""STYLE.md section 1: a package imports only from rows above its own; same-row packages do not know each other."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.repository
SRC = Path(__file__).parents[2] / "src" / "beespace"
ROWS = [
    {"values"},
    {"errors"},
    {"uapi"},
    {"isa", "sim", "btf", "mem"},
    {"decl"},
    {"elf", "verifier", "xlate", "interp", "jit"},
    {"maps", "helpers"},
    {"subsys"},
    {"kernel"},
    {"api"},
    {"debug", "testing"},
    {"cli", "pytest_plugin"},
]
ROW = {name: number for number, row in enumerate(ROWS) for name in row}
FILES = sorted(SRC.rglob("*.py"))


def package_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "beespace" and len(parts) > 1 else None


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(tree: ast.AST, module: str):
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(module.split(".")[: -node.level]) + "." if node.level else ""
            name = base + (node.module or "")
            yield (name.replace("cython.cimports.", ""), node.lineno)
        else:
            yield from imports(node, module)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_point_upwards(path):
    module = "beespace." + ".".join(path.relative_to(SRC).with_suffix("").parts)
    own = package_of(module)
    if own == "__init__":
        return
    assert own in ROW, f"{path}: package {own} is not in the table of layers"
    for target, line in imports(ast.parse(path.read_text()), module):
        other = package_of(target)
        if other is None or other == own:
            if own == "subsys" and other == own:
                assert target.split(".")[2:3] in (module.split(".")[2:3], []), (
                    f"{path}:{line}: slices do not import each other"
                )
            continue
        assert ROW[other] < ROW[own], f"{path}:{line}: {own} (row {ROW[own]}) imports {other} (row {ROW[other]})"
