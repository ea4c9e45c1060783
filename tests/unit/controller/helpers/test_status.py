"""What is sent of a status: only what is not stored as it is wanted."""

from __future__ import annotations

from typing import Any

import msgspec

from ctrlkit.controller.helpers.status import status_patch
from ctrlkit.model import Condition

LONG_AGO = "2020-01-01T00:00:00Z"


class Status(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Its defaults are not stored."""

    ready_nodes: int = 0
    phase: str = ""


def condition(type_: str, status: str, **fields: Any) -> dict[str, Any]:
    """As it is stored."""
    shown = {"type": type_, "status": status, "reason": "Up", "message": "", "observedGeneration": 1}
    return shown | {"lastTransitionTime": LONG_AGO} | fields


def test_a_field_that_the_wanted_status_leaves_out_is_removed() -> None:
    """By the name under which it is stored; one that its type does not know stays."""
    stored = {"readyNodes": 3, "phase": "Ready", "other": 1}
    assert status_patch(stored, Status(phase="Ready")) == {"readyNodes": None}
    assert status_patch(stored, {"phase": "Ready"}) == {}, "a dict says the fields that it has"


def test_conditions_of_other_types_stay() -> None:
    """And those that are stored as wanted are not sent again."""
    stored = {"conditions": [condition("Synced", "True"), condition("Ready", "True")]}
    as_it_is = Condition(type="Ready", status="True", reason="Up")
    assert status_patch(stored, {"conditions": [as_it_is]}, generation=1) == {}
    other = Condition(type="Ready", status="False", reason="Down")
    sent = status_patch(stored, {"conditions": [other]}, generation=2)["conditions"]
    assert [(each["type"], each["status"], each["observedGeneration"]) for each in sent] == [
        ("Synced", "True", 1),
        ("Ready", "False", 2),
    ]
    assert [each["lastTransitionTime"] == LONG_AGO for each in sent] == [True, False]


def test_conditions_of_another_form_are_sent_as_they_are() -> None:
    assert status_patch({}, {"conditions": [{"type": 1}]}) == {"conditions": [{"type": 1}]}
