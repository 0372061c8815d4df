"""Networking: program types on packets and sockets, their contexts, helpers and kfuncs."""

MODULES = (
    "dynptr",
    "kfunc_protos",
    "kfuncs",
    "prog_types",
    "protos_lwt",
    "protos_sk_msg",
    "protos_skb",
    "protos_sock",
    "protos_xdp",
    "routes",
    "skb_helpers",
    "skb_marks",
    "sock_types",
    "sockets",
    "struct_ops",
    "xdp",
)
