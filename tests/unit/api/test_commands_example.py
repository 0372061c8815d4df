"""examples/commands on the simulated kernel, with both engines, and on the real one."""

import asyncio
import importlib.util
from pathlib import Path

import pytest

import beespace

FOLDER = Path(__file__).parents[3] / "examples/commands"


@pytest.fixture(scope="module")
def client():
    spec = importlib.util.spec_from_file_location("commands_client", FOLDER / "client.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["interp", "jit", pytest.param("linux", marks=pytest.mark.oracle)])
def kernel(request):
    if request.param != "linux":
        with beespace.Kernel(engine=request.param) as kernel:
            yield kernel
        return
    kernel = beespace.LinuxKernel()
    if reason := kernel.allowed():
        pytest.skip(reason)
    yield kernel


def test_the_example(client, kernel, capsys):
    totals = asyncio.run(client.main(kernel))
    assert totals == [sum(range(number, 1000, 16)) for number in range(16)]
    assert "counter 16: [Errno 2] command 1019" in capsys.readouterr().out


def test_answers_find_their_commands(client, kernel):
    async def main():
        async with client.Counters(kernel) as counters:
            results = await asyncio.gather(
                counters.command(client.ADD, 0, 5),
                counters.command(7, 0),
                counters.command(client.GET, 0),
                counters.command(client.GET, 99),
                return_exceptions=True,
            )
            return results, counters.obj.bss.unanswered

    results, unanswered = asyncio.run(main())
    assert [result if isinstance(result, int) else result.errno for result in results] == [5, 22, 5, 2]
    assert unanswered == 0
