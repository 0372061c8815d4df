"""Totality of the declarations, and their agreement with themselves."""

import importlib
import inspect

import pytest

from beespace.decl import COMMON, Allow, Features, FuncProto, KfuncProto, MapType, ProgType
from beespace.decl.func import marked_helpers, marked_implementations
from beespace.kernel.slices import SLICES, linux_registry, modules
from beespace.uapi import bpf as uapi

REGISTRY = linux_registry()


def enum(prefix):
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in vars(uapi).items()
        if name.startswith(prefix) and isinstance(value, int) and "MAX" not in name
    }


def declared(kind):
    """Every value of a declaration type in every module, with repetitions."""
    found = []

    def visit(value):
        if isinstance(value, kind):
            found.append(value)
        elif isinstance(value, tuple):
            for item in value:
                visit(item)

    for module in modules():
        visit(getattr(module, "PROTOS", ()))
        visit(getattr(module, "PROG_TYPES", ()))
        visit(getattr(module, "MAP_TYPES", ()))
    return found


def test_every_program_type_is_declared():
    types = enum("BPF_PROG_TYPE_")
    assert set(types.values()) - {uapi.BPF_PROG_TYPE_UNSPEC} == set(REGISTRY.prog_types)


def test_every_helper_has_a_contract():
    ids = enum("BPF_FUNC_")
    missing = {name for name, value in ids.items() if value not in {p.func_id for p in REGISTRY.helpers.values()}}
    assert missing == {"unspec"}


def test_every_map_type_is_declared():
    missing = set(enum("BPF_MAP_TYPE_").values()) - set(REGISTRY.map_types)
    assert missing == {uapi.BPF_MAP_TYPE_UNSPEC}


# Attach types that no program is attached with: names of links and of removed or planned hooks.
NOT_OF_A_TYPE = {
    "perf_event": "attach type of perf_event links, programs have kprobe, tracepoint or perf_event type",
    "trace_uprobe_multi": "",
    "struct_ops": "attach type of struct_ops links, programs have the member's index instead",
}


def test_every_attach_type_belongs_to_a_program_type():
    names = {value: name for name, value in vars(uapi).items() if name in uapi_attach_type_names()}
    known = {at for ptype in REGISTRY.prog_types.values() for at in ptype.attach_types}
    known |= {section.attach_type for section in REGISTRY.section_defs()}
    missing = {names[value].removeprefix("BPF_").lower() for value in names if value not in known}
    assert missing <= set(NOT_OF_A_TYPE), missing


def uapi_attach_type_names():
    """Names of enum bpf_attach_type, by its position in the generated file."""
    lines = inspect.getsource(uapi).split("# enum bpf_attach_type\n")[1].split("\n\n")[0].splitlines()
    return {line.split(" = ")[0] for line in lines if line.startswith("BPF_")}


@pytest.mark.parametrize("proto", declared(FuncProto), ids=lambda proto: proto.name)
def test_prototype_and_argument_kinds_agree(proto):
    function = proto.c
    assert function.name == proto.name
    assert len(function.params) == len(proto.args), f"{function.params} {proto.args}"
    for what in (proto.arg_sizes, proto.arg_btf_ids):
        assert len(what) in (0, len(proto.args))
    for i, arg in enumerate(proto.args):
        pointer = function.params[i][1].pointer
        scalar = arg & uapi.BPF_BASE_TYPE_MASK in (
            uapi.ARG_CONST_SIZE,
            uapi.ARG_CONST_SIZE_OR_ZERO,
            uapi.ARG_CONST_ALLOC_SIZE_OR_ZERO,
        )
        assert not (scalar and pointer), f"argument {i + 1} of {proto.name} is a size and a pointer"
        assert bool(arg & uapi.MEM_FIXED_SIZE) == bool(proto.arg_sizes and proto.arg_sizes[i])


def test_no_helper_kfunc_map_or_program_type_is_declared_twice():
    for kind, key in ((FuncProto, "name"), (KfuncProto, "name"), (ProgType, "id"), (MapType, "id")):
        seen = {}
        for value in declared(kind):
            assert seen.setdefault(getattr(value, key), value) is value, f"{value.name} is declared twice"
    tables = {proto.name for proto in declared(FuncProto)}
    marked = {proto.name for module in modules() for proto in marked_helpers(module)}
    assert not tables & marked, "implements() joins a function with its row; helper() is for helpers Linux has not"


def test_a_map_type_with_storage_is_declared_beside_it_only():
    beside = {
        value.id
        for module in modules()
        if module.__name__.startswith("beespace.maps.")
        for value in vars(module).values()
        if isinstance(value, MapType)
    }
    table = importlib.import_module("beespace.subsys.core.map_types")
    assert not beside & {value.id for value in table.MAP_TYPES}, "take its row out of subsys/core/map_types.py"


@pytest.mark.parametrize("ptype", REGISTRY.prog_types.values(), ids=lambda ptype: ptype.name)
def test_program_type_names_only_declared_helpers(ptype):
    names = {row.proto if isinstance(row, Allow) else row for row in ptype.protos}
    assert names <= set(REGISTRY.helpers)
    assert ptype.sleepable in ("never", "may", "always")
    assert ptype.ctx_kind in ("fields", "btf", "raw", "mem")


@pytest.mark.parametrize("ptype", REGISTRY.prog_types.values(), ids=lambda ptype: ptype.name)
def test_context_fields_lie_in_the_context(ptype):
    for field in ptype.ctx_fields:
        assert field.off >= 0
        assert field.off + field.size <= ptype.ctx_size
        assert set(field.access) <= set("rw")
        assert not field.elem or field.size % field.elem == 0 or field.narrow
        assert field.attach_types is None or not ptype.attach_types or field.attach_types <= set(ptype.attach_types)


@pytest.mark.parametrize("kset", REGISTRY.kfunc_sets, ids=lambda kset: kset.name)
def test_kfunc_set_names_declared_kfuncs_and_types(kset):
    assert set(kset.rows) <= set(REGISTRY.kfuncs)
    assert kset.hooks <= {COMMON, *REGISTRY.prog_types}
    assert all(0 <= flags < 1 << 16 for flags in kset.rows.values())


def test_every_kfunc_is_in_a_set():
    assert set(REGISTRY.kfuncs) == {name for kset in REGISTRY.kfunc_sets for name in kset.rows}


@pytest.mark.parametrize("kfunc", REGISTRY.kfuncs.values(), ids=lambda kfunc: kfunc.name)
def test_kfunc_prototype_parses(kfunc):
    assert kfunc.c.name == kfunc.name


def test_implementations_take_the_run_and_the_arguments():
    for module in modules():
        for name, function in marked_implementations(module):
            proto = REGISTRY.helpers.get(name) or REGISTRY.kfuncs[name]
            params = list(inspect.signature(function).parameters.values())
            if any(p.kind is p.VAR_POSITIONAL for p in params):
                continue
            assert len(params) == 1 + len(proto.c.params), f"{function.__name__}{params} implements {proto.prototype}"


def test_struct_ops_and_iterators_name_declared_helpers():
    for owner in (*REGISTRY.struct_ops.values(), *REGISTRY.iter_targets.values()):
        names = {row.proto if isinstance(row, Allow) else row for row in owner.protos}
        assert names <= set(REGISTRY.helpers)


def test_section_names_are_unique_and_known_to_libbpf_1_6():
    names = [section.sec for section in REGISTRY.section_defs()]
    assert len(names) == len(set(names)) == 103
    assert {"xdp", "kprobe+", "struct_ops.s+", "cgroup/connect_unix", "uprobe.session.s+"} <= set(names)


def test_versions_choose_what_exists():
    old = linux_registry(Features(version="6.12"))
    assert "bpf_strcmp" in REGISTRY.kfuncs
    assert "bpf_strcmp" not in old.kfuncs
    assert old.kfunc_flags(uapi.BPF_PROG_TYPE_XDP, "bpf_strcmp") is None
    assert REGISTRY.kfunc_flags(uapi.BPF_PROG_TYPE_XDP, "bpf_strcmp") == 0
    assert uapi.BPF_PROG_TYPE_NETFILTER in old.prog_types
    assert uapi.BPF_PROG_TYPE_NETFILTER not in linux_registry(Features(version="6.1")).prog_types


def test_registries_do_not_share_what_they_have_looked_up():
    one, other = linux_registry(), linux_registry()
    one.func_proto(uapi.BPF_PROG_TYPE_XDP, uapi.BPF_FUNC_map_lookup_elem)
    assert one._protos
    assert not other._protos


def test_slices_are_listed_once():
    assert len(set(SLICES)) == len(SLICES)
