"""kopf with one raw event handler: `python -m tests.bench.peers.kopf_event URL`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import kopf

from tests.bench.peers.clock import EventClock

clock = EventClock()


@kopf.on.login()
def login(**_: Any) -> kopf.ConnectionInfo:
    return kopf.ConnectionInfo(server=sys.argv[1])


@kopf.on.startup()
def quiet(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False


@kopf.on.event("", "v1", "pods")
def event(type: str | None, **_: Any) -> None:  # noqa: A002 - kopf's name
    if type == "MODIFIED":
        clock.tick()


asyncio.run(kopf.operator(clusterwide=True, standalone=True))
