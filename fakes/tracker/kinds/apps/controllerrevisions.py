"""ControllerRevisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    if plain["revision"] < 0:
        yield Cause.wrong("revision", plain["revision"], "must be greater than or equal to 0")
    data = plain.get("data")
    if old is not None:
        if data != old.get("data"):
            yield Cause.wrong("data", data, "field is immutable")
    elif data is None:
        yield Cause.required("data", "data is mandatory")
    elif not isinstance(data, Mapping):
        yield Cause.required("data", "data must be a valid JSON object")


def _cells(revision: Object, now: datetime) -> list[Any]:
    owners = section(revision, "metadata").get("ownerReferences") or ()
    owner = next((owner for owner in owners if owner.get("controller")), None)
    controller = NONE
    if owner:
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        kind = str(owner.get("kind", "")).lower()
        controller = f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return [name_of(revision), controller, revision.get("revision", 0), age_of(revision, now)]


CONTROLLER_REVISIONS = Strategy(
    validate=_validate,
    cells=_cells,
)
