"""CO-RE relocations: the program's types against a kernel's, instruction by instruction.

For each relocation: candidates are the target types of the same essential name and kind; those in which the field,
type or enumerator is found must agree on the result; the result is patched into the instruction. One that is found
nowhere is no error yet: the instruction is poisoned, and only a program that can reach it is refused.

:see: tools/lib/bpf/relo_core.c, tools/lib/bpf/libbpf.c:bpf_object__relocate_core
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.btf.core_compat import essential_name, kinds_are_compat
from beespace.btf.core_spec import (
    ENUMVAL_KINDS,
    FIELD_KINDS,
    RELO_KIND_NAMES,
    TYPE_KINDS,
    CoreSpec,
    SpecError,
    kind_str,
    match_spec,
    parse_spec,
)
from beespace.errors import BtfError, CoreRelocError
from beespace.uapi import bpf as uapi
from beespace.values import frozen

__all__ = ["BAD_RELO_IMM", "CoreRelocator", "CoreResult", "Relo", "patch_insn"]

BAD_RELO_IMM = 195896080
"""``imm`` of a poisoned instruction: 0xbad2310, "bad relo"."""

_Insn: TypeAlias = tuple[int, int, int, int, int]  # isa.Insn: code, dst_reg, src_reg, off, imm
_U64 = 0xFFFFFFFFFFFFFFFF
_CLASS, _SIZE, _SRC = 0x07, 0x18, 0x08
_LD, _LDX, _ST, _STX, _ALU, _ALU64 = 0, 1, 2, 3, 4, 7
_LDIMM64 = 0x18
_CALL = 0x85
_MEM_SIZES = {8: 0x18, 4: 0x00, 2: 0x08, 1: 0x10}
_SHRT_MAX = 0x7FFF


class Relo(Protocol):
    """A relocation, as in .BTF.ext: ``struct bpf_core_relo`` with its string."""

    @property
    def type_id(self) -> int:
        """Root type in the program's BTF."""
        ...

    @property
    def access_str(self) -> str:
        """``0:1:2``."""
        ...

    @property
    def kind(self) -> int:
        """enum bpf_core_relo_kind."""
        ...


@frozen
class CoreResult:
    """What a relocation came to. Values are u64.

    :ivar local: what the program was compiled against; ``target`` what it is here, ``None``: found nowhere.
    :ivar poison: the instruction must not be reached.
    :ivar validate: the instruction must carry ``orig_val`` now.
    :ivar orig_sz: bytes of the field for loads and stores, 0 where they do not matter; ``new_sz`` here.
    :ivar fail_memsz_adjust: the sizes differ in a way that a load or store cannot follow.
    """

    local: CoreSpec
    target: CoreSpec | None = None
    orig_val: int = 0
    new_val: int = 0
    poison: bool = False
    validate: bool = True
    orig_sz: int = 0
    new_sz: int = 0
    fail_memsz_adjust: bool = False


@frozen
class _Value:
    # what one side of a relocation says; ``val`` None asks for poison
    val: int | None
    validate: bool = True
    size: int = 0
    type_id: int = 0


class CoreRelocator:
    """Relocates the programs of one object.

    :param local: the object's BTF.
    :param targets: the kernel's BTF, then its modules', which are searched only for what the first does not have.
    :param prog_name: for messages; relocate() can override it.
    :param log: receives what libbpf prints at debug level, and its warnings.
    """

    def __init__(
        self, local: Btf, targets: Sequence[Btf], *, prog_name: str = "", log: Callable[[str], None] | None = None
    ) -> None:  # fmt: skip
        self.local = local
        self.targets = tuple(targets)
        self.prog_name = prog_name
        self._log = log
        self._candidates: dict[int, list[tuple[Btf, int]]] = {}

    def relocate(
        self, insns: Sequence[_Insn], insn_idx: int, relo: Relo, relo_idx: int = 0, *, prog_name: str | None = None
    ) -> tuple[list[_Insn], CoreResult]:  # fmt: skip
        """The instruction at *insn_idx* relocated: one slot, or two for LD_IMM64, to put in its place.

        :param insns: of the program; ``isa.Insn`` or tuples of its fields.
        :param relo_idx: number of the relocation in its section, for messages.
        :raises CoreRelocError: malformed or ambiguous relocation, or an instruction it cannot belong to.
        """
        if prog_name is not None:
            self.prog_name = prog_name
        result = self.resolve(relo, relo_idx, insn_idx)
        if not 0 <= insn_idx < len(insns):
            raise self._error(relo_idx, f"insn #{insn_idx} is outside of the program")
        if insns[insn_idx][0] == _LDIMM64 and insn_idx + 1 >= len(insns):
            raise self._error(relo_idx, f"insn #{insn_idx} (LDIMM64) is truncated")
        try:
            patched = patch_insn(insns, insn_idx, result, lambda line: self._debug(relo_idx, line))
        except CoreRelocError as err:
            raise self._error(relo_idx, err.message) from None
        return patched, result

    def resolve(self, relo: Relo, relo_idx: int = 0, insn_idx: int = -1) -> CoreResult:
        """What a relocation comes to against the targets.

        :raises CoreRelocError: in libbpf's words.
        """
        local_type = self.local.type(relo.type_id)
        if relo.kind != uapi.BPF_CORE_TYPE_ID_LOCAL and local_type.name:
            self._find_candidates(relo.type_id)
        try:
            spec = parse_spec(self.local, relo.type_id, relo.access_str, relo.kind)
        except BtfError as err:
            what = f"[{relo.type_id}] {kind_str(local_type)} {local_type.name or '<anon>'} + {relo.access_str}"
            raise self._error(relo_idx, f"parsing {what} failed: {-err.errno} ({err.message})") from err
        self._debug(relo_idx, str(spec))
        if relo.kind == uapi.BPF_CORE_TYPE_ID_LOCAL:
            return CoreResult(spec, spec, relo.type_id, relo.type_id, validate=False)
        if not local_type.name:
            name = RELO_KIND_NAMES.get(relo.kind, "unknown")
            raise self._error(relo_idx, f"<{name}> ({relo.kind}) relocation doesn't support anonymous types")
        return self._resolve_among(spec, relo_idx, insn_idx)

    def _resolve_among(self, spec: CoreSpec, relo_idx: int, insn_idx: int) -> CoreResult:
        candidates = self._find_candidates(spec.root_type_id)
        kept: list[tuple[Btf, int]] = []
        result: CoreResult | None = None
        for number, (btf, type_id) in enumerate(candidates):
            target = self._match(spec, btf, type_id, relo_idx, number)
            if target is None:
                continue
            found = self._calculate(spec, target, relo_idx, insn_idx)
            if result is None:
                result = found
            else:
                self._check_unambiguous(result, found, relo_idx)
            kept.append((btf, type_id))
        if result is None:
            self._debug(relo_idx, "no matching targets found")
            return self._calculate(spec, None, relo_idx, insn_idx)
        self._candidates[spec.root_type_id] = kept
        return result

    def _match(self, spec: CoreSpec, btf: Btf, type_id: int, relo_idx: int, number: int) -> CoreSpec | None:
        try:
            matches, target = match_spec(spec, btf, type_id)
        except (CoreRelocError, BtfError) as err:
            candidate = CoreSpec(btf, type_id, spec.relo_kind)
            raise self._error(relo_idx, f"error matching candidate #{number} {candidate}: {err}") from err
        self._debug(relo_idx, f"{'matching' if matches else 'non-matching'} candidate #{number} {target}")
        return target if matches else None

    def _check_unambiguous(self, first: CoreResult, other: CoreResult, relo_idx: int) -> None:
        assert first.target is not None
        assert other.target is not None
        if first.target.bit_offset != other.target.bit_offset:
            offsets = f"{other.target.bit_offset} != {first.target.bit_offset}"
            raise self._error(relo_idx, f"field offset ambiguity: {offsets} ({other.target}, {first.target})")
        if (first.poison, first.new_val) != (other.poison, other.new_val):
            sides = [f"{'failure' if r.poison else 'success'} {r.new_val}" for r in (other, first)]
            raise self._error(
                relo_idx, f"relocation decision ambiguity: {' != '.join(sides)} ({other.target}, {first.target})"
            )

    # -- candidates ----------------------------------------------------------------------------------------------

    def _find_candidates(self, local_id: int) -> list[tuple[Btf, int]]:
        found = self._candidates.get(local_id)
        if found is None:
            found = [(btf, i) for btf in self.targets[:1] for i in self._named(local_id, btf)]
            if not found:  # modules only for what the kernel itself does not have
                modules = self.targets[1:]
                found = [(btf, i) for btf in modules for i in self._named(local_id, btf) if i >= btf.start_id]
            self._candidates[local_id] = found
        return found

    def _named(self, local_id: int, btf: Btf) -> list[int]:
        local = self.local.type(local_id)
        wanted = essential_name(local.name)
        ids = []
        for type_id in btf.find_flavors(wanted):
            candidate = btf.type(type_id)
            if kinds_are_compat(candidate, local) and essential_name(candidate.name) == wanted:
                self._print(
                    f"CO-RE relocating [{local_id}] {kind_str(local)} {local.name}: found target candidate "
                    f"[{type_id}] {kind_str(candidate)} {candidate.name} in [{btf.name or 'vmlinux'}]"
                )
                ids.append(type_id)
        return ids

    # -- values --------------------------------------------------------------------------------------------------

    def _calculate(self, spec: CoreSpec, target: CoreSpec | None, relo_idx: int, insn_idx: int) -> CoreResult:
        # bpf_core_calc_relo()
        try:
            orig, new = _value(spec.relo_kind, spec), _value(spec.relo_kind, target)
        except BtfError as err:
            kind = RELO_KIND_NAMES[spec.relo_kind]
            raise self._error(relo_idx, f"{kind} at insn #{insn_idx} {err.message}: {spec}") from err
        result = CoreResult(spec, target, validate=orig.validate)
        if orig.val is None or new.val is None:
            return replace(result, orig_val=orig.val or 0, poison=True, orig_sz=orig.size)
        result = replace(result, orig_val=orig.val & _U64, new_val=new.val & _U64, orig_sz=orig.size, new_sz=new.size)
        if spec.relo_kind in FIELD_KINDS and orig.size != new.size:
            assert target is not None
            fits = _memory_size_may_change(spec.btf.type(orig.type_id), target.btf.type(new.type_id))
            return replace(result, fail_memsz_adjust=not fits)
        return result

    # -- messages ------------------------------------------------------------------------------------------------

    def _error(self, relo_idx: int, message: str) -> CoreRelocError:
        return CoreRelocError(f"{self._prefix()}relo #{relo_idx}: {message}", path=self.local.name or None)

    def _prefix(self) -> str:
        return f"prog '{self.prog_name}': " if self.prog_name else ""

    def _debug(self, relo_idx: int, message: str) -> None:
        self._print(f"{self._prefix()}relo #{relo_idx}: {message}")

    def _print(self, line: str) -> None:
        if self._log is not None:
            self._log(line)


def _memory_size_may_change(orig: t.BtfType, new: t.BtfType) -> bool:
    # Zero extension keeps the value of pointers (32 bits there, 64 here) and of unsigned integers, of nothing else.
    if isinstance(orig, t.Ptr) and isinstance(new, t.Ptr):
        return True
    return (
        isinstance(orig, t.Int)
        and isinstance(new, t.Int)
        and orig.encoding != t.INT_SIGNED
        and new.encoding != t.INT_SIGNED
    )


def _value(kind: int, spec: CoreSpec | None) -> _Value:
    if kind in TYPE_KINDS:
        return _type_value(kind, spec)
    if kind in ENUMVAL_KINDS:
        return _enumval_value(kind, spec)
    return _field_value(kind, spec)


def _type_value(kind: int, spec: CoreSpec | None) -> _Value:
    # bpf_core_calc_type_relo()
    if spec is None:
        return _Value(0)
    if kind == uapi.BPF_CORE_TYPE_ID_TARGET:
        return _Value(spec.root_type_id, validate=False)  # ids change when objects are linked
    if kind == uapi.BPF_CORE_TYPE_SIZE:
        return _Value(spec.btf.size(spec.root_type_id))
    return _Value(1)


def _enumval_value(kind: int, spec: CoreSpec | None) -> _Value:
    # bpf_core_calc_enumval_relo()
    if kind == uapi.BPF_CORE_ENUMVAL_EXISTS:
        return _Value(int(spec is not None))
    if spec is None:
        return _Value(None)
    enum = spec.btf.type(spec.accessors[0].type_id)
    assert isinstance(enum, t.Enum | t.Enum64)
    value = enum.values[spec.accessors[0].idx].value
    if isinstance(enum, t.Enum):  # __s32, whatever the enum's sign
        value = (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
    return _Value(value & _U64)


def _field_value(kind: int, spec: CoreSpec | None) -> _Value:
    # bpf_core_calc_field_relo()
    if kind == uapi.BPF_CORE_FIELD_EXISTS:
        return _Value(int(spec is not None))
    if spec is None:
        return _Value(None)
    last = spec.accessors[-1]
    if last.name is None:
        return _element_value(kind, spec, last.type_id)
    composite = spec.btf.type(last.type_id)
    assert isinstance(composite, t.Struct | t.Union)
    member = composite.members[last.idx]
    type_id = spec.btf.skip_mods_and_typedefs(member.type)
    byte_off, byte_sz, bit_sz = _place(spec, member, type_id)
    bitfield = member.bitfield_size > 0
    match kind:
        case uapi.BPF_CORE_FIELD_BYTE_OFFSET:
            if bitfield:
                return _Value(byte_off, validate=False)
            return _Value(byte_off, size=byte_sz, type_id=type_id)
        case uapi.BPF_CORE_FIELD_BYTE_SIZE:
            return _Value(byte_sz, validate=not bitfield)
        case uapi.BPF_CORE_FIELD_SIGNED:
            return _Value(int(_is_signed(spec.btf.type(type_id))))
        case uapi.BPF_CORE_FIELD_LSHIFT_U64:
            start = spec.bit_offset - byte_off * 8
            if spec.btf.byteorder == "little":
                return _Value(64 - (start + bit_sz), validate=not bitfield)
            return _Value((8 - byte_sz) * 8 + start, validate=not bitfield)
        case _:
            assert kind == uapi.BPF_CORE_FIELD_RSHIFT_U64
            return _Value(64 - bit_sz)


def _element_value(kind: int, spec: CoreSpec, type_id: int) -> _Value:
    if kind == uapi.BPF_CORE_FIELD_BYTE_OFFSET:
        return _Value(spec.bit_offset // 8, size=spec.btf.size(type_id), type_id=type_id)
    if kind == uapi.BPF_CORE_FIELD_BYTE_SIZE:
        return _Value(spec.btf.size(type_id))
    raise SpecError("can't be applied to array access")


def _place(spec: CoreSpec, member: t.Member, type_id: int) -> tuple[int, int, int]:
    # (byte offset, bytes, bits) of the load that reads a field; a bitfield is read by the smallest that covers it
    if not member.bitfield_size:
        byte_sz = spec.btf.size(type_id)
        return spec.bit_offset // 8, byte_sz, 8 * byte_sz
    byte_sz = spec.btf.size(type_id)
    if byte_sz == 0:
        raise SpecError("can't be satisfied for bitfield")
    byte_off = spec.bit_offset // 8 // byte_sz * byte_sz
    while spec.bit_offset + member.bitfield_size - byte_off * 8 > byte_sz * 8:
        if byte_sz >= 8:
            raise SpecError("can't be satisfied for bitfield", errno=7)
        byte_sz *= 2
        byte_off = spec.bit_offset // 8 // byte_sz * byte_sz
    return byte_off, byte_sz, member.bitfield_size


def _is_signed(btf_type: t.BtfType) -> bool:
    if isinstance(btf_type, t.Int):
        return btf_type.is_signed
    return isinstance(btf_type, t.Enum | t.Enum64) and btf_type.signed


# -- instructions ------------------------------------------------------------------------------------------------


def patch_insn(
    insns: Sequence[_Insn], insn_idx: int, result: CoreResult, log: Callable[[str], None] = lambda line: None
) -> list[_Insn]:  # fmt: skip
    """The slots that replace the instruction at *insn_idx*: one, or two for LD_IMM64.

    An instruction whose relocation failed becomes ``call 195896080``.

    :param log: is told what was done, as libbpf prints it.
    :raises CoreRelocError: the instruction cannot take the value, in libbpf's words.
    :see: tools/lib/bpf/relo_core.c:bpf_core_patch_insn
    """
    code, dst, src, off, imm = insns[insn_idx]
    insn_class = code & _CLASS
    if insn_class in (_ALU, _ALU64) and not code & _SRC:
        if result.poison:
            return _poison(insn_idx, 1, log)
        _validate(result, insn_idx, "ALU/ALU64", imm, imm & 0xFFFFFFFF)
        log(f"patched insn #{insn_idx} (ALU/ALU64) imm {imm & _U64} -> {result.new_val}")
        return [(code, dst, src, off, _s32(result.new_val))]
    if insn_class in (_LDX, _ST, _STX):
        return [_patch_memory(insns[insn_idx], insn_idx, result, log)]
    if insn_class == _LD:
        return _patch_ld(insns, insn_idx, result, log)
    raise _patch_error(
        result,
        f"trying to relocate unrecognized insn #{insn_idx}, code:0x{code:x}, src:0x{src:x}, dst:0x{dst:x}, "
        f"off:0x{off & 0xFFFFFFFF:x}, imm:0x{imm & 0xFFFFFFFF:x}",
    )


def _patch_error(result: CoreResult, message: str) -> CoreRelocError:
    return CoreRelocError(f"{message}: {result.local}")


def _validate(result: CoreResult, insn_idx: int, name: str, got: int, shown: int) -> None:
    if result.validate and got & _U64 != result.orig_val:
        values = f"got {shown}, exp {result.orig_val} -> {result.new_val}"
        raise _patch_error(result, f"unexpected insn #{insn_idx} ({name}) value: {values}")


def _patch_ld(
    insns: Sequence[_Insn], insn_idx: int, result: CoreResult, log: Callable[[str], None]
) -> list[_Insn]:  # fmt: skip
    code, dst, src, off, imm = insns[insn_idx]
    high = insns[insn_idx + 1] if insn_idx + 1 < len(insns) else None
    if code != _LDIMM64 or src or off or high is None or any(high[:4]):
        raise _patch_error(result, f"insn #{insn_idx} (LDIMM64) has unexpected form")
    if result.poison:
        return _poison(insn_idx, 2, log)
    value = imm & 0xFFFFFFFF | (high[4] & 0xFFFFFFFF) << 32
    _validate(result, insn_idx, "LDIMM64", value, value)
    log(f"patched insn #{insn_idx} (LDIMM64) imm64 {value} -> {result.new_val}")
    return [(code, dst, src, off, _s32(result.new_val)), (0, 0, 0, 0, _s32(result.new_val >> 32))]


def _patch_memory(insn: _Insn, insn_idx: int, result: CoreResult, log: Callable[[str], None]) -> _Insn:
    code, dst, src, off, imm = insn
    where = f"insn #{insn_idx} (LDX/ST/STX)"
    if result.poison:
        return _poison(insn_idx, 1, log)[0]
    _validate(result, insn_idx, "LDX/ST/STX", off, off & 0xFFFFFFFF)
    if result.new_val > _SHRT_MAX:
        raise _patch_error(result, f"{where} value too big: {result.new_val}")
    if result.fail_memsz_adjust:
        log(
            f"{where} accesses field incorrectly. Make sure you are accessing pointers, unsigned integers, "
            "or fields of matching type and size."
        )
        return _poison(insn_idx, 1, log)[0]
    log(f"patched {where} off {off & _U64} -> {result.new_val}")
    if result.new_sz != result.orig_sz:
        size = next(size for size, bits in _MEM_SIZES.items() if bits == code & _SIZE)
        if size != result.orig_sz:
            raise _patch_error(result, f"{where} unexpected mem size: got {size}, exp {result.orig_sz}")
        if result.new_sz not in _MEM_SIZES:
            raise _patch_error(result, f"{where} invalid new mem size: {result.new_sz}")
        log(f"patched {where} mem_sz {size} -> {result.new_sz}")
        code = code & ~_SIZE | _MEM_SIZES[result.new_sz]
    return code, dst, src, result.new_val, imm


def _poison(insn_idx: int, count: int, log: Callable[[str], None]) -> list[_Insn]:
    for i in range(insn_idx, insn_idx + count):
        log(f"substituting insn #{i} w/ invalid insn")
    return [(_CALL, 0, 0, 0, BAD_RELO_IMM)] * count


def _s32(value: int) -> int:
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
