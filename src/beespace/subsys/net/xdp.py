"""XDP at run time: BPF_PROG_TEST_RUN and the helpers that move the ends of a frame.

:see: net/bpf/test_run.c:bpf_prog_test_run_xdp, net/core/filter.c
"""

from __future__ import annotations

from errno import EACCES, EFAULT, EINVAL, ENODEV, ENOMEM

from beespace.decl import RunContext, implements
from beespace.decl.testrun import PacketPlan, TestRunEnv, TestRunRequest, TestRunResult
from beespace.decl.words import s32
from beespace.errors import SyscallError, Unsupported
from beespace.mem import raw
from beespace.subsys.net.context import XDP, PacketContext, packet_of
from beespace.subsys.net.testrun import ETH_HLEN, LOOPBACK_IFINDEX, read_ctx
from beespace.uapi import bpf as uapi

__all__ = ["XDP_PACKETS", "bpf_prog_test_run_xdp"]

# Offsets in struct xdp_md.
_DATA, _DATA_END, _DATA_META, _INGRESS_IFINDEX, _RX_QUEUE_INDEX, _EGRESS_IFINDEX = range(0, 24, 4)

_FRAME_BYTES = 4096  # PAGE_SIZE: one buffer of a test run
_HEADROOM = 256  # XDP_PACKET_HEADROOM
_TAILROOM = 320  # SKB_DATA_ALIGN(sizeof(struct skb_shared_info))
_FRAME_HEADER = 40  # sizeof(struct xdp_frame), kept free at the start of the headroom
_FRAG_BYTES, _MAX_FRAGS = 4096, 17  # PAGE_SIZE, MAX_SKB_FRAGS
_META_MAX = 255  # type_max(skb_shared_info.meta_len)


XDP_PACKETS = PacketPlan(
    frame_bytes=_FRAME_BYTES,
    headroom=_HEADROOM,
    tailroom=_TAILROOM,
    min_bytes=ETH_HLEN,
    max_bytes=_FRAME_BYTES - _HEADROOM - _TAILROOM,
    ctx_bytes=XDP.size,
    **{name: XDP.offsets[name][0] for name in ("data", "data_end", "data_meta", "head", "end")},
    words=((_INGRESS_IFINDEX, LOOPBACK_IFINDEX),),
    not_attach_types=frozenset({uapi.BPF_XDP_DEVMAP, uapi.BPF_XDP_CPUMAP}),
)


def bpf_prog_test_run_xdp(request: TestRunRequest, env: TestRunEnv) -> TestRunResult:
    """BPF_PROG_TEST_RUN of an XDP program on one frame of loopback.

    A frame that does not fit into a page goes on in fragments; the program sees the linear part.

    :raises SyscallError: EINVAL for frames shorter than an Ethernet header or contexts that contradict the frame,
        ENOMEM for one of more than 17 fragments.
    :raises Unsupported: live-frames mode.
    """
    if env.expected_attach_type in (uapi.BPF_XDP_DEVMAP, uapi.BPF_XDP_CPUMAP):
        raise SyscallError(EINVAL, "BPF_PROG_TEST_RUN of a devmap or cpumap program")
    if request.flags & uapi.BPF_F_TEST_XDP_LIVE_FRAMES:
        raise Unsupported("BPF_F_TEST_XDP_LIVE_FRAMES")
    if request.flags or request.batch_size:
        raise SyscallError(EINVAL, "BPF_PROG_TEST_RUN of an XDP program: flags or batch_size")
    data = request.data_in or b""
    ctx = read_ctx(request, XDP.uapi_size)
    meta, linear = 0, len(data)
    if ctx is not None:
        meta, linear = _check_ctx(ctx, len(data))
    limit = _FRAME_BYTES - (_HEADROOM - meta) - _TAILROOM
    if len(data) - meta < ETH_HLEN:
        raise SyscallError(EINVAL, f"BPF_PROG_TEST_RUN: frame of {len(data) - meta} bytes, an Ethernet header has 14")
    linear = min(linear, limit)
    if len(data) - linear > _MAX_FRAGS * _FRAG_BYTES:
        raise SyscallError(
            ENOMEM, f"BPF_PROG_TEST_RUN: frame of {len(data)} bytes needs more than {_MAX_FRAGS} fragments"
        )

    packet = _build(env, data, linear, meta, ctx)
    r0, duration = env.execute(packet.address, request.repeat)
    out = bytearray(ctx) if ctx is not None else None
    if out is not None:
        base = packet.get("data_meta")
        out[_DATA : _DATA + 4] = (packet.data - base).to_bytes(4, "little")
        out[_DATA_END : _DATA_END + 4] = (packet.data_end - base).to_bytes(4, "little")
    frame = raw.read_bytes(packet.get("data_meta"), packet.data_end - packet.get("data_meta"))
    frame += raw.read_bytes(packet.get("frags"), packet.get("frags_size"))
    return TestRunResult(r0 & 0xFFFF_FFFF, frame, bytes(out) if out is not None else None, duration)


def _check_ctx(ctx: bytes, size: int) -> tuple[int, int]:
    # -> (bytes of meta data, bytes of meta data and linear part)
    field = [int.from_bytes(ctx[off : off + 4], "little") for off in range(0, XDP.uapi_size, 4)]
    data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex = field
    bad = data_meta or data_end > size or data > data_end or egress_ifindex
    if bad or _metalen_invalid(data) or data > _HEADROOM - _FRAME_HEADER:
        raise SyscallError(EINVAL, "BPF_PROG_TEST_RUN: struct xdp_md contradicts the frame")
    if ingress_ifindex:
        if ingress_ifindex != LOOPBACK_IFINDEX:
            raise SyscallError(ENODEV, f"BPF_PROG_TEST_RUN: no interface {ingress_ifindex} (loopback is 1)")
        if rx_queue_index:
            raise SyscallError(EINVAL, f"BPF_PROG_TEST_RUN: loopback has no receive queue {rx_queue_index}")
    elif rx_queue_index:
        raise SyscallError(EINVAL, "BPF_PROG_TEST_RUN: rx_queue_index without ingress_ifindex")
    return data, data_end


def _build(env: TestRunEnv, data: bytes, linear: int, meta: int, ctx: bytes | None) -> PacketContext:
    frame = env.borrow("xdp frame", _FRAME_BYTES)
    address = env.borrow("xdp_md", XDP.size).base
    packet = PacketContext(env.mem, XDP, address, frame)
    start = frame.base + _HEADROOM - meta
    raw.write_bytes(start, data[:linear])
    end = frame.base + _FRAME_BYTES - _TAILROOM
    packet.place(frame.base, end, start + meta, start + linear, start)
    if linear < len(data):
        frags = env.borrow("xdp frags", _MAX_FRAGS * _FRAG_BYTES).base
        raw.write_bytes(frags, data[linear:])
        packet.set("frags", frags)
        packet.set("frags_size", len(data) - linear)
    packet.set_u32(_INGRESS_IFINDEX, LOOPBACK_IFINDEX)
    if ctx is not None:
        packet.set_u32(_RX_QUEUE_INDEX, int.from_bytes(ctx[_RX_QUEUE_INDEX : _RX_QUEUE_INDEX + 4], "little"))
    return packet


def _metalen_invalid(metalen: int) -> bool:
    return metalen % 4 != 0 or metalen > _META_MAX


@implements("bpf_xdp_adjust_head")
def bpf_xdp_adjust_head(run: RunContext, xdp: int, offset: int) -> int:
    packet = packet_of(run, xdp, XDP)
    offset = s32(offset)
    data, meta = packet.data, packet.get("data_meta")
    moved = data + offset
    if moved < packet.get("head") + _FRAME_HEADER + (data - meta) or moved > packet.data_end - ETH_HLEN:
        return -EINVAL
    raw.write_bytes(meta + offset, raw.read_bytes(meta, data - meta))
    packet.set("data_meta", meta + offset)
    packet.set("data", moved)
    packet.expose()
    return 0


@implements("bpf_xdp_adjust_tail")
def bpf_xdp_adjust_tail(run: RunContext, xdp: int, offset: int) -> int:
    packet = packet_of(run, xdp, XDP)
    offset = s32(offset)
    if packet.get("frags_size"):
        return _shrink_frags(packet, -offset) if offset < 0 else _grow_frags(packet, offset)
    old = packet.data_end
    if old + offset > packet.get("end") or old + offset < packet.data + ETH_HLEN:
        return -EINVAL
    if offset > 0:  # the tailroom may hold bytes of an earlier, longer frame
        raw.fill(old, 0, offset)
    packet.set("data_end", old + offset)
    packet.expose()
    return 0


def _shrink_frags(packet: PacketContext, size: int) -> int:
    if size > 0x7FFF_FFFF:
        return 0  # -INT_MIN is negative in an int: nothing to shrink
    if size > _buff_len(packet) - ETH_HLEN:
        return -EINVAL
    frags_size = packet.get("frags_size")
    packet.set("frags_size", max(frags_size - size, 0))
    if size > frags_size:
        packet.set("data_end", packet.data_end - (size - frags_size))
        packet.expose()
    return 0


def _grow_frags(packet: PacketContext, size: int) -> int:
    # only the last fragment can grow, to the end of its page
    frags_size = packet.get("frags_size")
    if size > -frags_size % _FRAG_BYTES:
        return -EINVAL
    raw.fill(packet.get("frags") + frags_size, 0, size)
    packet.set("frags_size", frags_size + size)
    return 0


def _buff_len(packet: PacketContext) -> int:
    return packet.length + packet.get("frags_size")


@implements("bpf_xdp_adjust_meta")
def bpf_xdp_adjust_meta(run: RunContext, xdp: int, offset: int) -> int:
    packet = packet_of(run, xdp, XDP)
    meta = packet.get("data_meta") + s32(offset)
    if meta < packet.get("head") + _FRAME_HEADER or meta > packet.data:
        return -EINVAL
    if _metalen_invalid(packet.data - meta):
        return -EACCES
    packet.set("data_meta", meta)
    packet.expose()
    return 0


@implements("bpf_xdp_get_buff_len")
def bpf_xdp_get_buff_len(run: RunContext, xdp: int) -> int:
    return _buff_len(packet_of(run, xdp, XDP))


def _spans(packet: PacketContext, offset: int, size: int) -> list[tuple[int, int]] | int:
    # Where *size* bytes at *offset* are, as (address, bytes) in the linear part and the fragments; or an errno.
    if offset > 0xFFFF or size > 0xFFFF:
        return -EFAULT
    if offset + size > _buff_len(packet):
        return -EINVAL
    inside = max(min(size, packet.length - offset), 0)
    spans = [(packet.data + offset, inside)] if inside else []
    if inside < size:
        spans.append((packet.get("frags") + offset + inside - packet.length, size - inside))
    return spans


@implements("bpf_xdp_load_bytes")
def bpf_xdp_load_bytes(run: RunContext, xdp: int, offset: int, buf: int, size: int) -> int:
    spans = _spans(packet_of(run, xdp, XDP), offset, size)
    if isinstance(spans, int):
        return spans
    run.mem.write(buf, b"".join(raw.read_bytes(address, length) for address, length in spans))
    return 0


@implements("bpf_xdp_store_bytes")
def bpf_xdp_store_bytes(run: RunContext, xdp: int, offset: int, buf: int, size: int) -> int:
    spans = _spans(packet_of(run, xdp, XDP), offset, size)
    if isinstance(spans, int):
        return spans
    data = run.mem.read(buf, size)
    for address, length in spans:
        raw.write_bytes(address, data[:length])
        data = data[length:]
    return 0


@implements("bpf_xdp_redirect")
def bpf_xdp_redirect(run: RunContext, ifindex: int, flags: int) -> int:
    # Where the frame would go is decided by the driver after the run; a test run drops it.
    return uapi.XDP_ABORTED if flags else uapi.XDP_REDIRECT
