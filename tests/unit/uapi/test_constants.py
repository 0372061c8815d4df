"""Constants, names of enums, layouts."""

import pytest

from beespace.uapi import bpf, enums, layouts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BPF_PROG_TYPE_NETFILTER", 32),
        ("BPF_FUNC_timer_init", 169),
        ("BPF_ALU64", 7),
        ("BPF_LOAD_ACQ", 0x100),
        ("BPF_CMPXCHG", 0xF1),
        ("BPF_PSEUDO_MAP_IDX_VALUE", 6),
        ("KF_FASTCALL", 1 << 12),
        ("MAX_TAIL_CALL_CNT", 33),
        ("TC_ACT_UNSPEC", -1),
        ("ETH_P_IPV6", 0x86DD),
        ("ENOTSUPP", 524),
        ("BTF_KIND_ENUM64", 19),
        ("BTF_MAX_NAME_OFFSET", 0xFFFFFF),
        ("BPF_F_TEST_XDP_LIVE_FRAMES", 2),
        ("BPF_BASE_TYPE_MASK", 0xFF),
    ],
)
def test_constants(name, value):
    assert getattr(bpf, name) == value


def test_names_of_enums():
    assert enums.names("bpf_map_type")[bpf.BPF_MAP_TYPE_ARENA] == "BPF_MAP_TYPE_ARENA"
    assert enums.name_of("bpf_cmd", bpf.BPF_PROG_RUN) == "BPF_PROG_TEST_RUN"
    assert enums.name_of("BTF_KIND_", 1) == "BTF_KIND_INT"
    assert enums.name_of("TC_ACT_", -1) == "TC_ACT_UNSPEC"
    assert enums.name_of("xdp_action", 99) == "99"
    with pytest.raises(KeyError):
        enums.names("bpf_no_such_enum")


@pytest.mark.parametrize("enum", enums.enum_names())
def test_every_name_of_an_enum_is_a_constant(enum):
    assert enums.names(enum)


def test_layouts():
    skb = layouts.layout("__sk_buff")
    assert (skb.size, skb.field("cb").off, skb.field("cb").ctype) == (192, 48, "__u32[5]")
    assert skb.at(150).name == "flow_keys"
    assert skb.at(182) is None
    assert layouts.layout("xdp_md").field("data_end") == layouts.Field("data_end", 4, 4, "__u32")
    assert layouts.layout("pt_regs").field("di").off == 112
    with pytest.raises(KeyError, match="no member"):
        skb.field("nothing")


@pytest.mark.parametrize("name", layouts.layout_names())
def test_members_lie_inside_their_struct(name):
    struct = layouts.layout(name)
    assert all(m.off + m.size <= struct.size or m.ctype.endswith("[0]") for m in struct.fields)
