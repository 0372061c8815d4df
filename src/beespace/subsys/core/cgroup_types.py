"""Program types on the control files of a cgroup: cgroup_device, cgroup_sysctl, cgroup_sockopt.

:see: kernel/bpf/cgroup.c
"""

from __future__ import annotations

from beespace.decl import CtxField, ProgType, SectionDef
from beespace.helpers.protos.groups import BASE, CGROUP_COMMON, Protos, rows
from beespace.uapi.bpf import (
    BPF_CGROUP_DEVICE,
    BPF_CGROUP_GETSOCKOPT,
    BPF_CGROUP_SETSOCKOPT,
    BPF_CGROUP_SYSCTL,
    BPF_PROG_TYPE_CGROUP_DEVICE,
    BPF_PROG_TYPE_CGROUP_SOCKOPT,
    BPF_PROG_TYPE_CGROUP_SYSCTL,
    PTR_TO_PACKET,
    PTR_TO_PACKET_END,
    PTR_TO_SOCKET,
    SCALAR_VALUE,
)

__all__ = ["PROG_TYPES"]

_ATTACHABLE = frozenset({"attachable"})
_GET = frozenset({BPF_CGROUP_GETSOCKOPT})
_SET = frozenset({BPF_CGROUP_SETSOCKOPT})


def _u32(name: str, off: int, access: str = "r", *, narrow: bool = False, on: frozenset[int] | None = None) -> CtxField:
    return CtxField(name, off, 4, access, narrow=narrow, attach_types=on, kernel_off=off, kernel_size=4)


def _ptr(name: str, off: int, reg_type: int = SCALAR_VALUE) -> CtxField:
    return CtxField(name, off, 8, reg_type=reg_type, narrow=False)


# fmt: off
# kernel/bpf/cgroup.c:sysctl_func_proto
_SYSCTL: Protos = (
    *CGROUP_COMMON, "bpf_sysctl_get_name", "bpf_sysctl_get_current_value", "bpf_sysctl_get_new_value",
    "bpf_sysctl_set_new_value", "bpf_ktime_get_coarse_ns", "bpf_event_output_data", *BASE,
)

# kernel/bpf/cgroup.c:cg_sockopt_func_proto
_SOCKOPT: Protos = (
    *CGROUP_COMMON, "bpf_get_netns_cookie_sockopt", "bpf_sk_storage_get", "bpf_sk_storage_delete",
    *rows("bpf_sk_setsockopt", "bpf_sk_getsockopt", attach_types=_SET), "bpf_tcp_sock", "bpf_event_output_data", *BASE,
)

PROG_TYPES = (
    ProgType(
        BPF_PROG_TYPE_CGROUP_DEVICE, "cgroup_device", "bpf_cgroup_dev_ctx", "bpf_cgroup_dev_ctx", ctx_size=12,
        ctx_fields=(_u32("access_type", 0, narrow=True), _u32("major", 4), _u32("minor", 8)),
        sections=(
            SectionDef(
                "cgroup/dev", BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, _ATTACHABLE | {"exp_attach_opt"},
            ),
        ),
        protos=(*CGROUP_COMMON, "bpf_event_output_data", *BASE), attach_types=(BPF_CGROUP_DEVICE,), ret_range=(0, 1),
        net_admin=True, since="4.15", ref="kernel/bpf/cgroup.c:cg_dev_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_CGROUP_SYSCTL, "cgroup_sysctl", "bpf_sysctl", "bpf_sysctl_kern", ctx_size=8,
        ctx_fields=(_u32("write", 0, narrow=True), _u32("file_pos", 4, "rw", narrow=True)),
        sections=(SectionDef("cgroup/sysctl", BPF_PROG_TYPE_CGROUP_SYSCTL, BPF_CGROUP_SYSCTL, _ATTACHABLE),),
        protos=_SYSCTL, attach_types=(BPF_CGROUP_SYSCTL,), ret_range=(0, 1), net_admin=True,
        since="5.2", ref="kernel/bpf/cgroup.c:cg_sysctl_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_CGROUP_SOCKOPT, "cgroup_sockopt", "bpf_sockopt", "bpf_sockopt_kern", ctx_size=40,
        ctx_fields=(
            _ptr("sk", 0, PTR_TO_SOCKET), _ptr("optval", 8, PTR_TO_PACKET), _ptr("optval_end", 16, PTR_TO_PACKET_END),
            _u32("level", 24), _u32("level", 24, "w", on=_SET),
            _u32("optname", 28), _u32("optname", 28, "w", on=_SET),
            _u32("optlen", 32, "rw"), _u32("retval", 36, "rw", on=_GET),
        ),
        sections=(
            SectionDef("cgroup/getsockopt", BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_GETSOCKOPT, _ATTACHABLE),
            SectionDef("cgroup/setsockopt", BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_SETSOCKOPT, _ATTACHABLE),
        ),
        protos=_SOCKOPT, attach_types=(BPF_CGROUP_GETSOCKOPT, BPF_CGROUP_SETSOCKOPT), load_attach_types=_GET | _SET,
        ret_range=(0, 1), direct_pkt_access=True, may_write_pkt=True, pkt_access_any_helper=True, net_admin=True,
        since="5.3", ref="kernel/bpf/cgroup.c:cg_sockopt_prog_ops",
    ),
)
# fmt: on
