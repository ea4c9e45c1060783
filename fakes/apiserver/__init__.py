"""The embedded API server: HTTP in front of an object tracker, enough of it for kubectl."""

from __future__ import annotations

from ctrlkit.fakes.apiserver.access import Security
from ctrlkit.fakes.apiserver.server import ApiServer, PortTaken

__all__ = ["ApiServer", "PortTaken", "Security"]
