"""Typed verbs over a Transport: what a reconciler writes with, and where informers get their lists and watches."""

from __future__ import annotations

from ctrlkit.client.client import Client
from ctrlkit.client.list_watch import ClientListWatch
from ctrlkit.client.options import DryRun, Propagation
from ctrlkit.client.scale import Scale
from ctrlkit.client.written import noting_writes

__all__ = ["Client", "ClientListWatch", "DryRun", "Propagation", "Scale", "noting_writes"]
