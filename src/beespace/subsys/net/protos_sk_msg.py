"""Helpers of net/core/filter.c: socket messages.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_PTR_TO_CTX,
    RET_INTEGER,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "long bpf_msg_apply_bytes(struct sk_msg *msg, u32 bytes)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        since="4.17", ref="net/core/filter.c:bpf_msg_apply_bytes",
    ),
    declare(
        "long bpf_msg_cork_bytes(struct sk_msg *msg, u32 bytes)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        since="4.17", ref="net/core/filter.c:bpf_msg_cork_bytes",
    ),
    declare(
        "long bpf_msg_pull_data(struct sk_msg *msg, u32 start, u32 end, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.17", ref="net/core/filter.c:bpf_msg_pull_data",
    ),
    declare(
        "long bpf_msg_push_data(struct sk_msg *msg, u32 start, u32 len, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="4.20", ref="net/core/filter.c:bpf_msg_push_data",
    ),
    declare(
        "long bpf_msg_pop_data(struct sk_msg *msg, u32 start, u32 len, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING,
        changes_pkt_data=True, since="5.0", ref="net/core/filter.c:bpf_msg_pop_data",
    ),
)
# fmt: on
