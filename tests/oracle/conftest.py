"""Tests with a parameter "sim" run on the simulated kernel too, as far as it goes."""

import pytest

from beespace.errors import Unsupported


def skip_if_simulated(item, reason):
    """What a simulated kernel does not model it says; then the test is the real kernel's alone."""
    if hasattr(item, "callspec") and "sim" in item.callspec.params.values():
        pytest.skip(str(reason))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """The test itself."""
    try:
        return (yield)
    except Unsupported as reason:
        skip_if_simulated(pyfuncitem, reason)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    """Its fixtures."""
    try:
        return (yield)
    except Unsupported as reason:
        skip_if_simulated(request.node, reason)
        raise
