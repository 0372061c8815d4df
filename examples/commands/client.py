"""Commands to a BPF program and its answers, in asyncio.

    python examples/commands/client.py [--linux]

The program runs when somebody drains: here a task does, whenever commands were sent. Run without privileges on the
simulated kernel, or as root with --linux on the real one: the same lines, the same answers.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from pathlib import Path
from typing import Any

import beespace

OBJECT = Path(__file__).with_name("commands.bpf.o")
ADD, GET, RESET = range(3)
ANSWERS = 16384 // 32 - 1  # that fit into their ring buffer
_COMMAND = struct.Struct("<QIIQ")  # struct command


class Counters:
    """The user's side of the counter service. ``async with Counters(kernel) as counters: ...``"""

    def __init__(self, kernel: Any) -> None:
        self.obj = kernel.load(OBJECT)
        self.commands = beespace.UserRingBuffer(self.obj.maps.commands)
        self.answers = beespace.RingBuffer(self.obj.maps.answers, type="struct answer")
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._sent = asyncio.Event()
        self._answerable = asyncio.Semaphore(ANSWERS)  # the program drops an answer for which there is no room
        self._next_id = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Counters:
        self._tasks = [asyncio.create_task(self._serve()), asyncio.create_task(self._receive())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.answers.close()
        self.commands.close()
        self.obj.close()

    async def command(self, operation: int, counter: int, value: int = 0) -> int:
        """Carry out one command. :raises OSError: what the program answered."""
        async with self._answerable:
            self._next_id += 1
            number = self._next_id
            answered = self._waiting[number] = asyncio.get_running_loop().create_future()
            # Waits for room when the program is behind; other tasks go on.
            with await self.commands.areserve(_COMMAND.size) as room:
                _COMMAND.pack_into(room, 0, number, counter, operation, value)
            self._sent.set()
            answer = await answered
        if answer.error:
            raise OSError(-answer.error, f"command {number}")
        result: int = answer.value
        return result

    # Let the program drain what was sent.
    async def _serve(self) -> None:
        while True:
            await self._sent.wait()
            self._sent.clear()
            self.obj.progs.serve.run()

    async def _receive(self) -> None:
        async for answer in self.answers:
            self._waiting.pop(answer.id).set_result(answer)


async def main(kernel: Any) -> list[int]:
    """A thousand tasks; a hundred commands fit into their ring buffer at a time."""
    async with Counters(kernel) as counters:
        await asyncio.gather(*(counters.command(ADD, number % 16, number) for number in range(1000)))
        totals = list(await asyncio.gather(*(counters.command(GET, number) for number in range(16))))
        await counters.command(RESET, 3)
        assert await counters.command(GET, 3) == 0
        try:
            await counters.command(GET, 16)
        except OSError as error:
            sys.stdout.write(f"counter 16: {error}\n")
        sys.stdout.write(f"totals: {totals}\n")
        return totals


if __name__ == "__main__":
    with beespace.LinuxKernel() if "--linux" in sys.argv else beespace.Kernel() as kernel:
        asyncio.run(main(kernel))
