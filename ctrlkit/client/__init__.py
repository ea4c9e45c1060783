"""The Client: typed verbs over a Transport, and the lists and watches of informers."""

from __future__ import annotations

from ctrlkit.client.client import Client, DryRun, Propagation
from ctrlkit.client.list_watch import ClientListWatch
from ctrlkit.client.retries import DEFAULT_BACKOFF, DEFAULT_RETRY, RetryPolicy, retry_on_conflict
from ctrlkit.client.scale import Scale
from ctrlkit.client.writes import noting_writes

__all__ = [
    "DEFAULT_BACKOFF",
    "DEFAULT_RETRY",
    "Client",
    "ClientListWatch",
    "DryRun",
    "Propagation",
    "RetryPolicy",
    "Scale",
    "noting_writes",
    "retry_on_conflict",
]
