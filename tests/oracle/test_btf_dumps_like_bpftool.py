"""C, text and JSON of BTF against the libbpf and the bpftool of this machine. They need no privileges."""

import ctypes.util
import json
import re
import shutil
import subprocess

import pytest

from beespace.btf import c_types, dump_json, dump_raw, open_btf
from corerelos import PROGRAMS
from libbpfdump import libbpf_c_types

pytestmark = pytest.mark.oracle

OBJECTS = sorted(PROGRAMS.glob("*.bpf.o"))


def modern(text):
    """libbpf before 1.3 printed functions without arguments as ``f()``."""
    return re.sub(r"\(\)(?=[;,)])", "(void)", text)


def check_c(btf):
    if ctypes.util.find_library("bpf") is None:
        pytest.skip("libbpf.so.1 is not installed")
    assert c_types(btf) == modern(libbpf_c_types(btf.raw))


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_c_of_object_files(path):
    check_c(open_btf(path))


@pytest.mark.slow
def test_c_of_the_kernel(vmlinux):
    check_c(vmlinux)


def bpftool(*args):
    if shutil.which("bpftool") is None:
        pytest.skip("bpftool is not installed")
    return subprocess.run(["bpftool", *args], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_text_and_json_of_object_files(path):
    btf = open_btf(path)
    assert dump_raw(btf) == bpftool("btf", "dump", "file", str(path))
    assert json.loads(dump_json(btf)) == json.loads(bpftool("-j", "btf", "dump", "file", str(path)))


@pytest.mark.slow
def test_text_of_the_kernel(vmlinux):
    assert dump_raw(vmlinux) == bpftool("btf", "dump", "file", "/sys/kernel/btf/vmlinux")
