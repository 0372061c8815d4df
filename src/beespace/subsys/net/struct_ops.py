"""struct_ops of networking: congestion control and queueing disciplines.

Qdisc_ops is not compared with a running kernel: the reference machine's is built without CONFIG_NET_SCH_BPF.

:see: net/ipv4/bpf_tcp_ca.c, net/sched/bpf_qdisc.c
"""

from __future__ import annotations

from beespace.decl import Program, StructOpsType
from beespace.helpers.protos.groups import BASE, Protos, rows
from beespace.subsys.net.struct_access import bpf_qdisc_btf_struct_access, bpf_tcp_ca_btf_struct_access
from beespace.uapi.bpf import PTR_TO_BTF_ID, PTR_TRUSTED

__all__ = ["STRUCT_OPS"]


def _is_not_release(prog: Program) -> bool:
    # The member is named by its index in the struct: prog->expected_attach_type.
    btf = prog.attach_btf
    if btf is None:
        return True
    return btf.members(prog.attach_btf_id)[prog.expected_attach_type].name != "release"


# fmt: off
# net/ipv4/bpf_tcp_ca.c:bpf_tcp_ca_get_func_proto
_TCP_CA: Protos = (
    "bpf_tcp_send_ack", "bpf_sk_storage_get", "bpf_sk_storage_delete",
    *rows("bpf_sk_setsockopt", "bpf_sk_getsockopt", when=_is_not_release), "bpf_ktime_get_coarse_ns", *BASE,
)

STRUCT_OPS = (
    StructOpsType(
        "tcp_congestion_ops", protos=_TCP_CA, btf_struct_access=bpf_tcp_ca_btf_struct_access,
        retyped={"sock": "tcp_sock"}, unsupported=frozenset({"get_info"}),
        required=frozenset({"ssthresh", "undo_cwnd"}), scalars=frozenset({"flags", "name"}),
        since="5.6", ref="net/ipv4/bpf_tcp_ca.c:bpf_tcp_congestion_ops",
    ),
    StructOpsType(
        "Qdisc_ops", protos=BASE, btf_struct_access=bpf_qdisc_btf_struct_access,
        arg_types={("enqueue", 2): (PTR_TO_BTF_ID | PTR_TRUSTED, "bpf_sk_buff_ptr")},
        unsupported=frozenset({
            "peek", "change", "attach", "change_tx_queue_len", "change_real_num_tx", "dump", "dump_stats",
            "ingress_block_set", "egress_block_set", "ingress_block_get", "egress_block_get",
        }),
        required=frozenset({"enqueue", "dequeue", "init", "reset", "destroy"}),
        scalars=frozenset({"id", "priv_size"}),
        since="6.16", ref="net/sched/bpf_qdisc.c:bpf_Qdisc_ops",
    ),
)
# fmt: on
