"""Each metric of webhooks is registered, and moves."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from ctrlkit import Denied, Review, validating
from ctrlkit.webhooks import Webhooks
from ctrlkit.webhooks.metrics import WebhookCollector
from tests.support.scrape import samples
from tests.unit.webhooks.support import CACHES, Cache, admission, ask, cache, conversion_review
from tests.unit.webhooks.test_conversions import ALL

PATH = "/validate-example-com-v1-cache/check"


@pytest.mark.behaviour("W3", "W4")
async def test_each_declared_metric_is_registered_and_moves() -> None:
    """0 at the start for 200 and 500; then an answer, a refusal, a failure, and a conversion."""

    @validating(CACHES)
    def check(thing: Cache, _review: Review[Cache]) -> None:
        if thing.spec.size == 0:
            raise Denied("no")
        if thing.spec.size == 2:
            raise KeyError

    webhooks = Webhooks([check, *ALL])
    registry = CollectorRegistry()
    registry.register(WebhookCollector(lambda: webhooks))
    total = "controller_runtime_webhook_requests_total"
    before = samples(registry)
    assert {name for name, value in before.items() if value} == set()
    assert before[f'{total}{{code="500",webhook="{PATH}"}}'] == 0
    for size in (0, 1, 2):
        await ask(webhooks, admission(cache(size=size)), PATH)
    await ask(webhooks, conversion_review("v2", cache()), "/convert")
    after = samples(registry)
    for path, code in ((PATH, 200), (PATH, 403), (PATH, 500), ("/convert", 200)):
        assert after[f'{total}{{code="{code}",webhook="{path}"}}'] == 1
    assert after["controller_runtime_webhook_panics_total"] == 1
    assert after["controller_runtime_conversion_webhook_panics_total"] == 0
    assert after[f'controller_runtime_webhook_latency_seconds_count{{webhook="{PATH}"}}'] == 3
    assert after[f'controller_runtime_webhook_requests_in_flight{{webhook="{PATH}"}}'] == 0
