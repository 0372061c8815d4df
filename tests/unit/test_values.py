"""``frozen`` and ``mutable`` beside ``dataclass(slots=True)``: the same class in every respect a caller can see."""

import copy
import dataclasses
import pickle
from typing import ClassVar

import pytest

from beespace.values import frozen, mutable

data = dataclasses.dataclass(frozen=True, slots=True)


def declare(decorate):
    @decorate
    class Base:
        kind: ClassVar[str] = "base"
        a: int
        b: tuple[int, ...] = ()
        c: list[int] = dataclasses.field(default_factory=list)
        quiet: int = dataclasses.field(default=7, repr=False, compare=False)

        @property
        def double(self) -> int:
            return 2 * self.a

    @decorate
    class Derived(Base):
        d: str = "d"

        def __post_init__(self):
            if self.a < 0:
                raise ValueError(self.a)

    @decorate
    class Empty:
        pass

    return Base, Derived, Empty


@pytest.fixture(params=[data, frozen], ids=["dataclass", "frozen"])
def classes(request):
    return declare(request.param)


def test_construction_defaults_and_text(classes):
    base, derived, empty = classes
    one = base(1, c=[3])
    assert (one.a, one.b, one.c, one.quiet, one.double, one.kind) == (1, (), [3], 7, 2, "base")
    assert repr(one).endswith("Base(a=1, b=(), c=[3])")
    assert repr(derived(2)).endswith("Derived(a=2, b=(), c=[], d='d')")
    assert repr(empty()).endswith("Empty()")
    assert base(1).c is not base(1).c
    with pytest.raises(ValueError, match="-1"):
        derived(-1)


@pytest.mark.parametrize("args", [(), (1, 2, 3, 4, 5), {"a": 1, "e": 2}])
def test_wrong_arguments_are_type_errors_that_name_init(classes, args):
    base, _, _ = classes
    with pytest.raises(TypeError, match=r"__init__\(\)"):
        base(**args) if isinstance(args, dict) else base(*args)


def test_equality_and_hash_see_the_compared_fields_and_the_class(classes):
    base, derived, empty = classes
    assert base(1, (2,), quiet=1) == base(1, (2,), quiet=2)
    assert base(1) != base(2)
    assert derived(1) != base(1)
    assert base(1) != (1, (), [], 7)
    assert empty() == empty()
    assert hash(empty()) == hash(empty())
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        hash(base(1))


def test_fields_are_not_assigned_and_there_are_no_others(classes):
    base, _, _ = classes
    one = base(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'a'"):
        one.a = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'a'"):
        del one.a
    with pytest.raises((AttributeError, TypeError)):
        one.other = 2
    assert not hasattr(one, "__dict__")


def test_dataclasses_functions_match_copy(classes):
    _, derived, _ = classes
    one = derived(1, (2,), [3])
    assert dataclasses.is_dataclass(one)
    assert [f.name for f in dataclasses.fields(derived)] == ["a", "b", "c", "quiet", "d"]
    assert dataclasses.replace(one, a=5, d="e") == derived(5, (2,), [3], d="e")
    assert dataclasses.asdict(one) == {"a": 1, "b": (2,), "c": [3], "quiet": 7, "d": "d"}
    assert copy.copy(one) == one
    assert copy.deepcopy(one) == one
    match one:
        case derived(a, b):
            assert (a, b) == (1, (2,))
        case _:
            pytest.fail("no match")


@frozen
class Kept:
    x: int
    y: str = "y"


@frozen(eq=False)
class Single:
    x: int


def test_pickle():
    assert pickle.loads(pickle.dumps(Kept(1, "z"))) == Kept(1, "z")


def test_eq_false_is_identity():
    one = Single(1)
    assert one != Single(1)
    assert {one: 1}[one] == 1


@pytest.mark.parametrize("decorate", [dataclasses.dataclass(slots=True), mutable], ids=["dataclass", "mutable"])
def test_mutable_ones_can_be_assigned_to_and_have_no_hash(decorate):
    @decorate
    class Counter:
        n: int = 0
        seen: list[int] = dataclasses.field(default_factory=list)

    one = Counter()
    one.n += 1
    one.seen.append(1)
    assert one == Counter(1, [1])
    assert dataclasses.replace(one, n=2) == Counter(2, [1])
    assert copy.copy(one) == one
    assert repr(one).endswith("Counter(n=1, seen=[1])")
    with pytest.raises(AttributeError):
        one.other = 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_own_methods_win():
    @frozen
    class Odd:
        x: int

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 5

        def __repr__(self):
            return "odd"

    assert Odd(1) == Odd(2)
    assert (hash(Odd(1)), repr(Odd(1))) == (5, "odd")


def test_cycles_in_text():
    one = Kept(1)
    object.__setattr__(one, "y", one)
    assert repr(one) == "Kept(x=1, y=...)"
