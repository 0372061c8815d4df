"""What a test pays before its program runs: import, kernel, load, first run; each in fresh processes.

    python tools/bench_startup.py [ROUNDS]

Prints minimum, median and maximum in milliseconds, and the targets.
"""

import json
import os
import statistics
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PROBE = textwrap.dedent(
    """
    import json, sys, time
    clock = time.perf_counter
    t0 = clock()
    import beespace
    t1 = clock()
    kernel = beespace.Kernel(cpus=4)
    t2 = clock()
    obj = kernel.load(sys.argv[1])
    t3 = clock()
    frame = bytes(12) + bytes.fromhex("0800450000280000000040110000" "0a0000010a000002" "3039003500140000") + bytes(12)
    assert obj.progs.count_xdp.run(frame).retval == beespace.XDP_PASS
    t4 = clock()
    print(json.dumps({"import beespace": t1 - t0, "Kernel()": t2 - t1, "load and verify": t3 - t2, "first run": t4 - t3,
                      "Kernel() to first result": t4 - t1, "llvmlite loaded": float("llvmlite" in sys.modules)}))
    """
)
TARGETS = {"import beespace": 100, "Kernel() to first result": 50}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    obj = ROOT / "examples/flows/flows.bpf.o"
    samples: dict[str, list[float]] = {}
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(rounds + 1):  # the first round fills __pycache__ and the page cache
        out = subprocess.run(
            [sys.executable, "-c", PROBE, str(obj)], env=env, capture_output=True, text=True, check=True
        )
        for name, value in json.loads(out.stdout).items():
            samples.setdefault(name, []).append(value)
    print(f"{'':26}{'min':>9}{'median':>9}{'max':>9}  ms, {rounds} fresh processes")
    for name, values in samples.items():
        times = [1000 * value for value in values[1:]]
        if name == "llvmlite loaded":
            assert not any(times), "LLVM must load on first use"
            continue
        target = f"  target {TARGETS[name]}" if name in TARGETS else ""
        print(f"{name:26}{min(times):9.1f}{statistics.median(times):9.1f}{max(times):9.1f}{target}")


main()
