"""Second pass over BTF: what types refer to exists, has a size where it needs one, fits, and does not contain itself.

Types are resolved depth first with an explicit stack of at most MAX_RESOLVE_DEPTH. A type that is on the stack already
is a loop, unless a pointer is in between, which ends the way down into structs.

:see: kernel/bpf/btf.c:btf_check_all_types, btf_resolve, btf_*_resolve, btf_*_check_member
"""

from __future__ import annotations

import errno as err
from enum import Enum, auto

from beespace.btf import types as t
from beespace.btf.check_env import REFERENCES, U32, Env, Raw
from beespace.btf.resolve import MAX_RESOLVE_DEPTH, PTR_SIZE
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi
from beespace.values import mutable

__all__ = ["resolve_all_types"]

_STRUCTS = frozenset((uapi.BTF_KIND_STRUCT, uapi.BTF_KIND_UNION))
_ENUMS = frozenset((uapi.BTF_KIND_ENUM, uapi.BTF_KIND_ENUM64))
_SIZED = _STRUCTS | _ENUMS | {uapi.BTF_KIND_INT, uapi.BTF_KIND_DATASEC, uapi.BTF_KIND_FLOAT}
_SOURCE_ONLY = frozenset((uapi.BTF_KIND_VAR, uapi.BTF_KIND_DECL_TAG, uapi.BTF_KIND_DATASEC))
_NOSIZE = frozenset(
    (uapi.BTF_KIND_UNKN, uapi.BTF_KIND_FWD, uapi.BTF_KIND_FUNC, uapi.BTF_KIND_FUNC_PROTO, uapi.BTF_KIND_DECL_TAG)
)
_NEEDS_RESOLVE = (
    REFERENCES | _STRUCTS | _SOURCE_ONLY | {uapi.BTF_KIND_PTR, uapi.BTF_KIND_ARRAY, uapi.BTF_KIND_FUNC}
)  # fmt: skip
_TAGGABLE = _STRUCTS | {uapi.BTF_KIND_FUNC, uapi.BTF_KIND_VAR, uapi.BTF_KIND_TYPEDEF}
_BITS_PER_U128 = 128


class _Mode(Enum):
    TBD = auto()
    PTR = auto()
    STRUCT_OR_ARRAY = auto()


class _Visit(Enum):
    VISITED = auto()
    RESOLVED = auto()


@mutable
class _Vertex:
    raw: Raw
    next_member: int = 0


class _Push(Exception):  # not an error: the step must wait for another type
    def __init__(self, raw: Raw) -> None:
        self.raw = raw


class _TooDeep(Exception):  # becomes a BtfError about the type the walk began at
    pass


class _Loop(Exception):  # likewise
    pass


def resolve_all_types(env: Env) -> None:
    """Resolve every type that the first pass has accepted (``env.types``).

    :raises BtfError: the first that cannot be.
    """
    resolver = _Resolver(env)
    env.in_meta = False
    for raw in env.types:
        env.log_type_id = raw.id
        if raw.kind in _NEEDS_RESOLVE and not resolver.is_resolved(raw.id):
            resolver.resolve(raw)
        if raw.kind == uapi.BTF_KIND_FUNC_PROTO:
            resolver.check_func_proto(raw)


class _Resolver:
    def __init__(self, env: Env) -> None:
        self.env = env
        self.visits: dict[int, _Visit] = {}
        self.ids: dict[int, int] = {}  # resolved_ids
        self.sizes: dict[int, int] = {}  # resolved_sizes
        self.stack: list[_Vertex] = []
        self.mode = _Mode.TBD

    # -- the walk ------------------------------------------------------------------------------------------------

    def resolve(self, raw: Raw) -> None:
        env = self.env
        saved = env.log_type_id
        self.mode, self.stack = _Mode.TBD, []
        try:
            self.push(raw)
            while self.stack:
                vertex = self.stack[-1]
                env.log_type_id = vertex.raw.id
                try:
                    self.step(vertex)
                except _Push as wait:
                    self.push(wait.raw)
        except _TooDeep:
            env.log_type_id = raw.id
            raise env.fail_type(raw, f"Exceeded max resolving depth:{MAX_RESOLVE_DEPTH}", err.E2BIG) from None
        except _Loop:
            env.log_type_id = raw.id
            raise env.fail_type(raw, "Loop detected", err.EEXIST) from None
        env.log_type_id = raw.id
        if not self.is_valid(raw):
            raise env.fail_type(raw, "Invalid resolve state")
        env.log_type_id = saved

    def push(self, raw: Raw) -> None:
        if len(self.stack) == MAX_RESOLVE_DEPTH:
            raise _TooDeep
        if raw.id < self.env.start_id or raw.id in self.visits:
            raise _Loop
        self.visits[raw.id] = _Visit.VISITED
        self.stack.append(_Vertex(raw))
        if self.mode is _Mode.TBD:
            if raw.kind == uapi.BTF_KIND_PTR:
                self.mode = _Mode.PTR
            elif raw.kind in _STRUCTS or raw.kind == uapi.BTF_KIND_ARRAY:
                self.mode = _Mode.STRUCT_OR_ARRAY

    def pop(self, resolved_id: int, resolved_size: int) -> None:
        type_id = self.stack.pop().raw.id
        self.ids[type_id], self.sizes[type_id] = resolved_id, resolved_size
        self.visits[type_id] = _Visit.RESOLVED

    def is_sink(self, raw: Raw) -> bool:
        # env_type_is_resolve_sink(): the walk does not go on from here
        if self.mode is _Mode.TBD:
            return raw.kind not in _NEEDS_RESOLVE
        if raw.kind in REFERENCES:
            return False
        if self.mode is _Mode.PTR:
            return raw.kind != uapi.BTF_KIND_PTR
        return raw.kind != uapi.BTF_KIND_ARRAY and raw.kind not in _STRUCTS

    def is_resolved(self, type_id: int) -> bool:
        return type_id < self.env.start_id or self.visits.get(type_id) is _Visit.RESOLVED

    def wait_for(self, raw: Raw) -> None:
        if not self.is_sink(raw) and not self.is_resolved(raw.id):
            raise _Push(raw)

    def is_valid(self, raw: Raw) -> bool:
        # btf_resolve_valid()
        if not self.is_resolved(raw.id):
            return False
        resolved, size = self.ids[raw.id], self.sizes[raw.id]
        if raw.kind in _STRUCTS or raw.kind == uapi.BTF_KIND_DATASEC:
            return not resolved and not size
        if raw.kind in (uapi.BTF_KIND_DECL_TAG, uapi.BTF_KIND_FUNC):
            return bool(resolved) and not size
        if raw.kind == uapi.BTF_KIND_ARRAY:
            found = self.id_size(raw.word(0))
            return found is not None and raw.word(2) * found[1] & U32 == size
        target = self.env.by_id(resolved)
        blocked = REFERENCES | {uapi.BTF_KIND_VAR, uapi.BTF_KIND_DATASEC}
        return target is not None and target.kind not in blocked

    # -- what is known of a type ---------------------------------------------------------------------------------

    def resolved_id(self, type_id: int) -> int:
        if type_id >= self.env.start_id or self.env.base is None:
            return self.ids.get(type_id, 0)
        base = self.env.base
        found = base.type(type_id)
        at = found.type if isinstance(found, t.Var | t.Ptr) else type_id
        return base.skip_mods_and_typedefs(at)

    def resolved_size(self, type_id: int) -> int:
        if type_id >= self.env.start_id or self.env.base is None:
            return self.sizes.get(type_id, 0)
        return self.env.base.size(type_id) & U32

    def id_size(self, type_id: int) -> tuple[Raw, int] | None:
        # btf_type_id_size(): the type that gives the size, and the size
        raw = self.env.by_id(type_id)
        if raw is None or raw.kind in _NOSIZE:
            return None
        if raw.kind in REFERENCES or raw.kind == uapi.BTF_KIND_VAR:
            raw = self.env.by_id(self.resolved_id(type_id))
            if raw is None or raw.kind in _NOSIZE:
                return None
        if raw.kind in _SIZED:
            return raw, raw.size
        if raw.kind == uapi.BTF_KIND_ARRAY:
            return raw, self.resolved_size(raw.id)
        return (raw, PTR_SIZE) if raw.kind == uapi.BTF_KIND_PTR else None

    # -- one step for each kind ----------------------------------------------------------------------------------

    def step(self, vertex: _Vertex) -> None:
        match vertex.raw.kind:
            case uapi.BTF_KIND_PTR:
                self.resolve_ptr(vertex.raw)
            case uapi.BTF_KIND_ARRAY:
                self.resolve_array(vertex.raw)
            case uapi.BTF_KIND_STRUCT | uapi.BTF_KIND_UNION:
                self.resolve_struct(vertex)
            case uapi.BTF_KIND_VAR:
                self.resolve_var(vertex.raw)
            case uapi.BTF_KIND_DATASEC:
                self.resolve_datasec(vertex)
            case uapi.BTF_KIND_FUNC:
                self.resolve_func(vertex.raw)
            case uapi.BTF_KIND_DECL_TAG:
                self.resolve_decl_tag(vertex.raw)
            case _:
                self.resolve_modifier(vertex.raw)

    def target(self, raw: Raw) -> Raw:
        # the type referred to, resolved as far as the walk goes
        found = self.env.by_id(raw.size)
        if found is None or found.kind in _SOURCE_ONLY:
            raise self.env.fail_type(raw, "Invalid type_id")
        self.wait_for(found)
        return found

    def wait_for_last_ptr(self, found: Raw) -> None:
        # A modifier resolved on the way into a struct stopped at a pointer; that one must not lead back here.
        if found.kind in REFERENCES:
            last = self.env.by_id(self.resolved_id(found.id))
            if last is not None and last.kind == uapi.BTF_KIND_PTR:
                self.wait_for(last)

    def may_be_incomplete(self, raw: Raw, found: Raw) -> int:
        # void, forward declarations and function prototypes need no size behind pointers and modifiers
        sized = self.id_size(found.id)
        if sized is not None:
            return sized[0].id
        final: Raw | None = found
        if found.kind in _NEEDS_RESOLVE and self.is_resolved(found.id):
            final = self.env.by_id(self.resolved_id(found.id))
        allowed = (uapi.BTF_KIND_UNKN, uapi.BTF_KIND_FWD, uapi.BTF_KIND_FUNC_PROTO)
        if final is None or final.kind not in allowed:
            raise self.env.fail_type(raw, "Invalid type_id")
        return final.id

    def resolve_modifier(self, raw: Raw) -> None:
        self.pop(self.may_be_incomplete(raw, self.target(raw)), 0)

    def resolve_ptr(self, raw: Raw) -> None:
        found = self.target(raw)
        self.wait_for_last_ptr(found)
        self.pop(self.may_be_incomplete(raw, found), 0)

    def resolve_var(self, raw: Raw) -> None:
        found = self.target(raw)
        self.wait_for_last_ptr(found)
        sized = self.id_size(found.id)
        if sized is None:
            raise self.env.fail_type(raw, "Invalid type_id")
        self.pop(sized[0].id, 0)

    def resolve_array(self, raw: Raw) -> None:
        index, elem, nelems = raw.word(1), raw.word(0), raw.word(2)
        sized = self.part(raw, index, "Invalid index")
        if sized is None or not _is_regular_int(sized[0]):
            raise self.env.fail_type(raw, "Invalid index")
        sized = self.part(raw, elem, "Invalid elem")
        if sized is None:
            raise self.env.fail_type(raw, "Invalid elem")
        elem_type, elem_size = sized
        if elem_type.kind == uapi.BTF_KIND_INT and not _is_regular_int(elem_type):
            raise self.env.fail_type(raw, "Invalid array of int")
        if nelems and elem_size > U32 // nelems:
            raise self.env.fail_type(raw, "Array size overflows U32_MAX")
        self.pop(elem_type.id, elem_size * nelems)

    def part(self, raw: Raw, type_id: int, message: str) -> tuple[Raw, int] | None:
        found = self.env.by_id(type_id)
        if found is None or found.kind in _NOSIZE or found.kind in _SOURCE_ONLY:
            raise self.env.fail_type(raw, message)
        self.wait_for(found)
        return self.id_size(type_id)

    def resolve_struct(self, vertex: _Vertex) -> None:
        raw = vertex.raw
        for i in range(vertex.next_member, raw.vlen):
            member = self.env.by_id(raw.word(3 * i + 1))
            if member is None or member.kind in _NOSIZE or member.kind in _SOURCE_ONLY:
                raise self.env.fail_member(raw, i, "Invalid member")
            vertex.next_member = i  # when it has to wait, this member is looked at again
            self.wait_for(member)
            _MemberCheck(self, raw, i).check(member)
        self.pop(0, 0)

    def resolve_datasec(self, vertex: _Vertex) -> None:
        raw = vertex.raw
        self.mode = _Mode.TBD
        for i in range(vertex.next_member, raw.vlen):
            var = self.env.by_id(raw.word(3 * i))
            if var is None or var.kind != uapi.BTF_KIND_VAR:
                raise self.env.fail_secinfo(raw, i, "Not a VAR kind member")
            if not self.is_sink(var) and not self.is_resolved(var.id):
                vertex.next_member = i + 1
                raise _Push(var)
            sized = self.id_size(var.size)
            if sized is None:
                raise self.env.fail_secinfo(raw, i, "Invalid type")
            if raw.word(3 * i + 2) < sized[1]:
                raise self.env.fail_secinfo(raw, i, "Invalid size")
        self.pop(0, 0)

    def resolve_func(self, raw: Raw) -> None:
        proto = self.env.by_id(raw.size)
        if proto is None or proto.kind != uapi.BTF_KIND_FUNC_PROTO:
            raise self.env.fail_type(raw, "Invalid type_id")
        for i in range(proto.vlen):
            if not proto.word(2 * i) and proto.word(2 * i + 1):
                raise self.env.fail_type(raw, f"Invalid arg#{i + 1}")
        self.pop(raw.size, 0)

    def resolve_decl_tag(self, raw: Raw) -> None:
        found = self.env.by_id(raw.size)
        if found is None or found.kind not in _TAGGABLE:
            raise self.env.fail_type(raw, "Invalid type_id")
        self.wait_for(found)
        index = raw.word(0)
        if index != U32:
            if found.kind in (uapi.BTF_KIND_VAR, uapi.BTF_KIND_TYPEDEF):
                raise self.env.fail_type(raw, "Invalid component_idx")
            owner = found if found.kind in _STRUCTS else self.env.by_id(found.size)
            if owner is None or index >= owner.vlen:
                raise self.env.fail_type(raw, "Invalid component_idx")
        self.pop(found.id, 0)

    # -- functions -----------------------------------------------------------------------------------------------

    def check_func_proto(self, raw: Raw) -> None:
        # btf_func_proto_check()
        if raw.size:
            self.check_value(raw, raw.size, "Invalid return type")
        nr_args = raw.vlen
        if nr_args and not raw.word(2 * nr_args - 1):
            if raw.word(2 * nr_args - 2):
                raise self.env.fail_type(raw, f"Invalid arg#{nr_args}")
            nr_args -= 1
        for i in range(nr_args):
            name_off, type_id = raw.word(2 * i), raw.word(2 * i + 1)
            message = f"Invalid arg#{i + 1}"
            self.check_source(raw, type_id, message)
            if name_off and not (self.env.name_valid(name_off) and self.env.is_identifier(name_off)):
                raise self.env.fail_type(raw, message)
            self.check_value(raw, type_id, message)

    def check_source(self, raw: Raw, type_id: int, message: str) -> Raw:
        found = self.env.by_id(type_id)
        if found is None or found.kind in _SOURCE_ONLY:
            raise self.env.fail_type(raw, message)
        return found

    def check_value(self, raw: Raw, type_id: int, message: str) -> None:
        found = self.check_source(raw, type_id, message)
        if found.kind in _NEEDS_RESOLVE and not self.is_resolved(type_id):
            self.resolve(found)
        if self.id_size(type_id) is None:
            raise self.env.fail_type(raw, message)


def _is_regular_int(raw: Raw) -> bool:
    # no bitfield, of a size that machines have
    if raw.kind != uapi.BTF_KIND_INT:
        return False
    data = raw.word(0)
    return not data >> 16 & 0xFF and data & 0xFF in (8, 16, 32, 64, 128)


class _MemberCheck:
    # A member against its struct; what the kernel does by check_member and check_kflag_member of the member's kind.

    def __init__(self, resolver: _Resolver, struct: Raw, index: int) -> None:
        self.resolver = resolver
        self.struct = struct
        self.index = index
        self.type_id = struct.word(3 * index + 1)
        word = struct.word(3 * index + 2)
        self.bit_off = word & 0xFFFFFF if struct.kflag else word
        self.bits = word >> 24 if struct.kflag else 0

    def fail(self, message: str) -> BtfError:
        return self.resolver.env.fail_member(self.struct, self.index, message, self.type_id)

    def check(self, member: Raw) -> None:
        if member.kind in REFERENCES:
            sized = self.resolver.id_size(member.id)
            if sized is None:
                raise self.fail("Invalid member")
            member = sized[0]
            self.type_id = member.id  # which is what the log names from here on
        if member.kind == uapi.BTF_KIND_INT:
            (self.check_kflag_int if self.struct.kflag else self.check_int)(member)
        elif member.kind in _ENUMS:
            (self.check_kflag_enum if self.struct.kflag else self.check_bytes)(member)
        elif self.bits:
            raise self.fail("Invalid member bitfield_size")
        elif member.kind == uapi.BTF_KIND_FLOAT:
            self.check_float(member)
        else:
            self.check_bytes(member)

    def check_bytes(self, member: Raw) -> None:
        # pointers, arrays, structs, enums
        if self.bit_off % 8:
            raise self.fail("Member is not byte aligned")
        sized = self.resolver.id_size(member.id)
        size = sized[1] if sized is not None else 0
        if self.struct.size - self.bit_off // 8 & U32 < size:
            raise self.fail("Member exceeds struct_size")

    def check_int(self, member: Raw) -> None:
        data = member.word(0)
        int_off = data >> 16 & 0xFF
        if U32 - self.bit_off < int_off:
            raise self.fail("bits_offset exceeds U32_MAX")
        self.check_bits(self.bit_off + int_off, data & 0xFF)

    def check_kflag_int(self, member: Raw) -> None:
        int_bits = member.word(0) & 0xFF
        if not _is_regular_int(member):
            raise self.fail("Invalid member base type")
        if not self.bits and self.bit_off % 8:
            raise self.fail("Invalid member offset")
        if self.bits > int_bits:
            raise self.fail("Invalid member bitfield_size")
        self.check_bits(self.bit_off, self.bits or int_bits)

    def check_bits(self, bit_off: int, bits: int) -> None:
        copied = bits + bit_off % 8
        if copied > _BITS_PER_U128:
            raise self.fail("nr_copy_bits exceeds 128")
        if self.struct.size < bit_off // 8 or self.struct.size - bit_off // 8 < (copied + 7) // 8:
            raise self.fail("Member exceeds struct_size")

    def check_kflag_enum(self, member: Raw) -> None:
        int_bits = 32
        if not self.bits and self.bit_off % 8:
            raise self.fail("Member is not byte aligned")
        if self.bits > int_bits:
            raise self.fail("Invalid member bitfield_size")
        if self.struct.size < (self.bit_off + (self.bits or int_bits) + 7) // 8:
            raise self.fail("Member exceeds struct_size")

    def check_float(self, member: Raw) -> None:
        if self.bit_off % (8 * min(PTR_SIZE, member.size)):
            raise self.fail("Member is not properly aligned")
        if self.bit_off // 8 + member.size > self.struct.size:
            raise self.fail("Member exceeds struct_size")
