"""What every map with keys must do, whatever it is made of: a check for map types of one's own.

The model is a Python dict. Which keys there are from the start, and whether they can go, is all that differs.
"""

from __future__ import annotations

from beespace.kernel.seam import BpfKernel
from beespace.sim import Choices
from beespace.testing.seamcalls import SeamCalls
from beespace.uapi import bpf as uapi
from beespace.values import frozen

__all__ = ["KeyedMap", "check_map_conforms"]


@frozen
class KeyedMap:
    """A map type and how to make one.

    :ivar fixed: all keys (u32 indices) are there from the start, with zeroes; they cannot be deleted.
    :ivar full: errno name of an update that finds no room.
    :ivar key_prefix: bytes that every key begins with.
    """

    map_type: int
    key_size: int = 4
    value_size: int = 8
    max_entries: int = 8
    map_flags: int = 0
    fixed: bool = False
    full: str = "E2BIG"
    key_prefix: bytes = b""


def check_map_conforms(kernel: BpfKernel, kind: KeyedMap, *, operations: int = 300, seed: int = 0) -> None:
    """Play random operations on a map of *kernel* and on a dict.

    :raises AssertionError: they differ; the message has the operation.
    """
    calls = SeamCalls(kernel)
    fd = calls.create(kind.map_type, kind.key_size, kind.value_size, kind.max_entries, kind.map_flags)
    assert isinstance(fd, int), f"map cannot be created: {fd}"
    try:
        _Play(calls, fd, kind, Choices(seed)).run(operations)
    finally:
        calls.close_all()


class _Play:
    def __init__(self, calls: SeamCalls, fd: int, kind: KeyedMap, choices: Choices) -> None:
        self.calls, self.fd, self.kind, self.choices = calls, fd, kind, choices
        self.size = calls.value_size(fd)
        self.model: dict[bytes, bytes] = {}
        if kind.fixed:
            self.model = {index.to_bytes(4, "little"): bytes(self.size) for index in range(kind.max_entries)}

    def run(self, operations: int) -> None:
        for number in range(operations):
            self.step(number)
        assert sorted(self.calls.keys(self.fd)) == sorted(self.model)
        for key, value in self.model.items():
            assert self.calls.lookup(self.fd, key) == value, key

    def key(self) -> bytes:
        # a few more keys than there is room for
        number = self.choices.below(self.kind.max_entries * 3 // 2 + 1)
        body = self.kind.key_size - len(self.kind.key_prefix)
        return self.kind.key_prefix + number.to_bytes(4, "little").ljust(body, b"\0")[:body]

    # Per-CPU values carry padding that need not be kept, so it stays zero.
    def value(self) -> bytes:
        stride = (self.kind.value_size + 7) // 8 * 8
        if self.size == self.kind.value_size:
            return self.choices.data(self.size)
        copies = (self.choices.data(self.kind.value_size).ljust(stride, b"\0") for _ in range(self.size // stride))
        return b"".join(copies)

    def step(self, number: int) -> None:
        what = self.choices.below(10)
        key = self.key()
        if what < 5:
            flags = self.choices.below(4)
            value = self.value()
            expected = self.expect_update(key, flags)
            got = self.calls.update(self.fd, key, value, flags)
            assert got == expected, f"operation {number}: update {key.hex()} flags {flags}: {got}, not {expected}"
            if expected == 0:
                self.model[key] = value
        elif what < 7:
            there = key in self.model
            wanted: int | str = "EINVAL" if self.kind.fixed else 0 if there else "ENOENT"
            deleted = self.calls.delete(self.fd, key)
            assert deleted == wanted, f"operation {number}: delete {key.hex()}: {deleted}, not {wanted}"
            if wanted == 0:
                del self.model[key]
        else:
            found = self.calls.lookup(self.fd, key)
            stored = self.model.get(key, "ENOENT")
            assert found == stored, f"operation {number}: lookup {key.hex()}: {found!r}, not {stored!r}"

    def expect_update(self, key: bytes, flags: int) -> int | str:
        if flags > uapi.BPF_EXIST:
            return "EINVAL"
        if self.kind.fixed:
            if key not in self.model:
                return self.kind.full
            return "EEXIST" if flags == uapi.BPF_NOEXIST else 0
        if key in self.model:
            return "EEXIST" if flags == uapi.BPF_NOEXIST else 0
        if flags == uapi.BPF_EXIST:
            return "ENOENT"
        return self.kind.full if len(self.model) == self.kind.max_entries else 0
