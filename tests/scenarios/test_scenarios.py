"""Every scenario recorded on Linux 6.18, on the simulation and on the running kernel.

The scenarios are not part of the repository: they are looked for beside the checkout (``../shared/golden``) or where
BEESPACE_GOLDEN says. What the simulation does not do yet stands, with the reason, in ``expected_failures.txt``; a
scenario that stands there and passes fails the test, so the list can only shrink; ``tools/golden_failures.py``
writes it.
"""

import os
from pathlib import Path

import pytest

import golden  # tools/golden.py: plays in simulated time
from beespace.testing.golden import LinuxEngine
from beespace.testing.scenarios import find_scenarios, in_child, mount_private_bpffs, play_scenario

GOLDEN = Path(os.environ.get("BEESPACE_GOLDEN") or Path(__file__).parents[3] / "shared/golden")
EXPECTED = Path(__file__).with_name("expected_failures.txt")
SCENARIOS = find_scenarios(GOLDEN)
SECONDS = 600

pytestmark = pytest.mark.skipif(not SCENARIOS, reason=f"no scenarios in {GOLDEN}; BEESPACE_GOLDEN names their folder")


def name_of(path):
    return f"{path.parent.name}/{path.stem}"


def expected_failures():
    lines = (line for line in EXPECTED.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split(": ", 1) for line in lines)


EXPECTED_FAILURES = expected_failures()
cases = pytest.mark.parametrize("path", [pytest.param(path, id=name_of(path)) for path in SCENARIOS])


def fail_on(mismatches):
    if mismatches and mismatches[0].startswith("skip: "):
        pytest.skip(mismatches[0].removeprefix("skip: "))
    assert not mismatches, "\n".join(mismatches)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 30)
@cases
def test_simulation_does_what_linux_did(path):
    mismatches = in_child(lambda: golden.play(path, str(GOLDEN / "runner"), "interp") or [], seconds=SECONDS)
    reason = EXPECTED_FAILURES.get(name_of(path))
    if reason is not None:
        assert mismatches, f"passes now: take {name_of(path)} ({reason}) off {EXPECTED.name}"
        pytest.xfail(reason)
    fail_on(mismatches)


@pytest.mark.slow
@pytest.mark.oracle
@pytest.mark.timeout(SECONDS + 30)
@cases
def test_running_kernel_does_what_linux_did(path, linux_kernel):
    if linux_kernel.features.version != "6.18":
        pytest.skip(f"recorded on 6.18, this is {linux_kernel!r}")
    fail_on(play_scenario(path, LinuxEngine, mount_private_bpffs, seconds=SECONDS))


def test_expected_failures_name_scenarios():
    assert EXPECTED_FAILURES.keys() <= {name_of(path) for path in SCENARIOS}
