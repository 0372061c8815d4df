"""pytest for BPF programs: the fixture ``bpf_kernel``, on the simulated kernel, the real one, or both.

::

    def test_drops_short_frames(bpf_kernel):
        obj = bpf_kernel.load("filter.bpf.o")
        assert obj.progs.drop_short.run(bytes(14)).retval == beespace.XDP_DROP

``pytest --bpf-backend=both`` runs each such test twice; on the real kernel it is skipped, with the reason, where bpf(2)
is not allowed. ``--bpf-seed`` repeats a simulated run: the seed is printed in the header and with each failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from beespace.api import Kernel, LinuxKernel

__all__ = ["bpf_kernel"]

_BACKENDS = {"sim": ("sim",), "linux": ("linux",), "both": ("sim", "linux")}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("bpf")
    group.addoption("--bpf-backend", choices=sorted(_BACKENDS), default="sim", help="kernels for fixture bpf_kernel")
    group.addoption("--bpf-seed", type=int, default=0, help="seed of simulated kernels")
    group.addoption("--bpf-cpus", type=int, default=4, help="CPUs of simulated kernels")


def pytest_report_header(config: pytest.Config) -> str:
    return f"bpf: backend {config.getoption('--bpf-backend')}, seed {config.getoption('--bpf-seed')}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "bpf_kernel" in metafunc.fixturenames:
        metafunc.parametrize("bpf_kernel", _BACKENDS[metafunc.config.getoption("--bpf-backend")], indirect=True)


@pytest.fixture
def bpf_kernel(request: pytest.FixtureRequest) -> Iterator[Kernel | LinuxKernel]:
    """A kernel of the backend that was asked for, closed after the test."""
    import beespace

    if request.param == "sim":
        seed, cpus = request.config.getoption("--bpf-seed"), request.config.getoption("--bpf-cpus")
        with beespace.Kernel(cpus=cpus, seed=seed) as kernel:
            yield kernel
        return
    linux = beespace.LinuxKernel()
    reason = linux.allowed()
    if reason is not None:
        pytest.skip(f"bpf(2) is not usable: {reason}")
    with linux:
        yield linux
