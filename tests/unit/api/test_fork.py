"""A kernel made before fork(2) works on both sides afterwards; each side has its own maps."""

import os
import sys
from pathlib import Path

import pytest

import beespace

FLOWS = Path(__file__).parents[3] / "examples/flows/flows.bpf.o"
FRAME = bytes(12) + bytes.fromhex("08004500002800000000401100000a0000010a0000023039003500140000") + bytes(12)

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def packets(obj):
    return [flow.packets for _, flow in obj.maps.flows.items()]


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_both_sides_go_on(engine):
    with beespace.Kernel(cpus=2, engine=engine) as kernel:
        obj = kernel.load(FLOWS)
        assert obj.progs.count_xdp.run(FRAME).retval == beespace.XDP_PASS
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for _ in range(3):
                    obj.progs.count_xdp.run(FRAME)
                obj.progs.count_tc.run(FRAME)
                with beespace.Kernel(cpus=1, engine=engine) as other:
                    fresh = other.load(FLOWS)
                    fresh.progs.count_xdp.run(FRAME)
                    code = 0 if packets(obj) == [5] and packets(fresh) == [1] else 2
            finally:
                sys.stdout.flush()
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        obj.progs.count_xdp.run(FRAME)
        assert packets(obj) == [2]
