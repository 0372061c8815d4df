"""Types by name: fields that may be trusted, kptrs that RCU protects, destructors.

``tests/oracle/test_tables_against_the_kernel.py`` compares them with the running kernel.

:see: kernel/bpf/verifier.c:BTF_TYPE_SAFE_RCU and kin, rcu_protected_types; include/linux/btf.h:btf_id_dtor_kfunc
"""

from beespace.decl import BtfRules

__all__ = ["RULES"]


def _fields(**structs: str) -> dict[str, frozenset[str]]:
    return {struct: frozenset(names.split()) for struct, names in structs.items()}


RULES = BtfRules(
    safe_rcu=_fields(
        task_struct="cpus_ptr cgroups real_parent group_leader",
        cgroup="kn",
        css_set="dfl_cgrp",
        cgroup_subsys_state="cgroup",
    ),
    safe_rcu_or_null=_fields(mm_struct="exe_file", sk_buff="sk", request_sock="sk"),
    safe_trusted=_fields(
        bpf_iter_meta="seq",
        bpf_iter__task="meta task",
        linux_binprm="file",
        file="f_inode",
    ),
    safe_trusted_or_null=_fields(dentry="d_inode", socket="sk"),
    rcu_protected_types=frozenset({"prog_test_ref_kfunc", "cgroup", "bpf_cpumask", "task_struct", "bpf_crypto_ctx"}),
    dtors={
        "task_struct": "bpf_task_release_dtor",
        "cgroup": "bpf_cgroup_release_dtor",
        "bpf_cpumask": "bpf_cpumask_release_dtor",
        "bpf_crypto_ctx": "bpf_crypto_ctx_release_dtor",
        "prog_test_ref_kfunc": "bpf_kfunc_call_test_release_dtor",
        "prog_test_member": "bpf_kfunc_call_memb_release_dtor",
    },
)
