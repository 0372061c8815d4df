"""sched_ext: CPU schedulers as programs."""

MODULES = ("kfuncs", "struct_ops")
