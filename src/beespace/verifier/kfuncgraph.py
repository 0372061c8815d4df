"""Lists and trees: their roots, the nodes put into them, and who owns an object that is in one.

An object from bpf_obj_new() is owned by the program: it has to be given back. Putting it into a list or tree hands it
over; the pointer the program keeps does not own it (NON_OWN_REF) and is good until the lock is released.

:see: kernel/bpf/verifier.c:__process_kf_arg_ptr_to_graph_root, __process_kf_arg_ptr_to_graph_node, ref_set_non_owning
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.btfptr import reg_record, struct_ids_match
from beespace.verifier.env import EINVAL
from beespace.verifier.locks import in_rbtree_lock_required_cb
from beespace.verifier.memory import FIELD_NAMES
from beespace.verifier.refs import find_lock_state, find_reference, map_regs, release_reference
from beespace.verifier.regtypes import is_non_owning_ref, is_ptr_alloc_obj
from beespace.verifier.special import GRAPH_NODE_KFUNCS, GRAPH_ROOT_KFUNCS
from beespace.verifier.state import RegState, copy_reg, pointer

if TYPE_CHECKING:
    from beespace.btf.record import BtfField
    from beespace.verifier.env import Env
    from beespace.verifier.kfuncargs import KfuncCall

__all__ = ["check_graph_node", "check_graph_root", "graph_node_reg", "non_owning", "process_refcounted", "take_over"]

_ALLOC = uapi.PTR_TO_BTF_ID | uapi.MEM_ALLOC
_ROOT_OF_NODE = {uapi.BPF_LIST_NODE: uapi.BPF_LIST_HEAD, uapi.BPF_RB_NODE: uapi.BPF_RB_ROOT}


def _constant_offset(env: Env, reg: RegState, regno: int, name: str) -> int:
    if reg.bounds.var_off.mask:
        env.reject(EINVAL, f"R{regno} doesn't have constant offset. {name} has to be at the constant offset")
    return reg.off + reg.bounds.var_off.value & 0xFFFF_FFFF


def _check_referenced(env: Env, reg: RegState) -> None:
    if not reg.ref_obj_id:
        env.reject(EINVAL, "allocated object must be referenced")


def check_graph_root(env: Env, call: KfuncCall, i: int, reg: RegState, kind: int) -> None:
    """Argument *i*: a BPF_LIST_HEAD or BPF_RB_ROOT whose lock is held."""
    if reg.type not in (uapi.PTR_TO_MAP_VALUE, _ALLOC):
        env.reject(EINVAL, f"arg#{i} expected pointer to map value or allocated object")
    if reg.type == _ALLOC:
        _check_referenced(env, reg)
    name = FIELD_NAMES[kind]
    if not call.meta.special or call.meta.name not in GRAPH_ROOT_KFUNCS[kind]:
        env.bug(f"unexpected graph root argument type {name}")
    off = _constant_offset(env, reg, i + 1, name)
    record = reg_record(env, reg)
    field = record.find(off, kind) if record is not None else None
    if record is None or field is None:
        env.reject(EINVAL, f"{name} not found at offset={off}")
    if not _is_locked(env, reg):
        lock = next((f.off for f in record if f.kind == uapi.BPF_SPIN_LOCK), -EINVAL)
        env.reject(EINVAL, f"bpf_spin_lock at off={lock} must be held for {name}")
    if call.graph_root is not None:
        env.bug(f"repeating {name} arg")
    call.graph_root = field


def _is_locked(env: Env, reg: RegState) -> bool:
    # check_reg_allocation_locked(): is the lock held that lies beside the root?
    if not env.cur.active_locks:
        return False
    ptr = reg.map_ptr if reg.type == uapi.PTR_TO_MAP_VALUE else reg.btf
    if find_lock_state(env.cur, uapi.REF_TYPE_LOCK_MASK, reg.id, ptr):
        return True
    env.verbose("held lock and object are not in the same allocation\n")
    return False


def check_graph_node(env: Env, call: KfuncCall, i: int, reg: RegState, kind: int) -> None:
    """Argument *i*: a node, of the type and at the offset that the root demands."""
    name = call.meta.name
    if kind == uapi.BPF_LIST_NODE or name == "bpf_rbtree_add_impl":
        if reg.type != _ALLOC:
            env.reject(EINVAL, f"arg#{i} expected pointer to allocated object")
        _check_referenced(env, reg)
    else:
        if not is_non_owning_ref(reg.type) and not reg.ref_obj_id:
            env.reject(EINVAL, f"{name} can only take non-owning or refcounted bpf_rb_node pointer")
        if in_rbtree_lock_required_cb(env):
            env.reject(EINVAL, f"{name} not allowed in rbtree cb")
    node_name = FIELD_NAMES[kind]
    if not call.meta.special or name not in GRAPH_NODE_KFUNCS[kind]:
        env.bug(f"unexpected graph node argument type {node_name}")
    off = _constant_offset(env, reg, i + 1, node_name)
    record = reg_record(env, reg)
    if record is None or record.find(off, kind) is None:
        env.reject(EINVAL, f"{node_name} not found at offset={off}")
    root = call.graph_root
    if root is None or root.btf is None or root.kind != _ROOT_OF_NODE[kind]:
        env.bug("node without root")
    struct = root.btf.name_of(root.btf_id)
    if not struct_ids_match(env, reg.btf, reg.btf_id, 0, root.btf, root.btf_id, True):
        env.reject(
            EINVAL,
            f"operation on {FIELD_NAMES[root.kind]} expects arg#1 {node_name} at offset={root.node_off} "
            f"in struct {struct}, but arg is at offset={off} in struct {reg.btf.name_of(reg.btf_id)}",
        )
    call.arg_btf, call.arg_btf_id = reg.btf, reg.btf_id
    if off != root.node_off:
        env.reject(
            EINVAL,
            f"arg#1 offset={off}, but expected {node_name} at offset={root.node_off} in struct {struct}",
        )


def process_refcounted(env: Env, call: KfuncCall, i: int, reg: RegState) -> None:
    """Argument *i* of bpf_refcount_acquire(): an object that counts its owners, owned or not."""
    if not is_ptr_alloc_obj(reg.type):
        env.reject(EINVAL, f"arg#{i} is neither owning or non-owning ref")
    if not is_non_owning_ref(reg.type) and reg.ref_obj_id:
        call.arg_owning_ref = True
    record = reg_record(env, reg)
    if record is None:
        env.bug("Couldn't find btf_record")
    if not record.has(uapi.BPF_REFCOUNT):
        env.reject(EINVAL, f"arg#{i} doesn't point to a type with bpf_refcount field")
    call.arg_btf, call.arg_btf_id = reg.btf, reg.btf_id


def graph_node_reg(root: BtfField) -> RegState:
    """A pointer to a node of a graph, as the kfuncs that find or remove one return it (mark_reg_graph_node())."""
    reg = pointer(_ALLOC)
    reg.btf = root.btf
    reg.btf_id = root.btf_id
    reg.off = root.node_off
    return reg


def non_owning(env: Env, reg: RegState) -> RegState:
    """The pointer, to an object that a graph owns (ref_set_non_owning())."""
    if not env.cur.active_locks:
        env.bug("ref_set_non_owning w/o active lock")
    if reg.type & uapi.NON_OWN_REF:
        env.bug("NON_OWN_REF already set")
    record = reg_record(env, reg)
    reg = copy_reg(reg)
    reg.type |= uapi.NON_OWN_REF
    if record is not None and record.has(uapi.BPF_REFCOUNT):
        reg.type |= uapi.MEM_RCU
    return reg


def take_over(env: Env, ref_obj_id: int) -> None:
    """The graph owns the object now; the program's pointers to it become non-owning."""
    if not ref_obj_id or not find_reference(env.cur, ref_obj_id):
        env.bug("ref state missing for ref_obj_id")

    def change(reg: RegState) -> RegState:
        if reg.ref_obj_id != ref_obj_id:
            return reg
        reg = copy_reg(reg)
        reg.ref_obj_id = 0
        return non_owning(env, reg)

    map_regs(env.cur, change)
    release_reference(env, ref_obj_id)
