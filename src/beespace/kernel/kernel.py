"""The simulated kernel: bpf(2) served by Python, objects with ids, fds and lifetimes.

:see: kernel/bpf/syscall.c
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from errno import EACCES, EINVAL, EPERM
from typing import TYPE_CHECKING, Any

from beespace.btf.source import target_btf
from beespace.decl.prog import Caps
from beespace.decl.registry import Features, Registry
from beespace.errors import ENOTSUPP, InternalError, SyscallError, Unsupported
from beespace.kernel import btf_cmds, map_cmds, obj_cmds, prog_cmds, run_cmds
from beespace.kernel.batch import run_batch
from beespace.kernel.bpffs import BpfFs
from beespace.kernel.btf_cmds import BtfObject
from beespace.kernel.config import machine_config
from beespace.kernel.deferred import Deferred
from beespace.kernel.idr import FdTable, File, Idr
from beespace.kernel.pipeline import Pipeline
from beespace.kernel.poll import MapWaiter
from beespace.kernel.run import RunPool
from beespace.kernel.seam import cmd_name
from beespace.kernel.slices import linux_registry, storages
from beespace.kernel.task import Task
from beespace.kernel.usermem import HostMemory
from beespace.maps.base import BpfMap
from beespace.maps.declared import declared_storage
from beespace.maps.env import Descriptors, MapEnv
from beespace.maps.ringbuf import RingbufMap
from beespace.mem import PAGE_BYTES, AddressSpace
from beespace.sim import CLOCK_MONOTONIC, Choices, ContextKind, VirtualClock
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import COMMANDS as ATTRS
from beespace.uapi.attr import unpack_attr
from beespace.uapi.record import TailError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from beespace.btf import Btf, BtfRecord
    from beespace.kernel.asyncinfo import TimerInfo, WorkInfo
    from beespace.kernel.batch import BatchResult, Packets
    from beespace.kernel.poll import Waiter
    from beespace.kernel.prog import BpfProg
    from beespace.kernel.run import TraceLine
    from beespace.kernel.usermem import UserMemory
    from beespace.sim import Clock, EventQueue, Host
    from beespace.uapi.attr import GetIdAttr

__all__ = ["Kernel"]

_Handler = Callable[["Kernel", Any], int]
_HANDLERS: dict[int, _Handler] = {
    **map_cmds.COMMANDS,
    **btf_cmds.COMMANDS,
    **obj_cmds.COMMANDS,
    **prog_cmds.COMMANDS,
    **run_cmds.COMMANDS,
}
_INT_MAX = 2**31 - 1
_PROT_WRITE = 2


class Kernel:
    """A simulated Linux: BPF only, one process, a clock that the caller moves.

    :param cpus: possible (and online) CPUs.
    :param seed: of every choice: hash seeds, random numbers.
    :param version: of Linux; decides what exists.
    :param caps: capabilities of the calling task.
    :param features: architecture, configuration and mitigations; overrides *cpus* and *version*.
    :param memory: where the pointers in ``union bpf_attr`` lead; this process by default.
    :param btf_vmlinux: the kernel's BTF, or where it is read from when it is first needed, see target_btf(): the
        machine's where there is one by default, "bundled" to be independent of the machine; None for a kernel without.
    :param pipeline: verifier, translation and engine.
    :param host: measures how long test runs take; without one a run takes no time, as everything in virtual time.
    :param clock: what tells the time; a virtual one by default.
    :param trace_leaks: close() raises InternalError when guest memory was not freed, and tells who allocated it.
    :ivar task: what is ``current``.
    :ivar deferred: clock, CPUs, timers, work and grace periods.
    :ivar trace_pipe: lines that programs printed (bpf_printk()), oldest first; whoever reads removes them.
    """

    def __init__(
        self,
        cpus: int = 4,
        seed: int = 0,
        version: str = "6.18",
        *,
        caps: Caps = Caps(),  # noqa: B008 -- frozen
        features: Features | None = None,
        memory: UserMemory | None = None,
        btf_vmlinux: Btf | str | os.PathLike[str] | None = "auto",
        pipeline: Pipeline | None = None,
        host: Host | None = None,
        clock: Clock | None = None,
        trace_leaks: bool = False,
    ) -> None:
        self._features = features or Features(version=version, cpus=cpus)
        self.caps = caps
        self.seed = seed
        self.user = memory or HostMemory()
        self.choices = Choices(seed)
        self.clock: Clock = clock or VirtualClock()
        self.deferred = Deferred(self, self.clock, self.choices.stream("cpus"))
        self.host = host
        self.space = AddressSpace(trace=trace_leaks)
        self.maps: Idr[BpfMap] = Idr()
        self.progs: Idr[BpfProg] = Idr()
        self.btfs: Idr[BtfObject] = Idr()
        self.fds = FdTable()
        self.bpffs = BpfFs(self)
        self.map_env = MapEnv(
            self.space,
            self._features,
            self.choices.stream("map"),
            Descriptors(self.space),
            fields=self.deferred,
            objects=self,
            cap_sys_admin=caps.sys_admin,
        )
        self.pipeline = pipeline or Pipeline()
        self.task = Task()
        self.stats_enabled = 0
        self.trace_pipe: list[TraceLine] = []
        self._runs = RunPool(self)
        self._random = self.choices.stream("prandom")
        self._btf_source = btf_vmlinux
        self._btf_vmlinux: tuple[Btf | None, BtfObject | None] | None = None
        self._registry: Registry | None = None
        self._storages: dict[int, type[BpfMap]] | None = None
        self._by_descriptor: dict[int, BpfMap] = {}
        self._map_btfs: dict[int, BtfObject] = {}  # descriptor of a map -> its BTF
        self._trace_leaks = trace_leaks
        self._closed = False

    # -- the seam

    @property
    def features(self) -> Features:
        """Version, architecture, possible CPUs."""
        return self._features

    def bpf(self, cmd: int, attr: bytearray) -> int:
        """See BpfKernel.bpf.

        :see: kernel/bpf/syscall.c:__sys_bpf
        """
        self._check_open()
        handler = _HANDLERS.get(cmd)
        if handler is None and cmd not in ATTRS:
            raise SyscallError(EINVAL, cmd_name(cmd))
        if len(attr) > PAGE_BYTES:
            raise SyscallError(7, cmd_name(cmd))  # E2BIG
        try:
            record = unpack_attr(cmd, attr)
        except TailError as error:
            raise SyscallError(error.errno, cmd_name(cmd), hint=str(error)) from None
        if handler is None:
            raise Unsupported(f"bpf(2) command {cmd_name(cmd)}")
        before = record.pack()
        try:
            if self.deferred.real is not None:
                with self.deferred.real:
                    return handler(self, record)
            return handler(self, record)
        finally:
            after = record.pack()
            if after != before:
                size = min(len(attr), len(after))
                attr[:size] = after[:size]

    def close(self, fd: int | None = None) -> None:
        """Close *fd*; without one, the kernel: all objects go.

        :raises SyscallError: EBADF.
        :raises InternalError: guest memory leaked, with ``trace_leaks``.
        """
        if fd is not None:
            self._check_open()
            with self.deferred.real or nullcontext():
                self.put_file(self.fds.remove(fd))
        elif not self._closed:
            if self.deferred.real is not None:
                self.deferred.real.stop()
            self._shut_down()

    def dup(self, fd: int) -> int:
        """A further fd for the same file."""
        self._check_open()
        file = self.fds.get(fd)
        file.refcnt += 1
        return self.fds.install(file)

    def mmap(self, fd: int, length: int, prot: int, offset: int = 0, *, addr: int = 0) -> memoryview:
        """Map the memory of a map.

        :param addr: of an arena, for the process whose addresses its programs store; others are mapped anywhere.
        :see: kernel/bpf/syscall.c:bpf_map_mmap
        """
        self._check_open()
        file = self.get_file(fd, "map")
        bpf_map: BpfMap = file.obj
        writable = bool(prot & _PROT_WRITE)
        if length <= 0 or offset % PAGE_BYTES:
            raise SyscallError(EINVAL, "mmap")
        if not file.readable or (writable and not file.writable):
            raise SyscallError(EACCES, "mmap")
        if bpf_map.record or not bpf_map.HAS_MMAP:
            raise SyscallError(ENOTSUPP, "mmap")
        if writable and bpf_map.frozen:
            raise SyscallError(EPERM, "mmap")
        if writable and bpf_map.map_flags & uapi.BPF_F_RDONLY_PROG:
            raise SyscallError(EACCES, "mmap")
        bpf_map.map_mmap_at(addr, length)
        view = bpf_map.map_mmap(-(-length // PAGE_BYTES) * PAGE_BYTES, writable, offset)
        if writable:
            bpf_map.writecnt += 1
            weakref.finalize(view.obj, _unmapped, bpf_map)
        return view[:length]

    def poll(self, fd: int) -> Waiter:
        """See BpfKernel.poll. :raises Unsupported: of other maps than ring buffers."""
        return MapWaiter(self._ringbuf(fd))

    def ring_fds(self, fd: int) -> list[int]:
        """Two memfds and an eventfd, see RingbufMap."""
        return self._ringbuf(fd).pass_fds()

    def _ringbuf(self, fd: int) -> RingbufMap:
        self._check_open()
        bpf_map: BpfMap = self.get_file(fd, "map").obj
        if not isinstance(bpf_map, RingbufMap):
            raise Unsupported(f"waiting for a {bpf_map.TYPE.name} map")
        return bpf_map

    def read(self, fd: int, size: int) -> bytes:
        """read(2). :raises SyscallError: EINVAL: no object here can be read."""
        self._check_open()
        raise SyscallError(EINVAL, f"read of a {self.fds.get(fd).kind}")

    def perf_event_open(self, cpu: int) -> int:
        """:raises Unsupported: perf events are not simulated."""
        raise Unsupported("perf_event_open()")

    def mkdir(self, path: str) -> None:
        """See BpfFs.mkdir()."""
        self._check_open()
        self.bpffs.mkdir(path)

    def unlink(self, path: str) -> None:
        """See BpfFs.unlink()."""
        self._check_open()
        self.bpffs.unlink(path)

    def btf_vmlinux(self) -> Btf | None:
        """The kernel's own BTF."""
        return self._vmlinux()[0]

    # -- life

    def __enter__(self) -> Kernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Kernel {self._features.version} cpus={self._features.cpus} seed={self.seed}>"

    def _check_open(self) -> None:
        if self._closed:
            raise InternalError("the kernel is closed")

    def _shut_down(self) -> None:
        for fd in self.fds.fds():
            self.put_file(self.fds.remove(fd))
        self.bpffs.clear()
        self._closed = True
        self._runs.close()
        self.map_env.descriptors.close()
        left = [*self.maps.values(), *self.progs.values()]
        leaked = self.space.close()
        if self._trace_leaks and (leaked or left):
            where = "\n".join(f"{region!r} allocated at\n{''.join(region.allocated_at or ())}" for region in leaked)
            raise InternalError(f"leaked when the kernel closed: {left or 'guest memory'}\n{where}")

    # -- parts that others use

    @property
    def registry(self) -> Registry:
        """Contracts of everything this kernel has."""
        if self._registry is None:
            self._registry = linux_registry(replace(self._features, kconfig=self.config()), self.btf_vmlinux())
        return self._registry

    def config(self) -> Mapping[str, str]:
        """CONFIG_* of this kernel: of ``features``, else of the machine when its types are the machine's.

        Without either everything counts as configured. CONFIG_HZ is that of this kernel's clock.
        """
        hz = {"CONFIG_HZ": str(self._features.hz)}
        given = self._features.kconfig
        if not given and self._btf_source in ("auto", "machine"):
            return {**machine_config(), **hz}
        return {**hz, **given}

    def vmlinux_object(self) -> BtfObject | None:
        """btf_vmlinux() as an object with an id."""
        return self._vmlinux()[1]

    def symbol_address(self, btf_id: int, name: str) -> int:
        """Guest address of a kernel variable. :raises Unsupported: it is not simulated."""
        raise Unsupported(f"kernel symbol {name}")

    def map_storage(self, map_type: int) -> type[BpfMap]:
        """What implements a map type; a class that refuses every operation where nothing does yet."""
        if self._storages is None:
            self._storages = storages(self._features)
        if map_type not in self._storages:
            declared = self.registry.map_types.get(map_type)
            if declared is None:
                raise SyscallError(EINVAL, "BPF_MAP_CREATE", hint=f"no map type {map_type} in {self._features.version}")
            self._storages[map_type] = declared_storage(declared)
        return self._storages[map_type]

    def _vmlinux(self) -> tuple[Btf | None, BtfObject | None]:
        if self._btf_vmlinux is None:
            btf = target_btf(self._btf_source) if self._btf_source is not None else None
            obj = None
            if btf is not None:
                obj = BtfObject(btf.raw, btf, "vmlinux", kernel_btf=True)
                obj.id = self.btfs.alloc(obj)
            self._btf_vmlinux = (btf, obj)
        return self._btf_vmlinux

    # -- files and references

    def get_file(self, fd: int, kind: str) -> File:
        """The file of an fd. :raises SyscallError: EBADF; EINVAL when it is of another kind."""
        file = self.fds.get(fd)
        if file.kind != kind:
            raise SyscallError(EINVAL, f"fd {fd} is a {file.kind}, no {kind}")
        return file

    def get_btf(self, fd: int) -> BtfObject:
        """btf_get_by_fd(), without taking a reference."""
        obj: BtfObject = self.get_file(fd, "btf").obj
        return obj

    def next_id(self, idr: Idr[Any], attr: GetIdAttr, what: str) -> int:
        """bpf_obj_get_next_id()."""
        if attr.open_flags or attr.fd_by_id_token_fd or attr.start_id >= _INT_MAX:
            raise SyscallError(EINVAL, f"next {what}")
        if not self.caps.sys_admin:
            raise SyscallError(EPERM, f"next {what}")
        attr.next_id = idr.next(attr.start_id, what)
        return 0

    def put_file(self, file: File) -> None:
        """Drop a reference of a file; the last one releases the object."""
        file.refcnt -= 1
        if file.refcnt == 0:
            self.put_user(file.kind, file.obj)

    def hold_user(self, kind: str, obj: Any) -> None:
        """Take a reference for user space: an fd or a pin."""
        obj.refcnt += 1
        if kind == "map":
            obj.usercnt += 1

    def put_user(self, kind: str, obj: Any) -> None:
        """Drop a reference of user space."""
        if kind == "map":
            self.deferred.points.point("dec map->usercnt")
            obj.usercnt -= 1
            if obj.usercnt == 0:
                obj.map_release_uref()
            self.put_map(obj)
        elif kind == "prog":
            self.put_prog(obj)
        elif kind == "btf":
            self.put_btf(obj)
        elif kind != "stdio":
            obj.release()

    def put_map(self, bpf_map: BpfMap) -> None:
        """bpf_map_put()."""
        bpf_map.refcnt -= 1
        if bpf_map.refcnt == 0:
            self.maps.free(bpf_map.id)
            self.call_rcu(lambda: self._free_map(bpf_map))

    def _free_map(self, bpf_map: BpfMap) -> None:
        self._by_descriptor.pop(bpf_map.descriptor, None)
        self.release_map_btf(bpf_map)
        bpf_map.map_free()
        bpf_map.free_memory()

    def put_prog(self, prog: BpfProg) -> None:
        """bpf_prog_put()."""
        self.deferred.points.point("prog refcnt")
        prog.refcnt -= 1
        if prog.refcnt == 0:
            self.progs.free(prog.id)
            self.call_rcu(lambda: prog.free(self))

    def put_btf(self, obj: BtfObject) -> None:
        """btf_put()."""
        obj.refcnt -= 1
        if obj.refcnt == 0:
            self.btfs.free(obj.id)

    def put(self, obj: Any) -> None:
        """Drop a reference that a map held (FdObjects)."""
        if isinstance(obj, BpfMap):
            self.put_map(obj)
        else:
            self.put_prog(obj)

    def map_from_fd(self, fd: int) -> BpfMap:
        """A map with a reference taken (FdObjects)."""
        bpf_map: BpfMap = self.get_file(fd, "map").obj
        bpf_map.refcnt += 1
        return bpf_map

    def prog_from_fd(self, fd: int) -> BpfProg:
        """A program with a reference taken (FdObjects)."""
        prog: BpfProg = self.get_file(fd, "prog").obj
        prog.refcnt += 1
        return prog

    def add_map(self, bpf_map: BpfMap) -> None:
        """A map exists: programs can name it by its descriptor."""
        self._by_descriptor[bpf_map.descriptor] = bpf_map

    def map_at(self, descriptor: int) -> BpfMap | None:
        """The map whose ``struct bpf_map`` is at a guest address."""
        return self._by_descriptor.get(descriptor)

    def hold_map_btf(self, bpf_map: BpfMap, obj: BtfObject) -> None:
        """A map refers to BTF."""
        obj.refcnt += 1
        self._map_btfs[bpf_map.descriptor] = obj

    def release_map_btf(self, bpf_map: BpfMap) -> None:
        """Drop what hold_map_btf() took."""
        obj = self._map_btfs.pop(bpf_map.descriptor, None)
        if obj is not None:
            self.put_btf(obj)

    def map_btf_id(self, bpf_map: BpfMap) -> int:
        """Id of a map's BTF, 0 without."""
        obj = self._map_btfs.get(bpf_map.descriptor)
        return obj.id if obj is not None else 0

    def struct_metas(self, btf: Btf) -> Mapping[int, BtfRecord]:
        """Records of the structs of a loaded BTF."""
        for obj in self.btfs.values():
            if obj.btf is btf:
                return obj.metas
        return {}

    # -- time and CPUs

    @property
    def current_cpu(self) -> int:
        """The CPU that bpf(2) calls come from."""
        return self.deferred.cpus.cpu

    @current_cpu.setter
    def current_cpu(self, cpu: int) -> None:
        self.deferred.cpus.stack[0].cpu = cpu

    @property
    def events(self) -> EventQueue:
        """What is going to happen."""
        return self.deferred.events

    def timers(self) -> list[TimerInfo]:
        """All bpf_timers of map elements, the next one first, those that are not armed last."""
        return self.deferred.timer_infos()

    def work(self) -> list[WorkInfo]:
        """All bpf_wqs of map elements."""
        return self.deferred.work_infos()

    @contextmanager
    def context(self, kind: str, cpu: int | None = None) -> Iterator[None]:
        """Programs that run meanwhile run there: "task", "worker", "softirq", "hardirq" or "nmi", on *cpu*.

        :raises InternalError: what runs on that CPU cannot be interrupted by it.
        """
        with self.deferred.context(ContextKind[kind.upper()], self.current_cpu if cpu is None else cpu):
            yield

    # -- running programs

    @property
    def runs(self) -> RunPool:
        """Where runs come from."""
        return self._runs

    def run_packet(self, fd: int, data: bytes) -> tuple[int, bytes] | None:
        """A test run of a packet alone, the short way: (R0 as s32, the packet afterwards); None: not this one."""
        if self._closed or self.host is not None:
            return None
        prog: BpfProg = self.get_file(fd, "prog").obj
        runner = self._runs.take_runner(prog)
        if runner is None:
            return None
        try:
            return runner.run_one(data, self.current_cpu, self.clock.now_ns(CLOCK_MONOTONIC))
        finally:
            self._runs.put_runner(runner)

    def run_packets(self, fd: int, packets: Packets, threads: int, want_data: bool) -> BatchResult | None:
        """BPF_PROG_TEST_RUN of many packets alone; None: these have to go the long way."""
        self._check_open()
        prog: BpfProg = self.get_file(fd, "prog").obj
        return run_batch(self, prog, packets, threads, want_data)

    def call_rcu(self, callback: Callable[[], None]) -> None:
        """Call *callback* when the programs that run now have left."""
        self.deferred.call_rcu(callback)

    @contextmanager
    def parallel(self) -> Iterator[None]:
        """Whoever runs programs without the GIL on several threads does it inside: maps take their locks meanwhile."""
        before, self.map_env.smp = self.map_env.smp, True
        for bpf_map in self.maps.values():
            bpf_map.set_smp(True)
        try:
            yield
        finally:
            self.map_env.smp = before
            for bpf_map in self.maps.values():
                bpf_map.set_smp(before)

    def prandom_u32(self) -> int:
        """The next random number of programs."""
        return self._random.u32()


def _unmapped(bpf_map: BpfMap) -> None:
    bpf_map.writecnt -= 1
