"""HID-BPF: quirks of input devices as programs."""

MODULES = ("kfuncs", "struct_ops")
