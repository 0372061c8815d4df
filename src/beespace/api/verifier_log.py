"""A VerifierError out of the text that the kernel writes.

:see: kernel/bpf/log.c, kernel/bpf/verifier.c:print_verification_stats
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from beespace.errors import SourceLine, VerifierError

__all__ = ["POISON_CORE", "POISON_KFUNC", "POISON_MAP", "SOURCE", "explain_poison", "parse_log", "source_line"]

# Written after the verdict, or around it.
_STATISTICS = re.compile(
    r"processed \d+ insns|verification time \d+ usec|stack depth|insns processed|peak_states|"
    r"(?:-- )?(?:BEGIN|END) PROG LOAD LOG|mark_precise: |max_states_per_insn"
)
# An instruction that changed nothing worth printing loses its newline to the message that follows.
_INSN = re.compile(r"(\d+): (\([0-9a-f]{2}\) .*?)(?:(?<=.) (infinite loop detected at insn \d+))?")
SOURCE = re.compile(r"; (.*?)(?: @ (\S+?):(\d+))?$")
_STATE = re.compile(r"(?:\d+: |cur state: |old state: )?(?:frame\d+: ?)?R\d+(?:_w)?=")
_POISON = re.compile(r"invalid func unknown#(\d+)")

# What the loader puts where a relocation failed; the verifier shows it when such an instruction is reached.
POISON_CORE = 195896080  # 0xbad2310
POISON_MAP = 2001000000
POISON_KFUNC = 2002000000


def explain_poison(message: str, maps: Sequence[str], externs: Sequence[str]) -> str:
    """What a complaint about a poisoned instruction really means; "" for other messages.

    :see: tools/lib/bpf/libbpf.c:fixup_verifier_log
    """
    match = _POISON.search(message)
    if match is None:
        return ""
    number = int(match.group(1))
    if number == POISON_CORE:
        return "failed to resolve CO-RE relocation"
    if 0 <= number - POISON_KFUNC < len(externs):
        return f"kfunc '{externs[number - POISON_KFUNC]}' is referenced but wasn't resolved"
    if 0 <= number - POISON_MAP < len(maps):
        return f"BPF map '{maps[number - POISON_MAP]}' is referenced but wasn't created"
    return ""


def parse_log(
    log: str, errno: int, prog_name: str, maps: Sequence[str] = (), externs: Sequence[str] = ()
) -> VerifierError:
    """The rejection that *log* ends with.

    The message is the last line that is neither statistics nor state; instruction, source line and states are the last
    ones before it.

    :param maps: names by the number that poisoned instructions carry; likewise *externs*.
    """
    message, insn_idx, insn = "", -1, ""
    source: SourceLine | None = None
    states: list[str] = []
    for whole in log.splitlines():
        line = _STATISTICS.split(whole, 1)[0]  # some messages lack their newline
        if not line.strip():
            continue
        if match := _INSN.fullmatch(line):
            text, _, state = match.group(2).partition(" ; ")
            insn_idx, insn, message = int(match.group(1)), text.rstrip(), match.group(3) or ""
            states = [state.strip()] if _STATE.match(state.strip()) else []
        elif match := SOURCE.match(line):
            source = source_line(match, source)
            message = ""
        elif _STATE.match(line):
            states.append(line.split(": ", 1)[-1] if line[0].isdigit() else line.strip())
        else:
            message = line.strip()
    return VerifierError(
        message or "the program was rejected",
        errno=errno,
        insn_idx=insn_idx,
        insn=insn,
        source=source,
        states=tuple(states[-2:]),
        obligation=explain_poison(message, maps, externs),
        log=log,
        prog_name=prog_name,
    )


def source_line(match: re.Match[str], before: SourceLine | None) -> SourceLine:
    """The line that a match of SOURCE names: ``; text @ file.c:12``; kernels before 6.8 give the text alone."""
    text, file, line = match.groups()
    return SourceLine(file or (before.file if before else ""), int(line or 0), 0, text.strip())
