"""Helper contracts, compared with the running kernel's own ``struct bpf_func_proto``."""

import pytest

import livekernel
from beespace.btf import Btf
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.slow,
    pytest.mark.skipif(bool(livekernel.available()), reason=livekernel.available() or "available"),
]

HELPERS = linux_registry().helpers
FUNCTIONS = {name: proto.ref.rpartition(":")[2] for name, proto in HELPERS.items()}
# Not in this kernel: no error injection, no infrared receivers; lockdown leaves bpf_probe_write_user() unreferenced;
# the tail call has no function (BPF_PTR_POISON).
ABSENT = {
    "bpf_override_return",
    "bpf_probe_write_user",
    "bpf_rc_repeat",
    "bpf_rc_keydown",
    "bpf_rc_pointer_rel",
    "bpf_tail_call",
}


@pytest.fixture(scope="module")
def memory():
    with livekernel.KernelMemory() as memory:
        yield memory


@pytest.fixture(scope="module")
def live(memory):
    return livekernel.func_protos(memory, set(FUNCTIONS.values()))


@pytest.fixture(scope="module")
def btf():
    return Btf.vmlinux()


def contract(proto):
    args = proto.args
    while args and args[-1] == uapi.ARG_DONTCARE:
        args = args[:-1]
    return (proto.gpl_only, proto.pkt_access, proto.might_sleep, proto.allow_fastcall, proto.ret, tuple(args))


@pytest.mark.parametrize("name", sorted(set(HELPERS) - ABSENT))
def test_contract_is_the_kernels(name, live):
    proto = HELPERS[name]
    candidates = live.get(FUNCTIONS[name], ())
    assert contract(proto) in [contract(candidate) for candidate in candidates]


@pytest.mark.parametrize("name", sorted(set(HELPERS) - ABSENT))
def test_sizes_and_structs_of_arguments_are_the_kernels(name, live, memory, btf):
    proto = HELPERS[name]
    candidate = next(c for c in live[FUNCTIONS[name]] if contract(c) == contract(proto))
    for i, arg in enumerate(candidate.args):
        word = candidate.extra[i]
        if arg & uapi.MEM_FIXED_SIZE:
            assert proto.arg_sizes[i] == word
        elif arg & 0xFF == uapi.ARG_PTR_TO_BTF_ID and word >> 40 == 0xFFFFFF:
            assert proto.arg_btf_ids[i] == btf.name_of(memory.u32(word))
    if candidate.ret_btf_id >> 40 == 0xFFFFFF:
        assert proto.ret_btf_id == btf.name_of(memory.u32(candidate.ret_btf_id))
    assert bool(proto.allowed) == bool(candidate.allowed)
