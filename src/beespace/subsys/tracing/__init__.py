"""Tracing and security: kprobe, tracepoint, perf_event, tracing, lsm, and what they may call."""

MODULES = ("attach_rules", "btf_types", "kfunc_protos", "kfuncs", "lirc", "prog_types", "protos")
