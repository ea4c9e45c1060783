"""
Observers see each reconcile begin and end; one of them makes OpenTelemetry spans in programs that trace.

An observer stands in a context variable, and a controller looks for one when it starts: controllers of one test world
have theirs (ctrlkit.fakes.world.trace draws a timeline). Spans, where the program has set a tracer provider by the time
the controller starts:

    reconcile greetings         ctrlkit.key, ctrlkit.attempt, ctrlkit.causes, ctrlkit.outcome, ...; the error, if any
      patch configmaps            the calls that it makes (ctrlkit.client.spans)
      ...                         and whatever spans its author makes, also in tasks that it starts

Each reconcile is a trace of its own, and current while it runs. Rows B11, B30, K16.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ctrlkit.client.spans import tracer
from ctrlkit.controller.reconcile import Result, Verdict
from ctrlkit.failures import describe
from ctrlkit.model import ObjectKey

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer


@dataclass(frozen=True, slots=True)
class Run:
    """
    One reconcile.

    Shape   `causes` are what led to it since the key ran last, in words, the first ones and the number of the rest;
            `merged` counts all that it answers. `id` is that of its log lines.
    Units   `waited_s` from the first cause, or from when a retry came due, to the beginning, which was at `began_at` on
            the loop's clock.
    """

    controller: str
    key: ObjectKey
    attempt: int
    id: str
    causes: tuple[str, ...]
    merged: int = 1
    waited_s: float = 0.0
    began_at: float = 0.0


class Observer(Protocol):
    """
    Is called for each reconcile of the controllers that start while it stands in OBSERVER.

    Both calls are made in the task and the context in which the reconcile runs: a context variable that the first sets
    is seen by the reconcile, and can be reset by the second.
    """

    def reconcile_began(self, run: Run) -> None:
        """A worker begins."""
        ...

    def reconcile_ended(self, run: Run, verdict: Verdict | None) -> None:
        """It ended; None where it was cut off."""
        ...


OBSERVER: ContextVar[Observer | None] = ContextVar("ctrlkit_reconcile_observer", default=None)


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
    """Several observers as one; they are called in reverse order at the end of a reconcile."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def reconcile_began(self, run: Run) -> None:
        """As Observer."""
        for observer in self._observers:
            observer.reconcile_began(run)

    def reconcile_ended(self, run: Run, verdict: Verdict | None) -> None:
        """As Observer."""
        for observer in reversed(self._observers):
            observer.reconcile_ended(run, verdict)


class Tracing:
    """An Observer that makes spans; it is called in the task that reconciles."""

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
        """Say how it ended, and close the span. A conflict is no error, and neither is a cut off run."""
        from opentelemetry.context import detach  # noqa: PLC0415
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

        span, token = self._open.pop(run)
        span.set_attribute("ctrlkit.outcome", CANCELLED if verdict is None else verdict.outcome)
        if verdict is not None and verdict.result is Result.REQUEUE_AFTER:
            span.set_attribute("ctrlkit.next_s", verdict.delay_s)
        if verdict is not None and verdict.error is not None and verdict.result is not Result.CONFLICT:
            span.record_exception(verdict.error)
            span.set_status(Status(StatusCode.ERROR, describe(verdict.error)))
        detach(token)
        span.end()
