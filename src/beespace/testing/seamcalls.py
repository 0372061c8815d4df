"""bpf(2) on either kernel for tests: raw commands, errors as names instead of exceptions."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING

from beespace.errors import SyscallError, errno_name
from beespace.isa import assemble, encode_insns
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import (
    GetIdAttr,
    GetInfoAttr,
    MapBatchAttr,
    MapCreateAttr,
    MapElemAttr,
    MapInfo,
    ObjPinAttr,
    ProgLoadAttr,
    ProgTestRunAttr,
)
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.kernel import BpfKernel
    from beespace.uapi.record import Record

__all__ = ["Buf", "Ran", "SeamCalls", "u32", "u64"]

_PERCPU = (uapi.BPF_MAP_TYPE_PERCPU_ARRAY, uapi.BPF_MAP_TYPE_PERCPU_HASH, uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH)
_FD_VALUES = (uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS, uapi.BPF_MAP_TYPE_HASH_OF_MAPS, uapi.BPF_MAP_TYPE_PROG_ARRAY)


class Buf:
    """Memory whose address goes into an attr; alive as long as this object."""

    def __init__(self, content: bytes | int) -> None:
        self.size = len(content) if isinstance(content, bytes) else content
        self._memory = ctypes.create_string_buffer(content or 1, max(self.size, 1))

    @property
    def address(self) -> int:
        """For a ``__aligned_u64`` field."""
        return ctypes.addressof(self._memory)

    def __bytes__(self) -> bytes:
        return self._memory.raw[: self.size]


def u32(*numbers: int) -> bytes:
    """Little-endian u32s."""
    return struct.pack(f"<{len(numbers)}I", *numbers)


def u64(*numbers: int) -> bytes:
    """Little-endian u64s."""
    return struct.pack(f"<{len(numbers)}Q", *numbers)


@frozen
class Ran:
    """What a test run answered.

    :ivar ctx: the context given, as it is afterwards.
    """

    retval: int
    ctx: bytes
    data_out: bytes
    ctx_out: bytes


class SeamCalls:
    """Commands on *kernel*. A call that fails returns the name of the errno.

    :ivar after: the attr of the last command as the kernel left it.
    """

    def __init__(self, kernel: BpfKernel) -> None:
        self.kernel = kernel
        self.after: Record | None = None
        self.log = ""
        self._fds: list[int] = []

    def bpf(self, cmd: int, record: Record) -> int | str:
        """Any command: fd, 0, or errno name."""
        data = record.pack()
        try:
            return self.kernel.bpf(cmd, data)
        except SyscallError as error:
            return errno_name(error.errno or 0)
        finally:
            self.after = type(record).unpack(data)

    def open(self, cmd: int, record: Record) -> int | str:
        """A command that returns an fd, which close_all() closes."""
        fd = self.bpf(cmd, record)
        if isinstance(fd, int):
            self._fds.append(fd)
        return fd

    def close(self, fd: int) -> None:
        """Close an fd that one of the calls returned."""
        self._fds.remove(fd)
        self.kernel.close(fd)

    def close_all(self) -> None:
        """Close what is still open."""
        while self._fds:
            self.kernel.close(self._fds.pop())

    # -- maps

    def create(self, map_type: int, key: int, value: int, entries: int, flags: int = 0, **more: int | bytes) -> int:
        """BPF_MAP_CREATE: an fd (or an errno name, which tests of refusals compare)."""
        attr = MapCreateAttr(map_type, key, value, entries, flags, **more)  # type: ignore[arg-type]
        return self.open(uapi.BPF_MAP_CREATE, attr)  # type: ignore[return-value]

    def info(self, fd: int) -> MapInfo:
        """BPF_OBJ_GET_INFO_BY_FD of a map."""
        buf = Buf(MapInfo.SIZE)
        ret = self.bpf(uapi.BPF_OBJ_GET_INFO_BY_FD, GetInfoAttr(fd, MapInfo.SIZE, buf.address))
        assert ret == 0, ret
        return MapInfo.unpack(bytes(buf))

    def value_size(self, fd: int) -> int:
        """Bytes of a value as bpf(2) copies it."""
        info = self.info(fd)
        if info.type in _PERCPU:
            return (info.value_size + 7) // 8 * 8 * self.kernel.features.cpus
        return 4 if info.type in _FD_VALUES else info.value_size

    def lookup(
        self, fd: int, key: bytes | None, flags: int = 0, cmd: int = uapi.BPF_MAP_LOOKUP_ELEM
    ) -> bytes | int | str:
        """BPF_MAP_LOOKUP_ELEM: the value."""
        value = Buf(self.value_size(fd))
        ret = self._elem(cmd, fd, key, value, flags)
        return bytes(value) if ret == 0 else ret

    def lookup_and_delete(self, fd: int, key: bytes | None, flags: int = 0) -> bytes | int | str:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM: the value."""
        return self.lookup(fd, key, flags, uapi.BPF_MAP_LOOKUP_AND_DELETE_ELEM)

    def update(self, fd: int, key: bytes | None, value: bytes, flags: int = 0) -> int | str:
        """BPF_MAP_UPDATE_ELEM."""
        return self._elem(uapi.BPF_MAP_UPDATE_ELEM, fd, key, Buf(value), flags)

    def delete(self, fd: int, key: bytes) -> int | str:
        """BPF_MAP_DELETE_ELEM."""
        return self._elem(uapi.BPF_MAP_DELETE_ELEM, fd, key, None, 0)

    def next_key(self, fd: int, key: bytes | None) -> bytes | int | str:
        """BPF_MAP_GET_NEXT_KEY: the key."""
        following = Buf(self.info(fd).key_size)
        ret = self._elem(uapi.BPF_MAP_GET_NEXT_KEY, fd, key, following, 0)
        return bytes(following) if ret == 0 else ret

    def keys(self, fd: int) -> list[bytes]:
        """All keys in the map's order."""
        found: list[bytes] = []
        key: bytes | int | str | None = None
        while isinstance(key := self.next_key(fd, found[-1] if found else None), bytes):
            found.append(key)
        assert key == "ENOENT", key
        return found

    def freeze(self, fd: int) -> int | str:
        """BPF_MAP_FREEZE."""
        return self.bpf(uapi.BPF_MAP_FREEZE, MapElemAttr(fd))

    def batch(
        self,
        cmd: int,
        fd: int,
        *,
        keys: bytes = b"",
        values: bytes = b"",
        count: int = 0,
        in_batch: bytes | None = None,
        elem_flags: int = 0,
        flags: int = 0,
    ) -> tuple[int | str, int, bytes, bytes, bytes]:
        """BPF_MAP_*_BATCH: (result, count, keys, values, out_batch)."""
        bufs = [Buf(keys), Buf(values), Buf(in_batch or b""), Buf(8)]
        record = MapBatchAttr(
            in_batch=bufs[2].address if in_batch else 0,
            out_batch=bufs[3].address,
            keys=bufs[0].address,
            values=bufs[1].address,
            count=count,
            map_fd=fd,
            elem_flags=elem_flags,
            flags=flags,
        )
        ret = self.bpf(cmd, record)
        assert isinstance(self.after, MapBatchAttr)
        return ret, self.after.count, bytes(bufs[0]), bytes(bufs[1]), bytes(bufs[3])

    def _elem(self, cmd: int, fd: int, key: bytes | None, value: Buf | None, flags: int) -> int | str:
        key_buf = Buf(key) if key is not None else None
        record = MapElemAttr(fd, key_buf.address if key_buf else 0, value.address if value else 0, flags)
        return self.bpf(cmd, record)

    # -- programs

    def load(
        self,
        prog_type: int,
        source: str,
        maps: Mapping[str, int] | None = None,
        /,
        *,
        license_: bytes = b"GPL",
        log_level: int = 0,
        log_size: int = 0,
        kfuncs: Mapping[str, int] | None = None,
        **more: int | bytes,
    ) -> int | str:
        """BPF_PROG_LOAD of assembly; the log is in ``self.log``. Syscall programs are sleepable.

        :param kfuncs: name -> BTF id in vmlinux.
        """
        calls = {name: (btf_id, 0) for name, btf_id in (kfuncs or {}).items()}
        insns = encode_insns(assemble(source).link(maps, calls))
        code, name, log = Buf(insns), Buf(license_ + b"\0"), Buf(log_size)
        attr = ProgLoadAttr(
            prog_type=prog_type,
            insn_cnt=len(insns) // 8,
            insns=code.address,
            license=name.address,
            log_level=log_level,
            log_size=log_size,
            log_buf=log.address if log_size else 0,
            prog_flags=uapi.BPF_F_SLEEPABLE if prog_type == uapi.BPF_PROG_TYPE_SYSCALL else 0,
        )
        for field, value in more.items():
            setattr(attr, field, value)
        fd = self.open(uapi.BPF_PROG_LOAD, attr)
        self.log = bytes(log).split(b"\0", 1)[0].decode()
        return fd

    def run(
        self,
        fd: int,
        *,
        ctx: bytes | None = None,
        data: bytes | None = None,
        data_out: int = 0,
        ctx_out: int = 0,
        **more: int,
    ) -> Ran | str:
        """BPF_PROG_TEST_RUN."""
        ctx_in, data_in, ctx_to, data_to = Buf(ctx or b""), Buf(data or b""), Buf(ctx_out), Buf(data_out)
        attr = ProgTestRunAttr(
            prog_fd=fd,
            ctx_size_in=ctx_in.size,
            ctx_in=ctx_in.address if ctx else 0,
            data_size_in=data_in.size,
            data_in=data_in.address if data is not None else 0,
            ctx_size_out=ctx_out,
            ctx_out=ctx_to.address if ctx_out else 0,
            data_size_out=data_out,
            data_out=data_to.address if data_out else 0,
        )
        for field, value in more.items():
            setattr(attr, field, value)
        ret = self.bpf(uapi.BPF_PROG_TEST_RUN, attr)
        if isinstance(ret, str):
            return ret
        assert isinstance(self.after, ProgTestRunAttr)
        return Ran(
            self.after.retval,
            bytes(ctx_in),
            bytes(data_to)[: self.after.data_size_out],
            bytes(ctx_to)[: self.after.ctx_size_out],
        )

    # -- objects

    def pin(self, fd: int, path: str) -> int | str:
        """BPF_OBJ_PIN."""
        name = Buf(path.encode() + b"\0")
        return self.bpf(uapi.BPF_OBJ_PIN, ObjPinAttr(name.address, fd))

    def get(self, path: str, flags: int = 0) -> int | str:
        """BPF_OBJ_GET."""
        name = Buf(path.encode() + b"\0")
        return self.open(uapi.BPF_OBJ_GET, ObjPinAttr(name.address, 0, flags))

    def next_id(self, cmd: int, start: int) -> int | str:
        """BPF_*_GET_NEXT_ID: the id."""
        ret = self.bpf(cmd, GetIdAttr(start))
        assert isinstance(self.after, GetIdAttr)
        return self.after.next_id if ret == 0 else ret

    def fd_by_id(self, cmd: int, number: int, flags: int = 0) -> int | str:
        """BPF_*_GET_FD_BY_ID."""
        return self.open(cmd, GetIdAttr(number, 0, flags))
