"""C sources."""

import shutil

import pytest

from beespace.api import compile_c
from beespace.elf import read_object
from beespace.errors import InputError

SOURCE = """
#define SEC(name) __attribute__((section(name), used))
SEC("socket") int length(void *ctx) { return 7; }
char LICENSE[] SEC("license") = "GPL";
"""
needs_clang = pytest.mark.skipif(not any(map(shutil.which, ("clang", "clang-19"))), reason="clang is not installed")


@needs_clang
@pytest.mark.slow
def test_c_source_becomes_an_object(tmp_path, deaf_kernel):
    source = tmp_path / "seven.bpf.c"
    source.write_text(SOURCE)
    assert [prog.name for prog in read_object(compile_c(source)).programs] == ["length"]
    assert deaf_kernel.open(source).name == "seven"


@needs_clang
def test_errors_of_the_compiler_are_in_the_message(tmp_path):
    source = tmp_path / "bad.bpf.c"
    source.write_text("int f(void) { return nothing; }\n")
    with pytest.raises(InputError, match="use of undeclared identifier 'nothing'"):
        compile_c(source)


def test_without_clang(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CLANG", raising=False)
    with pytest.raises(InputError, match="C sources need clang, and there is none"):
        compile_c(tmp_path / "x.bpf.c")


def test_compiler_that_does_not_exist(tmp_path):
    source = tmp_path / "x.bpf.c"
    source.write_text(SOURCE)
    with pytest.raises(InputError, match="/nowhere/clang cannot be run"):
        compile_c(source, clang="/nowhere/clang")
