"""What the server has against Events, Leases and ControllerRevisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

Plain = Mapping[str, Any]

_MESSAGE_MAX = 1024
_INSTANCE_MAX = 128
"""Bytes, though the server's sentences call them characters."""


def event_causes(plain: Plain, _old: Plain | None) -> Iterator[Cause]:
    """What the server has against an Event; more is asked of one that has an eventTime."""
    namespace, about = plain["metadata"].get("namespace", ""), plain["involvedObject"].get("namespace", "")
    has_time = plain.get("eventTime") is not None
    free = ("default", "kube-system") if has_time else ("", "default")
    if (not about and namespace not in free) or (about and about != namespace):
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


def lease_causes(plain: Plain, _old: Plain | None) -> Iterator[Cause]:
    """What the server has against a Lease."""
    spec = plain["spec"]
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        yield Cause.wrong("spec.leaseDurationSeconds", duration, "must be greater than 0")
    if transitions is not None and transitions < 0:
        yield Cause.wrong("spec.leaseTransitions", transitions, "must be greater than or equal to 0")


def revision_causes(plain: Plain, old: Plain | None) -> Iterator[Cause]:
    """What the server has against a ControllerRevision."""
    if plain.get("data") is None:
        yield Cause.required("data", "data is mandatory")
    if plain["revision"] < 0:
        yield Cause.wrong("revision", plain["revision"], "must be greater than or equal to 0")
    if old is not None and plain.get("data") != old.get("data"):
        yield Cause.wrong("data", plain.get("data"), "field is immutable")
