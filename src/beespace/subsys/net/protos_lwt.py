"""Helpers of net/core/filter.c: lightweight tunnels.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_SIZE,
    ARG_PTR_TO_CTX,
    ARG_PTR_TO_MEM,
    MEM_RDONLY,
    RET_INTEGER,
    BPF_FUNC_lwt_push_encap,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "long bpf_lwt_in_push_encap(struct sk_buff *skb, u32 type, void *hdr, u32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        func_id=BPF_FUNC_lwt_push_encap, changes_pkt_data=True,
        since="4.18", ref="net/core/filter.c:bpf_lwt_in_push_encap",
    ),
    declare(
        "long bpf_lwt_xmit_push_encap(struct sk_buff *skb, u32 type, void *hdr, u32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        func_id=BPF_FUNC_lwt_push_encap, changes_pkt_data=True,
        since="4.18", ref="net/core/filter.c:bpf_lwt_xmit_push_encap",
    ),
    declare(
        "long bpf_lwt_seg6_store_bytes(struct sk_buff *skb, u32 offset, const void *from, u32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        changes_pkt_data=True, since="4.18", ref="net/core/filter.c:bpf_lwt_seg6_store_bytes",
    ),
    declare(
        "long bpf_lwt_seg6_action(struct sk_buff *skb, u32 action, void *param, u32 param_len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        changes_pkt_data=True, since="4.18", ref="net/core/filter.c:bpf_lwt_seg6_action",
    ),
    declare(
        "long bpf_lwt_seg6_adjust_srh(struct sk_buff *skb, u32 offset, s32 len)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.18", ref="net/core/filter.c:bpf_lwt_seg6_adjust_srh",
    ),
)
# fmt: on
