"""The two kernels as users have them: with open() and load().

``beespace.kernel`` cannot know the loader, which stands above it; hence these subclasses.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from beespace import kernel as _kernel
from beespace.api.calls import Alive, Calls
from beespace.api.compile import compile_c
from beespace.api.map import Map
from beespace.api.object import Object
from beespace.elf import read_object
from beespace.errors import InputError, SyscallError
from beespace.isa import Insn
from beespace.kernel.pipeline import Pipeline
from beespace.kernel.slices import linux_registry
from beespace.sim import KTIME_MAX, RealHost
from beespace.sim.realtime import RealClock
from beespace.uapi import bpf as uapi
from beespace.uapi.enums import names

if TYPE_CHECKING:
    from types import TracebackType

    from beespace.btf import Btf
    from beespace.decl import Features
    from beespace.decl.events import Event
    from beespace.decl.prog import SectionDef
    from beespace.sim.interleave import Policy

_TEXT = 0xFFFFFFFF81000000  # __START_KERNEL_map + CONFIG_PHYSICAL_START
_BOUNDARIES = ("_text", "_stext", "_etext", "__start_BTF", "__stop_BTF")  # the linker's own symbols

__all__ = ["Kernel", "LinuxKernel", "OpensObjects"]


_POLL_NS = 1_000_000


class OpensObjects:
    """Mixed into a BpfKernel: open(), load() and what else users do with a kernel."""

    @cached_property
    def calls(self) -> Calls:
        """Typed bpf(2) commands."""
        return Calls(self)  # type: ignore[arg-type]  # mixed into a BpfKernel

    @cached_property
    def _opened(self) -> Alive[Object]:
        return Alive()

    def _close_opened(self) -> None:
        for obj in self._opened:
            obj.close()
        for fds in self.calls.owners:  # maps that belong to no object
            fds.close_all()

    def open(
        self,
        source: str | os.PathLike[str] | bytes,
        *,
        name: str | None = None,
        pin_root_path: str | os.PathLike[str] | None = None,
        kconfig: Mapping[str, str] | None = None,
        btf_custom: Btf | None = None,
        log_level: int = 0,
    ) -> Object:
        """Read an object file without loading it, to set constants, sizes and what to load.

        :param source: path of a ``.bpf.o``, of a ``.c`` to compile with clang, or the bytes of an object.
        :param name: object name instead of the file's; part of the names of section maps.
        :param pin_root_path: folder for maps that are pinned by name, instead of /sys/fs/bpf.
        :param kconfig: CONFIG_* -> value as in a .config file, before the kernel's own.
        :param btf_custom: kernel types for CO-RE instead of the kernel's own.
        :param log_level: of programs that do not set theirs.
        :raises ElfError: not an object file that can be opened; BtfError: its types are malformed.
        """
        path = None if isinstance(source, bytes) else os.fspath(source)
        if path is None:
            data = source
        elif path.endswith(".c"):
            data = compile_c(path)
        else:
            data = Path(path).read_bytes()
        assert isinstance(data, bytes)
        this: Any = self  # mixed into a BpfKernel
        obj = Object(
            this,
            self.calls,
            read_object(data, path, name=name),
            self._section_defs(),
            pin_root_path=os.fspath(pin_root_path) if pin_root_path is not None else None,
            kconfig=kconfig,
            btf_custom=btf_custom,
            log_level=log_level,
        )
        self._opened.add(obj)
        return obj

    def load(self, source: str | os.PathLike[str] | bytes, **options: Any) -> Object:
        """open() and Object.load().

        :raises VerifierError: a program is rejected; see Object.load() for the others.
        """
        return self.open(source, **options).load()

    def open_map(self, path: str | os.PathLike[str], flags: int = 0) -> Map:
        """A pinned map. :param flags: BPF_F_RDONLY, BPF_F_WRONLY."""
        return Map.from_fd(self.calls, self.calls.obj_get(os.fspath(path), flags))

    def map_by_id(self, map_id: int) -> Map:
        """A map by its id. :raises SyscallError: ENOENT."""
        return Map.from_fd(self.calls, self.calls.map_fd_by_id(map_id))

    def release(self) -> str:
        """``uname -r``."""
        return self._own_features.version

    def config(self) -> Mapping[str, str]:
        """CONFIG_* of this kernel."""
        return self._own_features.kconfig

    def kallsyms(self) -> Iterable[tuple[int, str, str]]:
        """(address, kind, name) of each symbol. A simulated kernel's are those its types name, at made-up addresses."""
        for number, name in enumerate(_BOUNDARIES):
            yield _TEXT + 16 * number, "R", name
        btf = self.calls.vmlinux
        kinds = {uapi.BTF_KIND_FUNC: "t", uapi.BTF_KIND_VAR: "d"}
        for type_id, t in btf.types() if btf is not None else ():
            if t.kind in kinds:
                yield _TEXT + 16 * (len(_BOUNDARIES) + type_id), kinds[t.kind], t.name

    def callee_name(self, insn: Insn) -> str | None:
        """A helper by its number, a kfunc by its BTF id."""
        if insn.src_reg == uapi.BPF_PSEUDO_KFUNC_CALL:
            return self.calls.vmlinux.name_of(insn.imm) if self.calls.vmlinux is not None else None
        name = names("bpf_func_id").get(insn.imm)
        return name.replace("BPF_FUNC_", "bpf_") if name else None

    @contextmanager
    def on_cpu(self, cpu: int) -> Iterator[None]:
        """bpf(2) calls come from *cpu* meanwhile."""
        if not 0 <= cpu < self._own_features.cpus:
            raise SyscallError(errno.EINVAL, f"CPU {cpu}", hint=f"there are {self._own_features.cpus}")
        this: Any = self
        before, this.current_cpu = this.current_cpu, cpu
        try:
            yield
        finally:
            this.current_cpu = before

    @property
    def _own_features(self) -> Features:
        features: Features = self.features  # type: ignore[attr-defined]  # mixed into a BpfKernel
        return features

    def _section_defs(self) -> tuple[SectionDef, ...]:
        # of this kernel's version; the running kernel's program types are those of the newest that is modelled
        registry = getattr(self, "registry", None)
        return registry.section_defs() if registry is not None else _newest_section_defs()


@cache
def _newest_section_defs() -> tuple[SectionDef, ...]:
    return linux_registry().section_defs()


class Kernel(OpensObjects, _kernel.Kernel):
    """The simulated kernel.

    >>> with Kernel(cpus=4) as kernel:                   # doctest: +SKIP
    ...     obj = kernel.load("flow.bpf.o")
    ...     obj.progs.count.run(packet)

    :param engine: "interp" (every access checked, nothing to wait for) or "jit" (LLVM compiles each program at its
        first run), or "auto" (interpreted until compiling pays).
    :param options: see beespace.kernel.Kernel.
    """

    def __init__(
        self, cpus: int = 4, seed: int = 0, *, engine: str = "interp", time: str = "virtual", **options: Any
    ) -> None:
        if time not in ("virtual", "real"):
            raise InputError("no such time", expected="virtual or real", found=time)
        if engine not in ("interp", "jit", "auto"):
            raise InputError("no such engine", expected="interp, jit or auto", found=engine)
        if engine == "jit":
            from beespace.jit import Jit

            options["pipeline"] = Pipeline(engine=Jit())
        elif engine == "auto":
            from beespace.interp import Interp
            from beespace.jit import Jit
            from beespace.kernel.tiers import Auto

            options["pipeline"] = Pipeline(engine=Auto(Interp(), Jit()))
        if time == "real":
            host = options.setdefault("host", RealHost())
            options["clock"] = RealClock(host)
        super().__init__(cpus, seed, **options)
        if time == "real":
            self.deferred.start_real_time(host)

    def advance_to(self, when_ns: int) -> int:
        """advance() until CLOCK_MONOTONIC says *when_ns*; nothing when it is later already."""
        return self.advance(ns=max(when_ns - self.clock.now_ns(), 0))

    def config(self) -> Mapping[str, str]:
        """See beespace.kernel.Kernel.config()."""
        return _kernel.Kernel.config(self)

    def advance(self, *, seconds: float = 0, ms: float = 0, us: float = 0, ns: int = 0) -> int:
        """Let virtual time pass; what is due happens, in order, at its own moment.

        :return: how many events fired.
        """
        span_ns = round(seconds * 1e9) + round(ms * 1e6) + round(us * 1e3) + ns
        if span_ns < 0:
            raise InputError("time does not run backwards", found=f"{span_ns} ns")
        return self.deferred.advance_to(self.clock.now_ns() + span_ns)

    def run_until_idle(self, *, seconds: float | None = None, limit: int = 1_000_000) -> int:
        """Let time pass until no timer is armed and no work is queued; time stops at the last event.

        :param seconds: as far as that, at most; timers that start themselves again never leave the kernel idle.
        :return: how many events fired.
        :raises InternalError: more than *limit*.
        """
        until_ns = KTIME_MAX if seconds is None else self.clock.now_ns() + round(seconds * 1e9)
        return self.deferred.run_until_idle(until_ns, limit)

    def next_event(self) -> int | None:
        """Nanoseconds until the next thing happens by itself; 0: it is due; None: nothing will."""
        if self.deferred.workqueue.ready():
            return 0
        deadline_ns = self.events.next_deadline_ns()
        return None if deadline_ns is None else max(deadline_ns - self.clock.now_ns(), 0)

    @contextmanager
    def timeline(self) -> Iterator[list[Event]]:
        """What happens to timers and work meanwhile: AsyncEvents, whose str() is a line of a timeline.

        >>> with kernel.timeline() as events:                            # doctest: +SKIP
        ...     kernel.advance(seconds=60)
        >>> print(*events, sep="\\n")                                    # doctest: +SKIP
        """
        events: list[Event] = []
        before, self.deferred.listen = self.deferred.listen, events.append
        try:
            yield events
        finally:
            self.deferred.listen = before

    def interleave(
        self,
        tasks: Mapping[int, Callable[[], object]],
        *,
        seed: int | None = None,
        policy: Policy | None = None,
        every_insn: bool = True,
        seconds: float | None = None,
    ) -> list[str]:
        """Run *tasks*, by CPU, with all that the kernel does by itself, by turns: same policy or seed, same schedule.

        Strands change at the locks, atomics and shared accesses of timers and work, and where a program calls a helper
        that has any; interpreted programs before every instruction, too.

        :param tasks: what user space does on each CPU: any calls of this kernel.
        :param seed: of the random schedule; the kernel's by default.
        :param policy: who decides instead, see beespace.sim.interleave (explore() for all schedules).
        :param seconds: timers due later than that from now do not fire.
        :return: the schedule, a line for each step.
        :raises Deadlock: somebody waits for ever.
        """
        from beespace.sim.interleave import RandomPolicy

        lines: list[str] = []
        deferred = self.deferred
        horizon_ns = None if seconds is None else self.clock.now_ns() + round(seconds * 1e9)
        policy = policy or RandomPolicy(self.seed if seed is None else seed)
        found = deferred.interleaver(policy, trace=lines.append, horizon_ns=horizon_ns)
        for cpu, task in tasks.items():
            found.spawn(f"task/{cpu}", lambda task=task: void(task()), cpu=cpu)  # type: ignore[misc]
        engine: Any = self.pipeline.engine
        hooked = every_insn and hasattr(engine, "between")
        if hooked:
            engine.between = lambda: deferred.points.point("insn")
        try:
            found.run()
        finally:
            if hooked:
                engine.between = None
        deferred.rcu_tasks_trace.run_ready()
        deferred.rcu.run_ready()
        return lines

    def wait_until(self, condition: Callable[[], bool], *, seconds: float = 5) -> bool:
        """Jump from event to event until *condition* holds: whether it does before *seconds* have passed.

        In real time: look every millisecond.

        >>> kernel.wait_until(lambda: obj.bss.fired == 3)                # doctest: +SKIP
        """
        until_ns = self.clock.now_ns() + round(seconds * 1e9)
        if self.deferred.real is not None:
            while not condition():
                if self.clock.now_ns() > until_ns:
                    return False
                RealHost().sleep_ns(_POLL_NS)
            return True
        while not condition():
            if not self.deferred.step(until_ns):
                self.deferred.advance_to(until_ns)
                return condition()
        return True

    def __enter__(self) -> Self:
        return self

    def close(self, fd: int | None = None) -> None:
        """Close an fd; without one, everything that was opened through this Kernel, and it."""
        if fd is None:
            self._close_opened()
        super().close(fd)

    def jited(self, fd: int) -> str:
        """Assembly of what LLVM makes of a loaded program."""
        from beespace.jit import Jit  # LLVM loads when it is needed

        return Jit().assembly(self.get_file(fd, "prog").obj.xlated)


def void(result: object) -> None:
    """What a task returns is not looked at."""


class LinuxKernel(OpensObjects, _kernel.LinuxKernel):
    """The running kernel, through bpf(2).

    >>> with LinuxKernel() as kernel:                    # doctest: +SKIP
    ...     obj = kernel.load("flow.bpf.o")
    ...     obj.progs.count.run(packet)
    """

    def release(self) -> str:
        """uname(2)."""
        return os.uname().release

    def config(self) -> Mapping[str, str]:
        """CONFIG_* of the running kernel, {} where it does not tell."""
        return _kernel.LinuxKernel.config(self)

    def kallsyms(self) -> Iterable[tuple[int, str, str]]:
        """/proc/kallsyms."""
        with Path("/proc/kallsyms").open() as file:
            for line in file:
                address, kind, name = line.split(maxsplit=2)
                yield int(address, 16), kind, name.split()[0]

    @cached_property
    def _symbols(self) -> dict[int, str]:
        return {address: name for address, kind, name in self.kallsyms() if kind in "tT" and address}

    @cached_property
    def _call_base(self) -> int:
        return next((address for address, name in self._symbols.items() if name == "__bpf_call_base"), 0)

    def callee_name(self, insn: Insn) -> str | None:
        """By address: calls hold the distance from __bpf_call_base; ``None`` where kptr_restrict hides addresses."""
        return self._symbols.get(self._call_base + insn.imm) if self._call_base else None

    @contextmanager
    def on_cpu(self, cpu: int) -> Iterator[None]:
        """sched_setaffinity(2), for the calling thread."""
        before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {cpu})
        except (OSError, OverflowError) as e:
            raise SyscallError(getattr(e, "errno", None) or errno.EINVAL, f"CPU {cpu}") from None
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, fd: int | None = None) -> None:
        """Close an fd; without one, everything that was opened through this LinuxKernel and still exists."""
        if fd is not None:
            super().close(fd)
        else:
            self._close_opened()
