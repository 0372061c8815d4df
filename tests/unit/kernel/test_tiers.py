"""The engine "auto", and compiled code on disk."""

import os

import pytest

import beespace
from beespace.jit.cache import CodeCache, default_folder
from beespace.kernel import tiers
from beespace.testing.seamcalls import SeamCalls
from beespace.uapi import bpf as uapi

LOOP = """
    r0 = 0
    r1 = 1000
    r0 += 2
    r1 += -1
    if r1 != 0 goto -3
    exit
"""
PACKET = bytes(64)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BEESPACE_CACHE_DIR", str(tmp_path))
    return tmp_path / "jit"


def start(engine="auto"):
    kernel = beespace.Kernel(engine=engine)
    calls = SeamCalls(kernel)
    fd = calls.load(uapi.BPF_PROG_TYPE_XDP, LOOP)
    return kernel, calls, fd, kernel.progs.values()[0]


def test_a_hot_program_is_compiled(monkeypatch):
    monkeypatch.setattr(tiers, "COMPILE_AFTER", 10_000)
    kernel, calls, fd, prog = start()
    compiled = []
    for _ in range(5):
        assert calls.run(fd, data=PACKET).retval == 2000
        compiled.append(prog.prepared.compiled is not None)
    assert compiled == [False, False, False, True, True]  # 3003 instructions each
    assert prog.prepared.entry
    kernel.close()


def test_many_runs_that_are_announced():
    kernel, calls, fd, prog = start()
    assert calls.run(fd, data=PACKET, repeat=2).retval == 2000
    assert prog.prepared.compiled is None
    assert calls.run(fd, data=PACKET, repeat=tiers.MANY_RUNS).retval == 2000
    assert prog.prepared.compiled is not None
    kernel.close()


def test_code_on_disk_is_used_by_the_next_kernel(folder):
    kernel, calls, fd, _ = start("jit")
    assert calls.run(fd, data=PACKET).retval == 2000
    cache = kernel.pipeline.engine.cache
    assert (cache.hits, cache.misses) == (0, 1)
    kernel.close()
    assert len(list(folder.iterdir())) == 1
    kernel, calls, fd, _ = start("jit")
    assert calls.run(fd, data=PACKET).retval == 2000
    assert kernel.pipeline.engine.cache.hits == 1
    kernel.close()


def test_code_on_disk_makes_a_program_hot_earlier(folder, monkeypatch):
    monkeypatch.setattr(tiers, "LOAD_AFTER", 3000)
    kernel, calls, fd, prog = start()
    calls.run(fd, data=PACKET)
    assert prog.prepared.compiled is None
    prog.prepared.expect(tiers.MANY_RUNS)
    kernel.close()
    kernel, calls, fd, prog = start()
    calls.run(fd, data=PACKET)
    assert prog.prepared.compiled is not None
    assert calls.run(fd, data=PACKET).retval == 2000
    kernel.close()


def test_what_is_not_ours_is_not_executed(tmp_path):
    cache = CodeCache(tmp_path / "jit", ("llvm", "cpu"))
    key = cache.key("ir", 3)
    cache.put(key, b"code")
    assert cache.get(key) == b"code"
    assert key != cache.key("ir", 2) != cache.key("other", 2)
    assert key != CodeCache(tmp_path, ("llvm", "another cpu")).key("ir", 3)
    (file,) = (tmp_path / "jit").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    assert cache.get(key) is None
    file.write_bytes(data)
    file.chmod(0o666)
    assert cache.get(key) is None
    file.chmod(0o600)
    assert cache.get(key) == b"code"
    (tmp_path / "jit").chmod(0o777)
    assert CodeCache(tmp_path / "jit", ("llvm", "cpu")).get(key) is None


def test_old_code_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr("beespace.jit.cache._MAX_FILES", 4)
    cache = CodeCache(tmp_path, ())
    for number in range(5):
        cache.put(str(number), b"%d" % number)
        os.utime(tmp_path / f"{number}.o", (number, number))
    assert [cache.get(str(number)) is not None for number in range(5)] == [False, False, True, True, True]


def test_where_code_is_kept(monkeypatch):
    monkeypatch.setenv("BEESPACE_CACHE_DIR", "")
    assert default_folder() is None
    monkeypatch.delenv("BEESPACE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(default_folder()) == "/somewhere/beespace/jit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/bee")
    assert str(default_folder()) == "/home/bee/.cache/beespace/jit"
