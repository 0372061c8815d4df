"""Hours of a flow table in milliseconds: `pytest examples/expiry`."""

import socket
import struct
from pathlib import Path

import pytest

import beespace

HERE = Path(__file__).parent
MINUTE = 60
HOURS = 8


@pytest.fixture(params=["interp", "jit"])
def kernel(request):
    with beespace.Kernel(cpus=2, engine=request.param) as kernel:
        yield kernel


def packet(source, dest="10.0.0.2"):
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20, 0, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(dest))
    return bytes(12) + struct.pack(">H", 0x0800) + ip


def test_a_flow_is_forgotten_when_it_was_idle(kernel):
    obj = kernel.load(HERE / "expiry.bpf.o")
    obj.progs.track.run(packet("10.0.0.1"))
    kernel.advance(seconds=29)
    obj.progs.track.run(packet("10.0.0.1"))
    kernel.advance(seconds=29)
    (flow,) = obj.maps.flows.values()
    assert (flow.packets, flow.last_ns - flow.first_ns) == (2, 29 * 10**9)
    assert kernel.next_event() == 10**9
    kernel.advance(seconds=1)
    assert len(obj.maps.flows) == 0
    assert obj.bss.expired == 1


def test_hours_of_flows_on_two_cpus(kernel):
    obj = kernel.open(HERE / "expiry.bpf.o")
    obj.rodata.idle_ns = 5 * MINUTE * 10**9
    obj.load()
    for minute in range(HOURS * 60):
        with kernel.on_cpu(minute % 2):
            obj.progs.track.run(packet(f"10.0.{minute % 250}.1"))
        kernel.advance(seconds=MINUTE)
        assert len(obj.maps.flows) == min(minute + 1, 4)  # the fifth minute ends one
    kernel.run_until_idle()
    assert (len(obj.maps.flows), obj.bss.expired) == (0, HOURS * 60)


def test_closing_the_table_ends_its_timers(kernel):
    obj = kernel.load(HERE / "expiry.bpf.o")
    for number in range(100):
        obj.progs.track.run(packet(f"10.1.0.{number}"))
    assert len(kernel.timers()) == 100
    obj.close()
    assert (kernel.timers(), kernel.next_event()) == ([], None)


@pytest.mark.parametrize("form", ["seed_v3.bpf.o", "seed.bpf.o"])
def test_the_program_that_introduced_timers(kernel, form):
    """It loads as the fentry program it is; to run without being attached, it gets its context as a system call."""
    kernel.load(HERE / form)
    obj = kernel.open(HERE / form)
    test1 = obj.progs.test1
    test1.prog_type, test1.expected_attach_type = beespace.BPF_PROG_TYPE_SYSCALL, 0
    test1.flags = beespace.BPF_F_SLEEPABLE
    obj.load()
    obj.maps.hmap[0] = {}
    assert test1.run(ctx=struct.pack("<Q", 1)).retval == 0
    assert kernel.next_event() == 1000
    kernel.advance(us=1)
    assert obj.maps.hmap[0].counter == 1
