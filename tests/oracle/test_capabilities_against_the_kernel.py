"""What a loader without some capabilities may load and call, compared with the running kernel.

A child gives up all capabilities but some, then asks the kernel.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import livekernel
from beespace.decl import Caps, Program
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.slow,
    pytest.mark.skipif(bool(livekernel.available()), reason=livekernel.available() or "available"),
]

ROOT = Path(__file__).parents[2]
REGISTRY = linux_registry()
NUMBERS = {"net_admin": 12, "sys_admin": 21, "perfmon": 38, "bpf": 39}  # include/uapi/linux/capability.h
HELD = (("bpf",), ("bpf", "net_admin"), ("bpf", "perfmon"))
EPERM = 1

CHILD = """
import ctypes, json, re, sys
import livekernel
from livekernel import insn

held, types = json.loads(sys.argv[1])
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)(held & 0xFFFFFFFF, held & 0xFFFFFFFF, 0, held >> 32, held >> 32, 0)
if ctypes.CDLL(None, use_errno=True).capset(header, data):
    sys.exit("capset")
exit_0, answer = insn(0xB7) + insn(0x95), {}
for prog_type, attach_type, flags in types:
    verdict = livekernel.load(prog_type, exit_0, attach_type=attach_type, flags=flags)
    if verdict.errno and not verdict.log:
        answer[prog_type] = verdict.errno
        continue
    answer[prog_type] = [
        func_id
        for func_id in range(1, 212)
        if not re.search(
            "cannot use helper|unknown func",
            livekernel.load(prog_type, insn(0x85, imm=func_id) + exit_0, attach_type=attach_type, flags=flags).log,
        )
    ]
print(json.dumps(answer))
"""


def expected_attach_type(ptype):
    return min(ptype.load_attach_types or {0})


def flags(ptype):
    return uapi.BPF_F_SLEEPABLE if ptype.sleepable == "always" else 0


@pytest.fixture(scope="module", params=HELD, ids="+".join)
def answers(request):
    held = sum(1 << NUMBERS[cap] for cap in request.param)
    types = [
        (ptype.id, expected_attach_type(ptype), flags(ptype))
        for ptype in REGISTRY.prog_types.values()
        if ptype.ctx_kind != "btf" and ptype.name != "lirc_mode2"
    ]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps((held, types))],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "tools")}, check=True,
    )  # fmt: skip
    caps = Caps(**{cap: cap in request.param for cap in NUMBERS})
    return caps, {int(prog_type): answer for prog_type, answer in json.loads(child.stdout).items()}


def test_loading_needs_the_capabilities_that_are_declared(answers):
    caps, found = answers
    for prog_type, answer in found.items():
        ptype = REGISTRY.prog_types[prog_type]
        refused = (ptype.net_admin and not caps.net_admin) or (ptype.perfmon and not caps.perfmon)
        assert (answer == EPERM) == refused, ptype.name


def test_helpers_need_the_capabilities_that_are_declared(answers):
    caps, found = answers
    for prog_type, answer in found.items():
        ptype = REGISTRY.prog_types[prog_type]
        if answer == EPERM:
            continue
        prog = Program(
            "probe", prog_type, (), expected_attach_type=expected_attach_type(ptype), prog_flags=flags(ptype), caps=caps
        )
        ours = {func_id for func_id in range(1, 212) if REGISTRY.func_proto(prog_type, func_id, prog)}
        absent = {uapi.BPF_FUNC_override_return, uapi.BPF_FUNC_probe_write_user}
        assert ours - absent == set(answer) - absent, ptype.name
