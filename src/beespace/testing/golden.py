"""Scenarios recorded on a kernel, played on a kernel: the engine interface of the scenario runner.

``Engine`` has the methods that the runner calls (see SCHEMA.md beside the scenarios); everything goes through the seam,
so the same class drives the simulated kernel (``Engine``) and the real one (``LinuxEngine``).
"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path
from typing import Any

import beespace
from beespace.errors import SyscallError, Unsupported, VerifierError
from beespace.kernel.seam import BpfKernel
from beespace.sim import RealHost
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import (
    GetIdAttr,
    GetInfoAttr,
    IterCreateAttr,
    LinkCreateAttr,
    MapBatchAttr,
    MapCreateAttr,
    MapElemAttr,
    MapInfo,
    ObjPinAttr,
    ProgInfo,
    ProgTestRunAttr,
)

__all__ = ["Engine", "EngineError", "JitEngine", "LinuxEngine"]

_PERCPU = {uapi.BPF_MAP_TYPE_PERCPU_HASH, uapi.BPF_MAP_TYPE_PERCPU_ARRAY, uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH}
# Values that user space sees as an id or a descriptor, whatever value_size says.
_FD_VALUES = {
    uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS,
    uapi.BPF_MAP_TYPE_HASH_OF_MAPS,
    uapi.BPF_MAP_TYPE_PROG_ARRAY,
    uapi.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    uapi.BPF_MAP_TYPE_CGROUP_ARRAY,
}
_BATCH = {
    "lookup": uapi.BPF_MAP_LOOKUP_BATCH,
    "lookup_and_delete": uapi.BPF_MAP_LOOKUP_AND_DELETE_BATCH,
    "update": uapi.BPF_MAP_UPDATE_BATCH,
    "delete": uapi.BPF_MAP_DELETE_BATCH,
}


_HOST = RealHost()
_LOG_SIZE = 1 << 22  # as the recorder had: a longer log is ENOSPC


class EngineError(Exception):
    """A kernel refused.

    :ivar err: positive errno.
    :ivar info: ``stage``, ``who`` and ``log`` of a failed load; ``attr`` of a failed batch.
    """

    def __init__(self, err: int, **info: Any) -> None:
        super().__init__(os.strerror(err))
        self.err = err
        self.info = info


class _Bytes:
    # A buffer whose address goes into an attr; alive as long as this object.
    def __init__(self, data: bytes | int | None) -> None:
        size = data if isinstance(data, int) else len(data or b"")
        self.array = ctypes.create_string_buffer(size or 1) if data is not None else None
        if isinstance(data, bytes) and self.array is not None:
            ctypes.memmove(self.array, data, len(data))
        self.size = size

    @property
    def address(self) -> int:
        return ctypes.addressof(self.array) if self.array is not None else 0

    @property
    def data(self) -> bytes:
        return self.array.raw[: self.size] if self.array is not None else b""


class Engine:
    """Plays scenarios on the simulated kernel.

    :param workdir: folder of the scenario's objects.
    """

    name = "beespace"

    def __init__(self, workdir: str = ".") -> None:
        self.workdir = workdir
        self.kernel = self._make_kernel()
        self.cpus: int = self.kernel.features.cpus
        self._views: dict[int, memoryview] = {}
        self._started_ns = _HOST.now_ns()

    def _make_kernel(self) -> Any:
        return beespace.Kernel(cpus=2)

    # One command; the attr comes back with its outputs.
    def _bpf(self, cmd: int, attr: bytearray) -> int:
        seam: BpfKernel = self.kernel
        self._keep_pace()
        try:
            return seam.bpf(cmd, attr)
        except SyscallError as err:
            raise EngineError(err.errno or 0, attr=bytes(attr)) from None

    # Simulated time follows the machine's, in which runners sleep: what is due by now happens before the next command.
    def _keep_pace(self) -> None:
        deferred = self.kernel.deferred
        elapsed, self._started_ns = _HOST.now_ns() - self._started_ns, _HOST.now_ns()
        deferred.advance_to(deferred.now_ns() + elapsed)

    def sleep(self, seconds: float) -> None:
        """As time.sleep(), in simulated time."""
        self.kernel.advance(seconds=seconds)

    def time(self) -> float:
        """As time.time(), in simulated time."""
        return float(self.kernel.clock.now_ns() / 1e9)

    # Loading

    def load(
        self, path: str, programs: list[str] | None = None, maps: dict[str, dict[str, Any]] | None = None
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Open, configure and load an object: ({program: fd}, {map: fd}).

        :raises Unsupported: not modelled; no errno of a kernel stands for that.
        """
        obj = self.kernel.open(Path(path))
        for prog in obj.progs:
            prog.autoload = programs is None or prog.name in programs
            prog.log_size = _LOG_SIZE
        chosen = []
        for bpf_map in obj.maps:
            wish = (maps or {}).get(_short(bpf_map.name), {})
            if "max_entries" in wish:
                bpf_map.max_entries = wish["max_entries"]
            if "flags" in wish:
                bpf_map.map_flags = wish["flags"]
            if "reuse_fd" in wish:
                bpf_map.reuse_fd(wish["reuse_fd"])
            if wish.get("skip"):
                bpf_map.autocreate = False
            else:
                chosen.append(bpf_map)
        try:
            obj.load()
        except VerifierError as err:
            raise EngineError(err.errno, stage="program", who=err.prog_name, log=err.log) from None
        except SyscallError as err:
            raise EngineError(err.errno or 0, stage="map", who=_short(err.what.split()[-1]), log=err.log) from None
        progs = {prog.name: self.kernel.dup(prog.fd) for prog in obj.progs if prog.autoload}
        fds = {_short(bpf_map.name): self.kernel.dup(bpf_map.fd) for bpf_map in chosen}
        obj.close()
        return progs, fds

    # Information

    def _info(self, fd: int, record: type[MapInfo] | type[ProgInfo]) -> Any:
        out = _Bytes(record.SIZE)
        self._bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(bpf_fd=fd, info_len=record.SIZE, info=out.address).pack())
        return record.unpack(out.data)

    def map_info(self, fd: int) -> dict[str, Any]:
        """``struct bpf_map_info`` as far as scenarios look at it."""
        info: MapInfo = self._info(fd, MapInfo)
        return {
            "type": info.type,
            "id": info.id,
            "key_size": info.key_size,
            "value_size": info.value_size,
            "max_entries": info.max_entries,
            "flags": info.map_flags,
            "name": info.name.decode(),
        }

    def prog_id(self, fd: int) -> int:
        """A program's id."""
        info: ProgInfo = self._info(fd, ProgInfo)
        number: int = info.id
        return number

    def value_bytes(self, info: dict[str, Any]) -> int:
        """Bytes that a lookup from user space writes."""
        size = int(info["value_size"])
        if info["type"] in _PERCPU:
            return -(-size // 8) * 8 * self.cpus
        return 4 if info["type"] in _FD_VALUES else size

    # Maps

    def map_create(
        self,
        type: str,  # noqa: A002 - the runner's name
        key_size: int,
        value_size: int,
        max_entries: int,
        flags: int = 0,
        inner_fd: int = 0,
        extra: int = 0,
        name: str = "",
    ) -> int:
        """BPF_MAP_CREATE of a type by bpftool's name."""
        attr = MapCreateAttr(
            map_type=getattr(uapi, "BPF_MAP_TYPE_" + type.upper()),
            key_size=key_size,
            value_size=value_size,
            max_entries=max_entries,
            map_flags=flags,
            inner_map_fd=inner_fd,
            map_name=name.encode(),
            map_extra=extra,
        )
        return self._bpf(uapi.BPF_MAP_CREATE, attr.pack())

    def _elem(self, cmd: int, fd: int, key: bytes | None, value: bytes | None, flags: int = 0) -> bytes:
        keys, values = _Bytes(key), _Bytes(value)
        attr = MapElemAttr(map_fd=fd, key=keys.address, value=values.address, flags=flags)
        self._bpf(cmd, attr.pack())
        return values.data

    def map_lookup(self, fd: int, key: bytes | None, flags: int = 0, delete: bool = False) -> bytes:
        """Value of *key*; with *delete* the element is gone afterwards."""
        cmd = uapi.BPF_MAP_LOOKUP_AND_DELETE_ELEM if delete else uapi.BPF_MAP_LOOKUP_ELEM
        return self._elem(cmd, fd, key, bytes(self.value_bytes(self.map_info(fd))), flags)

    def map_peek(self, fd: int, value: bytes, flags: int = 0) -> None:
        """Is the value in a bloom filter?"""
        self._elem(uapi.BPF_MAP_LOOKUP_ELEM, fd, None, value, flags)

    def map_update(self, fd: int, key: bytes | None, value: bytes, flags: int = 0) -> None:
        """BPF_MAP_UPDATE_ELEM."""
        self._elem(uapi.BPF_MAP_UPDATE_ELEM, fd, key, value, flags)

    def map_delete(self, fd: int, key: bytes) -> None:
        """BPF_MAP_DELETE_ELEM."""
        self._elem(uapi.BPF_MAP_DELETE_ELEM, fd, key, None)

    def map_next_key(self, fd: int, key: bytes | None) -> bytes:
        """BPF_MAP_GET_NEXT_KEY."""
        return self._elem(uapi.BPF_MAP_GET_NEXT_KEY, fd, key, bytes(self.map_info(fd)["key_size"]))

    def map_batch(
        self,
        fd: int,
        what: str,
        keys: list[bytes] | None = None,
        values: list[bytes] | None = None,
        count: int | None = None,
        in_batch: bytes | None = None,
        flags: int = 0,
    ) -> tuple[int, list[bytes], list[bytes], int, bytes]:
        """One batch command: (errno or 0, keys, values, count, token to go on with)."""
        info = self.map_info(fd)
        key_size, value_size = info["key_size"], self.value_bytes(info)
        number = count if count is not None else len(keys or [])
        key_buffer = _Bytes(b"".join(keys or []).ljust(max(key_size * number, 1), b"\0"))
        value_buffer = _Bytes(b"".join(values or []).ljust(max(value_size * number, 1), b"\0"))
        token_in = _Bytes(None if in_batch is None else in_batch.ljust(max(key_size, 8), b"\0"))
        token_out = _Bytes(max(key_size, 8))
        attr = MapBatchAttr(
            in_batch=token_in.address,
            out_batch=token_out.address,
            keys=key_buffer.address,
            values=value_buffer.address,
            count=number,
            map_fd=fd,
            elem_flags=flags,
        ).pack()
        err = 0
        try:
            self._bpf(_BATCH[what], attr)
        except EngineError as error:
            err = error.err
        done = MapBatchAttr.unpack(attr).count
        shown = min(done, number)
        split_keys = [key_buffer.data[i * key_size : (i + 1) * key_size] for i in range(shown)]
        split_values = [value_buffer.data[i * value_size : (i + 1) * value_size] for i in range(shown)]
        return err, split_keys, split_values, done, token_out.data

    def map_freeze(self, fd: int) -> None:
        """BPF_MAP_FREEZE."""
        self._bpf(uapi.BPF_MAP_FREEZE, MapElemAttr(map_fd=fd).pack()[:4])

    def obj_pin(self, fd: int, path: str) -> None:
        """BPF_OBJ_PIN."""
        name = _Bytes(path.encode() + b"\0")
        self._bpf(uapi.BPF_OBJ_PIN, ObjPinAttr(pathname=name.address, bpf_fd=fd).pack())

    def obj_get(self, path: str, flags: int = 0) -> int:
        """BPF_OBJ_GET."""
        name = _Bytes(path.encode() + b"\0")
        return self._bpf(uapi.BPF_OBJ_GET, ObjPinAttr(pathname=name.address, file_flags=flags).pack())

    def map_fd_by_id(self, mid: int, flags: int = 0) -> int:
        """BPF_MAP_GET_FD_BY_ID."""
        return self._bpf(uapi.BPF_MAP_GET_FD_BY_ID, GetIdAttr(start_id=mid, open_flags=flags).pack())

    # Programs

    def run(
        self,
        fd: int,
        data: bytes | None = None,
        ctx: bytes | None = None,
        repeat: int = 0,
        data_out: int = 0,
        ctx_out: int = 0,
        flags: int = 0,
        cpu: int = 0,
        ctx_inout: bool = False,
    ) -> tuple[int, bytes | None, bytes | None]:
        """BPF_PROG_TEST_RUN: (retval as s32, data_out, ctx_out)."""
        packet, context = _Bytes(data), _Bytes(ctx)
        packet_out, context_out = _Bytes(data_out or None), _Bytes(ctx_out or None)
        raw = ProgTestRunAttr(
            prog_fd=fd,
            data_size_in=packet.size,
            data_size_out=packet_out.size,
            data_in=packet.address,
            data_out=packet_out.address,
            repeat=repeat,
            ctx_size_in=context.size,
            ctx_size_out=context_out.size,
            ctx_in=context.address,
            ctx_out=context_out.address,
            flags=flags,
            cpu=cpu,
        ).pack()
        self._bpf(uapi.BPF_PROG_TEST_RUN, raw)
        done = ProgTestRunAttr.unpack(raw)
        retval = (done.retval ^ 0x8000_0000) - 0x8000_0000
        out = packet_out.data[: done.data_size_out] if data_out else None
        if ctx_inout and ctx is not None and not ctx_out:
            return retval, out, context.data
        return retval, out, context_out.data[: done.ctx_size_out] if ctx_out else None

    def iter_read(self, prog_fd: int, map_fd: int | None = None) -> bytes:
        """Attach an iterator (to a map), read it to its end, detach."""
        info = _Bytes(None if map_fd is None else map_fd.to_bytes(4, "little").ljust(16, b"\0"))
        attr = LinkCreateAttr(prog_fd=prog_fd, attach_type=uapi.BPF_TRACE_ITER)
        attr.iter_info, attr.iter_info_len = info.address, info.size
        link = self._bpf(uapi.BPF_LINK_CREATE, attr.pack())
        try:
            fd = self._bpf(uapi.BPF_ITER_CREATE, IterCreateAttr(link_fd=link).pack())
            try:
                return self._read_all(fd)
            finally:
                self.close(fd)
        finally:
            self.close(link)

    def _read_all(self, fd: int) -> bytes:
        chunks: list[bytes] = []
        while True:
            try:
                chunk: bytes = self.kernel.read(fd, 65536)
            except OSError as err:
                raise EngineError(err.errno or 0) from None
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)

    def close(self, fd: int) -> None:
        """Close a descriptor of this kernel."""
        self.kernel.close(fd)

    # Memory

    def mmap(self, fd: int, length: int, offset: int = 0, prot: str = "rw", addr: int | None = None) -> int:
        """Map a map's memory, or with fd -1 anonymous memory: its address."""
        bits = (mmap.PROT_READ if "r" in prot else 0) | (mmap.PROT_WRITE if "w" in prot else 0)
        if fd < 0 and addr is not None:
            raise Unsupported("scenario: anonymous memory at a given address")
        try:
            if fd < 0:
                view = memoryview(mmap.mmap(-1, length))
            else:
                view = self.kernel.mmap(fd, length, bits, offset, addr=addr or 0)
        except SyscallError as err:
            raise EngineError(err.errno or 0) from None
        address = _address_of(view)
        self._views[address] = view
        return address

    def munmap(self, addr: int, length: int | None = None) -> None:
        """Give a mapping back."""
        self._views.pop(addr, None)

    def mem_read(self, addr: int, length: int) -> bytes:
        """Bytes of this process."""
        return ctypes.string_at(addr, length)

    def mem_write(self, addr: int, data: bytes) -> None:
        """Store into this process; four or eight aligned bytes in one store."""
        if len(data) in (4, 8) and addr % len(data) == 0:
            word = ctypes.c_uint32 if len(data) == 4 else ctypes.c_uint64
            word.from_address(addr).value = int.from_bytes(data, "little")
        else:
            ctypes.memmove(addr, data, len(data))

    # Readiness

    def epoll_add(self, fd: int, events: str = "in") -> Any:
        """A poll object on *fd*."""
        return self.kernel.poll(fd)

    def epoll_wait(self, epoll: Any, timeout_ms: int) -> bool:
        """Whether something is ready in time."""
        return bool(epoll.wait(timeout_ms))

    # Processor

    def perf_event_open(self, cpu: int) -> int:
        """A disabled software event of *cpu*."""
        try:
            fd: int = self.kernel.perf_event_open(cpu)
        except SyscallError as err:
            raise EngineError(err.errno or 0) from None
        return fd

    def pin_cpu(self, cpu: int) -> None:
        """This thread runs on *cpu* from now on."""
        self.kernel.current_cpu = cpu


class JitEngine(Engine):
    """Plays scenarios on the simulated kernel with programs compiled."""

    name = "beespace-jit"

    def _make_kernel(self) -> Any:
        kernel = beespace.Kernel(cpus=2, engine="jit")
        self._parallel = kernel.parallel()  # scenarios run programs on two CPUs at a time
        self._parallel.__enter__()
        return kernel


class LinuxEngine(Engine):
    """The same on the running kernel."""

    name = "linux"

    def _make_kernel(self) -> Any:
        return beespace.LinuxKernel()

    def _keep_pace(self) -> None:
        """Time passes by itself."""

    def pin_cpu(self, cpu: int) -> None:
        """sched_setaffinity(2)."""
        os.sched_setaffinity(0, {cpu})


def _short(name: str) -> str:
    return name[name.index(".") :] if "." in name else name


def _address_of(view: memoryview) -> int:
    if view.readonly:  # ctypes wants a writable buffer; the address is all we need
        return ctypes.addressof(ctypes.py_object(view)) if view.nbytes == 0 else _readonly_address(view)
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def _readonly_address(view: memoryview) -> int:
    api = ctypes.pythonapi
    address, size = ctypes.c_void_p(), ctypes.c_ssize_t()
    api.PyObject_AsReadBuffer.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p]
    api.PyObject_AsReadBuffer(view, ctypes.byref(address), ctypes.byref(size))
    return address.value or 0
