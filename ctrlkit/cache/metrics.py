"""
Prometheus samples of informers.

    REGISTRY.register(InformerCollector(lambda: manager.informers))

Informers do not know of metrics: they count in plain integers, and this module reads their statistics at each scrape.
Names and buckets of row R27 where client-go has one; the rest of B19, B4, B8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from ctrlkit.cache.handlers import HandlerStatistics
from ctrlkit.cache.informer import Informer, InformerStatistics
from ctrlkit.histogram import HistogramStatistics
from ctrlkit.names import unique_names
from ctrlkit.samples import COUNTER, GAUGE, HISTOGRAM, Family, Sample, SampleCollector

INFORMER_LABELS = ("name", "group", "version", "resource")
_OF_SCOPES, _OF_HANDLERS = (*INFORMER_LABELS, "scope"), (*INFORMER_LABELS, "handler")
VERSION_DIGITS = 15
"""Of a resourceVersion the last ones only: a sample is a float, and has no room for more."""


class InformerCollector(SampleCollector):
    """
    Collects the statistics of informers; `informers` returns them at each scrape.

    Two of one name and kind (under different selectors, or of different Python types) are told apart by `#2` after the
    name. Handlers of one informer should have names of their own; their samples are added up otherwise.
    """

    families: ClassVar[tuple[Family, ...]] = (
        Family("informer_queued_items", "Changes that handlers have yet to see.", GAUGE, INFORMER_LABELS),
        Family("informer_processing_latency_seconds", "From store to end of handler.", HISTOGRAM, _OF_HANDLERS),
        Family(
            "informer_store_resource_version",
            "The resourceVersion reached, its last 15 digits.",
            GAUGE,
            INFORMER_LABELS,
        ),
        Family("informer_store_items", "Objects in the store.", GAUGE, INFORMER_LABELS),
        Family("informer_quarantined_items", "Objects in the store that cannot be used.", GAUGE, INFORMER_LABELS),
        Family(
            "informer_index_failures_total", "Objects that an index function could not take.", COUNTER, INFORMER_LABELS
        ),
        Family("informer_dropped_items_total", "Changes that removed handlers did not see.", COUNTER, INFORMER_LABELS),
        Family("informer_synced", "1 once the first list is in the store.", GAUGE, INFORMER_LABELS),
        Family("informer_last_event_age_seconds", "Since the last line from the server.", GAUGE, _OF_SCOPES),
        Family("informer_lists_total", "Lists asked for, by reason.", COUNTER, (*_OF_SCOPES, "reason")),
        Family("informer_watches_total", "Watches asked for.", COUNTER, _OF_SCOPES),
        Family("informer_failing", "1 while the last list or watch failed.", GAUGE, (*_OF_SCOPES, "verb", "cause")),
        Family(
            "informer_unreadable_total",
            "Lines and items that tell of no object: no name, another kind, no JSON.",
            COUNTER,
            _OF_SCOPES,
        ),
        Family("informer_handler_queued_items", "Changes a handler has yet to see.", GAUGE, _OF_HANDLERS),
        Family("informer_handler_oldest_item_seconds", "How long the oldest has waited.", GAUGE, _OF_HANDLERS),
        Family("informer_handler_high_water_items", "The most that ever waited.", GAUGE, _OF_HANDLERS),
        Family("informer_handled_items_total", "Changes a handler has seen.", COUNTER, _OF_HANDLERS),
        Family("informer_handler_failures_total", "Changes for which a handler raised.", COUNTER, _OF_HANDLERS),
    )

    def __init__(self, informers: Callable[[], Iterable[Informer[Any]]]) -> None:
        self._informers = informers

    def samples(self) -> Iterator[Sample]:
        """The samples of each informer, scope and handler there is now."""
        informers = ((informer.name, informer) for informer in self._informers())
        for name, informer in unique_names(informers, within=_kind_of):
            statistics, labels = informer.statistics(), (name, *_kind_of(informer))
            for family, more, value in (*_of_informer(statistics), *_of_scopes(statistics), *_of_handlers(statistics)):
                yield family, (*labels, *more), value


def _kind_of(informer: Informer[Any]) -> tuple[str, str, str]:
    """The labels that name the kind of an informer's objects."""
    resource = informer.resource
    return resource.group, resource.version, resource.plural


def _of_informer(of: InformerStatistics) -> Iterator[Sample]:
    yield "informer_queued_items", (), sum(handler.depth for handler in of.handlers)
    if of.version.isdigit():
        yield "informer_store_resource_version", (), int(of.version[-VERSION_DIGITS:])
    yield "informer_store_items", (), of.objects
    yield "informer_quarantined_items", (), len(of.quarantined)
    yield "informer_index_failures_total", (), of.index_failures
    yield "informer_dropped_items_total", (), of.dropped
    yield "informer_synced", (), of.synced


def _of_scopes(of: InformerStatistics) -> Iterator[Sample]:
    for scope, reflector in of.reflectors.items():
        for reason, count in reflector.lists.items():
            yield "informer_lists_total", (scope, reason), count
        yield "informer_watches_total", (scope,), reflector.watches
        if reflector.last_event_age_s is not None:
            yield "informer_last_event_age_seconds", (scope,), reflector.last_event_age_s
        yield "informer_unreadable_total", (scope,), reflector.unreadable
        for verb, failure in (("list", reflector.list_error), ("watch", reflector.watch_error)):
            if failure is not None:
                yield "informer_failing", (scope, verb, failure.cause.value), 1


def _of_handlers(of: InformerStatistics) -> Iterator[Sample]:
    names: dict[str, list[HandlerStatistics]] = {}
    for handler in of.handlers:
        names.setdefault(handler.name, []).append(handler)
    for name, handlers in names.items():
        yield "informer_handler_queued_items", (name,), sum(handler.depth for handler in handlers)
        yield "informer_handler_oldest_item_seconds", (name,), max(handler.oldest_s for handler in handlers)
        yield "informer_handler_high_water_items", (name,), max(handler.high_water for handler in handlers)
        yield "informer_handled_items_total", (name,), sum(handler.handled for handler in handlers)
        yield "informer_handler_failures_total", (name,), sum(handler.failures for handler in handlers)
        yield "informer_processing_latency_seconds", (name,), HistogramStatistics.total(h.latency for h in handlers)
