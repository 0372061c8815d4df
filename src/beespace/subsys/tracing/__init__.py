"""Tracing and security: kprobe, tracepoint, perf_event, tracing, lsm, and what they may call."""

MODULES = ("kfunc_protos", "kfuncs", "prog_types", "protos")
