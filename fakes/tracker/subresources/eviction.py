"""Eviction: the deletion of a pod, where its disruption budget allows that."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ctrlkit import clock
from ctrlkit.errors import DisruptionBudgetViolated, Forbidden
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, invalid, invalid_options, plain_failure
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.subresources.binding import with_condition
from ctrlkit.fakes.tracker.subresources.forms import Form, read_form
from ctrlkit.fakes.tracker.verbs.delete import check_preconditions, delete_causes
from ctrlkit.model import Action, LabelSelector, Options, custom_resource
from ctrlkit.wire.parameters import read_delete_options

Object = Mapping[str, Any]

_EVICTION = Form.of("Eviction", "policy/v1", "policy/v1beta1")
_BUDGETS = custom_resource(group="policy", version="v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets")
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_NO_GUARD = ("Succeeded", "Failed", "Pending")
_DISRUPTED_MAX = 2000
_RETRY_AFTER_S = 10.0


def evict(core: Core, served: Strategy, action: Action) -> None:
    """
    Delete a pod as its disruption budget allows, and note that in the budget's status.

    Errors  BadRequest, NotFound, Conflict (a precondition does not hold), TooManyRequests (not now), Forbidden.
    """
    body = read_form(core, _EVICTION, served, action)
    if body["metadata"].get("name") != action.name:
        raise bad_request("name in URL does not match name in Eviction object")
    given = body.get("deleteOptions") or {}
    if given.get("ignoreStoreReadErrorWithClusterBreakingPotential"):
        path = "deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential"
        text = "can not be set for pod eviction, try after removing the option"
        raise invalid(_EVICTION.served.resource, action.name, Cause.invalid(path, "true", text))
    causes = list(delete_causes(given))
    if causes:
        core.get(served, action.key)
        raise invalid_options("DeleteOptions", *causes)
    options = Options(**read_delete_options(given))
    options = dataclasses.replace(options, dry_run=options.dry_run or action.options.dry_run)
    pod = core.get(served, action.key)
    budget = None if _is_unguarded(pod.plain) else _budget_of(core, pod)
    if budget is not None and not _is_spare(pod.plain, budget.plain):
        _take(core, budget, pod, dry_run=options.dry_run)
    _delete(core, served, pod, options)


def _delete(core: Core, served: Strategy, pod: Stored, options: Options) -> None:
    """Delete the pod, with a condition that says why."""
    check_preconditions(served, pod, options)
    if not options.dry_run:
        reason, message = "EvictionByEvictionAPI", "Eviction API: evicting"
        status = with_condition(pod.plain["status"], "DisruptionTarget", reason=reason, message=message)
        pod = core.write(served, pod.key, {**pod.plain, "status": status})
    served.delete(core, served, pod, options)


def _is_unguarded(pod: Object) -> bool:
    """Whether a pod serves nobody, so that its end disrupts nothing."""
    return pod["status"].get("phase") in _NO_GUARD or bool(pod["metadata"].get("deletionTimestamp"))


def _budget_of(core: Core, pod: Stored) -> Stored | None:
    """Return the disruption budget that selects a pod. Errors: one without a reason where there are several."""
    labels = pod.metadata.get("labels") or {}
    budgets = core.store.collection(_BUDGETS.identity).within(pod.key.namespace)
    found = [budget for budget in budgets if _selects(budget.plain, labels)]
    if len(found) > 1:
        raise plain_failure(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    return found[0] if found else None


def _selects(budget: Object, labels: Mapping[str, str]) -> bool:
    selector = (budget.get("spec") or {}).get("selector")
    return selector is not None and LabelSelector.of_object(selector).matches(labels)


def _is_spare(pod: Object, budget: Object) -> bool:
    """Whether a pod is not ready, and the budget lets such pods go without counting them."""
    conditions = pod["status"].get("conditions") or ()
    if any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions):
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    wanted = status.get("desiredHealthy") or 0
    return wanted > 0 and (status.get("currentHealthy") or 0) >= wanted


def _take(core: Core, budget: Stored, pod: Stored, *, dry_run: bool) -> None:
    """Take one disruption of those that the budget allows. Errors: TooManyRequests, Forbidden."""
    name, status = budget.key.name, budget.plain.get("status") or {}
    allowed = status.get("disruptionsAllowed") or 0
    if (status.get("observedGeneration") or 0) < (budget.metadata.get("generation") or 0):
        text = f"The disruption budget {name} is still being processed by the server."
        raise _refused(text, retry_after_s=_RETRY_AFTER_S)
    if allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    disrupted = status.get("disruptedPods") or {}
    if len(disrupted) > _DISRUPTED_MAX:
        text = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise _forbidden(name, text)
    if allowed == 0:
        raise _refused(_why_not(name, status))
    status = {**status, "disruptionsAllowed": allowed - 1}
    status["disruptedPods"] = {**disrupted, pod.key.name: clock.timestamp(clock.now())}
    if allowed == 1:
        status["conditions"] = _exhausted(status)
    served = core.registry.find("policy", "v1", _BUDGETS.plural)
    if served is not None:
        core.write(served, budget.key, {**budget.plain, "status": status}, dry_run=dry_run)


def _why_not(name: str, status: Object) -> str:
    healthy, wanted = status.get("currentHealthy") or 0, status.get("desiredHealthy") or 0
    conditions = status.get("conditions") or ()
    condition: Object = next((one for one in conditions if one.get("type") == "DisruptionAllowed"), {})
    message = condition.get("message") if condition.get("status") == "False" else ""
    reason = condition.get("reason", "")
    if message and reason == "SyncFailed":
        return f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {message}"
    if healthy <= wanted:
        return f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
    why = f" ({reason}): {message}" if message else ""
    return f"The disruption budget {name} does not allow evicting pods currently{why}"


def _refused(why: str, *, retry_after_s: float | None = None) -> DisruptionBudgetViolated:
    causes = [{"reason": "DisruptionBudget", "message": why}]
    return DisruptionBudgetViolated(_REFUSED, details={"causes": causes}, retry_after_s=retry_after_s)


def _forbidden(name: str, text: str) -> Forbidden:
    details = {"name": name, "group": "policy", "kind": "poddisruptionbudget"}
    return Forbidden(f'poddisruptionbudget.policy "{name}" is forbidden: {text}', details=details)


def _exhausted(status: Object) -> list[Object]:
    """The conditions of a budget whose last disruption was taken."""
    conditions = [dict(one) for one in status.get("conditions") or ()]
    found = next((one for one in conditions if one.get("type") == "DisruptionAllowed"), None)
    if found is None:
        found = {"type": "DisruptionAllowed"}
        conditions.append(found)
    if found.get("status") != "False":
        found["lastTransitionTime"] = clock.timestamp(clock.now())
    generation = status.get("observedGeneration") or 0
    found |= {"status": "False", "reason": "InsufficientPods", "message": "", "observedGeneration": generation}
    return list(conditions)
