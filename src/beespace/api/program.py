"""Programs of an object: configured before it is loaded, run after.

:see: tools/lib/bpf/libbpf.c:bpf_program__set_type and its kin
"""

from __future__ import annotations

import errno
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from typing import TYPE_CHECKING, Any, SupportsBytes

from beespace.api.attach_target import set_attach_target
from beespace.api.calls import Buffer
from beespace.api.dump import read_xlated
from beespace.btf import Codec, FuncProto, Ptr, StructValue, Void
from beespace.elf import LinkedProgram, ProgSpec
from beespace.errors import BtfError, InputError, SyscallError, Unsupported
from beespace.isa.insn import Insn
from beespace.kernel.batch import BatchResult, Packets, split
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import ProgTestRunAttr
from beespace.uapi.enums import name_of
from beespace.values import frozen
from beespace.xlate import dump_xlated, dump_xlated_records

if TYPE_CHECKING:
    from beespace.api.link import Link
    from beespace.api.object import Object
    from beespace.decl.prog import SectionDef, XlatedProgram

__all__ = ["Program", "RunResult"]

_DATA_ROOM = 1 << 16  # what a program may add to its data, bytes
_RAW_TP = frozenset((uapi.BPF_PROG_TYPE_RAW_TRACEPOINT, uapi.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE))
# Their test_run takes the context alone, by pointer, and runs once: other fields give EINVAL.
_CTX_ONLY = _RAW_TP | {uapi.BPF_PROG_TYPE_SYSCALL}


@frozen
class RunResult:
    """What a test run gave.

    :ivar retval: R0 as ``int`` (s32): -1 is TC_ACT_UNSPEC.
    :ivar data: the packet afterwards, ``None`` when there was none.
    :ivar ctx: the context afterwards, as a StructValue when the program's BTF says what it is; ``None`` without.
    :ivar duration_ns: mean of the repetitions, by the kernel's clock.
    :ivar printk: lines of bpf_printk(), where the kernel can tell them from those of others.
    """

    retval: int
    data: bytes | None = None
    ctx: Any = None
    duration_ns: int = 0
    printk: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        parts = [f"retval={self.retval}"]
        if self.data is not None:
            parts.append(f"data=<{len(self.data)} bytes>")
        if self.ctx is not None:
            parts.append(f"ctx={self.ctx!r}")
        if self.printk:
            parts.append(f"printk={self.printk!r}")
        return f"RunResult({', '.join(parts)})"


class Program:
    """A BPF program.

    What is said before the object is loaded cannot be changed after it (SyscallError EBUSY).

    :ivar log: the verifier's, when ``log_level`` asked for it.
    """

    def __init__(self, obj: Object, spec: ProgSpec, section: SectionDef | None) -> None:
        self._object = obj
        self._spec = spec
        self._section = section
        self._fd: int | None = None
        self._autoload = spec.autoload
        self._prog_type = section.prog_type if section else uapi.BPF_PROG_TYPE_UNSPEC
        self._expected_attach_type = section.attach_type if section else 0
        self._flags = 0
        self._log_level = obj.log_level
        self._log_size = 0
        self._insns: tuple[Insn, ...] | None = None
        self.attach_prog_fd = 0
        self.attach_btf_id = 0
        self.attach_btf_obj_fd = 0
        self._linked: LinkedProgram | None = None
        self.log = ""

    def __repr__(self) -> str:
        kind = name_of("bpf_prog_type", self._prog_type).removeprefix("BPF_PROG_TYPE_").lower()
        state = f"fd {self._fd}" if self._fd is not None else "not loaded"
        return f"<Program {self.name}: {kind}, SEC({self.section!r}), {len(self.insns)} insns, {state}>"

    # ---------------------------------------------------------------------------------------------- configuration

    @property
    def name(self) -> str:
        """The function."""
        return self._spec.name

    @property
    def section(self) -> str:
        """What SEC() says, without a leading ``?``."""
        return self._spec.section

    @property
    def section_def(self) -> SectionDef | None:
        """What the section's name means; ``None``: nothing that is known."""
        return self._section

    @property
    def spec(self) -> ProgSpec:
        """As read from the file."""
        return self._spec

    @property
    def fd(self) -> int:
        """:raises SyscallError: EBADF before the object is loaded, and for a program that is not."""
        if self._fd is None:
            raise SyscallError(errno.EBADF, f"prog {self.name}", hint="it has not been loaded")
        return self._fd

    @property
    def is_loaded(self) -> bool:
        """There is an fd."""
        return self._fd is not None

    @property
    def insns(self) -> tuple[Insn, ...]:
        """As compiled; once loaded, as the kernel received them, subprograms included."""
        return self._insns if self._insns is not None else self._spec.insns

    def _check_open(self, what: str) -> None:
        if self._object.is_loaded:
            raise SyscallError(errno.EBUSY, f"set {what} of prog {self.name}", hint="the object is loaded")

    @property
    def autoload(self) -> bool:
        """Whether Object.load() loads it; False for SEC("?...")."""
        return self._autoload

    @autoload.setter
    def autoload(self, value: bool) -> None:
        self._check_open("autoload")
        self._autoload = value

    @property
    def prog_type(self) -> int:
        """BPF_PROG_TYPE_*."""
        return self._prog_type

    @prog_type.setter
    def prog_type(self, value: int) -> None:
        self._check_open("prog_type")
        self._prog_type, self._section = value, None

    @property
    def expected_attach_type(self) -> int:
        """enum bpf_attach_type; of a struct_ops program the number of the member."""
        return self._expected_attach_type

    @expected_attach_type.setter
    def expected_attach_type(self, value: int) -> None:
        self._check_open("expected_attach_type")
        self._expected_attach_type = value

    @property
    def flags(self) -> int:
        """``prog_flags``: BPF_F_* in addition to those that the section's name implies."""
        return self._flags

    @flags.setter
    def flags(self, value: int) -> None:
        self._check_open("flags")
        self._flags = value

    @property
    def log_level(self) -> int:
        """1: verifier log, 2: more of it, 4: statistics only. 0: a log only when it is rejected."""
        return self._log_level

    @log_level.setter
    def log_level(self, value: int) -> None:
        self._check_open("log_level")
        self._log_level = value

    @property
    def log_size(self) -> int:
        """Bytes of the log buffer; a log that does not fit is ENOSPC. 0: as large as the log turns out to be."""
        return self._log_size

    @log_size.setter
    def log_size(self, value: int) -> None:
        self._check_open("log_size")
        self._log_size = value

    def set_insns(self, insns: Sequence[Insn]) -> None:
        """Load these instructions instead of the compiled ones; references are no longer filled in.

        :see: tools/lib/bpf/libbpf.c:bpf_program__set_insns
        """
        self._check_open("insns")
        self._insns = tuple(insns)

    @property
    def has_own_insns(self) -> bool:
        """set_insns() was called: BTF.ext does not describe them."""
        return self._insns is not None and self._linked is None

    def set_linked(self, linked: LinkedProgram, insns: Sequence[Insn]) -> None:
        """For the loader: the program with its subprograms, and the instructions the kernel will receive."""
        self._linked, self._insns = linked, tuple(insns)

    @property
    def functions(self) -> Mapping[int, str]:
        """Once loaded: names of the functions in ``insns`` by their first slot."""
        return self._linked.starts if self._linked else {0: self.name}

    def set_attach_target(self, name: str, prog: Program | int = 0) -> None:
        """What a tracing, LSM or extension program attaches to: a kernel function, or a function of another program.

        :param name: of the function; ``module:function`` for one of a module.
        :param prog: the other program (or its fd), loaded already.
        :raises SyscallError: EINVAL when there is no such function.
        :see: tools/lib/bpf/libbpf.c:bpf_program__set_attach_target
        """
        self._check_open("attach target")
        fd = prog if isinstance(prog, int) else prog.fd
        set_attach_target(self._object, self, name, fd)

    # --------------------------------------------------------------------------------------------------- running

    def run(
        self,
        data: bytes | bytearray | memoryview | SupportsBytes | None = None,
        ctx: Any = None,
        *,
        repeat: int = 1,
        cpu: int | None = None,
        flags: int = 0,
        data_size_out: int | None = None,
    ) -> RunResult:
        """Run the program once (BPF_PROG_TEST_RUN).

        :param data: the packet, for programs that have one: bytes, or what ``bytes()`` makes them of.
        :param ctx: the context: bytes, a mapping of its fields (``{"mark": 7}``), or a list of u64 arguments.
        :param repeat: runs; ``data`` and ``ctx`` of the result are the last one's.
        :param cpu: CPU to run on.
        :param flags: BPF_F_TEST_*.
        :param data_size_out: room for the packet afterwards, bytes; by default ample.
        :raises SyscallError: ENOTSUPP for a program type that cannot be run, EINVAL, ENOSPC.
        """
        kernel = self._object.kernel
        if data is not None and ctx is None and repeat == 1 and cpu is None and not flags and data_size_out is None:
            quick = self._run_packet(data)
            if quick is not None:
                return quick
        if data is not None:
            if isinstance(data, int | str):
                raise BtfError(f"prog {self.name}: {data!r} is no packet: give bytes")
            data = bytes(data)
        ctx_bytes = self._ctx_bytes(ctx)
        data_buf, ctx_buf = Buffer(data or b""), Buffer(ctx_bytes or b"")
        room = (len(data) + _DATA_ROOM if data_size_out is None else data_size_out) if data is not None else 0
        out, ctx_out = Buffer(room), Buffer(max(len(ctx_bytes), self._ctx_room()) if ctx_bytes is not None else 0)
        record = ProgTestRunAttr(self.fd, data_size_in=data_buf.size, data_in=data_buf.address if data_buf.size else 0)
        record.repeat = repeat if repeat != 1 else 0
        record.flags = flags
        if room:
            record.data_size_out, record.data_out = out.size, out.address
        if ctx_buf.size:
            record.ctx_size_in, record.ctx_in = ctx_buf.size, ctx_buf.address
            if self._prog_type not in _CTX_ONLY:
                record.ctx_size_out, record.ctx_out = ctx_out.size, ctx_out.address
        lines_before = len(_printk(kernel))
        on_cpu: AbstractContextManager[None] = nullcontext()
        if cpu is not None and self._prog_type in _RAW_TP:
            record.flags, record.cpu = record.flags | uapi.BPF_F_TEST_RUN_ON_CPU, cpu
        elif cpu is not None:
            on_cpu = kernel.on_cpu(cpu)  # others run where the caller is
        with on_cpu:
            record = self._object.calls.prog_test_run(record, self.name)
        after = ctx_buf.data if self._prog_type in _CTX_ONLY else ctx_out.data[: record.ctx_size_out]
        return RunResult(
            retval=(record.retval & 0xFFFFFFFF ^ 0x80000000) - 0x80000000,
            data=out.data[: min(record.data_size_out, out.size)] if data is not None else None,
            ctx=self._ctx_value(after) if ctx_buf.size else None,
            duration_ns=record.duration,
            printk=tuple(_printk(kernel)[lines_before:]),
        )

    # The short way for a packet alone: no attr, no buffers.
    def _run_packet(self, data: Any) -> RunResult | None:
        kernel: Any = self._object.kernel
        if not isinstance(data, bytes) or not hasattr(kernel, "run_packet"):
            return None
        found = kernel.run_packet(self.fd, data)
        return RunResult(found[0], found[1]) if found is not None else None

    def run_many(self, packets: Iterable[Any] | Packets, *, threads: int = 1, data: bool = False) -> BatchResult:
        """Run the program on each of *packets* (see run()), in order.

        Programs that never call Python (engine "jit") run without it: a few ns for each packet, and *threads* at a
        time, each on a share of the packets and on a CPU of its own, from 0. Others run one after another on the
        same CPUs.

        :param packets: bytes-like objects, or Packets, which are not copied. With times, virtual time follows them.
        :param data: keep what the program made of each packet.
        :raises InputError: more threads than the kernel has CPUs.
        :raises SyscallError: as run().
        """
        kernel: Any = self._object.kernel
        batch = Packets.of(packets)
        if not 1 <= threads <= kernel.features.cpus:
            raise InputError("threads of run_many()", expected=f"1 to {kernel.features.cpus}", found=threads)
        found: BatchResult | None = None
        if hasattr(kernel, "run_packets"):
            found = kernel.run_packets(self.fd, batch, threads, data)
        if found is None:
            found = self._run_each(batch, threads, data)
        elif batch.times_ns:
            kernel.advance_to(batch.times_ns[-1])
        return found

    def _run_each(self, batch: Packets, threads: int, data: bool) -> BatchResult:
        kernel: Any = self._object.kernel
        retvals = array("i")
        after: list[memoryview] = []
        for cpu, (first, last) in enumerate(split(len(batch), threads)):
            with kernel.on_cpu(cpu) if threads > 1 else nullcontext():
                for number in range(first, last):
                    if batch.times_ns is not None and hasattr(kernel, "advance_to"):
                        kernel.advance_to(batch.times_ns[number])
                    result = self.run(bytes(batch[number]))
                    retvals.append(result.retval)
                    if data:
                        after.append(memoryview(result.data or b""))
        return BatchResult(retvals, after if data else None)

    # The context's type: what the program's first parameter points to, if that is a struct.
    def _ctx_codec(self) -> Codec | None:
        btf = self._object.spec.btf
        func_id = btf.find(self.name, uapi.BTF_KIND_FUNC) if btf is not None else 0
        if btf is None or not func_id:
            return None
        proto = btf.type(btf.skip_mods_and_typedefs(getattr(btf.type(func_id), "type", 0)))
        if not isinstance(proto, FuncProto) or not proto.params:
            return None
        pointer = btf.type(btf.skip_mods_and_typedefs(proto.params[0].type))
        if not isinstance(pointer, Ptr) or isinstance(btf.type(btf.skip_mods_and_typedefs(pointer.type)), Void):
            return None
        try:
            codec = self._object.codecs[pointer.type]
        except BtfError:
            return None  # a forward declaration: no layout to go by
        return codec if isinstance(codec.decode(bytes(codec.size)), StructValue) else None

    def _ctx_room(self) -> int:
        codec = self._ctx_codec()
        return codec.size if codec is not None else 0

    def _ctx_bytes(self, ctx: Any) -> bytes | None:
        if ctx is None or isinstance(ctx, bytes | bytearray | memoryview):
            return None if ctx is None else bytes(ctx)
        if isinstance(ctx, Sequence):
            return b"".join((int(word) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little") for word in ctx)
        codec = self._ctx_codec()
        if codec is None:
            raise BtfError(f"prog {self.name}: the type of its context is not known: give bytes or a list of u64")
        if not isinstance(ctx, Mapping | StructValue):
            raise BtfError(f"prog {self.name}: {ctx!r} is not a {codec.name}")
        return codec.encode(ctx)

    def _ctx_value(self, data: bytes) -> Any:
        codec = self._ctx_codec()
        return codec.decode(data) if codec is not None and codec.size == len(data) else data

    # ----------------------------------------------------------------------------------------------------- dumps

    def dump_xlated(self, *, opcodes: bool = False, linum: bool = False) -> str:
        """The instructions as the verifier left them, as ``bpftool prog dump xlated`` prints them.

        :param opcodes: with the bytes of each instruction.
        :param linum: source lines with file, line and column.
        """
        return dump_xlated(self._xlated(), opcodes, linum)

    def dump_xlated_records(self, *, opcodes: bool = False, linum: bool = False) -> list[dict[str, Any]]:
        """The same for JSON, one record for each instruction."""
        return dump_xlated_records(self._xlated(), opcodes, linum)

    def _xlated(self) -> XlatedProgram:
        return read_xlated(self._object.kernel, self._object.calls, self.fd)

    def dump_jited(self) -> str:
        """Machine code that LLVM makes of it, as assembly. :raises Unsupported: on the real kernel."""
        kernel: Any = self._object.kernel
        if not hasattr(kernel, "jited"):
            raise Unsupported("machine code of the running kernel: bpftool prog dump jited shows it")
        assembly: str = kernel.jited(self.fd)
        return assembly

    # ------------------------------------------------------------------------------------------------- attaching

    def attach(self, target: Any = None, **options: Any) -> Link:
        """Attach it; see Link.attach() for what the target of each program type is."""
        from beespace.api.link import Link

        return Link.attach(self, target, **options)

    def pin(self, path: str) -> None:
        """Pin in the BPF file system."""
        self._object.calls.obj_pin(self.fd, path)

    def set_fd(self, fd: int) -> None:
        """It has been loaded: it is *fd*, which the Program owns."""
        self._fd = self._object.fds.own(fd)

    def close(self) -> None:
        """Give back the fd."""
        if self._fd is not None:
            self._object.fds.close(self._fd)
            self.forget_fd()

    def forget_fd(self) -> None:
        """Somebody has closed it."""
        self._fd = None


def _printk(kernel: Any) -> list[str]:
    # The simulated kernel's trace_pipe is its own; the real one's belongs to everybody.
    return [line.text for line in getattr(kernel, "trace_pipe", ())]
