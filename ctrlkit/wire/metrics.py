"""
What transports count, as Prometheus samples.

In       `RestTransport.statistics()`, when somebody scrapes and at no other time.
Out      rest_client_requests_total{code,method,host}, the one metric of row C7 that there is by default, registered by
         whoever serves metrics:

             REGISTRY.register(RestCollector(lambda: [transport]))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from ctrlkit.wire.transport import RestTransport


class RestCollector(Collector):
    """
    Samples of transports; `transports` says which, at each scrape. Those to one host are added up.

    The code is `<error>` where no answer came.
    """

    def __init__(self, transports: Callable[[], Iterable[RestTransport]]) -> None:
        self._transports = transports

    def describe(self) -> Iterator[Metric]:
        """The family, without samples: registering asks nobody anything."""
        yield _family()

    def collect(self) -> Iterator[Metric]:
        """The family, with a sample for each code, method and host."""
        counts: Counter[tuple[str, str, str]] = Counter()
        for transport in self._transports():
            statistics = transport.statistics()
            for (code, method), count in statistics.requests.items():
                counts[code, method, statistics.host] += count
        family = _family()
        for labels, count in counts.items():
            family.add_metric(labels, count)
        yield family


def _family() -> CounterMetricFamily:
    return CounterMetricFamily(
        "rest_client_requests_total", "Requests, by code, method and host.", labels=("code", "method", "host")
    )
