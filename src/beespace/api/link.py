"""Links: programs and struct_ops maps attached to something, for as long as the link is open.

What bpf(2) alone attaches is here. Kprobes, uprobes and tracepoints need perf_event_open(2) and raise Unsupported.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from beespace.api.map import Map
from beespace.errors import SyscallError, Unsupported
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import IterLinkInfo, IterLinkInfoMap, LinkCreateAttr, LinkCreateTracing, LinkUpdateAttr
from beespace.uapi.enums import name_of

if TYPE_CHECKING:
    from types import TracebackType

    from beespace.api.calls import Calls
    from beespace.api.object import Object
    from beespace.api.program import Program

__all__ = ["Link", "auto_attach"]

_READ_SIZE = 1 << 16
_KEY = b"\0\0\0\0"
_RAW_TP = (uapi.BPF_PROG_TYPE_RAW_TRACEPOINT, uapi.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE)
_TRAMPOLINE = (uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_PROG_TYPE_LSM, uapi.BPF_PROG_TYPE_EXT)
# Attach types of programs whose type has one when the program was loaded without
_DEFAULT_ATTACH = {
    uapi.BPF_PROG_TYPE_XDP: uapi.BPF_XDP,
    uapi.BPF_PROG_TYPE_CGROUP_DEVICE: uapi.BPF_CGROUP_DEVICE,
    uapi.BPF_PROG_TYPE_SOCK_OPS: uapi.BPF_CGROUP_SOCK_OPS,
    uapi.BPF_PROG_TYPE_FLOW_DISSECTOR: uapi.BPF_FLOW_DISSECTOR,
    uapi.BPF_PROG_TYPE_SK_LOOKUP: uapi.BPF_SK_LOOKUP,
    uapi.BPF_PROG_TYPE_NETFILTER: uapi.BPF_NETFILTER,
}


class Link:
    """An attachment; close() (or leaving ``with``) ends it unless it is pinned.

    :ivar name: of the program or map.
    """

    def __init__(self, calls: Calls, fd: int, name: str, on_close: Any = None) -> None:
        self._calls = calls
        self._fd: int | None = fd
        self._on_close = on_close
        self.name = name

    def __repr__(self) -> str:
        return f"<Link {self.name}: {'fd ' + str(self._fd) if self._fd is not None else 'closed'}>"

    @property
    def fd(self) -> int:
        """:raises SyscallError: EBADF once closed."""
        if self._fd is None:
            raise SyscallError(errno.EBADF, f"link {self.name}", hint="it is closed")
        return self._fd

    @classmethod
    def attach(cls, prog: Program, target: Any = None, *, flags: int = 0, cookie: int = 0) -> Link:
        """Attach a loaded program.

        :param target: by program type: interface index (XDP, tcx, netkit); fd of a cgroup, network namespace or
            sockmap; tracepoint name (raw tracepoints; default: from the section's name); a Map (map iterators);
            nothing for tracing, LSM and extension programs, whose target was given when they were loaded.
        :raises Unsupported: attached by perf_event_open(2) or a netlink socket, not by bpf(2).
        """
        calls = prog._object.calls
        if prog.expected_attach_type == uapi.BPF_TRACE_ITER:
            return cls(calls, _iter_link(calls, prog, target, flags), prog.name)
        if prog.prog_type in _RAW_TP or prog.expected_attach_type == uapi.BPF_TRACE_RAW_TP:
            point = target
            if prog.prog_type in _RAW_TP and point is None:
                point = prog.section.partition("/")[2] or None
            return cls(calls, calls.raw_tracepoint_open(prog.fd, point, cookie), prog.name)
        if prog.prog_type in _TRAMPOLINE:
            record = LinkCreateAttr(prog.fd, 0, prog.expected_attach_type, flags)
            record.tracing = LinkCreateTracing(0, cookie)
            return cls(calls, calls.link_create(record, prog.name), prog.name)
        attach_type = prog.expected_attach_type or _DEFAULT_ATTACH.get(prog.prog_type, 0)
        kprobe = prog.prog_type in (
            uapi.BPF_PROG_TYPE_KPROBE,
            uapi.BPF_PROG_TYPE_TRACEPOINT,
            uapi.BPF_PROG_TYPE_PERF_EVENT,
        )
        if kprobe or (not attach_type and prog.prog_type != uapi.BPF_PROG_TYPE_CGROUP_SKB):
            kind = name_of("bpf_prog_type", prog.prog_type)
            raise Unsupported(f'attaching {kind} (SEC("{prog.section}")): bpf(2) alone cannot do it')
        if target is None:
            raise SyscallError(errno.EINVAL, f"attach {prog.name}", hint="give an interface index or an fd")
        record = LinkCreateAttr(prog.fd, int(target), attach_type, flags)
        return cls(calls, calls.link_create(record, prog.name), prog.name)

    @classmethod
    def attach_map(cls, bpf_map: Map) -> Link:
        """Register a struct_ops map.

        :see: tools/lib/bpf/libbpf.c:bpf_map__attach_struct_ops
        """
        calls = bpf_map._calls
        if bpf_map.map_type != uapi.BPF_MAP_TYPE_STRUCT_OPS:
            raise SyscallError(errno.EINVAL, f"attach map {bpf_map.name}", hint="it is no struct_ops map")
        calls.map_update(bpf_map.fd, _KEY, bpf_map.kernel_value, 0, bpf_map.name)
        if bpf_map.map_flags & uapi.BPF_F_LINK:
            record = LinkCreateAttr(bpf_map.fd, 0, uapi.BPF_STRUCT_OPS)
            return cls(calls, calls.link_create(record, bpf_map.name), bpf_map.name)
        # without a link the element is the registration: deleting it ends it
        fd = calls.kernel.dup(bpf_map.fd)
        return cls(calls, fd, bpf_map.name, on_close=lambda: calls.map_delete(fd, _KEY, bpf_map.name))

    def update(self, prog: Program) -> None:
        """Replace the program, atomically."""
        self._calls.link_update(LinkUpdateAttr(self.fd, prog.fd))

    def detach(self) -> None:
        """Detach now, whoever else holds the link. :raises SyscallError: EOPNOTSUPP by kind."""
        self._calls.link_detach(self.fd)

    def pin(self, path: str) -> None:
        """Pin in the BPF file system: it outlives this process."""
        self._calls.obj_pin(self.fd, path)

    def read(self) -> bytes:
        """Run an iterator from beginning to end: what its program wrote.

        :see: kernel/bpf/bpf_iter.c:bpf_seq_read
        """
        fd = self._calls.iter_create(self.fd)
        try:
            chunks = []
            while chunk := self._calls.kernel.read(fd, _READ_SIZE):
                chunks.append(chunk)
        finally:
            self._calls.kernel.close(fd)
        return b"".join(chunks)

    def close(self) -> None:
        """Give the link back."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            if self._on_close is not None:
                self._on_close()
            self._calls.kernel.close(fd)

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _iter_link(calls: Calls, prog: Program, target: Map | int | None, flags: int) -> int:
    from beespace.api.calls import Buffer

    record = LinkCreateAttr(prog.fd, 0, uapi.BPF_TRACE_ITER, flags)
    if target is None:
        return calls.link_create(record, prog.name)
    info = IterLinkInfo()
    info.map = IterLinkInfoMap(target if isinstance(target, int) else target.fd)
    buffer = Buffer(info.pack())
    record.iter_info, record.iter_info_len = buffer.address, buffer.size
    return calls.link_create(record, prog.name)


def auto_attach(obj: Object) -> Iterator[tuple[str, Link]]:
    """Attach what says itself to what: by section name, or by being a struct_ops map."""
    for prog in obj.progs:
        if prog.is_loaded and prog.section_def is not None and _says_where(prog):
            yield prog.name, Link.attach(prog)
    for bpf_map in obj.maps:
        if bpf_map.spec.struct_ops and bpf_map.is_created and bpf_map.autoattach:
            yield bpf_map.name, Link.attach_map(bpf_map)


def _says_where(prog: Program) -> bool:
    if prog.prog_type in _TRAMPOLINE:
        return prog.section.partition("/")[0] != "lsm_cgroup"
    return prog.prog_type in _RAW_TP and "/" in prog.section
