"""The one list of what a simulated Linux is made of.

Each package names its modules in ``MODULES``; they are imported when a registry is first built.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from beespace.decl import Features, MapType, Registry

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.maps.base import BpfMap

__all__ = ["SLICES", "linux_registry", "modules", "storages"]

SLICES = (
    "beespace.helpers.protos",
    "beespace.helpers",
    "beespace.maps",
    "beespace.subsys.core",
    "beespace.subsys.tracing",
    "beespace.subsys.net",
    "beespace.subsys.hid",
    "beespace.subsys.sched_ext",
)


def modules(packages: tuple[str, ...] = SLICES) -> tuple[ModuleType, ...]:
    """The modules of *packages*, imported."""
    return tuple(
        import_module(f"{package}.{name}") for package in packages for name in import_module(package).MODULES
    )  # fmt: skip


def linux_registry(features: Features | None = None, btf_vmlinux: Btf | None = None) -> Registry:
    """The contracts of one Linux version.

    >>> linux_registry().func_proto(6, 1).name
    'bpf_map_lookup_elem'
    """
    return Registry.build(modules(), features or Features(), btf_vmlinux)


def storages(features: Features) -> dict[int, type[BpfMap]]:
    """What implements each map type of one version; only the modules of maps are imported."""
    found: dict[int, type[BpfMap]] = {}
    for module in modules(("beespace.maps",)):
        for value in vars(module).values():
            if isinstance(value, MapType) and value.storage is not None and features.has(value.since, value.until):
                storage: Any = value.storage
                found[value.id] = storage
    return found
