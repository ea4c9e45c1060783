"""Status conditions: find, set and remove them; a transition time moves only with the status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ctrlkit import clock
from ctrlkit.model.pydantic_models import as_model_field


class Condition(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """`metav1.Condition`. `status` is `True`, `False` or `Unknown`; the time is RFC 3339 text."""

    type: str
    status: str
    reason: str
    message: str = ""
    observed_generation: int = 0
    last_transition_time: str = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let it stand as a field in a pydantic model."""
        return as_model_field(cls)


def find_condition(conditions: Iterable[Condition], condition_type: str) -> Condition | None:
    """Find the condition of a type; None if there is none."""
    return next((condition for condition in conditions if condition.type == condition_type), None)


def is_condition(conditions: Iterable[Condition], condition_type: str, status: str = "True") -> bool:
    """
    Whether the condition of a type is there and has a status.

    >>> ready = [Condition(type="Ready", status="True", reason="Up")]
    >>> is_condition(ready, "Ready"), is_condition(ready, "Ready", "False"), is_condition(ready, "Synced", "False")
    (True, False, False)
    """
    found = find_condition(conditions, condition_type)
    return found is not None and found.status == status


def remove_conditions(current: Iterable[Condition], *condition_types: str) -> tuple[Condition, ...]:
    """
    Return the current conditions without those of some types.

    >>> remove_conditions([Condition(type="Ready", status="True", reason="Up")], "Ready")
    ()
    """
    return tuple(condition for condition in current if condition.type not in condition_types)


def set_conditions(
    current: Iterable[Condition], wanted: Iterable[Condition], *, generation: int = 0
) -> tuple[Condition, ...]:
    """
    Return the current conditions with the wanted ones set; only a change of `status` moves a transition time.

    >>> before = Condition(type="Available", status="True", reason="Up", last_transition_time="2026-01-01T00:00:00Z")
    >>> after = set_conditions([before], [Condition(type="Available", status="True", reason="AllReady")])
    >>> after[0].reason, after[0].last_transition_time
    ('AllReady', '2026-01-01T00:00:00Z')

    Shape   `generation` is the object's that was looked at, for the wanted conditions that do not name one. A wanted
            condition may name the time of its transition; it is not looked at where the status is as before.
    """
    by_type = {condition.type: condition for condition in current}
    for condition in wanted:
        have = by_type.get(condition.type)
        same = have is not None and have.status == condition.status
        since = have.last_transition_time if have and same else condition.last_transition_time
        by_type[condition.type] = msgspec.structs.replace(
            condition,
            last_transition_time=since or clock.timestamp(clock.now()),
            observed_generation=condition.observed_generation or generation,
        )
    return tuple(by_type.values())


def read_conditions(status: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Read the conditions of a plain status; those that do not fit the type are left out."""
    found = []
    for item in status.get("conditions") or ():
        try:
            found.append(msgspec.convert(item, Condition))
        except msgspec.ValidationError:
            continue
    return tuple(found)
