"""Verdicts on many programs: in several processes, with a progress bar, and not again for what has not changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beespace.cli.kernels import Backend, open_kernel
from beespace.debug.hot import HotLine, Profile, hot_lines_of_log
from beespace.errors import BpfError, SourceLine
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.testing.conformance import Judged

__all__ = ["Task", "Verdict", "VerdictCache", "tasks", "verdicts"]


@frozen
class Task:
    """One program to verify; *hot*: count what each line costs."""

    path: Path
    prog: str
    backend: Backend
    log_level: int
    hot: bool = False


@frozen
class Verdict:
    """What came of a task."""

    judged: Judged
    hot: tuple[HotLine, ...] = ()


def tasks(
    objects: Iterable[Path], progs: Sequence[str] | None, backend: Backend, log_level: int, hot: bool
) -> Iterator[Task | Verdict]:
    """A task for each program of *objects* (a verdict at once for an object that cannot be read)."""
    from beespace.testing.conformance import Judged

    for path in objects:
        try:
            with open_kernel(backend) as kernel:
                names = [prog.name for prog in kernel.open(path).progs]
        except BpfError as err:
            yield Verdict(Judged(path.name, "", "error", str(err).splitlines()[0]))
            continue
        for name in names:
            if not progs or name in progs:
                yield Task(path, name, backend, log_level, hot)


def verdicts(todo: Sequence[Task | Verdict], jobs: int, cache: VerdictCache | None) -> list[Verdict]:
    """Verify; a progress bar goes to stderr when there is more than one."""
    known = {task: cache.get(task) for task in todo if isinstance(task, Task)} if cache is not None else {}
    missing = [task for task in todo if isinstance(task, Task) and known.get(task) is None]
    with _results(missing, jobs) as results:
        for task, verdict in zip(missing, _shown(results, len(missing)), strict=True):
            known[task] = verdict
            if cache is not None:
                cache.put(task, verdict)
    found = [entry if isinstance(entry, Verdict) else known[entry] for entry in todo]
    return [verdict for verdict in found if verdict is not None]


@contextlib.contextmanager
def _results(missing: Sequence[Task], jobs: int) -> Iterator[Iterator[Verdict]]:
    if jobs <= 1 or len(missing) <= 1:
        yield map(_judge, missing)
        return
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(min(jobs, len(missing))) as pool:
        yield pool.imap(_judge, missing)


def _shown(results: Iterator[Verdict], count: int) -> Iterable[Verdict]:
    if count <= 1:
        return results
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(results, total=count, description="verifying", console=console, transient=True)


def _judge(task: Task) -> Verdict:
    from beespace.kernel import Pipeline
    from beespace.testing.conformance import judge_object

    if not task.hot:
        make, level = (lambda: open_kernel(task.backend)), task.log_level
        (judged,) = judge_object(task.path, make, progs=[task.prog], log_level=level)
        return Verdict(judged)
    if task.backend is Backend.linux:
        (judged,) = judge_object(
            task.path, lambda: open_kernel(task.backend), progs=[task.prog], log_level=2 | task.log_level
        )
        return Verdict(judged, tuple(hot_lines_of_log(judged.log)))
    profile = Profile()
    pipeline = Pipeline(verify=profile.verify)
    (judged,) = judge_object(
        task.path, lambda: open_kernel(task.backend, pipeline=pipeline), progs=[task.prog], log_level=task.log_level
    )
    return Verdict(judged, tuple(profile.lines()))


class VerdictCache:
    """Verdicts of the simulated kernel, kept by the content of what made them: the object, the options and beespace.

    :param folder: by default ``beespace/verdicts`` in ``$XDG_CACHE_HOME`` (``~/.cache``).
    """

    def __init__(self, folder: Path | None = None) -> None:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = folder if folder is not None else base / "beespace" / "verdicts"

    def get(self, task: Task) -> Verdict | None:
        """The verdict of an equal task, None if there is none (or it cannot be read)."""
        from beespace.testing.conformance import Judged

        path = self._path(task)
        try:
            kept: dict[str, Any] = json.loads(path.read_text()) if path is not None else {}
            lines = (HotLine(SourceLine(**line["source"]), line["count"], line["insns"]) for line in kept["hot"])
            return Verdict(Judged(**kept["judged"] | {"file": task.path.name}), tuple(lines))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, task: Task, verdict: Verdict) -> None:
        """Keep a verdict; what a bug of ours or a missing feature says is not kept."""
        path = self._path(task)
        if path is None or verdict.judged.verdict not in ("success", "failure"):
            return
        with contextlib.suppress(OSError):  # a cache that cannot be written is no error
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as file:
                json.dump(asdict(verdict), file)
            Path(file.name).replace(path)

    def _path(self, task: Task) -> Path | None:
        if task.backend is not Backend.sim:
            return None
        try:
            content = task.path.read_bytes()
        except OSError:
            return None
        key = hashlib.sha256(content)
        key.update(repr((task.prog, task.log_level, task.hot, task.path.suffix, _fingerprint())).encode())
        return self.folder / f"{key.hexdigest()[:40]}.json"


@cache
def _fingerprint() -> str:
    # of beespace as installed: any changed file makes other verdicts possible
    import beespace

    root = Path(beespace.__file__).parent
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".so", ".btf", ".bin", ".pyd"):
            stat = path.stat()
            found.update(f"{path.relative_to(root)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return found.hexdigest()
