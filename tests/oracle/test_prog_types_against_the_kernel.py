"""Program types as declared, compared with the verdicts of the running kernel: nothing is attached or run."""

import re

import pytest

import livekernel
from beespace.decl import Program
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from beespace.uapi.bpf import BPF_F_SLEEPABLE
from livekernel import insn

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(bool(livekernel.available()), reason=livekernel.available() or "available"),
]

REGISTRY = linux_registry()
BY_NAME = {ptype.name: ptype for ptype in REGISTRY.prog_types.values()}
LOADABLE = [name for name, ptype in BY_NAME.items() if ptype.ctx_kind != "btf"]
EXIT = insn(0xB7) + insn(0x95)
SIZES = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}
EXTRA_ATTACH_TYPES = {
    "xdp": (uapi.BPF_XDP, uapi.BPF_XDP_DEVMAP),
    "kprobe": (0, uapi.BPF_TRACE_KPROBE_MULTI, uapi.BPF_TRACE_UPROBE_SESSION),
}
REG_NAMES = {
    uapi.SCALAR_VALUE: "scalar",
    uapi.PTR_TO_PACKET: "pkt",
    uapi.PTR_TO_PACKET_END: "pkt_end",
    uapi.PTR_TO_PACKET_META: "pkt_meta",
    uapi.PTR_TO_FLOW_KEYS: "flow_keys",
    uapi.PTR_TO_TP_BUFFER: "tp_buffer",
    uapi.PTR_TO_SOCKET: "sock",
    uapi.PTR_TO_SOCKET_OR_NULL: "sock_or_null",
    uapi.PTR_TO_SOCK_COMMON_OR_NULL: "sock_common_or_null",
    uapi.PTR_TO_BTF_ID | uapi.PTR_TRUSTED: "trusted_ptr_",
}
# This kernel is built without error injection, and its lockdown forbids writing user memory.
CONFIGURED_OUT = {uapi.BPF_FUNC_override_return, uapi.BPF_FUNC_probe_write_user}


def attach_types(ptype):
    if ptype.load_attach_types is not None:
        return sorted(ptype.load_attach_types)
    return EXTRA_ATTACH_TYPES.get(ptype.name, (0,))


def loadable(ptype):
    """Skips types that the running kernel is built without."""
    flags = BPF_F_SLEEPABLE if ptype.sleepable == "always" else 0
    at = attach_types(ptype)[0]
    low = next((r[0] for a, r in ptype.ret_ranges.items() if a == at and r), (ptype.ret_range or (0,))[0])
    verdict = livekernel.load(ptype.id, insn(0xB7, imm=low) + insn(0x95), attach_type=at, flags=flags)
    if verdict.errno and not verdict.log:
        pytest.skip(f"this kernel has no program type {ptype.name}")
    return flags


def access(off, size, write):
    if write:
        return insn(0xB7) + insn(0x63 & ~0x18 | SIZES[size], 1, 0, off) + insn(0x95)
    return insn(0x61 & ~0x18 | SIZES[size], 0, 1, off) + EXIT


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LOADABLE if BY_NAME[name].ctx_kind != "mem"])
def test_every_context_access_gets_the_kernels_verdict(name):
    ptype = BY_NAME[name]
    loadable(ptype)
    offsets = sorted({*range(min(ptype.ctx_size, 400) + 9), *range(max(0, ptype.ctx_size - 9), ptype.ctx_size + 9)})
    different = []
    for at in attach_types(ptype):
        for off in offsets:
            for size in SIZES:
                for write in (False, True):
                    field = ptype.ctx_access(off, size, write, attach_type=at)
                    verdict = livekernel.load(ptype.id, access(off, size, write), attach_type=at, log_level=3)
                    valid = not re.search(r"invalid bpf_context access|misaligned context", verdict.log)
                    if valid != (field is not None):
                        different.append((at, off, size, write, field and field.name))
                    elif field and not write:
                        found = re.search(r"; R0(?:_w)?=(\w+)", verdict.log)
                        want = REG_NAMES[field.reg_type] + (field.btf_struct or "")
                        if not found or found.group(1) != want:
                            different.append((at, off, size, field.name, want, found and found.group(1)))
    assert not different


@pytest.mark.parametrize("name", LOADABLE)
def test_a_type_may_call_the_helpers_the_kernel_lets_it_call(name):
    ptype = BY_NAME[name]
    flags = loadable(ptype)
    for at in attach_types(ptype):
        prog = Program("probe", ptype.id, (), expected_attach_type=at, prog_flags=flags)
        kernel, ours = set(), set()
        for func_id in range(1, 212):
            verdict = livekernel.load(ptype.id, insn(0x85, imm=func_id) + EXIT, attach_type=at, flags=flags)
            if not re.search(r"cannot use helper|unknown func", verdict.log):
                kernel.add(func_id)
            if REGISTRY.func_proto(ptype.id, func_id, prog):
                ours.add(func_id)
        assert ours - CONFIGURED_OUT == kernel - CONFIGURED_OUT, f"attach type {at}"


@pytest.mark.parametrize("name", LOADABLE)
def test_r0_at_exit_has_the_kernels_range(name):
    ptype = BY_NAME[name]
    flags = loadable(ptype)
    for at in attach_types(ptype):
        # a scalar nobody knows: a 32-bit word read from the stack it was stored to by a helper would need a helper
        unknown = insn(0x85, imm=uapi.BPF_FUNC_get_prandom_u32) + insn(0x95)
        verdict = livekernel.load(ptype.id, unknown, attach_type=at, flags=flags)
        found = re.search(r"should have been in \[(-?\d+), (-?\d+)\]", verdict.log)
        assert verdict.errno == 0 or found, verdict.log
        assert ptype.ret_ranges.get(at, ptype.ret_range) == (found and (int(found.group(1)), int(found.group(2)))), at


@pytest.mark.parametrize("name", LOADABLE)
def test_sleepable_programs_are_those_the_kernel_accepts(name):
    ptype = BY_NAME[name]
    loadable(ptype)
    at = attach_types(ptype)[0]
    verdicts = {
        sleepable: "sleepable" not in livekernel.load(ptype.id, EXIT, attach_type=at, flags=sleepable).log.lower()
        for sleepable in (0, BPF_F_SLEEPABLE)
    }
    want = {"never": (True, False), "may": (True, True), "always": (False, True)}[ptype.sleepable]
    assert tuple(verdicts.values()) == want
