"""Compiled programs: helpers, callbacks, exceptions, tail calls, stack frames, maps."""

import os
import subprocess
import sys

import pytest

from beespace.decl import (
    BpfThrow,
    CallEvent,
    InsnAux,
    KfuncProto,
    MapLayout,
    MapMeta,
    SubprogInfo,
    XlatedProgram,
    declare,
)
from beespace.errors import GuestFault, InternalError, Unsupported
from beespace.interp import Interp
from beespace.isa import assemble, names
from beespace.jit import Jit, JitOptions, ops
from beespace.testing.engines import trusted
from beespace.uapi import bpf as uapi
from beespace.xlate import raw

TEXT = 0x10000
TAIL_CALL = declare("long bpf_tail_call(void *ctx, struct bpf_map *prog_array_map, u32 index)", uapi.RET_INTEGER)
CALL = ".insn 0x85 0 2 0 1"


def helper(prototype, impl):
    return KfuncProto(prototype.split("(")[0].split()[-1].lstrip("*"), prototype, impl=impl)


def test_every_operation_has_a_meaning():
    # address space casts need the arena of the program: the emitter knows them
    assert ops.ALU.keys() | {"ADDR_SPACE_CAST"} == names("alu")
    assert ops.SWAP.keys() == names("swap")
    assert ops.JMP.keys() == names("jmp")
    assert ops.ATOMIC.keys() == names("atomic")


def test_unverified_programs_are_not_compiled(jit):
    with pytest.raises(Unsupported, match="not verified"):
        jit.prepare(raw(assemble("r0 = 0; exit").insns))


def test_importing_the_engine_does_not_load_llvm():
    check = "import beespace.jit, sys; beespace.jit.Jit(); print([m for m in sys.modules if m.startswith('llvmlite')])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_context_and_result_are_64_bits(run, compiled):
    assert run.execute(compiled("r0 = r1; exit"), 2**64 - 5) == 2**64 - 5


def test_arguments_and_results_of_helpers(run, compiled):
    seen = []

    def impl(run, a, b, c):
        seen.append((a, b, c))
        return -1

    source = f"r6 = 7; r1 = -1; r2 = -1; w3 = -1; {CALL}; r0 += r6; exit"
    proto = helper("u32 f(u64 a, u32 b, int c)", impl)
    assert run.execute(compiled(source, calls={4: proto})) == 2**32 + 6
    assert seen == [(2**64 - 1, 2**32 - 1, 2**64 - 1)]


def test_map_arguments_become_map_objects(run, compiled):
    run.maps[0x5000] = "the map"
    proto = helper("u64 f(struct bpf_map *map)", lambda run, m: len(m))
    assert run.execute(compiled(f"r1 = 0x5000; {CALL}; exit", calls={1: proto})) == 7


def test_exception_of_a_helper_leaves_all_frames(run, compiled):
    def impl(run, pointer):
        raise ZeroDivisionError("of the helper")

    source = f"""
        *(u64 *)(r10 - 8) = 1
        call f
        r0 = 1
        exit
    f:  r1 = r10
        r1 += -8
        {CALL}
        r0 = 2
        exit
    """
    top = run.sp
    executable = compiled(source, calls={6: helper("int f(void *p)", impl)})
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="of the helper"):
            run.execute(executable)
        assert (run.sp, run.pending, run.aborted) == (top, None, False)


def test_stack_addresses_given_to_helpers_are_guest_memory(run, compiled):
    def impl(run, pointer, size):
        data = run.mem.read(pointer, size)
        run.mem.write(pointer, bytes(reversed(data)))
        return sum(data)

    source = f"""
        *(u64 *)(r10 - 8) = 0x01020304
        r1 = r10
        r1 += -8
        r2 = 4
        {CALL}
        r1 = *(u32 *)(r10 - 8)
        r0 <<= 32
        r0 |= r1
        exit
    """
    proto = helper("u64 f(void *p, u32 size)", impl)
    assert run.execute(compiled(source, calls={4: proto})) == 10 << 32 | 0x04030201


def test_callers_stack_reaches_a_helper_of_the_callee(run, compiled):
    source = f"""
        *(u64 *)(r10 - 16) = 41
        r1 = r10
        r1 += -16
        call f
        r0 = *(u64 *)(r10 - 16)
        exit
    f:  {CALL}
        exit
    """

    def impl(run, pointer):
        run.mem.write(pointer, (run.word(pointer) + 1).to_bytes(8, "little"))
        return 0

    assert run.execute(compiled(source, calls={6: helper("u64 f(void *p)", impl)})) == 42


def test_stack_that_does_not_fit_is_our_bug(run, compiled):
    proto = helper("u64 f(void *p)", lambda run, p: 0)
    executable = compiled(f"*(u64 *)(r10 - 512) = 1; r1 = r10; {CALL}; exit", calls={2: proto})
    run.sp = run.stack + 500
    with pytest.raises(InternalError, match="more stack"):
        run.execute(executable)
    assert run.sp == run.stack + 500


LOOP = """
    *(u64 *)(r10 - 8) = 10
    r1 = 4
    r2 = 0 ll
    r3 = r10
    r3 += -8
    .insn 0x85 0 2 0 1
    r1 = *(u64 *)(r10 - 8)
    r0 += r1
    exit
cb: r0 = *(u64 *)(r2 + 0)
    r0 += r1
    *(u64 *)(r2 + 0) = r0
    r0 = 1
    exit
"""


def loop_program():
    asm = assemble(LOOP)
    callback = asm.labels["cb"]
    insns = list(asm.insns)
    insns[2] = insns[2]._replace(src_reg=uapi.BPF_PSEUDO_FUNC)
    return insns, callback, {2: TEXT + 8 * callback}


def test_helper_calls_back(run, jit):
    insns, callback, imm64 = loop_program()
    loop = helper(
        "long loop(u32 n, void *cb, void *ctx)",
        lambda run, n, cb, ctx: sum(run.invoke(cb, i, ctx) for i in range(n)),
    )
    program = trusted(insns, calls={6: loop}, callbacks=[callback], imm64=imm64, text=TEXT)
    executable = jit.prepare(program)
    assert run.execute(executable) == 4 + 16
    with pytest.raises(GuestFault, match="no subprogram to call back"):
        executable.invoke(run, TEXT + 8)


@pytest.mark.parametrize(("count", "r0"), [(0, 10), (3, 3 + 13), (8 * 1024 * 1024 + 1, 10 - 7)])
def test_bpf_loop_becomes_a_loop(run, jit, count, r0):
    insns, callback, imm64 = loop_program()
    insns[1] = insns[1]._replace(imm=count)
    insns[-2] = insns[-2]._replace(imm=0)
    proto = declare("long bpf_loop(u32 nr_loops, void *callback_fn, void *callback_ctx, u64 flags)", uapi.RET_INTEGER)
    aux = {6: InsnAux(inline_bpf_loop=True, loop_callback_subprogno=1)}
    program = trusted(insns, calls={6: proto}, aux=aux, callbacks=[callback], imm64=imm64, text=TEXT)
    assert run.execute(jit.prepare(program)) == r0


def test_bpf_loop_stops_when_the_callback_says_so(run, jit):
    insns, callback, imm64 = loop_program()
    proto = declare("long bpf_loop(u32 nr_loops, void *callback_fn, void *callback_ctx, u64 flags)", uapi.RET_INTEGER)
    aux = {6: InsnAux(inline_bpf_loop=True, loop_callback_subprogno=1)}
    program = trusted(insns, calls={6: proto}, aux=aux, callbacks=[callback], imm64=imm64, text=TEXT)
    assert run.execute(jit.prepare(program)) == 1 + 10


def throw(run, cookie):
    raise BpfThrow(cookie)


THROW = helper("void bpf_throw(u64 cookie)", throw)


def test_throw_ends_the_program_with_the_cookie(run, compiled):
    source = f"call f; r0 = 1; exit; f: r1 = 77; {CALL}; r0 = 3; exit"
    assert run.execute(compiled(source, calls={4: THROW})) == 77


def test_throw_runs_the_exception_callback(run, jit):
    insns = assemble(f"r1 = 5; {CALL}; exit; cb: r0 = r1; r0 += 100; exit").insns
    program = trusted(insns, calls={1: THROW}, callbacks=[3], text=TEXT)
    program = XlatedProgram(
        program.verified,
        "p",
        0,
        insns,
        (SubprogInfo(0), SubprogInfo(3, is_exception_cb=True)),
        calls=program.calls,
        aux=program.aux,
        text=TEXT,
    )
    assert run.execute(jit.prepare(program)) == 105


@pytest.mark.parametrize("target_engine", ["jit", "interp"])
def test_tail_call(run, jit, target_engine):
    engine = jit if target_engine == "jit" else Interp()
    run.maps[0x5000] = "jump table"
    run.programs["jump table", 2] = engine.prepare(trusted(assemble("r0 = r1; r0 += 30; exit").insns))
    source = "r6 = r1; r2 = 0x5000; r3 = {}; call 12; r0 = 1; exit"
    for index, r0 in ((2, 35), (3, 1)):
        executable = jit.prepare(trusted(assemble(source.format(index)).insns, calls={3: TAIL_CALL}))
        assert run.execute(executable, 5) == r0


def test_tail_calls_are_limited_to_33(run, jit):
    run.maps[0x5000] = "jump table"
    source = "r2 = 0x5000; r3 = 0; call 12; r0 = 5; exit"
    itself = jit.prepare(trusted(assemble(source).insns, calls={2: TAIL_CALL}))
    run.programs["jump table", 0] = itself
    assert run.execute(itself) == 5
    assert run.tail_calls == 33


def test_loads_that_may_not_be_there_give_zero(run, jit):
    region = run.mem.alloc(8, name="object")
    run.mem.write(region.base, (0x8899AABBCCDDEEFF).to_bytes(8, "little"))
    source = "r0 = *(u64 *)(r1 + 0); r2 = *(s8 *)(r1 + 7); r0 += r2; exit"
    aux = {0: InsnAux(probe_mem=True), 1: InsnAux(probe_mem=True)}
    for engine in (jit, Interp()):
        executable = engine.prepare(trusted(assemble(source).insns, aux=aux))
        assert run.execute(executable, region.base) == 0x8899AABBCCDDEEFF - 0x78
        assert run.execute(executable, 0) == 0


def test_arena(run, jit):
    region = run.mem.alloc(4096, name="arena", align=4096)
    user = 0x7F0000000000
    aux = {idx: InsnAux(ptr_type=uapi.PTR_TO_ARENA) for idx in (1, 2, 4, 5, 6)}
    source = """
        w2 = w1
        *(u32 *)(r2 + 4) = 7
        *(u64 *)(r2 + 8) = r1
        r3 = r1
        r3 = atomic_fetch_add((u32 *)(r2 + 4), r3)
        r4 = *(u32 *)(r2 + 4)
        r5 = *(u64 *)(r2 - 8)
        r0 = addr_space_cast(r1, 1, 0)
        r0 += r3
        r0 += r5
        exit
    """
    for engine in (jit, Interp()):
        prog = trusted(assemble(source).insns, aux=aux, arena=(region.base, user))
        run.mem.write(region.base, bytes(4096))
        assert run.execute(engine.prepare(prog), user + 16) == user + 16 + 7
        assert run.word(region.base + 20, 4) == 23
        assert run.execute(engine.prepare(prog), 1 << 20) == user + (1 << 20)  # not there


def test_array_lookup_is_inlined(run, jit):
    region = run.mem.alloc(4 * 16 * 2, name="values")
    meta = MapMeta(1, "m", uapi.BPF_MAP_TYPE_PERCPU_ARRAY, 4, 16, 4)
    layout = MapLayout(0x9000, region.base, 16, 4, 64)
    proto = declare(
        "void *bpf_map_lookup_elem(struct bpf_map *map, const void *key)", uapi.RET_PTR_TO_MAP_VALUE_OR_NULL
    )
    source = """
        *(u32 *)(r10 - 4) = r1
        r2 = r10
        r2 += -4
        r1 = 0x9000 ll
        call 1
        if r0 == 0 goto out
        *(u64 *)(r0 + 8) = 5
        r0 = 1
    out: exit
    """
    aux = {5: InsnAux(map_ptrs=(meta,))}
    prog = trusted(assemble(source).insns, calls={5: proto}, aux=aux, map_layouts={meta: layout})
    run.cpu = 1
    executable = jit.prepare(prog)
    assert [run.execute(executable, index) for index in (2, 4, 0xFFFFFFFF)] == [1, 0, 0]
    assert run.word(region.base + 64 + 2 * 16 + 8) == 5


def test_trace_and_counts(run):
    events = []
    jit = Jit(JitOptions(opt_level=0, count_insns=True, trace_calls=True), events.append)
    proto = helper("int f(u64 a, u64 b)", lambda run, a, b: a + b)
    executable = jit.prepare(trusted(assemble(f"r1 = 1; r2 = 2; {CALL}; exit").insns, calls={2: proto}))
    assert run.execute(executable) == 3
    assert events == [CallEvent(2, "f", (1, 2), 3)]
    assert (run.insn_count, run.last_insn_idx) == (4, 3)


def test_compiles_and_runs_after_fork(run, compiled):
    executable = compiled("r0 = r1; r0 += 1; exit")
    pid = os.fork()
    if pid == 0:
        ok = run.execute(executable, 1) == 2 and run.execute(compiled("r0 = 9; exit")) == 9
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_assembly_names_the_instructions(jit):
    text = jit.assembly(trusted(assemble("r0 = *(u64 *)(r1 + 0); r0 *= 21; exit").insns, name="triple"))
    lines = text.splitlines()
    assert lines[0] == "triple:"
    assert "; 0: (79) r0 = *(u64 *)(r1 +0)" in lines
    assert any("retq" in line or line.strip() == "ret" for line in lines)
