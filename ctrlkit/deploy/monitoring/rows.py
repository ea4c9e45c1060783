"""What a dashboard shows of controllers, their queues and their caches, as data."""

from __future__ import annotations

from typing import Final

from ctrlkit.deploy.monitoring.panels import CHOSEN, Form, Panel, Query, Row, Unit, Wanted, quantiles, rates, value

GLANCE: Final = Row(
    "At a glance",
    (
        value("Replicas", "Replicas whose metrics are read.", "count(ctrlkit_info{@})", wanted=Wanted.SOME),
        value(
            "Failing keys",
            "Keys whose last reconcile failed; `failing` on the debug page names them.",
            "sum(controller_failing_keys{@})",
        ),
        value(
            "Longest failure",
            "How long the key has failed that has failed longest.",
            "max(controller_longest_failing_seconds{@})",
            unit=Unit.SECONDS,
        ),
        value(
            "Longest reconcile",
            "How long the reconcile has run that runs longest now.",
            "max(workqueue_longest_running_processor_seconds{@})",
            unit=Unit.SECONDS,
            wanted=Wanted.ANY,
        ),
        value(
            "Caches that fail",
            "Caches whose last list or watch failed: changes are not seen.",
            "count(max by (name, scope) (informer_failing{@})) or vector(0)",
        ),
        value(
            "Alerts",
            "Alerts of this program that fire now; docs/monitoring.md says what each means.",
            'count(ALERTS{namespace=~"$namespace", job=~"$job", alertname=~"Ctrlkit.+", alertstate="firing"}) '
            "or vector(0)",
        ),
    ),
)

CONTROLLERS: Final = Row(
    "Controllers",
    (
        Panel(
            title="Reconciles by result",
            about="How many end in a second, and how. `conflict` is no failure: somebody else wrote first. `requeue` "
            "waits for something that is not there yet.",
            queries=rates("result", {"": "controller_runtime_reconcile_total"}, CHOSEN),
            unit=Unit.RATE,
        ),
        Panel(
            title="Reconciles by controller",
            about="How many end in a second.",
            queries=rates("controller", {"": "controller_runtime_reconcile_total"}, CHOSEN),
            unit=Unit.RATE,
        ),
        Panel(
            title="Duration",
            about="How long reconciles take. The median is what is usual; p99 is what the slowest of a hundred take.",
            queries=quantiles("controller_runtime_reconcile_time_seconds", "controller", CHOSEN),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Failing keys",
            about="Keys whose last reconcile failed, by result. Those with `terminal_error` are not tried again until "
            "something changes.",
            queries=(
                Query(
                    f"sum by (controller, result) (controller_failing_keys{{@{CHOSEN}}})", "{{controller}} {{result}}"
                ),
            ),
        ),
        Panel(
            title="Longest failure",
            about="Since when the key has failed that has failed longest: a line that climbs is one that nobody mends.",
            queries=(
                Query(
                    f"max by (controller, result) (controller_longest_failing_seconds{{@{CHOSEN}}})",
                    "{{controller}} {{result}}",
                ),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Waiting keys",
            about="Keys whose reconciler waits for something else (RetryLater), until they succeed.",
            queries=(Query(f"sum by (controller) (controller_waiting_keys{{@{CHOSEN}}})", "{{controller}}"),),
        ),
        Panel(
            title="Longest wait",
            about="Since when the key has waited that has waited longest: a line that climbs is something that does "
            "not come.",
            queries=(
                Query(f"max by (controller) (controller_longest_waiting_seconds{{@{CHOSEN}}})", "{{controller}}"),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Failures",
            about="Failures in a second, and of these the ones that are not tried again, that nobody foresaw (bugs), "
            "and that the time limit ended.",
            queries=rates(
                "controller",
                {
                    "failed": "controller_runtime_reconcile_errors_total",
                    "given up": "controller_runtime_terminal_reconcile_errors_total",
                    "unforeseen": "controller_runtime_reconcile_panics_total",
                    "too long": "controller_runtime_reconcile_timeouts_total",
                },
                CHOSEN,
            ),
            unit=Unit.RATE,
        ),
        Panel(
            title="Workers",
            about="Workers that reconcile now, and how many there are. Where both are the same for long, more "
            "workers, or quicker reconciles, would help.",
            queries=(
                Query(f"sum by (controller) (controller_runtime_active_workers{{@{CHOSEN}}})", "{{controller}} busy"),
                Query(
                    f"sum by (controller) (controller_runtime_max_concurrent_reconciles{{@{CHOSEN}}})",
                    "{{controller}} in all",
                ),
            ),
        ),
        Panel(
            title="Causes",
            about="What leads to reconciles. Much of one cause without a change of any object is a loop: the "
            "controller answers its own writes.",
            queries=rates("controller, cause", {"": "controller_causes_total"}, CHOSEN),
            unit=Unit.RATE,
        ),
        Panel(
            title="Stuck and held keys",
            about="Reconciles that have run for more than a minute or two time limits, and keys that wait until the "
            "caches show what they wrote.",
            queries=(
                Query(f"sum by (controller) (controller_stuck_keys{{@{CHOSEN}}})", "{{controller}} stuck"),
                Query(f"sum by (controller) (controller_write_gate_held_keys{{@{CHOSEN}}})", "{{controller}} held"),
            ),
        ),
        Panel(
            title="Waits for own writes",
            about="How often keys had to wait until the caches showed what they wrote, how long in all, and how often "
            "that took too long: a watch is slow.",
            queries=rates(
                "controller",
                {
                    "waits": "controller_write_gate_holds_total",
                    "seconds": "controller_write_gate_wait_seconds_total",
                    "too long": "controller_write_gate_timeouts_total",
                },
                CHOSEN,
            ),
        ),
        Panel(
            title="Changes lost",
            about="Mappers, predicates and the like that raised: a change may have led to no reconcile. Each is a bug.",
            queries=rates("controller", {"": "controller_source_failures_total"}, CHOSEN),
            unit=Unit.RATE,
        ),
        Panel(
            title="Ready, and cut off",
            about="1 where a controller has seen the first lists; and reconciles in a second that were cut off, as "
            "when a lease is lost or a stop takes too long.",
            queries=(
                Query(f"min by (controller) (controller_synced{{@{CHOSEN}}})", "{{controller}} ready"),
                *rates("controller", {"cut off": "controller_cancelled_total"}, CHOSEN),
            ),
        ),
    ),
)

QUEUES: Final = Row(
    "Queues",
    (
        Panel(
            title="Keys that wait",
            about="Keys that are ready to run, by priority. After a start all are, and the line falls; one that climbs "
            "for long is a controller that cannot keep up.",
            queries=(
                Query(
                    f"sum by (controller, priority) (workqueue_depth{{@{CHOSEN}}})",
                    "{{controller}} priority {{priority}}",
                ),
            ),
        ),
        Panel(
            title="Time in the queue",
            about="From when a key was wanted to the start of its run.",
            queries=quantiles("workqueue_queue_duration_seconds", "controller", CHOSEN),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Added and put off",
            about="How often keys came to be wanted, and were put off: after a failure, or because their reconcile "
            "asked.",
            queries=rates(
                "controller", {"added": "workqueue_adds_total", "put off": "workqueue_retries_total"}, CHOSEN
            ),
            unit=Unit.RATE,
        ),
        Panel(
            title="Time at work",
            about="From the start to the end of a run, as the queue sees it.",
            queries=quantiles("workqueue_work_duration_seconds", "controller", CHOSEN),
            unit=Unit.SECONDS,
            width=12,
        ),
        Panel(
            title="What runs now",
            about="How long the run has taken that began first, and all runs of now together. A line that climbs is a "
            "reconcile that hangs.",
            queries=(
                Query(
                    f"max by (controller) (workqueue_longest_running_processor_seconds{{@{CHOSEN}}})",
                    "{{controller}} longest",
                ),
                Query(f"sum by (controller) (workqueue_unfinished_work_seconds{{@{CHOSEN}}})", "{{controller}} in all"),
            ),
            unit=Unit.SECONDS,
            width=12,
        ),
    ),
)

CACHES: Final = Row(
    "Caches",
    (
        Panel(
            title="What fails",
            about="Caches whose last list or watch failed, and why. Empty when all is well.",
            queries=(
                Query("max by (name, group, version, resource, scope, verb, cause, instance) (informer_failing{@})"),
            ),
            form=Form.TABLE,
        ),
        Panel(
            title="Last word of the server",
            about="How long ago the server told anything, bookmarks too: about a minute at most, where it is well.",
            queries=(Query("max by (name, scope) (informer_last_event_age_seconds{@})", "{{name}} {{scope}}"),),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Objects",
            about="Objects in each cache of a replica.",
            queries=(Query("max by (name) (informer_store_items{@})", "{{name}}"),),
        ),
        Panel(
            title="Lists and watches",
            about="How often each collection was asked for, with the reason of a list. A healthy watch lives for "
            "minutes.",
            queries=(
                Query(
                    "sum by (name, reason) (rate(informer_lists_total{@}[$__rate_interval]))",
                    "{{name}} list {{reason}}",
                ),
                *rates("name", {"watch": "informer_watches_total"}),
            ),
            unit=Unit.RATE,
        ),
        Panel(
            title="Handlers that are behind",
            about="How long the oldest change has waited for a handler, and how many wait. Both are near 0, unless "
            "something holds the event loop.",
            queries=(
                Query(
                    "max by (name, handler) (informer_handler_oldest_item_seconds{@})", "{{name}} {{handler}} seconds"
                ),
                Query("max by (name, handler) (informer_handler_queued_items{@})", "{{name}} {{handler}} changes"),
            ),
        ),
        Panel(
            title="From cache to handler",
            about="From the moment a change is in the cache until a handler has seen it.",
            queries=quantiles("informer_processing_latency_seconds", "name"),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Changes seen",
            about="Changes that handlers saw in a second.",
            queries=rates("name", {"": "informer_handled_items_total"}),
            unit=Unit.RATE,
        ),
        Panel(
            title="What cannot be read",
            about="Objects that do not fit the program's type, and are not reconciled.",
            queries=(Query("max by (name) (informer_quarantined_items{@})", "{{name}}"),),
        ),
        Panel(
            title="What goes wrong",
            about="Handlers and index functions that raised, changes that removed handlers did not see, and lines of "
            "the server that tell of no object.",
            queries=rates(
                "name",
                {
                    "handler raised": "informer_handler_failures_total",
                    "index raised": "informer_index_failures_total",
                    "dropped": "informer_dropped_items_total",
                    "unreadable": "informer_unreadable_total",
                },
            ),
            unit=Unit.RATE,
        ),
    ),
)
