"""Helpers with no object of their own, one module per kernel source file; contracts are in helpers/protos."""

# What Registry.build() looks into: modules of this package.
MODULES: tuple[str, ...] = (
    "bpf_iter",
    "bpf_trace",
    "dynptr",
    "helpers",
    "timers",
)
