"""Groups of the Kubernetes project are for kinds that it has approved, which an annotation says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause

ANNOTATION = "api-approved.kubernetes.io"
_MISSING, _INVALID = "MissingAnnotation", "InvalidAnnotation"
_WHERE = "see https://github.com/kubernetes/enhancements/pull/1111"
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#\s]+[^\s]*")


class Approval(NamedTuple):
    """Whether a kind is approved: the status of its condition, the reason and the message."""

    status: str
    reason: str
    message: str


def approval(definition: Object) -> Approval | None:
    """Return whether a definition's kind is approved, None if its group needs no approval."""
    group = definition["spec"].get("group") or ""
    if not f".{group}".endswith((".k8s.io", ".kubernetes.io")):
        return None
    said: str = (definition["metadata"].get("annotations") or {}).get(ANNOTATION) or ""
    text = f'protected groups must have approval annotation "{ANNOTATION}"'
    if not said:
        return Approval("False", _MISSING, f"{text}, {_WHERE}")
    if said.startswith("unapproved"):
        return Approval("False", "UnapprovedAnnotation", f'not approved: "{said}"')
    if _ADDRESS.fullmatch(said):
        return Approval("True", "ApprovedAnnotation", f"approved in {said}")
    text = f'{text} with either a URL or a reason starting with "unapproved", {_WHERE}'
    return Approval("False", _INVALID, text)


def approval_causes(definition: Object, old: Object | None) -> Iterator[Cause]:
    """Check that a kind is approved that needs it; what was stored without may stay so."""
    found = approval(definition)
    if found is None or found.reason not in (_MISSING, _INVALID):
        return
    before = approval(old) if old is not None else None
    if before is not None and before.reason == found.reason:
        return
    path = f"metadata.annotations[{ANNOTATION}]"
    if found.reason == _MISSING:
        yield Cause.required(path, found.message)
    else:
        yield Cause.wrong(path, definition["metadata"]["annotations"][ANNOTATION], found.message)
