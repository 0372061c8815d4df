"""Reading never crashes: whatever the bytes, the answer is an ObjectSpec or an InputError."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beespace.api import OpensObjects, Variables
from beespace.decl import Features
from beespace.elf import link, read_object
from beespace.errors import InputError

PROGRAMS = Path(__file__).parents[1] / "programs"
OBJECTS = sorted(path.stem for path in PROGRAMS.glob("*.bpf.o"))
INTERESTING = (0, 1, 4, 7, 8, 0x18, 0x7F, 0x80, 0x85, 0xFF)


def read_all(data):
    try:
        spec = read_object(data, "mutated.bpf.o")
        for prog in spec.programs:
            link(spec, prog)
    except InputError as error:
        return not str(error)  # never without a message
    return True


def mutations(size):
    one = st.tuples(st.integers(0, size - 1), st.sampled_from(INTERESTING) | st.integers(0, 255))
    return st.lists(one, min_size=1, max_size=8)


@pytest.mark.parametrize("name", ["externs.bpf", "mapdefs.bpf", "structops.bpf", "subprogs.bpf", "core.bpf"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_changed_bytes(name, data):
    original = (PROGRAMS / f"{name}.o").read_bytes()
    changed = bytearray(original)
    for at, value in data.draw(mutations(len(original))):
        changed[at] = value
    read_all(bytes(changed))


@pytest.mark.parametrize("name", ["globals.bpf", "typed.bpf", "structops.bpf"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_open_objects(name, data):
    """What opens can be looked at: variables, keys and values, struct_ops."""
    changed = bytearray((PROGRAMS / f"{name}.o").read_bytes())
    start = changed.index(b"\x9f\xeb\1\0")  # .BTF
    for at, value in data.draw(mutations(len(changed) - start)):
        changed[start + at] = value
    with contextlib.suppress(InputError):
        obj = SilentKernel().open(bytes(changed))
        for bpf_map in obj.maps:
            assert repr(bpf_map)
            with contextlib.suppress(InputError):
                look_at(obj, bpf_map)


def look_at(obj, bpf_map):
    if bpf_map.spec.is_internal:
        variables = Variables(bpf_map, obj.codecs.btf)
        for name in variables:
            with contextlib.suppress(InputError):
                repr(variables[name])
    elif bpf_map.spec.struct_ops:
        repr(bpf_map.variable)
    elif bpf_map.elements.lookup_size < 1 << 20:
        bpf_map.elements.decode_value(bytes(bpf_map.elements.lookup_size))
        bpf_map.elements.decode_key(bytes(bpf_map.key_size))


class SilentKernel(OpensObjects):
    """Opening asks it nothing but its features."""

    features = Features(version="6.18", cpus=2)


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, 7000), name=st.sampled_from(OBJECTS))
def test_cut_anywhere(cut, name):
    original = (PROGRAMS / f"{name}.o").read_bytes()
    assert not read_all(original[:cut]) or cut >= len(original)


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTS)
def test_every_byte_of_headers_and_tables(name):
    """Every thirteenth byte, cleared and set (all of them pass; this many in a few seconds)."""
    original = (PROGRAMS / f"{name}.o").read_bytes()
    for at in range(0, len(original), 13):
        for value in (0, 0xFF):
            read_all(original[:at] + bytes((value,)) + original[at + 1 :])
