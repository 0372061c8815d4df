"""Our verdicts on the kernel's selftests beside recorded ones of Linux 6.18.

    python tools/conformance.py FOLDER_OF_OBJECTS [VERDICTS.csv] [--jobs N] [--only PREFIX] [--list FILE]

Without a table of recorded verdicts the running kernel is asked (needs bpf(2)). Prints a table of agreement; --list
writes every disagreement with both messages.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
from collections import Counter
from pathlib import Path

from rich.progress import track

import beespace
from beespace.testing.conformance import Judged, Recorded, Table, judge_object, read_verdicts

SECONDS = 300  # for one object; a program that takes longer is reported as such


def make_sim() -> object:
    return beespace.Kernel(btf_vmlinux="machine")  # the kernel that gave the recorded verdicts


def make_linux() -> object:
    return beespace.LinuxKernel()


def judge(args: tuple[Path, bool]) -> list[Judged]:
    path, linux = args

    def too_long(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        return judge_object(path, make_linux if linux else make_sim)
    except TimeoutError:
        return [Judged(path.name, "", "error", f"more than {SECONDS} s")]
    finally:
        signal.alarm(0)


def judge_all(paths: list[Path], linux: bool, jobs: int) -> list[Judged]:
    title = "kernel" if linux else "beespace"
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=20) as pool:
        work = pool.imap_unordered(judge, [(path, linux) for path in paths])
        return [one for part in track(work, description=title, total=len(paths)) for one in part]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objects", type=Path)
    parser.add_argument("verdicts", type=Path, nargs="?")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--list", type=Path)
    args = parser.parse_args()
    paths = sorted(path for path in args.objects.glob("*.bpf.o") if path.name.startswith(args.only))
    if args.verdicts is not None:
        recorded = read_verdicts(args.verdicts)
    else:
        asked = judge_all(paths, True, args.jobs)
        recorded = {
            (one.file, one.prog): Recorded(one.file, one.prog, one.verdict, one.insns_processed, one.message)
            for one in asked
            if one.verdict in ("success", "failure")
        }
    judged = {(one.file, one.prog): one for one in judge_all(paths, False, args.jobs)}
    files = {path.name for path in paths}
    table, ratios, messages = Table(), [], Counter()
    for key, record in sorted(recorded.items()):
        if key[0] not in files:
            continue
        one = judged.get(key) or judged.get((key[0], "")) or Judged(*key, "error", "not found in the object")
        table.add(one, record)
        if one.verdict == record.verdict == "success" and record.insns_processed > 1000:
            ratios.append(one.insns_processed / record.insns_processed)
        if one.verdict == record.verdict == "failure" and record.message:
            messages["same" if one.message == record.message else "other"] += 1
    for what, number in table.counts.most_common():
        print(f"{what:40} {number:6} {100 * number / max(table.counts['programs'], 1):6.1f} %")
    unsound = [item for item in table.disagreements if item.unsound]
    print(f"{'accepted here, refused by the kernel':40} {len(unsound):6}")
    print(f"messages of refusals: {dict(messages)}")
    if ratios:
        ratios.sort()
        middle, high = ratios[len(ratios) // 2], ratios[len(ratios) * 9 // 10]
        print(f"processed instructions, {len(ratios)} programs above 1,000: median ratio {middle:.2f}, p90 {high:.2f}")
    if args.list:
        lines = [
            f"{item.judged.file} {item.judged.prog}: {item.judged.verdict} ({item.judged.message}) | "
            f"kernel {item.recorded.verdict} ({item.recorded.message})\n"
            for item in table.disagreements
        ]
        args.list.write_text("".join(lines))
    return 1 if unsound else 0


if __name__ == "__main__":
    sys.exit(main())
