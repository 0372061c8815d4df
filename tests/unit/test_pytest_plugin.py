"""The plugin as its users have it: pytest in a process of its own, on one kernel, on both, and without bpf(2)."""

import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import beespace

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

FLOWS = Path(__file__).parents[2] / "examples/flows/flows.bpf.o"
TESTS = f"""
import beespace

def test_passes_what_it_does_not_know(bpf_kernel):
    obj = bpf_kernel.load({str(FLOWS)!r})
    assert obj.progs.count_xdp.run(bytes(64)).retval == beespace.XDP_PASS
    print("kernel:", type(bpf_kernel).__name__)

def test_needs_no_kernel():
    pass
"""
WITHOUT = """
def pytest_configure():
    from beespace.testing.unprivileged import drop_capabilities, hide_bpf
    {}
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest on TESTS: (outcomes, output)."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(beespace.__file__).parents[1]))
    installed = any(point.value == "beespace.pytest_plugin" for point in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "beespace.pytest_plugin")

    def run(*options, conftest=""):
        pytester.makepyfile(TESTS)
        pytester.makeconftest(conftest)
        result = pytester.run(sys.executable, "-m", "pytest", "-v", "-rs", "-s", *plugin, *options)
        return result.parseoutcomes() if result.ret != pytest.ExitCode.USAGE_ERROR else {}, result.stdout.str()

    return run


def test_the_simulated_kernel_is_the_default(run):
    outcomes, output = run()
    assert outcomes == {"passed": 2}
    assert "test_passes_what_it_does_not_know[sim]" in output
    assert "bpf: backend sim, seed 0" in output
    assert "kernel: Kernel" in output


@pytest.mark.oracle
@pytest.mark.parametrize(("backend", "kernels"), [("linux", ["LinuxKernel"]), ("both", ["Kernel", "LinuxKernel"])])
def test_each_backend_gets_its_kernel(run, linux_kernel, backend, kernels):
    outcomes, output = run(f"--bpf-backend={backend}")
    assert outcomes == {"passed": 1 + len(kernels)}
    assert re.findall(r"kernel: (\w+)", output) == kernels


@pytest.mark.parametrize(
    ("how", "reason"),
    [("drop_capabilities()", "this process lacks CAP_BPF"), ("hide_bpf(38)", "this kernel has no bpf\\(2\\)")],
)
def test_without_bpf_the_real_kernels_tests_are_skipped_with_the_reason(run, how, reason):
    outcomes, output = run("--bpf-backend=both", conftest=WITHOUT.format(how))
    assert outcomes == {"passed": 2, "skipped": 1}
    assert re.search(rf"SKIPPED \[1\] .*bpf\(2\) is not usable: BPF_MAP_CREATE: \w+: {reason}", output)
    assert "kernel: Kernel" in output


def test_a_seed_repeats_a_run(run):
    outcomes, output = run("--bpf-seed=7")
    assert outcomes == {"passed": 2}
    assert "seed 7" in output


def test_unknown_backends_are_refused(run):
    outcomes, _ = run("--bpf-backend=windows")
    assert outcomes == {}
