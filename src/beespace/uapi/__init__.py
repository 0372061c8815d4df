"""Constants, records and layouts that programs, bpf(2) and the kernel share. No behaviour.

``bpf``
    enum constants and ``#define``s (GENERATED)
``enums``
    names of the values of each enum (GENERATED)
``attr``
    typed records of ``union bpf_attr`` per command, of the ``bpf_*_info`` structs and of BTF.ext (GENERATED)
``layouts``
    fields of the user-visible context structs and of the opaque objects (GENERATED)
"""
