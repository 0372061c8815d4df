"""Programs, timers and user space of four CPUs by turns: a seed is a schedule, byte for byte."""

import hashlib
import struct
from pathlib import Path

import pytest

import beespace
from beespace.sim.interleave import Prefix, explore

OBJECT = Path(__file__).parents[2] / "programs" / "timers.bpf.o"
INIT, COUNT, OTHER, START, CANCEL, START_AT, START_AT_BOOT, BUSY = range(8)


@pytest.fixture(params=["interp", "jit"])
def kernel(request):
    with beespace.Kernel(cpus=4, engine=request.param, trace_leaks=True) as kernel:
        yield kernel


def load(kernel):
    obj = kernel.open(OBJECT)
    for prog in obj.progs:
        prog.autoload = prog.name == "op_hash"
    return obj.load()


def play(kernel, obj, seed, **options):
    """Four CPUs: programs that use the same two timers, user space that deletes, makes and reads elements."""
    table, bss = obj.maps.hash, obj.bss
    table.clear()
    for key in (1, 2):
        table[key] = {}
    bss.fired, bss.mode, bss.victim, bss.results = 0, 3, 2, [0] * 4
    log = []

    def op(key, op, arg=0, flags=0):
        log.append(obj.progs.op_hash.run(ctx=struct.pack("<IIQQ", key, op, arg, flags)).retval)

    def make(key, callback):
        op(key, INIT, 0, 1)
        op(key, callback)
        op(key, START, 1000 * key)

    tasks = {
        0: lambda: make(1, BUSY),
        1: lambda: (make(2, COUNT), op(1, CANCEL)),
        2: lambda: (table.delete(1), table.update(1, {"after": 3}), make(1, COUNT)),
        3: lambda: (op(2, START, 5), log.append(sorted(table.keys())), table.delete(2)),
    }
    lines = kernel.interleave(tasks, seed=seed, **options)
    start = int(lines[0].split()[0])
    trace = [f"{int(time) - start} {rest}" for time, rest in (line.split(" ", 1) for line in lines)]
    return "\n".join([*trace, repr(log), repr(int(bss.fired)), repr([int(r) for r in bss.results])])


def traces(engine, seeds, **options):
    """One kernel plays all: what is where in memory is part of its history, too."""
    with beespace.Kernel(cpus=4, engine=engine, trace_leaks=True) as kernel:
        obj = load(kernel)
        return [hashlib.sha256(play(kernel, obj, seed, **options).encode()).digest() for seed in seeds]


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_a_seed_gives_the_same_schedule_and_others_give_others(engine):
    first = traces(engine, range(5))
    assert traces(engine, range(5)) == first
    assert len(set(first)) == 5


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_a_thousand_seeds(engine):
    first = traces(engine, range(1000), every_insn=False)
    assert traces(engine, range(1000), every_insn=False) == first
    assert len(set(first)) > 990


def test_interpreted_programs_may_be_left_before_every_instruction():
    with beespace.Kernel(cpus=2) as kernel:
        obj = load(kernel)
        lines = kernel.interleave({0: lambda: obj.progs.op_hash.run(ctx=bytes(24))}, policy=Prefix())
        assert sum(line.endswith(": insn") for line in lines) > 5


def test_a_timer_may_fire_between_any_two_calls_of_user_space(kernel):
    obj = load(kernel)
    seen = set()

    def run(policy):
        obj.maps.hash[1] = {}
        obj.bss.fired = 0
        found = []

        def user():
            for number in (INIT, COUNT, START):
                obj.progs.op_hash.run(ctx=struct.pack("<IIQQ", 1, number, 10**9, number == INIT))
            kernel.deferred.points.point("return to user space")
            found.append(int(obj.bss.fired))

        kernel.interleave({0: user}, policy=policy, every_insn=False)
        seen.add((found[0], int(obj.bss.fired)))

    explore(run, 1, limit=60)
    assert seen == {(0, 1), (1, 1)}
