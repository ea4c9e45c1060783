"""
What does `import ctrlkit`, with every public name used, cost in time and memory?

Budget   200 ms and 40 MB.
Sketch   asyncio 40 ms, structlog 30, msgspec 10, our own modules 60. aiohttp and kubernetes, 100 ms each, must not be
         among them: they are imported when a server is connected to.
Method   A fresh interpreter each time, best of 5; time from the first line to the last, peak memory (Linux).
Run      make bench ARGS=import
"""

from __future__ import annotations

import subprocess
import sys

from tests.bench.case import Figure

PROGRAM = """
import time
start = time.perf_counter()
import ctrlkit
for name in ctrlkit.__all__:
    getattr(ctrlkit, name)
seconds = time.perf_counter() - start
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seconds * 1000, int(peak.split()[1]) / 1024)
"""


def cases() -> list[Figure]:
    """Time and memory."""
    return [
        Figure(name="import ctrlkit: time", take=lambda: min(_import()[0] for _ in range(5)), unit="ms", budget=200),
        Figure(name="import ctrlkit: memory", take=lambda: min(_import()[1] for _ in range(3)), unit="MB", budget=40),
    ]


def _import() -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    milliseconds, megabytes = done.stdout.split()
    return float(milliseconds), float(megabytes)
