"""Contracts of the helpers of kernel/bpf/, one table for each source file; functions join them with implements()."""

MODULES = ("callbacks", "cgroup", "helpers", "local_storage", "map", "objects", "ringbuf", "syscall")
