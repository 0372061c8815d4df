"""What a SEC() name means: program type, attach type, flags."""

from __future__ import annotations

from collections.abc import Iterable

from beespace.decl.prog import SectionDef

__all__ = ["describe_known", "find_section"]


def _matches(definition: SectionDef, name: str) -> bool:
    sec = definition.sec
    if sec.endswith("/"):  # always with extras
        return name.startswith(sec)
    if sec.endswith("+"):  # alone, or with extras
        return name == sec[:-1] or name.startswith(sec[:-1] + "/")
    return name == sec


def find_section(name: str, definitions: Iterable[SectionDef]) -> SectionDef | None:
    """The definition that *name* (without its leading ``?``) matches; ``None``: the type has to be set by hand.

    :see: tools/lib/bpf/libbpf.c:find_sec_def
    """
    return next((definition for definition in definitions if _matches(definition, name)), None)


def describe_known(name: str, definitions: Iterable[SectionDef]) -> str:
    """The names that begin as *name* does, or all of them, for an error message."""
    known = [definition.sec for definition in definitions]
    near = [sec for sec in known if sec[:2] == name[:2]]
    return ", ".join(sec.rstrip("+/") for sec in near or known)
