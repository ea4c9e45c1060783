"""
The metrics of replicas over virtual time, as promtool reads them: a scrape each half minute, hours in seconds.

    scraper.add("a", manager); await scraper.scraping(); scraper.remove("a")
    scraper.input_series()
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from ctrlkit import clock
from ctrlkit.manager import Manager
from ctrlkit.manager.endpoints.health import Heartbeat
from ctrlkit.manager.endpoints.metrics import registry

EVERY_S: Final = 30
_NOT_THERE: Final = "_"
_GONE: Final = "stale"
_OF_THIS_PROCESS: Final = "process_start_time_seconds"


@dataclass
class Target:
    """One replica, and when it started."""

    registry: CollectorRegistry
    started: float


@dataclass
class Scraper:
    """Reads all replicas that there are at one moment; `labels` are what it adds to each series."""

    labels: dict[str, str]
    targets: dict[str, Target] = field(default_factory=dict)
    scrapes: int = 0
    _series: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = field(default_factory=dict)

    def add(self, instance: str, manager: Manager, heartbeat: Heartbeat | None = None) -> None:
        """Read a replica from now on; it has just started."""
        self.targets[instance] = Target(registry(manager, heartbeat=heartbeat), clock.now().timestamp())

    def remove(self, instance: str) -> None:
        """Read it no more."""
        del self.targets[instance]

    def scrape(self) -> None:
        """Read all."""
        for instance, target in self.targets.items():
            for family in target.registry.collect():
                for sample in family.samples:
                    self._keep(instance, sample, target.started if sample.name == _OF_THIS_PROCESS else sample.value)
        self.end_scrape()

    def take(self, instance: str, text: str) -> None:
        """Keep what a replica answered."""
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._keep(instance, sample, sample.value)

    def end_scrape(self) -> None:
        """All replicas were read once more; series that were not there are gone."""
        self.scrapes += 1
        for values in self._series.values():
            if len(values) < self.scrapes:
                values.append(_NOT_THERE if values[-1] in (_GONE, _NOT_THERE) else _GONE)

    async def scraping(self) -> None:
        """Read all again and again, until cancelled."""
        while True:
            self.scrape()
            await asyncio.sleep(EVERY_S)

    @property
    def now(self) -> str:
        """The time of the last scrape, as promtool writes it."""
        return f"{(self.scrapes - 1) * EVERY_S}s"

    def input_series(self) -> list[dict[str, str]]:
        """All series, each with its values."""
        return [
            {"series": f"{name}{{{', '.join(_matchers(labels))}}}", "values": " ".join(_shortened(values))}
            for (name, labels), values in self._series.items()
        ]

    def _keep(self, instance: str, sample: Sample, value: float) -> None:
        labels = tuple({**sample.labels, **self.labels, "instance": instance}.items())
        values = self._series.setdefault((sample.name, labels), [_NOT_THERE] * self.scrapes)
        if len(values) == self.scrapes:
            values.append("NaN" if math.isnan(value) else repr(float(value)))


def _matchers(labels: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in labels:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        yield f'{name}="{escaped}"'


def _shortened(values: list[str]) -> Iterator[str]:
    """Values that repeat are written once, with how often they do."""
    at = 0
    while at < len(values):
        end = next((each for each in range(at + 1, len(values)) if values[each] != values[at]), len(values))
        more = end - at - (values[at] != _NOT_THERE)  # for promtool 1x2 is three times 1, and _x2 is nothing twice
        yield values[at] if end - at == 1 else f"{values[at]}x{more}"
        at = end


def checked(name: str, scraper: Scraper, *asked: tuple[str, str, list[dict[str, Any]]]) -> dict[str, Any]:
    """A test for promtool: expressions, each with when it is asked and the samples that are the answer."""
    return {
        "name": name,
        "interval": f"{EVERY_S}s",
        "input_series": scraper.input_series(),
        "promql_expr_test": [
            {"expr": expression, "eval_time": at, "exp_samples": samples} for expression, at, samples in asked
        ],
    }
