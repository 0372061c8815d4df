"""What BPF iterators walk over (``SEC("iter/task")``), and the types of their contexts' fields.

:see: kernel/bpf/bpf_iter.c and the file each target names
"""

from beespace.decl import IterTarget
from beespace.uapi.bpf import MEM_RDONLY, PTR_MAYBE_NULL, PTR_TO_BTF_ID_OR_NULL, PTR_TO_BUF, PTR_TRUSTED

__all__ = ["ITER_TARGETS"]

_PTR = PTR_TO_BTF_ID_OR_NULL
_TRUSTED = PTR_TO_BTF_ID_OR_NULL | PTR_TRUSTED
_BUF = PTR_TO_BUF | PTR_MAYBE_NULL
_SOCKOPT = ("bpf_sk_setsockopt", "bpf_sk_getsockopt")

# fmt: off
ITER_TARGETS = (
    IterTarget("bpf_map", (("map", _TRUSTED, "bpf_map"),), since="5.8", ref="kernel/bpf/map_iter.c"),
    IterTarget(
        "bpf_map_elem", (("key", _BUF | MEM_RDONLY, None), ("value", _BUF, None)), "map",
        since="5.9", ref="kernel/bpf/map_iter.c",
    ),
    IterTarget("bpf_prog", (("prog", _PTR, "bpf_prog"),), since="5.9", ref="kernel/bpf/prog_iter.c"),
    IterTarget("bpf_link", (("link", _PTR, "bpf_link"),), since="5.19", ref="kernel/bpf/link_iter.c"),
    IterTarget(
        "task", (("task", _TRUSTED, "task_struct"),), "task", resched=True, since="5.8", ref="kernel/bpf/task_iter.c",
    ),
    IterTarget(
        "task_file", (("task", _PTR, "task_struct"), ("file", _PTR, "file")), "task", resched=True,
        since="5.8", ref="kernel/bpf/task_iter.c",
    ),
    IterTarget(
        "task_vma", (("task", _PTR, "task_struct"), ("vma", _PTR, "vm_area_struct")), "task", resched=True,
        since="5.12", ref="kernel/bpf/task_iter.c",
    ),
    IterTarget(
        "cgroup", (("cgroup", _TRUSTED, "cgroup"),), "cgroup", resched=True,
        since="6.1", ref="kernel/bpf/cgroup_iter.c",
    ),
    IterTarget("ksym", (("ksym", _PTR, "kallsym_iter"),), resched=True, since="6.0", ref="kernel/kallsyms.c"),
    IterTarget(
        "kmem_cache", (("s", _TRUSTED, "kmem_cache"),), resched=True, since="6.13",
        ref="kernel/bpf/kmem_cache_iter.c",
    ),
    IterTarget("dmabuf", (("dmabuf", _PTR, "dma_buf"),), resched=True, since="6.17", ref="kernel/bpf/dmabuf_iter.c"),
    IterTarget("netlink", (("sk", _PTR, "netlink_sock"),), since="5.8", ref="net/netlink/af_netlink.c"),
    IterTarget("ipv6_route", (("rt", _PTR, "fib6_info"),), since="5.8", ref="net/ipv6/route.c"),
    IterTarget(
        "tcp", (("sk_common", _TRUSTED, "sock_common"),), protos=_SOCKOPT, since="5.9", ref="net/ipv4/tcp_ipv4.c",
    ),
    IterTarget("udp", (("udp_sk", _TRUSTED, "udp_sock"),), since="5.9", ref="net/ipv4/udp.c"),
    IterTarget("unix", (("unix_sk", _PTR, "unix_sock"),), protos=_SOCKOPT, since="5.15", ref="net/unix/af_unix.c"),
    IterTarget(
        "sockmap", (("key", _BUF | MEM_RDONLY, None), ("sk", _PTR, "sock")), "map",
        since="5.10", ref="net/core/sock_map.c",
    ),
    IterTarget(
        "bpf_sk_storage_map", (("sk", _PTR, "sock"), ("value", _BUF, None)), "map",
        since="5.9", ref="net/core/bpf_sk_storage.c",
    ),
)
# fmt: on
