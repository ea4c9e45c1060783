"""
What the server's own controllers say of a definition in its status: whether its names are accepted, its kind served.

Each step makes one status of another, as one controller does in one write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.kinds.definitions.approval import approval
from ctrlkit.fakes.tracker.kinds.definitions.conversions import bundle_problem
from ctrlkit.fakes.tracker.kinds.definitions.rules import is_true
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain

CONFORMANT, ACCEPTED, ESTABLISHED = "KubernetesAPIApprovalPolicyConformant", "NamesAccepted", "Established"
TERMINATING = "Terminating"
_NAMES = ("plural", "singular", "shortNames", "kind", "listKind", "categories")


def with_condition(status: Object, kind: str, said: tuple[str, str, str]) -> Plain:
    """
    Return a status with a condition.

    Shape   `said` are the condition's status, reason and message; its time stays if its status does.
    """
    now = clock.timestamp(exchanges.now())
    new = {"type": kind, "status": said[0], "lastTransitionTime": now, "reason": said[1], "message": said[2]}
    conditions: list[Plain] = list(status.get("conditions") or ())
    for index, one in enumerate(conditions):
        if one["type"] == kind:
            if one["status"] == said[0]:
                new["lastTransitionTime"] = one["lastTransitionTime"]
            conditions[index] = new
            break
    else:
        conditions.append(new)
    return {**status, "conditions": conditions}


def next_status(definition: Object, others: Sequence[Object]) -> Plain | None:
    """
    Return the status after the next step, None if there is nothing left to say.

    Shape   `others` are the other definitions of its group.
    """
    for step in _STEPS:
        status = step(definition, others)
        if status is not None and status != definition["status"]:
            return status
    return None


def _approved(definition: Object, _others: Sequence[Object]) -> Plain | None:
    found = approval(definition)
    return with_condition(definition["status"], CONFORMANT, found) if found else None


def _named(definition: Object, others: Sequence[Object]) -> Plain | None:
    """Accept the names that no other definition has; a kind whose first names are accepted is about to be served."""
    status, names = definition["status"], definition["spec"]["names"]
    if _given(names) == _given(status.get("acceptedNames") or {}):
        return None
    accepted, problem = _accept(names, status.get("acceptedNames") or {}, others)
    said = ("False", *problem) if problem else ("True", "NoConflicts", "no conflicts found")
    named = with_condition({**status, "acceptedNames": accepted}, ACCEPTED, said)
    if is_true(definition, ESTABLISHED):
        return named
    if not problem:
        return with_condition(named, ESTABLISHED, ("False", "Installing", "the initial names have been accepted"))
    if any(one["type"] == ESTABLISHED for one in status.get("conditions") or ()):
        return named
    return with_condition(named, ESTABLISHED, ("False", "NotAccepted", "not all names are accepted"))


def _established(definition: Object, _others: Sequence[Object]) -> Plain | None:
    if not is_true(definition, ACCEPTED) or is_true(definition, ESTABLISHED):
        return None
    webhook = (definition["spec"].get("conversion") or {}).get("webhook") or {}
    if bundle_problem((webhook.get("clientConfig") or {}).get("caBundle") or ""):
        said = ("False", "InvalidCABundle", "The conversion webhook CABundle is invalid")
    else:
        said = ("True", "InitialNamesAccepted", "the initial names have been accepted")
    return with_condition(definition["status"], ESTABLISHED, said)


_STEPS: tuple[Callable[[Object, Sequence[Object]], Plain | None], ...] = (_approved, _named, _established)


def _given(names: Object) -> Plain:
    return {part: value for part, value in names.items() if value}


def _accept(names: Object, accepted: Object, others: Sequence[Object]) -> tuple[Plain, tuple[str, str] | None]:
    """Return the accepted names, and the reason and message if some were not accepted."""
    taken = [(other.get("status") or {}).get("acceptedNames") or {} for other in others]
    resources = {name for one in taken for name in _resource_names(one)}
    kinds = {one.get(part) for one in taken for part in ("kind", "listKind")}
    got: Plain = {**accepted, "categories": names.get("categories")}
    problem: tuple[str, str] | None = None
    for part, reason, used in (
        ("plural", "PluralConflict", resources),
        ("singular", "SingularConflict", resources),
        ("shortNames", "ShortNamesConflict", resources),
        ("kind", "KindConflict", kinds),
        ("listKind", "ListKindConflict", kinds),
    ):
        lost = [name for name in _new_names(names.get(part), accepted.get(part)) if name in used]
        if lost:
            problem = (reason, _together([f'"{name}" is already in use' for name in lost]))
        else:
            got[part] = names.get(part)
    return {part: got[part] for part in _NAMES if got.get(part) or part in ("plural", "kind")}, problem


def _new_names(wanted: Any, accepted: Any) -> list[str]:
    """The names that are asked for and not had yet."""
    if isinstance(wanted, list):
        return [name for name in wanted if name not in (accepted or ())]
    return [wanted] if wanted and wanted != accepted else []


def _together(errors: list[str]) -> str:
    """Several errors as Go's aggregates show them."""
    different = list(dict.fromkeys(errors))
    return different[0] if len(different) == 1 else f"[{', '.join(different)}]"


def _resource_names(accepted: Object) -> Iterator[str]:
    yield from (accepted.get("plural", ""), accepted.get("singular", ""), *(accepted.get("shortNames") or ()))
