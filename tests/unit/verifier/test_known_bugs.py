"""Bugs that verifiers, JITs and run times of BPF have had, each as a small program (cves.json, see its header)."""

import json
import re
import struct
from pathlib import Path

import pytest

from beespace.btf.build import BtfBuilder
from beespace.decl import Caps
from beespace.errors import InternalError, Unsupported
from beespace.isa import assemble, encode_insns
from beespace.kernel import Kernel
from beespace.testing.seamcalls import Buf, SeamCalls
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import BtfLoadAttr, MapCreateAttr, ProgLoadAttr

CASES = {case["id"]: case for case in json.loads(Path(__file__).with_name("cves.json").read_text())["cases"]}
MILLION_INSNS = ("fix-loop-unbounded-var", "CVE-2021-29154")  # or many: seconds where the verifier is not compiled
PROGRAMS = [
    pytest.param(case_id, marks=pytest.mark.slow if case_id in MILLION_INSNS else ())
    for case_id, case in CASES.items()
    if case["asm"]
]
PROBES = [case_id for case_id, case in CASES.items() if case.get("asm_probe")]
ACCEPTED = [case_id for case_id, case in CASES.items() if case["asm"] and case["expect"] != "reject"]
REACHED = 0x5EED
# The interpreter keeps 16 frames, tail calls from subprograms need more.
NOT_RUN = {"fix-tailcall-hierarchy"}
# Faults that the kernel has, which the verifier must not have.
STRICTER_THAN_6_18 = {"fix-jmp32-ptr"}


class Setup:
    """Maps and types of a case on a simulated kernel."""

    def __init__(self, kernel, case):
        self.calls, self.case = SeamCalls(kernel), case
        self.kernel = kernel
        self.maps = {name: self.make_map(given) for name, given in case.get("maps", {}).items()}

    def load_btf(self, builder):
        data = Buf(builder.build())
        fd = self.calls.open(uapi.BPF_BTF_LOAD, BtfLoadAttr(btf=data.address, btf_size=data.size))
        assert isinstance(fd, int), fd
        return fd

    def make_map(self, given):
        kind, btf = getattr(uapi, f"BPF_MAP_TYPE_{given['type'].upper()}"), given.get("btf")
        attr = MapCreateAttr(kind, given.get("key", 4), given.get("value", 0), given["entries"])
        if btf is not None:
            builder = BtfBuilder()
            u32, u64 = builder.add_int("unsigned int", 4), builder.add_int("unsigned long long", 8)
            if btf == "timer":
                field = builder.add_c_struct("bpf_timer", [("opaque", builder.add_array(u64, 2))])
            else:
                field = builder.add_c_struct("bpf_spin_lock", [("val", u32)])
            attr.btf_value_type_id = builder.add_c_struct("value", [("counter", u64), ("field", field)])
            attr.btf_key_type_id = u32
            attr.value_size = 24 if btf == "timer" else 16
            attr.btf_fd = self.load_btf(builder)
        fd = self.calls.open(uapi.BPF_MAP_CREATE, attr)
        assert isinstance(fd, int), fd
        return fd

    def kfuncs(self):
        btf = self.kernel.btf_vmlinux()
        names = set(re.findall(r"kfunc:(\w+)", self.case["asm"]))
        return {name: (btf.find(name, uapi.BTF_KIND_FUNC), 0) for name in names}

    def load(self, source):
        """fd, or errno name; the log is in ``self.calls.log``."""
        case = self.case
        assembly = assemble(source)
        insns = encode_insns(assembly.link(self.maps, self.kfuncs()))
        code, gpl, log = Buf(insns), Buf(b"GPL\0"), Buf(1 << 22)
        attr = ProgLoadAttr(
            prog_type=getattr(uapi, f"BPF_PROG_TYPE_{case['prog_type'].upper()}"),
            insn_cnt=len(insns) // 8, insns=code.address, license=gpl.address,
            log_level=1 | 4, log_size=log.size, log_buf=log.address, prog_flags=case.get("load_flags", 0),
        )  # fmt: skip
        if "sub:" in source:
            info = self.func_info(assembly)
            attr.func_info, attr.func_info_rec_size, attr.func_info_cnt = info.address, 8, info.size // 8
            attr.prog_btf_fd = self.btf_fd
        fd = self.calls.open(uapi.BPF_PROG_LOAD, attr)
        self.log = bytes(log).split(b"\0", 1)[0].decode()
        if isinstance(fd, int):
            self.link_itself(fd)
        return fd

    def func_info(self, assembly):
        builder = BtfBuilder()
        number = builder.add_int("int", 4, signed=True)
        ctx = builder.add_ptr(builder.add_c_struct("__sk_buff", [("len", number)]))
        proto = builder.add_func_proto(number, [("ctx", ctx)])
        starts = sorted({0, *(assembly.labels[name] for name in re.findall(r"sub:(\w+)", self.case["asm"]))})
        rows = []
        for i, start in enumerate(starts):
            linkage = uapi.BTF_FUNC_GLOBAL if i in self.case.get("glob", ()) else uapi.BTF_FUNC_STATIC
            rows.append(struct.pack("<II", start, builder.add_func(f"func{i}", proto, linkage)))
        self.btf_fd = self.load_btf(builder)
        return Buf(b"".join(rows))

    def link_itself(self, fd):
        for name, given in self.case.get("maps", {}).items():
            if given.get("self"):
                assert self.calls.update(self.maps[name], struct.pack("<I", 0), struct.pack("<I", fd)) == 0

    def run(self, fd):
        witness = self.case.get("witness", ())
        if witness:
            value = b"".join(struct.pack("<Q", word & (1 << 64) - 1) for word in witness).ljust(16, b"\0")
            assert self.calls.update(self.maps["in"], struct.pack("<I", 0), value) == 0
        result = self.calls.run(fd, data=b"\x11" * 64)
        assert not isinstance(result, str), result
        return result.retval


@pytest.fixture
def setup(request):
    case = CASES[request.param]
    caps = Caps(perfmon=False, sys_admin=False) if case.get("caps") == "bpf_only" else Caps()
    with Kernel(cpus=2, caps=caps) as kernel:
        yield Setup(kernel, case)


@pytest.mark.parametrize("setup", PROGRAMS, indirect=True)
def test_verdict_on_a_known_bug(setup):
    case = setup.case
    try:
        fd = setup.load(case["asm"])
    except Unsupported as reason:
        pytest.skip(str(reason))
    if case["expect"] == "reject":
        assert isinstance(fd, str)
        recorded = case.get("kernel_6_18_44", {})
        if case["id"] not in STRICTER_THAN_6_18 and recorded.get("verdict") == "reject":
            assert _last(setup.log) == recorded["msg"][-1]
    elif case["expect"] == "accept":
        assert isinstance(fd, int), setup.log
        assert re.search(case.get("log_re", ""), setup.log)


def _last(log):
    lines = [line for line in log.splitlines() if not line.startswith(("processed ", "verification ", "stack depth"))]
    return lines[-1]


@pytest.mark.parametrize("setup", PROBES, indirect=True)
def test_sink_is_reachable(setup):
    fd = setup.load(setup.case["asm_probe"])
    assert isinstance(fd, int), setup.log
    assert setup.run(fd) == REACHED


@pytest.mark.parametrize("setup", ACCEPTED, indirect=True)
def test_accepted_case_runs_as_described(setup):
    fd = setup.load(setup.case["asm"])
    if setup.case["id"] in NOT_RUN:
        with pytest.raises((Unsupported, InternalError)):
            setup.run(fd)
        return
    if isinstance(fd, str):
        assert setup.case["expect"] == "accept_or_reject"
        return
    expected = setup.case.get("run") or {}
    if "ret" in expected:
        assert setup.run(fd) & 0xFFFFFFFF == expected["ret"]
    if "map_in0" in expected:
        value = setup.calls.lookup(setup.maps["in"], struct.pack("<I", 0))
        assert struct.unpack_from("<Q", value)[0] == expected["map_in0"]
