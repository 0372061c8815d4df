"""RunState: the words that engines and compiled code share."""

import ctypes

import pytest

from beespace.decl import RunState
from beespace.decl import runwords as w


def word(state: RunState, off: int, bits: int = 64) -> int:
    return (ctypes.c_uint64 if bits == 64 else ctypes.c_uint32).from_address(state.address + off).value


@pytest.mark.parametrize(
    ("name", "off", "bits", "value"),
    [
        ("aborted", w.RUN_ABORTED, 32, 1),
        ("cpu", w.RUN_CPU, 32, 3),
        ("sp", w.RUN_SP, 64, 2**63),
        ("tail_calls", w.RUN_TAIL_CALLS, 64, 33),
        ("insn_count", w.RUN_INSN_COUNT, 64, 2**40),
        ("last_insn_idx", w.RUN_LAST_INSN_IDX, 64, 7),
        ("insn_limit", w.RUN_INSN_LIMIT, 64, 1_000_000),
    ],
)
def test_attribute_is_the_word_at_its_offset(name, off, bits, value):
    state = RunState()
    setattr(state, name, value)
    assert word(state, off, bits) == value
    assert getattr(state, name) == value


def test_stack_starts_empty():
    state = RunState(cpu=2, stack=0x1000, stack_bytes=512)
    assert (state.cpu, state.stack, state.sp, state.aborted, state.pending) == (2, 0x1000, 0x1200, False, None)


def test_owner_is_the_context_itself():
    class Context(RunState):
        pass

    state = Context()
    assert ctypes.cast(word(state, w.RUN_OWNER), ctypes.py_object).value is state
