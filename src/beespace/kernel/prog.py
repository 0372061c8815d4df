"""``struct bpf_prog``: a loaded program."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from beespace.maps.fd_array import ProgOwner
from beespace.uapi import bpf as uapi
from beespace.values import mutable

if TYPE_CHECKING:
    from beespace.decl.prog import ProgType, VerifiedProgram, XlatedProgram
    from beespace.decl.run import Executable
    from beespace.errors import Unsupported
    from beespace.kernel.btf_cmds import BtfObject
    from beespace.kernel.kernel import Kernel
    from beespace.maps.base import BpfMap
    from beespace.mem import Region

__all__ = ["BpfProg"]


@mutable(eq=False)
class BpfProg:
    """A verified program with what it holds.

    :ivar load_time: ns of CLOCK_BOOTTIME; ``created_by_uid`` of the loading task.
    :ivar text: the guest addresses its instructions have (nothing is stored there).
    :ivar func_info: the records as loaded, ``line_info`` likewise.
    :ivar prepared: what executable() gave.
    :ivar unsupported: why it cannot run, None when it can.
    :ivar run_time_ns: with BPF_ENABLE_STATS, ``run_cnt`` likewise.
    """

    name: str
    prog_type: ProgType
    expected_attach_type: int
    verified: VerifiedProgram
    xlated: XlatedProgram
    text: Region
    gpl_compatible: bool
    load_time: int
    prog_flags: int = 0
    created_by_uid: int = 0
    used_maps: list[BpfMap] = field(default_factory=list)
    btf: BtfObject | None = None
    attach_btf: BtfObject | None = None
    attach_btf_id: int = 0
    dst_prog: BpfProg | None = None
    func_info: bytes = b""
    line_info: bytes = b""
    id: int = 0
    refcnt: int = 1
    run_time_ns: int = 0
    run_cnt: int = 0
    recursion_misses: int = 0
    streams: Any = None
    unsupported: Unsupported | None = None
    prepared: Executable | None = None

    def executable(self, kernel: Kernel) -> Executable:
        """The program as the kernel's engine prepared it, at first use.

        :raises Unsupported: it was verified, but uses what does not exist at run time.
        """
        if self.unsupported is not None:
            raise self.unsupported
        if self.prepared is None:
            self.prepared = kernel.pipeline.engine.prepare(self.xlated)
        return self.prepared

    def owner(self) -> ProgOwner:
        """What program arrays compare."""
        frags = bool(self.prog_flags & uapi.BPF_F_XDP_HAS_FRAGS)
        return ProgOwner(self.prog_type.id, self.expected_attach_type, frags)

    def free(self, kernel: Kernel) -> None:
        """Drop what it holds: nothing refers to it and it does not run."""
        kernel.runs.forget(self)
        kernel.space.free(self.text)
        for bpf_map in self.used_maps:
            kernel.put_map(bpf_map)
        for obj in (self.btf, self.attach_btf):
            if obj is not None:
                kernel.put_btf(obj)
        if self.dst_prog is not None:
            kernel.put_prog(self.dst_prog)
