"""Special fields of map values and objects: what is found, where, and what is refused with which errno."""

import errno

import pytest

from beespace.btf import BtfBuilder, Datasec, Member, SecVar, Struct, parse_fields, parse_struct_metas
from beespace.btf.fields import OBJECT_FIELDS, check_and_fixup_fields
from beespace.decl import BtfField, BtfRecord
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi

SIZES = {
    "bpf_spin_lock": 4, "bpf_res_spin_lock": 4, "bpf_refcount": 4, "bpf_task_work": 8, "bpf_timer": 16, "bpf_wq": 16,
    "bpf_list_head": 16, "bpf_list_node": 24, "bpf_rb_root": 16, "bpf_rb_node": 32,
}  # fmt: skip


class Types:
    """The special structs, as programs declare them."""

    def __init__(self):
        self.b = b = BtfBuilder()
        self.ids = {"u64": b.add_int("u64", 8), "u32": b.add_int("u32", 4), "u8": b.add_int("u8", 1)}
        for name, size in SIZES.items():
            word = "u32" if size == 4 else "u64"
            unit = b.size(self.ids[word])
            array = b.add_array(self.ids[word], size // unit)
            self.ids[name] = b.add_struct(name, size, [Member("__opaque", array, 0)])

    def struct(self, *fields, name="value", contains=None):
        resolved = [(field, self.ids[what] if isinstance(what, str) else what) for field, what in fields]
        self.ids[name] = self.b.add_c_struct(name, resolved)
        for index, tag in (contains or {}).items():
            self.b.add_decl_tag(f"contains:{tag}", self.ids[name], index)
        return self.ids[name]

    def ptr(self, tag, target="task_struct", size=8):
        struct = self.b.add_struct(target, size, [Member("x", self.ids["u64"], 0)] if size else [])
        return self.b.add_ptr(self.b.add_type_tag(tag, struct))

    def parse(self, type_id, **options):
        return parse_fields(self.b.to_btf(), type_id, **options)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bpf_spin_lock", uapi.BPF_SPIN_LOCK),
        ("bpf_res_spin_lock", uapi.BPF_RES_SPIN_LOCK),
        ("bpf_timer", uapi.BPF_TIMER),
        ("bpf_wq", uapi.BPF_WORKQUEUE),
        ("bpf_task_work", uapi.BPF_TASK_WORK),
        ("bpf_refcount", uapi.BPF_REFCOUNT),
    ],
)
def test_fields_are_known_by_the_name_of_their_struct(name, kind):
    x = Types()
    value = x.struct(("pad", "u64"), ("f", name), ("rest", "u64"))
    assert x.parse(value).fields == (BtfField(kind, 8, SIZES[name]),)
    assert x.parse(value, field_mask=OBJECT_FIELDS & ~kind).fields == ()


def test_nested_structs_are_searched_and_offsets_add_up():
    x = Types()
    inner = x.struct(("n", "u64"), ("timer", "bpf_timer"), name="inner")
    assert [f.off for f in x.parse(x.struct(("pad", "u64"), ("inner", inner)))] == [16]


def test_structs_of_the_right_name_but_another_size_or_alignment_are_ignored():
    x = Types()
    other = x.b.add_struct("bpf_timer", 8, [Member("x", x.ids["u64"], 0)])
    assert not x.parse(x.struct(("t", other)))
    assert not x.parse(x.b.add(Struct("v", 64, (Member("t", x.ids["bpf_timer"], 32),))))


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("kptr", uapi.BPF_KPTR_REF),
        ("kptr_untrusted", uapi.BPF_KPTR_UNREF),
        ("percpu_kptr", uapi.BPF_KPTR_PERCPU),
        ("uptr", uapi.BPF_UPTR),
    ],
)
def test_pointers_are_known_by_their_tag(tag, kind):
    x = Types()
    value = x.struct(("p", x.ptr(tag, "mine")))
    btf = x.b.to_btf()
    record = parse_fields(btf, value)
    assert [(f.kind, f.btf, btf.name_of(f.btf_id)) for f in record] == [(kind, btf, "mine")]


def test_kptrs_point_to_the_kernels_struct_of_that_name():
    x = Types()
    kernel = BtfBuilder()
    kernel.add_struct("task_struct", 4096, [])
    vmlinux = kernel.to_btf("vmlinux")
    value = x.struct(("p", x.ptr("kptr")))
    (field,) = x.parse(value, kernel_btf=vmlinux, dtors={"task_struct"})
    assert (field.btf, field.btf_id) == (vmlinux, 1)
    with pytest.raises(BtfError, match="has no destructor") as caught:
        x.parse(value, kernel_btf=vmlinux, dtors=set())
    assert caught.value.errno == errno.ENOENT


def test_arrays_of_pointers_are_repeated_and_arrays_of_timers_refused():
    x = Types()
    value = x.struct(("p", x.b.add_array(x.ptr("kptr"), 3)))
    assert [f.off for f in x.parse(value)] == [0, 8, 16]
    with pytest.raises(BtfError, match="cannot be in an array"):
        x.parse(x.struct(("t", x.b.add_array(x.ids["bpf_timer"], 2)), name="timers"))
    nested = x.struct(("n", "u64"), ("p", x.ptr("kptr")), name="pair")
    assert [f.off for f in x.parse(x.struct(("a", x.b.add_array(nested, 2)), name="pairs"))] == [8, 24]


def test_lists_know_their_elements():
    x = Types()
    node = x.struct(("data", "u64"), ("link", "bpf_list_node"), name="node")
    value = x.struct(("lock", "bpf_spin_lock"), ("head", "bpf_list_head"), contains={1: "node:link"})
    lock, head = x.parse(value)
    assert (head.kind, head.off, head.btf_id, head.node_off) == (uapi.BPF_LIST_HEAD, 8, node, 8)
    assert lock.kind == uapi.BPF_SPIN_LOCK


def test_sections_of_variables():
    x = Types()
    node = x.struct(("link", "bpf_rb_node"), name="node")
    lock, root = x.b.add_var("lock", x.ids["bpf_spin_lock"]), x.b.add_var("root", x.ids["bpf_rb_root"])
    x.b.add_decl_tag("contains:node:link", root)
    section = x.b.add(Datasec(".data.A", 24, (SecVar(lock, 0, 4), SecVar(root, 8, 16))))
    record = x.parse(section)
    assert [(f.kind, f.off, f.btf_id) for f in record] == [(1, 0, 0), (uapi.BPF_RB_ROOT, 8, node)]
    assert record.find(8, uapi.BPF_GRAPH_ROOT)
    assert record.find(8, uapi.BPF_TIMER) is None
    assert record.has(uapi.BPF_SPIN_LOCK)


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (lambda x: x.struct(("a", "bpf_timer"), ("b", "bpf_timer")), errno.E2BIG, "value.b: second struct bpf_timer"),
        (lambda x: x.struct(("a", "bpf_spin_lock"), ("b", "bpf_res_spin_lock")), errno.EINVAL, "in one value"),
        (lambda x: x.struct(("h", "bpf_list_head")), errno.EINVAL, "needs one tag"),
        (lambda x: x.struct(("h", "bpf_list_head"), contains={0: "x:y"}), errno.ENOENT, "unknown struct x"),
        (lambda x: x.struct(("h", "bpf_list_head"), contains={0: "u:"}), errno.ENOENT, "unknown struct u"),
        (lambda x: x.struct(("h", "bpf_list_head"), contains={0: "x"}), errno.EINVAL, "needs one tag"),
        (lambda x: x.struct(("p", x.ptr("mystery"))), errno.EINVAL, "unknown type tag 'mystery'"),
        (lambda x: x.struct(("p", x.b.add_ptr(x.b.add_type_tag("kptr", 1)))), errno.EINVAL, "not to a struct"),
        (lambda x: x.struct(("p", x.b.add_array(x.ptr("kptr"), 12))), errno.E2BIG, "more than 11"),
        (lambda x: x.ids["u64"], errno.EINVAL, "INT has no special fields"),
        (
            lambda x: x.b.add(Struct("v", 64, (Member("a", x.ids["bpf_timer"], 0), Member("b", x.ids["bpf_wq"], 64)))),
            errno.EEXIST,
            "overlap at offset 8",
        ),
        (lambda x: x.b.add_struct("v", 8, [Member("b", x.ids["u32"], 3, 5)]), errno.EINVAL, "not byte aligned"),
    ],
)
def test_errors_name_the_field_and_carry_the_errno(make, code, message):
    x = Types()
    with pytest.raises(BtfError, match=message) as caught:
        x.parse(make(x))
    assert caught.value.errno == code


def test_fields_beyond_the_value_are_a_fault():
    x = Types()
    with pytest.raises(BtfError) as caught:
        x.parse(x.struct(("t", "bpf_timer")), value_size=8)
    assert caught.value.errno == errno.EFAULT


def test_lists_need_a_lock_in_the_same_value():
    x = Types()
    x.struct(("link", "bpf_list_node"), name="node")
    with pytest.raises(BtfError, match="need a lock"):
        x.parse(x.struct(("head", "bpf_list_head"), contains={0: "node:link"}))


def test_structs_with_special_members_are_collected_for_bpf_obj_new():
    x = Types()
    plain = x.struct(("a", "u64"), name="plain")
    node = x.struct(("link", "bpf_list_node"), name="node")
    holder = x.struct(("p", x.ptr("kptr", "node2")), name="holder")
    metas = parse_struct_metas(x.b.to_btf())
    assert set(metas) == {node, holder}
    assert plain not in metas


def test_owners_of_owners_are_refused():
    x = Types()
    x.struct(("link", "bpf_list_node"), name="leaf")
    both = [("lock", "bpf_spin_lock"), ("head", "bpf_list_head"), ("link", "bpf_list_node")]
    x.struct(*both, name="middle", contains={1: "leaf:link"})
    x.struct(*both, name="top", contains={1: "middle:link"})
    with pytest.raises(BtfError, match="struct middle: ownership chain is too long") as caught:
        parse_struct_metas(x.b.to_btf())
    assert caught.value.errno == errno.ELOOP


@pytest.mark.parametrize(("size", "code"), [(0, errno.EINVAL), (4097, errno.E2BIG)])
def test_user_pointers_reach_one_page(size, code):
    x = Types()
    value = x.struct(("p", x.ptr("uptr", "mine", size)))
    btf = x.b.to_btf()
    with pytest.raises(BtfError) as caught:
        check_and_fixup_fields(btf, parse_fields(btf, value), {})
    assert caught.value.errno == code


def test_an_empty_record_is_false():
    assert not BtfRecord()
    assert list(BtfRecord()) == []


def test_the_sizes_are_the_kernels(vmlinux):
    for name, size in SIZES.items():
        assert vmlinux.size(vmlinux.find(name, uapi.BTF_KIND_STRUCT)) == size
