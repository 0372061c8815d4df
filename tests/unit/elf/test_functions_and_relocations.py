"""Functions, what their instructions refer to, and linking."""

from dataclasses import replace

import pytest

from beespace.elf import CallRef, FuncRef, KfuncRef, MapRef, MapValueRef, link
from beespace.errors import ElfError

BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC = 1, 4
CALL = 0x85


def prog(spec, name):
    return next(p for p in (*spec.programs, *spec.subprograms) if p.name == name)


def test_entry_points_and_subprograms(object_spec):
    spec = object_spec("subprogs")
    assert [(p.name, p.section, p.autoload) for p in spec.programs] == [
        ("one", "socket", True),
        ("two", "socket", True),
        ("misnamed", "socket/loop", True),
        ("loop", "tc", True),
        ("optional", "tc", False),
    ]
    linkage = {p.name: (p.is_global, p.is_hidden) for p in spec.subprograms}
    assert linkage == {
        "global_square": (True, False),
        "weak_three": (True, False),
        "hidden_add": (True, True),
        "twice": (False, False),
        "leaf": (False, False),
        "on_step": (False, False),
    }
    assert spec.license == "GPL"
    assert spec.name == "subprogs"


def test_every_call_has_a_target(object_spec):
    spec = object_spec("subprogs")
    names = [p.name for p in spec.subprograms]

    def callees(func):
        return [names[r.subprog] for r in func.refs if isinstance(r, CallRef)]

    assert callees(prog(spec, "one")) == ["twice"]
    assert callees(prog(spec, "two")) == ["global_square", "weak_three", "hidden_add"]
    assert callees(prog(spec, "twice")) == ["leaf", "leaf"]  # no relocation: same section
    assert [names[r.subprog] for r in prog(spec, "loop").refs if isinstance(r, FuncRef)] == ["on_step"]


def test_linking_appends_in_order_of_first_use(object_spec):
    spec = object_spec("subprogs")
    linked = link(spec, prog(spec, "two"))
    assert list(linked.starts.values()) == ["two", "global_square", "weak_three", "hidden_add", "twice", "leaf"]
    assert len(linked.insns) == sum(len(prog(spec, name).insns) for name in linked.starts.values())


@pytest.mark.parametrize("name", ["one", "two", "misnamed", "loop", "optional"])
def test_linked_calls_reach_the_start_of_a_function(object_spec, name):
    linked = link(object_spec("subprogs"), prog(object_spec("subprogs"), name))
    targets = [
        idx + insn.imm + 1
        for idx, insn in enumerate(linked.insns)
        if (insn.code == CALL and insn.src_reg == BPF_PSEUDO_CALL)
        or (insn.src_reg == BPF_PSEUDO_FUNC and insn.code == 0x18)
    ]
    assert set(targets) <= set(linked.starts)
    assert set(linked.starts) == {0, *targets}


def test_linked_references_point_at_the_same_instruction(object_spec):
    spec = object_spec("subprogs")
    linked = link(spec, prog(spec, "two"))
    assert linked.refs
    for ref in linked.refs:
        assert isinstance(ref, MapValueRef)
        assert ref.map == ".bss"
        assert linked.insns[ref.insn_idx].code == 0x18


def test_func_and_line_info_follow_their_functions(object_spec):
    spec = object_spec("subprogs")
    linked = link(spec, prog(spec, "two"))
    assert [(i.insn_off, spec.btf.name_of(i.type_id)) for i in linked.func_info] == list(linked.starts.items())
    offs = [i.insn_off for i in linked.line_info]
    assert offs == sorted(offs)
    assert set(linked.starts) <= set(offs)
    line = linked.line_info[0]
    assert spec.btf.str_at(line.file_name_off).endswith("subprogs.bpf.c")
    assert "return global_square(5) + weak_three()" in spec.btf.str_at(line.line_off)


def test_missing_func_info_of_a_subprogram(object_spec):
    spec = object_spec("subprogs")
    bare = tuple(replace(p, func_info=()) for p in spec.subprograms)
    with pytest.raises(ElfError, match=r"prog 'twice': missing .BTF.ext function info"):
        link(spec, prog(spec, "one"), bare)


def test_without_func_info_of_the_entry_point_there_is_none(object_spec):
    spec = object_spec("subprogs")
    linked = link(spec, replace(prog(spec, "two"), func_info=(), line_info=()))
    assert linked.func_info == linked.line_info == ()


def test_deep_call_chains_need_no_recursion(object_spec):
    spec = object_spec("subprogs")
    leaf = prog(spec, "weak_three")
    call = prog(spec, "one").insns[next(r.insn_idx for r in prog(spec, "one").refs)]
    chain = tuple(
        replace(leaf, name=f"f{i}", insns=(call, *leaf.insns), refs=(CallRef(0, i + 1),)) for i in range(5000)
    )
    linked = link(spec, replace(chain[0], refs=(CallRef(0, 1),), func_info=(), line_info=()), (*chain, leaf))
    assert len(linked.starts) == 5001


def test_maps_and_kfuncs(object_spec):
    spec = object_spec("mapdefs")
    assert [r.map for r in prog(spec, "entry").refs if isinstance(r, MapRef)] == ["outer", "jumps"]
    spec = object_spec("externs")
    kfuncs = [r.extern for r in prog(spec, "use_kfuncs").refs if isinstance(r, KfuncRef)]
    assert kfuncs == ["bpf_task_acquire", "bpf_task_release"]


def test_core_relocations_are_cut_by_function(object_spec):
    spec = object_spec("core")
    reads, fails = (prog(spec, name) for name in ("reads", "fails"))
    assert [(spec.btf.name_of(r.type_id), r.access_str) for r in fails.core_relos] == [("task_struct___old", "0:1")]
    assert all(0 <= r.insn_off < len(p.insns) for p in (reads, fails) for r in p.core_relos)
    assert {r.access_str for r in reads.core_relos} >= {"0:1", "0:2", "0:3", "0"}
