"""The Client: typed verbs over a Transport, and the lists and watches of informers."""

from __future__ import annotations

from ctrlkit.client.actions import DryRun, Propagation
from ctrlkit.client.client import Client
from ctrlkit.client.exec import Exec, ExecResult, Output, PortForward, Session
from ctrlkit.client.list_watch import ClientListWatch
from ctrlkit.client.logs import Logs
from ctrlkit.client.retries import DEFAULT_BACKOFF, DEFAULT_RETRY, RetryPolicy, retry_on_conflict
from ctrlkit.client.scale import Scale
from ctrlkit.client.subresource import Subresource
from ctrlkit.client.writes import noting_writes

__all__ = [
    "DEFAULT_BACKOFF",
    "DEFAULT_RETRY",
    "Client",
    "ClientListWatch",
    "DryRun",
    "Exec",
    "ExecResult",
    "Logs",
    "Output",
    "PortForward",
    "Propagation",
    "RetryPolicy",
    "Scale",
    "Session",
    "Subresource",
    "noting_writes",
    "retry_on_conflict",
]
