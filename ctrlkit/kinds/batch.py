"""The kinds of batch/v1 with all their fields; made by ctrlkit.fakes.releases.typed_kinds."""

from __future__ import annotations

from ctrlkit.kinds.base import TypedKind
from ctrlkit.kinds.core import LabelSelector, ObjectReference, PodTemplateSpec
from ctrlkit.model import ObjectMeta, Resource, kinds

__all__ = [
    "CRON_JOBS",
    "JOBS",
    "CronJob",
    "CronJobSpec",
    "CronJobStatus",
    "Job",
    "JobCondition",
    "JobSpec",
    "JobStatus",
    "JobTemplateSpec",
    "PodFailurePolicy",
    "PodFailurePolicyOnExitCodesRequirement",
    "PodFailurePolicyOnPodConditionsPattern",
    "PodFailurePolicyRule",
    "SuccessPolicy",
    "SuccessPolicyRule",
    "UncountedTerminatedPods",
]


class PodFailurePolicyOnExitCodesRequirement(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodFailurePolicyOnExitCodesRequirement."""

    operator: str
    """In or NotIn."""
    values: tuple[int, ...]
    container_name: str | None = None


class PodFailurePolicyOnPodConditionsPattern(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodFailurePolicyOnPodConditionsPattern."""

    type: str
    status: str = ""


class PodFailurePolicyRule(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodFailurePolicyRule."""

    action: str
    """Count, FailIndex, FailJob or Ignore."""
    on_exit_codes: PodFailurePolicyOnExitCodesRequirement | None = None
    on_pod_conditions: tuple[PodFailurePolicyOnPodConditionsPattern, ...] = ()


class PodFailurePolicy(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodFailurePolicy."""

    rules: tuple[PodFailurePolicyRule, ...]


class SuccessPolicyRule(TypedKind, frozen=True, kw_only=True):
    """The fields of a SuccessPolicyRule."""

    succeeded_count: int | None = None
    succeeded_indexes: str | None = None


class SuccessPolicy(TypedKind, frozen=True, kw_only=True):
    """The fields of a SuccessPolicy."""

    rules: tuple[SuccessPolicyRule, ...]


class JobSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a JobSpec."""

    template: PodTemplateSpec
    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None
    backoff_limit_per_index: int | None = None
    completion_mode: str | None = None
    """Indexed or NonIndexed."""
    completions: int | None = None
    managed_by: str | None = None
    manual_selector: bool | None = None
    max_failed_indexes: int | None = None
    parallelism: int | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    pod_replacement_policy: str | None = None
    """Failed or TerminatingOrFailed."""
    selector: LabelSelector | None = None
    success_policy: SuccessPolicy | None = None
    suspend: bool | None = None
    ttl_seconds_after_finished: int | None = None


class JobTemplateSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a JobTemplateSpec."""

    spec: JobSpec
    metadata: ObjectMeta = ObjectMeta()


class CronJobSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a CronJobSpec."""

    job_template: JobTemplateSpec
    schedule: str
    concurrency_policy: str = ""
    """Allow, Forbid or Replace."""
    failed_jobs_history_limit: int | None = None
    starting_deadline_seconds: int | None = None
    successful_jobs_history_limit: int | None = None
    suspend: bool | None = None
    time_zone: str | None = None


class CronJobStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a CronJobStatus."""

    active: tuple[ObjectReference, ...] = ()
    last_schedule_time: str | None = None
    last_successful_time: str | None = None


class CronJob(TypedKind, frozen=True, kw_only=True):
    """A CronJob with all its fields."""

    metadata: ObjectMeta
    spec: CronJobSpec
    status: CronJobStatus = CronJobStatus()


class JobCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a JobCondition."""

    last_probe_time: str | None = None
    last_transition_time: str | None = None
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class UncountedTerminatedPods(TypedKind, frozen=True, kw_only=True):
    """The fields of a UncountedTerminatedPods."""

    failed: tuple[str, ...] = ()
    succeeded: tuple[str, ...] = ()


class JobStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a JobStatus."""

    active: int = 0
    completed_indexes: str = ""
    completion_time: str | None = None
    conditions: tuple[JobCondition, ...] = ()
    failed: int = 0
    failed_indexes: str | None = None
    ready: int | None = None
    start_time: str | None = None
    succeeded: int = 0
    terminating: int | None = None
    uncounted_terminated_pods: UncountedTerminatedPods | None = None


class Job(TypedKind, frozen=True, kw_only=True):
    """A Job with all its fields."""

    metadata: ObjectMeta
    spec: JobSpec
    status: JobStatus = JobStatus()


CRON_JOBS: Resource[CronJob] = kinds.CRON_JOBS.of(CronJob)
JOBS: Resource[Job] = kinds.JOBS.of(Job)
