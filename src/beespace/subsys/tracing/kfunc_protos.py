"""Prototypes of the kfuncs of slice tracing.

As they stand in the BTF of Linux 6.18 (``tools/check_kfuncs.py`` compares them with the running kernel).
"""

from beespace.decl import declare_kfunc

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    # kernel/trace/bpf_trace.c
    declare_kfunc("bool bpf_session_is_return(void)"),
    declare_kfunc("__u64 *bpf_session_cookie(void)"),
    # fs/bpf_fs_kfuncs.c
    declare_kfunc("struct file *bpf_get_task_exe_file(struct task_struct *task)"),
    declare_kfunc("void bpf_put_file(struct file *file)"),
    declare_kfunc("int bpf_path_d_path(const struct path *path, char *buf, size_t buf__sz)"),
    declare_kfunc("int bpf_get_dentry_xattr(struct dentry *dentry, const char *name__str, struct bpf_dynptr *value_p)"),
    declare_kfunc("int bpf_get_file_xattr(struct file *file, const char *name__str, struct bpf_dynptr *value_p)"),
    declare_kfunc("int bpf_remove_dentry_xattr(struct dentry *dentry, const char *name__str)", "6.14"),
    declare_kfunc(
        "int bpf_set_dentry_xattr(struct dentry *dentry, const char *name__str, const struct bpf_dynptr *value_p, "
        "int flags)", "6.14",
    ),
    # kernel/cgroup/rstat.c
    declare_kfunc("void css_rstat_flush(struct cgroup_subsys_state *css)", "6.16"),
    declare_kfunc("void css_rstat_updated(struct cgroup_subsys_state *css, int cpu)", "6.16"),
)
# fmt: on
