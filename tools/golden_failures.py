"""Play all scenarios on the simulation and write tests/scenarios/expected_failures.txt.

PYTHONPATH=src python tools/golden_failures.py FOLDER [--only TEXT] [--listed]

With ``--only`` the scenarios whose name contains TEXT are played and all other lines stay as they are.
"""

from __future__ import annotations

import argparse
import re
from functools import partial
from pathlib import Path

import beespace
import golden
from beespace.testing.scenarios import find_scenarios, in_child

LIST = Path(__file__).parents[1] / "tests/scenarios/expected_failures.txt"
HEADER = """\
# Scenarios that the simulation does not pass yet, and why. Written by tools/golden_failures.py; may only get shorter.
"""


def reason_of(mismatches: list[str]) -> str:
    last = mismatches[0].strip().splitlines()[-1]
    return re.sub(r"^beespace\.errors\.Unsupported: | \(see docs/\S+\)$", "", last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="part of TOPIC/NAME")
    parser.add_argument("--listed", action="store_true", help="play only those that failed last time")
    args = parser.parse_args()
    with beespace.Kernel() as kernel:  # what children inherit: imports, and the kernel's BTF
        kernel.btf_vmlinux()
    lines = LIST.read_text().splitlines() if (args.only or args.listed) and LIST.exists() else []
    reasons = dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))
    paths = find_scenarios(args.folder)
    for path in paths:
        name = f"{path.parent.name}/{path.stem}"
        if args.only in name and (name in reasons or not args.listed):
            mismatches = in_child(partial(golden.play, path, str(args.folder / "runner"), "interp"), seconds=600)
            reasons.pop(name, None)
            if mismatches:
                print(name, mismatches[0].strip().splitlines()[-1], flush=True)
                reasons[name] = reason_of(mismatches)
    LIST.write_text(HEADER + "".join(f"{name}: {reasons[name]}\n" for name in sorted(reasons)))
    print(f"{len(paths) - len(reasons)} of {len(paths)} pass")


if __name__ == "__main__":
    main()
