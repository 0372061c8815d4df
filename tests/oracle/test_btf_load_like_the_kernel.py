"""check_btf against BTF_LOAD of the running kernel: the same errno and the same log, byte for byte."""

import random

import pytest

from beespace.btf import BtfBuilder, Member, Struct
from beespace.btf.check import check_btf
from beespace.btf.source import elf_section
from beespace.errors import BtfError
from btfload import btf_load, mutate
from corerelos import PROGRAMS

pytestmark = pytest.mark.oracle

DTORS = frozenset(("task_struct", "cgroup", "bpf_cpumask", "bpf_crypto_ctx"))
OBJECTS = sorted(PROGRAMS.glob("*.bpf.o"))


def verdict(data, kernel_btf):
    try:
        return 0, check_btf(data, kernel_btf=kernel_btf, dtors=DTORS).log
    except BtfError as err:
        return err.errno, err.log


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_object_files_and_what_becomes_of_them_when_bent(linux_kernel, vmlinux, path):
    section = elf_section(path.read_bytes(), ".BTF")
    rnd = random.Random(path.name)
    accepted = 0
    for data in (section, *(mutate(section, rnd) for _ in range(40))):
        expected = btf_load(data)
        assert verdict(data, vmlinux) == expected
        accepted += expected[0] == 0


class Specials:
    """A program's BTF with the kernel's special structs."""

    SIZES = (("bpf_list_head", 16), ("bpf_list_node", 24), ("bpf_rb_root", 16), ("bpf_rb_node", 32), ("bpf_timer", 16))

    def __init__(self):
        self.b = b = BtfBuilder()
        self.ids = {"u64": b.add_int("u64", 8), "u32": b.add_int("u32", 4)}
        for name in ("bpf_spin_lock", "bpf_res_spin_lock", "bpf_refcount"):
            self.ids[name] = b.add_struct(name, 4, [Member("val", self.ids["u32"], 0)])
        for name, size in self.SIZES:
            self.ids[name] = b.add_struct(name, size, [Member("o", b.add_array(self.ids["u64"], size // 8), 0)])

    def struct(self, name, *fields, contains=None):
        resolved = [(field, self.ids[what] if isinstance(what, str) else what) for field, what in fields]
        self.ids[name] = self.b.add_c_struct(name, resolved)
        for index, tag in (contains or {}).items():
            self.b.add_decl_tag(f"contains:{tag}", self.ids[name], index)
        return self

    def array(self, name, count):
        return self.b.add_array(self.ids[name], count)

    def kptr(self, tag, target, *, volatile=False):
        struct = self.b.add_struct(target, 8, [Member("x", self.ids["u64"], 0)])
        ptr = self.b.add_ptr(self.b.add_type_tag(tag, struct))
        return self.b.add_volatile(ptr) if volatile else ptr


LOCK, HEAD, NODE = ("l", "bpf_spin_lock"), ("h", "bpf_list_head"), ("n", "bpf_list_node")


def chain(length):
    s = Specials().struct("s0", NODE)
    for i in range(1, length):
        s.struct(f"s{i}", LOCK, HEAD, NODE, contains={1: f"s{i - 1}:n"})
    return s.struct("top", LOCK, HEAD, contains={1: f"s{length - 1}:n"})


def self_owner():
    s = Specials()
    own = s.b.forward()
    members = (Member("l", s.ids["bpf_spin_lock"], 0), Member("h", s.ids["bpf_list_head"], 64))
    s.b.define(own, Struct("s", 48, (*members, Member("n", s.ids["bpf_list_node"], 192))))
    s.b.add_decl_tag("contains:s:n", own, 1)
    return s


def with_kptr(tag, target, **options):
    s = Specials()
    return s.struct("a", ("p", s.kptr(tag, target, **options)))


def with_roots(count):
    s = Specials().struct("n", NODE)
    return s.struct("a", LOCK, ("h", s.array("bpf_list_head", count)), contains={1: "n:n"})


SPECIALS = {
    "a list with its lock": lambda: Specials().struct("n", NODE).struct("a", LOCK, HEAD, contains={1: "n:n"}),
    "a list without lock": lambda: Specials().struct("n", NODE).struct("a", HEAD, contains={0: "n:n"}),
    "a list without tag": lambda: Specials().struct("n", NODE).struct("a", LOCK, HEAD),
    "a list of an unknown struct": lambda: Specials().struct("a", LOCK, HEAD, contains={1: "z:n"}),
    "a list by an unknown node": lambda: Specials().struct("n", NODE).struct("a", LOCK, HEAD, contains={1: "n:m"}),
    "a list by a tree node": lambda: (
        Specials().struct("n", ("n", "bpf_rb_node")).struct("a", LOCK, HEAD, contains={1: "n:n"})
    ),
    "two locks": lambda: Specials().struct("a", LOCK, ("m", "bpf_spin_lock")),
    "two kinds of locks": lambda: Specials().struct("a", LOCK, ("m", "bpf_res_spin_lock")),
    "two reference counts": lambda: Specials().struct("a", ("r", "bpf_refcount"), ("s", "bpf_refcount")),
    "both nodes": lambda: Specials().struct("a", NODE, ("r", "bpf_rb_node")),
    "both nodes, counted": lambda: Specials().struct("a", NODE, ("r", "bpf_rb_node"), ("c", "bpf_refcount")),
    "ten lists": lambda: with_roots(10),
    "eleven lists": lambda: with_roots(11),
    "an owner of itself": self_owner,
    "a chain of two": lambda: chain(2),
    "a chain of three": lambda: chain(3),
    "kptr to a task": lambda: with_kptr("kptr", "task_struct"),
    "kptr to what has no destructor": lambda: with_kptr("kptr", "sk_buff"),
    "kptr to an own struct": lambda: with_kptr("kptr", "mine"),
    "untrusted kptr": lambda: with_kptr("kptr_untrusted", "sk_buff"),
    "volatile kptr": lambda: with_kptr("kptr", "task_struct", volatile=True),
    "unknown tag": lambda: with_kptr("bogus", "task_struct"),
}


@pytest.mark.parametrize("name", SPECIALS)
def test_special_fields(linux_kernel, vmlinux, name):
    data = SPECIALS[name]().b.build()
    assert verdict(data, vmlinux) == btf_load(data)
