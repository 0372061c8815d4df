"""eBPF in user space: the Linux BPF subsystem as a Python library."""
