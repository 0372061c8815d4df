"""Kfuncs as declared, compared with the running kernel: BTF, registered sets, and verdicts of calls."""

import pytest

import livekernel
from beespace.btf import Btf
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from beespace.uapi.flags import BPF_F_SLEEPABLE
from livekernel import insn

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(bool(livekernel.available()), reason=livekernel.available() or "available"),
]

REGISTRY = linux_registry()
LOADABLE = {ptype.name: ptype for ptype in REGISTRY.prog_types.values() if ptype.ctx_kind != "btf"}
EXIT = insn(0xB7) + insn(0x95)
# Refused to every program that is not bound to a device, before sets are looked at.
DEVICE_BOUND = {"bpf_xdp_metadata_rx_hash", "bpf_xdp_metadata_rx_timestamp", "bpf_xdp_metadata_rx_vlan_tag"}


@pytest.fixture(scope="module")
def func_ids():
    """Kfuncs of the running kernel: name -> BTF id."""
    btf = Btf.vmlinux()
    return {name: btf_id for name in REGISTRY.kfuncs if (btf_id := btf.find(name, uapi.BTF_KIND_FUNC))}


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADABLE)
def test_a_type_may_call_the_kfuncs_the_kernel_lets_it_call(name, func_ids):
    ptype = LOADABLE[name]
    flags = BPF_F_SLEEPABLE if ptype.sleepable == "always" else 0
    attach_types = sorted(ptype.load_attach_types or {0})
    if name == "kprobe":
        attach_types = [0, uapi.BPF_TRACE_KPROBE_SESSION, uapi.BPF_TRACE_UPROBE_SESSION]
    for at in attach_types:
        if livekernel.load(ptype.id, EXIT, attach_type=at, flags=flags).errno and name == "lirc_mode2":
            pytest.skip("this kernel has no program type lirc_mode2")
        kernel, ours = set(), set()
        for kfunc, btf_id in func_ids.items():
            if kfunc in DEVICE_BOUND:
                continue
            call = insn(0x85, 0, uapi.BPF_PSEUDO_KFUNC_CALL, 0, btf_id) + EXIT
            verdict = livekernel.load(ptype.id, call, attach_type=at, flags=flags)
            if f"calling kernel function {kfunc} is not allowed" not in verdict.log:
                kernel.add(kfunc)
            if REGISTRY.kfunc_flags(ptype.id, kfunc, at) is not None:
                ours.add(kfunc)
        assert ours == kernel, f"attach type {at}"
