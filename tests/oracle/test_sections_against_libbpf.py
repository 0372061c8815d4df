"""SEC() names, compared with the libbpf that is installed (an older one may not know the newest)."""

import ctypes
import ctypes.util

import pytest

from beespace.kernel.slices import linux_registry

LIBBPF = ctypes.util.find_library("bpf")
pytestmark = [pytest.mark.oracle, pytest.mark.skipif(LIBBPF is None, reason="no libbpf is installed")]

SECTIONS = linux_registry().section_defs()
SINCE_1_2 = {  # after libbpf 1.1, which Debian 12 has
    "netfilter",
    "tc/ingress",
    "tc/egress",
    "sk_skb/verdict",
    "tcx/ingress",
    "tcx/egress",
    "netkit/primary",
    "netkit/peer",
    "usdt.s+",
    "kprobe.session+",
    "uprobe.session+",
    "uprobe.session.s+",
    "uprobe.multi+",
    "uretprobe.multi+",
    "uprobe.multi.s+",
    "uretprobe.multi.s+",
    "struct_ops.s+",
    "cgroup/connect_unix",
    "cgroup/sendmsg_unix",
    "cgroup/recvmsg_unix",
    "cgroup/getpeername_unix",
    "cgroup/getsockname_unix",
}


@pytest.fixture(scope="module")
def libbpf():
    lib = ctypes.CDLL(LIBBPF)
    lib.libbpf_set_print(None)
    return lib


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.sec)
def test_section_gives_the_types_libbpf_gives_it(section, libbpf):
    prog_type, attach_type = ctypes.c_int(), ctypes.c_int()
    name = section.sec.replace("+", "/x").encode()
    err = libbpf.libbpf_prog_type_by_name(name, ctypes.byref(prog_type), ctypes.byref(attach_type))
    if err and section.sec in SINCE_1_2:
        pytest.skip("newer than this libbpf")
    assert err == 0
    assert (prog_type.value, attach_type.value) == (section.prog_type, section.attach_type)
