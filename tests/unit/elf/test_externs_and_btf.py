"""Externs, and what is filled in in the BTF."""

from beespace.btf import Datasec, Func, Int, Var
from beespace.elf import ExternRef, KcfgType
from beespace.uapi import bpf as uapi


def datasec(spec, name):
    btf = spec.btf
    sec = btf.type(btf.find(name, uapi.BTF_KIND_DATASEC))
    assert isinstance(sec, Datasec)
    return sec


def test_kconfig_externs_by_alignment_size_and_name(object_spec):
    externs = [e for e in object_spec("externs").externs.values() if e.kind == "kconfig"]
    assert [(e.name, e.data_off, e.size, e.kcfg, e.is_weak) for e in externs] == [
        ("CONFIG_BPF_JIT", 0, 4, KcfgType.TRISTATE, True),
        ("CONFIG_HZ", 4, 4, KcfgType.INT, True),
        ("LINUX_KERNEL_VERSION", 8, 4, KcfgType.INT, False),
        ("CONFIG_BEESPACE_IS_NOT_THERE", 12, 1, KcfgType.BOOL, True),
        ("CONFIG_BPF_SYSCALL", 13, 1, KcfgType.BOOL, False),
        ("LINUX_HAS_SYSCALL_WRAPPER", 14, 1, KcfgType.BOOL, True),
        ("CONFIG_CC_VERSION_TEXT", 15, 16, KcfgType.CHAR_ARR, True),
    ]
    assert object_spec("externs").maps[".kconfig"].value_size == 31


def test_ksyms_and_kfuncs(object_spec):
    spec = object_spec("externs")
    found = {e.name: (e.kind, e.is_weak, bool(e.ksym_type_id)) for e in spec.externs.values() if e.kind != "kconfig"}
    assert found == {
        "bpf_prog_active": ("ksym", True, False),
        "beespace_no_such_symbol": ("ksym", True, False),
        "bpf_prog_active_typed": ("ksym", True, True),
        "bpf_task_acquire": ("kfunc", False, True),
        "bpf_task_release": ("kfunc", False, True),
        "beespace_no_such_kfunc": ("kfunc", True, True),
    }
    names = [r.extern for p in spec.programs if p.name == "read_ksyms" for r in p.refs if isinstance(r, ExternRef)]
    assert "beespace_no_such_symbol" in names


def test_flavored_kfunc_names(object_spec):
    extern = object_spec("externs").externs["bpf_task_acquire"]
    assert extern.kernel_name == "bpf_task_acquire"


def test_sections_get_sizes_and_offsets(object_spec):
    spec = object_spec("globals")
    sec = datasec(spec, ".data")
    assert sec.size == spec.maps[".data"].value_size
    symbols = {spec.btf.name_of(v.type): v.offset for v in sec.vars}
    assert len(set(symbols.values())) == len(symbols)
    assert list(symbols.values()) == sorted(symbols.values())
    assert {"start", "current", "hidden_sum"} <= symbols.keys()


def test_hidden_variables_and_functions_become_static(object_spec):
    btf = object_spec("globals").btf
    hidden = btf.type(btf.find("hidden_sum", uapi.BTF_KIND_VAR))
    visible = btf.type(btf.find("start", uapi.BTF_KIND_VAR))
    assert (hidden.linkage, visible.linkage) == (uapi.BTF_VAR_STATIC, uapi.BTF_VAR_GLOBAL_ALLOCATED)
    btf = object_spec("subprogs").btf
    linkage = {f.name: f.linkage for _, f in btf.types() if isinstance(f, Func)}
    assert linkage["hidden_add"] == uapi.BTF_FUNC_STATIC
    assert linkage["global_square"] == linkage["weak_three"] == uapi.BTF_FUNC_GLOBAL


def test_ksyms_become_ints_and_functions_the_dummy(object_spec):
    spec = object_spec("externs")
    sec = datasec(spec, ".ksyms")
    assert sec.size == 4 * len(sec.vars) == 24
    variables = [spec.btf.type(v.type) for v in sec.vars]
    assert all(isinstance(var, Var) and var.linkage == uapi.BTF_VAR_GLOBAL_ALLOCATED for var in variables)
    assert [var.name for var in variables].count("dummy_ksym") == 3
    assert all(isinstance(spec.btf.type(var.type), Int) for var in variables)
    func = spec.btf.type(spec.btf.find("bpf_task_acquire", uapi.BTF_KIND_FUNC))
    assert func.linkage == uapi.BTF_FUNC_GLOBAL


def test_kconfig_section_has_the_places_of_its_variables(object_spec):
    spec = object_spec("externs")
    sec = datasec(spec, ".kconfig")
    assert sec.size == 31
    assert {spec.btf.name_of(v.type): v.offset for v in sec.vars} == {
        e.name: e.data_off for e in spec.externs.values() if e.kind == "kconfig"
    }


def test_strings_keep_their_offsets(object_spec):
    spec = object_spec("externs")  # types and a string were added to its BTF
    line = spec.programs[0].line_info[0]
    assert spec.btf.str_at(line.line_off) == "\tversion = LINUX_KERNEL_VERSION;"
