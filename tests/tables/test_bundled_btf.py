"""The shipped kernel BTF is what the declarations make, and has what the contracts name."""

from beespace.btf.bundled import bundled_btf
from beespace.kernel.slices import linux_registry
from beespace.uapi import bpf as uapi
from gen_bundled_btf import TARGET, generate


def test_the_file_is_current():
    assert TARGET.read_bytes() == generate(), "run: PYTHONPATH=src python tools/gen_bundled_btf.py"


def test_every_kfunc_is_there_with_its_tag():
    btf = bundled_btf()
    for name in linux_registry().kfuncs:
        func = btf.find(name, uapi.BTF_KIND_FUNC)
        assert func, name
        assert (-1, "bpf_kfunc") in btf.decl_tags(func)


def test_structs_that_helpers_name_are_there():
    btf = bundled_btf()
    registry = linux_registry()
    named = {name for proto in registry.helpers.values() for name in (*proto.arg_btf_ids, proto.ret_btf_id) if name}
    missing = sorted(name for name in named if not btf.find(name, uapi.BTF_KIND_STRUCT))
    assert missing == []


def test_contexts_that_are_btf_structs_are_there():
    btf = bundled_btf()
    structs = set(linux_registry().struct_ops)
    missing = sorted(name for name in structs if not btf.find(f"bpf_struct_ops_{name}", uapi.BTF_KIND_STRUCT))
    assert missing == []
