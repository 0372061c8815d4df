"""What belongs to kernel/bpf itself: syscall and struct_ops programs, cgroup hooks, kfuncs of every program."""

MODULES = (
    "cgroup_types",
    "iter_targets",
    "kfunc_protos",
    "kfuncs",
    "map_types",
    "prog_types",
    "sections",
    "struct_ops",
    "trust",
    "wq",
)
