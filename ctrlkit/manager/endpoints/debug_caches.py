"""What the caches of a manager hold, and why they may be behind: tables for the debug page (rows B4, B8, B14, B19)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ctrlkit.cache.statistics import InformerStatistics
from ctrlkit.manager.endpoints.tables import Row, Table, cut, seconds, table
from ctrlkit.names import told_apart

if TYPE_CHECKING:
    from ctrlkit.cache import Informer


def cache_sections(informers: tuple[Informer[Any], ...]) -> Mapping[str, Table]:
    """Each cache, each scope of it, each handler, and the objects that cannot be used; what is wrong comes first."""
    pictures = [(name, informer.statistics()) for name, informer in told_apart((i.name, i) for i in informers)]
    pictures.sort(key=lambda named: (named[1].synced, not _errors(named[1])))
    return {
        "caches": table(_cache(name, of) for name, of in pictures),
        "scopes": table(row for name, of in pictures for row in _scopes(name, of)),
        "handlers": table(sorted((row for named in pictures for row in _handlers(*named)), key=_most_behind)),
        "quarantined": table(row for name, of in pictures for row in _quarantined(name, of)),
    }


def _cache(name: str, of: InformerStatistics) -> Row:
    return {
        "cache": name,
        "synced": of.synced,
        "objects": of.objects,
        "version": of.version,
        "last_event_age_s": seconds(of.last_event_age_s),
        "quarantined": len(of.quarantined),
        "index_failures": of.index_failures,
        "dropped": of.dropped,
        "error": cut("; ".join(_errors(of))),
    }


def _errors(of: InformerStatistics) -> list[str]:
    return [
        f"{scope}: {reflector.last_error}" if scope else reflector.last_error
        for scope, reflector in of.reflectors.items()
        if reflector.last_error
    ]


def _scopes(name: str, of: InformerStatistics) -> Iterator[Row]:
    for scope, reflector in of.reflectors.items():
        causes = [each.cause.value for each in (reflector.list_error, reflector.watch_error) if each is not None]
        yield {
            "cache": name,
            "scope": scope or "*",
            "state": str(reflector.state),
            "version": reflector.version,
            "last_event_age_s": seconds(reflector.last_event_age_s),
            "lists": dict(reflector.lists),
            "watches": reflector.watches,
            "unreadable": reflector.unreadable,
            "failing": causes,
        }


def _handlers(name: str, of: InformerStatistics) -> Iterator[Row]:
    for handler in of.handlers:
        yield {
            "cache": name,
            "handler": handler.name,
            "synced": handler.synced,
            "depth": handler.depth,
            "oldest_s": seconds(handler.oldest_s),
            "high_water": handler.high_water,
            "handled": handler.handled,
            "failures": handler.failures,
        }


def _quarantined(name: str, of: InformerStatistics) -> Iterator[Row]:
    for key, why in of.quarantined.items():
        yield {"cache": name, "key": key, "error": cut(why)}


def _most_behind(row: Row) -> Any:
    return (row["synced"], -row["oldest_s"], -row["depth"])
