"""Random programs as trees of statements.

A tree is generated together with a model of what each register holds, so that most programs are accepted; *risky*
statements leave out a check or miss a bound by a little, so that the two verifiers have something to disagree about.
Trees, not instruction lists, because a tree can lose a branch and still be a program: that is what shrinking needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from random import Random

from beespace.uapi import bpf as uapi
from beespace.values import frozen, mutable

__all__ = ["MAPS", "FuzzMap", "FuzzProgram", "Node", "generate"]


@frozen
class FuzzMap:
    """A map that generated programs may use."""

    name: str
    map_type: int
    key_size: int
    value_size: int
    max_entries: int


MAPS = (
    FuzzMap("array", uapi.BPF_MAP_TYPE_ARRAY, 4, 48, 4),
    FuzzMap("hash", uapi.BPF_MAP_TYPE_HASH, 8, 32, 8),
    FuzzMap("percpu", uapi.BPF_MAP_TYPE_PERCPU_ARRAY, 4, 16, 2),
)


@frozen
class Node:
    """A statement: *kind* names an emitter, *args* are its numbers, *blocks* its nested statements."""

    kind: str
    args: tuple[int | str, ...] = ()
    blocks: tuple[tuple[Node, ...], ...] = ()

    def size(self) -> int:
        """Number of nodes in the tree."""
        return 1 + sum(node.size() for block in self.blocks for node in block)


@frozen
class FuzzProgram:
    """A whole program: the main body and the bodies of its subprograms."""

    seed: int
    prog_type: int
    body: tuple[Node, ...]
    subprogs: tuple[tuple[Node, ...], ...] = ()

    def size(self) -> int:
        """Number of nodes."""
        return sum(node.size() for block in (self.body, *self.subprogs) for node in block)


# Constants near the edges of the domains and of the objects that programs touch.
_EDGES = (
    0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 47, 48, 63, 64, 127, 128, 255, 256, 4095, 0x7FFF, 0x8000, 0xFFFF,
    0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000,
    0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_8000_0000, -1, -2, -8, -16, -128, -0x8000,
)  # fmt: skip

_ALU = ("add", "sub", "mul", "div", "or", "and", "lsh", "rsh", "mod", "xor", "mov", "arsh")
_JUMPS = ("jeq", "jne", "jgt", "jge", "jlt", "jle", "jset", "jsgt", "jsge", "jslt", "jsle")
_ATOMICS = ("add", "or", "and", "xor", "fetch_add", "fetch_or", "fetch_and", "fetch_xor", "xchg", "cmpxchg")


@mutable
class _Scope:
    # What the generator knows at this point: registers with scalars, initialised stack slots, whether the scope is the
    # main program's (context and packet at hand), how deep blocks nest.
    scalars: set[int]
    slots: set[int]
    main: bool
    depth: int = 0
    in_loop: bool = False

    def fork(self, *, loop: bool = False) -> _Scope:
        return replace(
            self,
            # a call later in the loop's body has clobbered R2-R5 when the next round begins
            scalars=self.scalars - {2, 3, 4, 5} if loop else set(self.scalars),
            slots=set(self.slots),
            depth=self.depth + 1,
            in_loop=self.in_loop or loop,
        )


@mutable
class _Generator:
    rng: Random
    prog_type: int
    risk: float  # probability that a statement leaves out its check
    subprogs: int
    budget: int
    made: list[tuple[Node, ...]] = field(default_factory=list)

    def block(self, scope: _Scope, most: int) -> tuple[Node, ...]:
        nodes = []
        for _ in range(self.rng.randint(1, most)):
            if self.budget <= 0:
                break
            self.budget -= 1
            nodes.append(self.statement(scope))
        return tuple(nodes)

    def constant(self) -> int:
        rng = self.rng
        match rng.randrange(4):
            case 0:
                return rng.choice(_EDGES)
            case 1:
                return rng.randint(-64, 64)
            case 2:
                return rng.getrandbits(rng.choice((8, 16, 31, 32, 64)))
            case _:
                return rng.choice(_EDGES) + rng.randint(-2, 2)

    def scalar(self, scope: _Scope) -> int:
        return self.rng.choice(sorted(scope.scalars))

    def target(self, scope: _Scope) -> int:
        reg = self.rng.choice((0, 2, 3, 4, 5, 7, 8))
        scope.scalars.add(reg)
        return reg

    def _saved(self) -> int:
        return self.rng.choice((7, 8))  # always scalars, and survive calls

    def _free(self, scope: _Scope) -> int:
        reg = self.rng.choice((0, 5, 7, 8))  # packet accesses use R1-R4
        scope.scalars.add(reg)
        return reg

    def risky(self) -> int:
        return int(self.rng.random() < self.risk)

    def statement(self, scope: _Scope) -> Node:
        kinds = ["alu"] * 8 + ["alu_const"] * 6 + ["load_imm"] * 2 + ["endian", "movsx", "neg"]
        kinds += ["store", "load", "load", "store_const", "atomic_stack", "load_sx"]
        kinds += ["map_value", "map_value", "map_index"]
        if scope.main:
            kinds += ["packet", "packet_index", "ctx"]
        if scope.depth < 3:
            kinds += ["branch"] * 5 + ["branch_reg"] * 3
            if not scope.in_loop:
                kinds += ["loop", "may_goto"]
            kinds += ["map_update", "map_delete"]
            if scope.main and self.subprogs:
                kinds += ["call"]
        kind = self.rng.choice(kinds)
        node: Node = getattr(self, "_" + kind)(scope)
        return node

    # each method makes one node and updates the scope

    def _alu(self, scope: _Scope) -> Node:
        src = self.scalar(scope)
        op = self.rng.choice(_ALU)
        dst = self.target(scope) if op == "mov" else self.scalar(scope)
        return Node("alu", (op, self.rng.choice((32, 64)), dst, src, self._signed(op)))

    def _signed(self, op: str) -> int:
        return int(op in ("div", "mod") and self.rng.random() < 0.4)

    def _alu_const(self, scope: _Scope) -> Node:
        op, width = self.rng.choice(_ALU), self.rng.choice((32, 64))
        value = self.constant() & 0xFFFF_FFFF
        if op in ("lsh", "rsh", "arsh"):
            value = self.rng.randrange(width)
        elif op in ("div", "mod"):
            value = value or 1
        dst = self.target(scope) if op == "mov" else self.scalar(scope)
        return Node("alu_const", (op, width, dst, value, self._signed(op)))

    def _load_imm(self, scope: _Scope) -> Node:
        value = self.constant() & 0xFFFF_FFFF_FFFF_FFFF
        return Node("load_imm", (self.target(scope), value))

    def _endian(self, scope: _Scope) -> Node:
        return Node(
            "endian", (self.rng.choice(("le", "be", "bswap")), self.rng.choice((16, 32, 64)), self.scalar(scope))
        )

    def _movsx(self, scope: _Scope) -> Node:
        src = self.scalar(scope)
        width = self.rng.choice((32, 64))
        bits = self.rng.choice((8, 16, 32) if width == 64 else (8, 16))
        return Node("movsx", (width, bits, self.target(scope), src))

    def _neg(self, scope: _Scope) -> Node:
        return Node("neg", (self.rng.choice((32, 64)), self.scalar(scope)))

    def _slot(self) -> int:
        return -8 * self.rng.randint(2, 8)

    def _store(self, scope: _Scope) -> Node:
        slot = self._slot()
        size = self.rng.choice((1, 2, 4, 8, 8, 8))
        if size == 8:
            scope.slots.add(slot)
        return Node("store", (size, slot, self.scalar(scope)))

    def _store_const(self, scope: _Scope) -> Node:
        slot = self._slot()
        scope.slots.add(slot)
        return Node("store_const", (8, slot, self.constant() & 0xFFFF_FFFF))

    def _load(self, scope: _Scope) -> Node:
        if not scope.slots:
            return self._store_const(scope)
        slot = self.rng.choice(sorted(scope.slots))
        size = self.rng.choice((1, 2, 4, 8, 8))
        off = self.rng.randrange(0, 8, size) if size < 8 else 0
        return Node("load", (size, slot + off, self.target(scope)))

    def _load_sx(self, scope: _Scope) -> Node:
        if not scope.slots:
            return self._store_const(scope)
        size = self.rng.choice((1, 2, 4))
        slot = self.rng.choice(sorted(scope.slots)) + self.rng.randrange(0, 8, size)
        return Node("load_sx", (size, slot, self.target(scope)))

    def _atomic_stack(self, scope: _Scope) -> Node:
        if not scope.slots:
            return self._store_const(scope)
        op = self.rng.choice(_ATOMICS)
        return Node("atomic", (op, self.rng.choice((4, 8)), self.rng.choice(sorted(scope.slots)), self.scalar(scope)))

    def _map_value(self, scope: _Scope) -> Node:
        # lookup, null check, one access of a constant offset; the block runs with the value at hand
        which = self.rng.randrange(len(MAPS))
        size = self.rng.choice((1, 2, 4, 8))
        room = MAPS[which].value_size - size
        off = self.rng.randrange(0, room + 1, size)
        if self.risky():
            off = self.rng.choice((room + 1, room + size, -1, -size, room))
        key = self.rng.choice((0, 1, 2, 5))
        write = self.rng.randrange(3)
        self._after_call(scope)
        return Node("map_value", (which, key, size, off, write, self._saved(), self.target(scope), self.risky()))

    def _map_index(self, scope: _Scope) -> Node:
        # value + bounded scalar: the bound is a mask, a comparison or (risky) almost one
        which = self.rng.randrange(len(MAPS))
        size = self.rng.choice((1, 2, 4, 8))
        limit = MAPS[which].value_size - size
        if self.risky():
            limit += self.rng.choice((1, 2, size, 16))
        how = self.rng.choice(("mask", "mask", "jgt", "jgt", "jsgt", "jsgt", "jlt32", "jlt32", "mod"))
        key = self.rng.choice((0, 1))
        self._after_call(scope)
        return Node("map_index", (which, key, size, limit, how, self._saved(), self.target(scope)))

    def _packet(self, scope: _Scope) -> Node:
        size = self.rng.choice((1, 2, 4, 8))
        off = self.rng.randrange(0, 40)
        checked = off + size
        if self.risky():
            checked += self.rng.choice((-1, -size, 1))
        self._after_call(scope)
        return Node("packet", (off, size, checked, self.rng.randrange(2), self._saved(), self._free(scope)))

    def _packet_index(self, scope: _Scope) -> Node:
        size = self.rng.choice((1, 2, 4))
        mask = self.rng.choice((1, 3, 7, 15, 31))
        self._after_call(scope)
        return Node("packet_index", (size, mask, self.risky(), self._saved(), self._free(scope)))

    def _ctx(self, scope: _Scope) -> Node:
        return Node("ctx", (self.rng.randrange(8), self.target(scope)))

    def _branch(self, scope: _Scope) -> Node:
        left, width = self.scalar(scope), self.rng.choice((32, 64))
        args = (self.rng.choice(_JUMPS), width, left, self.constant() & 0xFFFF_FFFF)
        return Node("branch", args, self._two_blocks(scope))

    def _branch_reg(self, scope: _Scope) -> Node:
        args = (self.rng.choice(_JUMPS), self.rng.choice((32, 64)), self.scalar(scope), self.scalar(scope))
        return Node("branch_reg", args, self._two_blocks(scope))

    def _two_blocks(self, scope: _Scope) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        then, other = scope.fork(), scope.fork()
        blocks = self.block(then, 4), self.block(other, 3)
        scope.scalars &= then.scalars & other.scalars
        scope.slots &= then.slots & other.slots
        return blocks

    def _loop(self, scope: _Scope) -> Node:
        # counter in R9 (bounded), the body may run zero times
        inner = scope.fork(loop=True)
        body = self.block(inner, 4)
        scope.scalars &= inner.scalars
        scope.slots &= inner.slots
        return Node("loop", (self.rng.randint(1, 12), self.rng.choice((1, 1, 2, 3))), (body,))

    def _may_goto(self, scope: _Scope) -> Node:
        inner = scope.fork(loop=True)
        body = self.block(inner, 3)
        scope.scalars &= inner.scalars
        scope.slots &= inner.slots
        return Node("may_goto", (self.rng.randint(1, 9),), (body,))

    def _map_update(self, scope: _Scope) -> Node:
        flags = self.rng.choice((0, 0, 1, 2, 3))
        node = Node("map_update", (self.rng.randrange(len(MAPS)), self.rng.randrange(4), flags, self._saved()))
        self._after_call(scope)
        return node

    def _map_delete(self, scope: _Scope) -> Node:
        node = Node("map_delete", (self.rng.randrange(2), self.rng.randrange(4)))
        self._after_call(scope)
        return node

    def _call(self, scope: _Scope) -> Node:
        node = Node("call", (self.rng.randrange(self.subprogs), self.scalar(scope), self.scalar(scope)))
        self._after_call(scope)
        return node

    def _after_call(self, scope: _Scope) -> None:
        scope.scalars -= {2, 3, 4, 5}
        scope.scalars.add(0)


def generate(seed: int, *, size: int = 24, risk: float = 0.03) -> FuzzProgram:
    """The program of *seed*: the same on every machine.

    :param size: statements to aim at.
    :param risk: probability that a memory access misses its check or bound.
    """
    rng = Random(seed)
    prog_type = rng.choice((uapi.BPF_PROG_TYPE_XDP, uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_PROG_TYPE_SOCKET_FILTER))
    subprogs = rng.choice((0, 0, 0, 1, 2))
    gen = _Generator(rng, prog_type, risk, subprogs, rng.randint(3, size))
    main = _Scope({0, 7, 8}, set(), prog_type != uapi.BPF_PROG_TYPE_SOCKET_FILTER)
    body = gen.block(main, size)
    bodies = []
    for _ in range(subprogs):
        gen.budget = rng.randint(2, 8)
        bodies.append(gen.block(_Scope({0, 7, 8}, set(), False, depth=1), 6))
    return FuzzProgram(seed, prog_type, body, tuple(bodies))


def walk(block: tuple[Node, ...]) -> Iterator[Node]:
    """Every node of *block* and below."""
    for node in block:
        yield node
        for inner in node.blocks:
            yield from walk(inner)
