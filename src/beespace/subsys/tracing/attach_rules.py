"""Functions by name: what tracing and security programs may attach to, and what they may trust there.

Compared with the running kernel's own sets (tests/oracle/test_tables_against_the_kernel.py).

:see: kernel/bpf/verifier.c:check_attach_btf_id, kernel/bpf/bpf_lsm.c, kernel/bpf/btf.c:raw_tp_null_args
"""

from beespace.decl import BtfRules
from beespace.uapi.bpf import KF_SLEEPABLE

__all__ = ["RULES"]

# fmt: off
RULES = BtfRules(
    attach_deny=frozenset({
        "___migrate_enable", "__rcu_read_lock", "__rcu_read_unlock", "migrate_disable", "migrate_enable",
        "preempt_count_add", "preempt_count_sub", "rcu_read_unlock_strict",
    }),
    noreturn_deny=frozenset({
        "__ia32_sys_exit", "__ia32_sys_exit_group", "__kunit_abort", "__module_put_and_kthread_exit",
        "__x64_sys_exit", "__x64_sys_exit_group", "do_exit", "do_group_exit", "kthread_complete_and_exit",
        "kthread_exit", "kunit_try_catch_throw", "make_task_dead",
    }),
    fmod_ret={
        "bpf_fentry_test1": KF_SLEEPABLE, "bpf_modify_return_test": 0, "bpf_modify_return_test2": 0,
        "bpf_modify_return_test_tp": 0, "update_socket_protocol": 0,
    },
    error_injection=frozenset({
        "__filemap_add_folio", "btrfs_check_leaf", "btrfs_check_node", "btrfs_cow_block", "btrfs_search_slot",
        "btrfs_should_cancel_balance", "io_ctl_init", "open_ctree", "page_pool_alloc_pages",
        "should_fail_alloc_page", "should_fail_bio", "should_failslab",
    }),
    non_sleepable_error_injection=frozenset({"__filemap_add_folio", "should_fail_alloc_page", "should_failslab"}),
    d_path_allow=frozenset({
        "dentry_open", "filp_close", "security_file_open", "security_file_permission", "security_inode_getattr",
        "security_path_truncate", "vfs_fallocate", "vfs_getattr", "vfs_truncate",
    }),
    lsm_disabled=frozenset({
        "bpf_lsm_audit_rule_match", "bpf_lsm_getprocattr", "bpf_lsm_getselfattr", "bpf_lsm_inode_copy_up_xattr",
        "bpf_lsm_inode_getsecurity", "bpf_lsm_inode_listsecurity", "bpf_lsm_inode_need_killpriv",
        "bpf_lsm_ismaclabel", "bpf_lsm_key_getsecurity", "bpf_lsm_setprocattr", "bpf_lsm_vm_enough_memory",
        "bpf_lsm_xfrm_decode_session",
    }),
    lsm_sleepable=frozenset({
        "bpf_lsm_bpf", "bpf_lsm_bpf_map", "bpf_lsm_bpf_map_create", "bpf_lsm_bpf_map_free", "bpf_lsm_bpf_prog",
        "bpf_lsm_bpf_prog_free", "bpf_lsm_bpf_prog_load", "bpf_lsm_bpf_token_capable", "bpf_lsm_bpf_token_cmd",
        "bpf_lsm_bpf_token_create", "bpf_lsm_bpf_token_free", "bpf_lsm_bprm_check_security",
        "bpf_lsm_bprm_committed_creds", "bpf_lsm_bprm_committing_creds", "bpf_lsm_bprm_creds_for_exec",
        "bpf_lsm_bprm_creds_from_file", "bpf_lsm_capget", "bpf_lsm_capset", "bpf_lsm_cred_prepare",
        "bpf_lsm_file_ioctl", "bpf_lsm_file_lock", "bpf_lsm_file_open", "bpf_lsm_file_post_open",
        "bpf_lsm_file_receive", "bpf_lsm_inode_create", "bpf_lsm_inode_free_security", "bpf_lsm_inode_getattr",
        "bpf_lsm_inode_getxattr", "bpf_lsm_inode_mknod", "bpf_lsm_inode_need_killpriv",
        "bpf_lsm_inode_post_removexattr", "bpf_lsm_inode_post_setxattr", "bpf_lsm_inode_readlink",
        "bpf_lsm_inode_removexattr", "bpf_lsm_inode_rename", "bpf_lsm_inode_rmdir", "bpf_lsm_inode_setattr",
        "bpf_lsm_inode_setxattr", "bpf_lsm_inode_symlink", "bpf_lsm_inode_unlink", "bpf_lsm_kernel_module_request",
        "bpf_lsm_kernel_read_file", "bpf_lsm_kernfs_init_security", "bpf_lsm_mmap_file", "bpf_lsm_netlink_send",
        "bpf_lsm_path_chmod", "bpf_lsm_path_chown", "bpf_lsm_path_link", "bpf_lsm_path_mkdir",
        "bpf_lsm_path_notify", "bpf_lsm_path_rename", "bpf_lsm_path_rmdir", "bpf_lsm_path_symlink",
        "bpf_lsm_path_truncate", "bpf_lsm_path_unlink", "bpf_lsm_release_secctx", "bpf_lsm_sb_alloc_security",
        "bpf_lsm_sb_eat_lsm_opts", "bpf_lsm_sb_kern_mount", "bpf_lsm_sb_mount", "bpf_lsm_sb_remount",
        "bpf_lsm_sb_set_mnt_opts", "bpf_lsm_sb_show_options", "bpf_lsm_sb_statfs", "bpf_lsm_sb_umount",
        "bpf_lsm_settime", "bpf_lsm_socket_accept", "bpf_lsm_socket_bind", "bpf_lsm_socket_connect",
        "bpf_lsm_socket_create", "bpf_lsm_socket_getpeername", "bpf_lsm_socket_getpeersec_dgram",
        "bpf_lsm_socket_getsockname", "bpf_lsm_socket_getsockopt", "bpf_lsm_socket_listen",
        "bpf_lsm_socket_post_create", "bpf_lsm_socket_recvmsg", "bpf_lsm_socket_sendmsg", "bpf_lsm_socket_shutdown",
        "bpf_lsm_socket_socketpair", "bpf_lsm_syslog", "bpf_lsm_task_alloc", "bpf_lsm_task_prctl",
        "bpf_lsm_task_setscheduler", "bpf_lsm_userns_create",
    }),
    lsm_untrusted=frozenset({
        "bpf_lsm_bpf_map_free", "bpf_lsm_bpf_prog_free", "bpf_lsm_file_alloc_security",
        "bpf_lsm_file_free_security", "bpf_lsm_sk_alloc_security", "bpf_lsm_sk_free_security", "bpf_lsm_task_free",
    }),
    lsm_bool=frozenset({
        "bpf_lsm_audit_rule_known", "bpf_lsm_inode_xattr_skipcap", "bpf_lsm_xfrm_state_pol_flow_match",
    }),
    lsm_current=frozenset({
        "bpf_lsm_sk_alloc_security", "bpf_lsm_sk_free_security",
    }),
    lsm_locked_sockopt=frozenset({
        "bpf_lsm_inet_conn_established", "bpf_lsm_inet_csk_clone", "bpf_lsm_sock_graft",
    }),
    lsm_unlocked_sockopt=frozenset({
        "bpf_lsm_socket_post_create", "bpf_lsm_socket_socketpair",
    }),
    raw_tp_null_args={
        "sched_pi_setprio": 0x10, "sched_stick_numa": 0x100, "sched_swap_numa": 0x100, "afs_make_fs_call": 0x10,
        "afs_make_fs_calli": 0x10, "afs_make_fs_call1": 0x10, "afs_make_fs_call2": 0x10, "afs_protocol_error": 0x1,
        "afs_flock_ev": 0x10, "cachefiles_lookup": 0x201, "cachefiles_unlink": 0x1, "cachefiles_rename": 0x1,
        "cachefiles_prep_read": 0x1, "cachefiles_mark_active": 0x1, "cachefiles_mark_failed": 0x1,
        "cachefiles_mark_inactive": 0x1, "cachefiles_vfs_error": 0x1, "cachefiles_io_error": 0x1,
        "cachefiles_ondemand_open": 0x1, "cachefiles_ondemand_copen": 0x1, "cachefiles_ondemand_close": 0x1,
        "cachefiles_ondemand_read": 0x1, "cachefiles_ondemand_cread": 0x1, "cachefiles_ondemand_fd_write": 0x1,
        "cachefiles_ondemand_fd_release": 0x1, "ext4_mballoc_discard": 0x10, "ext4_mballoc_free": 0x10,
        "fib_table_lookup": 0x100, "posix_lock_inode": 0x10, "fcntl_setlk": 0x10, "locks_remove_posix": 0x10,
        "flock_lock_inode": 0x10, "break_lease_noblock": 0x10, "break_lease_block": 0x10,
        "break_lease_unblock": 0x10, "generic_delete_lease": 0x10, "time_out_leases": 0x10,
        "host1x_cdma_push_gather": 0x10000, "mm_khugepaged_scan_pmd": 0x10, "mm_collapse_huge_page_isolate": 0x1,
        "mm_khugepaged_scan_file": 0x10, "mm_khugepaged_collapse_file": 0x10, "mm_page_alloc": 0x1,
        "mm_page_pcpu_drain": 0x1, "mm_page_alloc_zone_locked": 0x1, "netfs_failure": 0x10,
        "device_pm_callback_start": 0x10, "qdisc_dequeue": 0x1000, "rxrpc_recvdata": 0x1, "rxrpc_resend": 0x10,
        "rxrpc_tq": 0x10, "rxrpc_client": 0x1, "kfree_skb": 0x1000, "xs_stream_read_data": 0x1,
        "xprt_reserve_cong": 0x10, "xprt_release_cong": 0x10, "xprt_get_cong": 0x10, "xprt_put_cong": 0x10,
        "tcp_send_reset": 0x11, "tcp_sendmsg_locked": 0x100, "tegra_dma_tx_status": 0x100,
        "tmigr_update_events": 0x1, "writeback_dirty_folio": 0x10, "folio_wait_writeback": 0x10,
        "mr_integ_alloc": 0x2000, "bpf_testmod_test_read": 0x0, "amdgpu_vm_bo_map": 0x1, "amdgpu_vm_bo_unmap": 0x1,
        "netfs_folioq": 0x1, "xfs_defer_create_intent": 0x1, "xfs_defer_cancel_list": 0x1,
        "xfs_defer_pending_finish": 0x1, "xfs_defer_pending_abort": 0x1, "xfs_defer_relog_intent": 0x1,
        "xfs_defer_isolate_paused": 0x1, "xfs_defer_item_pause": 0x1, "xfs_defer_item_unpause": 0x1,
        "xfs_defer_add_item": 0x1, "xfs_defer_cancel_item": 0x1, "xfs_defer_finish_item": 0x1,
        "xfs_ioc_free_eofblocks": 0x10, "xfs_blockgc_free_space": 0x10, "xfs_btree_updkeys": 0x100,
        "xfs_btree_overlapped_query_range": 0x100, "xfs_map_blocks_found": 0x10000, "xfs_map_blocks_alloc": 0x10000,
        "xfs_iomap_alloc": 0x1000, "xfs_iomap_found": 0x1000, "xfs_inodegc_flush": 0x1, "xfs_inodegc_push": 0x1,
        "xfs_inodegc_start": 0x1, "xfs_inodegc_stop": 0x1, "xfs_inodegc_queue": 0x1, "xfs_inodegc_throttle": 0x1,
        "xfs_fs_sync_fs": 0x1, "xfs_blockgc_start": 0x1, "xfs_blockgc_stop": 0x1, "xfs_blockgc_worker": 0x1,
        "xfs_blockgc_flush_all": 0x1, "xchk_nlinks_live_update": 0x10, "xchk_metapath_lookup": 0x100,
        "nfsd_dirent": 0x1, "nfsd_file_acquire": 0x1001, "nfsd_file_insert_err": 0x1, "nfsd_file_cons_err": 0x1,
        "nfs4_setup_sequence": 0x1, "pnfs_update_layout": 0x10000, "nfs4_inode_callback_event": 0x200,
        "nfs4_inode_stateid_callback_event": 0x200, "pnfs_mds_fallback_pg_init_read": 0x10000,
        "pnfs_mds_fallback_pg_init_write": 0x10000, "pnfs_mds_fallback_pg_get_mirror_count": 0x10000,
        "pnfs_mds_fallback_read_done": 0x10000, "pnfs_mds_fallback_write_done": 0x10000,
        "pnfs_mds_fallback_read_pagelist": 0x10000, "pnfs_mds_fallback_write_pagelist": 0x10000,
        "coda_dec_pic_run": 0x10, "coda_dec_pic_done": 0x10, "cfg80211_scan_done": 0x11, "rdev_set_coalesce": 0x10,
        "cfg80211_report_wowlan_wakeup": 0x100, "cfg80211_inform_bss_frame": 0x100,
        "cfg80211_michael_mic_failure": 0x10000, "wiphy_work_queue": 0x10, "wiphy_work_run": 0x10,
        "wiphy_work_cancel": 0x10, "wiphy_work_flush": 0x10, "hugetlbfs_alloc_inode": 0x10, "spufs_context": 0x10,
        "kvm_page_fault_enter": 0x100, "dpu_crtc_setup_mixer": 0x100, "binder_transaction": 0x100,
        "btree_path_free": 0x100, "hfi1_sdma_progress": 0x1000, "iptfs_ingress_postq_event": 0x1000,
        "neigh_update": 0x10, "amdtp_packet": 0x100,
    },
)
# fmt: on
