"""BPF_PROG_TEST_RUN: what a program type's test_run receives and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.decl.prog import XlatedProgram
    from beespace.decl.registry import Features
    from beespace.mem import AddressSpace, Region

__all__ = ["PacketPlan", "TestRunEnv", "TestRunRequest", "TestRunResult"]


@frozen
class PacketPlan:
    """How a program type's test run lays out a packet, for batches: what ``test_run`` does without a context given.

    :ivar frame_bytes: of the buffer; the packet starts ``headroom`` bytes into it.
    :ivar min_bytes: of a packet, and ``max_bytes``; others take the long way, through ``test_run``.
    :ivar ctx_bytes: of the context; it is zero but for ``words``: offset -> u32.
    :ivar head: offset of the pointer to the buffer in the context; ``end``, ``data``, ``data_end`` and ``data_meta``
        likewise. ``tailroom``: bytes between ``end`` and the end of the buffer.
    """

    frame_bytes: int
    headroom: int
    tailroom: int
    min_bytes: int
    max_bytes: int
    ctx_bytes: int
    data: int
    data_end: int
    data_meta: int
    head: int
    end: int
    words: tuple[tuple[int, int], ...] = ()
    not_attach_types: frozenset[int] = frozenset()  # with these expected, all take the long way


@frozen
class TestRunRequest:
    """``union bpf_attr.test`` with its buffers read.

    :ivar data_in: packet, None when no buffer was given.
    :ivar data_size_out: room for data_out in bytes, 0 for "as much as there is"; ``ctx_size_out`` likewise.
    :ivar want_data_out: a data_out buffer was given; ``want_ctx_out`` likewise.
    """

    __test__ = False  # not a test class, whatever pytest thinks

    data_in: bytes | None = None
    data_size_in: int = 0
    data_size_out: int = 0
    ctx_in: bytes | None = None
    ctx_size_out: int = 0
    want_data_out: bool = False
    want_ctx_out: bool = False
    repeat: int = 0
    duration: int = 0  # an output that most types want to be zero
    flags: int = 0
    cpu: int = 0
    batch_size: int = 0


@frozen
class TestRunResult:
    """What the kernel copies back.

    :ivar retval: u32.
    :ivar data_out: all bytes (the caller truncates to data_size_out and answers ENOSPC), None: nothing is copied and
        ``data_size_out`` stays.
    :ivar duration_ns: mean of one run; None: ``duration`` stays.
    :ivar ctx_back: written over ctx_in (syscall programs change their context in place).
    """

    __test__ = False

    retval: int
    data_out: bytes | None = None
    ctx_out: bytes | None = None
    duration_ns: int | None = 0
    ctx_back: bytes | None = None


class TestRunEnv(Protocol):
    """What the kernel offers to a test_run function."""

    mem: AddressSpace
    features: Features
    program: XlatedProgram
    expected_attach_type: int

    def borrow(self, name: str, size: int) -> Region:
        """Zeroed guest memory that is taken back when the test run ends (pooled between runs)."""
        ...

    def execute(self, ctx: int, repeat: int, *, cpu: int | None = None) -> tuple[int, int]:
        """Run the program *repeat* times (at least once) with R1 = *ctx*.

        :return: (r0 of the last run as u64, mean duration in ns). The kernel's clock decides what a duration is.
        """
        ...
