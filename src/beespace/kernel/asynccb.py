"""What bpf_timer and bpf_wq share: the object behind the field of a map value, its lock, callback and references.

The field holds a handle, never an address; the logic works on slots (addresses of fields) and handles, and names every
lock, atomic and shared store to the interleaving scheduler (Points). It runs uncompiled, one strand at a time.

::

    struct bpf_timer, struct bpf_wq (16 bytes, all zero when not initialised; user space sees zeroes)
    0   u64 handle          0: not initialised
    8   u32 lock

:see: kernel/bpf/helpers.c:struct bpf_async_kern, docs/decisions/0100-time-and-deferred-work.md
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EBUSY, EINVAL, ENOENT, ENOMEM, EOPNOTSUPP, EPERM
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from beespace.errors import InternalError
from beespace.mem import raw

if TYPE_CHECKING:
    from beespace.decl.events import Event
    from beespace.maps.base import BpfMap
    from beespace.sim import Cpus, Points, Rcu

__all__ = ["AsyncCb", "AsyncEnv", "AsyncTable"]

_LOCK = 8


class AsyncEnv(Protocol):
    """What the logic needs of a kernel.

    :ivar listen: receives events, None: nobody listens.
    """

    points: Points
    cpus: Cpus
    rcu: Rcu
    rcu_tasks_trace: Rcu
    listen: Callable[[Event], None] | None

    def prog_at(self, callback_fn: int) -> Any:
        """The program that a text address belongs to."""
        ...

    def prog_inc_not_zero(self, prog: Any) -> bool:
        """Take a reference; False when the last one is gone already."""
        ...

    def put_prog(self, prog: Any) -> None:
        """Drop a reference."""
        ...

    def call(self, callback_fn: int, bpf_map: BpfMap, value: int, *, sleepable: bool) -> None:
        """``callback_fn(map, key of value, value)``."""
        ...

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        ...

    def due_ns(self, timer: Any) -> int:
        """When a queued timer fires, on CLOCK_MONOTONIC."""
        ...

    def fails(self, what: str) -> bool:
        """Fault injection: whether an allocation fails."""
        ...


class AsyncCb(Protocol):
    """``struct bpf_async_cb``.

    :ivar map: which owns the element; ``value`` address of its value.
    :ivar prog: whose callback it is; holds a reference. None: no callback is set.
    :ivar callback_fn: text address, 0 for none.
    :ivar freed: a grace period after its end; nobody may use it.
    """

    handle: int
    map: BpfMap
    value: int
    prog: Any
    callback_fn: int
    freed: bool


T = TypeVar("T", bound=AsyncCb)


class AsyncTable:
    """The live objects of one kind, and the operations that timers and work items share.

    :param kind: "timer" or "wq", for points and messages.
    """

    def __init__(self, env: AsyncEnv, kind: str) -> None:
        self.env = env
        self.kind = kind
        self.live: dict[int, Any] = {}
        self._handles = 0

    # -- the field

    def lock(self, slot: int) -> None:
        """__bpf_spin_lock_irqsave()."""
        points = self.env.points
        if points.scheduler is None:
            return  # nobody else runs
        points.irq_save()
        points.wait(lambda: not raw.load32(slot + _LOCK), f"{self.kind} lock")
        raw.store32(slot + _LOCK, 1)

    def unlock(self, slot: int) -> None:
        """__bpf_spin_unlock_irqrestore()."""
        points = self.env.points
        if points.scheduler is None:
            return
        raw.store32(slot + _LOCK, 0)
        points.irq_restore()
        points.point(f"{self.kind} unlocked")

    def read(self, slot: int) -> Any:
        """``READ_ONCE(async->cb)``: the object, None when there is none."""
        self.env.points.point(f"{self.kind} load cb")
        handle = raw.load64(slot)
        if not handle:
            return None
        try:
            return self.live[handle]
        except KeyError:
            raise InternalError(f"{self.kind} field at {slot:#x} holds {handle:#x}, which is no handle") from None

    def write(self, slot: int, handle: int) -> None:
        """``WRITE_ONCE(async->cb)``."""
        self.env.points.point(f"{self.kind} store cb")
        self.store(slot, handle)

    @staticmethod
    def store(slot: int, handle: int) -> None:
        """The store alone."""
        raw.store64(slot, handle)

    @staticmethod
    def use(cb: T) -> T:
        """*cb*, about to be accessed. :raises InternalError: it was freed."""
        if cb.freed:
            raise InternalError(f"use of freed {type(cb).__name__} {cb.handle}")
        return cb

    # -- what timers and work items do alike

    def init(self, slot: int, bpf_map: BpfMap, field_kind: int, make: Callable[[], T]) -> int:
        """__bpf_async_init()."""
        env = self.env
        if env.cpus.in_nmi:
            return -EOPNOTSUPP
        self.lock(slot)
        try:
            if self.read(slot) is not None:
                return -EBUSY
            if env.fails(f"bpf_{self.kind}_init"):
                return -ENOMEM
            cb = make()
            self._handles = cb.handle = self._handles + 1
            cb.map = bpf_map
            cb.value = slot - next(field.off for field in bpf_map.record if field.kind == field_kind)
            self.live[cb.handle] = cb
            self.write(slot, cb.handle)
            # Only after it can be found: whoever drops the last user reference meanwhile either finds it or is seen.
            env.points.point("load map->usercnt")
            if not bpf_map.usercnt:
                self.write(slot, 0)
                self.kfree(cb)
                return -EPERM
            return 0
        finally:
            self.unlock(slot)

    def set_callback(self, slot: int, callback_fn: int) -> int:
        """__bpf_async_set_callback()."""
        env = self.env
        if env.cpus.in_nmi:
            return -EOPNOTSUPP
        prog = env.prog_at(callback_fn)
        self.lock(slot)
        try:
            cb = self.read(slot)
            if cb is None:
                return -EINVAL
            self.use(cb)
            env.points.point("load map->usercnt")
            if not cb.map.usercnt:
                return -EPERM
            if cb.prog is not prog:
                if not env.prog_inc_not_zero(prog):
                    return -ENOENT
                if cb.prog is not None:
                    env.put_prog(cb.prog)
                cb.prog = prog
            env.points.point(f"{self.kind} store callback_fn")
            cb.callback_fn = callback_fn
            return 0
        finally:
            self.unlock(slot)

    def drop_prog_refcnt(self, cb: AsyncCb) -> None:
        """The callback is gone, and the reference on its program."""
        if cb.prog is not None:
            self.env.points.point(f"{self.kind} store prog")
            prog, cb.prog, cb.callback_fn = cb.prog, None, 0
            self.env.put_prog(prog)

    def take(self, slot: int) -> Any:
        """__bpf_async_cancel_and_free(): the object, which the field does not lead to any more; None: it had none."""
        if self.read(slot) is None:
            return None
        self.lock(slot)
        try:
            cb = self.read(slot)
            if cb is not None:
                self.drop_prog_refcnt(self.use(cb))
                self.write(slot, 0)
            return cb
        finally:
            self.unlock(slot)

    def kfree(self, cb: AsyncCb) -> None:
        """kfree(): nobody can see it."""
        self.use(cb).freed = True
        del self.live[cb.handle]

    def kfree_rcu(self, cb: AsyncCb) -> None:
        """kfree_rcu(): free it when everybody who may have found it has left."""
        self.env.rcu.call(lambda: self.kfree(cb))

    def invoke(self, cb: AsyncCb, *, sleepable: bool) -> None:
        """Call the callback, if there (still) is one."""
        self.env.points.point(f"{self.kind} load callback_fn")
        callback_fn = self.use(cb).callback_fn
        if callback_fn:
            self.env.call(callback_fn, cb.map, cb.value, sleepable=sleepable)
