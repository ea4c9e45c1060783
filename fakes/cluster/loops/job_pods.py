"""
What the plan of a Job asks of its spec and its pods, read once for each. Pure.

How a pod's failure counts is said by the Job's podFailurePolicy; when it ended, by its containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ctrlkit.fakes.cluster.loops.pods import condition, is_active, is_terminating, moment_of, ready_since
from ctrlkit.model import Unstructured

TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer of a pod that has not been counted yet."""

INDEX = "batch.kubernetes.io/job-completion-index"
"""The annotation and the label with a pod's completion index."""

FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"

_INT_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """
    The fields of a Job that its plan depends on.

    `completions` is None where the first success is enough; `failure_rules` without a policy. Where
    `replaces_failed_only`, a pod that is being deleted is replaced once it has ended.
    """

    name: str
    namespace: str
    parallelism: int
    completions: int | None
    is_indexed: bool = False
    backoff_limit: int = 6
    backoff_limit_per_index: int | None = None
    failed_indexes_max: int | None = None
    deadline_s: int | None = None
    is_suspended: bool = False
    is_deleting: bool = False
    replaces_failed_only: bool = False
    restarts_on_failure: bool = False
    failure_rules: Sequence[Mapping[str, Any]] | None = None
    success_rules: Sequence[Mapping[str, Any]] = ()


def read_job(job: Unstructured) -> JobSpec:
    """Read the fields of a Job that its plan depends on."""
    spec: Mapping[str, Any] = job["spec"]
    metadata = job.metadata
    policy, success = spec.get("podFailurePolicy"), spec.get("successPolicy")
    limit = spec.get("backoffLimit")
    return JobSpec(
        name=metadata.name,
        namespace=metadata.namespace,
        parallelism=spec.get("parallelism", 1),
        completions=spec.get("completions"),
        is_indexed=spec.get("completionMode") == "Indexed",
        backoff_limit=6 if limit is None else limit,
        backoff_limit_per_index=spec.get("backoffLimitPerIndex"),
        failed_indexes_max=spec.get("maxFailedIndexes"),
        deadline_s=spec.get("activeDeadlineSeconds"),
        is_suspended=bool(spec.get("suspend")),
        is_deleting=metadata.deleting,
        replaces_failed_only=spec.get("podReplacementPolicy") == "Failed" or policy is not None,
        restarts_on_failure=job.at("spec.template.spec.restartPolicy") == "OnFailure",
        failure_rules=(policy.get("rules") or ()) if policy is not None else None,
        success_rules=(success.get("rules") or ()) if success is not None else (),
    )


class Verdict(NamedTuple):
    """What a failure policy says about a pod that failed; `fails_job` is the message if the Job fails with it."""

    counts: bool = True
    fails_job: str = ""
    fails_index: bool = False


@dataclass(frozen=True, slots=True)
class JobPod:
    """
    A pod of a Job.

    `index` is its completion index, if it has a readable one that there is; `is_tracked` whether it has the finalizer
    of pods that are not counted yet; `failures` and `ignored` count the failures of its index before it.
    """

    pod: Unstructured
    uid: str
    index: int | None
    is_tracked: bool
    is_active: bool
    is_terminating: bool
    is_ready: bool
    has_succeeded: bool
    has_failed: bool
    failures: int
    ignored: int
    verdict: Verdict = field(default=Verdict())

    @property
    def all_failures(self) -> int:
        """All failures of the index before this pod, also those that are ignored."""
        return self.failures + self.ignored

    @property
    def finished_at(self) -> datetime:
        """When the pod ended, as far as it says so."""
        return _finished_at(self.pod)


def read_pod(pod: Unstructured, job: JobSpec) -> JobPod:
    """Read the fields of a pod that its Job's plan depends on."""
    metadata = pod.metadata
    annotations = metadata.annotations or {}
    phase = pod.at("status.phase")
    has_failed = phase == "Failed" or (not job.replaces_failed_only and metadata.deleting and phase != "Succeeded")
    return JobPod(
        pod=pod,
        uid=metadata.uid,
        index=_index(annotations.get(INDEX, ""), job),
        is_tracked=TRACKING in (metadata.finalizers or ()),
        is_active=is_active(pod),
        is_terminating=is_terminating(pod),
        is_ready=ready_since(pod) is not None,
        has_succeeded=phase == "Succeeded",
        has_failed=has_failed,
        failures=_count(annotations.get(FAILURES, "")),
        ignored=_count(annotations.get(IGNORED, "")),
        verdict=judge(pod, job) if job.failure_rules is not None else Verdict(),
    )


def _index(text: str, job: JobSpec) -> int | None:
    if not job.is_indexed or not text.isdecimal():
        return None
    return int(text)


def _count(text: str) -> int:
    return int(text) if text.isdecimal() and int(text) <= _INT_MAX else 0


# ---- failure policy --------------------------------------------------------------------------------------------------


def judge(pod: Unstructured, job: JobSpec) -> Verdict:
    """Return what the first rule that fits a failed pod says about it."""
    for place, rule in enumerate(job.failure_rules or ()):
        found = _matching(pod, rule)
        if found is None:
            continue
        match rule["action"]:
            case "Ignore":
                return Verdict(counts=False)
            case "FailIndex":
                return Verdict(fails_index=True)
            case "Count":
                return Verdict()
            case "FailJob":
                return Verdict(fails_job=f"{found} matching FailJob rule at index {place}")
    return Verdict()


def _matching(pod: Unstructured, rule: Mapping[str, Any]) -> str | None:
    """Return in the server's words what of a pod fits a rule; None if nothing does."""
    key = pod.key
    if "onExitCodes" in rule:
        ended = _matching_container(pod, rule["onExitCodes"])
        if ended is None:
            return None
        name, code = ended
        return f"Container {name} for pod {key.namespace}/{key.name} failed with exit code {code}"
    patterns = {(one["type"], one.get("status", "True")) for one in rule.get("onPodConditions") or ()}
    for one in pod.at("status.conditions") or ():
        if (one.get("type"), one.get("status")) in patterns:
            return f"Pod {key.namespace}/{key.name} has condition {one['type']}"
    return None


def _matching_container(pod: Unstructured, wanted: Mapping[str, Any]) -> tuple[str, int] | None:
    values, is_listed = wanted.get("values") or (), wanted["operator"] == "In"
    for one in (*(pod.at("status.containerStatuses") or ()), *(pod.at("status.initContainerStatuses") or ())):
        code = ((one.get("state") or {}).get("terminated") or {}).get("exitCode", 0)
        if code and wanted.get("containerName") in (None, one["name"]) and (code in values) == is_listed:
            return one["name"], code
    return None


# ---- times and restarts ----------------------------------------------------------------------------------------------


def _finished_at(pod: Unstructured) -> datetime:
    ends = [_end_of(one) for one in _lasting_statuses(pod)]
    if ends and all(ends):
        return max(map(moment_of, ends))
    ready = condition(pod, "Ready")
    if ready is not None and ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return moment_of(ready["lastTransitionTime"])
    deleted = pod.metadata.deletion_timestamp
    if deleted:
        return moment_of(deleted) - timedelta(seconds=pod.at("metadata.deletionGracePeriodSeconds") or 0)
    return moment_of(pod.metadata.creation_timestamp)


def _lasting_statuses(pod: Unstructured) -> Iterable[Mapping[str, Any]]:
    """Return the statuses of a pod's containers, and of its sidecars, which end last."""
    yield from pod.at("status.containerStatuses") or ()
    sidecars = {one["name"] for one in pod.at("spec.initContainers") or () if one.get("restartPolicy") == "Always"}
    yield from (one for one in pod.at("status.initContainerStatuses") or () if one.get("name") in sidecars)


def _end_of(status: Mapping[str, Any]) -> str:
    ended: str = ((status.get("state") or {}).get("terminated") or {}).get("finishedAt") or ""
    return ended


def restarts(pod: Unstructured) -> int:
    """Count the restarts of all containers of a pod that has not ended."""
    if pod.at("status.phase") not in ("Running", "Pending"):
        return 0
    statuses = (*(pod.at("status.initContainerStatuses") or ()), *(pod.at("status.containerStatuses") or ()))
    return sum(one.get("restartCount", 0) for one in statuses)


# ---- back-off --------------------------------------------------------------------------------------------------------

_BACKOFF_S = 10.0
_BACKOFF_MAX_S = 600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    How often pods of a Job have failed since the last success, and when the last one did.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> [Backoff(failures, noon).left_s(noon) for failures in (0, 1, 2, 9)]
    [0.0, 10.0, 20.0, 600.0]
    """

    failures: int = 0
    last: datetime | None = None

    def after(self, succeeded: Iterable[datetime], failed: Iterable[datetime]) -> Backoff:
        """Return what is so after some more pods have ended."""
        success, ends = max(succeeded, default=None), list(failed)
        if success is not None:
            ends = [end for end in ends if end > success]
        elif not ends:
            return self
        before = self.failures if success is None else 0
        return Backoff(before + len(ends), max(ends, default=None))

    def left_s(self, now: datetime) -> float:
        """Return how long no new pod may be made."""
        if not self.failures or self.last is None:
            return 0.0
        delay_s = min(_BACKOFF_MAX_S, _BACKOFF_S * 2.0 ** min(self.failures - 1, 64))
        return max(0.0, delay_s - (now - self.last).total_seconds())
