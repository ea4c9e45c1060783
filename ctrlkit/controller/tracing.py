"""
A span of OpenTelemetry for each reconcile, in programs that trace (row B30).

    reconcile greetings         ctrlkit.key, ctrlkit.attempt, ctrlkit.causes, ctrlkit.outcome, ...; the error, if any
      patch configmaps            the calls that it makes (ctrlkit.client.spans)
      ...                         and whatever spans its author makes, also in tasks that it starts

Each reconcile is a trace of its own: what led to it is in its causes. It is current while the reconcile runs. Nothing
is switched on here: a controller traces if the program has set a tracer provider by the time the controller starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctrlkit.client.spans import tracer
from ctrlkit.controller.observer import Observer, Run
from ctrlkit.controller.verdict import Result, Verdict
from ctrlkit.failures import describe

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

CANCELLED = "cancelled"
"""The outcome of a reconcile that was cut off."""


def with_tracing(observer: Observer | None) -> Observer | None:
    """The observer, and one that traces, where the program does."""
    maker = tracer()
    if maker is None:
        return observer
    tracing = Tracing(maker)
    return tracing if observer is None else Observers((observer, tracing))


class Observers:
    """Several observers as one; the last one told of a beginning is the first one told of its end."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def reconcile_began(self, run: Run) -> None:
        """As the protocol Observer."""
        for observer in self._observers:
            observer.reconcile_began(run)

    def reconcile_ended(self, run: Run, verdict: Verdict | None) -> None:
        """As the protocol Observer."""
        for observer in reversed(self._observers):
            observer.reconcile_ended(run, verdict)


class Tracing:
    """An Observer that makes spans. It is told of beginning and end in the task that reconciles."""

    def __init__(self, maker: Tracer) -> None:
        self._tracer = maker
        self._open: dict[Run, tuple[Span, Token[Context]]] = {}

    def reconcile_began(self, run: Run) -> None:
        """Open a span, and make it the current one."""
        from opentelemetry.context import Context, attach  # noqa: PLC0415 - the tracer has it imported
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415

        attributes: dict[str, str | int | tuple[str, ...]] = {
            "ctrlkit.controller": run.controller,
            "ctrlkit.key": str(run.key),
            "ctrlkit.attempt": run.attempt,
            "ctrlkit.id": run.id,
            "ctrlkit.causes": run.causes,
            "k8s.namespace.name": run.key.namespace,
        }
        span = self._tracer.start_span(f"reconcile {run.controller}", context=Context(), attributes=attributes)
        self._open[run] = (span, attach(set_span_in_context(span)))

    def reconcile_ended(self, run: Run, verdict: Verdict | None) -> None:
        """Say how it ended, and close the span. A conflict is no error (row B11), and neither is a cut off run."""
        from opentelemetry.context import detach  # noqa: PLC0415
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

        span, token = self._open.pop(run)
        span.set_attribute("ctrlkit.outcome", CANCELLED if verdict is None else verdict.result.value)
        if verdict is not None and verdict.result is Result.REQUEUE_AFTER:
            span.set_attribute("ctrlkit.next_s", verdict.delay_s)
        if verdict is not None and verdict.error is not None and verdict.result is not Result.CONFLICT:
            span.record_exception(verdict.error)
            span.set_status(Status(StatusCode.ERROR, describe(verdict.error)))
        detach(token)
        span.end()
