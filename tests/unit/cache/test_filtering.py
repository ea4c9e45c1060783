"""Handlers of some objects only."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.cache import Change, filtered
from ctrlkit.cache.change import Cause
from ctrlkit.model import Record
from tests.support.records import record

PASSES, FAILS, ALSO_PASSES = record("d/a", 1, app="x"), record("d/a", 2), record("d/a", 3, app="x")
States = Record[dict[str, Any]] | None


@pytest.mark.behaviour("I13")
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (None, PASSES, (None, PASSES)),
        (None, FAILS, None),
        (FAILS, PASSES, (None, PASSES)),
        (PASSES, FAILS, (PASSES, None)),
        (PASSES, ALSO_PASSES, (PASSES, ALSO_PASSES)),
        (FAILS, FAILS, None),
        (PASSES, None, (PASSES, None)),
        (FAILS, None, None),
    ],
)
def test_a_filter_turns_a_change_of_mind_into_an_arrival_or_an_end(
    old: States, new: States, told: tuple[States, States] | None
) -> None:
    """I13's table, and the ends and beginnings of objects."""
    seen: list[Change[dict[str, Any]]] = []
    handler = filtered(lambda found: "app" in (found.meta.labels or {}), seen.append)
    handler(Change(old, new, Cause.WATCH))
    assert [(change.old, change.new) for change in seen] == ([] if told is None else [told])
