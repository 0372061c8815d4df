"""Bytes per element of the map types, here and in the running kernel.

    python tools/map_memory.py [--entries N]

Ours: what full maps have allocated for elements, buckets and lists, divided by the elements. The kernel's: "memlock" in
/proc/self/fdinfo of a full map. Needs bpf(2).
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import beespace
from beespace.testing.seamcalls import SeamCalls
from beespace.uapi import bpf as uapi

_KINDS = {
    "array": (uapi.BPF_MAP_TYPE_ARRAY, 0),
    "percpu_array": (uapi.BPF_MAP_TYPE_PERCPU_ARRAY, 0),
    "hash": (uapi.BPF_MAP_TYPE_HASH, 0),
    "hash, no prealloc": (uapi.BPF_MAP_TYPE_HASH, uapi.BPF_F_NO_PREALLOC),
    "percpu_hash": (uapi.BPF_MAP_TYPE_PERCPU_HASH, 0),
    "lru_hash": (uapi.BPF_MAP_TYPE_LRU_HASH, 0),
    "lru_percpu_hash": (uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH, 0),
    "lpm_trie": (uapi.BPF_MAP_TYPE_LPM_TRIE, uapi.BPF_F_NO_PREALLOC),
    "queue": (uapi.BPF_MAP_TYPE_QUEUE, 0),
    "stack": (uapi.BPF_MAP_TYPE_STACK, 0),
    "bloom_filter": (uapi.BPF_MAP_TYPE_BLOOM_FILTER, 0),
}
_NO_KEY = ("queue", "stack", "bloom_filter")
_PERCPU = ("percpu_array", "percpu_hash", "lru_percpu_hash")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=16384)
    entries = parser.parse_args().entries
    linux = beespace.LinuxKernel()
    cpus = linux.features.cpus
    print(f"{'map type':<20}{'key':>5}{'value':>7}{'here':>9}{'kernel':>9}{'ratio':>8}")
    for key, value in ((4, 8), (16, 64)):
        for name in _KINDS:
            with beespace.Kernel(cpus=cpus) as kernel:
                SeamCalls(kernel).create(uapi.BPF_MAP_TYPE_ARRAY, 4, 4, 1)  # what all maps share exists from now on
                before = sum(region.extent for region in kernel.space.regions())
                fill(SeamCalls(kernel), name, key, value, entries, cpus)
                ours = (sum(region.extent for region in kernel.space.regions()) - before) / entries
            calls = SeamCalls(linux)
            fd = fill(calls, name, key, value, entries, cpus)
            found = re.search(r"memlock:\s*(\d+)", Path(f"/proc/self/fdinfo/{fd}").read_text())
            calls.close_all()
            theirs = int(found[1]) / entries if found else float("nan")
            shown = 0 if name in _NO_KEY else key
            print(f"{name:<20}{shown:>5}{value:>7}{ours:>9.1f}{theirs:>9.1f}{ours / theirs:>8.2f}")


def fill(calls: SeamCalls, name: str, key: int, value: int, entries: int, cpus: int) -> int:
    """A map with *entries* elements: its fd."""
    map_type, flags = _KINDS[name]
    key_size = 0 if name in _NO_KEY else 4 if "array" in name else key + 4 if name == "lpm_trie" else key
    fd = calls.create(map_type, key_size, value, entries, flags)
    if not isinstance(fd, int):
        raise SystemExit(f"{name}: {fd}")
    stored = bytes(value * cpus) if name in _PERCPU else bytes(value)
    for number in range(entries):
        if name in _NO_KEY:
            calls.update(fd, b"", number.to_bytes(value, "little"))
        elif name == "lpm_trie":
            prefix = 8 * key
            calls.update(fd, prefix.to_bytes(4, "little") + number.to_bytes(key, "big"), stored)
        else:
            calls.update(fd, number.to_bytes(key_size, "little"), stored)
    return fd


if __name__ == "__main__":
    main()
