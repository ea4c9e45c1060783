"""ControllerRevisions."""

from __future__ import annotations

from collections.abc import Iterator

from ctrlkit.fakes.tracker.kinds.strategy import Object, Strategy
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.model import kinds


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    if plain.get("data") is None:
        yield Cause.required("data", "data is mandatory")
    if plain["revision"] < 0:
        yield Cause.wrong("revision", plain["revision"], "must be greater than or equal to 0")
    if old is not None and plain.get("data") != old.get("data"):
        yield Cause.wrong("data", plain.get("data"), "field is immutable")


CONTROLLER_REVISIONS = Strategy(resource=kinds.CONTROLLER_REVISIONS, validate=_validate)
