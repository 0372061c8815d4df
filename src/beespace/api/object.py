"""An object: open, set, load, attach.

:see: tools/lib/bpf/libbpf.c:bpf_object__open, bpf_object__load
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from beespace.api.adapters import Codecs
from beespace.api.calls import Calls, Fds, LoadingKernel
from beespace.api.load import load_object
from beespace.api.map import Map
from beespace.api.program import Program
from beespace.api.sections import find_section
from beespace.api.variables import Variables
from beespace.btf import Btf
from beespace.elf import MapSpec, ObjectSpec, resize_datasec
from beespace.errors import BtfError, SyscallError

if TYPE_CHECKING:
    from types import TracebackType

    from beespace.api.link import Link
    from beespace.decl.prog import SectionDef

__all__ = ["Names", "Object"]

BPFFS = "/sys/fs/bpf"  # BPF_FS_DEFAULT_PATH


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_T = TypeVar("_T", bound=_Named)


class Names(Generic[_T]):
    """Things by name: ``obj.maps.flows``, ``obj.maps["flows"]``; iterating gives the things, in the file's order."""

    def __init__(self, what: str, items: Mapping[str, _T]) -> None:
        self._what = what
        self._items = dict(items)

    def __getattr__(self, name: str) -> _T:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._find(name)
        if found is None:
            raise AttributeError(f"no {self._what} {name!r} ({', '.join(self._items) or 'there are none'})")
        return found

    def __getitem__(self, name: str) -> _T:
        found = self._find(name)
        if found is None:
            raise KeyError(name)
        return found

    def _find(self, name: str) -> _T | None:
        # a section's map also by the name a C skeleton gives it, .data.custom as data_custom
        found = self._items.get(name)
        if found is not None:
            return found
        return next((item for key, item in self._items.items() if key.startswith(".") and _ident(key) == name), None)

    def __iter__(self) -> Iterator[_T]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __dir__(self) -> list[str]:
        return [_ident(name) for name in self._items]

    def __repr__(self) -> str:
        return f"<{self._what}s: {', '.join(self._items)}>"


def _ident(name: str) -> str:
    return name.lstrip(".").replace(".", "_")


class Object:
    """The programs, maps and variables of an object file on one kernel.

    ::

        obj = kernel.open("flow.bpf.o")
        obj.rodata.limit = 10               # before load(): constants, sizes, what to load
        obj.maps.flows.max_entries = 100
        obj.load()
        obj.progs.count.run(packet)         # after
        obj.maps.flows[key], obj.bss.total

    :ivar maps: Names of Map; ``progs`` of Program, ``links`` of Link.
    :ivar warnings: what libbpf would print as a warning.
    :ivar log_level: for programs that do not set theirs.
    """

    def __init__(
        self,
        kernel: LoadingKernel,
        calls: Calls,
        spec: ObjectSpec,
        sections: tuple[SectionDef, ...],
        *,
        pin_root_path: str | None = None,
        kconfig: Mapping[str, str] | None = None,
        btf_custom: Btf | None = None,
        log_level: int = 0,
    ) -> None:
        self.kernel = kernel
        self.calls = calls
        self.spec = spec
        self.log_level = log_level
        self.kconfig = dict(kconfig or {})
        self.btf_custom = btf_custom
        self.warnings: list[str] = []
        self.is_loaded = False
        self._btf = spec.btf
        self._codecs: Codecs | None = None
        self.sections = sections
        self.fds = Fds(calls)
        weakref.finalize(self, self.fds.close_all)
        self._links: dict[str, Link] = {}
        self.progs = Names("program", {prog.name: self._program(prog.name) for prog in spec.programs})
        self.maps = Names("map", {name: self._map(m) for name, m in spec.maps.items()})
        for bpf_map in self.maps:
            if bpf_map.spec.pinning:
                bpf_map.pin_path = f"{pin_root_path or BPFFS}/{bpf_map.name}"

    def _program(self, name: str) -> Program:
        spec = next(prog for prog in self.spec.programs if prog.name == name)
        return Program(self, spec, find_section(spec.section, self.sections))

    def _map(self, spec: MapSpec) -> Map:
        bpf_map = Map(self.calls, spec, self, _full_name(self.spec.name, spec))
        if spec.is_internal or spec.struct_ops:
            bpf_map.memory = bytearray(spec.init or bytes(spec.value_size))
        if self._btf is not None and spec.kind == "user":
            bpf_map.set_types(self.codecs)
        return bpf_map

    def __repr__(self) -> str:
        state = "loaded" if self.is_loaded else "open"
        return f"<Object {self.name}: {len(self.progs)} programs, {len(self.maps)} maps, {state}>"

    @property
    def name(self) -> str:
        """Base name of the file up to its first dot, 15 characters."""
        return self.spec.name

    @property
    def btf(self) -> Btf | None:
        """The object's types."""
        return self._btf

    @property
    def codecs(self) -> Codecs:
        """Codecs of the object's types. :raises BtfError: it has none."""
        if self._codecs is None:
            if self._btf is None:
                raise BtfError("the object has no BTF: build it with -g", path=self.spec.path)
            self._codecs = Codecs(self._btf)
        return self._codecs

    @property
    def links(self) -> Names[Link]:
        """What attach() made, by program or struct_ops map."""
        return Names("link", self._links)

    def __getattr__(self, name: str) -> Variables:
        # obj.bss, obj.rodata, obj.data_custom
        if name.startswith("_") or "maps" not in self.__dict__:
            raise AttributeError(name)
        for bpf_map in self.maps:
            if bpf_map.spec.is_internal and _ident(bpf_map.name) == name:
                return Variables(bpf_map, self.codecs.btf)
        sections = [_ident(m.name) for m in self.maps if m.spec.is_internal]
        raise AttributeError(f"{self.name} has no section {name!r} ({', '.join(sections) or 'there are none'})")

    def __setattr__(self, name: str, value: Any) -> None:
        if "maps" in self.__dict__ and any(m.spec.is_internal and _ident(m.name) == name for m in self.maps):
            raise AttributeError(f"{name} is a section: assign to its variables")
        super().__setattr__(name, value)

    # ------------------------------------------------------------------------------------------------- life cycle

    def load(self) -> Object:
        """Create maps, relocate and load programs.

        It can be tried once. When it fails everything that was made is given back.

        :return: self.
        :raises VerifierError: a program is rejected.
        :raises SyscallError: EINVAL when tried again; other refusals of the kernel.
        :raises ElfError: an extern that cannot be resolved, a program of unknown type.
        :raises CoreRelocError: a relocation that cannot be applied.
        """
        if self.is_loaded:
            raise SyscallError(errno.EINVAL, f"load {self.name}", hint="load can't be attempted twice")
        try:
            load_object(self)
        except BaseException:
            for bpf_map in self.maps:
                if bpf_map.is_pinned and not bpf_map.is_reused:
                    bpf_map.unpin()
            self.close()
            raise
        finally:
            self.is_loaded = True
        return self

    def attach(self) -> Object:
        """Attach every program whose section says to what, and struct_ops maps; see ``links``.

        :raises SyscallError: the first that fails; those before it are detached.
        :see: tools/lib/bpf/libbpf.c:bpf_object__attach_skeleton
        """
        from beespace.api.link import auto_attach

        try:
            for name, link in auto_attach(self):
                self._links[name] = link
        except BaseException:
            self.detach()
            raise
        return self

    def detach(self) -> None:
        """Detach what attach() attached."""
        for link in reversed(self._links.values()):
            link.close()
        self._links.clear()

    def close(self) -> None:
        """Detach and give back all fds. What is pinned stays."""
        self.detach()
        self.fds.close_all()
        for thing in (*self.maps, *self.progs):
            thing.forget_fd()

    def __enter__(self) -> Object:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def resize_section(self, bpf_map: Map, size: int) -> None:
        """Another size for a data section, before loading.

        :see: tools/lib/bpf/libbpf.c:bpf_map__set_value_size
        """
        assert isinstance(bpf_map.memory, bytearray)
        if self._btf is not None and bpf_map.spec.value_type_id:
            self._btf = resize_datasec(self._btf, bpf_map.spec.value_type_id, size)
            self._codecs = None
        memory = bpf_map.memory
        bpf_map.memory = memory[:size] if size < len(memory) else memory + bytes(size - len(memory))


def _full_name(object_name: str, spec: MapSpec) -> str:
    # The kernel's name of a section's map: 15 characters, with as much of the object's name as fits.
    # :see: tools/lib/bpf/libbpf.c:internal_map_name
    if not spec.is_internal:
        return spec.name
    suffix = max(7, min(len(spec.name), 15))
    prefix = "" if "." in spec.name[1:] else object_name[: 15 - suffix]
    name = (prefix + spec.name[:suffix])[:15]
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in name)
