"""What a dashboard shows of all that is around controllers, as data: server, leases, Events, webhooks, process."""

from __future__ import annotations

from typing import Final

from ctrlkit.deploy.monitoring.panels import Form, Panel, Query, Row, Unit, quantiles, rates

SERVER: Final = Row(
    "Calls to the API server",
    (
        Panel(
            title="By code",
            about="Requests in a second. `<error>` is no answer at all, 429 a server that asks for patience.",
            queries=rates("code", {"": "rest_client_requests_total"}),
            unit=Unit.RATE,
        ),
        Panel(
            title="By method",
            about="Requests in a second. Writes that never end on a quiet cluster are a controller that fights "
            "somebody.",
            queries=rates("method", {"": "rest_client_requests_total"}),
            unit=Unit.RATE,
        ),
        Panel(
            title="Part that fails",
            about="Requests without an answer, refused for load, or failed in the server, as a part of all.",
            queries=(
                Query(
                    '(sum by (host) (rate(rest_client_requests_total{@, code=~"<error>|429|5.."}[$__rate_interval])) '
                    "or sum by (host) (rate(rest_client_requests_total{@}[$__rate_interval])) * 0) "
                    "/ sum by (host) (rate(rest_client_requests_total{@}[$__rate_interval]))",
                    "{{host}}",
                ),
            ),
            unit=Unit.PART,
        ),
    ),
)

LEASES: Final = Row(
    "Leader election and shards",
    (
        Panel(
            title="Who holds what",
            about="1 where a replica holds a Lease: of several replicas one, and with shards one for each shard. Each "
            "replica also has a Lease of its own then.",
            queries=(Query("max by (name, instance) (leader_election_master_status{@})", "{{name}} {{instance}}"),),
            width=12,
        ),
        Panel(
            title="Leases by replica",
            about="How many Leases each replica holds. Shards are even to one.",
            queries=(Query("sum by (instance) (leader_election_master_status{@})", "{{instance}}"),),
            width=12,
        ),
        Panel(
            title="Trouble with Leases",
            about="Tries to renew that failed, and reads of a Lease by its holder, which needs none as long as "
            "nothing fails.",
            queries=rates(
                "name",
                {
                    "renewal failed": "leader_election_renew_failures_total",
                    "read again": "leader_election_slowpath_total",
                },
            ),
            unit=Unit.RATE,
            width=12,
        ),
        Panel(
            title="Changes of holders",
            about="New holders within an hour, as one replica saw them. A rollout changes each Lease a few times.",
            queries=(Query("max by (name) (increase(leader_election_holder_changes_total{@}[1h]))", "{{name}}"),),
            width=12,
        ),
    ),
)

EVENTS: Final = Row(
    "Events",
    (
        Panel(
            title="Recorded and told",
            about="Events that controllers recorded, and what became of them: known to the server, told by a write "
            "that was due anyway, combined with similar ones, told later.",
            queries=rates(
                "component",
                {
                    "recorded": "event_recorder_recorded_total",
                    "told": "event_recorder_told_total",
                    "merged": "event_recorder_merged_total",
                    "combined": "event_recorder_aggregated_total",
                    "told later": "event_recorder_recovered_total",
                },
            ),
            unit=Unit.RATE,
        ),
        Panel(
            title="Dropped",
            about="Events that were not written, and why. `spam` is meant so: too many about one object.",
            queries=rates("component, reason", {"": "event_recorder_dropped_total"}),
            unit=Unit.RATE,
        ),
        Panel(
            title="On their way",
            about="Writes in a second that the server took, and Events that wait for theirs.",
            queries=(
                *rates("component, verb", {"": "event_recorder_writes_total"}),
                Query("sum by (component) (event_recorder_pending{@})", "{{component}} waiting"),
                Query("sum by (component) (event_recorder_untold{@})", "{{component}} not told yet"),
            ),
        ),
    ),
    collapsed=True,
)

WEBHOOKS: Final = Row(
    "Webhooks",
    (
        Panel(
            title="Answers",
            about="Reviews in a second, by the code of their answer: 200 for what was allowed or converted, 4xx for "
            "what was refused, 500 for a function that failed.",
            queries=rates("webhook, code", {"": "controller_runtime_webhook_requests_total"}),
            unit=Unit.RATE,
        ),
        Panel(
            title="Time to answer",
            about="From a review to its answer. A server waits for 10 s, unless the webhook says otherwise.",
            queries=quantiles("controller_runtime_webhook_latency_seconds", "webhook"),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="In flight",
            about="Reviews that are not answered yet.",
            queries=(Query("sum by (webhook) (controller_runtime_webhook_requests_in_flight{@})", "{{webhook}}"),),
        ),
        Panel(
            title="Functions that raised",
            about="Reviews whose function raised what is no refusal. Each is a bug.",
            queries=(
                Query("sum(rate(controller_runtime_webhook_panics_total{@}[$__rate_interval]))", "admission"),
                Query(
                    "sum(rate(controller_runtime_conversion_webhook_panics_total{@}[$__rate_interval]))", "conversion"
                ),
            ),
            unit=Unit.RATE,
        ),
        Panel(
            title="Certificate ends in",
            about="How long the certificate lives that is served. It jumps up when it is replaced.",
            queries=(Query("min by (instance) (webhook_certificate_end_seconds{@}) - time()", "{{instance}}"),),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Work on certificates",
            about="Steps within an hour that were done, and that failed: `Conflict` is another replica that was "
            "quicker.",
            queries=(
                Query("sum by (step) (increase(webhook_certificate_steps_total{@}[1h]))", "{{step}}"),
                Query("sum by (step) (increase(webhook_certificate_failures_total{@}[1h]))", "{{step}} failed"),
            ),
        ),
    ),
    collapsed=True,
)

PROCESS: Final = Row(
    "The process",
    (
        Panel(
            title="CPU",
            about="Processors in use. One event loop uses one at most: at 1 it is the limit.",
            queries=(Query("rate(process_cpu_seconds_total{@}[$__rate_interval])", "{{instance}}"),),
        ),
        Panel(
            title="Memory",
            about="Memory in use. It follows the objects in caches; one that climbs on its own is a leak.",
            queries=(Query("process_resident_memory_bytes{@}", "{{instance}}"),),
            unit=Unit.BYTES,
        ),
        Panel(
            title="Event loop held",
            about="The part of the time for which something held the event loop: a call that blocks, or too little "
            "CPU.",
            queries=(Query("rate(event_loop_lag_seconds_sum{@}[$__rate_interval])", "{{instance}}"),),
            unit=Unit.PART,
        ),
        Panel(
            title="Lag of the event loop",
            about="How late a timer of each second is.",
            queries=quantiles("event_loop_lag_seconds", "instance"),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Open files",
            about="Open files and sockets, as a part of what there may be.",
            queries=(Query("process_open_fds{@} / process_max_fds{@}", "{{instance}}"),),
            unit=Unit.PART,
        ),
        Panel(
            title="Running since",
            about="How long each replica has run. A line that falls is a restart.",
            queries=(Query("time() - process_start_time_seconds{@}", "{{instance}}"),),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Garbage collection",
            about="Runs in a second, by generation.",
            queries=rates("generation", {"": "python_gc_collections_total"}),
            unit=Unit.RATE,
        ),
        Panel(
            title="Certificate of the endpoints",
            about="Times within an hour that it was read, and could not be used. No data without TLS.",
            queries=(
                Query("sum by (instance) (increase(certwatcher_read_certificate_total{@}[1h]))", "{{instance}} read"),
                Query(
                    "sum by (instance) (increase(certwatcher_read_certificate_errors_total{@}[1h]))",
                    "{{instance}} failed",
                ),
            ),
        ),
        Panel(
            title="Versions",
            about="Which version of ctrlkit each replica has: during an upgrade there are two.",
            queries=(Query("max by (instance, program, version) (ctrlkit_info{@})"),),
            form=Form.TABLE,
        ),
    ),
    collapsed=True,
)
