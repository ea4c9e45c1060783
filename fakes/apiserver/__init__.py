"""The embedded API server: serves an object tracker over HTTP, completely enough for kubectl and client libraries."""

from __future__ import annotations

from ctrlkit.fakes.apiserver.access import Security
from ctrlkit.fakes.apiserver.server import ApiServer, PortTaken

__all__ = ["ApiServer", "PortTaken", "Security"]
