"""VerifierError out of the kernel's text."""

from beespace.api.verifier_log import POISON_CORE, POISON_KFUNC, POISON_MAP, parse_log

LOG = """\
0: R1=ctx() R10=fp0
; __u32 i = skb->len & 511; @ rejected.bpf.c:24
0: (61) r6 = *(u32 *)(r1 +0)          ; R1=ctx() R6=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
; return c->bytes[i]; @ rejected.bpf.c:28
9: (0f) r0 += r6                      ; R0=map_value(map=counts,ks=4,vs=8,smin=0,smax=umax=511)
10: (71) r0 = *(u8 *)(r0 +0)
R0 max value is outside of the allowed memory range
processed 11 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""


def test_message_instruction_and_source():
    error = parse_log(LOG, 13, "out_of_bounds")
    assert error.message == "R0 max value is outside of the allowed memory range"
    assert (error.insn_idx, error.insn) == (10, "(71) r0 = *(u8 *)(r0 +0)")
    assert (error.source.file, error.source.line, error.source.text) == ("rejected.bpf.c", 28, "return c->bytes[i];")
    assert error.log == LOG
    assert str(error).splitlines()[0] == (
        "out_of_bounds: rejected.bpf.c:28: R0 max value is outside of the allowed memory range (EACCES)"
    )


def test_log_without_instructions():
    error = parse_log("last insn is not an exit or jmp\nprocessed 0 insns (limit 1000000)\n", 22, "p")
    assert (error.message, error.insn_idx, error.source) == ("last insn is not an exit or jmp", -1, None)


def test_message_without_its_newline():
    error = parse_log(
        "0: (85) call pc+1\ninsn 1 cannot call exception cb directlyprocessed 8 insns (limit 1)\n", 22, "p"
    )
    assert error.message == "insn 1 cannot call exception cb directly"


def test_states_after_the_message_are_not_the_message():
    log = (
        "1: (15) if r0 == 0x0 goto pc-1\ninfinite loop detected at insn 1\ncur state: R0=0 R10=fp0\nold state: R0=P0\n"
    )
    error = parse_log(log, 22, "p")
    assert error.message == "infinite loop detected at insn 1"
    assert error.states == ("cur state: R0=0 R10=fp0", "old state: R0=P0")


def test_state_of_the_last_instruction():
    log = "3: (07) r1 += 8 ; R1_w=fp-8\nR1 is bad\n"
    assert parse_log(log, 22, "p").states == ("R1_w=fp-8",)


def test_poisoned_instructions_are_explained():
    def explain(number):
        log = f"0: (85) call unknown#{number}\ninvalid func unknown#{number}\n"
        return parse_log(log, 22, "p", ["m0", "m1"], ["e0", "e1"]).obligation

    assert explain(POISON_MAP + 1) == "BPF map 'm1' is referenced but wasn't created"
    assert explain(POISON_KFUNC) == "kfunc 'e0' is referenced but wasn't resolved"
    assert explain(POISON_CORE) == "failed to resolve CO-RE relocation"
    assert explain(777) == ""


def test_empty_log():
    assert parse_log("", 22, "p").message == "the program was rejected"


def test_a_message_that_follows_an_instruction_on_its_line():
    log = "9: (ce) if w2 s< w1 goto pc-5 infinite loop detected at insn 5\ncur state: R2=1\nold state: R2=1\n"
    error = parse_log(log, 22, "p")
    assert (error.message, error.insn) == ("infinite loop detected at insn 5", "(ce) if w2 s< w1 goto pc-5")
