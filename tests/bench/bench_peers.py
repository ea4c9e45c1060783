"""
What does an event cost us, over HTTP, and what do other clients pay for the same stream?

Budget   Ours at most 1.0 x json.loads of the same line, socket and HTTP included. The others have none.
Sketch   Ours: 0.4 x json.loads from line to handler (bench_watch_event), and aiohttp's share for 4.5 KB, about 3 us.
Method   A server in a process of its own streams 5,000 events of 100 pods; each client is a process of its own, whose
         processor time counts from event 500 to the last. json.loads is timed here on the same lines. Clients that are
         not installed are left out: `pip install lightkube kopf` brings the ones that no other part of this needs.
Run      make bench ARGS=peers
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from time import process_time

from tests.bench.case import Figure
from tests.bench.pods import lines

OURS = ("ctrlkit_informer", "ctrlkit")
OTHERS = (("official_informer", "kubernetes"), ("lightkube_watch", "lightkube"), ("kopf_event", "kopf"))
TIMEOUT_S = 60


def cases() -> list[Figure]:
    """Ours, then all others that are installed."""
    there = [(program, package) for program, package in OTHERS if importlib.util.find_spec(package)]
    return [_figure(*OURS, budget=1.0), *(_figure(*other, budget=None) for other in there)]


def _figure(program: str, package: str, *, budget: float | None) -> Figure:
    name = f"peers: an event over HTTP, {package} ({program})"
    return Figure(name=name, take=_follow(program), baseline=_loads_us, unit="us", budget=budget)


def _follow(program: str) -> Callable[[], float]:
    def run() -> float:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.peers.stream"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            command = [sys.executable, "-m", f"tests.bench.peers.{program}", url]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
            return float(done.stdout.split()[-1])
        finally:
            server.kill()
            server.communicate()

    return run


def _loads_us() -> float:
    made = lines(1000, first_version=1)
    best = float("inf")
    for _ in range(5):
        start = process_time()
        for line in made:
            json.loads(line)
        best = min(best, process_time() - start)
    return best / len(made) * 1e6
