"""SEC() names: libbpf's matching rules over the tables of the program types."""

import pytest

from beespace.api.sections import describe_known, find_section
from beespace.decl import SectionDef
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi

DEFINITIONS = (
    SectionDef("plain", 1),
    SectionDef("plus+", 2),
    SectionDef("plus.s+", 3, 0, frozenset({"sleepable"})),
    SectionDef("slash/", 4),
)


@pytest.mark.parametrize(
    ("name", "prog_type"),
    [
        ("plain", 1),
        ("plain/extra", None),
        ("plainer", None),
        ("plus", 2),
        ("plus/do_nanosleep", 2),
        ("plus/", 2),
        ("plusminus", None),
        ("plus.s", 3),
        ("plus.s/x", 3),
        ("plus.t", None),
        ("slash", None),
        ("slash/x", 4),
        ("", None),
    ],
)
def test_matching(name, prog_type):
    found = find_section(name, DEFINITIONS)
    assert (found.prog_type if found else None) == prog_type


@pytest.mark.parametrize(
    ("name", "prog_type", "attach_type"),
    [
        ("xdp", uapi.BPF_PROG_TYPE_XDP, uapi.BPF_XDP),
        ("xdp.frags/devmap", uapi.BPF_PROG_TYPE_XDP, uapi.BPF_XDP_DEVMAP),
        ("tc", uapi.BPF_PROG_TYPE_SCHED_CLS, 0),
        ("tcx/egress", uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_TCX_EGRESS),
        ("kprobe.multi/x", uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_KPROBE_MULTI),
        ("fentry.s/bpf_fentry_test1", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FENTRY),
        ("iter/bpf_map_elem", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_ITER),
        ("cgroup/connect4", uapi.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, uapi.BPF_CGROUP_INET4_CONNECT),
        ("struct_ops/ssthresh", uapi.BPF_PROG_TYPE_STRUCT_OPS, 0),
        ("syscall", uapi.BPF_PROG_TYPE_SYSCALL, 0),
    ],
)
def test_names_of_the_slices(name, prog_type, attach_type):
    found = find_section(name, linux_registry().section_defs())
    assert (found.prog_type, found.attach_type) == (prog_type, attach_type)


def test_at_most_one_definition_matches_a_name():
    definitions = linux_registry().section_defs()
    for definition in definitions:
        name = definition.sec.rstrip("+/") + ("/x" if definition.sec.endswith("/") else "")
        assert [d.sec for d in definitions if find_section(name, [d])] == [definition.sec]


def test_description_prefers_names_that_begin_alike():
    assert describe_known("plusminus", DEFINITIONS) == "plain, plus, plus.s"
    assert describe_known("zebra", DEFINITIONS) == "plain, plus, plus.s, slash"
