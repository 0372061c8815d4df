"""Running programs: the run context, the memory it borrows, what programs print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from beespace.decl.runstate import RunState
from beespace.errors import GuestFault, InternalError
from beespace.mem import raw
from beespace.sim import CLOCK_MONOTONIC, NSEC_PER_SEC, VirtualClock
from beespace.uapi import bpf as uapi
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.decl.run import Executable
    from beespace.kernel.kernel import Kernel
    from beespace.kernel.packets import PacketRunner
    from beespace.kernel.prog import BpfProg
    from beespace.maps.base import BpfMap
    from beespace.mem import Region

__all__ = ["STACK_BYTES", "KernelRun", "RunPool", "TraceLine"]

STACK_BYTES = 16 << 10  # eight frames of 512 bytes, tail calls and callbacks of callbacks
_TASK_TYPES = (uapi.BPF_PROG_TYPE_SYSCALL, uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_PROG_TYPE_LSM)
_POOL_LIMIT = 16  # regions of one size kept for the next run


@frozen
class TraceLine:
    """A line of trace_pipe.

    :ivar time_ns: on CLOCK_MONOTONIC.
    """

    cpu: int
    time_ns: int
    comm: str
    pid: int
    text: str

    def __str__(self) -> str:
        seconds, ns = divmod(self.time_ns, NSEC_PER_SEC)
        who = f"{self.comm}-{self.pid}"
        return f"{who:>22s} [{self.cpu:03d}] ..... {seconds}.{ns // 1000:06d}: bpf_trace_printk: {self.text}"


class KernelRun(RunState):
    """The run context of the simulated kernel (RunContext)."""

    def __init__(self, kernel: Kernel, prog: BpfProg, cpu: int, stack: Region) -> None:
        super().__init__(cpu=cpu, stack=stack.base, stack_bytes=stack.size)
        self.kernel = kernel
        self.prog = prog
        self.program = prog.xlated
        self.mem = kernel.space
        self.ctx = 0
        self.rcu_readers: list[int] = []  # sections that the program has begun

    def invoke(self, text_address: int, *args: int) -> int:
        """Run the subprogram at *text_address*."""
        prog = self.kernel.runs.prog_at(text_address)
        context: Any = self  # the protocol's variables are RunState's properties
        return prog.executable(self.kernel).invoke(context, text_address, *args)

    def map_at(self, descriptor: int) -> BpfMap:
        """The map at a guest address. :raises GuestFault: there is none."""
        found = self.kernel.map_at(descriptor)
        if found is None:
            raise GuestFault("not a map", address=descriptor)
        return found

    def tail_call(self, prog_array: Any, index: int) -> Executable | None:
        """The program in a slot of *prog_array*."""
        prog: BpfProg | None = prog_array.prog_at(index)
        if prog is None:
            return None
        executable = prog.executable(self.kernel)
        if executable.entry:
            prog_array.note_entry(index, executable.entry)
        return executable

    def ktime_ns(self, clock: int = CLOCK_MONOTONIC) -> int:
        """Time on CLOCK_*."""
        return self.kernel.clock.now_ns(clock)

    def prandom_u32(self) -> int:
        """The kernel's next random number."""
        return self.kernel.prandom_u32()

    def printk(self, text: str) -> None:
        """A line (or a piece of one) into trace_pipe."""
        task = self.kernel.task
        line = TraceLine(self.cpu, self.ktime_ns(), task.comm, task.pid, text)
        self.kernel.trace_pipe.append(line)


class RunPool:
    """Memory of runs, kept for the next one, and the programs that have text addresses."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._idle: dict[tuple[str, int], list[Region]] = {}
        self._runners: dict[int, list[PacketRunner]] = {}  # slot of the text -> idle ones
        self._texts: dict[int, BpfProg] = {}  # slot of the text's region -> program

    def add(self, prog: BpfProg) -> None:
        """A program has text addresses."""
        self._texts[prog.text.slot] = prog

    def forget(self, prog: BpfProg) -> None:
        """A program is gone."""
        self._texts.pop(prog.text.slot, None)
        for runner in self._runners.pop(prog.text.slot, ()):
            self._free_runner(runner)

    def prog_at(self, text_address: int) -> BpfProg:
        """The program an address of text belongs to. :raises GuestFault: none."""
        region = self._kernel.space.owner(text_address)
        prog = self._texts.get(region.slot) if region is not None else None
        if prog is None:
            raise GuestFault("call of an address that is no text", address=text_address)
        return prog

    def borrow(self, name: str, size: int) -> Region:
        """A zeroed region."""
        idle = self._idle.get((name, size))
        if not idle:
            return self._kernel.space.alloc(size, name=name, align=64)
        region = idle.pop()
        self._kernel.space.set_bounds(region, region.first, region.extent)
        raw.fill(region.first, 0, region.extent)
        return region

    def give_back(self, region: Region) -> None:
        """Return what borrow() gave; the guest may not touch it until it is borrowed again."""
        idle = self._idle.setdefault((region.name, region.extent), [])
        if len(idle) < _POOL_LIMIT:
            self._kernel.space.set_bounds(region, region.first, 0)
            idle.append(region)
        else:
            self._kernel.space.free(region)

    @contextmanager
    def run(self, prog: BpfProg, cpu: int, *, sleepable: bool = False) -> Iterator[KernelRun]:
        """A run context for one run (or several, one after another) of *prog*.

        :param sleepable: it may sleep, whatever the program may: it reads under RCU-tasks-trace.
        """
        deferred = self._kernel.deferred
        sleepable = sleepable or bool(prog.prog_flags & uapi.BPF_F_SLEEPABLE)
        rcu = deferred.rcu_tasks_trace if sleepable else deferred.rcu
        stack = self.borrow("stack", STACK_BYTES)
        reader = rcu.read_lock()
        run = KernelRun(self._kernel, prog, cpu, stack)
        try:
            yield run
        finally:
            for section in run.rcu_readers:  # left by an exception
                deferred.rcu.read_unlock(section)
            self.give_back(stack)
            rcu.read_unlock(reader)

    def execute(self, prog: BpfProg, ctx: int, cpu: int, repeat: int = 1) -> tuple[int, int]:
        """Run *prog* *repeat* times with R1 = *ctx*: (r0 of the last as u64, mean ns of one)."""
        kernel = self._kernel
        executable = prog.executable(kernel)
        clock = kernel.host or kernel.clock
        with self._on(cpu), self._softirqs_off(prog), self.run(prog, cpu) as run:
            run.ctx = ctx
            run.apart = kernel.map_env.smp
            context: Any = run
            start = clock.now_ns()
            try:
                executable.expect(repeat)
                r0 = executable.repeat(context, ctx, repeat)
            except GuestFault as error:
                raise InternalError(f"verified program {prog.name!r} faulted: {error}") from error
            elapsed = clock.now_ns() - start
        if kernel.stats_enabled:
            prog.run_cnt += repeat
            prog.run_time_ns += elapsed
        return r0, elapsed // repeat

    def read_lock(self, run: KernelRun) -> None:
        """A program begins an RCU section."""
        run.rcu_readers.append(self._kernel.deferred.rcu.read_lock())

    def read_unlock(self, run: KernelRun) -> None:
        """A program ends its innermost RCU section."""
        self._kernel.deferred.rcu.read_unlock(run.rcu_readers.pop())

    # The CPU that a test run takes place on, in whatever kind of context its caller is.
    def _on(self, cpu: int) -> AbstractContextManager[object]:
        cpus = self._kernel.deferred.cpus
        current = cpus.current
        return nullcontext() if current.cpu == cpu else cpus.enter(current.kind, cpu)

    def take_runner(self, prog: BpfProg) -> PacketRunner | None:
        """Whoever runs *prog* on packets from now on until put_runner(); None when it has to go the long way.

        The caller is a reader of RCU where others could free what the program uses.

        It has when it calls Python, when its type has no PacketPlan, when runs are counted or timed.
        """
        kernel, idle = self._kernel, self._runners.get(prog.text.slot)
        if idle and idle[-1].executable is prog.prepared and not kernel.stats_enabled:
            return idle.pop()
        plan = prog.prog_type.packet_plan
        if plan is None or prog.expected_attach_type in plan.not_attach_types:
            return None
        executable = prog.executable(kernel)
        if not executable.is_native or kernel.stats_enabled or not isinstance(kernel.clock, VirtualClock):
            return None
        from beespace.kernel.packets import PacketRunner

        self._runners.setdefault(prog.text.slot, [])
        frame, ctx = self.borrow("packet frame", plan.frame_bytes), self.borrow("packet ctx", plan.ctx_bytes)
        stack = self.borrow("stack", STACK_BYTES)
        run = KernelRun(kernel, prog, 0, stack)
        return PacketRunner(kernel, prog, executable, plan, run, [frame, ctx, stack])

    def put_runner(self, runner: PacketRunner) -> None:
        """Take back what take_runner() gave."""
        idle = self._runners.get(runner.prog.text.slot)
        if idle is not None and runner.executable is runner.prog.prepared:
            idle.append(runner)
        else:
            self._free_runner(runner)

    def _free_runner(self, runner: PacketRunner) -> None:
        for region in runner.regions:
            self.give_back(region)

    # local_bh_disable() around everything but what runs as a task does: programs that sleep or are system calls.
    @contextmanager
    def _softirqs_off(self, prog: BpfProg) -> Iterator[None]:
        points = self._kernel.deferred.points
        if points.scheduler is None or prog.prog_type.id in _TASK_TYPES:
            yield
            return
        points.irq_save()
        try:
            yield
        finally:
            points.irq_restore()

    def close(self) -> None:
        """Free idle memory."""
        for runners in self._runners.values():
            for runner in runners:
                self._free_runner(runner)
        self._runners.clear()
        for idle in self._idle.values():
            for region in idle:
                self._kernel.space.free(region)
        self._idle.clear()
