"""Program type lirc_mode2: decodes what an infrared receiver sees.

Not compared with a running kernel: the reference machine's is built without CONFIG_BPF_LIRC_MODE2.

:see: drivers/media/rc/bpf-lirc.c
"""

from beespace.decl import Allow, CtxField, ProgType, SectionDef
from beespace.helpers.protos.groups import Protos
from beespace.uapi.bpf import BPF_LIRC_MODE2, BPF_PROG_TYPE_LIRC_MODE2

__all__ = ["PROG_TYPES"]

# fmt: off
# drivers/media/rc/bpf-lirc.c:lirc_mode2_func_proto
_LIRC_MODE2: Protos = (
    "bpf_rc_repeat", "bpf_rc_keydown", "bpf_rc_pointer_rel", "bpf_map_lookup_elem", "bpf_map_update_elem",
    "bpf_map_delete_elem", "bpf_map_push_elem", "bpf_map_pop_elem", "bpf_map_peek_elem", "bpf_ktime_get_ns",
    "bpf_ktime_get_boot_ns", "bpf_tail_call", "bpf_get_prandom_u32", Allow("bpf_trace_printk", caps=("perfmon",)),
)

PROG_TYPES = (
    ProgType(
        BPF_PROG_TYPE_LIRC_MODE2, "lirc_mode2", "__u32", "u32", ctx_size=4,
        ctx_fields=(CtxField("sample", 0, 4, narrow=False, kernel_off=0, kernel_size=4),),
        sections=(
            SectionDef(
                "lirc_mode2", BPF_PROG_TYPE_LIRC_MODE2, BPF_LIRC_MODE2, frozenset({"attachable", "exp_attach_opt"}),
            ),
        ),
        protos=_LIRC_MODE2, attach_types=(BPF_LIRC_MODE2,),
        since="4.18", config=("CONFIG_BPF_LIRC_MODE2",), ref="drivers/media/rc/bpf-lirc.c:lirc_mode2_prog_ops",
    ),
)
# fmt: on
