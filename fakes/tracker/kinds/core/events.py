"""Events as core/v1 has them, which is how they are stored; their newer form is in events_v1.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.durations import age
from ctrlkit.fakes.tracker.kinds.strategy import Object, Strategy
from ctrlkit.fakes.tracker.kinds.tables import name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.model import value_at

_PAIRS = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
EXCHANGED = _PAIRS | {core: newer for newer, core in _PAIRS.items()}
"""The names of fields in the other form."""
_MESSAGE_MAX = 1024
_INSTANCE_MAX = 128
"""Counted in bytes, though the server's messages say characters."""


def exchanged(plain: Object) -> dict[str, Any]:
    """
    Rename the fields of an Event to those of the other form.

    >>> exchanged({"note": "hello", "reason": "Seen", "message": "no field of this form"})
    {'message': 'hello', 'reason': 'Seen', 'note': 'no field of this form'}
    """
    return {EXCHANGED.get(name, name): value for name, value in plain.items()}


def validate(plain: Object, _old: object = None) -> Iterator[Cause]:
    """Check an Event; the rules are stricter if it has an eventTime."""
    namespace, about = plain["metadata"].get("namespace", ""), plain["involvedObject"].get("namespace", "")
    has_time = plain.get("eventTime") is not None
    free = ("default", "kube-system") if has_time else ("", "default")
    if (not about and namespace not in free) or (about and about != namespace and not has_time):
        yield Cause.wrong("involvedObject.namespace", about, "does not match event.namespace")
    if not has_time:
        return
    reporter = plain.get("reportingComponent") or ""
    if not reporter:
        yield Cause.required("reportingComponent")
    yield from Cause.all_wrong("reportingComponent", reporter, formats.label_key(reporter))
    instance = plain.get("reportingInstance") or ""
    if not instance:
        yield Cause.required("reportingInstance")
    if len(instance.encode()) > _INSTANCE_MAX:
        text = f"can have at most {_INSTANCE_MAX} characters"
        yield Cause.wrong("reportingInstance", "", text)
    for name in ("action", "reason"):
        if not plain.get(name):
            yield Cause.required(name)
        elif len(plain[name].encode()) > _INSTANCE_MAX:
            yield Cause.wrong(name, "", f"can have at most {_INSTANCE_MAX} characters")
    if len((plain.get("message") or "").encode()) > _MESSAGE_MAX:
        yield Cause.wrong("message", "", f"can have at most {_MESSAGE_MAX} characters")


def _selected_value(event: Object, path: str) -> Any:
    if path == "source":
        return value_at(event, "source.component") or value_at(event, "reportingComponent")
    return value_at(event, path)


def cells(event: Object, now: datetime) -> list[Any]:
    """Make the cells of an Event."""
    about, series = section(event, "involvedObject"), section(event, "series")
    first = event.get("firstTimestamp") or event.get("eventTime")
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or first
    kind = str(about.get("kind", "")).lower()
    return [
        age(last, now),
        event.get("type", ""),
        event.get("reason", ""),
        f"{kind}/{about['name']}" if about.get("name") else kind,
        about.get("fieldPath", ""),
        _event_source(event),
        str(event.get("message", "")).strip(),
        age(first, now),
        series.get("count") or event.get("count") or 1,
        name_of(event),
    ]


def _event_source(event: Object) -> str:
    source = section(event, "source")
    component = source.get("component") or event.get("reportingComponent", "")
    place = source.get("host") or event.get("reportingInstance", "")
    return f"{component}, {place}" if place else str(component)


EVENTS = Strategy(
    creates_on_update=True,
    name_rule=formats.path_segment,
    checks_metadata=False,
    needs_known_finalizers=False,
    has_dependents=False,
    selectable_fields=(
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    selected_value=_selected_value,
    validate=validate,
    cells=cells,
)
