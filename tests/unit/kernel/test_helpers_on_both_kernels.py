"""Helpers as syscall programs observe them, on the simulated and on the real kernel."""

import struct

import pytest

from beespace.testing.seamcalls import Buf, u32, u64
from beespace.uapi import bpf as uapi

ARRAY, SYSCALL = uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_PROG_TYPE_SYSCALL
RAW_TP = uapi.BPF_PROG_TYPE_RAW_TRACEPOINT
STRINGS_OFF = 256


def s64(value):
    return struct.unpack("<q", value[:8])[0]


def constant(seam, data):
    """A frozen read-only array: what the verifier takes for a constant string."""
    fd = seam.create(ARRAY, 4, len(data), 1, uapi.BPF_F_RDONLY_PROG)
    assert seam.update(fd, u32(0), data) == 0
    assert seam.freeze(fd) == 0
    return fd


class Program:
    """A syscall program whose R6 points to ``io``, memory that user space reads and writes."""

    def __init__(self, seam, source, io_bytes, maps=None):
        self.seam, self.size = seam, io_bytes
        self.io = seam.create(ARRAY, 4, io_bytes, 1)
        self.fd = seam.load(SYSCALL, "r6 = map_value:io ll\n" + source, {"io": self.io, **(maps or {})}, log_level=1,
                            log_size=1 << 16)  # fmt: skip

    def run(self, io):
        assert isinstance(self.fd, int), (self.fd, self.seam.log)
        assert self.seam.update(self.io, u32(0), io.ljust(self.size, b"\0")) == 0
        assert self.seam.run(self.fd).retval == 0
        return self.seam.lookup(self.io, u32(0))


def run_with_io(seam, source, io, maps=None):
    return Program(seam, source, len(io), maps).run(io)


# io: u64 result, u64 *res, then the text
STRTO = """
    r1 = r6
    r1 += 16
    r2 = {size}
    r3 = {flags}
    r4 = r10
    r4 += -8
    call bpf_{name}
    *(u64 *)(r6 + 0) = r0
    r1 = *(u64 *)(r10 - 8)
    *(u64 *)(r6 + 8) = r1
    r0 = 0
    exit
"""
NUMBERS = [
    b"0", b"7", b"-7", b"  42", b"\t\n -42x", b"+5", b"", b"x", b"-", b"- 5", b"0x1f", b"0X1F", b"0x", b"0xg", b"017",
    b"018", b"08", b"1f", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551615", b"18446744073709551616", b"99999999999999999999999", b"ff ", b"12 34", b"1" * 70,
    b"0" * 70, b"0b11", b"\x0b\x0c5",
]  # fmt: skip


@pytest.mark.parametrize("name", ["strtol", "strtoul"])
@pytest.mark.parametrize("flags", [0, 8, 10, 16])
def test_numbers_from_text(seam, name, flags):
    text_bytes = 72
    program = Program(seam, STRTO.format(name=name, flags=flags, size=text_bytes), 16 + text_bytes)
    results = {}
    for text in NUMBERS:
        results[text] = struct.unpack("<qQ", program.run(bytes(16) + text)[:16])
    assert results[b"7"] == (1, 7)
    assert results[b"x"] == (-22, 0)
    assert results == EXPECTED_NUMBERS[name, flags]


@pytest.mark.parametrize("flags", [1, 2, 7, 11, 32, 48])
def test_unknown_bases(seam, flags):
    io = run_with_io(seam, STRTO.format(name="strtol", flags=flags, size=8), bytes(16) + b"12".ljust(72, b"\0"))
    assert struct.unpack("<qQ", io[:16]) == (-22, 0)


def reference_strto(text, flags, unsigned):
    """What the kernel gives for *text*: written down once from the C library's rules, checked against both kernels."""
    stripped = text.lstrip(b" \t\n\v\f\r")
    consumed = len(text) - len(stripped)
    negative = stripped[:1] == b"-"
    stripped, consumed = stripped[negative:], consumed + negative
    stripped = stripped[:63]
    base, prefix = flags, 0
    hexadecimal = stripped[:2].lower() == b"0x" and len(stripped) > 2 and chr(stripped[2]) in "0123456789abcdefABCDEF"
    if base == 0:
        base = 16 if hexadecimal else 8 if stripped[:1] == b"0" else 10
    if base == 16 and stripped[:2].lower() == b"0x":
        prefix = 2
    allowed = "0123456789abcdef"[:base]
    digits = ""
    for char in stripped[prefix:].decode("latin-1"):
        if char.lower() not in allowed:
            break
        digits += char
    if digits and int(digits, base) >= 1 << 64:
        return -34, 0
    if not digits:
        return -22, 0
    value = int(digits, base)
    if unsigned:
        return (-22, 0) if negative else (consumed + prefix + len(digits), value)
    if value > (1 << 63) - (not negative):
        return -34, 0
    return consumed + prefix + len(digits), (-value if negative else value) % (1 << 64)


EXPECTED_NUMBERS = {
    (name, flags): {text: reference_strto(text, flags, name == "strtoul") for text in NUMBERS}
    for name in ("strtol", "strtoul")
    for flags in (0, 8, 10, 16)
}

FORMATS = [
    ("%d", [5]), ("%d", [-5]), ("%d", [2**32 + 1]), ("%i|%u|%x|%X", [-1, -1, 255, 255]), ("%ld", [-1]), ("%lld", [-1]),
    ("%lu", [2**64 - 1]), ("%llx", [2**60]), ("%5d|", [42]), ("%-5d|", [42]), ("%05d|", [42]), ("%05d|", [-42]),
    ("%+d|% d", [42, 42]), ("%+d", [-42]), ("%010lx", [0xABCDEF]), ("%-010d|", [7]), ("%%", []), ("100%% %d", [1]),
    ("%s", [b"hello"]), ("%10s|", [b"hi"]), ("%-10s|", [b"hi"]), ("[%s]", [b""]), ("%s %s", [b"a", b"b"]),
    ("%c%c", [65, 66]),
    ("%3c|%-3c|", [65, 66]), ("%pks", [b"kernel"]), ("%pI4", [bytes([127, 0, 0, 1])]),
    ("%pi4", [bytes([127, 0, 10, 1])]),
    ("%pI6", [bytes(range(16))]), ("%pi6", [bytes(range(16))]), ("%px", [0x1234]), ("%5px|", [0x12]),
    ("%-5px|", [0x12]), ("%s,%d", [b"x" * 100, 9]),
    ("plain", []), ("", []), ("\u00e9\u4e2d %d", [1]), ("a\tb\n%d", [3]), ("%d %d %d", [1, 2, 3]), ("%d", [1, 2]),
    ("%x", [2**64 - 1]), ("%lX", [2**64 - 1]), ("%0d", [5]), ("% 5d|", [5]), ("%+5d|", [5]), ("%12d%12d", [1, 2]),
    # refused
    ("%d", []), ("%d %d", [1]), ("%", [1]), ("%f", [1]), ("%.3d", [1]), ("%*d", [1, 2]), ("%hd", [1]), ("%llld", [1]),
    ("%p5", [1]), ("%pI5", [1]), ("%pM", [1]), ("%sx", [b"a"]), ("%n", [1]), ("\x01%d", [1]), ("%o", [1]), ("%#x", [1]),
    ("%z", [1]), ("%\u00e9", [1]), ("%pus", [0]), ("%lc", [65]), ("%ls", [b"a"]),
]  # fmt: skip
EXPECTED_TEXT = {
    "%d": ["5", "-5", "1"], "%i|%u|%x|%X": ["-1|4294967295|ff|FF"], "%ld": ["-1"], "%pI6": [
        "0001:0203:0405:0607:0809:0a0b:0c0d:0e0f"], "%pi4": ["127.000.010.001"], "%10s|": ["        hi|"],
    "%05d|": ["00042|", "-0042|"],
}  # fmt: skip


def snprintf(seam, fmt, args, size):
    """(return value, text) of bpf_snprintf(); bytes among *args* are strings in kernel memory."""
    text = fmt.encode() + b"\0"
    strings = b"".join(a + b"\0" for a in args if isinstance(a, bytes)).ljust(8, b"\0")
    maps = {"fmt": constant(seam, text.ljust(8, b"\0")), "strings": constant(seam, strings)}
    lines, at, off = [], 0, -8 * len(args)
    for arg in args:
        if isinstance(arg, bytes):
            lines.append(f"r1 = map_value:strings+{at} ll")
            at += len(arg) + 1
        else:
            lines.append(f"r1 = {arg % 2**64} ll")
        lines.append(f"*(u64 *)(r10 {off:+d}) = r1")
        off += 8
    lines += ["r1 = r6", "r1 += 8", f"r2 = {size}", "r3 = map_value:fmt ll"]
    lines += ["r4 = r10", f"r4 += {-8 * len(args)}"] if args else ["r4 = 0"]
    lines += [f"r5 = {8 * len(args)}", "call bpf_snprintf", "*(u64 *)(r6 + 0) = r0", "r0 = 0", "exit"]
    program = Program(seam, "\n".join(lines), 8 + size, maps)
    if isinstance(program.fd, str):
        return program.fd, seam.log
    io = program.run(bytes(8) + b"\xee" * size)
    seam.close_all()
    return s64(io), io[8:]


# The verifier refuses constant formats that the helper would, so a refused format only shows with a trusting kernel.
def test_formats_have_the_texts_of_the_kernel(seam):
    seen = {}
    for fmt, args in FORMATS:
        ret, out = snprintf(seam, fmt, args, 200)
        if isinstance(ret, int) and ret > 0:
            seen.setdefault(fmt, []).append(out.split(b"\0", 1)[0].decode())
            assert ret == len(out.split(b"\0", 1)[0]) + 1
    for fmt, texts in EXPECTED_TEXT.items():
        assert seen[fmt][: len(texts)] == texts


@pytest.mark.oracle
def test_formats_agree_with_the_kernel(trusting_kernel, linux_kernel):
    from beespace.testing.seamcalls import SeamCalls

    ours, theirs = SeamCalls(trusting_kernel), SeamCalls(linux_kernel)
    for fmt, args in FORMATS:
        expected, got = snprintf(theirs, fmt, args, 200), snprintf(ours, fmt, args, 200)
        if expected[0] == "EINVAL":
            assert "Invalid format string" in expected[1], fmt
            assert got[0] == -22, fmt
        else:
            assert got == expected, fmt


@pytest.mark.parametrize("size", [1, 2, 5, 6, 7])
def test_short_buffers_are_cut_and_terminated(seam, size):
    ret, out = snprintf(seam, "hello", [], size)
    assert ret == 6
    text = b"hello"[: size - 1] + b"\0"
    assert out == text.ljust(size, b"\xee")


def test_strncmp(seam):
    source = """
        r1 = r6
        r1 += 8
        r2 = {size}
        r3 = map_value:text ll
        call bpf_strncmp
        *(u64 *)(r6 + 0) = r0
        r0 = 0
        exit
    """
    text = constant(seam, b"hello\0\0\0")
    results = {}
    for size, given in [
        (5, b"hello"),
        (5, b"hellp"),
        (5, b"hella"),
        (4, b"hellz"),
        (8, b"hello\0x"),
        (8, b"hello!"),
        (1, b"\xff"),
    ]:
        io = run_with_io(seam, source.format(size=size), bytes(8) + given.ljust(16, b"\0"), {"text": text})
        value = s64(io)
        results[size, given] = (value > 0) - (value < 0)
    assert list(results.values()) == [0, 1, -1, 0, 0, 1, 1]


def test_current_task(seam):
    source = """
        r1 = r6
        r2 = 24
        call bpf_get_current_comm
        *(u64 *)(r6 + 24) = r0
        call bpf_get_current_pid_tgid
        r0 >>= 32
        *(u64 *)(r6 + 32) = r0
        call bpf_get_current_uid_gid
        *(u64 *)(r6 + 40) = r0
        call bpf_get_numa_node_id
        *(u64 *)(r6 + 48) = r0
        r0 = 0
        exit
    """
    io = run_with_io(seam, source, b"\xff" * 56)
    comm, ret, tgid, uid_gid, node = struct.unpack("<24sqQQQ", io)
    assert ret == 0
    assert comm[15:] == bytes(9)
    assert comm.rstrip(b"\0")
    assert tgid > 0
    assert uid_gid == 0
    assert node == 0


def test_clocks_do_not_run_backwards(seam):
    calls = "".join(
        f"call bpf_{name}\n*(u64 *)(r6 + {8 * i}) = r0\n"
        for i, name in enumerate(
            [
                "ktime_get_ns",
                "ktime_get_boot_ns",
                "ktime_get_ns",
                "ktime_get_tai_ns",
                "jiffies64",
            ]
        )
    )
    io = run_with_io(seam, f"{calls}r0 = 0\nexit\n", bytes(40))
    first, boot, second, tai, jiffies = struct.unpack("<5Q", io)
    assert first <= second
    assert boot >= first
    assert tai > 10**18
    assert jiffies > 4294667296 - 300_000


def test_cpu_and_random(seam):
    source = """
        call bpf_get_smp_processor_id
        r6 = r0
        call bpf_get_prandom_u32
        r7 = r0
        call bpf_get_prandom_u32
        if r0 == r7 goto same
        r0 = r6
        exit
    same:
        r0 = 99
        exit
    """
    fd = seam.load(RAW_TP, source)
    for cpu in range(2):
        assert seam.run(fd, flags=uapi.BPF_F_TEST_RUN_ON_CPU, cpu=cpu).retval == cpu


def test_raw_tp_refusals(seam):
    fd = seam.load(RAW_TP, "r0 = *(u64 *)(r1 + 16)\nexit")
    assert seam.run(fd, ctx=u64(1, 2, 0x1_0000_0003)).retval == 3
    assert seam.run(fd, ctx=u64(*range(12))).retval == 2
    assert seam.run(fd, ctx=u64(*range(13))) == "EINVAL"
    assert seam.run(fd, ctx=u64(1, 2, 3), cpu=1) == "EINVAL"
    assert seam.run(fd, ctx=u64(1, 2, 3), repeat=1) == "EINVAL"
    assert seam.run(fd, ctx=u64(1, 2, 3), data=b"x") == "EINVAL"
    assert seam.run(fd, ctx=u64(1, 2, 3), batch_size=1) == "EINVAL"
    assert seam.run(fd, ctx=u64(1, 2, 3), ctx_out=8) == "EINVAL"
    assert seam.run(fd, ctx=u64(1, 2, 3), flags=1, cpu=77) == "ENXIO"


def test_syscall_refusals(seam):
    fd = seam.load(SYSCALL, "r0 = -1\nexit")
    assert seam.run(fd).retval == 0xFFFFFFFF
    assert seam.run(fd, ctx=bytes(65535)).retval == 0xFFFFFFFF
    assert seam.run(fd, ctx=bytes(65536)) == "EINVAL"
    assert seam.run(fd, data=b"x") == "EINVAL"
    assert seam.run(fd, ctx_out=8) == "EINVAL"
    for field in ("repeat", "flags", "batch_size", "duration"):
        assert seam.run(fd, **{field: 1}) == "EINVAL"
    assert seam.run(fd, cpu=1).retval == 0xFFFFFFFF


def test_reading_user_memory(seam):
    source = """
        r1 = r6
        r1 += 16
        r2 = 8
        r3 = *(u64 *)(r6 + 0)
        call bpf_{name}
        *(u64 *)(r6 + 8) = r0
        r0 = 0
        exit
    """
    text = Buf(b"abc\0defgh")
    for name, expected in {
        "copy_from_user": (0, b"abc\0defg"),
        "probe_read_user": (0, b"abc\0defg"),
        "probe_read_user_str": (4, b"abc\0\0\0\0\0"),  # a word at a time
    }.items():
        io = run_with_io(seam, source.format(name=name), u64(text.address, 0) + b"\xee" * 8)
        assert (s64(io[8:]), io[16:]) == expected, name
        io = run_with_io(seam, source.format(name=name), u64(16, 0) + b"\xee" * 8)
        assert (s64(io[8:]), io[16:]) == (-14, bytes(8)), name
    long = Buf(b"0123456789")
    io = run_with_io(seam, source.format(name="probe_read_user_str"), u64(long.address, 0) + b"\xee" * 8)
    assert (s64(io[8:]), io[16:]) == (8, b"0123456\0")


def test_reading_kernel_memory(seam):
    source = """
        r1 = r6
        r1 += 8
        r2 = 8
        r3 = {address}
        call bpf_{name}
        *(u64 *)(r6 + 0) = r0
        r0 = 0
        exit
    """
    text = constant(seam, b"abc\0defgh".ljust(16, b"\0"))
    at = "map_value:text+1 ll"
    for name, address, expected in [
        ("probe_read_kernel", at, (0, b"bc\0defgh")),
        ("probe_read_kernel_str", at, (3, b"bc\0\xee\xee\xee\xee\xee")),
        ("probe_read_kernel", "0", (-34, bytes(8))),
        ("probe_read_kernel_str", "0", (-34, bytes(8))),
    ]:
        io = run_with_io(seam, source.format(name=name, address=address), bytes(8) + b"\xee" * 8, {"text": text})
        assert (s64(io), io[8:]) == expected, (name, address)


def test_trace_printk_returns_the_length(seam):
    fmt = b"a=%d b=%s\n\0"
    lines = []
    for off in range(0, 16, 4):
        word = int.from_bytes(fmt.ljust(16, b"\0")[off : off + 4], "little")
        lines.append(f"*(u32 *)(r10 {off - 16:+d}) = {word}")
    lines += ["r1 = r10", "r1 += -16", f"r2 = {len(fmt)}", "r3 = 42", "r4 = map_value:text ll", "r5 = 0"]
    lines += ["call bpf_trace_printk", "*(u64 *)(r6 + 0) = r0", "r0 = 0", "exit"]
    text = constant(seam, b"str\0\0\0\0\0")
    io = run_with_io(seam, "\n".join(lines), bytes(8), {"text": text})
    assert s64(io) == len("a=42 b=str\n")
    if hasattr(seam.kernel, "trace_pipe"):
        assert [line.text for line in seam.kernel.trace_pipe] == ["a=42 b=str\n"]
        assert "bpf_trace_printk: a=42" in str(seam.kernel.trace_pipe[0])
