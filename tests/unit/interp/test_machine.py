"""The loop: memory, calls, frames, faults."""

import pytest

from beespace.decl import BpfThrow, CallEvent, KfuncProto, SubprogInfo, declare
from beespace.errors import GuestFault, InternalError, Unsupported
from beespace.isa import assemble

TEXT = 0x1000
TAIL_CALL = declare("long bpf_tail_call(void *ctx, struct bpf_map *prog_array_map, u32 index)", 0)


def helper(prototype, impl):
    return KfuncProto(prototype.split("(")[0].split()[-1].lstrip("*"), prototype, impl=impl)


@pytest.mark.parametrize(
    ("text", "r0"),
    [
        ("r0 = 7; exit", 7),
        ("r0 = -1; exit", 2**64 - 1),
        ("w0 = -1; exit", 2**32 - 1),
        ("r0 = 0x123456789abcdef0 ll; exit", 0x123456789ABCDEF0),
        ("r0 = 0x123456789abcdef0 ll; w0 += 0; exit", 0x9ABCDEF0),
        ("r0 = 5; r0 /= 0; exit", 0),
        ("r0 = 5; r1 = 0; r0 %= r1; exit", 5),
        ("r0 = 1; if r0 s> -1 goto +1; r0 = 9; exit", 1),
        ("r1 = -2; r0 = 1; if r1 > 1 goto +1; r0 = 9; exit", 1),
        ("r0 = 0x1122334455667788 ll; r0 = be16 r0; exit", 0x8877),
        ("r0 = 0x1122334455667788 ll; r0 = bswap64 r0; exit", 0x8877665544332211),
        ("r1 = 0x8090; r0 = (s8)r1; exit", 0xFFFFFFFFFFFFFF90),
        ("r1 = 0x8090; w0 = (s16)w1; exit", 0xFFFF8090),
        ("*(u32 *)(r10 - 8) = -2; r0 = *(s32 *)(r10 - 8); exit", 2**64 - 2),
        ("*(u32 *)(r10 - 8) = -2; r0 = *(u32 *)(r10 - 8); exit", 2**32 - 2),
        ("*(u64 *)(r10 - 8) = -2; r0 = *(u16 *)(r10 - 8); exit", 0xFFFE),
        ("r1 = 3; *(u64 *)(r10 - 8) = 4; lock *(u64 *)(r10 - 8) += r1; r0 = *(u64 *)(r10 - 8); exit", 7),
        ("r1 = 3; *(u64 *)(r10 - 8) = 4; r1 = atomic_fetch_add((u64 *)(r10 - 8), r1); r0 = r1; exit", 4),
        ("r0 = 4; r1 = 9; *(u64 *)(r10 - 8) = 4; r0 = cmpxchg_64(r10 - 8, r0, r1); r0 = *(u64 *)(r10 - 8); exit", 9),
        ("*(u64 *)(r10 - 8) = 200; r0 = load_acquire((u8 *)(r10 - 8)); exit", 200),
        ("r1 = 300; store_release((u8 *)(r10 - 8), r1); r0 = *(u64 *)(r10 - 8); exit", 44),
        ("r0 = 0; r1 = 10; r0 += r1; r1 -= 1; if r1 != 0 goto -3; exit", 55),
        ("r0 = 0; goto +1; r0 = 1; exit", 0),
        ("r0 = *(u64 *)(r10 - 512); exit", 0),
    ],
)
def test_r0(run, prepare, text, r0):
    assert run.execute(prepare(text)) == r0


def test_counts_instructions_and_remembers_the_last(run, prepare):
    run.execute(prepare("r0 = 1 ll; r1 = 3; r1 -= 1; if r1 != 0 goto -2; exit"))
    assert (run.insn_count, run.last_insn_idx) == (2 + 2 * 3 + 1, 5)


def test_each_subprogram_has_its_frame(run, prepare):
    text = """
        *(u64 *)(r10 - 8) = 1
        r6 = 6
        call f
        r0 += r6
        r1 = *(u64 *)(r10 - 8)
        r0 += r1
        exit
    f:  *(u64 *)(r10 - 8) = 100
        r6 = 1000
        r0 = *(u64 *)(r10 - 8)
        exit
    """
    top = run.sp
    assert run.execute(prepare(text)) == 107
    assert run.sp == top


@pytest.mark.parametrize(
    ("text", "insn_idx", "message"),
    [
        ("r0 = *(u64 *)(r1 + 0); exit", 0, "no memory of the guest"),
        ("r0 = 0; r1 = 1; *(u8 *)(r1 + 0) = 1; exit", 2, "no memory of the guest"),
        ("r0 = *(u64 *)(r10 + 0); exit", 0, "the region has"),
        ("r0 = 0", 1, "no instruction here"),
        ("goto +5; exit", 2, "no instruction here"),
        ("goto +1; r0 = 1 ll; exit", 2, "middle of LD_IMM64"),
        ("r10 = 1; exit", 0, "frame pointer is read only"),
        ("call 9999; exit", 0, "helper 9999 is not known"),
        (".insn 0xff 0 0 0 0; exit", 0, "unknown opcode ff"),
        (".insn 0xb7 11 0 0 0; exit", 0, "register R11"),
        (".insn 0xb7 0 0 1 0; exit", 0, "unknown opcode b7"),
        ("f: call f; exit", 0, "stack"),
    ],
)
def test_unverified_programs_fault(run, prepare, text, insn_idx, message):
    top = run.sp
    with pytest.raises(GuestFault, match=message) as caught:
        run.execute(prepare(text))
    assert (caught.value.insn_idx, caught.value.engine, len(caught.value.registers)) == (insn_idx, "interp", 11)
    assert run.sp == top


def test_endless_loop_ends_at_the_limit(run, prepare):
    run.insn_limit = 1000
    with pytest.raises(GuestFault, match="limit of 1000 instructions"):
        run.execute(prepare("goto -1"))
    assert run.insn_count == 1000


def test_fault_says_where(run, prepare):
    region = run.mem.alloc(64, name="packet", writable=False)
    with pytest.raises(GuestFault, match=r"write of 4 bytes at packet\+2: read-only") as caught:
        run.execute(prepare("*(u32 *)(r1 + 2) = 1; exit"), region.base)
    assert caught.value.address == region.base + 2


def test_accesses_follow_the_bounds_of_a_region_across_calls(run, prepare):
    region = run.mem.alloc(64, name="packet")

    def shrink(run):
        run.mem.set_bounds(region, region.base, 8)
        return 0

    calls = {2: helper("int shrink(void)", shrink)}
    text = "r6 = r1; r0 = *(u64 *)(r6 + 8); .insn 0x85 0 2 0 1; r0 = *(u64 *)(r6 + 8); exit"
    with pytest.raises(GuestFault, match="the region has 8 bytes") as caught:
        run.execute(prepare(text, calls=calls), region.base)
    assert caught.value.insn_idx == 3


@pytest.mark.parametrize(
    ("prototype", "r1", "seen"),
    [
        ("int f(u8 x)", 0x1FF, 0xFF),
        ("int f(u32 x)", -1, 0xFFFFFFFF),
        ("int f(int x)", 0xFFFFFFFF, 2**64 - 1),
        ("int f(s16 x)", 0x8000, 2**64 - 0x8000),
        ("int f(u64 x)", -1, 2**64 - 1),
        ("int f(void *x)", -2, 2**64 - 2),
    ],
)
def test_arguments_are_converted_to_their_c_type(run, prepare, prototype, r1, seen):
    got = []

    def impl(run, x):
        got.append(x)
        return 0

    run.execute(prepare(f"r1 = {r1:#x} ll; .insn 0x85 0 2 0 1; exit", calls={2: helper(prototype, impl)}))
    assert got == [seen]


@pytest.mark.parametrize(
    ("proto", "r0"),
    [
        (helper("int f(void)", lambda run: -22), 2**32 - 22),
        (helper("bool f(void)", lambda run: True), 1),
        (helper("s64 f(void)", lambda run: -22), 2**64 - 22),
        (helper("void f(void)", lambda run: None), 0),
        (declare("long bpf_ktime_get_ns(void)", 0, impl=lambda run: -22), 2**64 - 22),
    ],
)
def test_results_are_wrapped(run, prepare, proto, r0):
    assert run.execute(prepare(".insn 0x85 0 2 0 1; exit", calls={0: proto})) == r0


def test_map_pointers_become_map_objects(run, prepare):
    run.maps[0x5000] = "the map"
    proto = helper("u64 f(struct bpf_map *map, u64 x)", lambda run, m, x: len(m) + x)
    assert run.execute(prepare("r1 = 0x5000; r2 = 5; .insn 0x85 0 2 0 1; exit", calls={2: proto})) == 12


def test_calls_of_declared_but_missing_helpers_are_unsupported(run, prepare):
    with pytest.raises(Unsupported, match=r"f\(\)"):
        run.execute(prepare(".insn 0x85 0 2 0 1; exit", calls={0: KfuncProto("f", "int f(void)")}))


def test_exception_of_a_helper_leaves_the_program(run, prepare):
    def impl(run):
        raise ZeroDivisionError("of the helper")

    top = run.sp
    with pytest.raises(ZeroDivisionError, match="of the helper"):
        run.execute(prepare("call f; exit; f: .insn 0x85 0 2 0 1; exit", calls={2: helper("int f(void)", impl)}))
    assert run.sp == top


def test_helper_may_call_back(run, prepare):
    loop = helper(
        "long loop(u32 n, void *cb, void *ctx)",
        lambda run, n, cb, ctx: sum(run.invoke(cb, i, ctx) for i in range(n)),
    )
    text = """
        r1 = 4
        r2 = 0 ll
        r3 = r10
        *(u64 *)(r10 - 8) = 10
        .insn 0x85 0 2 0 1
        exit
    cb: r0 = *(u64 *)(r2 - 8)
        r0 += r1
        *(u64 *)(r10 - 8) = 99
        exit
    """
    cb = assemble(text).labels["cb"]
    insns = text.replace("r2 = 0 ll", f"r2 = {TEXT + 8 * cb} ll")
    assert run.execute(prepare(insns, calls={5: loop}, text=TEXT)) == 46


def test_text_addresses_outside_the_program_fault(run, prepare):
    executable = prepare("r0 = 0; exit", text=TEXT)
    for address in (0, TEXT - 8, TEXT + 4, TEXT + 16):
        with pytest.raises(GuestFault, match="no text of the program"):
            executable.invoke(run, address)


def throw(run, cookie):
    raise BpfThrow(cookie)


THROW = helper("void bpf_throw(u64 cookie)", throw)


def test_throw_unwinds_all_frames_of_the_program(run, prepare):
    text = "call f; r0 = 1; exit; f: call g; r0 = 2; exit; g: r1 = 77; .insn 0x85 0 2 0 1; r0 = 3; exit"
    top = run.sp
    assert run.execute(prepare(text, calls={7: THROW})) == 77
    assert run.sp == top


def test_throw_runs_the_exception_callback(run, prepare):
    text = "r1 = 5; .insn 0x85 0 2 0 1; exit; cb: r0 = r1; r0 += 100; exit"
    subprogs = (SubprogInfo(0), SubprogInfo(3, is_exception_cb=True))
    assert run.execute(prepare(text, calls={1: THROW}, subprogs=subprogs)) == 105


def test_throw_passes_through_helper_and_callback(run, prepare):
    loop = helper("long loop(void *cb)", lambda run, cb: run.invoke(cb))
    text = f"r1 = {TEXT + 8 * 6} ll; .insn 0x85 0 2 0 1; r0 = 1; exit; exit; cb: r1 = 9; .insn 0x85 0 2 0 2; exit"
    assert run.execute(prepare(text, calls={2: loop, 7: THROW}, text=TEXT)) == 9


def test_tail_call_replaces_the_frame(run, prepare):
    run.maps[0x5000] = "jump table"
    target = prepare("r0 = *(u64 *)(r10 - 8); r0 += 30; exit")
    run.programs["jump table", 2] = target
    text = "r0 = 0; *(u64 *)(r10 - 8) = 4; r2 = 0x5000; r3 = {}; call 12; r0 = 1; exit"
    assert run.execute(prepare(text.format(2), calls={4: TAIL_CALL})) == 30
    assert (run.tail_calls, run.last_insn_idx) == (1, 2)
    assert run.execute(prepare(text.format(3), calls={4: TAIL_CALL})) == 1


def test_tail_call_in_a_subprogram_returns_to_its_caller(run, prepare):
    run.maps[0x5000] = "jump table"
    run.programs["jump table", 0] = prepare("r0 = 20; r6 = 0; exit")
    text = "r6 = 1; call f; r0 += r6; exit; f: r2 = 0x5000; r3 = 0; call 12; r0 = 0; exit"
    assert run.execute(prepare(text, calls={6: TAIL_CALL})) == 21


def test_tail_calls_are_limited_to_33(run, prepare):
    run.maps[0x5000] = "jump table"
    itself = prepare("r2 = 0x5000; r3 = 0; call 12; r0 = 5; exit", calls={2: TAIL_CALL})
    run.programs["jump table", 0] = itself
    assert run.execute(itself) == 5
    assert (run.tail_calls, run.insn_count) == (33, 33 * 3 + 5)


@pytest.mark.slow
def test_may_goto_leaves_after_its_budget(run, prepare):
    assert run.execute(prepare("r0 = 0; r0 += 1; may_goto +1; goto -3; exit")) == 8 * 1024 * 1024 + 1


def test_events_of_calls(run, prepare):
    events = []
    proto = helper("int f(u64 a, u64 b)", lambda run, a, b: a + b)
    run.execute(prepare("r1 = 1; r2 = 2; .insn 0x85 0 2 0 1; exit", sink=events.append, calls={2: proto}))
    assert events == [CallEvent(2, "f", (1, 2), 3)]


def test_single_steps(run, prepare):
    machine = prepare("r0 = 1; call f; exit; f: r0 += 1; exit").machine(run)
    seen = []
    while machine.step():
        seen.append((machine.insn_idx, machine.frame, machine.registers[0]))
    assert seen == [(1, 0, 1), (3, 1, 1), (4, 1, 2), (2, 0, 2), (2, 0, 2)]
    assert machine.finish() == 2


def test_verified_program_that_faults_is_our_bug(run):
    from beespace.decl import Program, VerifiedProgram, XlatedProgram
    from beespace.interp import Interp

    insns = assemble("r0 = *(u64 *)(r1 + 0); exit").insns
    verified = VerifiedProgram(Program("p", 1, insns), insns, (), (SubprogInfo(0),))
    with pytest.raises(InternalError, match="insn 0 of p"):
        run.execute(Interp().prepare(XlatedProgram(verified, "p", 1, insns, (SubprogInfo(0),))))
