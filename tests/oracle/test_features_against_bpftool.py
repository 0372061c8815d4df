"""probe_features(): the running kernel's answers beside bpftool's, and the simulated kernel's beside both."""

import json
import shutil
import subprocess

import pytest

import beespace
from beespace.api.features import probe_features
from beespace.decl import Program
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from beespace.uapi.enums import names

BPFTOOL = shutil.which("bpftool") or shutil.which("/usr/sbin/bpftool")
# bpftool 7.1 tells these three by messages that 6.18 no longer prints, so it calls them absent.
NEEDS_A_TARGET = {"tracing", "ext", "lsm"}
# Not in this kernel: no error injection; lockdown.
CONFIGURED_OUT = {"bpf_override_return", "bpf_probe_write_user"}
# Creating one needs a struct_ops type in the kernel's BTF.
NOT_SIMULATED = {"struct_ops"}

pytestmark = [pytest.mark.oracle, pytest.mark.slow]


@pytest.fixture(scope="module")
def real():
    linux = beespace.LinuxKernel()
    reason = linux.allowed()
    if reason is not None:
        pytest.skip(f"bpf(2) is not usable: {reason}")
    return probe_features(linux)


@pytest.fixture(scope="module")
def bpftool():
    if BPFTOOL is None:
        pytest.skip("bpftool is not installed")
    return json.loads(subprocess.run([BPFTOOL, "-j", "feature", "probe", "kernel", "full"], capture_output=True).stdout)


def named(answers, suffix):
    return {name.removeprefix("have_").removesuffix(suffix): answer for name, answer in answers.items()}


def test_program_types_are_bpftools(real, bpftool):
    theirs = named(bpftool["program_types"], "_prog_type")
    assert len(theirs) > 30
    assert {name: real.prog_types[name] for name in theirs.keys() - NEEDS_A_TARGET} == {
        name: theirs[name] for name in theirs.keys() - NEEDS_A_TARGET
    }


def test_map_types_are_bpftools(real, bpftool):
    theirs = named(bpftool["map_types"], "_map_type")
    assert len(theirs) > 30
    assert {name: real.map_types[name] for name in theirs} == theirs


def test_instruction_sets_and_settings_are_bpftools(real, bpftool):
    misc = bpftool["misc"]
    assert real.misc["large_insn_limit"] == misc["have_large_insn_limit"]
    assert real.misc["bounded_loops"] == misc["have_bounded_loops"]
    assert real.misc["isa_v2"] == misc["have_v2_isa_extension"]
    assert real.misc["isa_v3"] == misc["have_v3_isa_extension"]
    assert real.system == {name: bpftool["system_config"][name] for name in real.system}


def test_helpers_are_those_that_are_declared(real):
    # bpftool 7.1 is no witness: it calls every helper available to every type, as it waits for an older message
    registry = linux_registry()
    by_name = {ptype.name: ptype for ptype in registry.prog_types.values()}
    helpers = {number: name for number, name in names("bpf_func_id").items() if number and not name.startswith("__")}
    assert len(real.helpers) > 25
    for name, found in real.helpers.items():
        ptype = by_name[name]
        flags = uapi.BPF_F_SLEEPABLE if ptype.sleepable == "always" else 0
        attach_type = min(ptype.load_attach_types or {0})
        prog = Program("probe", ptype.id, (), expected_attach_type=attach_type, prog_flags=flags)
        ours = {text for number, text in helpers.items() if registry.func_proto(ptype.id, number, prog) is not None}
        assert {text.replace("BPF_FUNC_", "bpf_") for text in ours} - CONFIGURED_OUT == set(found), name


def test_simulated_kernel_has_what_the_real_one_has(real):
    with beespace.Kernel() as kernel:
        ours = probe_features(kernel, helpers=False)
    assert {name for name, answer in real.map_types.items() if answer and not ours.map_types[name]} == NOT_SIMULATED
    assert {name for name, answer in real.prog_types.items() if answer and not ours.prog_types[name]} == set()
    assert ours.misc == real.misc


def test_kfuncs_of_xdp_are_those_that_are_declared():
    linux = beespace.LinuxKernel()
    if linux.allowed() is not None:
        pytest.skip(f"bpf(2) is not usable: {linux.allowed()}")
    found = probe_features(linux, helpers=False, kfuncs=True).kfuncs["xdp"]
    registry = linux_registry()
    btf = linux.btf_vmlinux()
    declared = {
        name
        for name in registry.kfuncs
        if registry.kfunc_flags(uapi.BPF_PROG_TYPE_XDP, name, 0) is not None and btf.find(name, uapi.BTF_KIND_FUNC)
    }
    device_bound = {name for name in declared if name.startswith("bpf_xdp_metadata_rx_")}
    assert set(found) - device_bound == declared - device_bound
