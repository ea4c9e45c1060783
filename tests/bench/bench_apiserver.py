"""
What does `ctrlkit apiserver` cost, which knows every kind of a release?

Budget   1,500 ms of processor until it says it is ready, TLS and the furniture of a new cluster included; 90 MB of
         memory then; a create, get, update and delete of a ConfigMap no more than 60 times json.loads and json.dumps.
Sketch   Imports take two thirds of the start, the 180 objects of the furniture a tenth, the certificate little; the
         facts of a release are 120 KB of JSON, its documents are read when somebody asks. A request decodes, types,
         owns and encodes an object of 300 bytes: some 25 passes over it.
Method   The command in a process of its own, its own clock and memory as the system counts them, the best of 3. The
         tracker in this process, without HTTP.
Run      make bench ARGS=apiserver
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model.kinds import CONFIG_MAPS
from tests.bench.case import Case, Figure

ROUNDS = 50
BODY = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "default", "labels": {"app": "web", "tier": "front"}},
    "data": {f"key-{number}": "a value of some length" for number in range(5)},
}


def cases() -> list[Case | Figure]:
    """Start, memory, and requests."""
    return [
        Figure(name="apiserver: start to ready", take=lambda: min(ms for ms, _ in _starts()), unit="ms", budget=1_500),
        Figure(name="apiserver: memory when empty", take=lambda: min(mb for _, mb in _starts()), unit="MB", budget=90),
        Case(
            name="apiserver: four requests about a ConfigMap, against its JSON read and written",
            subject=_requests,
            baseline=_json,
            operations=ROUNDS,
            budget=60.0,
        ),
    ]


@cache
def _starts() -> list[tuple[float, float]]:
    return [_start() for _ in range(3)]


def _start() -> tuple[float, float]:
    """Milliseconds of processor until the server is ready, and its memory then, in MB."""
    command = [sys.executable, "-m", "ctrlkit", "apiserver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("ready https://")
            words = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
            ticks = int(words[11]) + int(words[12])
            pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
        finally:
            server.terminate()
    return ticks / os.sysconf("SC_CLK_TCK") * 1e3, pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _requests() -> None:
    tracker = Tracker()
    for _ in range(ROUNDS):
        made = tracker.create(CONFIG_MAPS, BODY)
        tracker.get(CONFIG_MAPS, "default/a")
        tracker.update(CONFIG_MAPS, made | {"data": {"other": "value"}})
        tracker.delete(CONFIG_MAPS, "default/a")


def _json() -> None:
    text = json.dumps(BODY)
    for _ in range(ROUNDS):
        json.dumps(json.loads(text))
