"""beespace's own kernel BTF, and the choice of a target."""

import pytest

from beespace.btf import Btf, check_btf, target_btf
from beespace.btf.bundled import build_btf, bundled_btf
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi
from corerelos import PROGRAMS, relocate


@pytest.fixture(scope="module")
def bundled():
    return bundled_btf()


def test_the_bundled_types_pass_the_kernels_checks(bundled):
    assert check_btf(bundled.raw).btf.nr_types == bundled.nr_types


@pytest.mark.parametrize(
    ("struct", "field"),
    [
        ("task_struct", "real_parent"),
        ("task_struct", "scx.slice"),
        ("sk_buff", "len"),
        ("xdp_buff", "rxq"),
        ("net_device", "ifindex"),
        ("sock", "__sk_common.skc_daddr"),
        ("bpf_map", "max_entries"),
        ("file", "f_path.dentry"),
        ("hid_bpf_ctx", "retval"),
        ("sched_ext_ops", "select_cpu"),
        ("bpf_iter__task", "task"),
        ("pt_regs", "di"),
    ],
)
def test_bundled_types_have_what_programs_ask_for(bundled, struct, field):
    assert bundled.size(bundled.field(struct, field).type_id) > 0


UAPI = (
    "__sk_buff xdp_md iphdr ipv6hdr tcphdr udphdr ethhdr icmphdr bpf_sock bpf_sock_addr bpf_sock_ops bpf_sock_tuple "
    "bpf_fib_lookup bpf_flow_keys bpf_tunnel_key bpf_sk_lookup bpf_redir_neigh bpf_perf_event_data pt_regs "
    "bpf_tcp_sock bpf_timer bpf_spin_lock bpf_list_head bpf_rb_node bpf_dynptr bpf_iter_num sk_msg_md sockaddr_in "
    "sockaddr_in6 bpf_stack_build_id bpf_xfrm_state bpf_devmap_val vlan_hdr arphdr trace_event_raw_sys_enter "
    "bpf_iter__task"
).split()


@pytest.mark.parametrize("name", UAPI)
def test_the_user_interface_is_laid_out_as_the_kernels(bundled, vmlinux, name):
    ours, theirs = bundled.find(name, uapi.BTF_KIND_STRUCT), vmlinux.find(name, uapi.BTF_KIND_STRUCT)
    if not theirs:
        pytest.skip(f"the running kernel has no struct {name}")
    assert bundled.size(ours) == vmlinux.size(theirs)
    for member in bundled.members(ours):
        if member.name:
            assert bundled.field(ours, member.name)[:3] == vmlinux.field(theirs, member.name)[:3], member.name


def test_bundled_enums_have_the_kernels_values(bundled, vmlinux):
    for name in ("bpf_map_type", "bpf_prog_type", "xdp_action", "bpf_func_id"):
        theirs = {v.name: v.value for v in vmlinux.type(vmlinux.find(name, uapi.BTF_KIND_ENUM)).values}
        ours = {v.name: v.value for v in bundled.type(bundled.find(name, uapi.BTF_KIND_ENUM)).values}
        assert {key: ours[key] for key in theirs if key in ours} == {key: theirs[key] for key in theirs if key in ours}
        assert len(ours) > 4


def test_building_is_deterministic():
    assert build_btf().raw == build_btf().raw


def test_programs_are_relocated_against_it(bundled):
    _, results, _ = relocate(PROGRAMS / "core.bpf.o", [bundled])
    by_path = {str(r.local).split()[3]: r for r in results}
    assert by_path["task_struct.pid"].new_val == bundled.field("task_struct", "pid").byte_off
    assert by_path["task_struct___old.beespace_no_such_field"].poison


def test_the_target_is_chosen_by_name_or_file(bundled, tmp_path):
    assert target_btf("bundled").raw == bundled.raw
    assert target_btf(bundled) is bundled
    raw = tmp_path / "kernel.btf"
    raw.write_bytes(bundled.raw)
    assert target_btf(raw).raw == bundled.raw
    assert target_btf(PROGRAMS / "core_target.bpf.o").find("subject")
    assert isinstance(target_btf(), Btf)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "neither BTF nor ELF"),
        (b"\x7fELF\2\1\1" + bytes(57), "no .BTF section"),
        (b"\x7fELF\\9", "malformed ELF header"),
    ],
)
def test_files_without_btf_are_refused(tmp_path, data, message):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(BtfError, match=message):
        target_btf(path)
    with pytest.raises(BtfError, match="No such file"):
        target_btf(tmp_path / "none")
