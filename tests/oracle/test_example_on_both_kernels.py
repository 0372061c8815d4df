"""examples/flows: verdict, statistics, every packet's result and the maps at the end, on both kernels."""

import os
from pathlib import Path

import pytest

import beespace
from beespace.api.pcap import read_capture
from beespace.testing.differ import diff_object

FLOWS = Path(__file__).parents[2] / "examples/flows"
TIMES = slice(16, 32)  # struct flow: first_ns, last_ns


def without_times(map_name, value):
    return value[: TIMES.start] + bytes(16) + value[TIMES.stop :] if map_name == "flows" else value


@pytest.mark.oracle
@pytest.mark.parametrize("prog", ["count_xdp", "count_tc"])
@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_flows_agree_packet_by_packet(linux_kernel, request, prog, engine):
    inputs = [(packet.data, None) for packet in read_capture(str(FLOWS / "traffic.pcap"))]
    cpus = linux_kernel.features.cpus
    before = os.sched_getaffinity(0)
    request.addfinalizer(lambda: os.sched_setaffinity(0, before))
    os.sched_setaffinity(0, {min(before)})  # per-CPU totals: all packets on one CPU
    (result,) = diff_object(
        FLOWS / "flows.bpf.o",
        lambda: beespace.Kernel(cpus=cpus, engine=engine),
        beespace.LinuxKernel,
        progs=[prog],
        inputs=inputs,
        volatile_fields=without_times,
    )
    assert not result.unsupported
    assert len(result.lines) > 3 * len(inputs)
    assert result.differences == []
