"""Conditions in a status, where a kind has rules for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

_STATUSES = ("False", "True", "Unknown")
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON_TEXT = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    f"'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_REASON}')"
)
_REASON_BYTES_MAX = 1024
_MESSAGE_BYTES_MAX = 32 * 1024


def condition_causes(conditions: Iterable[Object], path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that a list of conditions breaks."""
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        kind = condition.get("type") or ""
        if kind in seen:
            yield Cause.duplicate(f"{path}[{index}].type", kind)
        seen.add(kind)
        yield from _condition_causes(condition, f"{path}[{index}]")


def _condition_causes(condition: Object, path: str) -> Iterator[Cause]:
    kind, status, reason = (condition.get(name) or "" for name in ("type", "status", "reason"))
    yield from Cause.all_wrong(f"{path}.type", kind, formats.label_key(kind))
    if status not in _STATUSES:
        yield Cause.unsupported(f"{path}.status", status, _STATUSES)
    if condition.get("observedGeneration", 0) < 0:
        text = "must be greater than or equal to zero"
        yield Cause.wrong(f"{path}.observedGeneration", condition["observedGeneration"], text)
    if not condition.get("lastTransitionTime"):
        yield Cause.required(f"{path}.lastTransitionTime")
    if not reason:
        yield Cause.required(f"{path}.reason")
    else:
        if not re.fullmatch(_REASON, reason):
            yield Cause.wrong(f"{path}.reason", reason, _REASON_TEXT)
        if len(reason.encode()) > _REASON_BYTES_MAX:
            yield Cause.too_long(f"{path}.reason", _REASON_BYTES_MAX)
    if len((condition.get("message") or "").encode()) > _MESSAGE_BYTES_MAX:
        yield Cause.too_long(f"{path}.message", _MESSAGE_BYTES_MAX)
