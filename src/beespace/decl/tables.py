"""What the verifier knows about kernel types and functions by name: BTF_ID sets, iterator targets, struct_ops types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any

from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.decl.prog import Allow

__all__ = ["BtfRules", "IterTarget", "StructAccess", "StructOpsType"]

_Fields = Mapping[str, frozenset[str]]


@frozen
class BtfRules:
    """Sets and lists of BTF ids, by name. Slices contribute parts; Registry.build() unites them.

    :ivar safe_rcu: struct -> fields trusted inside an RCU read-side section, never NULL (``BTF_TYPE_SAFE_RCU``).
    :ivar safe_rcu_or_null: the same, maybe NULL.
    :ivar safe_trusted: struct -> fields fully trusted, never NULL (``BTF_TYPE_SAFE_TRUSTED``).
    :ivar safe_trusted_or_null: the same, maybe NULL.
    :ivar rcu_protected_types: structs whose referenced kptrs may be loaded inside an RCU read-side section.
    :ivar dtors: struct -> kfunc that releases a referenced kptr to it when a map value dies.
    :ivar raw_tp_null_args: tracepoint -> mask, 4 bits for each argument: 1 may be NULL, 2 is never a valid pointer.
    :ivar attach_deny: functions nothing may attach to (``btf_id_deny``).
    :ivar noreturn_deny: functions without a return, closed to fexit and fmod_ret.
    :ivar fmod_ret: functions fmod_ret may attach to beside security_*() and error injection; name -> KF_* flags.
    :ivar error_injection: functions on the ALLOW_ERROR_INJECTION list.
    :ivar non_sleepable_error_injection: those of them that are not for sleepable programs.
    :ivar d_path_allow: functions whose fentry and fexit programs may call bpf_d_path().
    :ivar lsm_disabled: LSM hooks nothing may attach to, with their prefix ``bpf_lsm_``; so are the following.
    :ivar lsm_sleepable: hooks open to sleepable programs.
    :ivar lsm_untrusted: hooks whose arguments are not trusted pointers.
    :ivar lsm_bool: hooks that return 0 or 1, not an error.
    :ivar lsm_current: hooks that concern the cgroup of current whatever their arguments are.
    :ivar lsm_locked_sockopt: hooks where the socket is locked: bpf_sk_setsockopt().
    :ivar lsm_unlocked_sockopt: hooks where it need not be: bpf_unlocked_sk_setsockopt().
    """

    safe_rcu: _Fields = field(default_factory=dict)
    safe_rcu_or_null: _Fields = field(default_factory=dict)
    safe_trusted: _Fields = field(default_factory=dict)
    safe_trusted_or_null: _Fields = field(default_factory=dict)
    rcu_protected_types: frozenset[str] = frozenset()
    dtors: Mapping[str, str] = field(default_factory=dict)
    raw_tp_null_args: Mapping[str, int] = field(default_factory=dict)
    attach_deny: frozenset[str] = frozenset()
    noreturn_deny: frozenset[str] = frozenset()
    fmod_ret: Mapping[str, int] = field(default_factory=dict)
    error_injection: frozenset[str] = frozenset()
    non_sleepable_error_injection: frozenset[str] = frozenset()
    d_path_allow: frozenset[str] = frozenset()
    lsm_disabled: frozenset[str] = frozenset()
    lsm_sleepable: frozenset[str] = frozenset()
    lsm_untrusted: frozenset[str] = frozenset()
    lsm_bool: frozenset[str] = frozenset()
    lsm_current: frozenset[str] = frozenset()
    lsm_locked_sockopt: frozenset[str] = frozenset()
    lsm_unlocked_sockopt: frozenset[str] = frozenset()

    def __or__(self, other: BtfRules) -> BtfRules:
        def united(name: str) -> Any:
            mine, theirs = getattr(self, name), getattr(other, name)
            return mine | theirs if isinstance(mine, frozenset) else {**mine, **theirs}

        return BtfRules(**{f.name: united(f.name) for f in fields(self)})


@frozen
class IterTarget:
    """``struct bpf_iter_reg``: what ``SEC("iter/...")`` programs iterate over.

    The program attaches to ``bpf_iter_<target>()`` and receives ``struct bpf_iter__<target>``.

    :ivar ctx_args: (field of the context, enum bpf_reg_type with flags, struct of a BTF pointer); fields without a
        row are read as BTF says: ``meta`` and ``map`` are trusted pointers, the rest are scalars.
    :ivar link_info: what the link may or must name: "map", "cgroup", "task" or "".
    :ivar resched: the walk may be interrupted (BPF_ITER_RESCHED).
    :ivar protos: helpers only this target's programs may call, by name.
    """

    target: str
    ctx_args: tuple[tuple[str, int, str | None], ...]
    link_info: str = ""
    resched: bool = False
    protos: tuple[str, ...] = ()
    since: str = ""
    ref: str = ""

    @property
    def func(self) -> str:
        """The function programs name as attach target."""
        return f"bpf_iter_{self.target}"

    @property
    def ctx_struct(self) -> str:
        """The context struct."""
        return f"bpf_iter__{self.target}"


# (BTF, struct, byte offset, bytes) -> None when a program may store there, else the message of the refusal, "" for none
StructAccess = Callable[["Btf", str, int, int], "str | None"]


@frozen
class StructOpsType:
    """``struct bpf_struct_ops``: a kernel struct of function pointers that BPF programs implement.

    :ivar name: the struct, ``tcp_congestion_ops``.
    :ivar protos: helpers its programs may call, as ProgType.protos.
    :ivar btf_struct_access: what its programs may write in kernel structs; None: nothing.
    :ivar arg_types: (member, 0-based argument) -> (enum bpf_reg_type with flags, struct), instead of what BTF says.
    :ivar retyped: struct of a context argument -> struct it is taken for (a ``struct sock`` is a ``tcp_sock`` to
        congestion control).
    :ivar unsupported: function members that programs may not implement (no CFI stub, or refused at registration).
    :ivar sleepable: members that may be sleepable; "*" in it: all.
    :ivar required: function members that registering demands (``validate``).
    :ivar scalars: data members that registering copies from the map value (``init_member``).
    """

    name: str
    protos: tuple[str | Allow, ...] = ()
    btf_struct_access: StructAccess | None = None
    arg_types: Mapping[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    retyped: Mapping[str, str] = field(default_factory=dict)
    unsupported: frozenset[str] = frozenset()
    sleepable: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    scalars: frozenset[str] = frozenset()
    since: str = ""
    ref: str = ""
