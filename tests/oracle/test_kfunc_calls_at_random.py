"""Random programs that call kfuncs: both kernels write the same log."""

import functools
import random
import re

import pytest

from beespace import Kernel
from beespace.kernel.slices import linux_registry
from beespace.testing.seamcalls import SeamCalls
from beespace.uapi import bpf as uapi

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

TYPES = {
    "syscall": uapi.BPF_PROG_TYPE_SYSCALL,
    "sched_cls": uapi.BPF_PROG_TYPE_SCHED_CLS,
    "xdp": uapi.BPF_PROG_TYPE_XDP,
    "tracepoint": uapi.BPF_PROG_TYPE_TRACEPOINT,
    "cgroup_skb": uapi.BPF_PROG_TYPE_CGROUP_SKB,
}
SECTIONS = (("rcu_read_lock", "rcu_read_unlock"), ("preempt_disable", "preempt_enable"))
NUMBERS = (0, 0, 1, 1, 2, 4, 8, 16, 64, 512, -1, 0x7FFFFFFF)
PROGRAMS = 25  # of each seed
_OF_PAIRS = re.compile(r"_(new|next|destroy|lock|unlock|disable|enable|save|restore|release|put)$|_impl$")
_CALL = re.compile(r"call kfunc:(\w+)")


class Kfuncs:
    """What programs of one type may call, as the kernel's BTF has it."""

    def __init__(self, btf, prog_type):
        registry = linux_registry()
        self.flags, self.ids, self.params, self.result = {}, {}, {}, {}
        for name in registry.kfuncs:
            flags = registry.kfunc_flags(prog_type, name)
            btf_id = btf.find(name, uapi.BTF_KIND_FUNC)
            if flags is None or not btf_id or name.startswith("bpf_xdp_metadata"):
                continue
            proto = btf.type(btf.type(btf_id).type)
            self.flags[name], self.ids[name] = flags, btf_id
            self.params[name] = [(param.name, _pointee(btf, param.type)) for param in proto.params]
            self.result[name] = _pointee(btf, proto.type)

    def having(self, flag):
        return [name for name, flags in self.flags.items() if flags & flag]


def _pointee(btf, type_id):
    # name of the type pointed to ("" for void), None for no pointer
    t = btf.type(btf.skip_mods_and_typedefs(type_id))
    return btf.name_of(btf.skip_mods_and_typedefs(t.type)) if t.kind == uapi.BTF_KIND_PTR else None


class Writer:
    """One program: R9 is the context, R6-R8 hold what calls returned, objects lie from fp-136 down."""

    def __init__(self, kfuncs, rng):
        self.kfuncs, self.rng = kfuncs, rng
        self.lines = [
            "r9 = r1",
            "r6 = 0",
            "r7 = 0",
            "r8 = 0",
            *(f"*(u64 *)(r10 - {off}) = 0" for off in range(8, 136, 8)),
        ]
        self.held = {}  # register -> type it points to
        self.objects = {}  # type -> offset
        self.top = 128
        self.labels = 0

    def text(self):
        self.block(0)
        return "\n".join([*self.lines, "r0 = 0", "out:", "r0 = 0", "exit"])

    def emit(self, text):
        self.lines += text.split("; ")

    def label(self):
        self.labels += 1
        return self.labels

    def room(self, size):
        self.top += size
        return self.top

    def arg(self, regno, name, target):
        rng = self.rng
        if target is None:
            value = rng.choice(NUMBERS) if rng.random() < 0.95 else "r10"
            return self.emit(f"r{regno} = {value}")
        same = [held for held, kind in self.held.items() if kind == target]
        if target in self.objects and rng.random() < 0.9:
            return self.emit(f"r{regno} = r10; r{regno} += -{self.objects[target]}")
        if same and rng.random() < 0.9:
            return self.emit(f"r{regno} = r{rng.choice(same)}")
        if target in ("__sk_buff", "xdp_md") and rng.random() < 0.9:
            return self.emit(f"r{regno} = r9")
        off = rng.choice((8, 16, 24, 48, 64, 128))
        anything = f"r{regno} = r10; r{regno} += -{off}", f"r{regno} = 0", f"r{regno} = r9", f"r{regno} = r6"
        return self.emit(rng.choice(anything))

    def call(self, name, first=1):
        for regno, (param, target) in enumerate(self.kfuncs.params[name], 1):
            if regno >= first:
                self.arg(regno, param, target)
        self.emit(f"call kfunc:{name}")

    def block(self, depth):
        makers = [self.section, self.iterator, self.owned, self.irq] if depth < 3 else []
        for _ in range(self.rng.randint(1, 3)):
            self.rng.choice([*makers, self.plain, self.plain])(depth)

    def mostly(self, text):
        if self.rng.random() < 0.95:
            self.emit(text)

    def section(self, depth):
        begin, end = self.rng.choice(SECTIONS)
        self.emit(f"call kfunc:bpf_{begin}")
        self.block(depth + 1)
        self.mostly(f"call kfunc:bpf_{end}")

    def irq(self, depth):
        flags = f"r1 = r10; r1 += -{self.room(8)}"
        self.emit(f"{flags}; call kfunc:bpf_local_irq_save")
        self.block(depth + 1)
        self.mostly(f"{flags}; call kfunc:bpf_local_irq_restore")

    def iterator(self, depth):
        kind = self.rng.choice(self.kfuncs.having(uapi.KF_ITER_NEW)).removesuffix("_new")
        at, n = f"r1 = r10; r1 += -{self.room(32)}", self.label()
        self.emit(at)
        self.call(f"{kind}_new", first=2)
        self.emit(f"again{n}:; {at}; call kfunc:{kind}_next; if r0 == 0 goto done{n}; r6 = r0; r7 += 1")
        self.held[6] = self.kfuncs.result[f"{kind}_next"]
        self.block(depth + 1)
        self.held.pop(6, None)
        self.emit(f"goto again{n}; done{n}:")
        self.mostly(f"{at}; call kfunc:{kind}_destroy")

    def owned(self, depth):
        acquire = [name for name in self.kfuncs.having(uapi.KF_ACQUIRE) if self.kfuncs.result[name]]
        if not acquire:
            return self.plain(depth)
        name, n, regno = self.rng.choice(acquire), self.label(), self.rng.choice((6, 7, 8))
        kind = self.kfuncs.result[name]
        release = [k for k in self.kfuncs.having(uapi.KF_RELEASE) if self.kfuncs.params[k][0][1] == kind]
        slot = 8 * (4 + regno)
        self.call(name)
        self.mostly(f"if r0 == 0 goto none{n}")
        self.emit(f"*(u64 *)(r10 - {slot}) = r0; r{regno} = r0")
        self.held[regno] = kind
        self.block(depth + 1)
        self.held.pop(regno, None)
        if release:
            self.mostly(f"r1 = *(u64 *)(r10 - {slot}); call kfunc:{release[0]}")
        return self.emit(f"none{n}:")

    def plain(self, depth):
        rng = self.rng
        names = [name for name in self.kfuncs.ids if not _OF_PAIRS.search(name)]
        known = {*self.objects, *self.held.values(), "__sk_buff", "xdp_md", "char", "", "unsigned int", None}
        fitting = [name for name in names if all(target in known for _, target in self.kfuncs.params[name])]
        name = rng.choice(fitting if fitting and rng.random() < 0.9 else names)
        if name.startswith("bpf_dynptr_from"):
            self.objects["bpf_dynptr"] = self.room(16)
        self.call(name)
        if self.kfuncs.result[name] is not None and rng.random() < 0.8:
            n = self.label()
            self.emit(f"if r0 == 0 goto null{n}; r1 = *(u32 *)(r0 + {rng.choice((0, 0, 4, 64))}); null{n}:")


@functools.cache
def _kfuncs(btf, name):
    return Kfuncs(btf, TYPES[name])


def _lines(log):
    return [re.sub(" +", " ", line) for line in log.splitlines() if "usec" not in line]


@pytest.mark.parametrize("prog_type", TYPES)
@pytest.mark.parametrize("seed", range(4))
def test_random_calls_have_one_log(seed, prog_type, linux_kernel, vmlinux):
    kfuncs = _kfuncs(vmlinux, prog_type)
    rng = random.Random(f"{seed} {prog_type}")
    with Kernel(btf_vmlinux=vmlinux) as kernel:
        ours, theirs = SeamCalls(kernel), SeamCalls(linux_kernel)
        for _ in range(PROGRAMS):
            source = Writer(kfuncs, rng).text()
            ids = {name: kfuncs.ids[name] for name in _CALL.findall(source)}
            for calls in (ours, theirs):
                calls.load(TYPES[prog_type], source, log_level=2, log_size=1 << 20, kfuncs=ids)
                calls.close_all()
            assert _lines(ours.log) == _lines(theirs.log), source
