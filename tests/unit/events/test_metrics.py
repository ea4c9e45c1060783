"""Each declared metric is registered and moves."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from ctrlkit.client import Client
from ctrlkit.errors import Forbidden
from ctrlkit.events import EventRecorder
from ctrlkit.events import recorder as recorder_module
from ctrlkit.events.metrics import EventCollector
from ctrlkit.model import ObjectMeta
from tests.support.scrape import samples
from tests.unit.events.support import EventServer, recording, say


@pytest.mark.behaviour("B15", "B19")
async def test_each_declared_metric_is_registered_and_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded, merged, aggregated, told, dropped, recovered, written, and what waits."""
    monkeypatch.setattr(recorder_module, "PENDING_MAX", 12)
    server, registry = EventServer(Forbidden("no")), CollectorRegistry()
    async with recording(server) as recorder:
        registry.register(EventCollector(lambda: [recorder]))
        before = samples(registry)
        for number in range(27):
            say(recorder, f"message {number % 11}")
        middle = samples(registry)
        await recorder.flush(timeout_s=1)
        say(recorder, "nobody hears")
        await asyncio.sleep(300)
        say(recorder, "message 0")
        await recorder.flush(timeout_s=1)
        for number in range(13):
            say(recorder, reason=f"Reason{number}", about=ObjectMeta(name=f"web-{number}"))
        after = samples(registry)
    label = 'api="v1",component="bitcoin"'
    for family in EventCollector.families:
        mine = [key for key in after if key.startswith(f"{family.name}{{{label}")]
        assert any(later[key] != before[key] for key in mine for later in (middle, after)), family.name
    assert after[f"event_recorder_recorded_total{{{label}}}"] == 42
    assert after[f"event_recorder_merged_total{{{label}}}"] == 15
    assert middle[f"event_recorder_pending{{{label}}}"] == 10
    assert middle[f"event_recorder_untold{{{label}}}"] == 25
    reasons = {
        reason: after[f'event_recorder_dropped_total{{{label},reason="{reason}"}}']
        for reason in ("spam", "buffer_full", "refused", "undelivered", "malformed", "ended")
    }
    assert reasons == {"spam": 3, "buffer_full": 1, "refused": 3, "undelivered": 0, "malformed": 0, "ended": 0}


async def test_recorders_of_one_component_are_added_up() -> None:
    """A page with one sample twice is no page."""
    recorders = [EventRecorder(Client(EventServer()), "bitcoin") for _ in range(2)]
    for recorder in recorders:
        say(recorder)
    registry = CollectorRegistry()
    registry.register(EventCollector(lambda: recorders))
    assert samples(registry)['event_recorder_recorded_total{api="v1",component="bitcoin"}'] == 2
