"""The commands of bpf(2) that the loader, maps and programs use, with Python values; the layout is uapi/attr.py.

:see: tools/lib/bpf/bpf.c
"""

from __future__ import annotations

import ctypes
import errno
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from typing import Generic, Protocol, TypeVar

from beespace.btf import Btf
from beespace.errors import SyscallError
from beespace.isa import Insn
from beespace.kernel import BpfKernel
from beespace.uapi import attr as attrs
from beespace.uapi import bpf as uapi
from beespace.uapi.record import Record

__all__ = ["Alive", "Buffer", "Calls", "Fds", "LoadingKernel", "text"]

_R = TypeVar("_R", bound=Record)
_LOAD_ATTEMPTS = 5  # PROG_LOAD_ATTEMPTS of libbpf
_T = TypeVar("_T")


class LoadingKernel(BpfKernel, Protocol):
    """What the loader asks a kernel besides bpf(2)."""

    def release(self) -> str:
        """``uname -r``: "6.18.44"."""
        ...

    def config(self) -> Mapping[str, str]:
        """CONFIG_* -> value as in a .config file (``y``, ``100``, ``"text"``); {} when it is not known."""
        ...

    def kallsyms(self) -> Iterable[tuple[int, str, str]]:
        """(address, type letter, name) of the kernel's symbols."""
        ...

    def callee_name(self, insn: Insn) -> str | None:
        """The helper or kfunc that a call of a translated program goes to, if that can be told."""
        ...

    def on_cpu(self, cpu: int) -> AbstractContextManager[None]:
        """bpf(2) calls of this thread come from *cpu* meanwhile. :raises SyscallError: EINVAL, there is none such."""
        ...


class Buffer:
    """Host memory that a pointer in an attr may name; alive as long as this object is."""

    __slots__ = ("_memory", "size")

    def __init__(self, data: bytes | bytearray | memoryview | int) -> None:
        self.size = data if isinstance(data, int) else len(data)
        self._memory = (ctypes.c_char * max(self.size, 1))()
        if not isinstance(data, int):
            ctypes.memmove(self._memory, bytes(data), self.size)

    @property
    def address(self) -> int:
        """For a ``__aligned_u64`` field."""
        return ctypes.addressof(self._memory)

    @property
    def data(self) -> bytes:
        """What is there now."""
        return ctypes.string_at(self._memory, self.size)

    @property
    def text(self) -> str:
        """The C string that is there."""
        return ctypes.string_at(self._memory).decode("utf-8", "backslashreplace") if self.size else ""


def text(data: bytes) -> str:
    """A C string out of a buffer."""
    return data.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _name(name: str) -> bytes:
    # BPF_OBJ_NAME_LEN with its NUL; the kernel allows [A-Za-z0-9_.]
    return name.encode()[: uapi.BPF_OBJ_NAME_LEN - 1]


class Alive(Generic[_T]):
    """Things that still exist, in the order in which they were added (a WeakSet has none)."""

    def __init__(self) -> None:
        self._refs: list[weakref.ref[_T]] = []
        self._prune_at = 64

    def add(self, thing: _T) -> None:
        """Remember *thing* for as long as somebody else does."""
        if len(self._refs) >= self._prune_at:
            self._refs = [ref for ref in self._refs if ref() is not None]
            self._prune_at = 2 * len(self._refs) + 64
        self._refs.append(weakref.ref(thing))

    def __iter__(self) -> Iterator[_T]:
        return (thing for ref in list(self._refs) if (thing := ref()) is not None)


class Fds:
    """Fds that one owner has; closed one by one or all together."""

    def __init__(self, calls: Calls) -> None:
        self.kernel = calls.kernel
        self._fds: dict[int, None] = {}
        calls.owners.add(self)

    def own(self, fd: int) -> int:
        """Take *fd* over."""
        self._fds[fd] = None
        return fd

    def close(self, fd: int) -> None:
        """Close *fd*."""
        del self._fds[fd]
        self.kernel.close(fd)

    def close_all(self) -> None:
        """Close those that are left, the last first."""
        while self._fds:
            fd, _ = self._fds.popitem()
            with suppress(SyscallError):  # EBADF: the kernel was closed before its objects
                self.kernel.close(fd)


class Calls:
    """Typed commands over the seam.

    :ivar kernel: either kernel.
    :ivar owners: who has fds, so that they can be closed before the kernel is.
    """

    def __init__(self, kernel: BpfKernel) -> None:
        self.kernel = kernel
        self.owners: Alive[Fds] = Alive()

    def _call(self, cmd: int, record: Record, what: str = "") -> tuple[int, bytearray]:
        data = record.pack()
        try:
            return self.kernel.bpf(cmd, data), data
        except SyscallError as e:
            if what:
                raise SyscallError(e.errno or 0, f"{e.what} {what}", hint=e.hint, log=e.log) from e.__cause__
            raise

    # ------------------------------------------------------------------ maps

    def map_create(self, record: attrs.MapCreateAttr, name: str) -> int:
        """BPF_MAP_CREATE; *name* is cut to what the kernel takes."""
        record.map_name = _name(name)
        return self._call(uapi.BPF_MAP_CREATE, record, name)[0]

    def map_lookup(self, fd: int, key: bytes | None, size: int, flags: int = 0, what: str = "") -> bytes | None:
        """BPF_MAP_LOOKUP_ELEM: *size* bytes, ``None`` for ENOENT."""
        return self._lookup(uapi.BPF_MAP_LOOKUP_ELEM, fd, key, b"\0" * size, flags, what)

    def map_lookup_and_delete(self, fd: int, key: bytes | None, size: int, flags: int, what: str) -> bytes | None:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM: *size* bytes, ``None`` for ENOENT."""
        return self._lookup(uapi.BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, key, b"\0" * size, flags, what)

    def map_contains(self, fd: int, value: bytes, what: str = "") -> bool:
        """BPF_MAP_LOOKUP_ELEM of a bloom filter: the value is the question."""
        return self._lookup(uapi.BPF_MAP_LOOKUP_ELEM, fd, None, value, 0, what) is not None

    def _lookup(self, cmd: int, fd: int, key: bytes | None, value: bytes, flags: int, what: str) -> bytes | None:
        key_buf, value_buf = Buffer(key or b""), Buffer(value)
        record = attrs.MapElemAttr(fd, key_buf.address if key is not None else 0, value_buf.address, flags)
        try:
            self._call(cmd, record, what)
        except SyscallError as e:
            if e.errno == errno.ENOENT:
                return None
            raise
        return value_buf.data

    def map_update(self, fd: int, key: bytes | None, value: bytes, flags: int = 0, what: str = "") -> None:
        """BPF_MAP_UPDATE_ELEM."""
        key_buf, value_buf = Buffer(key or b""), Buffer(value)
        record = attrs.MapElemAttr(fd, key_buf.address if key is not None else 0, value_buf.address, flags)
        self._call(uapi.BPF_MAP_UPDATE_ELEM, record, what)

    def map_delete(self, fd: int, key: bytes, what: str = "") -> None:
        """BPF_MAP_DELETE_ELEM."""
        key_buf = Buffer(key)
        self._call(uapi.BPF_MAP_DELETE_ELEM, attrs.MapElemAttr(fd, key_buf.address), what)

    def map_next_key(self, fd: int, key: bytes | None, size: int, what: str = "") -> bytes | None:
        """BPF_MAP_GET_NEXT_KEY: the key after *key* (the first for ``None``), ``None`` at the end."""
        key_buf, next_buf = Buffer(key or b""), Buffer(size)
        record = attrs.MapElemAttr(fd, key_buf.address if key is not None else 0, next_buf.address)
        try:
            self._call(uapi.BPF_MAP_GET_NEXT_KEY, record, what)
        except SyscallError as e:
            if e.errno == errno.ENOENT:
                return None
            raise
        return next_buf.data

    def map_freeze(self, fd: int, what: str = "") -> None:
        """BPF_MAP_FREEZE: no more updates from user space."""
        self._call(uapi.BPF_MAP_FREEZE, attrs.MapElemAttr(fd), what)

    def map_batch(
        self, cmd: int, fd: int, keys: Buffer, values: Buffer | None, count: int,
        in_batch: Buffer | None = None, out_batch: Buffer | None = None, elem_flags: int = 0, what: str = "",
    ) -> tuple[int, bool]:  # fmt: skip
        """One BPF_MAP_*_BATCH: how many elements were done, and whether there are more.

        :raises SyscallError: with ``done`` elements of the batch processed as its attribute.
        """
        record = attrs.MapBatchAttr(
            in_batch.address if in_batch else 0, out_batch.address if out_batch else 0, keys.address,
            values.address if values else 0, count, fd, elem_flags,
        )  # fmt: skip
        data = record.pack()
        try:
            self.kernel.bpf(cmd, data)
        except SyscallError as e:
            done = attrs.MapBatchAttr.unpack(data).count
            if e.errno == errno.ENOENT and cmd in (
                uapi.BPF_MAP_LOOKUP_BATCH,
                uapi.BPF_MAP_LOOKUP_AND_DELETE_BATCH,
            ):
                return done, False
            raise SyscallError(e.errno or 0, f"{e.what} {what}", hint=f"after {done} of {count} elements") from None
        return attrs.MapBatchAttr.unpack(data).count, True

    def map_fd_by_id(self, map_id: int) -> int:
        """BPF_MAP_GET_FD_BY_ID."""
        return self._call(uapi.BPF_MAP_GET_FD_BY_ID, attrs.GetIdAttr(map_id), f"id {map_id}")[0]

    # -------------------------------------------------------------- programs

    def prog_load(self, record: attrs.ProgLoadAttr, name: str) -> int:
        """BPF_PROG_LOAD; *name* is cut to what the kernel takes."""
        record.prog_name = _name(name)
        for _ in range(_LOAD_ATTEMPTS - 1):
            try:
                return self._call(uapi.BPF_PROG_LOAD, record, name)[0]
            except SyscallError as e:
                if e.errno != errno.EAGAIN:  # a signal was pending
                    raise
        return self._call(uapi.BPF_PROG_LOAD, record, name)[0]

    def prog_test_run(self, record: attrs.ProgTestRunAttr, name: str) -> attrs.ProgTestRunAttr:
        """BPF_PROG_TEST_RUN: the record with the kernel's results in it."""
        return attrs.ProgTestRunAttr.unpack(self._call(uapi.BPF_PROG_TEST_RUN, record, name)[1])

    def prog_bind_map(self, prog_fd: int, map_fd: int) -> None:
        """BPF_PROG_BIND_MAP: the program holds a map that its instructions do not name."""
        self._call(uapi.BPF_PROG_BIND_MAP, attrs.ProgBindMapAttr(prog_fd, map_fd))

    # ------------------------------------------------------------------- BTF

    def btf_load(self, btf: bytes, log: Buffer | None = None) -> int:
        """BPF_BTF_LOAD, with the log in *log*."""
        data = Buffer(btf)
        record = attrs.BtfLoadAttr(btf=data.address, btf_size=data.size)
        if log is not None:
            record.btf_log_buf, record.btf_log_size, record.btf_log_level = log.address, log.size, 1
        return self._call(uapi.BPF_BTF_LOAD, record)[0]

    def btf_ids(self) -> Iterable[int]:
        """BPF_BTF_GET_NEXT_ID, from the first to the last."""
        last = 0
        while True:
            try:
                data = self._call(uapi.BPF_BTF_GET_NEXT_ID, attrs.GetIdAttr(last))[1]
            except SyscallError as e:
                if e.errno == errno.ENOENT:
                    return
                raise
            last = attrs.GetIdAttr.unpack(data).next_id
            yield last

    def btf_fd_by_id(self, btf_id: int) -> int:
        """BPF_BTF_GET_FD_BY_ID."""
        return self._call(uapi.BPF_BTF_GET_FD_BY_ID, attrs.GetIdAttr(btf_id))[0]

    def btf_info(self, fd: int, with_data: bool = False) -> tuple[attrs.BtfInfo, str, bytes]:
        """BPF_OBJ_GET_INFO_BY_FD of a BTF object: record, name, raw data if asked for."""
        name = Buffer(64)
        size = 0
        if with_data:
            size = self._info(fd, attrs.BtfInfo()).btf_size
        data = Buffer(size)
        record = attrs.BtfInfo(btf=data.address if size else 0, btf_size=size, name=name.address, name_len=name.size)
        info = self._info(fd, record)
        return info, text(name.data), data.data

    def btf_by_id(self, btf_id: int, base: Btf | None = None) -> Btf:
        """The types of a BTF object of the kernel."""
        fd = self.btf_fd_by_id(btf_id)
        try:
            _, name, data = self.btf_info(fd, with_data=True)
        finally:
            self.kernel.close(fd)
        return Btf.parse(data, base=base, name=name)

    @cached_property
    def vmlinux(self) -> Btf | None:
        """The kernel's own types."""
        return self.kernel.btf_vmlinux()

    # ------------------------------------------------------- objects of bpffs

    def obj_pin(self, fd: int, path: str) -> None:
        """BPF_OBJ_PIN; the folder is made when it is missing.

        :see: tools/lib/bpf/libbpf.c:make_parent_dir
        """
        try:
            self.kernel.mkdir(os.path.dirname(path))
        except SyscallError as e:
            if e.errno != errno.EEXIST:
                raise
        buf = Buffer(os.fsencode(path) + b"\0")
        self._call(uapi.BPF_OBJ_PIN, attrs.ObjPinAttr(buf.address, fd), path)

    def obj_get(self, path: str, flags: int = 0) -> int:
        """BPF_OBJ_GET; *flags* are BPF_F_RDONLY, BPF_F_WRONLY."""
        buf = Buffer(os.fsencode(path) + b"\0")
        return self._call(uapi.BPF_OBJ_GET, attrs.ObjPinAttr(buf.address, 0, flags), path)[0]

    # ------------------------------------------------------------------ infos

    def map_info(self, fd: int) -> attrs.MapInfo:
        """BPF_OBJ_GET_INFO_BY_FD of a map."""
        return self._info(fd, attrs.MapInfo())

    def prog_info(self, fd: int, ask: attrs.ProgInfo | None = None) -> attrs.ProgInfo:
        """BPF_OBJ_GET_INFO_BY_FD of a program, with the arrays that *ask* has room for."""
        return self._info(fd, ask or attrs.ProgInfo())

    def link_info(self, fd: int) -> attrs.LinkInfo:
        """BPF_OBJ_GET_INFO_BY_FD of a link."""
        return self._info(fd, attrs.LinkInfo())

    def _info(self, fd: int, record: _R) -> _R:
        info = Buffer(record.pack())
        data = self._call(uapi.BPF_OBJ_GET_INFO_BY_FD, attrs.GetInfoAttr(fd, info.size, info.address))[1]
        length = attrs.GetInfoAttr.unpack(data).info_len
        return type(record).unpack(info.data[:length])

    # ------------------------------------------------------------------ links

    def link_create(self, record: attrs.LinkCreateAttr, what: str = "") -> int:
        """BPF_LINK_CREATE."""
        return self._call(uapi.BPF_LINK_CREATE, record, what)[0]

    def link_update(self, record: attrs.LinkUpdateAttr) -> None:
        """BPF_LINK_UPDATE."""
        self._call(uapi.BPF_LINK_UPDATE, record)

    def link_detach(self, fd: int) -> None:
        """BPF_LINK_DETACH."""
        self._call(uapi.BPF_LINK_DETACH, attrs.LinkDetachAttr(fd))

    def iter_create(self, link_fd: int) -> int:
        """BPF_ITER_CREATE: an fd to read from."""
        return self._call(uapi.BPF_ITER_CREATE, attrs.IterCreateAttr(link_fd))[0]

    def raw_tracepoint_open(self, prog_fd: int, name: str | None, cookie: int = 0) -> int:
        """BPF_RAW_TRACEPOINT_OPEN; without a name for programs whose target was given when they were loaded."""
        buf = Buffer((name or "").encode() + b"\0")
        record = attrs.RawTracepointOpenAttr(buf.address if name else 0, prog_fd, cookie)
        return self._call(uapi.BPF_RAW_TRACEPOINT_OPEN, record, name or "")[0]
