"""Play recorded scenarios in simulated time: ``tools/golden.py [--engine NAME] FILE|FOLDER ...``

The scenario runner (``--runner``: the folder with scenario.py) sleeps and pins files; here its clock is the simulated
kernel's, and its file system below /sys/fs/bpf the simulated one, so nothing is waited for and nothing needs root.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import beespace
from beespace.errors import Unsupported
from beespace.testing import golden

RUNNER = "/work/shared/golden/runner"


def engine(name: str) -> type[golden.Engine]:
    """golden.Engine in simulated time, on the engine *name*."""

    class Played(golden.Engine):
        def _make_kernel(self) -> Any:
            return beespace.Kernel(cpus=2, engine=name)

        def _keep_pace(self) -> None:
            if threading.current_thread() is threading.main_thread():
                self.kernel.advance()

    return Played


def play(path: Path, runner: str, name: str) -> list[str] | None:
    """What did not match; None: skipped."""
    if runner not in sys.path:
        sys.path.insert(0, runner)
    scenario = importlib.import_module("scenario")
    doc = json.loads(path.read_text())
    played = engine(name)
    played.__module__ = golden.__name__  # where the runner looks for EngineError
    found = scenario.Scenario(doc, str(path.parent), played)
    eng = found.eng
    needed = doc.get("requires", {}).get("possible_cpus")
    if needed and eng.cpus != needed:
        return None
    files = SimpleNamespace(
        path=os.path, getpid=os.getpid, makedirs=lambda p, exist_ok: eng.kernel.bpffs.exists(p) or eng.kernel.mkdir(p),
        unlink=eng.kernel.unlink, rmdir=eng.kernel.bpffs.rmdir,
    )  # fmt: skip
    before = scenario.time, scenario.os
    scenario.time, scenario.os = eng, files
    try:
        eng.pin_cpu(0)
        failures: list[str] = found.play()
        return failures
    except Unsupported as error:
        return [str(error)]
    finally:
        found.close()
        scenario.time, scenario.os = before
        eng.kernel.close()


def main() -> int:
    """Exit code 1 when something did not match."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--engine", default="interp", choices=("interp", "jit"))
    parser.add_argument("--runner", default=RUNNER)
    args = parser.parse_args()
    files = sorted(f for path in args.paths for f in (path.glob("*.json") if path.is_dir() else [path]))
    bad = 0
    for path in files:
        failures = play(path, args.runner, args.engine)
        if failures:
            bad += 1
            print(f"FAIL {path.name}", *failures, sep="\n     ")
    print(f"{len(files)} scenarios on {args.engine}, {bad} failed")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
