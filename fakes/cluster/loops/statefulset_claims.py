"""The claims of a StatefulSet's pods: their names, what they are made of, and who owns them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ctrlkit.fakes.cluster.loops.statefulset_plan import ordinal_of
from ctrlkit.model import Unstructured

Reference = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Retention:
    """Whether claims go with the set, and with a pod that is too many."""

    when_deleted: bool = False
    when_scaled: bool = False


def read_retention(stateful_set: Unstructured) -> Retention:
    """Read a set's spec.persistentVolumeClaimRetentionPolicy."""
    policy = stateful_set.at("spec.persistentVolumeClaimRetentionPolicy") or {}
    return Retention(policy.get("whenDeleted") == "Delete", policy.get("whenScaled") == "Delete")


def claim_name(stateful_set: Unstructured, template: str, ordinal: int | str) -> str:
    """Return the name of the claim that a pod has of a template."""
    return f"{template}-{stateful_set.key.name}-{ordinal}"


def claim_names(stateful_set: Unstructured, ordinal: int | str) -> dict[str, str]:
    """Return the names of a pod's claims, by the templates that they are made of."""
    templates = stateful_set.at("spec.volumeClaimTemplates") or ()
    names = [one["metadata"]["name"] for one in templates]
    return {name: claim_name(stateful_set, name, ordinal) for name in names}


def is_claim_of(stateful_set: Unstructured, name: str) -> bool:
    """Whether a claim has the name of one of the set's."""
    templates = stateful_set.at("spec.volumeClaimTemplates") or ()
    parents = (claim_name(stateful_set, one["metadata"]["name"], "").removesuffix("-") for one in templates)
    return any(ordinal_of(name, parent=parent) is not None for parent in parents)


def new_claims(stateful_set: Unstructured, *, ordinal: int | str) -> list[dict[str, Any]]:
    """Build the claims of a pod, with the labels that the set selects by."""
    selected = stateful_set.at("spec.selector.matchLabels") or {}
    claims = []
    for template in stateful_set.at("spec.volumeClaimTemplates") or ():
        metadata = template["metadata"]
        kept = {name: deepcopy(metadata[name]) for name in ("annotations", "finalizers") if metadata.get(name)}
        named = {
            "name": claim_name(stateful_set, metadata["name"], ordinal),
            "namespace": stateful_set.key.namespace,
            "labels": {**(metadata.get("labels") or {}), **selected},
        }
        claims.append({"metadata": kept | named, "spec": deepcopy(template.get("spec") or {})})
    return claims


def with_claims(volumes: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """
    Return the volumes of a pod: those of its claims go before the others, and take the place of namesakes.

    >>> with_claims([{"name": "data"}, {"name": "tmp"}], {"data": "data-net-0"})
    [{'name': 'data', 'persistentVolumeClaim': {'claimName': 'data-net-0'}}, {'name': 'tmp'}]
    """
    claimed = [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in names.items()]
    return [*claimed, *(one for one in volumes if one["name"] not in names)]


def has_claims(volumes: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> bool:
    """Whether the volumes of a pod are its claims."""
    found = {one["name"]: (one.get("persistentVolumeClaim") or {}).get("claimName") for one in volumes}
    return names.items() <= found.items()


def owners(
    there: Sequence[Reference], of_set: Reference, of_pod: Reference, retention: Retention, *, is_wanted: bool
) -> list[Reference] | None:
    """
    Return the owner references that a claim should have; None to leave them as they are.

    Shape   `of_set` and `of_pod` are the references that its set and its pod would be owners by; `is_wanted` is False
            for a pod that is too many. A claim of an earlier set or pod of that name is left alone. One that another
            controller has is given up.
    """
    if _has_stale(there, of_set) or _has_stale(there, of_pod):
        return None
    ours = [one for one in there if one["uid"] in (of_set["uid"], of_pod["uid"])]
    others = [one for one in there if not (_names(one, of_set) or _names(one, of_pod))]
    if has_other_controller(there, of_set, of_pod, retention):
        return others if ours else None
    set_owns = retention.when_deleted and (is_wanted or not retention.when_scaled)
    pod_owns = retention.when_scaled and not is_wanted
    wanted = [one for one, owns in ((of_pod, pod_owns), (of_set, set_owns)) if owns]
    is_right = {one["uid"] for one in ours} == {one["uid"] for one in wanted} and all(
        one.get("controller") for one in ours
    )
    return None if is_right else [*others, *wanted]


def has_other_controller(
    there: Sequence[Reference], of_set: Reference, of_pod: Reference, retention: Retention
) -> bool:
    """Whether something else controls a claim that a policy is about."""
    if retention == Retention():
        return False
    return any(one.get("controller") and not (_names(one, of_set) or _names(one, of_pod)) for one in there)


def is_of_earlier_pod(there: Sequence[Reference], pod: str) -> bool:
    """Whether a claim is about to go with a pod of this name that is gone."""
    return any((one["apiVersion"], one["kind"], one["name"]) == ("v1", "Pod", pod) for one in there)


def _names(one: Reference, owner: Reference) -> bool:
    return all(one[name] == owner[name] for name in ("apiVersion", "kind", "name"))


def _has_stale(there: Sequence[Reference], owner: Reference) -> bool:
    found = next((one for one in there if _names(one, owner)), None)
    return found is not None and found["uid"] != owner["uid"]
