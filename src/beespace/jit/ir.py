"""LLVM IR as text: a list of lines and names for values. Strings are many times faster to build than objects."""

from __future__ import annotations

__all__ = ["Text"]


class Text:
    """The body of one function.

    Values are operands without their type: ``%v7``, ``-1``, ``null``.

    :ivar location: debug location of what comes next, ``, !dbg !7``, or nothing.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.location = ""
        self._values = 0
        self._labels = 0

    def emit(self, line: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {line}{self.location}")

    def value(self, text: str) -> str:
        """An instruction with a result."""
        name = f"%v{self._values}"
        self._values += 1
        self.lines.append(f"  {name} = {text}{self.location}")
        return name

    def label(self, name: str) -> None:
        """A block begins."""
        self.lines.append(f"{name}:")

    def new_label(self, hint: str) -> str:
        """A label nobody else has."""
        self._labels += 1
        return f"{hint}.{self._labels}"

    def binary(self, op: str, bits: int, a: str, b: str) -> str:
        """``op iN a, b``."""
        return self.value(f"{op} i{bits} {a}, {b}")

    def compare(self, condition: str, bits: int, a: str, b: str) -> str:
        """``icmp``: an i1."""
        return self.value(f"icmp {condition} i{bits} {a}, {b}")

    def select(self, condition: str, bits: int, a: str, b: str) -> str:
        """*a* if *condition*, else *b*."""
        return self.value(f"select i1 {condition}, i{bits} {a}, i{bits} {b}")

    def cast(self, op: str, from_bits: int, value: str, to_bits: int) -> str:
        """``trunc``, ``zext`` or ``sext``; nothing when the widths are equal."""
        return value if from_bits == to_bits else self.value(f"{op} i{from_bits} {value} to i{to_bits}")

    def gep(self, base: str, off: str | int) -> str:
        """*base* + *off* bytes."""
        return base if off in (0, "0") else self.value(f"getelementptr i8, ptr {base}, i64 {off}")
