"""``@frozen`` and ``@mutable``: what ``@dataclass(slots=True)`` makes of a class, without its price at import.

``dataclasses`` compiles six methods for each class when the class is defined; for the hundred and more values of a
simulated kernel that is longer than all else their import does. Here equality, hash and text are shared functions over
the fields, and ``__init__`` is compiled when a first instance is made. ``dataclasses.field()``, ``fields()``,
``replace()`` and ``asdict()``, ``match``, ``copy`` and ``pickle`` see a data class.

>>> from dataclasses import replace
>>> @frozen
... class Point:
...     x: int
...     y: int = 0
>>> replace(Point(1), y=2)
Point(x=1, y=2)
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable
from copy import copy
from dataclasses import FrozenInstanceError, field
from inspect import get_annotations
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform, overload

__all__ = ["frozen", "mutable"]

T = TypeVar("T")
_NO_DEFAULT = dataclasses.MISSING
_FIELD: Any = dataclasses.fields(dataclasses.make_dataclass("_", ["x"]))[0]._field_type  # type: ignore[attr-defined]


@overload
def frozen(cls: type[T], /) -> type[T]: ...
@overload
def frozen(*, eq: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, eq_default=True, field_specifiers=(field,))
def frozen(cls: type[T] | None = None, /, *, eq: bool = True) -> Any:
    """Make *cls* an immutable value with slots.

    :param eq: false: instances are equal only to themselves (and hashed so), as ``dataclass(eq=False)``.
    """
    methods = {"__setattr__": _setattr, "__delattr__": _delattr, "__getstate__": _getstate, "__setstate__": _setstate}
    if cls is None:
        return lambda cls: _make(cls, eq, methods, _hash)
    return _make(cls, eq, methods, _hash)


@overload
def mutable(cls: type[T], /) -> type[T]: ...
@overload
def mutable(*, eq: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(eq_default=True, field_specifiers=(field,))
def mutable(cls: type[T] | None = None, /, *, eq: bool = True) -> Any:
    """Make *cls* a record with slots: equal by its fields and so without a hash, unless *eq* is false."""
    if cls is None:
        return lambda cls: _make(cls, eq, {}, None)
    return _make(cls, eq, {}, None)


def _make(cls: type, eq: bool, methods: dict[str, Any], hash_of: Callable[[Any], int] | None) -> type:
    namespace = dict(cls.__dict__)
    own = [name for name, text in get_annotations(cls).items() if not _is_classvar(text)]
    fields: dict[str, Any] = {}  # name: default, dataclasses.Field or _NO_DEFAULT
    for base in reversed(cls.__mro__[1:]):
        fields.update(base.__dict__.get("__value_fields__", {}))
    fields.update((name, namespace.pop(name, _NO_DEFAULT)) for name in own)
    compared = [n for n, v in fields.items() if not isinstance(v, dataclasses.Field) or v.compare]
    namespace.pop("__dict__", None)
    namespace.pop("__weakref__", None)
    namespace |= {
        "__slots__": tuple(own),
        "__value_fields__": fields,
        "__value_key__": attrgetter(*compared) if compared else _nothing,
        "__dataclass_fields__": _DataclassFields(),
        "__match_args__": tuple(fields),
    }
    namespace |= methods
    namespace.setdefault("__repr__", _repr)
    if eq:
        namespace.setdefault("__eq__", _eq)
        if namespace.get("__hash__") is None:  # absent, or set to None by an __eq__ of the class's own
            namespace["__hash__"] = hash_of
    made = type(cls)(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    if "__init__" not in namespace:
        made.__init__ = _first_init(made)  # type: ignore[misc]
    return made


def _is_classvar(annotation: object) -> bool:
    return str(annotation).removeprefix("typing.").startswith("ClassVar")


def _nothing(_: object) -> tuple[()]:
    return ()


def _first_init(cls: Any) -> Callable[..., None]:
    def first_init(self: Any, *args: Any, **kwargs: Any) -> None:
        init = cls.__init__ = _compile_init(cls)
        init(self, *args, **kwargs)

    return first_init


def _compile_init(cls: Any) -> Callable[..., None]:
    scope: dict[str, Any] = {}
    params, body = [], []
    for name, default in cls.__value_fields__.items():
        scope[f"set_{name}"] = getattr(cls, name).__set__  # the slot's; __setattr__ refuses
        given = name
        if isinstance(default, dataclasses.Field):
            if default.default_factory is not _NO_DEFAULT:
                scope[f"make_{name}"], scope["MISSING"] = default.default_factory, _NO_DEFAULT
                given = f"make_{name}() if {name} is MISSING else {name}"
                default = _NO_DEFAULT
                params.append(f"{name}=MISSING")
            else:
                default = default.default
        if default is not _NO_DEFAULT:
            scope[f"default_{name}"] = default
            params.append(f"{name}=default_{name}")
        elif given == name:
            params.append(name)
        body.append(f"    set_{name}(self, {given})")
    if hasattr(cls, "__post_init__"):
        body.append("    self.__post_init__()")
    source = f"def __init__(self, {', '.join(params)}):\n" + ("\n".join(body) or "    pass")
    exec(compile(source, f"<frozen {cls.__qualname__}>", "exec"), scope)
    init: Callable[..., None] = scope["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


class _DataclassFields:
    """``__dataclass_fields__``, made when ``dataclasses`` asks."""

    def __get__(self, _: object, owner: Any) -> dict[str, Any]:
        types: dict[str, Any] = {}
        for cls in reversed(owner.__mro__):
            types |= get_annotations(cls)
        fields = {}
        for name, default in owner.__value_fields__.items():
            each: Any = copy(default) if isinstance(default, dataclasses.Field) else field(default=default)
            each.name, each.type, each._field_type = name, types[name], _FIELD
            fields[name] = each
        owner.__dataclass_fields__ = fields
        return fields


def _setattr(self: object, name: str, _: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


@reprlib.recursive_repr()
def _repr(self: Any) -> str:
    shown = (n for n, v in self.__value_fields__.items() if not isinstance(v, dataclasses.Field) or v.repr)
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    key = self.__class__.__value_key__
    return key(self) == key(other)


def _hash(self: Any) -> int:
    return hash(self.__class__.__value_key__(self))


def _getstate(self: Any) -> list[object]:
    return [getattr(self, name) for name in self.__value_fields__]


def _setstate(self: Any, state: list[object]) -> None:
    for name, each in zip(self.__value_fields__, state, strict=True):
        object.__setattr__(self, name, each)
