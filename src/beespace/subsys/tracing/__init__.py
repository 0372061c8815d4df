"""Tracing and security: kprobe, tracepoint, perf_event, tracing, lsm, and what they may call."""

MODULES = ("prog_types", "protos")
