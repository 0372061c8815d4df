"""Which programs may call the kfuncs of slice tracing, with which flags.

Sets and flags are those that Linux 6.18 has registered (``tools/check_kfuncs.py`` compares them with the running
kernel).
"""

from beespace.decl import KfuncSet
from beespace.helpers.protos.hooks import HOOK_KPROBE, HOOK_TRACING
from beespace.uapi.bpf import (
    BPF_PROG_TYPE_LSM,
    BPF_TRACE_KPROBE_SESSION,
    BPF_TRACE_UPROBE_SESSION,
    KF_ACQUIRE,
    KF_RELEASE,
    KF_RET_NULL,
    KF_SLEEPABLE,
    KF_TRUSTED_ARGS,
)

__all__ = ["KFUNC_SETS"]

_SESSION = (BPF_TRACE_KPROBE_SESSION, BPF_TRACE_UPROBE_SESSION)


def _bpf_kprobe_multi_filter(_prog_type: int, attach_type: int, _name: str) -> bool:
    return attach_type not in _SESSION


def _bpf_fs_kfuncs_filter(prog_type: int, _attach_type: int, _name: str) -> bool:
    return prog_type != BPF_PROG_TYPE_LSM


# fmt: off
KFUNC_SETS = (
    KfuncSet(
        "kprobe_multi_kfunc_set_ids",
        HOOK_KPROBE,
        {
            "bpf_session_is_return": 0,
            "bpf_session_cookie": 0,
        },
        filter=_bpf_kprobe_multi_filter,
    ),
    KfuncSet(
        "bpf_fs_kfunc_set_ids",
        HOOK_TRACING,
        {
            "bpf_get_task_exe_file": KF_ACQUIRE | KF_RET_NULL | KF_TRUSTED_ARGS,
            "bpf_put_file": KF_RELEASE,
            "bpf_path_d_path": KF_TRUSTED_ARGS,
            "bpf_get_dentry_xattr": KF_TRUSTED_ARGS | KF_SLEEPABLE,
            "bpf_get_file_xattr": KF_TRUSTED_ARGS | KF_SLEEPABLE,
            "bpf_remove_dentry_xattr": KF_TRUSTED_ARGS | KF_SLEEPABLE,
            "bpf_set_dentry_xattr": KF_TRUSTED_ARGS | KF_SLEEPABLE,
        },
        filter=_bpf_fs_kfuncs_filter,
    ),
    KfuncSet(
        "bpf_rstat_kfunc_ids",
        HOOK_TRACING,
        {
            "css_rstat_flush": KF_SLEEPABLE,
            "css_rstat_updated": 0,
        },
    ),
)
# fmt: on
