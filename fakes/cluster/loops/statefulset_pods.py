"""What a StatefulSet's fields say, and the pods that are made of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ctrlkit.fakes.cluster.loops.percentages import of_total
from ctrlkit.fakes.cluster.loops.pods import available_in, is_final, pod_of_template
from ctrlkit.fakes.cluster.loops.statefulset_claims import (
    Retention,
    claim_names,
    has_claims,
    owners,
    read_retention,
    with_claims,
)
from ctrlkit.fakes.cluster.loops.statefulset_plan import (
    Member,
    PodManagementPolicy,
    SetSpec,
    UpdateStrategy,
    ordinal_of,
)
from ctrlkit.model import LabelSelector, Unstructured, to_plain
from ctrlkit.model.kinds import PODS, STATEFULSETS

REVISION_LABEL = "controller-revision-hash"
NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"


def selector_of(stateful_set: Unstructured) -> LabelSelector:
    """Return the selector of a StatefulSet."""
    return LabelSelector.of_object(stateful_set.at("spec.selector") or {})


def read_spec(stateful_set: Unstructured, *, current: str, revision: str) -> SetSpec:
    """Read the fields of a StatefulSet that its plan depends on; `current` and `revision` are names of revisions."""
    rolling = stateful_set.at("spec.updateStrategy.rollingUpdate")
    ordinals = ordinals_of(stateful_set)
    some = None
    if rolling is not None and rolling.get("maxUnavailable") is not None:
        some = max(1, of_total(rolling["maxUnavailable"], len(ordinals), round_up=False))
    return SetSpec(
        name=stateful_set.key.name,
        replicas=len(ordinals),
        revision=revision,
        current=current,
        start=ordinals.start,
        management=PodManagementPolicy(stateful_set.at("spec.podManagementPolicy") or "OrderedReady"),
        update=UpdateStrategy(stateful_set.at("spec.updateStrategy.type") or "RollingUpdate"),
        partition=None if rolling is None else int(rolling.get("partition") or 0),
        max_unavailable=some,
    )


def new_pod(stateful_set: Unstructured, template: Mapping[str, Any], ordinal: int, revision: str) -> dict[str, Any]:
    """Build the pod of an ordinal from a template, with its stable name and owned by the set."""
    name = f"{stateful_set.key.name}-{ordinal}"
    pod = pod_of_template(template, stateful_set.metadata, STATEFULSETS)
    metadata, spec = pod["metadata"], pod["spec"]
    metadata["name"] = name
    metadata["labels"] = (metadata.get("labels") or {}) | _identity(name, ordinal) | {REVISION_LABEL: revision}
    volumes = with_claims(spec.get("volumes") or (), claim_names(stateful_set, ordinal))
    spec |= {"hostname": name, "subdomain": stateful_set.at("spec.serviceName") or ""}
    if volumes:
        spec["volumes"] = volumes
    return pod


def _identity(name: str, ordinal: int) -> dict[str, str]:
    return {NAME_LABEL: name, INDEX_LABEL: str(ordinal)}


def changes_of(pod: Unstructured, stateful_set: Unstructured, ordinal: int) -> dict[str, Any]:
    """Return the fields of a pod that should be others, as a merge patch."""
    changes: dict[str, Any] = {}
    if (pod.metadata.labels or {}).get(NAME_LABEL) != pod.key.name:
        changes["metadata"] = {"labels": _identity(pod.key.name, ordinal)}
    if not is_claimed(pod, stateful_set, ordinal):
        volumes = with_claims(pod.at("spec.volumes") or (), claim_names(stateful_set, ordinal))
        changes["spec"] = {"volumes": volumes}
    return changes


def read_member(
    pod: Unstructured, stateful_set: Unstructured, spec: SetSpec, claims: Sequence[Unstructured], now: datetime
) -> Member:
    """Read the fields of a pod that the plan depends on; `claims` are those of its claims that are there."""
    metadata, phase = pod.metadata, pod.at("status.phase")
    ordinal = ordinal_in(pod, stateful_set) or 0
    left_s = available_in(pod, min_ready_s(stateful_set), now)
    is_wanted = ordinal in spec.ordinals
    return Member(
        name=metadata.name,
        uid=metadata.uid,
        ordinal=ordinal,
        revision=(metadata.labels or {}).get(REVISION_LABEL, ""),
        ready=phase == "Running" and left_s is not None,
        available=left_s == 0,
        terminating=metadata.deleting,
        finished=is_final(pod),
        pending=is_pending(pod),
        amiss=(is_wanted and bool(changes_of(pod, stateful_set, ordinal)))
        or _is_claim_amiss(pod, stateful_set, claims, ordinal, is_wanted=is_wanted),
    )


def _is_claim_amiss(
    pod: Unstructured, stateful_set: Unstructured, claims: Sequence[Unstructured], ordinal: int, *, is_wanted: bool
) -> bool:
    """
    Whether a claim has other owners than it should have, or one is not seen of a pod that waits for it, or that is too
    many and has to take it along.
    """
    names = claim_names(stateful_set, ordinal)
    if not names:
        return False
    retention = read_retention(stateful_set)
    is_needed = is_pending(pod) if is_wanted else retention.when_scaled and not pod.metadata.deleting
    if is_needed and len(claims) < len(names):
        return True
    found = [one.at("metadata.ownerReferences") or () for one in claims]
    if retention == Retention() and not any(found):
        return False  # as it mostly is: nothing owns them, and nothing is to
    of_set, of_pod = references(stateful_set, pod)
    return any(owners(there, of_set, of_pod, retention, is_wanted=is_wanted) is not None for there in found)


def references(stateful_set: Unstructured, pod: Unstructured) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the references by which a set and a pod own a claim."""
    of_set = STATEFULSETS.owner_reference(stateful_set.metadata)
    return to_plain(of_set), to_plain(PODS.owner_reference(pod.metadata))


def is_claimed(pod: Unstructured, stateful_set: Unstructured, ordinal: int) -> bool:
    """Whether a pod has a volume for each of its claims."""
    return has_claims(pod.at("spec.volumes") or (), claim_names(stateful_set, ordinal))


def is_pending(pod: Unstructured) -> bool:
    """Whether a pod has not begun to run."""
    return bool(pod.at("status.phase") == "Pending")


def ordinal_in(pod: Unstructured, stateful_set: Unstructured) -> int | None:
    """Return the ordinal of a pod; None if its name is not one of the set."""
    return ordinal_of(pod.key.name, parent=stateful_set.key.name)


def ordinals_of(stateful_set: Unstructured) -> range:
    """Return the ordinals of the pods that a set wants."""
    replicas = stateful_set.at("spec.replicas")
    start = int(stateful_set.at("spec.ordinals.start") or 0)
    return range(start, start + (1 if replicas is None else int(replicas)))


def min_ready_s(stateful_set: Unstructured) -> float:
    """Return for how many seconds a pod has to be ready to count as available."""
    return float(stateful_set.at("spec.minReadySeconds") or 0)
