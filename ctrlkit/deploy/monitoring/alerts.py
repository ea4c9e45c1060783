"""
What somebody is told of a program, as data: each alert with its expression, how long it has to hold, and why so long.

None of them holds for a program that is well: while replicas are replaced, while a standby waits, on a quiet night,
while the API server restarts. docs/monitoring.md says of each what it means and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """Who has to look at it when."""

    CRITICAL = "critical"
    """Somebody, now: nothing is done for any object, or requests of users are refused."""
    WARNING = "warning"
    """Somebody, within the day: something does not work, and does not mend itself."""
    INFO = "info"
    """Whoever looks next: somebody's object asks for what cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """
    An alert rule.

    Shape   `expression` has `{@}` where the series of the program are chosen. `lasts` is how long it has to hold, as
            Prometheus writes it, and "" where the expression says so itself; `because` is why so long, and why that
            threshold. `summary` and `description` may have `{{ $labels.controller }}` and the like.
    """

    name: str
    severity: Severity
    expression: str
    lasts: str = ""
    because: str
    summary: str
    description: str

    @property
    def anchor(self) -> str:
        """
        The place on the page about it.

        >>> ALERTS[0].anchor
        'ctrlkitprogramabsent'
        """
        return self.name.lower()


_OF: Final = "{{ $labels.job }}"

ALERTS: Final = (
    Alert(
        name="CtrlkitProgramAbsent",
        severity=Severity.CRITICAL,
        expression="absent(ctrlkit_info{@})",
        lasts="10m",
        because="a rollout without a second replica, the pull of an image and a start take a few minutes",
        summary=f"No replica of {_OF} is seen",
        description=(
            "For 10 minutes no metrics of the program were read: it does not run, or nobody can read them. Look at its "
            "pods and at the log of the last one that ended; where they are well, at the scraper's targets."
        ),
    ),
    Alert(
        name="CtrlkitProgramRestarts",
        severity=Severity.WARNING,
        expression="changes(process_start_time_seconds{@}[1h]) > 3",
        because="a rollout makes new pods and restarts none; more than three within an hour are no accident",
        summary=f"A replica of {_OF} starts again and again",
        description=(
            "{{ $labels.instance }} has restarted {{ $value }} times within an hour. The last lines of its log before "
            "each end say why (kubectl logs --previous); without any, look for OOMKilled in the pod's status."
        ),
    ),
    Alert(
        name="CtrlkitNobodyLeads",
        severity=Severity.CRITICAL,
        expression="max by (namespace, job, name) (leader_election_master_status{@}) == 0",
        lasts="5m",
        because="others take a silent leader's Lease after 15 s, and nobody takes it before the caches are filled, for "
        "which a start has 120 s",
        summary=f"No replica of {_OF} holds the Lease {{{{ $labels.name }}}}",
        description=(
            "Replicas run, and none of them works on the keys that the Lease {{ $labels.name }} stands for. Look at "
            "`leases` on the debug page of any replica: who holds it, and the last error."
        ),
    ),
    Alert(
        name="CtrlkitLeaseRenewalsFail",
        severity=Severity.WARNING,
        expression="sum by (namespace, job, name) (rate(leader_election_renew_failures_total{@}[15m])) > 0.05",
        lasts="5m",
        because="a holder tries every 2 s; a restart of the API server costs 20 tries or so, and 45 within 15 minutes "
        "are more",
        summary=f"{_OF} can hardly keep the Lease {{{{ $labels.name }}}}",
        description=(
            "Many tries to renew the Lease {{ $labels.name }} fail. When they fail for renew_s, the replica stops its "
            "work. Look at the API server, at the way there, and at CtrlkitEventLoopHeld."
        ),
    ),
    Alert(
        name="CtrlkitCacheFailing",
        severity=Severity.CRITICAL,
        expression="max by (namespace, job, name, scope) (informer_failing{@}) == 1",
        lasts="10m",
        because="after an outage of the API server a cache asks again within 3 minutes at most",
        summary=f"A cache of {_OF} is behind: {{{{ $labels.name }}}}",
        description=(
            "The cache of {{ $labels.name }}{{ with $labels.scope }} in namespace {{ . }}{{ end }} cannot be listed or "
            "watched, so changes are not seen. `caches` on the debug page has the error: a missing right, a kind "
            "that is not served, or a server that is not reached."
        ),
    ),
    Alert(
        name="CtrlkitObjectsQuarantined",
        severity=Severity.WARNING,
        expression="max by (namespace, job, name) (informer_quarantined_items{@}) > 0",
        lasts="15m",
        because="objects that an upgrade is about to rewrite need no one",
        summary=f"{_OF} cannot read {{{{ $value }}}} objects of {{{{ $labels.name }}}}",
        description=(
            "{{ $value }} objects of {{ $labels.name }} do not fit the program's type and are not reconciled. "
            "`quarantined` on the debug page names them, with the field that does not fit."
        ),
    ),
    Alert(
        name="CtrlkitChangesLost",
        severity=Severity.WARNING,
        expression=(
            "sum by (namespace, job, controller) (increase(controller_source_failures_total{@}[1h])) > 0 "
            "or sum by (namespace, job, name, handler) (increase(informer_handler_failures_total{@}[1h])) > 0 "
            "or sum by (namespace, job, name) (increase(informer_index_failures_total{@}[1h])) > 0"
        ),
        because="each of these is a bug, and once is enough to miss a change",
        summary=f"A function of {_OF} that maps changes raises",
        description=(
            "A mapper, predicate, handler or index function of {{ or $labels.controller $labels.name }} raised, so a "
            "change may have led to no reconcile. The log has `source_failed`, `handler_failed` or "
            "`index_function_failed` with a traceback."
        ),
    ),
    Alert(
        name="CtrlkitKeysFailing",
        severity=Severity.WARNING,
        expression=(
            "max by (namespace, job, controller) "
            '(controller_longest_failing_seconds{@, result!="terminal_error"}) > 900'
        ),
        because="one key has failed for 15 minutes without a success; failures that pass are over by then",
        summary=f"A key of {{{{ $labels.controller }}}} in {_OF} has failed for {{{{ $value | humanizeDuration }}}}",
        description=(
            "At least one key of {{ $labels.controller }} is tried again and again, and fails. `failing` on the debug "
            "page has all of them, with their errors."
        ),
    ),
    Alert(
        name="CtrlkitKeysWaiting",
        severity=Severity.WARNING,
        expression="max by (namespace, job, controller) (controller_longest_waiting_seconds{@}) > 1800",
        because="what a reconcile waits for, such as a rollout or a service that restarts, comes within half an hour",
        summary=f"A key of {{{{ $labels.controller }}}} in {_OF} has waited for {{{{ $value | humanizeDuration }}}}",
        description=(
            "At least one key of {{ $labels.controller }} ends with RetryLater again and again: what it needs does not "
            "come. The headline of the debug page says for what most of them wait, `waiting` has all of them."
        ),
    ),
    Alert(
        name="CtrlkitKeysGivenUp",
        severity=Severity.INFO,
        expression=(
            "max by (namespace, job, controller) "
            '(controller_longest_failing_seconds{@, result="terminal_error"}) > 3600'
        ),
        because="whoever wrote the object has an hour to see its status",
        summary=f"A key of {{{{ $labels.controller }}}} in {_OF} will not be tried again until something changes",
        description=(
            "{{ $labels.controller }} ended with a TerminalError for at least one key, an hour ago or longer: its "
            "object asks for what cannot be. `failing` on the debug page says which and why."
        ),
    ),
    Alert(
        name="CtrlkitKeysStuck",
        severity=Severity.WARNING,
        expression="max by (namespace, job, controller) (workqueue_longest_running_processor_seconds{@}) > 900",
        because="a reconcile that runs for 15 minutes waits for something that does not come; it holds a worker",
        summary=f"A reconcile of {{{{ $labels.controller }}}} in {_OF} has run for {{{{ $value | humanizeDuration }}}}",
        description=(
            "One reconcile of {{ $labels.controller }} does not end. `running` on the debug page names its key. Give "
            "the controller a `timeout_s`, and calls of outside services time limits of their own."
        ),
    ),
    Alert(
        name="CtrlkitBacklogGrows",
        severity=Severity.WARNING,
        expression=(
            "avg_over_time((controller_runtime_active_workers{@} / controller_runtime_max_concurrent_reconciles{@})"
            "[30m:1m]) > 0.9 "
            "and min_over_time(sum without (name, priority) (workqueue_depth{@})[30m:1m]) > 0 "
            "and deriv(sum without (name, priority) (workqueue_depth{@})[30m:1m]) > 0"
        ),
        lasts="15m",
        because="after a start all objects wait at once, and that backlog shrinks; this one has grown for half an hour "
        "while all workers were busy",
        summary=f"{{{{ $labels.controller }}}} in {_OF} cannot keep up",
        description=(
            "All workers of {{ $labels.controller }} are busy, and more keys wait than half an hour ago. Give it more "
            "`workers`, find what makes reconciles slow or frequent (durations and causes on the dashboard), or share "
            "its keys among replicas (`shards`)."
        ),
    ),
    Alert(
        name="CtrlkitEventLoopHeld",
        severity=Severity.WARNING,
        expression="rate(event_loop_lag_seconds_sum{@}[10m]) > 0.1",
        lasts="10m",
        because="caches that fill and lists that are decoded hold it for milliseconds; this is a tenth of all time, "
        "over a quarter of an hour",
        summary=f"Something holds the event loop of {_OF}",
        description=(
            "On {{ $labels.instance }} the event loop stands still for {{ $value | humanizePercentage }} of the time. "
            "While it does, leases are not renewed and no key is worked on. Look for a call that blocks, and for a CPU "
            "limit; the log has `loop_held`."
        ),
    ),
    Alert(
        name="CtrlkitWebhookFails",
        severity=Severity.CRITICAL,
        expression=(
            'sum by (namespace, job, webhook) (rate(controller_runtime_webhook_requests_total{@, code=~"5.."}[10m])) '
            "/ sum by (namespace, job, webhook) (rate(controller_runtime_webhook_requests_total{@}[10m])) > 0.05"
        ),
        lasts="10m",
        because="one failure is seen for 10 minutes, so this is more than one; refusals of a webhook are not counted",
        summary=f"The webhook {{{{ $labels.webhook }}}} of {_OF} fails",
        description=(
            "{{ $value | humanizePercentage }} of the reviews at {{ $labels.webhook }} end with an error, and with "
            "failure_policy Fail requests of users are refused. The log has `webhook_failed` with a traceback."
        ),
    ),
    Alert(
        name="CtrlkitWebhookCertificateEnds",
        severity=Severity.WARNING,
        expression="min by (namespace, job) (webhook_certificate_end_seconds{@}) - time() < 20 * 24 * 3600",
        lasts="1h",
        because="certificates that the program or cert-manager make live 90 days, and are replaced 27 or 30 days "
        "before their end",
        summary=f"The certificate of the webhooks of {_OF} ends in {{{{ $value | humanizeDuration }}}}",
        description=(
            "It should have been replaced. The check `webhooks` at /readyz and the log's `certificates_hindered` say "
            "what is in the way; with cert-manager, look at its Certificate."
        ),
    ),
)
"""In the order of docs/monitoring.md."""
