"""Kfuncs of HID-BPF. The same function has other flags in a struct_ops callback than in a syscall program.

Not compared with a running kernel: the reference machine's is built without CONFIG_HID_BPF.

:see: drivers/hid/bpf/hid_bpf_dispatch.c
"""

from beespace.decl import KfuncSet, declare_kfunc
from beespace.helpers.protos.hooks import HOOK_STRUCT_OPS, HOOK_SYSCALL
from beespace.uapi.bpf import KF_ACQUIRE, KF_RELEASE, KF_RET_NULL, KF_SLEEPABLE

__all__ = ["KFUNC_SETS", "PROTOS"]

# fmt: off
PROTOS = (
    declare_kfunc("__u8 *hid_bpf_get_data(struct hid_bpf_ctx *ctx, unsigned int offset, const size_t rdwr_buf_size)"),
    declare_kfunc("struct hid_bpf_ctx *hid_bpf_allocate_context(unsigned int hid_id)"),
    declare_kfunc("void hid_bpf_release_context(struct hid_bpf_ctx *ctx)"),
    declare_kfunc(
        "int hid_bpf_hw_request(struct hid_bpf_ctx *ctx, __u8 *buf, size_t buf__sz, enum hid_report_type rtype, "
        "enum hid_class_request reqtype)"
    ),
    declare_kfunc("int hid_bpf_hw_output_report(struct hid_bpf_ctx *ctx, __u8 *buf, size_t buf__sz)"),
    declare_kfunc(
        "int hid_bpf_try_input_report(struct hid_bpf_ctx *ctx, enum hid_report_type type, u8 *buf, "
        "const size_t buf__sz)"
    ),
    declare_kfunc(
        "int hid_bpf_input_report(struct hid_bpf_ctx *ctx, enum hid_report_type type, u8 *buf, const size_t buf__sz)"
    ),
)

KFUNC_SETS = (
    KfuncSet(
        "hid_bpf_kfunc_ids",
        HOOK_STRUCT_OPS,
        {
            "hid_bpf_get_data": KF_RET_NULL,
            "hid_bpf_allocate_context": KF_ACQUIRE | KF_RET_NULL | KF_SLEEPABLE,
            "hid_bpf_release_context": KF_RELEASE | KF_SLEEPABLE,
            "hid_bpf_hw_request": KF_SLEEPABLE,
            "hid_bpf_hw_output_report": KF_SLEEPABLE,
            "hid_bpf_input_report": KF_SLEEPABLE,
            "hid_bpf_try_input_report": 0,
        },
    ),
    KfuncSet(
        "hid_bpf_syscall_kfunc_ids",
        HOOK_SYSCALL,
        {
            "hid_bpf_allocate_context": KF_ACQUIRE | KF_RET_NULL,
            "hid_bpf_release_context": KF_RELEASE,
            "hid_bpf_hw_request": 0,
            "hid_bpf_hw_output_report": 0,
            "hid_bpf_input_report": 0,
        },
    ),
)
# fmt: on
