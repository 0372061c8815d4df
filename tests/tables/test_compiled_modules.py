"""The modules of the verifier's core are plain Python; what C needs to know of them stands in a .pxd beside each."""

import ast
import re
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
MODULES = [
    name
    for name in (SRC / "beespace/compiled.txt").read_text().split()
    if name.startswith("beespace/verifier/") and not name.endswith("/numbers")
]


def hidden_classes():
    # extension types with a field that Python does not see: functions that take one have to be compiled as C
    hidden = set()
    for name in MODULES:
        for part in (SRC / f"{name}.pxd").read_text().split("cdef class ")[1:]:
            if re.search(r"^    cdef (?!public|readonly|dict __dict__)[^(]*$", part, re.M):
                hidden.add(re.match(r"\w+", part).group())
    return hidden


@pytest.mark.parametrize("name", MODULES)
def test_functions_that_take_hidden_fields_are_declared(name):
    declared = set(re.findall(r"(\w+)\(", (SRC / f"{name}.pxd").read_text()))
    hidden = hidden_classes()
    for node in ast.walk(ast.parse((SRC / f"{name}.py").read_text())):
        if isinstance(node, ast.FunctionDef) and node.name not in declared:
            taken = {ast.unparse(arg.annotation) for arg in node.args.args if arg.annotation} & hidden
            assert not taken, f"{node.name}() takes {', '.join(taken)}: declare it in {name}.pxd"


def test_there_are_hidden_fields():
    assert {"_Backtrack", "_Masks", "IdMap"} <= hidden_classes()


@pytest.mark.parametrize("name", MODULES)
def test_fields_are_declared(name):
    # an extension type has no other fields than those of the .pxd, unless it has a __dict__
    pxd = (SRC / f"{name}.pxd").read_text()
    for node in ast.parse((SRC / f"{name}.py").read_text()).body:
        if not isinstance(node, ast.ClassDef) or f"cdef class {node.name}" not in pxd:
            continue
        part = pxd.split(f"cdef class {node.name}")[1].split("cdef class ")[0]
        if "cdef dict __dict__" in part or "(" in part.split(":")[0]:
            continue
        written = {
            target.attr
            for sub in ast.walk(node)
            if isinstance(sub, ast.Assign)
            for target in sub.targets
            if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
        }
        fields = set(re.findall(r"^    cdef .*?(\w+)(?:\[\d+\])?$", part, re.M))
        assert written <= fields, f"{node.name}: {written - fields} missing in {name}.pxd"
