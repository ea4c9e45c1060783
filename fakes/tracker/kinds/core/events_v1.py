"""
Events as events.k8s.io/v1: the objects of core/v1 with other names of fields and stricter rules.

Fields are exchanged, both ways by the same table: what is no field of one form is none of the other afterwards.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from ctrlkit.fakes.tracker.conversion import Conversion
from ctrlkit.fakes.tracker.kinds.core import events
from ctrlkit.fakes.tracker.kinds.core.events import exchanged
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.fakes.tracker.schema.types import types_of
from ctrlkit.model import AnyResource, value_at
from ctrlkit.model.kinds import EVENTS, EVENTS_V1

_IMMUTABLE = (
    *("involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime"),
    *("action", "related", "reportingComponent", "reportingInstance"),
)
_TEXTS = ("reason", "message", "type", "action", "reportingComponent", "reportingInstance")
_OLD_FIELDS = ("firstTimestamp", "lastTimestamp", "count", "source")
_RETOLD = "reportingComponent"
_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def _typed(resource: AnyResource, plain: Object) -> Plain:
    """Return an object as the type of a form has it; metadata is the same in both."""
    read, _ = typed.read(types_of(), resource, {name: value for name, value in plain.items() if name != "metadata"}, {})
    return read | {"metadata": plain["metadata"]}


def _show(plain: Object) -> Plain:
    return _typed(EVENTS_V1, exchanged(plain))


def _store(plain: Object) -> Plain:
    return _typed(EVENTS, exchanged(plain))


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    """Check an Event by the rules of both forms; but for one field, a server names those of core/v1."""
    stored = _store(plain)
    stricter = _new_causes(stored) if old is None else _change_causes(stored, _store(old))
    for cause in (*events.validate(stored), *stricter):
        yield dataclasses.replace(cause, field=cause.field.replace(_RETOLD, "reportingController"))


def _new_causes(plain: Object) -> Iterator[Cause]:
    yield from _series_causes(plain)
    if not plain.get("eventTime"):
        yield Cause.required("eventTime")
    if plain.get("type") not in ("Normal", "Warning"):
        yield Cause.wrong("type", "", f"has invalid value: {plain.get('type') or ''}")
    for name in _OLD_FIELDS:
        if plain.get(name):
            yield Cause.wrong(name, "", "needs to be unset")


def _change_causes(plain: Object, old: Object) -> Iterator[Cause]:
    if plain.get("series") != old.get("series"):
        yield from _series_causes(plain)
    for name in _IMMUTABLE:
        if plain.get(name) != old.get(name):
            yield Cause.wrong(
                name, "" if name in _TEXTS and not plain.get(name) else plain.get(name), "field is immutable"
            )


_Micros = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z$")
]
_Word = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", max_length=63)]


class _UsualEvent(msgspec.Struct, forbid_unknown_fields=True):
    apiVersion: events.Text  # noqa: N815 - as the API has it
    kind: events.Text
    metadata: events.UsualMetadata
    eventTime: _Micros  # noqa: N815
    reportingController: _Word  # noqa: N815
    reportingInstance: _Word  # noqa: N815
    action: _Word
    reason: _Word
    regarding: events.UsualReference
    note: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]  # of up to four bytes a character
    type: Literal["Normal", "Warning"]


def _is_usual(body: Object) -> bool:
    return events.fits(body, _UsualEvent) and events.is_at_home(body["metadata"], body["regarding"])


def _series_causes(plain: Object) -> Iterator[Cause]:
    series: Mapping[str, Any] | None = plain.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        yield Cause.wrong("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield Cause.required("series.lastObservedTime")


EVENTS_STRATEGY_V1 = Strategy(
    conversion=Conversion(EVENTS, show=_show, store=_store),
    creates_on_update=True,
    has_dependents=False,
    selectable_fields=(
        *(f"regarding.{name}" for name in _REFERENCE),
        *("reason", "type", "reportingController"),
    ),
    selected_value=value_at,
    is_usual=_is_usual,
    validate=_validate,
    cells=lambda event, now: events.cells(exchanged(event), now),
)
