"""The interleaving scheduler: several strands of execution, one at a time, switched at points by a policy.

Every strand is a thread of the host, but only the one that holds the baton runs; who gets it next is decided by the
policy alone. So a schedule is a list of decisions, can be replayed, and all schedules of few preemptions can be tried.

:see: Musuvathi, Qadeer: Iterative context bounding for systematic testing of multithreaded programs (PLDI 2007)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from beespace.errors import InternalError
from beespace.sim.choices import Choices
from beespace.sim.contexts import Context, ContextKind, Cpus
from beespace.sim.points import Deadlock, Points

__all__ = ["Interleaver", "Policy", "Prefix", "RandomPolicy", "Strand", "explore"]

_STEPS = 100_000


class Policy(Protocol):
    """Decides who runs next."""

    def choose(self, options: list[Strand], may_stay: bool) -> int:
        """Index into *options*, at least two; *may_stay*: the first is who runs now, any other is a preemption."""
        ...


class RandomPolicy:
    """Switches at random, about once in *rate* points, and to whom it likes.

    :param seed: of all decisions.
    """

    def __init__(self, seed: int, rate: int = 4) -> None:
        self._choices = Choices(seed).stream("interleave")
        self._rate = rate

    def choose(self, options: list[Strand], may_stay: bool) -> int:
        if may_stay and self._choices.below(self._rate):
            return 0
        return self._choices.below(len(options))


class Prefix:
    """Replays decisions, then goes on without preemption; notes what it could have done instead.

    :ivar taken: for each decision: (index chosen, number of options, whether another one is a preemption).
    """

    def __init__(self, decisions: tuple[int, ...] = ()) -> None:
        self._decisions = decisions
        self.taken: list[tuple[int, int, bool]] = []

    def choose(self, options: list[Strand], may_stay: bool) -> int:
        at = len(self.taken)
        chosen = self._decisions[at] if at < len(self._decisions) else 0
        if chosen >= len(options):
            raise InternalError(f"decision {at} is {chosen}, of {len(options)}: the scenario is not deterministic")
        self.taken.append((chosen, len(options), may_stay))
        return chosen

    @property
    def decisions(self) -> tuple[int, ...]:
        """What was decided, up to the last choice: Prefix(decisions) runs the same schedule."""
        found = [chosen for chosen, _, _ in self.taken]
        while found and not found[-1]:
            found.pop()
        return tuple(found)


def explore(run: Callable[[Prefix], None], preemptions: int, limit: int | None = None) -> int:
    """Call *run* with every schedule of at most so many preemptions.

    :param run: builds the scenario anew, executes it under the policy it is given and raises when a property fails.
    :param limit: schedules to try at most.
    :return: how many there were.
    """
    todo: list[tuple[int, ...]] = [()]
    count = 0
    while todo and count != limit:
        prefix = todo.pop()
        policy = Prefix(prefix)
        run(policy)
        count += 1
        spent = 0
        for at, (chosen, options, may_stay) in enumerate(policy.taken):
            if at >= len(prefix):
                cost = spent + may_stay
                if cost <= preemptions:
                    head = tuple(index for index, _, _ in policy.taken[:at])
                    todo.extend((*head, other) for other in range(options - 1, 0, -1))
            spent += bool(may_stay and chosen)
    return count


class _Exit(BaseException):
    """Unwinds a strand that will not go on."""


class Strand:
    """One strand of execution on a CPU.

    :ivar active: not between two rounds of a daemon, nor before the start, nor after the end.
    """

    def __init__(self, owner: Interleaver, name: str, kind: ContextKind, cpu: int, target: Callable[[], None]) -> None:
        self.name = name
        self.kind = kind
        self.cpu = cpu
        self.stack = [Context(kind if kind.rank == 0 else ContextKind.TASK, cpu)]
        self.active = kind.rank == 0
        self.daemon = False
        self.finished = False
        self.masked = 0
        self.waits_for = ""
        self.condition: Callable[[], bool] | None = None
        self.go = threading.Lock()  # held by who waits
        self.go.acquire()
        self.thread = threading.Thread(target=owner._strand, args=(self, target), name=name, daemon=True)

    def __repr__(self) -> str:
        return f"<Strand {self.name}: {self.waits_for or 'ready'}>"


class Interleaver:
    """Runs strands by turns; a Points' scheduler.

    :param trace: receives a line for each step, ``cpu1 name: what``.
    :ivar now: tells the time for the trace.
    """

    def __init__(
        self,
        cpus: Cpus,
        points: Points,
        policy: Policy,
        *,
        trace: Callable[[str], None] | None = None,
        now: Callable[[], int] = lambda: 0,
        steps: int = _STEPS,
    ) -> None:
        self._cpus = cpus
        self._points = points
        self._policy = policy
        self._trace = trace
        self._now = now
        self._steps = steps
        self._strands: list[Strand] = []
        self._current: Strand | None = None
        self._main = threading.Lock()
        self._main.acquire()
        self._error: BaseException | None = None
        self._closing = False

    def spawn(self, name: str, target: Callable[[], None], *, cpu: int) -> Strand:
        """A task on *cpu*; run() ends when all tasks have."""
        return self._add(Strand(self, name, ContextKind.TASK, cpu, target))

    def daemon(
        self, name: str, ready: Callable[[], bool], fire: Callable[[], object], *, cpu: int, kind: ContextKind
    ) -> Strand:
        """Something that happens again and again: whenever *ready*, *fire* may be called."""

        def loop() -> None:
            while True:
                strand.active = False
                self.wait(ready, "idle")
                strand.active = True
                fire()

        strand = Strand(self, name, kind, cpu, loop)
        strand.daemon = True
        strand.active = False
        strand.condition, strand.waits_for = ready, "idle"
        return self._add(strand)

    def run(self) -> None:
        """Let all strands run until the tasks have ended and no daemon has anything to do.

        :raises Deadlock: a task waits for something that nobody will do.
        :raises InternalError: more steps than allowed.
        """
        stack, before = self._cpus.stack, self._points.scheduler
        self._points.scheduler = self
        try:
            following = self._next(None)
            if following is not None:
                self._hand_over(following)
                self._main.acquire()
        finally:
            self._close()
            self._points.scheduler = before
            self._cpus.stack = stack
        if self._error is not None:
            raise self._error

    # -- the scheduler of Points

    def point(self, what: str) -> None:
        """A shared access of the running strand comes next."""
        current = self._current
        if current is None or self._closing:
            return
        self._switch(what)
        if self._trace is not None:
            self._trace(f"{self._now()} cpu{self._cpus.cpu} {current.name}: {what}")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """The running strand goes on when *condition* holds."""
        current = self._current
        if current is None or self._closing:
            if not condition():
                raise Deadlock(f"{what}: nobody else runs")
            return
        current.condition, current.waits_for = condition, what
        self._switch(what)
        current.condition, current.waits_for = None, ""

    def mask(self, delta: int) -> None:
        """Interrupts of the running strand's CPU."""
        if self._current is not None:
            self._current.masked += delta

    # -- who runs

    def _add(self, strand: Strand) -> Strand:
        self._strands.append(strand)
        return strand

    def _strand(self, strand: Strand, target: Callable[[], None]) -> None:
        strand.go.acquire()
        try:
            if not self._closing:
                target()
        except _Exit:
            pass
        except BaseException as error:  # raised by run()
            if self._error is None:
                self._error = error
        strand.finished = True
        strand.active = False
        if self._closing:
            return
        try:
            following = self._next(None) if self._error is None else None
        except BaseException as error:
            self._error = error
            following = None
        if following is None:
            self._main.release()
        else:
            self._hand_over(following)

    # Whether *strand* could run now.
    def _runnable(self, strand: Strand) -> bool:
        if strand.finished or (strand.condition is not None and not strand.condition()):
            return False
        for other in self._strands:
            if other is strand or other.cpu != strand.cpu or not other.active:
                continue
            if other.masked or other.kind.rank > strand.kind.rank:
                return False
            if strand.kind.rank and not strand.active and other.kind.rank == strand.kind.rank:
                return False
        return True

    # Who runs next; None: nobody, and that is fine.
    def _next(self, current: Strand | None) -> Strand | None:
        options = [strand for strand in self._strands if strand is not current and self._runnable(strand)]
        may_stay = False
        if current is not None and self._runnable(current):
            options.insert(0, current)
            may_stay = current.active  # to leave a daemon between two rounds is no preemption
        if not options:
            stuck = [s for s in self._strands if not s.finished and (s.active or not s.daemon)]
            if stuck:
                raise Deadlock("; ".join(f"{s.name} on cpu{s.cpu} waits: {s.waits_for}" for s in stuck))
            return None
        self._steps -= 1
        if self._steps < 0:
            raise InternalError("the scenario does not come to an end")
        return options[self._policy.choose(options, may_stay) if len(options) > 1 else 0]

    def _hand_over(self, strand: Strand) -> None:
        self._current = strand
        self._cpus.stack = strand.stack
        if strand.thread.ident is None:
            strand.thread.start()
        strand.go.release()

    def _switch(self, what: str) -> None:
        current = self._current
        assert current is not None
        try:
            following = self._next(current)
        except BaseException as error:
            self._error = self._error or error
            self._closing = True
            self._main.release()
            raise _Exit from error
        if following is current:
            return
        if following is None:
            self._main.release()
        else:
            self._hand_over(following)
        current.go.acquire()
        if self._closing:
            raise _Exit

    # Unwind what is left.
    def _close(self) -> None:
        self._closing = True
        self._current = None
        for strand in self._strands:
            if not strand.finished and strand.thread.ident is not None:
                strand.go.release()
                strand.thread.join()

    def __iter__(self) -> Iterator[Strand]:
        return iter(self._strands)
