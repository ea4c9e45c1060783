"""Events as core/v1 has them, which is how they are stored; their newer form is in events_v1.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec

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


Text = Annotated[str, msgspec.Meta(min_length=1)]
_Second = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$")]
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_Name = Annotated[str, msgspec.Meta(pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253)]


class UsualMetadata(msgspec.Struct, forbid_unknown_fields=True):
    """The metadata of a usual Event."""

    name: _Name
    namespace: Text


class UsualReference(msgspec.Struct, forbid_unknown_fields=True):
    """What a usual Event is about."""

    kind: Text
    name: Text
    apiVersion: Text | msgspec.UnsetType = msgspec.UNSET  # noqa: N815 - as the API has it
    namespace: Text | msgspec.UnsetType = msgspec.UNSET
    uid: Text | msgspec.UnsetType = msgspec.UNSET
    resourceVersion: Text | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    fieldPath: Text | msgspec.UnsetType = msgspec.UNSET  # noqa: N815


class _UsualSource(msgspec.Struct, forbid_unknown_fields=True):
    component: Text
    host: Text | msgspec.UnsetType = msgspec.UNSET


class _UsualEvent(msgspec.Struct, forbid_unknown_fields=True):
    apiVersion: Text  # noqa: N815
    kind: Text
    metadata: UsualMetadata
    involvedObject: UsualReference  # noqa: N815
    type: Text
    reason: Text
    message: Text
    source: _UsualSource
    reportingComponent: Text  # noqa: N815
    firstTimestamp: _Second  # noqa: N815
    lastTimestamp: _Second  # noqa: N815
    count: Annotated[int, msgspec.Meta(ge=1, lt=2**31)]
    reportingInstance: Text | msgspec.UnsetType = msgspec.UNSET  # noqa: N815


def is_usual(body: Object) -> bool:
    """Whether an Event is as recorders make it, of an object in its own namespace."""
    return fits(body, _UsualEvent) and is_at_home(body["metadata"], body["involvedObject"])


def fits(body: Object, usual: type[msgspec.Struct]) -> bool:
    """Whether an object has the fields of a type, and no others."""
    try:
        msgspec.convert(body, usual)
    except msgspec.ValidationError:
        return False
    return True


def is_at_home(meta: Object, about: Object) -> bool:
    """Whether an Event is in the namespace of its object; in `default` for one without a namespace."""
    return bool(meta["namespace"] == about.get("namespace", "default"))


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
    is_usual=is_usual,
    validate=validate,
    cells=cells,
)
