"""
Prometheus metrics of transports: `rest_client_requests_total{code,method,host}`, as client-go's (row C7).

    REGISTRY.register(RestCollector(lambda: [transport]))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar

from ctrlkit.samples import COUNTER, Family, Sample, SampleCollector
from ctrlkit.wire.transport import RestTransport


class RestCollector(SampleCollector):
    """
    Collects the request counts of transports; `transports` returns them at each scrape. Those to one host are added up.

    The code is `<error>` where no answer came.
    """

    families: ClassVar[tuple[Family, ...]] = (
        Family(
            "rest_client_requests_total",
            "Requests, by code, method and host.",
            COUNTER,
            ("code", "method", "host"),
        ),
    )

    def __init__(self, transports: Callable[[], Iterable[RestTransport]]) -> None:
        self._transports = transports

    def samples(self) -> Iterator[Sample]:
        """A sample for each code, method and host."""
        counts: Counter[tuple[str, str, str]] = Counter()
        for transport in self._transports():
            statistics = transport.statistics()
            for (code, method), count in statistics.requests.items():
                counts[code, method, statistics.host] += count
        for labels, count in counts.items():
            yield "rest_client_requests_total", labels, count
