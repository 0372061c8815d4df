"""Kfuncs as declared, compared with the running kernel: BTF, registered sets, and verdicts of calls."""

import pytest

import livekernel
from beespace.btf import Btf
from beespace.decl import COMMON
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from beespace.uapi.bpf import BPF_F_SLEEPABLE
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


HOOKS = {
    "COMMON": COMMON,
    "XDP": uapi.BPF_PROG_TYPE_XDP,
    "TC": uapi.BPF_PROG_TYPE_SCHED_CLS,
    "STRUCT_OPS": uapi.BPF_PROG_TYPE_STRUCT_OPS,
    "TRACING": uapi.BPF_PROG_TYPE_TRACING,
    "SYSCALL": uapi.BPF_PROG_TYPE_SYSCALL,
    "CGROUP": uapi.BPF_PROG_TYPE_CGROUP_SKB,
    "SCHED_ACT": uapi.BPF_PROG_TYPE_SCHED_ACT,
    "SK_SKB": uapi.BPF_PROG_TYPE_SK_SKB,
    "SOCKET_FILTER": uapi.BPF_PROG_TYPE_SOCKET_FILTER,
    "LWT": uapi.BPF_PROG_TYPE_LWT_XMIT,
    "NETFILTER": uapi.BPF_PROG_TYPE_NETFILTER,
    "KPROBE": uapi.BPF_PROG_TYPE_KPROBE,
}
# Built without: HID_BPF, SCHED_CLASS_EXT, NET_SCH_BPF.
ABSENT_SETS = ("hid_bpf", "scx_", "qdisc_")


@pytest.fixture(scope="module")
def live_sets():
    with livekernel.KernelMemory() as memory:
        return livekernel.kfunc_sets(memory, Btf.vmlinux())


@pytest.mark.parametrize("hook", HOOKS)
def test_registered_kfuncs_and_flags_are_the_kernels(hook, live_sets):
    ours = {}
    for kset in REGISTRY.kfunc_sets:
        if HOOKS[hook] in kset.hooks and not kset.name.startswith(ABSENT_SETS):
            ours.update(kset.rows)
    assert ours == live_sets[hook]


def test_functions_open_to_fmod_ret_are_the_kernels(live_sets):
    assert REGISTRY.rules.fmod_ret == live_sets["FMODRET"]


def test_prototypes_are_those_of_btf(func_ids):
    btf = Btf.vmlinux()
    different = {}
    for name, btf_id in func_ids.items():
        proto = btf.type(btf.type(btf_id).type)
        names = [param.name for param in proto.params]
        ours = [param for param, _ in REGISTRY.kfuncs[name].c.params]
        bits = [8 * btf.size(param.type) for param in proto.params]
        if ours != names or [ctype.bits for _, ctype in REGISTRY.kfuncs[name].c.params] != bits:
            different[name] = (ours, names)
    assert not different


@pytest.mark.slow
def test_every_kfunc_of_the_kernel_is_declared():
    btf = Btf.vmlinux()
    tagged = {
        btf.name_of(tag.type)
        for _, tag in btf.types()
        if tag.kind == uapi.BTF_KIND_DECL_TAG and tag.name == "bpf_kfunc"
    }
    assert tagged - set(REGISTRY.kfuncs) <= set(REGISTRY.rules.fmod_ret)
