"""Speed of BTF, printed by ``make bench``; opening the kernel's types is to stay below 150 ms."""

from pathlib import Path

import pytest

from beespace.btf import Btf, BtfBuilder, Codec, c_dump, check_btf
from beespace.btf.btf import VMLINUX
from beespace.uapi import bpf as uapi
from corerelos import PROGRAMS, relocate

pytest.importorskip("pytest_benchmark")
pytestmark = pytest.mark.slow


def test_open_the_kernels_btf_with_its_name_index(benchmark, vmlinux):
    data = Path(VMLINUX).read_bytes()
    benchmark(lambda: Btf.parse(data).find("task_struct", uapi.BTF_KIND_STRUCT))


def test_find_a_struct_by_name(benchmark, vmlinux):
    def find():
        vmlinux._by_name.clear()  # what find() remembers
        return vmlinux.find("sk_buff", uapi.BTF_KIND_STRUCT)

    assert benchmark(find)


def test_relocate_an_object(benchmark, vmlinux):
    benchmark(relocate, PROGRAMS / "core.bpf.o", [vmlinux])


def test_check_a_struct_of_hundreds(benchmark, vmlinux):
    b = BtfBuilder()
    b.copy(vmlinux, [vmlinux.find("task_struct", uapi.BTF_KIND_STRUCT)], follow_pointers=False)
    benchmark(check_btf, b.build())


def test_decode_a_struct(benchmark, vmlinux):
    codec = Codec(vmlinux, vmlinux.find("iphdr"))
    benchmark(codec.decode, bytes(codec.size))


def test_encode_a_struct(benchmark, vmlinux):
    codec = Codec(vmlinux, vmlinux.find("iphdr"))
    benchmark(codec.encode, {"version": 4, "ihl": 5, "protocol": 6, "saddr": 1, "daddr": 2})


def test_print_the_kernels_header(benchmark, vmlinux):
    benchmark.pedantic(c_dump, args=(vmlinux,), rounds=1)
