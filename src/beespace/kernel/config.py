"""The machine's kernel configuration.

:see: tools/lib/bpf/libbpf.c:bpf_object__read_kconfig_file
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

__all__ = ["machine_config"]


@cache
def machine_config() -> Mapping[str, str]:
    """CONFIG_* -> value from /boot/config-RELEASE or /proc/config.gz; {} without either."""
    for path in (Path(f"/boot/config-{os.uname().release}"), Path("/proc/config.gz")):
        if path.exists():
            data = path.read_bytes()
            text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            pairs = (line.split("=", 1) for line in text.decode().splitlines() if line.startswith("CONFIG_"))
            return MappingProxyType({pair[0]: pair[1] for pair in pairs if len(pair) == 2})
    return MappingProxyType({})
