"""From trees to instructions.

Registers: R6 the context (main program), R7 and R8 scalars that survive calls, R9 the loop counter, R1-R4 scratch.
Stack: fp-8 the key, fp-16..fp-64 eight-byte slots, fp-128..fp-80 the value of an update.
"""

from __future__ import annotations

from dataclasses import field

from beespace.isa import Insn
from beespace.testing.fuzz.program import MAPS, FuzzProgram, Node
from beespace.uapi import bpf as uapi
from beespace.values import frozen, mutable

__all__ = ["Emitted", "emit"]

_SIZE = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}  # BPF_B, BPF_H, BPF_W, BPF_DW
# fmt: off
_ALU = {
    "add": 0x00, "sub": 0x10, "mul": 0x20, "div": 0x30, "or": 0x40, "and": 0x50, "lsh": 0x60, "rsh": 0x70, "mod": 0x90,
    "xor": 0xA0, "mov": 0xB0, "arsh": 0xC0,
}
_JMP = {
    "jeq": 0x10, "jgt": 0x20, "jge": 0x30, "jset": 0x40, "jne": 0x50, "jsgt": 0x60, "jsge": 0x70, "jlt": 0xA0,
    "jle": 0xB0, "jslt": 0xC0, "jsle": 0xD0,
}
_ATOMIC = {
    "add": 0x00, "or": 0x40, "and": 0x50, "xor": 0xA0, "fetch_add": 0x01, "fetch_or": 0x41, "fetch_and": 0x51,
    "fetch_xor": 0xA1, "xchg": 0xE1, "cmpxchg": 0xF1,
}
# fmt: on

_KEY = -8
_VALUE = -128

# (offset, bytes) of context fields that any program of the type may read as scalars
_CTX_FIELDS = {
    uapi.BPF_PROG_TYPE_XDP: ((12, 4), (16, 4)),
    uapi.BPF_PROG_TYPE_SCHED_CLS: ((0, 4), (4, 4), (8, 4), (16, 4), (16, 2), (9, 1), (32, 4), (48, 4)),
    uapi.BPF_PROG_TYPE_SOCKET_FILTER: ((0, 4), (4, 4), (8, 4), (16, 4), (48, 4)),
}
_PACKET_POINTERS = {uapi.BPF_PROG_TYPE_XDP: (0, 4), uapi.BPF_PROG_TYPE_SCHED_CLS: (76, 80)}


def _s32(value: int) -> int:
    return ((value & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000


@frozen
class Emitted:
    """Instructions; the ``imm`` of a map reference (LD_IMM64 with src_reg 1) is an index into MAPS."""

    prog_type: int
    insns: tuple[Insn, ...]

    def with_fds(self, fds: tuple[int, ...]) -> tuple[Insn, ...]:
        """The instructions with map file descriptors in place."""
        return tuple(
            insn._replace(imm=fds[insn.imm]) if insn.code == 0x18 and insn.src_reg == uapi.BPF_PSEUDO_MAP_FD else insn
            for insn in self.insns
        )


@mutable
class _Emitter:
    prog_type: int
    insns: list[Insn] = field(default_factory=list)
    calls: list[tuple[int, int]] = field(default_factory=list)  # (insn_idx, subprogram number)

    def put(self, code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> int:
        self.insns.append(Insn(code, dst, src, off, _s32(imm)))
        return len(self.insns) - 1

    def land(self, *jumps: int) -> None:
        # the jumps at these indices come here
        for idx in jumps:
            self.insns[idx] = self.insns[idx]._replace(off=len(self.insns) - idx - 1)

    def mov(self, dst: int, src: int) -> None:
        self.put(0xBF, dst, src)

    def const(self, dst: int, value: int) -> None:
        self.put(0xB7, dst, 0, 0, value)

    def body(self, nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            getattr(self, "_" + node.kind)(node, *node.args)

    def main(self, program: FuzzProgram) -> None:
        self.mov(6, 1)
        # three scalars that the verifier knows nothing about, the same on every kernel
        if program.prog_type == uapi.BPF_PROG_TYPE_XDP:
            self._from_packet()
        else:
            self.put(0x61, 7, 6, 8)  # skb->mark
            self.put(0x61, 8, 6, 48)  # skb->cb[0]
        self.mov(0, 7)
        self.body(program.body)
        self._leave()

    def _from_packet(self) -> None:
        self.const(7, 0)
        self.const(8, 0)
        self.put(0x61, 1, 6, 0)
        self.put(0x61, 2, 6, 4)
        self.mov(3, 1)
        self.put(0x07, 3, 0, 0, 22)
        skip = self.put(0x2D, 3, 2)
        self.put(0x79, 7, 1, 14)
        self.put(0x61, 8, 1, 18)
        self.land(skip)

    def subprog(self, nodes: tuple[Node, ...]) -> None:
        self.mov(7, 1)
        self.mov(8, 2)
        self.mov(0, 1)
        self.body(nodes)
        self._leave()

    def _leave(self) -> None:
        self.put(0xAF, 0, 7)
        self.put(0x0F, 0, 8)
        self.put(0x95)

    # one method for each kind of node

    def _alu(self, _node: Node, op: str, width: int, dst: int, src: int, off: int) -> None:
        self.put(_ALU[op] | 0x08 | (7 if width == 64 else 4), dst, src, off)

    def _alu_const(self, _node: Node, op: str, width: int, dst: int, value: int, off: int) -> None:
        self.put(_ALU[op] | (7 if width == 64 else 4), dst, 0, off, value)

    def _load_imm(self, _node: Node, dst: int, value: int) -> None:
        self.put(0x18, dst, 0, 0, value)
        self.put(0, 0, 0, 0, value >> 32)

    def _endian(self, _node: Node, kind: str, bits: int, dst: int) -> None:
        self.put({"le": 0xD4, "be": 0xDC, "bswap": 0xD7}[kind], dst, 0, 0, bits)

    def _movsx(self, _node: Node, width: int, bits: int, dst: int, src: int) -> None:
        self.put(0xBF if width == 64 else 0xBC, dst, src, bits)

    def _neg(self, _node: Node, width: int, dst: int) -> None:
        self.put(0x87 if width == 64 else 0x84, dst)

    def _store(self, _node: Node, size: int, slot: int, src: int) -> None:
        self.put(0x63 & ~0x18 | _SIZE[size], 10, src, slot)

    def _store_const(self, _node: Node, size: int, slot: int, value: int) -> None:
        self.put(0x62 & ~0x18 | _SIZE[size], 10, 0, slot, value)

    def _load(self, _node: Node, size: int, slot: int, dst: int) -> None:
        self.put(0x61 & ~0x18 | _SIZE[size], dst, 10, slot)

    def _load_sx(self, _node: Node, size: int, slot: int, dst: int) -> None:
        self.put(0x81 | _SIZE[size], dst, 10, slot)

    def _atomic(self, _node: Node, op: str, size: int, slot: int, src: int) -> None:
        if op == "cmpxchg":
            self.mov(0, 7)
        self.put(0xC3 | _SIZE[size], 10, src, slot, _ATOMIC[op])

    def _lookup(self, which: int, key: int) -> None:
        self.put(0x7A, 10, 0, _KEY, key)
        self.mov(2, 10)
        self.put(0x07, 2, 0, 0, _KEY)
        self._map(1, which)
        self.put(0x85, 0, 0, 0, uapi.BPF_FUNC_map_lookup_elem)

    def _map(self, dst: int, which: int) -> None:
        self.put(0x18, dst, uapi.BPF_PSEUDO_MAP_FD, 0, which)
        self.put(0)

    def _map_value(
        self, _node: Node, which: int, key: int, size: int, off: int, write: int, src: int, dst: int, unchecked: int
    ) -> None:
        self._lookup(which, key)
        skip = [] if unchecked else [self.put(0x15, 0)]
        if write == 0:
            if dst != 0:
                self.mov(1, 0)
                self.const(dst, 0)
            self.put(0x61 & ~0x18 | _SIZE[size], dst, 0 if dst == 0 else 1, off)
        elif write == 1 or size < 4:
            self.put(0x63 & ~0x18 | _SIZE[size], 0, src, off)
        else:
            self.put(0xC3 | _SIZE[size], 0, src, off, _ATOMIC["add"])
        self.land(*skip)
        self.const(0, key)
        if dst != 0:
            self.const(dst, 7) if write else self._keep(dst, skip)

    def _keep(self, dst: int, skip: list[int]) -> None:
        # Not looked up: dst gets a value on that path too. R0 says which path it was, so nothing is lost by a plain mov
        # when dst survives calls; the scratch registers do not.
        if skip and dst in (2, 3, 4, 5):
            self.const(dst, 3)

    def _map_index(
        self, _node: Node, which: int, key: int, size: int, limit: int, how: str, src: int, dst: int
    ) -> None:
        self._lookup(which, key)
        skip = [self.put(0x15, 0)]
        self.mov(3, src)
        match how:
            case "mask":
                self.put(0x57, 3, 0, 0, (1 << (limit + 1).bit_length() - 1) - 1)
            case "jgt":
                skip.append(self.put(0x25, 3, 0, 0, limit))
            case "jsgt":
                skip.append(self.put(0x65, 3, 0, 0, limit))
                skip.append(self.put(0xC5, 3, 0, 0, 0))
            case "jlt32":
                self.put(0xBC, 3, 3)
                skip.append(self.put(0x36, 3, 0, 0, limit + 1))
            case "mod":
                self.put(0x97, 3, 0, 0, limit + 1)
        self.put(0x0F, 0, 3)
        self.put(0x61 & ~0x18 | _SIZE[size], 1, 0, 0)
        self.put(0xAF, 7, 1)
        self.land(*skip)
        self.const(0, 0)
        if dst not in (0, 7, 8):
            self.const(dst, limit)

    def _packet_bounds(self) -> None:
        data, data_end = _PACKET_POINTERS[self.prog_type]
        self.put(0x61, 1, 6, data)
        self.put(0x61, 2, 6, data_end)

    def _packet(self, _node: Node, off: int, size: int, checked: int, write: int, src: int, dst: int) -> None:
        self.const(dst, off)
        self._packet_bounds()
        self.mov(3, 1)
        self.put(0x07, 3, 0, 0, checked)
        skip = self.put(0x2D, 3, 2)
        if write:
            self.put(0x63 & ~0x18 | _SIZE[size], 1, src, off)
        else:
            self.put(0x61 & ~0x18 | _SIZE[size], dst, 1, off)
        self.land(skip)

    def _packet_index(self, _node: Node, size: int, mask: int, short: int, src: int, dst: int) -> None:
        self.mov(3, src)
        self.const(dst, mask)
        self._packet_bounds()
        self.put(0x57, 3, 0, 0, mask)
        self.put(0x0F, 1, 3)
        self.mov(4, 1)
        self.put(0x07, 4, 0, 0, size - short)
        skip = self.put(0x2D, 4, 2)
        self.put(0x61 & ~0x18 | _SIZE[size], dst, 1, 0)
        self.land(skip)

    def _ctx(self, _node: Node, number: int, dst: int) -> None:
        fields = _CTX_FIELDS[self.prog_type]
        off, size = fields[number % len(fields)]
        self.put(0x61 & ~0x18 | _SIZE[size], dst, 6, off)

    def _branch(self, node: Node, op: str, width: int, left: int, value: int) -> None:
        self._fork(node, self.put(_JMP[op] | (5 if width == 64 else 6), left, 0, 0, value))

    def _branch_reg(self, node: Node, op: str, width: int, left: int, right: int) -> None:
        self._fork(node, self.put(_JMP[op] | 8 | (5 if width == 64 else 6), left, right))

    def _fork(self, node: Node, jump: int) -> None:
        then, other = node.blocks
        self.body(other)
        over = self.put(0x05)
        self.land(jump)
        self.body(then)
        self.land(over)

    def _loop(self, node: Node, bound: int, step: int) -> None:
        self.const(9, 0)
        head = len(self.insns)
        leave = self.put(0x35, 9, 0, 0, bound)
        self.body(node.blocks[0])
        self.put(0x07, 9, 0, 0, step)
        back = self.put(0x05)
        self.insns[back] = self.insns[back]._replace(off=head - back - 1)
        self.land(leave)

    def _may_goto(self, node: Node, bound: int) -> None:
        # bounded by a counter as well, so that both kernels leave after the same number of rounds
        self.const(9, 0)
        head = len(self.insns)
        leave = [self.put(0x35, 9, 0, 0, bound), self.put(0xE5)]
        self.body(node.blocks[0])
        self.put(0x07, 9, 0, 0, 1)
        back = self.put(0x05)
        self.insns[back] = self.insns[back]._replace(off=head - back - 1)
        self.land(*leave)

    def _map_update(self, _node: Node, which: int, key: int, flags: int, src: int) -> None:
        self.put(0x7A, 10, 0, _KEY, key)
        for off in range(_VALUE, _VALUE + MAPS[which].value_size, 8):
            self.put(0x7B, 10, src, off)
        self.mov(2, 10)
        self.put(0x07, 2, 0, 0, _KEY)
        self.mov(3, 10)
        self.put(0x07, 3, 0, 0, _VALUE)
        self.const(4, flags)
        self._map(1, which)
        self.put(0x85, 0, 0, 0, uapi.BPF_FUNC_map_update_elem)

    def _map_delete(self, _node: Node, which: int, key: int) -> None:
        self.put(0x7A, 10, 0, _KEY, key)
        self.mov(2, 10)
        self.put(0x07, 2, 0, 0, _KEY)
        self._map(1, which)
        self.put(0x85, 0, 0, 0, uapi.BPF_FUNC_map_delete_elem)

    def _call(self, _node: Node, number: int, first: int, second: int) -> None:
        self.put(0xBF, 1, first)
        self.mov(2, second)
        self.calls.append((self.put(0x85, 0, 1), number))


def emit(program: FuzzProgram) -> Emitted:
    """The instructions of *program*, its subprograms behind the main program."""
    out = _Emitter(program.prog_type)
    out.main(program)
    starts = {}
    for number in dict.fromkeys(number for _, number in out.calls):  # one that nobody calls would be unreachable
        starts[number] = len(out.insns)
        out.subprog(program.subprogs[number])
    for idx, number in out.calls:
        out.insns[idx] = out.insns[idx]._replace(imm=starts[number] - idx - 1)
    return Emitted(program.prog_type, tuple(out.insns))
