"""
Spans of OpenTelemetry for calls to the server, in programs that trace.

A program traces if it has set a tracer provider; to do so it has imported `opentelemetry` itself. So that is looked for
among the modules that are there, and nothing is imported here: who does not trace pays one look into a dict.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from ctrlkit.model import Action

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer


def tracer() -> Tracer | None:
    """What makes spans, in the name of ctrlkit; None where the program has set no tracer provider."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    provider = api.get_tracer_provider()
    if isinstance(provider, api.ProxyTracerProvider | api.NoOpTracerProvider):
        return None
    made: Tracer = provider.get_tracer("ctrlkit")
    return made


def is_traced() -> bool:
    """Whether the program may trace: it has imported what it would do that with."""
    return "opentelemetry.trace" in sys.modules


def call_span(action: Action) -> AbstractContextManager[Span | None]:
    """
    A span around one call, below the span in which it is made, such as a reconcile's.

    A call that belongs to no span has none: lists, watches and renewals of leases would be traces of one span each.
    """
    api = sys.modules.get("opentelemetry.trace")
    if api is None or not api.get_current_span().is_recording():
        return nullcontext()
    maker = tracer()
    if maker is None:
        return nullcontext()
    return maker.start_as_current_span(
        f"{action.verb} {action.resource}{f'/{action.subresource}' if action.subresource else ''}",
        kind=api.SpanKind.CLIENT,
        attributes={
            "ctrlkit.verb": action.verb.value,
            "ctrlkit.resource": str(action.resource),
            "ctrlkit.key": str(action.key),
            "k8s.namespace.name": action.namespace,
        },
    )
